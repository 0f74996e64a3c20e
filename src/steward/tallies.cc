#include "steward/tallies.h"

#include <set>

namespace baton::steward {

void Tallies::note_report(const ipc::ReportMessage& message, Instant heard_at) {
  const ports::Report& report = message.report;
  if (report.kind == ports::EventKind::kTransition) {
    ++transitions[{message.instance, report.from, report.to, report.reason}];
    const bool lost = report.to == vrrp::State::kActive && report.reason == Reason::kActiveDownExpired;
    if (lost && heard_at != Instant{}) detect.note(report.at - heard_at);
  } else if (report.kind == ports::EventKind::kHolding && report.to == vrrp::State::kActive) {
    vip.note(Nanos{report.duration_ns});
  } else if (report.kind == ports::EventKind::kAnnounced) {
    garp.note(Nanos{report.duration_ns});
  } else if (report.kind == ports::EventKind::kActed && report.verb == PluginVerb::kPromote) {
    ++promotions[{message.instance, report.outcome}];
    if (report.outcome == VerbStatus::kOk) promote.note(Nanos{report.duration_ns});
  }
}

void Tallies::note_plugin_down(const std::string& section, ipc::HostKind kind, bool timed_out) {
  ++restarts[{section, kind}];
  if (timed_out) ++timeouts[section];
}

void Tallies::keep(const config::Config& config) {
  std::set<std::string> instances;
  for (const config::Instance& instance : config.instances) instances.insert(instance.name);
  for (const config::Group& group : config.groups) instances.insert(group.name);
  std::set<std::string> sections;
  for (const config::Plugin& plugin : config.plugins) sections.insert(plugin.name);
  std::erase_if(transitions, [&](const auto& each) { return instances.count(each.first.instance) == 0; });
  std::erase_if(promotions, [&](const auto& each) { return instances.count(each.first.first) == 0; });
  std::erase_if(timeouts, [&](const auto& each) { return sections.count(each.first) == 0; });
  std::erase_if(restarts, [&](const auto& each) { return sections.count(each.first.first) == 0; });
}

}  // namespace baton::steward
