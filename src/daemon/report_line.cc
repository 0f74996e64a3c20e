#include "daemon/report_line.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "vrrp/packet.h"

namespace baton::daemon {
namespace {

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
    case ports::EventKind::kAnnounced: return "announced";
  }
  return "notice";
}

/// Always 16 digits: one form in every tool that compares it.
std::string hexadecimal(std::uint64_t number) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(16, '0');
  for (auto digit = text.rbegin(); digit != text.rend(); ++digit, number >>= 4) *digit = kDigits[number & 15];
  return text;
}

}  // namespace

ReportLine report_line(const ports::Report& report, const ReportContext& context) {
  std::vector<log::Field> fields;
  if (!context.instance.empty()) fields.push_back({"instance", context.instance});
  for (const std::uint8_t vrid : context.vrids) fields.push_back({"vrid", std::to_string(vrid)});
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
  if (!context.peer.empty()) fields.push_back({"peer", context.peer});
  if (report.priority != 0) fields.push_back({"other_priority", std::to_string(report.priority)});
  if (!report.other_mac.is_zero()) fields.push_back({"other_mac", report.other_mac.text()});
  if (!report.address.is_unspecified()) fields.push_back({"address", report.address.text()});
  if (report.sys_errno != 0) fields.push_back({"errno", std::strerror(report.sys_errno)});
  if (report.duration_ns != 0) fields.push_back({"duration_us", std::to_string(report.duration_ns / 1000)});
  if (context.correlation != 0) fields.push_back({"correlation_id", hexadecimal(context.correlation)});
  const bool bad = report.kind == ports::EventKind::kAlarm ||
                   (report.kind == ports::EventKind::kCheck && report.probe != ProbeState::kPass) ||
                   (report.kind == ports::EventKind::kActed && report.outcome != VerbStatus::kOk) ||
                   report.move == ports::HandoverPhase::kAborted;
  const log::Level level = bad                                ? log::Level::kWarning
                           : ports::for_watchers(report.kind) ? log::Level::kDebug
                                                              : log::Level::kInfo;
  std::string words{reason_words(report.reason)};
  if (report.reason == Reason::kNone) words.clear();
  if (!report.sentence.empty()) words += (words.empty() ? "" : ": ") + std::string{report.sentence.view()};
  return {level, event_token(report.kind), std::move(fields), std::move(words)};
}

void ReportContexts::set_peers(const std::vector<config::Peer>& peers) {
  hosts_.clear();
  for (const config::Peer& peer : peers) {
    for (const IpAddress& address : peer.addresses) hosts_.emplace(address, peer.host);
  }
}

void ReportContexts::publish_instance(std::uint32_t slot, const ports::InstanceState& state) {
  if (slot >= instances_.size()) instances_.resize(slot + 1);
  Instance& instance = instances_[slot];
  const auto end = std::find(state.name.begin(), state.name.end(), '\0');
  const std::string_view name{state.name.data(), static_cast<std::size_t>(end - state.name.begin())};
  if (instance.name != name) instance = {.name = std::string{name}};
  instance.first_router = state.first_router_slot;
  instance.routers = state.router_count;
  instance.number = state.handover.number;
}

void ReportContexts::publish_router(std::uint32_t slot, const ports::RouterState& state) {
  if (slot >= vrids_.size()) vrids_.resize(slot + 1);
  vrids_[slot] = state.vrid;
}

void ReportContexts::retire_instance(std::uint32_t slot) {
  if (slot < instances_.size()) instances_[slot] = {};
}

ReportContext ReportContexts::context_of(const ports::Report& report) {
  ReportContext context;
  if (const auto host = hosts_.find(report.other); host != hosts_.end()) context.peer = host->second;
  if (report.instance >= instances_.size() || instances_[report.instance].name.empty()) return context;
  Instance& instance = instances_[report.instance];
  context.instance = instance.name;
  for (std::uint32_t i = 0; i < instance.routers && instance.first_router + i < vrids_.size(); ++i) {
    const std::uint8_t vrid = vrids_[instance.first_router + i];
    // One for both families.
    if (std::find(context.vrids.begin(), context.vrids.end(), vrid) == context.vrids.end()) {
      context.vrids.push_back(vrid);
    }
  }
  context.correlation = correlate(report, instance);
  return context;
}

std::uint64_t ReportContexts::correlate(const ports::Report& report, Instance& instance) {
  if (report.kind == ports::EventKind::kMove && instance.number != 0) {
    instance.correlation = instance.number;
    instance.moving = !ports::is_over(report.move);
  } else if (report.kind == ports::EventKind::kTransition && !instance.moving) {
    instance.correlation = random_();
  }
  return instance.correlation;
}

}  // namespace baton::daemon
