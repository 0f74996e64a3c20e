// What the steward knows at one instant, as plain values: the state board, the configuration and the alarms' details,
// put together. Status and explain are pure functions of it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "config/config.h"
#include "engine/engine.h"
#include "ipc/probe_page.h"
#include "ports/ports.h"
#include "ports/snapshot.h"
#include "steward/peer_channel.h"
#include "steward/tallies.h"
#include "steward/words.h"

namespace baton::steward {

struct RouterView {
  ports::RouterState state;
  ports::RouterCounters counters;
  Nanos advertisement_interval = std::chrono::seconds{1};  ///< as configured here
  bool owner = false;

  std::string interface() const;
  Family family() const { return state.family == 6 ? Family::kIpv6 : Family::kIpv4; }
  IpAddress primary() const;
  /// The Active that is heard now; unspecified if none (none yet, lost, or it has resigned).
  IpAddress heard() const;
  /// Learned from the Active, or configured.
  Nanos active_adver_interval() const;
};

/// A [plugin] section as a check: what is settled, and what its probe said last.
struct CheckView {
  std::string name;
  std::string module;
  ports::CheckState state;
  std::optional<ipc::ProbeOutcome> latest;  ///< nullopt: none yet, or what stands on its page cannot be understood
  std::string trouble;                      ///< why there is no process now; "" = there is one

  bool pending() const { return state.pending; }
  bool passes() const { return !state.pending && state.state == ProbeState::kPass; }
  /// What an operator reads: the sentence behind the settled state.
  std::string sentence() const;
};
/// The same as one instance refers to it.
struct CheckUseView {
  config::CheckReference reference;
  const CheckView* check = nullptr;  ///< nullptr: the engine does not know it yet
};

/// The virtual router that an address belongs to.
struct AddressPlace {
  std::string interface;
  std::uint8_t vrid = 0;
};

struct InstanceView {
  ports::InstanceState state;
  ports::HandoverWord word = {};  ///< state.handover with its texts
  std::vector<RouterView> routers;
  std::vector<std::string> addresses;  ///< with prefix, in the advert's order; without the derived IPv6 link-local ones
  std::vector<AddressPlace> places;    ///< of `addresses`, one for each
  std::vector<std::string> members;    ///< of a group
  bool preempt = true;
  Nanos preempt_delay{0};
  std::int64_t up_ns = 0;                        ///< when it left Initialize; 0 = is there, or not known
  std::map<ports::Alarm, ports::Report> alarms;  ///< in force; a default Report where no detail is known
  std::vector<CheckUseView> checks;              ///< in the order of the file; point into HostView::checks
  std::vector<std::string> follow_ups;
  config::Grant grant = config::Grant::kNone;
  std::map<PluginVerb, ports::Report> acts;  ///< the newest answer to each verb that was asked for its sake
  const CheckView* data = nullptr;           ///< what its first `promote` section says; points into HostView::checks

  std::string name() const;
  /// The check behind kCheckFailed, kCheckUnknown or kGateClosed; nullptr if the reason is another one.
  const CheckView* culprit(Reason reason) const;
  ReasonSet against() const { return ReasonSet::from_bits(state.against); }
  /// The router whose Active is shown: the first that hears one, else the first; nullptr if there is none.
  const RouterView* heard_router() const;
};

enum class EngineHealth : std::uint8_t { kRunning, kRestarting, kGivenUp };

struct HostView {
  std::string host;
  std::string config_path;
  std::string config_hash;
  EngineHealth engine = EngineHealth::kRunning;
  std::uint32_t engine_deaths = 0;  ///< since the steward started
  std::vector<CheckView> checks;    ///< by name; not changed once instances point into it
  std::vector<InstanceView> instances;
  std::vector<PeerView> peers;                   ///< the other hosts; none: there is no peer channel
  std::map<ports::Alarm, ports::Report> alarms;  ///< of the host
  std::uint64_t vrid_errors = 0;
  engine::HostCounters counters;
  Tallies tallies;                      ///< filled in for metrics only
  bool reload_succeeded = true;         ///< the last one
  std::int64_t configured_wall_ns = 0;  ///< when the running configuration was read
  std::optional<Instant> confirm_by;    ///< the running configuration is rolled back then, unless confirmed
  bool rolled_back = false;             ///< the last reload was: the file is not what runs
  bool old_binary = false;              ///< the program on disk is another one
  std::uint64_t events_lost = 0;        ///< reports that did not reach the steward
  HostNames names;
  Instant now{};
  std::int64_t wall_clock_ns = 0;  ///< at `now`

  /// Wall-clock time of an instant in the past, RFC 3339.
  std::string wall_time(std::int64_t instant_ns) const;
  bool drained() const;
  /// End of the freeze; kNever if it has none; nullopt if not frozen.
  std::optional<Instant> frozen_until() const;
  /// An alarm, something against being Active, or no running engine.
  bool degraded() const;
};

/// Fills what the configuration and the alarm bits of the records say; pure.
std::map<ports::Alarm, ports::Report> alarms_in_force(std::uint64_t bits,
                                                      const std::map<ports::Alarm, ports::Report>& details);

/// "active", "backup", "initialize".
std::string_view role_token(vrrp::State state);
/// A reason that speaks against being Active, with the check that is behind it, or how long it still lasts.
std::string against_sentence(const InstanceView& instance, Reason reason, const HostView& host);
/// reason_remedy() for this instance, as the other hosts are now.
std::string remedy_sentence(const InstanceView& instance, Reason reason, const HostView& host);
/// Why the instance has the role that it has now, in one sentence; the first thing that an operator reads.
std::string why_now(const InstanceView& instance, const HostView& host);

}  // namespace baton::steward
