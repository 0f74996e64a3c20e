// The engine: all instances and groups of one host. Single-threaded, no system call, no clock: the daemon and the
// simulator run the same code. Every call carries `now`; effects leave through ports/ports.h.
//
// One turn of the loop:  begin_turn(now) -> on_frame()... / on_link() / on_address_result() / ... -> on_deadline(now)
// -> end_turn(). begin_turn does the stall test before anything is sent; received frames are handed in before
// on_deadline fires late timers (T-06).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/duration_histogram.h"
#include "base/time.h"
#include "config/config.h"
#include "ports/facts.h"
#include "ports/ports.h"
#include "ports/snapshot.h"

namespace baton::engine {

using ports::AddressFact;
using ports::LinkState;
using ports::ReceivedFrame;

enum class Verb : std::uint8_t { kSwitchover, kFreeze, kThaw, kDrain, kUndrain, kForgive, kFailover };
struct Command {
  Verb verb = Verb::kSwitchover;
  std::string instance;  ///< "" = all
  Nanos duration{0};     ///< freeze
  bool dry_run = false;
  std::string to = {};       ///< switchover with data: HOST that is to take over
  std::uint64_t number = 0;  ///< switchover with data: of the move, unlike any other
};
struct CommandResult {
  bool accepted = false;
  bool refused_by_safety = false;  ///< exit code 6
  std::vector<std::string> lines;  ///< what was or would be done, or why not
};

struct ReloadSummary {
  std::vector<std::string> unchanged, changed, restarted, added, removed;  ///< instance and group names
};

/// Totals that belong to no router (RFC 8347 globals).
struct HostCounters {
  std::uint64_t checksum_errors = 0, version_errors = 0, vrid_errors = 0, ip_ttl_errors = 0, frames = 0, turns = 0,
                stalls = 0;
  std::uint64_t addresses_taken = 0;  ///< that were ours, and that somebody else removed
  DurationHistogram advert_lateness;
  DurationHistogram loop_stall;  ///< how late turns began for what was due first
};

class Engine {
 public:
  /// `config` validated. Slots on the state board: instances 0..instance_slots-1, routers 0..router_slots-1.
  struct Board {
    std::uint32_t instance_slots = 0;
    std::uint32_t router_slots = 0;
  };
  Engine(const config::Config& config, ports::Ports ports, Board board);
  ~Engine();

  /// Starts all instances. `adopted`: a predecessor's state (may be empty): instances found there by name and with
  /// equal wire identity continue without a transition and in their slots; what does not fit starts afresh.
  void start(Instant now, std::span<const ports::AdoptedInstance> adopted, bool drained,
             std::optional<Instant> frozen_until = {});

  void begin_turn(Instant now);
  void on_frame(Instant now, const ReceivedFrame& frame);
  void on_link(Instant now, const LinkState& state);
  void on_address(Instant now, const AddressFact& fact);
  void on_dump_begin(Instant now);
  void on_dump_end(Instant now);
  void on_address_result(Instant now, const ports::AddressResult& result);
  void on_send_error(Instant now, ports::LinkId link, int sys_errno);
  void on_intent_recorded(Instant now, std::uint64_t ticket);
  /// What the scribe remembers, instance by instance, and that this was all. Nothing is promoted before.
  void on_recalled(Instant now, const ports::DataRecord& record);
  void on_all_recalled(Instant now);
  /// Whether the watchdog is armed, or none is wanted: nothing is promoted before.
  void on_guard(Instant now, bool guarded);
  /// Another host's word about one of the instances.
  void on_peer(Instant now, const ports::PeerFact& fact);
  /// Another host's word about one of its checks, for those that are `relative`; worth nothing after kPeerLease.
  void on_peer_check(Instant now, const std::string& host, const std::string& section, bool passes);
  /// PluginPort::read_probe has something new, or something befell the section's probe host.
  void on_plugin_news(Instant now, ports::PluginId plugin);
  /// The section's probe host died without an outcome, or cannot be started (`status`: kCrashed, kGarbage,
  /// kNotRunning): counts as one failed outcome.
  void on_probe_lost(Instant now, ports::PluginId plugin, VerbStatus status, std::string_view sentence);
  void on_act_result(Instant now, const ports::ActResult& result);
  CommandResult on_command(Instant now, const Command& command);
  ReloadSummary reload(Instant now, const config::Config& config);
  /// Fires what is due up to `now` + `slack`, so that adverts of the same millisecond leave together.
  void on_deadline(Instant now, Nanos slack = Nanos{0});
  /// Flushes the ports and publishes what changed.
  void end_turn(Instant now);

  /// Leaves every Active role: addresses away, then priority 0. Done when finished().
  void shutdown(Instant now);
  bool finished() const;

  /// nullopt: nothing is due.
  std::optional<Instant> next_deadline() const;
  /// From when on the caller should rather poll than sleep, because it would be woken late: kAlert before a takeover.
  /// While adverts are heard that moment never comes.
  static constexpr Nanos kAlert = std::chrono::microseconds{200};
  std::optional<Instant> next_alert() const;
  /// Of all running routers; the guardian's heartbeat limit is half of it.
  Nanos shortest_active_down_interval() const;
  const HostCounters& counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace baton::engine
