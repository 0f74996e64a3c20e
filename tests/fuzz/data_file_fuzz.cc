// Arbitrary bytes as the file of an instance's part in a database's roles: never a crash, a wrong checksum is never
// believed, and what is read and written again is read the same.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/crc32.h"
#include "scribe/data_file.h"

namespace {

using namespace baton;

constexpr std::string_view kBoot = "5ba7ec16-0000-4000-8000-000000000000";

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text{reinterpret_cast<const char*>(data), size};
  static_cast<void>(scribe::parse_data_record(text, kBoot));
  // The same with a right checksum, which the fuzzer alone would never find.
  char line[24];
  std::snprintf(line, sizeof line, "crc32 %08x\n", static_cast<unsigned>(crc32({data, size})));
  auto record = scribe::parse_data_record(text + line, kBoot);
  if (!record) return 0;
  const std::string written = scribe::data_record_text(*record, kBoot);
  const auto again = scribe::parse_data_record(written, kBoot);
  record->same_boot = true;  // written anew, in this boot
  require(again && *again == *record);
  std::string broken = written;
  broken[broken.size() / 2] = static_cast<char>(broken[broken.size() / 2] ^ 1);
  require(!scribe::parse_data_record(broken, kBoot));
  return 0;
}
