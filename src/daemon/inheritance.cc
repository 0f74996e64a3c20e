// One list of fields serves both directions: the archive either writes or reads.
#include "daemon/inheritance.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <type_traits>

#include "ipc/long_fields.h"
#include "ipc/messages.h"
#include "ipc/state_board.h"

namespace baton::daemon {
namespace {

constexpr std::uint64_t kMagic = 0x4254'4E49'4E48'4552;  // "BTNINHER"
constexpr std::uint64_t kMaxItems = 8192;

/// Found in the file by its mark: what a program understands can be read without running it.
struct Mark {
  std::array<char, 16> mark;
  Layouts layouts;
};
[[gnu::used]] const volatile Mark kMark{
    {'B', 'a', 't', 'o', 'n', ' ', 'l', 'a', 'y', 'o', 'u', 't', 's', ':', ' ', '\0'},
    {ipc::kBoardVersion, ipc::kProtocolVersion, kInheritanceVersion}};

class Encoder {
 public:
  static constexpr bool kReading = false;
  std::vector<std::uint8_t> take() { return out_.take(); }

  template <class T>
  requires std::is_integral_v<T>
  void value(T& number) { out_.number(static_cast<std::uint64_t>(number)); }
  void value(std::string& text) { out_.text(text); }
  void order(ipc::HostOrder& order) { out_.bytes(ipc::encode(order)); }
  template <class List>
  std::uint64_t count(List& list) {
    out_.number(list.size());
    return list.size();
  }

 private:
  ipc::LongWriter out_;
};

class Decoder {
 public:
  static constexpr bool kReading = true;
  explicit Decoder(ConstBytes bytes) : in_(bytes) {}
  bool good() const { return good_ && in_.ok(); }
  bool at_end() const { return good() && in_.remaining() == 0; }

  template <class T>
  requires std::is_integral_v<T>
  void value(T& number) {
    const std::uint64_t read = in_.u64();
    number = static_cast<T>(read);
    good_ = good_ && static_cast<std::uint64_t>(number) == read;
  }
  void value(std::string& text) { text = ipc::read_long_text(in_); }
  void order(ipc::HostOrder& order) {
    const std::string bytes = ipc::read_long_text(in_);
    auto read = ipc::decode_order({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    if (read) order = std::move(*read);
    good_ = good_ && read.has_value();
  }
  template <class List>
  std::uint64_t count(List&) {
    const std::uint64_t items = in_.u64();
    good_ = good_ && items <= kMaxItems;
    return good() ? items : 0;
  }

 private:
  ByteReader in_;
  bool good_ = true;
};

template <class Archive>
void time(Archive& archive, Instant& at) {
  std::int64_t ns = at.time_since_epoch().count();
  archive.value(ns);
  at = Instant{Nanos{ns}};
}
template <class Archive>
void time(Archive& archive, Nanos& span) {
  std::int64_t ns = span.count();
  archive.value(ns);
  span = Nanos{ns};
}
template <class Archive>
void time(Archive& archive, std::optional<Instant>& at) {
  bool set = at.has_value();
  archive.value(set);
  Instant when = at.value_or(Instant{});
  time(archive, when);
  if (Archive::kReading && set) at = when;
}
template <class Archive, class T, class Each>
void list(Archive& archive, std::vector<T>& items, Each each) {
  const std::uint64_t count = archive.count(items);
  if constexpr (Archive::kReading) items.resize(static_cast<std::size_t>(count));
  for (T& item : items) each(item);
}

template <class Archive>
void fields(Archive& archive, LeftChild& child) {
  archive.value(child.pid);
  archive.value(child.pidfd);
}
template <class Archive>
void fields(Archive& archive, LeftWorker& worker) {
  fields(archive, worker.child);
  archive.value(worker.channel);
  time(archive, worker.started);
  time(archive, worker.back_off);
  time(archive, worker.restart_at);
}
template <class Archive>
void fields(Archive& archive, ConfigFacts& facts) {
  auto level = static_cast<std::uint8_t>(facts.log_level);
  archive.value(level);
  facts.log_level = static_cast<log::Level>(std::min<std::uint8_t>(level, 4));
  archive.value(facts.history_limit);
  archive.value(facts.log_file);
  time(archive, facts.leaving_limit);
  archive.value(facts.watchdog);
  time(archive, facts.watchdog_timeout);
  time(archive, facts.recorder);
  list(archive, facts.interfaces, [&](std::string& interface) { archive.value(interface); });
}
template <class Archive>
void fields(Archive& archive, LeftHost& host) {
  archive.order(host.order);
  fields(archive, host.child);
  for (std::int32_t* fd : {&host.page, &host.page_reader, &host.bell, &host.engine_end}) archive.value(*fd);
  archive.value(host.incarnation);
  time(archive, host.started);
  time(archive, host.back_off);
  for (auto* at : {&host.unwanted_until, &host.start_at, &host.kill_at}) time(archive, *at);
  archive.value(host.why_ended);
  list(archive, host.deaths, [&](Instant& at) { time(archive, at); });
  archive.value(host.given_up);
  archive.value(host.late);
}

/// The same for all versions, for ever: with it an old program is found again, and a strange one is told apart.
template <class Archive>
void head(Archive& archive, std::uint64_t& magic, Inheritance& all) {
  archive.value(magic);
  archive.value(all.program);
  archive.value(all.layouts.board);
  archive.value(all.layouts.protocol);
  archive.value(all.layouts.inheritance);
  archive.value(all.version);
}

template <class Archive>
void writable(Archive& archive, std::map<std::string, Instant, std::less<>>& until) {
  std::vector<std::pair<std::string, Instant>> pairs{until.begin(), until.end()};
  list(archive, pairs, [&](auto& each) {
    archive.value(each.first);
    time(archive, each.second);
  });
  until = {pairs.begin(), pairs.end()};
}

template <class Archive>
void body(Archive& archive, Inheritance& all) {
  archive.value(all.nonce);
  time(archive, all.asked);
  fields(archive, all.facts);
  for (std::int32_t* fd : {&all.configuration, &all.for_steward, &all.fleet, &all.board, &all.lock, &all.runtime_dir,
                           &all.state_dir, &all.control, &all.log_pipe, &all.watchdog}) {
    archive.value(*fd);
  }
  archive.value(all.watchdog_is_real);
  fields(archive, all.log_writer);
  for (LeftWorker& worker : all.workers) fields(archive, worker);
  for (auto& row : all.ends) {
    for (std::int32_t& fd : row) archive.value(fd);
  }
  list(archive, all.memberships, [&](LeftMembership& each) {
    archive.value(each.interface);
    archive.value(each.family);
    archive.value(each.socket);
  });
  archive.value(all.drained);
  time(archive, all.frozen_until);
  list(archive, all.deaths, [&](Instant& at) { time(archive, at); });
  writable(archive, all.writable);
  list(archive, all.wishes, [&](LeftWish& wish) {
    archive.value(wish.nonce);
    archive.value(wish.dry_run);
    time(archive, wish.confirm_within);
  });
  archive.value(all.rolled_back);
  list(archive, all.hosts, [&](LeftHost& host) { fields(archive, host); });
}

}  // namespace

Layouts own_layouts() { return {kMark.layouts.board, kMark.layouts.protocol, kMark.layouts.inheritance}; }

std::string misfit(const Layouts& theirs, const Layouts& ours) {
  const auto differs = [](const char* what, std::uint32_t there, std::uint32_t here) {
    return std::string{what} + " has layout " + std::to_string(there) + ", this program knows " + std::to_string(here) +
           ": only a restart goes over to it";
  };
  if (theirs.board != ours.board) return differs("the state board", theirs.board, ours.board);
  if (theirs.protocol != ours.protocol) return differs("what the processes say", theirs.protocol, ours.protocol);
  if (theirs.inheritance != ours.inheritance) {
    return differs("what the guardian leaves", theirs.inheritance, ours.inheritance);
  }
  return {};
}

std::vector<std::uint8_t> encode(const Inheritance& inheritance) {
  Inheritance copy = inheritance;
  Encoder out;
  std::uint64_t magic = kMagic;
  head(out, magic, copy);
  body(out, copy);
  return out.take();
}

Result<Inheritance> decode_inheritance(ConstBytes bytes) {
  Decoder in{bytes};
  Inheritance all;
  std::uint64_t magic = 0;
  head(in, magic, all);
  if (!in.good() || magic != kMagic) return fail("read what the guardian leaves: this is none of it");
  if (const std::string what = misfit(all.layouts, own_layouts()); !what.empty()) return fail(what);
  body(in, all);
  if (!in.at_end()) return fail("read what the guardian leaves: cut short or too long");
  return all;
}

int program_to_return_to(ConstBytes bytes) {
  Decoder in{bytes};
  Inheritance all;
  std::uint64_t magic = 0;
  head(in, magic, all);
  return in.good() && magic == kMagic ? all.program : -1;
}

int inherited_descriptor() {
  const char* text = std::getenv(kInheritanceVariable);
  if (text == nullptr) return -1;
  int number = -1;
  const auto [end, error] = std::from_chars(text, text + std::strlen(text), number);
  if (error != std::errc{} || *end != '\0' || number < 3) number = -1;
  ::unsetenv(kInheritanceVariable);
  return number;
}

std::string inherited_failure() {
  const char* text = std::getenv(kFailureVariable);
  std::string failure = text == nullptr ? "" : text;
  ::unsetenv(kFailureVariable);
  return failure;
}

std::vector<int> descriptors(const Inheritance& all) {
  std::vector<int> found{all.program, all.configuration, all.for_steward, all.fleet,
                         all.board,   all.lock,          all.runtime_dir, all.state_dir,
                         all.control, all.log_pipe,      all.watchdog,    all.log_writer.pidfd};
  for (const LeftWorker& worker : all.workers) found.insert(found.end(), {worker.child.pidfd, worker.channel});
  for (const auto& row : all.ends) found.insert(found.end(), row.begin(), row.end());
  for (const LeftMembership& each : all.memberships) found.push_back(each.socket);
  for (const LeftHost& host : all.hosts) {
    found.insert(found.end(), {host.child.pidfd, host.page, host.page_reader, host.bell, host.engine_end});
  }
  std::erase_if(found, [](int fd) { return fd < 0; });
  return found;
}

}  // namespace baton::daemon
