// One simulated host: the real engine, the fake ports around it, its own clock, and what befalls it: stalls, deaths,
// successors, SIGTERM.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "engine/engine.h"
#include "tests/sim/act_hosts.h"
#include "tests/sim/kernel.h"
#include "tests/sim/scenario.h"
#include "tests/sim/scribe.h"
#include "tests/sim/wire.h"

namespace baton::sim {

class World;

/// The state board that the guardian holds: it survives the engine, not the machine.
struct Board {
  static constexpr std::uint32_t kInstanceSlots = 16;
  static constexpr std::uint32_t kRouterSlots = 64;
  std::array<std::optional<ports::InstanceState>, kInstanceSlots> instances;
  std::array<std::optional<ports::RouterState>, kRouterSlots> routers;
  std::array<ports::HandoverTexts, kInstanceSlots> texts{};
  std::array<ports::RouterCounters, kRouterSlots> counters{};

  std::vector<ports::AdoptedInstance> adoptable() const;
  /// REQUIRES a used slot.
  ports::HandoverWord word(std::size_t slot) const { return word_of(instances[slot]->handover, texts[slot]); }
};

struct DumpBegin {};
struct DumpEnd {};
struct SendError {
  ports::LinkId link;
  int sys_errno;
};
struct IntentDone {
  std::uint64_t ticket;
};
struct PluginNews {
  ports::PluginId plugin;
};
struct AllRecalled {};
using Fact = std::variant<ports::LinkState, ports::AddressFact, DumpBegin, DumpEnd, ports::AddressResult, SendError,
                          IntentDone, ports::ActResult, PluginNews, ports::PeerFact, ports::DataRecord, AllRecalled>;

struct Packet {
  Bytes bytes;
  int link = 0;
  bool unicast = false;
  bool hostile = false;
  int users = 0;
};

enum class Stall : std::uint8_t {
  kThread,   ///< the engine's thread; its address worker goes on
  kProcess,  ///< SIGSTOP: frames wait, addresses age
  kMachine,  ///< a paused machine: frames are lost, nothing ages
};

class Host {
 public:
  Host(World& world, int index);
  ~Host();

  int index() const { return index_; }
  const config::Config& config() const { return config_; }
  config::Config& next_config() { return next_config_; }
  Kernel& kernel() { return kernel_; }
  const Kernel& kernel() const { return kernel_; }
  const Board& board() const { return board_; }
  const CommandQueue& commands() const { return queue_; }
  const engine::Engine* engine() const { return engine_.get(); }
  bool running() const { return engine_ != nullptr; }
  bool stopping() const { return stopping_; }
  /// The last command for this address that the worker has not carried out; nullptr if none.
  const ports::AddressCommand* last_command(int link, const Prefix& prefix) const;
  bool stalled() const;
  /// Since when it does nothing: the begin of a stall, or now.
  Nanos silent_since() const;
  bool paused() const;
  Instant local(Nanos world_time) const;
  Instant local() const;

  // ---- What befalls it ----
  void start(bool adopt);
  void die(bool adopt, Nanos restart_after);
  void power_off();
  void stop();
  void stall(Nanos length, Stall kind);
  void reload(int kind, config::Config config);
  void command(const engine::Command& command);
  void lose_facts(Nanos until) { lose_facts_until_ = until; }
  void dump();
  void block_worker(Nanos until);
  bool worker_blocked() const;
  void link_changed(int link);

  // ---- What the world hands in ----
  void wake();
  void work();
  void expire();
  bool hears(int link) const;
  void hear(std::uint32_t packet);
  void die_within_turn(int port_calls, bool adopt, Nanos restart_after);

  // ---- Databases (host_data.cc) ----
  ActHosts& acts() { return *acts_; }
  const Scribe& scribe() const { return scribe_; }
  bool powered() const { return powered_; }
  int boot() const { return boot_; }
  Nanos stalled_until() const { return stalled_until_; }
  void act_done(const ports::ActResult& result);
  void plugin_news(ports::PluginId plugin);
  void save_records();
  void recall(int life);
  /// What its steward says to the others; nullopt: nothing.
  std::optional<ports::PeerFact> word_about(int unit) const;
  void hear_word(const ports::PeerFact& fact);

 private:
  struct Doors;
  friend struct Doors;
  struct TimedFact {
    Nanos at;
    Fact fact;
  };

  void turn();
  void request_turn(const std::function<void(Instant)>& request, bool must_change_nothing);
  void deliver_facts(Instant now);
  void deliver(Instant now, const Fact& fact);
  void deliver_frames(Instant now);
  void hear_now(Instant now, const Packet& packet);
  void turn_over();
  void finish_stop();
  void request_wake(Nanos at);
  void schedule_next();
  void tell(Fact fact, Nanos delay);
  void kernel_changed(const KernelChange& change);
  std::optional<ports::LinkId> id_of(int link) const;
  bool alive();
  std::uint64_t remember(const ports::DataRecord& record);
  void deliver_data(Instant now, const Fact& fact);
  void power_on();
  void flush_frames();
  void flush_commands();
  void forget_process();

  World& world_;
  int index_;
  config::Config config_, next_config_;
  Kernel kernel_;
  Board board_;
  std::unique_ptr<Doors> doors_;
  std::unique_ptr<engine::Engine> engine_;
  bool stopping_ = false;
  bool in_turn_ = false;
  int calls_left_ = -1;
  bool adopt_after_death_ = false;
  Nanos restart_after_{0};
  Nanos last_death_{Nanos::min()};

  std::vector<int> watched_;  ///< world link by LinkId, -1 = not watched
  std::vector<std::uint32_t> frames_;
  std::deque<TimedFact> facts_;
  std::vector<std::uint32_t> outgoing_;
  std::vector<IpAddress> outgoing_to_;
  std::vector<ports::AddressCommand> submitted_;
  std::vector<int> send_errno_;
  CommandQueue queue_;
  std::vector<ports::AddressCommand> batch_;
  bool working_ = false;
  Nanos worker_blocked_until_{0};
  Nanos lose_facts_until_{0};
  Nanos wake_at_ = Nanos::max();
  Nanos expiry_at_ = Nanos::max();
  Nanos stalled_until_{0};
  Nanos stall_began_{0};
  Stall stall_kind_ = Stall::kThread;
  bool resumed_ = false;
  std::uint64_t tickets_ = 0;
  std::unique_ptr<ActHosts> acts_;
  Scribe scribe_;
  std::map<std::string, int> recorded_in_;  ///< by instance: the boot of its newest record
  bool powered_ = true;
  int boot_ = 1;
  int life_ = 0;  ///< of the engine
};

}  // namespace baton::sim
