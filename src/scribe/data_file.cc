#include "scribe/data_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <memory>
#include <optional>

#include "base/crc32.h"
#include "posix/file.h"

namespace baton::scribe {
namespace {

using ports::DataRole;

constexpr const char* kFolder = "instances";
constexpr std::string_view kSuffix = ".state";
constexpr std::size_t kLimit = 4096;
constexpr std::array kRoles = {DataRole::kNone,   DataRole::kStandby,  DataRole::kClaiming, DataRole::kPromoting,
                               DataRole::kActive, DataRole::kDemoting, DataRole::kFenced,   DataRole::kNeedsRejoin};

std::string checksum_line(std::string_view body) {
  char line[24];
  std::snprintf(line, sizeof line, "crc32 %08x\n",
                static_cast<unsigned>(crc32({reinterpret_cast<const std::uint8_t*>(body.data()), body.size()})));
  return line;
}

/// Takes "KEY VALUE\n" from the front.
std::optional<std::string_view> take(std::string_view& text, std::string_view key) {
  if (text.substr(0, key.size()) != key || text.substr(key.size(), 1) != " ") return std::nullopt;
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view value = text.substr(key.size() + 1, end - key.size() - 1);
  text.remove_prefix(end + 1);
  return value;
}

bool parse_number(std::optional<std::string_view> text, std::uint64_t& number) {
  if (!text) return false;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  return error == std::errc{} && end == text->data() + text->size() && !text->empty();
}

/// A line of words, perhaps none; nullopt if there is no such line: files of before have none.
std::optional<std::string_view> take_list(std::string_view& text, std::string_view key) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos || text.substr(0, key.size()) != key) return std::nullopt;
  const std::string_view rest = text.substr(key.size(), end - key.size());
  text.remove_prefix(end + 1);
  return rest;
}

/// " 17 18".
bool parse_promotions(std::optional<std::string_view> words, std::vector<Instant>& promotions) {
  std::string_view rest = words.value_or("");
  while (!rest.empty()) {
    if (rest.front() != ' ' || promotions.size() == ports::kMaxPromotions) return false;
    rest.remove_prefix(1);
    std::int64_t at = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), at);
    if (error != std::errc{}) return false;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    promotions.push_back(Instant{Nanos{at}});
  }
  return true;
}

}  // namespace

std::string data_record_text(const ports::DataRecord& record, std::string_view boot) {
  std::string text = "baton-state 1\ninstance " + record.instance;
  text += "\nrole " + std::string{ports::data_role_token(record.role)};
  text += "\ngeneration " + std::to_string(record.generation) + "\npromoted " + std::to_string(record.promoted);
  text += std::string{"\ndirty "} + (record.dirty ? "yes" : "no") + "\nholder " + record.holder;
  text += "\nboot " + std::string{boot};
  if (!record.promotions.empty()) text += "\npromotions";
  for (const Instant at : record.promotions) text += " " + std::to_string(at.time_since_epoch().count());
  text += "\nposition " + record.position + "\n";
  return text + checksum_line(text);
}

Result<ports::DataRecord> parse_data_record(std::string_view text, std::string_view boot) {
  const std::size_t last = text.rfind("crc32 ");
  if (last == std::string_view::npos || text.substr(last) != checksum_line(text.substr(0, last))) {
    return fail("its checksum is wrong");
  }
  text = text.substr(0, last);
  if (take(text, "baton-state") != "1") return fail("not a state file of this version");
  ports::DataRecord record;
  const auto instance = take(text, "instance");
  const auto role = take(text, "role");
  const bool numbers = parse_number(take(text, "generation"), record.generation) &&
                       parse_number(take(text, "promoted"), record.promoted);
  const auto dirty = take(text, "dirty");
  const auto holder = take(text, "holder");
  const auto written_in = take(text, "boot");
  const bool promotions = parse_promotions(take_list(text, "promotions"), record.promotions);
  const auto position = take(text, "position");
  if (!instance || !role || !numbers || !dirty || !holder || !written_in || !promotions || !position || !text.empty()) {
    return fail("a line is missing, or there is one too many");
  }
  const auto known =
      std::find_if(kRoles.begin(), kRoles.end(), [&](DataRole each) { return ports::data_role_token(each) == *role; });
  if (known == kRoles.end() || (*dirty != "yes" && *dirty != "no"))
    return fail("a value is not one of those there are");
  record.instance = *instance;
  record.role = *known;
  record.dirty = *dirty == "yes";
  record.holder = *holder;
  record.position = *position;
  record.same_boot = !boot.empty() && *written_in == boot;
  if (!record.same_boot) record.promotions.clear();  // of another clock
  return record;
}

DataFiles::DataFiles(int state_directory, std::string boot) : boot_(std::move(boot)) {
  ::mkdirat(state_directory, kFolder, 0750);
  folder_ = posix::Fd{::openat(state_directory, kFolder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)};
}

DataFiles::Loaded DataFiles::load() const {
  Loaded loaded;
  // Reading moves the descriptor's place, so that it is another one.
  posix::Fd reader{folder_.valid() ? ::openat(folder_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1};
  const std::unique_ptr<DIR, int (*)(DIR*)> directory{reader.valid() ? ::fdopendir(reader.get()) : nullptr,
                                                      &::closedir};
  if (!directory) return loaded;
  reader.release();
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string_view name{entry->d_name};
    if (name.size() <= kSuffix.size() || name.substr(name.size() - kSuffix.size()) != kSuffix) continue;
    const std::string instance{name.substr(0, name.size() - kSuffix.size())};
    const auto bytes = posix::read_file_at(folder_.get(), entry->d_name, kLimit);
    auto record = bytes ? parse_data_record({reinterpret_cast<const char*>(bytes->data()), bytes->size()}, boot_)
                        : Result<ports::DataRecord>{tl::unexpected(bytes.error())};
    if (record && record->instance != instance) record = fail("it is of instance " + record->instance);
    if (!record) {
      loaded.troubles.push_back(std::string{kFolder} + "/" + entry->d_name + ": " + record.error().message());
      record = ports::DataRecord{};
      record->instance = instance;
      record->role = DataRole::kFenced;
    }
    loaded.records.push_back(std::move(*record));
  }
  return loaded;
}

Result<void> DataFiles::save(const ports::DataRecord& record) const {
  if (!folder_.valid()) return fail("open the folder instances", ENOENT);
  const std::string text = data_record_text(record, boot_);
  return posix::write_file_atomically(folder_.get(), (record.instance + std::string{kSuffix}).c_str(),
                                      {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, 0600);
}

std::string boot_id() {
  const std::unique_ptr<FILE, int (*)(FILE*)> file{std::fopen("/proc/sys/kernel/random/boot_id", "re"), &std::fclose};
  char line[64] = {};
  if (!file || std::fgets(line, sizeof line, file.get()) == nullptr) return {};
  std::string id{line};
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

}  // namespace baton::scribe
