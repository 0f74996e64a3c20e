#include "daemon/engine_ports.h"

#include <sys/random.h>

#include <algorithm>
#include <random>
#include <utility>

#include "log/log.h"
#include "posix/clock.h"

namespace baton::daemon {
namespace {

constexpr std::size_t kMaxUnrecorded = 64 + config::kMaxInstances;
constexpr Nanos kReportPause = std::chrono::milliseconds{2};

/// Numbers that are never 0, and not the same after a restart. The kernel is asked once: a takeover of all instances
/// draws as many.
std::function<std::uint64_t()> fresh_numbers() {
  std::uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed) {
    seed = static_cast<std::uint64_t>(posix::now().time_since_epoch().count());
  }
  return [generator = std::mt19937_64{seed}]() mutable { return std::max<std::uint64_t>(generator(), 1); };
}

}  // namespace

EnginePorts::EnginePorts(ipc::BoardWriter board, ipc::Channel steward, ipc::Channel scribe)
    : board_(board), steward_(std::move(steward)), scribe_(std::move(scribe)), contexts_(fresh_numbers()) {}

void EnginePorts::report(const ports::Report& report) {
  if (!reports_due_) reports_due_ = posix::now() + kReportPause;
  kept_.push_back({contexts_.context_of(report), report});
}

void EnginePorts::flush_reports() {
  reports_due_.reset();
  for (const auto& [context, report] : std::exchange(kept_, {})) {
    const ReportLine line = report_line(report, context);
    log::write(line.level, line.event, line.fields, line.text);
    steward_.send(ipc::ReportMessage{context.instance, ++sequence_, steward_.dropped(), report});
    if (!ports::for_watchers(report.kind)) scribe_.send(ipc::History{context.instance, report});
  }
}

void EnginePorts::report_host(ports::EventKind kind, ports::Alarm alarm, int sys_errno, Instant at) {
  ports::Report fact;
  fact.kind = kind;
  fact.alarm = alarm;
  fact.instance = ports::kNoInstance;
  fact.sys_errno = sys_errno;
  fact.at = at;
  report(fact);
}

void EnginePorts::publish_instance(std::uint32_t slot, const ports::InstanceState& state) {
  contexts_.publish_instance(slot, state);
  board_.publish_instance(slot, state);
}

void EnginePorts::publish_router(std::uint32_t slot, const ports::RouterState& state) {
  contexts_.publish_router(slot, state);
  board_.publish_router(slot, state);
}

void EnginePorts::publish_texts(std::uint32_t slot, const ports::HandoverTexts& texts) {
  board_.publish_texts(slot, texts);
}

void EnginePorts::retire_instance(std::uint32_t slot) {
  contexts_.retire_instance(slot);
  board_.retire_instance(slot);
}

void EnginePorts::retire_router(std::uint32_t slot) { board_.retire_router(slot); }

ports::RouterCounters& EnginePorts::counters(std::uint32_t slot) { return board_.counters(slot); }

std::uint64_t EnginePorts::record(std::string_view instance, std::string_view what) {
  const std::uint64_t ticket = next_ticket_++;
  return keep(ticket, ipc::Intent{ticket, std::string{instance}, std::string{what}});
}

std::uint64_t EnginePorts::record(const ports::DataRecord& record) {
  const std::uint64_t ticket = next_ticket_++;
  // Only the newest of an instance counts; an older one that waits must not come after it.
  std::erase_if(unrecorded_, [&](const Unrecorded& each) {
    const auto* remember = std::get_if<ipc::Remember>(&each.message);
    return remember != nullptr && remember->record.instance == record.instance;
  });
  return keep(ticket, ipc::Remember{ticket, record});
}

std::uint64_t EnginePorts::keep(std::uint64_t ticket, ipc::Message message) {
  // More than this many unconfirmed means a scribe that has been dead for long; the newest matter.
  if (unrecorded_.size() >= kMaxUnrecorded) unrecorded_.pop_front();
  scribe_.send(message);
  unrecorded_.push_back({ticket, std::move(message)});
  return ticket;
}

void EnginePorts::replace_scribe(ipc::Channel channel) {
  scribe_ = std::move(channel);
  for (const Unrecorded& each : unrecorded_) scribe_.send(each.message);
}

void EnginePorts::intent_recorded(std::uint64_t ticket) {
  std::erase_if(unrecorded_, [&](const Unrecorded& each) { return each.ticket == ticket; });
}

}  // namespace baton::daemon
