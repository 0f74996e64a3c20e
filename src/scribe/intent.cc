#include "scribe/intent.h"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <string_view>

#include "base/crc32.h"
#include "posix/file.h"

namespace baton::scribe {
namespace {

constexpr const char* kFile = "intent";
constexpr std::string_view kFrozen = "frozen_until ";
constexpr std::size_t kLimit = 4096;

std::string with_checksum(std::string body) {
  char line[24];
  std::snprintf(line, sizeof line, "crc32 %08x\n",
                static_cast<unsigned>(crc32({reinterpret_cast<const std::uint8_t*>(body.data()), body.size()})));
  return body + line;
}

}  // namespace

std::string intentions_text(const Intentions& intentions) {
  std::string body = std::string{"baton-intent 1\ndrained "} + (intentions.drained ? "yes" : "no") + "\n";
  if (intentions.frozen_until_ns != 0) body += std::string{kFrozen} + std::to_string(intentions.frozen_until_ns) + "\n";
  return with_checksum(std::move(body));
}

Result<Intentions> parse_intentions(std::string_view text) {
  std::int64_t frozen_until_ns = 0;
  if (const auto at = text.find(kFrozen); at != std::string_view::npos) {
    std::from_chars(text.data() + at + kFrozen.size(), text.data() + text.size(), frozen_until_ns);
  }
  for (const bool drained : {false, true}) {
    const Intentions intentions{.drained = drained, .frozen_until_ns = frozen_until_ns};
    if (text == intentions_text(intentions)) return intentions;
  }
  return fail("not an intent file of this version");
}

LoadedIntentions load_intentions(int directory) {
  const auto bytes = posix::read_file_at(directory, kFile, kLimit);
  if (!bytes) {
    if (bytes.error().sys_errno == ENOENT) return {};
    return {{.drained = true}, bytes.error().message()};
  }
  const auto intentions = parse_intentions({reinterpret_cast<const char*>(bytes->data()), bytes->size()});
  if (!intentions) return {{.drained = true}, intentions.error().message()};
  return {*intentions, {}};
}

Result<void> save_intentions(int directory, const Intentions& intentions) {
  const std::string text = intentions_text(intentions);
  return posix::write_file_atomically(directory, kFile,
                                      {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, 0600);
}

}  // namespace baton::scribe
