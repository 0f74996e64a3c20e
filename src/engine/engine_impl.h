// Inside of engine.h: all instances, and the way from an event to the instance that it concerns.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/context.h"
#include "engine/engine.h"
#include "engine/mover.h"
#include "engine/slots.h"

namespace baton::engine {

class Engine::Impl {
 public:
  Impl(const config::Config& config, ports::Ports ports, Board board);

  // engine.cc
  void start(Instant now, std::span<const ports::AdoptedInstance> adopted, bool drained,
             std::optional<Instant> frozen_until);
  void begin_turn(Instant now);
  void on_frame(Instant now, const ReceivedFrame& frame);
  void on_vrrp(Instant now, ports::LinkId link, const vrrp::VrrpFrame& frame);
  void on_vrrp_of_this_host(Instant now, ports::LinkId link, const vrrp::VrrpFrame& frame);
  void on_claim(Instant now, ports::LinkId link, const vrrp::AddressClaim& claim);
  void on_link(Instant now, const LinkState& state);
  void on_address(Instant now, const AddressFact& fact);
  void on_dump_begin();
  void on_dump_end(Instant now);
  void on_deadline(Instant now, Nanos slack);
  void end_turn(Instant now);
  void shutdown(Instant now);
  bool finished() const;
  std::optional<Instant> next_deadline() const;
  std::optional<Instant> next_alert() const;

  // plugins.cc
  void take_plugins(const config::Config& config, const std::vector<Plan>& plans);
  void drop_unused_plugins();
  void plan_leases();
  void look_at_leases(Instant now);
  void on_plugin_news(Instant now, ports::PluginId id);
  void on_probe_lost(Instant now, ports::PluginId id, VerbStatus status, std::string_view sentence);
  void check_changed(Instant now, ports::PluginId id, const Check& before);
  void publish_check(ports::PluginId id);

  // commands.cc
  CommandResult on_command(Instant now, const Command& command);

  // reload.cc
  ReloadSummary reload(Instant now, const config::Config& config);
  std::vector<Plan> take(const config::Config& config);
  void watch_links(const config::Config& config);
  void start_plan(Instant now, Plan plan, const ports::AdoptedInstance* adopted);
  void bury_stopped(Instant now);
  void measure();

  Mover* mover(MoverId id) const { return id < movers.size() ? movers[id].get() : nullptr; }
  Mover* mover_named(const std::string& name) const {
    const auto found = names.find(name);
    return found == names.end() ? nullptr : mover(found->second);
  }

  Context context;
  Slots instance_slots;
  Slots router_slots;
  config::Config first_config;       ///< until start()
  std::set<std::string> interfaces;  ///< that the configuration names
  std::vector<config::Peer> peers;
  std::vector<std::unique_ptr<Mover>> movers;  ///< by id; ids are used again
  std::unordered_map<std::string, MoverId> names;
  struct Watched {
    bool ipv4 = false;
    bool ipv6 = false;
    bool operator==(const Watched&) const = default;
  };
  std::vector<Watched> watched;  ///< by link
  std::vector<MoverId> due;      ///< reused
  Facts host_facts;              ///< what holds for every instance: drained
  Instant next_lease = kNever;   ///< of the checks
  Instant last_turn{};
  Instant now_{};
  Nanos shortest_interval = Nanos::max();
  Nanos shortest_down = Nanos::max();
  bool in_dump = false;
  bool leaving = false;
  bool started = false;
};

}  // namespace baton::engine
