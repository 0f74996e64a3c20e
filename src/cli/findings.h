// Everything that `batonctl doctor` can find: what it means and what mends it. The manual's chapter is made from this
// table (dump-tables), so that each finding stands in it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace baton::cli {

/// What was looked at; findings belong to one of them.
enum class DoctorCheck : std::uint8_t {
  kDaemon,
  kInterface,
  kAddress,
  kKernel,
  kFirewall,
  kWire,
  kPeers,
  kManagers,
  kClock,
};
inline constexpr std::size_t kDoctorChecks = 9;
std::string_view check_word(DoctorCheck check);
/// What is looked at, for people.
std::string_view check_words(DoctorCheck check);

/// In the order of how bad it is.
enum class FindingSeverity : std::uint8_t { kOk, kNote, kWarning, kProblem };
std::string_view severity_word(FindingSeverity severity);

/// In the order of the table.
enum class FindingId : std::uint8_t {
  kEngineDown,
  kOtherNamespace,
  kCapabilityMissing,
  kAlarm,
  kOldProgram,
  kDeletedLibraries,
  kVersionDiffers,
  kConfigWarnings,
  kRuntimeOnDisk,
  kInterfaceMissing,
  kInterfaceDown,
  kNoCarrier,
  kInterfaceIsPort,
  kNoArp,
  kMtuTooSmall,
  kNoSourceAddress,
  kSourceAddressMissing,
  kAddressTentative,
  kVipForeign,
  kVipInNetworkFile,
  kVipOutsidePrefix,
  kIpv6Disabled,
  kGroupNotJoined,
  kRpFilter,
  kArpIgnore,
  kArpFlux,
  kNonlocalBind,
  kFirewallDrops,
  kFirewallMayDrop,
  kFirewallPassedBy,
  kFirewallPeerChannel,
  kFirewallLegacy,
  kSameVridHere,
  kSameVridElsewhere,
  kTwoActives,
  kOwnAddressHeard,
  kNobodySpeaks,
  kUnreadableAdverts,
  kOtherSpeakerHere,
  kForeignVrid,
  kMulticastEaten,
  kPeerLost,
  kNetworkdRemoves,
  kNetworkManager,
  kClockDiffers,
  kClockUnsynchronised,
};

struct FindingEntry {
  FindingId id = FindingId::kAlarm;
  std::string_view token;
  DoctorCheck check = DoctorCheck::kDaemon;
  FindingSeverity severity = FindingSeverity::kProblem;
  std::string_view meaning;
  std::string_view fix;
};
std::span<const FindingEntry> finding_table();
const FindingEntry& finding_entry(FindingId id);

/// One of them, here and now.
struct Finding {
  FindingId id = FindingId::kAlarm;
  std::string subject;       ///< the instance, interface or process; "" = the host
  std::string text;          ///< what was found, with names and numbers
  std::string command = {};  ///< that would mend it, to be copied; "" = there is no single one
  bool operator==(const Finding&) const = default;
};

}  // namespace baton::cli
