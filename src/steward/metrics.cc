#include "steward/metrics.h"

#include <array>

#include "base/version.h"
#include "ipc/host_order.h"

namespace baton::steward {

std::span<const MetricFamily> keepalived_families();

namespace {

using Text = MetricsText;
using vrrp::State;

constexpr MetricType kGauge = MetricType::kGauge;
constexpr MetricType kCounter = MetricType::kCounter;
constexpr MetricType kInfo = MetricType::kInfo;
constexpr MetricType kHistogram = MetricType::kHistogram;

constexpr std::string_view kOfRouter = "instance, interface, vrid, af";

/// Wall-clock nanoseconds of an instant, as `host` saw both clocks.
std::int64_t wall_ns(const HostView& host, std::int64_t instant_ns) {
  return host.wall_clock_ns - (host.now.time_since_epoch().count() - instant_ns);
}

std::string_view family_word(const RouterView& router) { return router.family() == Family::kIpv6 ? "ipv6" : "ipv4"; }

/// Calls `write(instance, router, name, interface, vrid, af)` for each virtual router.
template <class Write>
void each_router(const HostView& host, Write write) {
  for (const InstanceView& instance : host.instances) {
    const std::string name = instance.name();
    for (const RouterView& router : instance.routers) {
      const std::string interface = router.interface();
      const std::string vrid = std::to_string(router.state.vrid);
      write(instance, router, Text::Label{"instance", name}, Text::Label{"interface", interface},
            Text::Label{"vrid", vrid}, Text::Label{"af", family_word(router)});
    }
  }
}

/// One counter of each virtual router.
template <std::uint64_t ports::RouterCounters::*kOne>
void router_counter(const HostView& host, Text& out) {
  each_router(host, [&](const auto&, const RouterView& router, auto... labels) {
    out.row({labels...}, router.counters.*kOne);
  });
}

void router_state(const HostView& host, Text& out) {
  each_router(host, [&](const auto&, const RouterView& router, auto... labels) {
    for (const State state : {State::kInitialize, State::kBackup, State::kActive}) {
      out.row_flag({labels..., {"state", role_token(state)}}, router.state.machine.state == state);
    }
  });
}

/// The first of the router's own family, as configured: with it, the same router is found on every host.
std::string first_address(const InstanceView& instance, const RouterView& router) {
  for (std::size_t i = 0; i < instance.addresses.size() && i < instance.places.size(); ++i) {
    const AddressPlace& place = instance.places[i];
    if (place.interface != router.interface() || place.vrid != router.state.vrid) continue;
    const bool is_ipv6 = instance.addresses[i].find(':') != std::string::npos;
    if (is_ipv6 == (router.family() == Family::kIpv6)) return instance.addresses[i];
  }
  return {};
}

void router_info(const HostView& host, Text& out) {
  each_router(host, [&](const InstanceView& instance, const RouterView& router, auto... labels) {
    const std::string address = first_address(instance, router);
    out.row({labels..., {"version", router.state.version == 2 ? "2" : "3"}, {"address", address}}, 1);
  });
}

struct Rejection {
  std::string_view reason;
  std::uint64_t ports::RouterCounters::*counter;
};
constexpr std::array kRejections{
    Rejection{"checksum", &ports::RouterCounters::checksum_errors},
    Rejection{"version", &ports::RouterCounters::version_errors},
    Rejection{"type", &ports::RouterCounters::invalid_type_pkts_rcvd},
    Rejection{"ttl", &ports::RouterCounters::ip_ttl_errors},
    Rejection{"length", &ports::RouterCounters::packet_length_errors},
    Rejection{"other", &ports::RouterCounters::other_discards},
};

void rejected(const HostView& host, Text& out) {
  each_router(host, [&](const auto&, const RouterView& router, auto... labels) {
    for (const Rejection& each : kRejections) {
      out.row({labels..., {"reason", each.reason}}, router.counters.*each.counter);
    }
  });
}

void mismatched(const HostView& host, Text& out) {
  each_router(host, [&](const auto&, const RouterView& router, auto... labels) {
    out.row({labels..., {"what", "addresses"}}, router.counters.address_list_errors);
    out.row({labels..., {"what", "interval"}}, router.counters.interval_errors);
  });
}

void checksum_forms(const HostView& host, Text& out) {
  each_router(host, [&](const auto&, const RouterView& router, auto... labels) {
    out.row({labels..., {"form", "message_only"}}, router.counters.message_only_rcvd);
    out.row({labels..., {"form", "pseudo_header"}}, router.counters.pseudo_header_rcvd);
  });
}

template <class Write>
void each_instance(const HostView& host, Write write) {
  for (const InstanceView& instance : host.instances) {
    const std::string name = instance.name();
    write(instance, Text::Label{"instance", name});
  }
}

void alarms(const HostView& host, Text& out) {
  for (const auto& [alarm, report] : host.alarms) {
    out.row({{"instance", ""}, {"alarm", ports::alarm_token(alarm)}}, 1);
  }
  each_instance(host, [&](const InstanceView& instance, Text::Label name) {
    for (const auto& [alarm, report] : instance.alarms) out.row({name, {"alarm", ports::alarm_token(alarm)}}, 1);
  });
}

void engine_state(const HostView& host, Text& out) {
  out.row_flag({{"state", "running"}}, host.engine == EngineHealth::kRunning);
  out.row_flag({{"state", "restarting"}}, host.engine == EngineHealth::kRestarting);
  out.row_flag({{"state", "given_up"}}, host.engine == EngineHealth::kGivenUp);
}

void frozen_until(const HostView& host, Text& out) {
  const auto until = host.frozen_until();
  if (until && *until != kNever) out.row_seconds({}, wall_ns(host, until->time_since_epoch().count()));
}

void ineligible(const HostView& host, Text& out) {
  each_instance(host, [&](const InstanceView& instance, Text::Label name) {
    for (unsigned number = 1; number < 64; ++number) {
      const auto reason = static_cast<Reason>(number);
      if (instance.against().has(reason)) out.row({name, {"reason", reason_token(reason)}}, 1);
    }
  });
}

void priorities(const HostView& host, Text& out) {
  each_instance(host, [&](const InstanceView& instance, Text::Label name) {
    out.row({name, {"kind", "base"}}, instance.state.configured_priority);
    out.row({name, {"kind", "effective"}}, instance.state.effective_priority);
  });
}

void last_transition(const HostView& host, Text& out) {
  each_instance(host, [&](const InstanceView& instance, Text::Label name) {
    if (instance.state.since_ns != 0) out.row_seconds({name}, wall_ns(host, instance.state.since_ns));
  });
}

void transitions(const HostView& host, Text& out) {
  for (const auto& [key, count] : host.tallies.transitions) {
    out.row({{"instance", key.instance},
             {"from", role_token(key.from)},
             {"to", role_token(key.to)},
             {"reason", reason_token(key.reason)}},
            count);
  }
}

void vip_present(const HostView& host, Text& out) {
  each_instance(host, [&](const InstanceView& instance, Text::Label name) {
    const ports::InstanceState& state = instance.state;
    out.row_flag({name}, state.addresses_held > 0 && state.addresses_held == state.addresses_wanted);
  });
}

template <class Value>
void instance_number(const HostView& host, Text& out, Value value) {
  each_instance(host, [&](const InstanceView& instance, Text::Label name) { out.row({name}, value(instance.state)); });
}

void failover_duration(const HostView& host, Text& out) {
  out.row_histogram({{"phase", "detect"}}, host.tallies.detect);
  out.row_histogram({{"phase", "vip"}}, host.tallies.vip);
  out.row_histogram({{"phase", "garp"}}, host.tallies.garp);
  out.row_histogram({{"phase", "promote"}}, host.tallies.promote);
}

// ---- Databases ----------------------------------------------------------------------------------------------------

template <class Write>
void each_database(const HostView& host, Write write) {
  each_instance(host, [&](const InstanceView& instance, Text::Label name) {
    const bool promotes = instance.state.data_role != ports::DataRole::kNone || instance.state.promotion_step != 0;
    if (promotes) write(instance, name);
  });
}

/// What its own probe said last, while the probe answers.
const ipc::ProbeOutcome* said(const InstanceView& instance) {
  return instance.data != nullptr && instance.data->latest ? &*instance.data->latest : nullptr;
}

void db_role(const HostView& host, Text& out) {
  each_database(host, [&](const InstanceView& instance, Text::Label name) {
    const ipc::ProbeOutcome* outcome = said(instance);
    if (outcome == nullptr) return;
    for (const auto role : {ApplicationRole::kNone, ApplicationRole::kPrimary, ApplicationRole::kReplica}) {
      out.row_flag({name, {"role", baton::role_token(role)}}, outcome->role == role);
    }
  });
}

void data_role(const HostView& host, Text& out) {
  using ports::DataRole;
  each_database(host, [&](const InstanceView& instance, Text::Label name) {
    for (const auto role : {DataRole::kStandby, DataRole::kClaiming, DataRole::kPromoting, DataRole::kActive,
                            DataRole::kDemoting, DataRole::kFenced, DataRole::kNeedsRejoin}) {
      out.row_flag({name, {"role", ports::data_role_token(role)}}, instance.state.data_role == role);
    }
  });
}

void db_lag_seconds(const HostView& host, Text& out) {
  each_database(host, [&](const InstanceView& instance, Text::Label name) {
    const ipc::ProbeOutcome* outcome = said(instance);
    if (outcome != nullptr && outcome->lag_ms >= 0) out.row_seconds({name}, outcome->lag_ms * 1'000'000);
  });
}

void db_lag_bytes(const HostView& host, Text& out) {
  each_database(host, [&](const InstanceView& instance, Text::Label name) {
    const ipc::ProbeOutcome* outcome = said(instance);
    if (outcome != nullptr && outcome->lag_bytes >= 0) out.row({name}, static_cast<std::uint64_t>(outcome->lag_bytes));
  });
}

void generation(const HostView& host, Text& out) {
  each_database(host,
                [&](const InstanceView& instance, Text::Label name) { out.row({name}, instance.state.generation); });
}

void grant_expires(const HostView& host, Text& out) {
  each_database(host, [&](const InstanceView& instance, Text::Label name) {
    const std::int64_t until = instance.state.granted_until_ns;
    if (until > 0 && until != kNever.time_since_epoch().count()) out.row_seconds({name}, wall_ns(host, until));
  });
}

void promotions(const HostView& host, Text& out) {
  for (const auto& [key, count] : host.tallies.promotions) {
    out.row({{"instance", key.first}, {"result", status_token(key.second)}}, count);
  }
}

// ---- Checks and plugins -------------------------------------------------------------------------------------------

void check_state(const HostView& host, Text& out) {
  for (const CheckView& check : host.checks) {
    for (const auto state : {ProbeState::kPass, ProbeState::kFail, ProbeState::kUnknown}) {
      out.row_flag({{"check", check.name}, {"state", state_token(state)}},
                   !check.pending() && check.state.state == state);
    }
    out.row_flag({{"check", check.name}, {"state", "pending"}}, check.pending());
  }
}

void check_duration(const HostView& host, Text& out) {
  for (const CheckView& check : host.checks) {
    if (!check.latest) continue;
    out.row_seconds({{"check", check.name}}, (check.latest->finished - check.latest->started).count());
  }
}

void check_seen(const HostView& host, Text& out) {
  for (const CheckView& check : host.checks) {
    if (!check.latest) continue;
    out.row_seconds({{"check", check.name}}, wall_ns(host, check.latest->finished.time_since_epoch().count()));
  }
}

void check_timeouts(const HostView& host, Text& out) {
  for (const CheckView& check : host.checks) {
    const auto found = host.tallies.timeouts.find(check.name);
    out.row({{"check", check.name}}, found == host.tallies.timeouts.end() ? 0 : found->second);
  }
}

void plugin_restarts(const HostView& host, Text& out) {
  for (const auto& [key, count] : host.tallies.restarts) {
    out.row({{"plugin", key.first}, {"kind", ipc::host_kind_token(key.second)}}, count);
  }
}

// ---- The other hosts ----------------------------------------------------------------------------------------------

void peer_config_match(const HostView& host, Text& out) {
  for (const PeerView& peer : host.peers) {
    if (!peer.lost) out.row_flag({{"peer", peer.host}}, peer.config_hash == host.config_hash);
  }
}

void peer_seen(const HostView& host, Text& out) {
  for (const PeerView& peer : host.peers) {
    if (!peer.heard_ever) continue;
    out.row_seconds({{"peer", peer.host}}, wall_ns(host, peer.heard_at.time_since_epoch().count()));
  }
}

constexpr std::array kFamilies{
    // The daemon.
    MetricFamily{{"baton_up", kGauge, "", "",
                  "1: the daemon answers. 0 is what `batonctl metrics --textfile` writes when none does."},
                 [](const HostView&, Text& out) { out.row({}, 1); }},
    MetricFamily{{"baton_build", kInfo, "", "version", "The running daemon's version."},
                 [](const HostView&, Text& out) {
                   out.row({{"version", kVersion}}, 1);
                 }},
    MetricFamily{{"baton_host", kInfo, "", "host", "The HOST that this one is in the configuration."},
                 [](const HostView& host, Text& out) {
                   out.row({{"host", host.host}}, 1);
                 }},
    MetricFamily{{"baton_running_old_binary", kGauge, "", "",
                  "1: the program that runs is no longer the one on disk, since an upgrade: `batonctl reexec`."},
                 [](const HostView& host, Text& out) { out.row_flag({}, host.old_binary); }},
    MetricFamily{{"baton_degraded", kGauge, "", "",
                  "1: an alarm is in force, something is not eligible, or the engine does not run."},
                 [](const HostView& host, Text& out) { out.row_flag({}, host.degraded()); }},
    MetricFamily{{"baton_alarm", kGauge, "", "instance, alarm",
                  "1 for each alarm in force; instance is empty for those of the host. See baton-messages(7)."},
                 alarms},
    MetricFamily{{"baton_engine_state", kGauge, "", "state", "1 for the state that the engine is in."}, engine_state},
    MetricFamily{{"baton_engine_deaths", kCounter, "", "", "Engines that died or were killed."},
                 [](const HostView& host, Text& out) { out.row({}, host.engine_deaths); }},
    MetricFamily{{"baton_events_lost", kCounter, "", "", "Reports of the engine that did not reach the steward."},
                 [](const HostView& host, Text& out) { out.row({}, host.events_lost); }},
    MetricFamily{{"baton_drained", kGauge, "", "", "1: an operator has taken this host out."},
                 [](const HostView& host, Text& out) { out.row_flag({}, host.drained()); }},
    MetricFamily{{"baton_frozen", kGauge, "", "", "1: this host takes and gives nothing by itself."},
                 [](const HostView& host, Text& out) { out.row_flag({}, host.frozen_until().has_value()); }},
    MetricFamily{{"baton_frozen_until_timestamp_seconds", kGauge, "seconds", "", "When the freeze ends by itself."},
                 frozen_until},
    // The configuration.
    MetricFamily{{"baton_config_hash", kInfo, "", "hash", "Equal on all hosts that run the same configuration."},
                 [](const HostView& host, Text& out) {
                   out.row({{"hash", host.config_hash}}, 1);
                 }},
    MetricFamily{{"baton_config_last_reload_success", kGauge, "", "", "0: the last reload was refused."},
                 [](const HostView& host, Text& out) { out.row_flag({}, host.reload_succeeded); }},
    MetricFamily{{"baton_config_last_reload_success_timestamp_seconds", kGauge, "seconds", "",
                  "When a configuration was read last that was taken over."},
                 [](const HostView& host, Text& out) { out.row_seconds({}, host.configured_wall_ns); }},
    // Time.
    MetricFamily{{"baton_advert_lateness_seconds", kHistogram, "seconds", "",
                  "How long after it was due an advert was sent, by this host's own clock."},
                 [](const HostView& host, Text& out) { out.row_histogram({}, host.counters.advert_lateness); }},
    MetricFamily{{"baton_loop_stall_seconds", kHistogram, "seconds", "",
                  "How late the engine's loop woke for what was due first."},
                 [](const HostView& host, Text& out) { out.row_histogram({}, host.counters.loop_stall); }},
    MetricFamily{
        {"baton_stalls", kCounter, "", "", "Times that an Active stood still for so long that it stepped down."},
        [](const HostView& host, Text& out) { out.row({}, host.counters.stalls); }},
    MetricFamily{
        {"baton_failover_duration_seconds", kHistogram, "seconds", "phase",
         "Parts of a failover. detect: from the last advert of the lost Active to being Active; vip: from there "
         "to the last address in the kernel; garp: from there until each is announced; promote: of the database."},
        failover_duration},
    // Instances and groups.
    MetricFamily{{"baton_instance_state", kGauge, "", "instance, interface, vrid, af, state",
                  "1 for the state that the virtual router is in."},
                 router_state},
    MetricFamily{{"baton_virtual_router", kInfo, "", "instance, interface, vrid, af, version, address",
                  "VRRP version and first address of the virtual router."},
                 router_info},
    MetricFamily{{"baton_instance_eligible", kGauge, "", "instance", "1: nothing speaks against being Active."},
                 [](const HostView& host, Text& out) {
                   each_instance(host, [&](const InstanceView& instance, Text::Label name) {
                     out.row_flag({name}, instance.against().empty());
                   });
                 }},
    MetricFamily{{"baton_instance_ineligible", kGauge, "", "instance, reason",
                  "1 for each thing that speaks against being Active."},
                 ineligible},
    MetricFamily{{"baton_instance_priority", kGauge, "", "instance, kind",
                  "base: as configured; effective: with the checks' preferences."},
                 priorities},
    MetricFamily{{"baton_instance_transitions", kCounter, "", "instance", "Changes of the role, of any kind."},
                 [](const HostView& host, Text& out) {
                   instance_number(host, out, [](const auto& state) { return state.transitions; });
                 }},
    MetricFamily{{"baton_transitions", kCounter, "", "instance, from, to, reason", "Changes of the role, by reason."},
                 transitions},
    MetricFamily{
        {"baton_last_transition_timestamp_seconds", kGauge, "seconds", "instance", "When the role changed last."},
        last_transition},
    MetricFamily{{"baton_vip_present", kGauge, "", "instance", "1: all addresses are on this host."}, vip_present},
    MetricFamily{{"baton_vips_wanted", kGauge, "", "instance", "Addresses of the instance."},
                 [](const HostView& host, Text& out) {
                   instance_number(host, out, [](const auto& state) { return state.addresses_wanted; });
                 }},
    MetricFamily{{"baton_vips_held", kGauge, "", "instance", "Those of them that are on this host."},
                 [](const HostView& host, Text& out) {
                   instance_number(host, out, [](const auto& state) { return state.addresses_held; });
                 }},
    MetricFamily{
        {"baton_vip_removed_externally", kCounter, "", "", "Addresses that somebody else took from this host."},
        [](const HostView& host, Text& out) { out.row({}, host.counters.addresses_taken); }},
    // Adverts.
    MetricFamily{{"baton_adverts_sent", kCounter, "", kOfRouter, "Adverts sent."},
                 router_counter<&ports::RouterCounters::advertisement_sent>},
    MetricFamily{{"baton_adverts_received", kCounter, "", kOfRouter, "Adverts accepted."},
                 router_counter<&ports::RouterCounters::advertisement_rcvd>},
    MetricFamily{{"baton_adverts_rejected", kCounter, "", "instance, interface, vrid, af, reason",
                  "Adverts that were not accepted."},
                 rejected},
    MetricFamily{
        {"baton_adverts_unknown_vrid", kCounter, "", "", "Adverts of virtual routers that are not configured."},
        [](const HostView& host, Text& out) { out.row({}, host.vrid_errors); }},
    MetricFamily{{"baton_adverts_mismatched", kCounter, "", "instance, interface, vrid, af, what",
                  "Adverts with other addresses or another interval than configured here."},
                 mismatched},
    MetricFamily{{"baton_adverts_priority_zero_sent", kCounter, "", kOfRouter, "Resignations sent."},
                 router_counter<&ports::RouterCounters::priority_zero_pkts_sent>},
    MetricFamily{{"baton_adverts_priority_zero_received", kCounter, "", kOfRouter, "Resignations heard."},
                 router_counter<&ports::RouterCounters::priority_zero_pkts_rcvd>},
    MetricFamily{
        {"baton_adverts_checksum_form_received", kCounter, "", "instance, interface, vrid, af, form",
         "Forms of the checksum that were heard; two at once is what old keepalived beside RFC 9568 looks like."},
        checksum_forms},
    MetricFamily{{"baton_adverts_suppressed", kCounter, "", kOfRouter, "Answers that the storm guard held back."},
                 router_counter<&ports::RouterCounters::answers_suppressed>},
    MetricFamily{{"baton_advert_interval_seconds", kGauge, "seconds", kOfRouter,
                  "The Active's interval as learned, else the one configured here."},
                 [](const HostView& host, Text& out) {
                   each_router(host, [&](const auto&, const RouterView& router, auto... labels) {
                     out.row_seconds({labels...}, router.active_adver_interval().count());
                   });
                 }},
    // Databases.
    MetricFamily{{"baton_db_role", kGauge, "", "instance, role", "1 for the role that the database says it has."},
                 db_role},
    MetricFamily{{"baton_data_role", kGauge, "", "instance, role", "1 for the part that Baton gives this host's data."},
                 data_role},
    MetricFamily{{"baton_db_lag_seconds", kGauge, "seconds", "instance", "How far the replica is behind, where known."},
                 db_lag_seconds},
    MetricFamily{{"baton_db_lag_bytes", kGauge, "bytes", "instance", "How far the replica is behind, where known."},
                 db_lag_bytes},
    MetricFamily{{"baton_data_generation", kGauge, "", "instance", "Number of the data's last promotion."}, generation},
    MetricFamily{{"baton_grant_expires_timestamp_seconds", kGauge, "seconds", "instance",
                  "Until when the grant may be relied upon, if it lapses."},
                 grant_expires},
    MetricFamily{
        {"baton_promotion", kCounter, "", "instance, result", "Promotions of the database, by what came of them."},
        promotions},
    // Checks and plugins.
    MetricFamily{{"baton_check_up", kGauge, "", "check", "1: the check passes."},
                 [](const HostView& host, Text& out) {
                   for (const CheckView& check : host.checks) out.row_flag({{"check", check.name}}, check.passes());
                 }},
    MetricFamily{{"baton_check_state", kGauge, "", "check, state", "1 for what is settled of the check."}, check_state},
    MetricFamily{{"baton_check_warning", kGauge, "", "check", "1: it passes, but with a warning."},
                 [](const HostView& host, Text& out) {
                   for (const CheckView& check : host.checks)
                     out.row_flag({{"check", check.name}}, check.state.warning);
                 }},
    MetricFamily{{"baton_check_flapping", kGauge, "", "check", "1: it changes all the time and is held down."},
                 [](const HostView& host, Text& out) {
                   for (const CheckView& check : host.checks)
                     out.row_flag({{"check", check.name}}, check.state.flapping);
                 }},
    MetricFamily{{"baton_check_duration_seconds", kGauge, "seconds", "check", "How long the last probe took."},
                 check_duration},
    MetricFamily{{"baton_check_last_probe_timestamp_seconds", kGauge, "seconds", "check", "When the last probe ended."},
                 check_seen},
    MetricFamily{{"baton_check_timeouts", kCounter, "", "check", "Probes that were ended because they were late."},
                 check_timeouts},
    MetricFamily{
        {"baton_plugin_restarts", kCounter, "", "plugin, kind", "Ends of a plugin's process; kind is probe or act."},
        plugin_restarts},
    // The other hosts.
    MetricFamily{{"baton_peer_up", kGauge, "", "peer", "1: the other host is heard over the peer channel."},
                 [](const HostView& host, Text& out) {
                   for (const PeerView& peer : host.peers) out.row_flag({{"peer", peer.host}}, !peer.lost);
                 }},
    MetricFamily{{"baton_peer_seen_timestamp_seconds", kGauge, "seconds", "peer", "When it was heard last."},
                 peer_seen},
    MetricFamily{{"baton_peer_config_match", kGauge, "", "peer", "1: it runs the same configuration."},
                 peer_config_match},
    MetricFamily{{"baton_peer_paths", kGauge, "", "peer", "Paths to it that are configured."},
                 [](const HostView& host, Text& out) {
                   for (const PeerView& peer : host.peers) out.row({{"peer", peer.host}}, peer.paths);
                 }},
    MetricFamily{{"baton_peer_paths_heard", kGauge, "", "peer", "Those of them by which it is heard."},
                 [](const HostView& host, Text& out) {
                   for (const PeerView& peer : host.peers) out.row({{"peer", peer.host}}, peer.alive);
                 }},
};

}  // namespace

std::span<const MetricFamily> metric_families(MetricNames names) {
  return names == MetricNames::kBaton ? std::span<const MetricFamily>{kFamilies} : keepalived_families();
}

std::string metrics_text(const HostView& host, MetricsWish wish) {
  MetricsText out{wish.format};
  for (const MetricFamily& family : metric_families(wish.names)) {
    out.begin(family.spec);
    family.read(host, out);
  }
  return out.take();
}

}  // namespace baton::steward
