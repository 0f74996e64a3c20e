// The diagnostic codes by name, for the code that reports them. Numbers are stable: add, never renumber or reuse.
#pragma once

#include <cstdint>
#include <string_view>

#include "config/diagnostic.h"

namespace baton::config {

enum class Code : std::uint8_t {
  // Files.
  kUnreadable,
  kNotAFile,
  kFileTooLarge,
  kNothingConfigured,
  kNotText,
  kByteOrderMark,
  kWindowsLines,
  kCutOff,
  kFileChanged,
  // Lines.
  kLineTooLong,
  kIndented,
  kNoEquals,
  kColon,
  kBadKey,
  kInlineComment,
  kBadHeader,
  kSectionTooLong,
  kKeyOutside,
  kReadDifferently,
  // Sections and keys.
  kUnknownSection,
  kBadName,
  kDuplicateSection,
  kUnknownKey,
  kDuplicateKey,
  kUnknownHost,
  kHostNotListed,
  kMissingKey,
  kEmptyValue,
  kKeyOfGroup,
  // Values.
  kBadValue,
  kOutOfRange,
  kNoUnit,
  kBadInterval,
  kUnusableAddress,
  kDuplicateItem,
  // References and files of the values.
  kUndefined,
  kNotAvailable,
  kMembership,
  kBadSecret,
  kBadModule,
  kMissingVerb,
  kModuleComplaint,
  kBadUser,
  // What the values mean together.
  kVridTwice,
  kTooManyAddresses,
  kLinkLocalFirst,
  kVersionMismatch,
  kOwner,
  kUnicastPeers,
  kAddressTaken,
  kAddressTwice,
  kTooMany,
  kBadSource,
  kGrant,
  kTimes,
  kTooManyDiagnostics,
  // Warnings.
  kOutsidePrefix,
  kEqualPriorities,
  kUnauthenticated,
  kClearPassword,
  kLowTtl,
  kNoPreemptDelay,
  kPriorityIgnored,
  kNoEffect,
  kInterfaceMissing,
  kUnused,
  kSecretReadable,
  kOwnAddress,
  kSecretUnread,
  kWeakGrant,
  kTimesGap,
  kTooManyWarnings,
};

Severity code_severity(Code code);
/// "E012".
std::string_view code_text(Code code);

}  // namespace baton::config
