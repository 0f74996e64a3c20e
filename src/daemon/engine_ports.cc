#include "daemon/engine_ports.h"

#include <algorithm>
#include <utility>

#include "log/log.h"
#include "posix/clock.h"
#include "vrrp/packet.h"

namespace baton::daemon {
namespace {

constexpr std::size_t kMaxUnrecorded = 64 + config::kMaxInstances;
constexpr Nanos kReportPause = std::chrono::milliseconds{2};

std::string_view event_token(ports::EventKind kind) {
  switch (kind) {
    case ports::EventKind::kTransition: return "transition";
    case ports::EventKind::kAlarm: return "alarm";
    case ports::EventKind::kAlarmCleared: return "alarm_cleared";
    case ports::EventKind::kNotice: return "notice";
    case ports::EventKind::kHolding: return "holding";
    case ports::EventKind::kCheck: return "check";
    case ports::EventKind::kActed: return "acted";
    case ports::EventKind::kMove: return "move";
  }
  return "notice";
}

/// One line for one report, fields first; what does not apply is left out.
void write_line(const ports::Report& report, const std::string& instance) {
  std::vector<log::Field> fields;
  if (!instance.empty()) fields.push_back({"instance", instance});
  if (report.kind == ports::EventKind::kTransition) {
    fields.push_back({"from", std::string{vrrp::state_token(report.from)}});
    fields.push_back({"to", std::string{vrrp::state_token(report.to)}});
  }
  if (!report.plugin.empty()) fields.push_back({"plugin", std::string{report.plugin.view()}});
  if (report.kind == ports::EventKind::kCheck) fields.push_back({"state", std::string{state_token(report.probe)}});
  if (report.kind == ports::EventKind::kActed) {
    fields.push_back({"verb", std::string{verb_token(report.verb)}});
    fields.push_back({"result", std::string{status_token(report.outcome)}});
  }
  if (report.kind == ports::EventKind::kMove) {
    fields.push_back({"phase", std::string{ports::handover_token(report.move)}});
    fields.push_back({"gives", report.gives ? "yes" : "no"});
  }
  if (report.alarm != ports::Alarm::kNone) fields.push_back({"alarm", std::string{ports::alarm_token(report.alarm)}});
  if (report.reason != Reason::kNone) fields.push_back({"reason", std::string{reason_token(report.reason)}});
  if (report.alarm == ports::Alarm::kAdvertsRejected) {
    const auto error = static_cast<vrrp::DecodeError>(report.decode_error);
    fields.push_back({"discard", std::string{vrrp::decode_error_token(error)}});
  }
  if (!report.other.is_unspecified()) fields.push_back({"other", report.other.text()});
  if (report.priority != 0) fields.push_back({"other_priority", std::to_string(report.priority)});
  if (!report.other_mac.is_zero()) fields.push_back({"other_mac", report.other_mac.text()});
  if (!report.address.is_unspecified()) fields.push_back({"address", report.address.text()});
  if (report.sys_errno != 0) fields.push_back({"errno", std::strerror(report.sys_errno)});
  if (report.duration_ns != 0) fields.push_back({"duration_us", std::to_string(report.duration_ns / 1000)});
  const bool bad = report.kind == ports::EventKind::kAlarm ||
                   (report.kind == ports::EventKind::kCheck && report.probe != ProbeState::kPass) ||
                   (report.kind == ports::EventKind::kActed && report.outcome != VerbStatus::kOk) ||
                   report.move == ports::HandoverPhase::kAborted;
  const log::Level level = bad                                         ? log::Level::kWarning
                           : report.kind == ports::EventKind::kHolding ? log::Level::kDebug
                                                                       : log::Level::kInfo;
  std::string words{reason_words(report.reason)};
  if (report.reason == Reason::kNone) words.clear();
  if (!report.sentence.empty()) words += (words.empty() ? "" : ": ") + std::string{report.sentence.view()};
  log::write(level, event_token(report.kind), fields, words);
}

}  // namespace

EnginePorts::EnginePorts(ipc::BoardWriter board, ipc::Channel steward, ipc::Channel scribe)
    : board_(board), steward_(std::move(steward)), scribe_(std::move(scribe)) {}

std::string EnginePorts::name_of(std::uint32_t instance) const {
  return instance < names_.size() ? names_[instance] : std::string{};
}

void EnginePorts::report(const ports::Report& report) {
  if (!reports_due_) reports_due_ = posix::now() + kReportPause;
  kept_.push_back({name_of(report.instance), report});
}

void EnginePorts::flush_reports() {
  reports_due_.reset();
  for (const auto& [instance, report] : std::exchange(kept_, {})) {
    write_line(report, instance);
    steward_.send(ipc::ReportMessage{instance, ++sequence_, steward_.dropped(), report});
    // Holding follows each transition within milliseconds: it is for watchers, not for the history.
    if (report.kind != ports::EventKind::kHolding) scribe_.send(ipc::History{instance, report});
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
  if (slot >= names_.size()) names_.resize(slot + 1);
  const auto end = std::find(state.name.begin(), state.name.end(), '\0');
  const std::string_view name{state.name.data(), static_cast<std::size_t>(end - state.name.begin())};
  if (names_[slot] != name) names_[slot] = name;
  board_.publish_instance(slot, state);
}

void EnginePorts::publish_router(std::uint32_t slot, const ports::RouterState& state) {
  board_.publish_router(slot, state);
}

void EnginePorts::publish_texts(std::uint32_t slot, const ports::HandoverTexts& texts) {
  board_.publish_texts(slot, texts);
}

void EnginePorts::retire_instance(std::uint32_t slot) {
  if (slot < names_.size()) names_[slot].clear();
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
