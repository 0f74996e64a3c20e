#include "config/document.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "config/keepalived_words.h"
#include "config/values.h"

namespace baton::config {
namespace {

constexpr std::array<SectionType, kSectionTypes> kTypes{SectionType::kDaemon, SectionType::kInstance,
                                                        SectionType::kGroup, SectionType::kPlugin, SectionType::kPeer};

std::string quoted(std::string_view text) { return "`" + std::string(text) + "`"; }

std::vector<std::string_view> keys_of(SectionType type) {
  std::vector<std::string_view> names;
  for (const KeySpec& spec : key_table()) {
    if (spec.section == type) names.push_back(spec.name);
  }
  return names;
}

/// "which a [group] section has", if another section type knows the key.
std::string other_home(std::string_view key, SectionType here) {
  for (const SectionType type : kTypes) {
    if (type != here && find_key(type, key) != nullptr) {
      return quoted(key) + " belongs into a [" + std::string(section_word(type)) + "] section";
    }
  }
  return {};
}

class Merger {
 public:
  Merger(const std::vector<SourceFile>& files, Report& report) : files_(files), report_(report) {}

  Document run() {
    for (std::uint32_t i = 0; i < files_.size(); ++i) {
      for (const RawSection& raw : read_source(files_[i], i, report_)) {
        if (!raw.broken) merge(raw);
      }
    }
    for (const Section& section : document_.sections) {
      if (section.type == SectionType::kPeer) document_.hosts.push_back(section.name);
    }
    check_hosts();
    return std::move(document_);
  }

 private:
  void merge(const RawSection& raw) {
    const auto words = split_words(raw.name);
    if (words.empty()) {
      report_.add(Code::kBadHeader, raw.place, "the section line is empty", "write [instance NAME]");
      return;
    }
    const auto type = type_of(raw, words[0]);
    if (!type || !check_name(raw, *type, words)) return;
    Section& section = open(raw, *type, words.size() == 2 ? std::string(words[1]) : std::string());
    for (const RawEntry& entry : raw.entries) add_entry(section, entry);
  }

  std::optional<SectionType> type_of(const RawSection& raw, std::string_view word) {
    const auto found =
        std::find_if(kTypes.begin(), kTypes.end(), [&](SectionType type) { return section_word(type) == word; });
    if (found != kTypes.end()) return *found;
    std::array<std::string_view, kSectionTypes> candidates;
    std::transform(kTypes.begin(), kTypes.end(), candidates.begin(), section_word);
    std::string help = report_.full() ? std::string() : did_you_mean(word, candidates);
    if (help.empty()) help = "sections are [daemon], [instance NAME], [group NAME], [plugin NAME] and [peer HOST]";
    Place place = raw.place;
    place.width = static_cast<std::uint32_t>(word.size());
    report_.add(Code::kUnknownSection, place, "unknown section " + quoted(word), std::move(help));
    return std::nullopt;
  }

  bool check_name(const RawSection& raw, SectionType type, const std::vector<std::string_view>& words) {
    const std::string word{section_word(type)};
    if (type == SectionType::kDaemon) {
      if (words.size() == 1) return true;
      report_.add(Code::kBadName, raw.place, "[daemon] has no name", "write [daemon]");
      return false;
    }
    const std::string form = "[" + word + (type == SectionType::kPeer ? " HOST]" : " NAME]");
    if (words.size() == 1) {
      report_.add(Code::kBadName, raw.place, "the section has no name", "write " + form);
      return false;
    }
    if (words.size() == 2 && is_valid_name(words[1])) return true;
    report_.add(Code::kBadName, raw.place, "the section has a name that cannot be used",
                "write " + form + "; a name has 1 to 32 characters of A-Z, a-z, 0-9, `_`, `.` and `-`");
    return false;
  }

  Section& open(const RawSection& raw, SectionType type, std::string name) {
    const auto [position, is_new] = document_.index.try_emplace({type, name}, document_.sections.size());
    if (is_new) {
      document_.sections.push_back(
          {.type = type, .name = std::move(name), .place = raw.place, .last_place = raw.place});
      return document_.sections.back();
    }
    Section& section = document_.sections[position->second];
    if (section.last_place.file == raw.place.file) {
      report_.add(Code::kDuplicateSection, raw.place,
                  "[" + section.title() + "] stands in this file already, at " + report_.text(section.last_place),
                  "put the keys of both together, or give one another name");
    }
    section.last_place = raw.place;
    return section;
  }

  void add_entry(Section& section, const RawEntry& raw) {
    const KeySpec* spec = find_key(section.type, raw.key);
    if (spec == nullptr && section.type != SectionType::kPlugin) {
      if (report_.full()) return report_.cut_short();
      Place place = raw.key_place;
      place.width = static_cast<std::uint32_t>(raw.key.size());
      std::string help = keepalived_help(raw.key);
      if (help.empty()) help = did_you_mean(raw.key, keys_of(section.type));
      if (help.empty()) help = other_home(raw.key, section.type);
      report_.add(Code::kUnknownKey, place,
                  "[" + std::string(section_word(section.type)) + "] has no key " + quoted(raw.key), std::move(help));
      return;
    }
    if (spec != nullptr && !spec->list) {
      if (const Entry* first = same_entry(section, *spec, raw.host)) {
        report_.add(Code::kDuplicateKey, raw.key_place,
                    quoted(files_[raw.key_place.file].line(raw.key_place.line).substr(0, raw.key_place.width)) +
                        " is set already, at " + report_.text(first->key_place),
                    "remove one of them; for one host alone write " + std::string(raw.key) + "@HOST");
        return;
      }
      if (raw.value.empty()) {
        report_.add(Code::kEmptyValue, raw.value_place, quoted(raw.key) + " has no value",
                    spec->default_text.empty() ? "" : "the default is " + std::string(spec->default_text));
        return;
      }
    }
    if (spec != nullptr) section.by_key[spec].push_back(static_cast<std::uint32_t>(section.entries.size()));
    section.entries.push_back({spec, raw.key, raw.host, raw.value, raw.key_place, raw.value_place});
  }

  const Entry* same_entry(const Section& section, const KeySpec& spec, std::string_view host) const {
    const auto found = section.by_key.find(&spec);
    if (found == section.by_key.end()) return nullptr;
    for (const std::uint32_t i : found->second) {
      if (section.entries[i].host == host) return &section.entries[i];
    }
    return nullptr;
  }

  void check_hosts() {
    const std::set<std::string_view> known(document_.hosts.begin(), document_.hosts.end());
    const std::vector<std::string_view> candidates(document_.hosts.begin(), document_.hosts.end());
    for (const Section& section : document_.sections) {
      for (const Entry& entry : section.entries) {
        if (entry.host.empty() || known.contains(entry.host)) continue;
        Place place = entry.key_place;
        place.column += static_cast<std::uint32_t>(entry.key.size()) + 1;
        place.width = static_cast<std::uint32_t>(entry.host.size());
        std::string help = report_.full() ? std::string() : did_you_mean(entry.host, candidates);
        if (help.empty()) help = "add a section [peer " + std::string(entry.host) + "]";
        report_.add(Code::kUnknownHost, place, "no [peer " + std::string(entry.host) + "] section names this host",
                    std::move(help));
      }
    }
  }

  const std::vector<SourceFile>& files_;
  Report& report_;
  Document document_;
};

}  // namespace

std::string Section::title() const {
  return name.empty() ? std::string(section_word(type)) : std::string(section_word(type)) + " " + name;
}

const Entry* Section::find(std::string_view key, std::string_view host) const {
  const auto found = by_key.find(find_key(type, key));
  if (found == by_key.end()) return nullptr;
  const Entry* general = nullptr;
  for (const std::uint32_t i : found->second) {
    if (entries[i].host.empty()) general = &entries[i];
    if (!entries[i].host.empty() && entries[i].host == host) return &entries[i];
  }
  return general;
}

std::vector<const Entry*> Section::list(std::string_view key, std::string_view host) const {
  std::vector<const Entry*> items;
  const auto found = by_key.find(find_key(type, key));
  if (found == by_key.end()) return items;
  for (const std::uint32_t i : found->second) {
    const Entry& entry = entries[i];
    if (!entry.host.empty() && entry.host != host) continue;
    if (entry.value.empty()) {
      items.clear();
    } else {
      items.push_back(&entry);
    }
  }
  return items;
}

const Entry* Section::any(std::string_view key) const {
  const auto found = by_key.find(find_key(type, key));
  return found == by_key.end() ? nullptr : &entries[found->second.front()];
}

const Section* Document::find(SectionType type, std::string_view name) const {
  const auto found = index.find(std::pair(type, std::string(name)));
  return found == index.end() ? nullptr : &sections[found->second];
}

std::size_t Document::count(SectionType type) const {
  return static_cast<std::size_t>(
      std::count_if(sections.begin(), sections.end(), [&](const Section& section) { return section.type == type; }));
}

Document read_document(const std::vector<SourceFile>& files, Report& report) { return Merger(files, report).run(); }

}  // namespace baton::config
