// Arbitrary text as a keepalived.conf, with a second one that it may include: never a crash, never without end, and a
// refusal names its file and says why; what is written goes through Baton's reader.
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
  // What the reader then refuses, batonctl import refuses, too: bytes of the file are passed on as they stand.
  static_cast<void>(config::parse({{"baton.conf", written.text}}, {.host = "db1"}));
  return 0;
}
