// Every section and key that the configuration knows: type, domain, default, help. The reader, `config show
// --effective` and the manual are made from this one table (design section 4). A [plugin] section may hold other keys
// too: they belong to its module.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace baton::config {

enum class SectionType : std::uint8_t { kDaemon, kInstance, kGroup, kPlugin, kPeer };
inline constexpr std::size_t kSectionTypes = 5;

/// "daemon", "instance", ...
std::string_view section_word(SectionType type);

enum class ValueType : std::uint8_t {
  kBoolean,   ///< yes, no, on, off, true, false
  kDuration,  ///< number and unit: us ms s m h d
  kInteger,
  kText,
  kPath,       ///< absolute
  kAddress,    ///< IPv4 or IPv6
  kPrefix,     ///< ADDRESS or ADDRESS/LENGTH
  kWord,       ///< one of the words in `domain`
  kName,       ///< name of another section
  kReference,  ///< NAME of a [plugin] with options
  kInterface,
};

/// What a build without the feature does with the key.
enum class Support : std::uint8_t {
  kFull,
  kRefused,  ///< a value that differs from the default is an error: silence would be worse
};

struct KeySpec {
  SectionType section;
  std::string_view name;
  ValueType type;
  bool list;  ///< repeat the key; an empty value empties the list
  bool required;
  bool election;  ///< of [instance] and [group]; a member of a group has none
  Support support;
  std::string_view domain;        ///< "1..254", "request|reply|both", "10ms..40.95s": for people
  std::string_view default_text;  ///< "" = none
  std::string_view help;
};

/// In the order of design section 4; keys of one section stand together.
std::span<const KeySpec> key_table();
/// nullptr if `section` has no such key.
const KeySpec* find_key(SectionType section, std::string_view name);

}  // namespace baton::config
