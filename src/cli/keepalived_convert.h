// Statements of keepalived, as one host has them, into sections of Baton's configuration, and the list of what they do
// not say there. Pure.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/keepalived_text.h"

namespace baton::cli::keepalived {

enum class Outcome : std::uint8_t {
  kNotConverted,  ///< what it did is lost
  kNotNeeded,     ///< Baton does so by itself, or knows no such thing
  kLookAt,        ///< converted, but not to quite the same
};

struct Remark {
  Place place;
  std::string text;  ///< as in the file, on one line, without secrets
  Outcome outcome = Outcome::kNotConverted;
  std::string why;
};

struct Section {
  std::string type;  ///< "instance"
  std::string name;  ///< "" for [daemon]
  std::vector<std::pair<std::string, std::string>> keys;
  Place place;

  const std::string* find(std::string_view key) const;
  void set(std::string_view key, std::string value) { keys.emplace_back(std::string{key}, std::move(value)); }
};

struct Conversion {
  std::vector<Section> sections;  ///< daemon, groups, instances, plugins, each in the order of the file
  std::vector<Remark> remarks;
};

/// `version`: the VRRP version to write for IPv4; nullopt: as the file has it.
Conversion convert(const Parsed& parsed, std::optional<int> version);

}  // namespace baton::cli::keepalived
