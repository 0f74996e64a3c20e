#include "steward/documents.h"

#include <algorithm>
#include <array>

#include "steward/format.h"
#include "steward/move_plan.h"
#include "vrrp/timers.h"

namespace baton::steward {
namespace {

using namespace std::chrono_literals;

std::int64_t milliseconds(Nanos duration) { return duration / 1ms; }

Json nullable(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

/// RFC 8347's identities, in the order of ports::LastEvent.
constexpr std::array<std::string_view, 14> kLastEvents{
    "vrrp-event-none",
    "vrrp-event-startup",
    "vrrp-event-shutdown",
    "vrrp-event-higher-priority-backup",
    "vrrp-event-master-timeout",
    "vrrp-event-interface-up",
    "vrrp-event-interface-down",
    "vrrp-event-no-primary-ip-address",
    "vrrp-event-primary-ip-address",
    "vrrp-event-no-virtual-ip-addresses",
    "vrrp-event-virtual-ip-addresses",
    "vrrp-event-preempt-hold-timeout",
    "vrrp-event-lower-priority-master",
    "vrrp-event-owner-preempt",
};

std::string_view last_event_token(ports::LastEvent event) {
  const auto index = static_cast<std::size_t>(event);
  return index < kLastEvents.size() ? kLastEvents[index] : "vrrp-event-none";
}

std::string_view new_master_reason_token(ports::NewMasterReason reason) {
  switch (reason) {
    case ports::NewMasterReason::kNotMaster: return "not-master";
    case ports::NewMasterReason::kPriority: return "priority";
    case ports::NewMasterReason::kPreempted: return "preempted";
    case ports::NewMasterReason::kNoResponse: return "no-response";
  }
  return "not-master";
}

/// RFC 8347 says "master" where RFC 9568 says Active.
std::string_view yang_state(vrrp::State state) { return state == vrrp::State::kActive ? "master" : role_token(state); }

Json alarm_documents(const std::map<ports::Alarm, ports::Report>& alarms, const HostNames& names) {
  Json list = Json::array();
  for (const auto& [alarm, report] : alarms) {
    Json entry{
        {"alarm", ports::alarm_token(alarm)}, {"text", alarm_sentence(report, names)}, {"advice", alarm_advice(alarm)}};
    entry["other"] = report.other.is_unspecified() ? Json(nullptr) : Json(report.other.text());
    entry["address"] = report.address.is_unspecified() ? Json(nullptr) : Json(report.address.text());
    list.push_back(std::move(entry));
  }
  return list;
}

Json alarm_tokens(const std::map<ports::Alarm, ports::Report>& alarms) {
  Json list = Json::array();
  for (const auto& [alarm, report] : alarms) list.push_back(ports::alarm_token(alarm));
  return list;
}

/// Who is Active, as far as this host can know; null if nobody is heard.
Json active_document(const InstanceView& instance, const HostView& host) {
  const RouterView* router = instance.heard_router();
  if (router == nullptr) return nullptr;
  if (instance.state.state == vrrp::State::kActive) {
    return {{"this_host", true},
            {"host", host.host},
            {"address", instance.routers.front().primary().text()},
            {"priority", instance.state.effective_priority}};
  }
  const IpAddress heard = router->heard();
  if (heard.is_unspecified()) return nullptr;
  return {{"this_host", false},
          {"host", nullable(host.names.host(heard))},
          {"address", heard.text()},
          {"priority", router->state.heard_priority},
          {"heard_ms_ago", milliseconds(host.now - Instant{Nanos{router->state.heard_at_ns}})}};
}

Json against_documents(const InstanceView& instance, const HostView& host) {
  Json list = Json::array();
  for (unsigned number = 1; number < 64; ++number) {
    const auto reason = static_cast<Reason>(number);
    if (instance.against().has(reason)) {
      list.push_back({{"reason", reason_token(reason)},
                      {"text", against_sentence(instance, reason, host)},
                      {"remedy", remedy_sentence(instance, reason, host)}});
    }
  }
  return list;
}

std::string_view settled_token(const CheckView& check) {
  return check.pending() ? "pending" : state_token(check.state.state);
}

Json latest_document(const ipc::ProbeOutcome& latest, const HostView& host) {
  Json document{{"state", state_token(latest.state)},
                {"status", status_token(latest.status)},
                {"text", latest.sentence},
                {"ms_ago", milliseconds(host.now - latest.finished)},
                {"took_us", (latest.finished - latest.started) / 1us},
                {"streak", latest.streak}};
  document["lag_ms"] = latest.lag_ms < 0 ? Json(nullptr) : Json(latest.lag_ms);
  document["lag_bytes"] = latest.lag_bytes < 0 ? Json(nullptr) : Json(latest.lag_bytes);
  document["position"] = nullable(latest.position);
  Json facts = Json::object();
  for (const auto& [key, value] : latest.facts) facts[key] = value;
  document["facts"] = std::move(facts);
  return document;
}

Json check_document(const CheckView& check, const HostView& host) {
  Json document{{"name", check.name},
                {"module", check.module},
                {"state", settled_token(check)},
                {"text", check.sentence()},
                {"role", role_token(check.state.role)},
                {"warning", check.state.warning},
                {"flapping", check.state.flapping},
                {"result", status_token(check.state.status)}};
  const bool ever = !check.pending() && check.state.since_ns != 0;
  document["since"] = ever ? Json(host.wall_time(check.state.since_ns)) : Json(nullptr);
  document["since_ms"] = ever ? Json(milliseconds(host.now - Instant{Nanos{check.state.since_ns}})) : Json(nullptr);
  document["latest"] = check.latest ? latest_document(*check.latest, host) : Json(nullptr);
  return document;
}

std::string use_words(const config::CheckReference& reference) {
  const std::string relative = reference.relative ? " relative" : "";
  switch (reference.use) {
    case config::CheckUse::kRequired: return "required" + relative;
    case config::CheckUse::kGate: return "gate" + relative;
    case config::CheckUse::kPrefer: return "prefer=" + std::to_string(reference.prefer) + relative;
  }
  return {};
}

/// The last planned move, or the one under way; null: there was none since the start.
Json move_document(const ports::HandoverWord& word) {
  if (word.number == 0) return nullptr;
  return {{"phase", ports::handover_token(word.phase)},
          {"gives", word.gives},
          {"with", word.with},
          {"position", nullable(word.position)},
          {"text", nullable(word.sentence)}};
}

/// Its part in the database's roles, as the engine knows it; what the databases themselves say stands at their checks.
Json data_document(const InstanceView& instance, const HostView& host) {
  const ports::InstanceState& state = instance.state;
  const bool lapses = state.granted_until_ns != kNever.time_since_epoch().count();
  Json document{{"role", ports::data_role_token(state.data_role)},
                {"step", ports::step_token(static_cast<ports::PromotionStep>(state.promotion_step))},
                {"generation", state.generation},
                {"dirty", state.data_dirty}};
  document["move"] = move_document(instance.word);
  document["grant_ms"] = lapses ? Json(milliseconds(Instant{Nanos{state.granted_until_ns}} - host.now)) : Json(nullptr);
  return document;
}

Json instance_document(const InstanceView& instance, const HostView& host) {
  const ports::InstanceState& state = instance.state;
  Json document{{"name", instance.name()},
                {"group", state.is_group},
                {"members", instance.members},
                {"role", role_token(state.state)},
                {"holding", holding_token(state.holding)},
                {"addresses", instance.addresses},
                {"addresses_wanted", state.addresses_wanted},
                {"addresses_held", state.addresses_held},
                {"active", active_document(instance, host)},
                {"configured_priority", state.configured_priority},
                {"effective_priority", state.effective_priority}};
  const bool ever = state.since_ns != 0;
  document["since"] = ever ? Json(host.wall_time(state.since_ns)) : Json(nullptr);
  document["since_ms"] = ever ? Json(milliseconds(host.now - Instant{Nanos{state.since_ns}})) : Json(nullptr);
  document["reason"] = reason_token(state.reason);
  document["why"] = why_now(instance, host);
  document["eligible"] = instance.against().empty();
  document["against"] = against_documents(instance, host);
  document["checks"] = check_use_documents(instance, host);
  document["follow_up"] = Json{{"state", follow_up_token(state.follow_up)},
                               {"plugins", instance.follow_ups},
                               {"done", state.follow_up_done},
                               {"count", state.follow_up_count}};
  if (state.data_role != ports::DataRole::kNone || state.promotion_step != 0) {
    document["data"] = data_document(instance, host);
  }
  document["alarms"] = alarm_tokens(instance.alarms);
  document["alarm_details"] = alarm_documents(instance.alarms, host.names);
  document["transitions"] = state.transitions;
  Json routers = Json::array();
  for (const RouterView& router : instance.routers) routers.push_back(virtual_router_document(router, instance, host));
  document["virtual-routers"] = std::move(routers);
  return document;
}

std::string_view engine_token(EngineHealth health) {
  switch (health) {
    case EngineHealth::kRunning: return "running";
    case EngineHealth::kRestarting: return "restarting";
    case EngineHealth::kGivenUp: return "given_up";
  }
  return "unknown";
}

/// RFC 8347's counters that belong to no router, summed; a discarded advert whose VRID is unknown belongs to none.
Json global_statistics(const HostView& host) {
  std::uint64_t checksum = 0;
  std::uint64_t version = 0;
  std::uint64_t ttl = 0;
  for (const InstanceView& instance : host.instances) {
    for (const RouterView& router : instance.routers) {
      checksum += router.counters.checksum_errors;
      version += router.counters.version_errors;
      ttl += router.counters.ip_ttl_errors;
    }
  }
  return {{"checksum-errors", checksum},
          {"version-errors", version},
          {"vrid-errors", host.vrid_errors},
          {"ip-ttl-errors", ttl}};
}

}  // namespace

Json check_use_documents(const InstanceView& instance, const HostView& host) {
  Json list = Json::array();
  for (const CheckUseView& use : instance.checks) {
    Json document = use.check == nullptr ? Json{{"name", use.reference.plugin}, {"state", "pending"}}
                                         : check_document(*use.check, host);
    document["use"] = use_words(use.reference);
    list.push_back(std::move(document));
  }
  return list;
}

Json virtual_router_document(const RouterView& router, const InstanceView& instance, const HostView& host) {
  const auto version = static_cast<vrrp::Version>(router.state.version);
  const Priority priority{instance.state.effective_priority};
  const Nanos interval = router.active_adver_interval();
  const IpAddress heard = router.heard();
  const ports::RouterCounters& counters = router.counters;
  const std::int64_t up_ns = instance.up_ns;
  Json document{{"interface", router.interface()},
                {"address-family", router.family() == Family::kIpv6 ? "ipv6" : "ipv4"},
                {"vrid", router.state.vrid},
                {"version", version == vrrp::Version::kV2 ? "vrrp-v2" : "vrrp-v3"},
                {"state", yang_state(router.state.machine.state)},
                {"is-owner", router.owner},
                {"last-adv-source", heard.is_unspecified() ? Json(nullptr) : Json(heard.text())},
                {"up-datetime", up_ns == 0 ? Json(nullptr) : Json(host.wall_time(up_ns))},
                {"master-down-interval", vrrp::active_down_interval(version, priority, interval) / 10ms},
                {"skew-time", vrrp::skew_time(version, priority, interval) / 1us},
                {"last-event", last_event_token(router.state.last_event)},
                {"new-master-reason", new_master_reason_token(instance.state.new_master_reason)},
                {"source-address", router.primary().is_unspecified() ? Json(nullptr) : Json(router.primary().text())},
                {"checksum-form", router.state.checksum_form == 0 ? "message-only" : "pseudo-header"}};
  document["statistics"] = Json{{"master-transitions", counters.master_transitions},
                                {"advertisement-rcvd", counters.advertisement_rcvd},
                                {"advertisement-sent", counters.advertisement_sent},
                                {"interval-errors", counters.interval_errors},
                                {"priority-zero-pkts-rcvd", counters.priority_zero_pkts_rcvd},
                                {"priority-zero-pkts-sent", counters.priority_zero_pkts_sent},
                                {"invalid-type-pkts-rcvd", counters.invalid_type_pkts_rcvd},
                                {"address-list-errors", counters.address_list_errors},
                                {"packet-length-errors", counters.packet_length_errors},
                                {"checksum-errors", counters.checksum_errors},
                                {"version-errors", counters.version_errors},
                                {"ip-ttl-errors", counters.ip_ttl_errors},
                                {"other-discards", counters.other_discards},
                                {"message-only-rcvd", counters.message_only_rcvd},
                                {"pseudo-header-rcvd", counters.pseudo_header_rcvd},
                                {"answers-suppressed", counters.answers_suppressed}};
  return document;
}

namespace {

Json reason_tokens(ReasonSet set) {
  Json tokens = Json::array();
  for (unsigned number = 1; number < 64; ++number) {
    if (set.has(static_cast<Reason>(number))) tokens.push_back(reason_token(static_cast<Reason>(number)));
  }
  return tokens;
}

/// The other hosts as they see themselves; what is older than PeerChannel::kLostAfter is not told any more.
Json peer_documents(const HostView& host) {
  Json list = Json::array();
  for (const PeerView& peer : host.peers) {
    Json document{{"host", peer.host}, {"heard", !peer.lost}, {"paths", peer.paths}, {"paths_heard", peer.alive}};
    document["heard_ms"] = peer.heard_ever ? Json(milliseconds(host.now - peer.heard_at)) : Json(nullptr);
    document["same_config"] = peer.lost ? Json(nullptr) : Json(peer.config_hash == host.config_hash);
    document["trouble"] = nullable(peer.trouble);
    const bool clock_known = !peer.lost && peer.clock_ahead;
    document["clock_ahead_ms"] = clock_known ? Json(milliseconds(*peer.clock_ahead)) : Json(nullptr);
    document["stopped"] = peer.engine == kStopped;
    Json instances = Json::array();
    for (const auto& [name, said] : peer.instances) {
      const PeerInstance& instance = said.first;
      if (peer.lost) break;
      Json one{{"name", name},
               {"role", role_token(instance.state)},
               {"effective_priority", instance.effective_priority},
               {"eligible", instance.against == 0},
               {"reason", reason_token(ReasonSet::from_bits(instance.against).first())},
               {"against", reason_tokens(ReasonSet::from_bits(instance.against))}};
      if (instance.data_role != ports::DataRole::kNone) {
        one["data"] = Json{{"role", ports::data_role_token(instance.data_role)},
                           {"step", ports::step_token(instance.step)},
                           {"generation", instance.generation},
                           {"dirty", instance.dirty}};
        one["database"] = Json{{"role", role_token(instance.role)}, {"state", state_token(instance.probe)}};
        const std::int64_t bytes = lag_bytes_of(host, name, instance);
        one["database"]["lag_bytes"] = bytes < 0 ? Json(nullptr) : Json(bytes);
        one["database"]["lag_ms"] = instance.lag_ms < 0 ? Json(nullptr) : Json(instance.lag_ms);
      }
      instances.push_back(std::move(one));
    }
    document["instances"] = std::move(instances);
    list.push_back(std::move(document));
  }
  return list;
}

}  // namespace

Json status_document(const HostView& host, std::string_view instance) {
  Json document{{"host", host.host},
                {"time", utc_time(host.wall_clock_ns)},
                {"version", kVersion},
                {"running_old_binary", host.old_binary},
                {"config_hash", host.config_hash},
                {"engine", engine_token(host.engine)},
                {"engine_deaths", host.engine_deaths},
                {"degraded", host.degraded()},
                {"drained", host.drained()}};
  const std::optional<Instant> frozen = host.frozen_until();
  document["frozen"] = frozen.has_value();
  document["frozen_for_ms"] = frozen && *frozen != kNever ? Json(milliseconds(*frozen - host.now)) : Json(nullptr);
  document["confirm_within_ms"] =
      host.confirm_by ? Json(milliseconds(std::max(*host.confirm_by - host.now, Nanos{0}))) : Json(nullptr);
  document["rolled_back"] = host.rolled_back;
  document["config_path"] = host.config_path;
  document["events_lost"] = host.events_lost;
  document["alarms"] = alarm_tokens(host.alarms);
  document["alarm_details"] = alarm_documents(host.alarms, host.names);
  document["statistics"] = global_statistics(host);
  Json list = Json::array();
  for (const InstanceView& view : host.instances) {
    if (instance.empty() || view.name() == instance) list.push_back(instance_document(view, host));
  }
  document["instances"] = std::move(list);
  document["peers"] = peer_documents(host);
  Json checks = Json::array();
  for (const CheckView& check : host.checks) checks.push_back(check_document(check, host));
  document["checks"] = std::move(checks);
  return document;
}

Json event_document(const ports::Report& report, std::string_view instance, std::uint64_t sequence,
                    std::int64_t wall_clock_ns, const HostNames& names) {
  Json document{{"sequence", sequence}};
  document["time"] = wall_clock_ns == 0 ? Json(nullptr) : Json(utc_time(wall_clock_ns));
  document["instance"] = nullable(std::string{instance});
  document["event"] = event_token(report.kind);
  if (report.kind == ports::EventKind::kTransition) {
    document["from"] = role_token(report.from);
    document["to"] = role_token(report.to);
  }
  if (report.alarm != ports::Alarm::kNone) document["alarm"] = ports::alarm_token(report.alarm);
  if (report.alarm == ports::Alarm::kNone) document["reason"] = reason_token(report.reason);
  if (!report.other.is_unspecified()) document["other"] = report.other.text();
  if (!report.other_mac.is_zero()) document["other_mac"] = report.other_mac.text();
  if (!report.address.is_unspecified()) document["address"] = report.address.text();
  if (report.priority != 0) document["priority"] = report.priority;
  if (report.sys_errno != 0) document["errno"] = report.sys_errno;
  if (report.duration_ns != 0) document["duration_ms"] = milliseconds(Nanos{report.duration_ns});
  if (!report.plugin.empty()) document["plugin"] = report.plugin.view();
  if (report.kind == ports::EventKind::kCheck) document["state"] = state_token(report.probe);
  if (report.kind == ports::EventKind::kActed) {
    document["verb"] = verb_token(report.verb);
    document["result"] = status_token(report.outcome);
  }
  if (!report.lost.empty()) {
    document["lost_at_most"] = report.lost.view();
    document["position_age_ms"] =
        report.position_age_ns < 0 ? Json{} : Json(milliseconds(Nanos{report.position_age_ns}));
  }
  if (report.kind == ports::EventKind::kMove) {
    document["phase"] = ports::handover_token(report.move);
    document["gives"] = report.gives;
  }
  document["text"] = report_sentence(report, names);
  if (report.kind == ports::EventKind::kAlarm) document["advice"] = alarm_advice(report.alarm);
  return document;
}

Json command_document(const engine::CommandResult& result) { return {{"lines", result.lines}}; }

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string answer_line(Verb verb, const Json& result) {
  return dump({{"ok", true}, {"exit", 0}, {"verb", verb_token(verb)}, {"result", result}});
}

std::string refusal_line(ExitCode exit, const std::string& error, const Json& result) {
  Json line{{"ok", false}, {"exit", static_cast<int>(exit)}, {"error", error}};
  if (!result.is_null()) line["result"] = result;
  return dump(line);
}

std::string event_line(const Json& event) { return dump({{"event", event}}); }

}  // namespace baton::steward
