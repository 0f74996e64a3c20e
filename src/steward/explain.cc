// `batonctl explain`: the facts behind the role, the numbers that the election compares, and what would change it.
#include "steward/documents.h"
#include "steward/format.h"
#include "steward/promotion_words.h"
#include "vrrp/timers.h"

namespace baton::steward {
namespace {

using namespace std::chrono_literals;

struct Timers {
  Nanos interval;
  Nanos skew;
  Nanos down;
};

Timers timers_of(const RouterView& router, const InstanceView& instance) {
  const auto version = static_cast<vrrp::Version>(router.state.version);
  const Priority priority{instance.state.effective_priority};
  const Nanos interval = router.active_adver_interval();
  return {interval, vrrp::skew_time(version, priority, interval),
          vrrp::active_down_interval(version, priority, interval)};
}

Json time_left(std::int64_t deadline_ns, const HostView& host) {
  if (deadline_ns == 0) return nullptr;
  return std::max(Nanos{0}, Instant{Nanos{deadline_ns}} - host.now) / 1ms;
}

/// One router: our side, the Active's side, the timers.
Json compared(const RouterView& router, const InstanceView& instance, const HostView& host) {
  const Timers timers = timers_of(router, instance);
  const IpAddress heard = router.heard();
  Json document{{"interface", router.interface()},
                {"address-family", router.family() == Family::kIpv6 ? "ipv6" : "ipv4"},
                {"vrid", router.state.vrid},
                {"priority", instance.state.effective_priority},
                {"source_address", router.primary().text()}};
  document["heard"] = nullptr;
  if (!heard.is_unspecified()) {
    const std::string name = host.names.host(heard);
    document["heard"] = Json{{"address", heard.text()},
                             {"host", name.empty() ? Json(nullptr) : Json(name)},
                             {"priority", router.state.heard_priority},
                             {"ms_ago", (host.now - Instant{Nanos{router.state.heard_at_ns}}) / 1ms}};
  }
  document["active_adver_interval_ms"] = timers.interval / 1ms;
  document["skew_us"] = timers.skew / 1us;
  document["active_down_interval_us"] = timers.down / 1us;
  const bool active = router.state.machine.state == vrrp::State::kActive;
  document["next_advert_ms"] = active ? time_left(router.state.machine.adver_deadline_ns, host) : Json(nullptr);
  document["down_timer_ms"] = active ? Json(nullptr) : time_left(router.state.machine.down_deadline_ns, host);
  return document;
}

std::string rule(const InstanceView& instance, const RouterView* router, const HostView& host) {
  const bool heard = router != nullptr && !router->heard().is_unspecified();
  switch (instance.state.state) {
    case vrrp::State::kInitialize:
      return "Initialize: something on this host must be in place before it takes part in the election.";
    case vrrp::State::kActive:
      if (instance.state.holding == ports::HoldingState::kNone && !transaction_sentence(instance).empty()) {
        return "Active on the wire, so that the others wait; the addresses come when its data is proven writable.";
      }
      return "Active: no router of higher priority (or of equal priority and greater address) is heard. RFC 9568 "
             "6.4.3.";
    case vrrp::State::kBackup: break;
  }
  if (!instance.against().empty())
    return "Backup and not eligible: it listens, but does not take over while something speaks against it.";
  if (!heard) return "Backup: an Active is listened for until the Active_Down_Timer fires. RFC 9568 6.4.2.";
  const std::uint8_t theirs = router->state.heard_priority;
  const std::uint8_t ours = instance.state.effective_priority;
  if (theirs > ours) return "Backup: a greater priority wins. RFC 9568 6.4.2.";
  if (theirs == ours) return "Backup: an equal priority never preempts a working Active. RFC 9568 6.4.2.";
  if (!instance.preempt)
    return "Backup: preempt = no, so a working Active of lower priority keeps the role. RFC 9568 6.1 Preempt_Mode.";
  static_cast<void>(host);
  return "Backup: the Active has a lower priority and will be preempted when its Active_Down_Timer or preempt_delay "
         "ends here.";
}

Json changes_of_active(const InstanceView& instance, const RouterView& router) {
  const std::string ours = std::to_string(instance.state.effective_priority);
  Json changes = Json::array();
  if (router.owner) {
    changes.push_back("this host owns the address: only another owner of greater address takes it");
  } else {
    changes.push_back("another router advertises a priority greater than " + ours + ", or " + ours +
                      " from an address greater than " + router.primary().text());
  }
  for (const CheckUseView& use : instance.checks) {
    if (use.reference.use != config::CheckUse::kRequired) continue;
    changes.push_back("the required check " + use.reference.plugin + " fails: this host gives the role up");
  }
  changes.push_back(
      "this host loses the link or its own address, is drained, switched over or stopped: it resigns (priority 0)");
  changes.push_back("this host falls silent: a Backup takes over after its own Active_Down_Interval, about " +
                    exact_duration(3 * router.active_adver_interval()) + " and its Skew_Time");
  return changes;
}

Json changes_of_backup(const InstanceView& instance, const RouterView& router, const HostView& host) {
  Json changes = Json::array();
  const Timers timers = timers_of(router, instance);
  const IpAddress heard = router.heard();
  if (heard.is_unspecified()) {
    changes.push_back("no Active is heard for Active_Down_Interval (" + exact_duration(timers.down) +
                      "): this host becomes Active");
    return changes;
  }
  const std::string other = host.names.text(heard);
  changes.push_back(other + " is not heard for Active_Down_Interval (" + exact_duration(timers.down) + ")");
  changes.push_back(other + " resigns (switchover, drain or stop there): taken over after Skew_Time (" +
                    exact_duration(timers.skew) + ")");
  const std::uint8_t theirs = router.state.heard_priority;
  if (theirs >= instance.state.effective_priority && theirs < 254) {
    changes.push_back("the priority here becomes greater than " + std::to_string(theirs) +
                      (instance.preempt ? "" : ", with preempt = yes"));
  } else if (theirs < instance.state.effective_priority && !instance.preempt) {
    changes.push_back("preempt = yes here: then the higher priority " +
                      std::to_string(instance.state.effective_priority) + " wins");
  }
  return changes;
}

Json changes_of(const InstanceView& instance, const HostView& host) {
  Json changes = Json::array();
  for (unsigned number = 1; number < 64; ++number) {
    const auto reason = static_cast<Reason>(number);
    if (!instance.against().has(reason)) continue;
    const std::string remedy = remedy_sentence(instance, reason, host);
    const std::string words = against_sentence(instance, reason, host);
    changes.push_back(remedy.empty() ? words + ": until that is over" : words + ": " + remedy);
  }
  if (const std::string end = transaction_end(instance); !end.empty()) changes.push_back(end);
  if (barred_by_data(instance)) return changes;
  // Until that is over, nothing that others do makes it Active.
  if (instance.state.state == vrrp::State::kBackup && !instance.against().empty()) return changes;
  const RouterView* router = instance.heard_router();
  if (router == nullptr || instance.state.state == vrrp::State::kInitialize) return changes;
  const Json more = instance.state.state == vrrp::State::kActive ? changes_of_active(instance, instance.routers.front())
                                                                 : changes_of_backup(instance, *router, host);
  for (const Json& change : more) changes.push_back(change);
  return changes;
}

Json explain_instance(const InstanceView& instance, const HostView& host) {
  Json document{
      {"name", instance.name()}, {"role", role_token(instance.state.state)}, {"why", why_now(instance, host)}};
  const bool data = instance.state.data_role != ports::DataRole::kNone;
  document["data_role"] = data ? Json(ports::data_role_token(instance.state.data_role)) : Json(nullptr);
  document["addresses_held"] = instance.state.addresses_held;
  const std::string under_way = transaction_sentence(instance);
  document["waits_for"] = under_way.empty() ? Json(nullptr) : Json(under_way);
  document["rule"] = rule(instance, instance.heard_router(), host);
  document["last_transition"] = nullptr;
  if (instance.state.since_ns != 0) {
    document["last_transition"] = Json{{"time", host.wall_time(instance.state.since_ns)},
                                       {"ms_ago", (host.now - Instant{Nanos{instance.state.since_ns}}) / 1ms},
                                       {"reason", reason_token(instance.state.reason)},
                                       {"text", reason_words(instance.state.reason)}};
  }
  document["configured_priority"] = instance.state.configured_priority;
  document["effective_priority"] = instance.state.effective_priority;
  document["preempt"] = instance.preempt;
  Json routers = Json::array();
  for (const RouterView& router : instance.routers) routers.push_back(compared(router, instance, host));
  document["compared"] = std::move(routers);
  Json against = Json::array();
  for (unsigned number = 1; number < 64; ++number) {
    const auto reason = static_cast<Reason>(number);
    if (instance.against().has(reason))
      against.push_back({{"reason", reason_token(reason)}, {"text", against_sentence(instance, reason, host)}});
  }
  document["against"] = std::move(against);
  document["checks"] = check_use_documents(instance, host);
  document["would_change"] = changes_of(instance, host);
  return document;
}

}  // namespace

Json explain_document(const HostView& host, std::string_view instance) {
  Json list = Json::array();
  for (const InstanceView& view : host.instances) {
    if (instance.empty() || view.name() == instance) list.push_back(explain_instance(view, host));
  }
  return {{"host", host.host}, {"instances", std::move(list)}};
}

}  // namespace baton::steward
