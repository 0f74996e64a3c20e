// Reads tests/golden: frames and messages with their expectations, so that every test looks at the same bytes.
#pragma once

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/check.h"

namespace baton::test {

inline std::vector<std::uint8_t> from_hex(const std::string& hex) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

inline IpAddress ip(const std::string& text) {
  const auto address = IpAddress::parse(text);
  CHECK(address.has_value());
  return *address;
}

/// Rows of a tab-separated file under tests/golden, without comments.
inline std::vector<std::vector<std::string>> golden_rows(const std::string& file) {
  std::ifstream in{std::string{BATON_SOURCE_DIR} + "/tests/golden/" + file};
  CHECK(in.good());
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields{line};
    rows.emplace_back();
    for (std::string field; std::getline(fields, field, '\t');) rows.back().push_back(field);
  }
  return rows;
}

struct GoldenFrame {
  std::string name, router, outcome, what;
  std::vector<std::uint8_t> bytes;
};

inline std::vector<GoldenFrame> golden_frames() {
  std::vector<GoldenFrame> frames;
  for (const auto& row : golden_rows("frames.tsv")) {
    frames.push_back({row.at(0), row.at(1), row.at(2), row.at(3), from_hex(row.at(4))});
  }
  return frames;
}

inline GoldenFrame golden_frame(const std::string& name) {
  for (const GoldenFrame& frame : golden_frames()) {
    if (frame.name == name) return frame;
  }
  CHECK(!"a golden frame of that name");
  return {};
}

}  // namespace baton::test
