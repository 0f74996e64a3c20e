// What the reader finds in a text, as short literals: "E024 5:1" is code, line and column.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "config/reader.h"

namespace baton::config {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

inline ParseOptions on_host(const std::string& host) { return {.host = host, .interfaces = {}, .read_secret = {}}; }

inline Loaded parse_text(const std::string& text, const ParseOptions& options = on_host("db1")) {
  return parse({{"baton.conf", text}}, options);
}

inline std::string brief(const Diagnostic& diagnostic) {
  const std::string place =
      diagnostic.line == 0 ? "" : " " + std::to_string(diagnostic.line) + ":" + std::to_string(diagnostic.column);
  return diagnostic.code + place;
}

inline std::vector<std::string> briefs(const Loaded& loaded) {
  std::vector<std::string> out;
  for (const Diagnostic& diagnostic : loaded.diagnostics) out.push_back(brief(diagnostic));
  EXPECT_EQ(loaded.config.has_value(), !has_errors(loaded.diagnostics)) << render_all(loaded.diagnostics);
  return out;
}

inline std::vector<std::string> findings(const std::string& text, const ParseOptions& options = on_host("db1")) {
  return briefs(parse_text(text, options));
}

/// An instance that is right, in four lines; `more` are lines 5 and on.
inline std::string instance(const std::string& more) {
  return "[instance web]\ninterface = eth0\nvirtual_router_id = 51\naddress = 10.0.0.50/24\n" + more;
}

/// The Config of `text`; a failed expectation and an empty one if there is none.
inline Config config_of(const std::string& text, const ParseOptions& options = on_host("db1")) {
  const Loaded loaded = parse_text(text, options);
  EXPECT_TRUE(loaded.config) << render_all(loaded.diagnostics);
  return loaded.config.value_or(Config{});
}

}  // namespace baton::config
