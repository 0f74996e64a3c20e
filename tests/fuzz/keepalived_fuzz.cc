// Arbitrary text as a keepalived.conf, with a second one that it may include: never a crash, never without end; and
// what is written passes Baton's reader as far as lines, sections and keys go.
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "cli/keepalived_write.h"
#include "config/reader.h"

namespace {

using namespace baton;
using namespace baton::cli;

void require(bool holds) {
  if (!holds) std::abort();
}

/// What a value says wrongly is the reader's to tell; that a line is none, or a key unknown, is a fault of ours.
bool is_our_fault(const config::Diagnostic& diagnostic) {
  static constexpr std::string_view kLines[] = {"is no key",
                                                "the line",
                                                "a semicolon",
                                                "has no key",
                                                "cannot be used",
                                                "INI library",
                                                "stands in this file already",
                                                "is set already"};
  return std::any_of(std::begin(kLines), std::end(kLines),
                     [&](std::string_view words) { return diagnostic.message.find(words) != std::string::npos; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = std::min(text.find('\f'), text.size());
  const std::string included = cut < text.size() ? text.substr(cut + 1) : "";
  const keepalived::Files files{[&](const std::string& path) -> std::optional<std::string> {
                                  if (path == "main") return text.substr(0, cut);
                                  if (path == "./other") return included;
                                  errno = ENOENT;
                                  return std::nullopt;
                                },
                                [](const std::string& pattern) {
                                  return pattern == "./other" ? std::vector<std::string>{pattern}
                                                              : std::vector<std::string>{};
                                }};
  static_cast<void>(keepalived::ids_of("main", files));
  std::vector<keepalived::HostPart> parts;
  for (const char* host : {"db1", "db2"}) {
    const auto parsed = keepalived::parse("main", host, files);
    if (!parsed) {
      require(!parsed.error().message.empty() && !parsed.error().place.file.empty());
      return 0;
    }
    parts.push_back({host, "main", keepalived::convert(*parsed, std::nullopt)});
  }
  const keepalived::Written written = keepalived::write(std::move(parts), {});
  const config::Loaded loaded = config::parse({{"baton.conf", written.text}}, {.host = "db1"});
  require(std::none_of(loaded.diagnostics.begin(), loaded.diagnostics.end(), is_our_fault));
  return 0;
}
