#include "plugin_host/host.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <string_view>
#include <utility>

#include "ipc/host_channel.h"
#include "ipc/probe_page.h"
#include "log/log.h"
#include "plugin_host/confinement.h"
#include "plugin_host/descendants.h"
#include "plugin_host/session.h"
#include "plugin_host/watchdog.h"
#include "posix/clock.h"
#include "posix/memfd.h"
#include "posix/unix_socket.h"

namespace baton::plugin_host {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMemoryGrowth = 128u << 20;
constexpr std::size_t kDescriptorGrowth = 64;
constexpr int kSendMs = 1000;
constexpr std::uint64_t kLastSequence = std::uint64_t{1} << 62;
/// Looking for growth costs some system calls: not at every one of a hundred probes a second.
constexpr Nanos kGrowthPause = milliseconds{500};

std::string milliseconds_text(Nanos time) { return std::to_string(time / milliseconds{1}) + " ms"; }

/// Leaks end in a fresh process (F68), between two calls.
class GrowthWatch {
 public:
  explicit GrowthWatch(std::string section) : section_(std::move(section)) {}

  bool too_large(Instant now) {
    if (now - looked_ < kGrowthPause) return false;
    looked_ = now;
    const Growth growth = measure_growth();
    // The first call opens libraries, caches and connections: that is no leak.
    if (first_.memory == 0) first_ = growth;
    const bool memory = growth.memory > first_.memory + kMemoryGrowth;
    if (!memory && growth.descriptors <= first_.descriptors + kDescriptorGrowth) return false;
    log::warning("plugin_recycled",
                 {{"plugin", section_},
                  {"memory_mib", std::to_string(growth.memory >> 20)},
                  {"descriptors", std::to_string(growth.descriptors)}},
                 memory ? "it has grown too large and is started afresh"
                        : "it does not close its descriptors and is started afresh");
    return true;
  }

 private:
  std::string section_;
  Growth first_;
  Instant looked_{};
};

/// The page of a section: outcomes are numbered on across processes.
class Page {
 public:
  Page(const ipc::HostOrder& order, posix::Mapping memory, posix::Fd bell)
      : order_(order), memory_(std::move(memory)), bell_(std::move(bell)) {
    const ipc::PageReading last = ipc::read_outcome(memory_.const_bytes());
    // A number that nobody can count to was written by plugin code.
    if (last.state == ipc::PageState::kGood && last.outcome.sequence < kLastSequence) last_ = last.outcome;
  }

  void put(ipc::ProbeOutcome outcome, Instant started, Instant finished) {
    const bool same = last_.sequence != 0 && last_.state == outcome.state;
    outcome.incarnation = order_.incarnation;
    outcome.sequence = last_.sequence + 1;
    outcome.streak = same ? std::max(last_.streak, last_.streak + 1) : 1;
    outcome.started = started;
    outcome.finished = finished;
    // Who followed one that died rings, although it may say the same.
    const bool news = !std::exchange(spoken_, true) || last_.sequence == 0 || last_.status != outcome.status ||
                      last_.role != outcome.role || last_.warning != outcome.warning ||
                      outcome.streak <= order_.ring_for;
    ipc::write_outcome(memory_.bytes(), outcome);
    last_ = std::move(outcome);
    const std::uint64_t one = 1;
    if (news && ::write(bell_.get(), &one, sizeof one) < 0 && errno != EAGAIN) {
      log::error("plugin_bell", {{"plugin", order_.section}, {"errno", std::strerror(errno)}});
    }
  }

 private:
  const ipc::HostOrder& order_;
  posix::Mapping memory_;
  posix::Fd bell_;
  ipc::ProbeOutcome last_;
  bool spoken_ = false;
};

ipc::ProbeOutcome timeout_outcome(Nanos limit) {
  ipc::ProbeOutcome outcome;
  outcome.status = VerbStatus::kTimeout;
  outcome.sentence = "no answer within " + milliseconds_text(limit);
  return outcome;
}

ipc::ActRequest probe_request(Nanos timeout) {
  ipc::ActRequest request;
  request.verb = PluginVerb::kProbe;
  request.timeout = timeout;
  request.wall_clock_ns = posix::wall_clock_ns();
  return request;
}

/// What a probe has started ends with it: the number of processes is counted by user, so that one section that leaks
/// them would take it from all others (F68).
class Sweeper {
 public:
  explicit Sweeper(std::string section) : section_(std::move(section)) {}

  void sweep() {
    if (!reap_ended()) return;
    end_descendants();
    if (std::exchange(said_, true)) return;
    log::warning("plugin_left_processes", {{"plugin", section_}},
                 "it came back without ending what it had started; that is killed after each probe");
  }

 private:
  std::string section_;
  bool said_ = false;
};

/// Sections with one interval must not all probe in the same millisecond.
Nanos phase_of(const ipc::HostOrder& order) {
  const std::size_t hash = std::hash<std::string_view>{}(order.section);
  return order.interval * static_cast<std::int64_t>(hash % 64) / 64;
}

void sleep_until(Instant due) {
  while (true) {
    const Nanos left = due - posix::now();
    if (left <= Nanos{0}) return;
    timespec time{};
    time.tv_sec = left / std::chrono::seconds{1};
    time.tv_nsec = (left % std::chrono::seconds{1}).count();
    ::ppoll(nullptr, 0, &time, nullptr);
  }
}

void write_all(int out, ConstBytes bytes) {
  while (!bytes.empty()) {
    const ssize_t size = ::write(out, bytes.data(), bytes.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return;
    bytes = bytes.subspan(static_cast<std::size_t>(size));
  }
}

/// The plugin may have filled the channel with its own: the engine gets a moment to empty it.
void send_patiently(int channel, ConstBytes bytes) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto sent = posix::send_message(channel, bytes);
    if (!sent || *sent != posix::IoStatus::kWouldBlock) return;
    pollfd room{channel, POLLOUT, 0};
    ::poll(&room, 1, kSendMs);
  }
}

int failed(const ipc::HostOrder& order, const Error& error) {
  log::error("plugin_host_failed", {{"plugin", order.section}}, error.message());
  return ipc::kHostRefused;
}

}  // namespace

void report_unloaded(const ipc::HostOrder& order, const posix::Fd& page, posix::Fd bell, const Error& why) {
  auto memory = posix::Mapping::read_write(page.get());
  if (!memory) return;
  ipc::ProbeOutcome outcome;
  outcome.status = VerbStatus::kConfig;
  outcome.sentence = why.message();
  const Instant now = posix::now();
  Page{order, std::move(*memory), std::move(bell)}.put(std::move(outcome), now, now);
}

int run_probes(const Library& library, const ipc::HostOrder& order, posix::Fd page, posix::Fd bell) {
  auto memory = posix::Mapping::read_write(page.get());
  if (!memory) return failed(order, memory.error());
  Page results{order, std::move(*memory), std::move(bell)};
  Instant started{};
  Watchdog& watchdog = Watchdog::start([&] { results.put(timeout_outcome(order.timeout), started, posix::now()); });
  Session session{library, order, "probe"};
  GrowthWatch growth{order.section};
  Sweeper sweeper{order.section};
  Instant due = posix::now() + phase_of(order);
  while (true) {
    started = posix::now();
    watchdog.arm(order.timeout);
    const Verdict verdict = session.call(probe_request(order.timeout));
    watchdog.disarm();
    const Instant finished = posix::now();
    results.put(outcome_of(verdict), started, finished);
    sweeper.sweep();
    if (growth.too_large(finished)) return ipc::kHostRecycled;
    // What was missed is not made up for.
    while (due <= finished) due += order.interval;
    sleep_until(due);
    due += order.interval;
  }
}

int run_acts(const Library& library, const ipc::HostOrder& order, posix::Fd channel) {
  ipc::ActRequest request;
  const auto answer = [&](ipc::ActAnswer one, Instant started) {
    one.nonce = request.nonce;
    one.took = posix::now() - started;
    send_patiently(channel.get(), ipc::encode(one));
  };
  Instant started{};
  Watchdog& watchdog = Watchdog::start([&] {
    ipc::ActAnswer late;
    late.status = VerbStatus::kTimeout;
    late.sentence = "not done within " + milliseconds_text(request.timeout);
    answer(late, started);
  });
  Session session{library, order, "act"};
  GrowthWatch growth{order.section};
  while (true) {
    pollfd ready{channel.get(), POLLIN, 0};
    ::poll(&ready, 1, -1);
    std::array<std::uint8_t, ipc::kMaxHostMessage> buffer;
    const auto received = posix::receive_message(channel.get(), buffer);
    if (!received) return failed(order, received.error());
    if (received->status == posix::IoStatus::kClosed) return 0;
    if (received->status == posix::IoStatus::kWouldBlock) continue;
    auto decoded = ipc::decode_request(ConstBytes{buffer}.first(received->message.size));
    if (received->message.truncated || !decoded)
      return failed(order, decoded ? Error{"request too long", 0, {}} : decoded.error());
    request = std::move(*decoded);
    reap_ended();
    started = posix::now();
    watchdog.arm(request.timeout);
    const Verdict verdict = session.call(request);
    watchdog.disarm();
    answer(answer_of(verdict), started);
    if (growth.too_large(posix::now())) return ipc::kHostRecycled;
  }
}

int run_once(const Library& library, const ipc::HostOrder& order, PluginVerb verb, posix::Fd out) {
  const bool probe = verb == PluginVerb::kProbe;
  ipc::ActRequest request = probe_request(probe ? order.timeout : order.deadline);
  request.verb = verb;
  request.instance = "test";
  request.to_state = verb == PluginVerb::kEnter ? "active" : "backup";
  request.from_state = verb == PluginVerb::kEnter ? "backup" : "active";
  request.reason = "none";
  Instant started{};
  const auto print = [&](const Verdict* verdict) {
    if (probe) {
      ipc::ProbeOutcome outcome = verdict != nullptr ? outcome_of(*verdict) : timeout_outcome(order.timeout);
      outcome.sequence = outcome.streak = 1;
      outcome.started = started;
      outcome.finished = posix::now();
      std::array<std::uint8_t, ipc::kProbePageSize> page{};
      ipc::write_outcome(page, outcome);
      write_all(out.get(), page);
      return;
    }
    ipc::ActAnswer answer;
    if (verdict != nullptr) answer = answer_of(*verdict);
    if (verdict == nullptr) answer.status = VerbStatus::kTimeout;
    if (verdict == nullptr) answer.sentence = "not done within " + milliseconds_text(order.deadline);
    answer.took = posix::now() - started;
    write_all(out.get(), ipc::encode(answer));
  };
  Watchdog& watchdog = Watchdog::start([&] { print(nullptr); });
  Session session{library, order, probe ? "probe" : "act"};
  started = posix::now();
  watchdog.arm(request.timeout);
  const Verdict verdict = session.call(request);
  watchdog.disarm();
  print(&verdict);
  return 0;
}

}  // namespace baton::plugin_host
