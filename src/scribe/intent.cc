#include "scribe/intent.h"

#include <cerrno>
#include <cstdio>
#include <string_view>

#include "base/crc32.h"
#include "posix/file.h"

namespace baton::scribe {
namespace {

constexpr const char* kFile = "intent";
constexpr std::size_t kLimit = 4096;

std::string with_checksum(std::string body) {
  char line[24];
  std::snprintf(line, sizeof line, "crc32 %08x\n",
                static_cast<unsigned>(crc32({reinterpret_cast<const std::uint8_t*>(body.data()), body.size()})));
  return body + line;
}

}  // namespace

std::string intentions_text(const Intentions& intentions) {
  return with_checksum(std::string{"baton-intent 1\ndrained "} + (intentions.drained ? "yes" : "no") + "\n");
}

Result<Intentions> parse_intentions(std::string_view text) {
  for (const bool drained : {false, true}) {
    const Intentions intentions{.drained = drained};
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
