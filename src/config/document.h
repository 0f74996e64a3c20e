// All sources merged: sections with their entries, each entry tied to its row of the key table and to its place.
// Unknown sections, keys and hosts, and what is given twice, are reported here; values are not looked at.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/keys.h"
#include "config/report.h"
#include "config/source.h"

namespace baton::config {

struct Entry {
  const KeySpec* spec = nullptr;  ///< nullptr: a key of the module of a [plugin]
  std::string_view key;
  std::string_view host;  ///< "" = all hosts
  std::string_view value;
  Place key_place;
  Place value_place;
};

struct Section {
  SectionType type = SectionType::kDaemon;
  std::string name;                 ///< "" for [daemon]
  Place place;                      ///< of the first header
  Place last_place;                 ///< of the latest header
  std::vector<Entry> entries = {};  ///< in the order of the sources
  std::map<const KeySpec*, std::vector<std::uint32_t>> by_key = {};

  /// "instance web".
  std::string title() const;
  /// The entry that counts on `host`: key@HOST before key. nullptr if there is none.
  const Entry* find(std::string_view key, std::string_view host) const;
  /// The entries of a list that count on `host`, in order, from the last empty value on.
  std::vector<const Entry*> list(std::string_view key, std::string_view host) const;
  /// Whether any entry sets the key, for whatever host.
  const Entry* any(std::string_view key) const;
};

struct Document {
  std::vector<Section> sections;   ///< in order of first appearance
  std::vector<std::string> hosts;  ///< of the [peer] sections

  const Section* find(SectionType type, std::string_view name) const;
  std::size_t count(SectionType type) const;

  std::map<std::pair<SectionType, std::string>, std::size_t, std::less<>> index;
};

/// `files` are the report's. The document's views point into them.
Document read_document(const std::vector<SourceFile>& files, Report& report);

}  // namespace baton::config
