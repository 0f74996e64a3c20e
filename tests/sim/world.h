// The world of one run: virtual time, one queue of events, segments between hosts, and the scenario's faults as they
// begin and end.
#pragma once

#include <deque>
#include <memory>
#include <queue>
#include <vector>

#include "tests/sim/checker.h"
#include "tests/sim/data_checker.h"
#include "tests/sim/databases.h"
#include "tests/sim/host.h"
#include "tests/sim/random.h"
#include "tests/sim/scenario.h"
#include "tests/sim/trace.h"

namespace baton::sim {

/// The latest that a host acts on a deadline or frame while nothing stalls it, and the longest way over an undisturbed
/// segment.
inline constexpr Nanos kLateness = std::chrono::microseconds{1500};
inline constexpr Nanos kTransit = std::chrono::microseconds{400};
/// What the main loop gives to Engine::on_deadline.
inline constexpr Nanos kSlack = std::chrono::milliseconds{1};
/// The address worker: per batch and per command.
inline constexpr Nanos kBatchTime = std::chrono::microseconds{40};
inline constexpr Nanos kCommandTime = std::chrono::microseconds{35};

enum class EventType : std::uint8_t {
  kWake,
  kFrame,
  kWorker,
  kExpiry,
  kFaultBegins,
  kFaultEnds,
  kHeal,
  kStart,
  kKill,  ///< index: World::Death
  kTick,
  // Databases.
  kData,
  kDataStart,  ///< the databases of a host; index: 0 all, or unit + 1
  kAct,
  kProbe,
  kPeerSays,
  kPeerHeard,
  kScribe,
  kRecall,
};

class World {
 public:
  World(Scenario scenario, bool verbose);
  ~World();

  /// False after a violation.
  bool run();

  Nanos now() const { return now_; }
  Random& random() { return random_; }
  Trace& trace() { return trace_; }
  Checker& checker() { return checker_; }
  DataChecker& data_checker() { return data_checker_; }
  Databases& databases() { return databases_; }
  const Scenario& scenario() const { return scenario_; }
  Host& host(int index) { return *hosts_[static_cast<std::size_t>(index)]; }
  int hosts() const { return static_cast<int>(hosts_.size()); }
  std::uint64_t steps() const { return steps_; }
  void count_step() { ++steps_; }

  void schedule(Nanos at, EventType type, int host, std::uint32_t index = 0);
  std::uint32_t new_packet(Bytes bytes, int link, bool unicast, bool hostile);
  const Packet& packet(std::uint32_t index) const { return packets_[index]; }
  void release(std::uint32_t index);
  /// Sends to all others on the link, or to the one who has `to`.
  void transmit(int host, std::uint32_t packet, const IpAddress* to);
  /// A fault is in force, or was until less than `since` ago.
  bool disturbed() const { return !active_.empty(); }
  Nanos calm_since() const { return calm_since_; }
  void disturb() { calm_since_ = now_; }
  // Databases.
  /// By any link, in both directions.
  bool reachable(int a, int b) const;
  bool in_force(FaultKind kind, int host) const;
  /// Nothing but what operators may do any time.
  bool undisturbed() const;
  bool witness_away(int unit, int host) const;
  Nanos witness_delay(int unit, int host);
  unsigned act_trouble(int host) const;
  Nanos fsync_time(int host);
  /// And the host is started again some time later.
  void cut_power(int host);
  void start_databases(int host);
  void step_begins(int host, std::uint8_t step);
  /// Its steward is told of it, and tells the others at once.
  void hurry(int host);
  void say_goodbye(int host);

  bool healed() const { return healed_at_ != Nanos::max(); }
  Nanos healed_at() const { return healed_at_; }

 private:
  struct Event {
    Nanos at;
    std::uint64_t order;
    EventType type;
    std::uint8_t host;
    std::uint32_t index;
    bool operator<(const Event& other) const { return at != other.at ? at > other.at : order > other.order; }
  };
  /// What a segment does now.
  struct Segment {
    unsigned loss = 0;
    unsigned duplicate = 0;
    unsigned reorder = 0;
    unsigned reflect = 0;
    Nanos delay{0};
    bool cut[kMaxHosts][kMaxHosts] = {};
    Nanos arrival[kMaxHosts][kMaxHosts] = {};
  };

  void handle(const Event& event);
  void arrive(int host, std::uint32_t packet);
  void send_copy(int from, int to, std::uint32_t packet, Segment& segment);

  void begin(const Fault& fault);
  void end(const Fault& fault);
  void begin_host_fault(const Fault& fault);
  void begin_kernel_fault(const Fault& fault);
  void begin_operator_fault(const Fault& fault);
  void heal();
  void apply_active();
  void apply_network(const Fault& fault);
  void inject_hostile(const Fault& fault);
  void inject_rival(const Fault& fault);
  void steal_addresses(const Fault& fault);
  void foreign(const Fault& fault, bool add);
  Nanos restart_time();
  void kill(int host, std::uint32_t how);
  void crash(const Fault& fault);
  void reload(const Fault& fault);
  void set_link(int host, int link, bool up);
  void handle_data(const Event& event);
  void begin_data_fault(const Fault& fault);
  void end_data_fault(const Fault& fault);
  void schedule_data();
  void heal_data();
  // words.cc
  void schedule_words();
  bool heard_by(int from, int to) const;
  bool busy(int host) const;
  bool words_lost(int from, int to) const;
  void say_at(int host, Nanos at);
  void say_to_peers(int host, std::uint32_t serial);
  void tell_peers(int from, bool left);
  void hear_peer(int host, std::uint32_t index);
  enum Death : std::uint32_t { kAdopted, kForgotten, kWithItsHost };
  void hand_over(const Fault& fault, int unit);

  Scenario scenario_;
  Random random_;
  Trace trace_;
  Checker checker_;
  DataChecker data_checker_;
  Databases databases_;
  struct Word {
    ports::PeerFact fact;
    int from = 0;
    std::uint64_t number = 0;
  };
  /// A host's steward. What one host heard of another is in `heard` and `busy_at`, by host.
  struct Steward {
    Nanos said{0};
    Nanos next = Nanos::max();
    std::uint32_t serial = 0;  ///< of the event that is awaited
    std::uint64_t words = 0;
    std::array<std::uint64_t, kMaxHosts> heard{};
    std::array<Nanos, kMaxHosts> busy_at{};
  };
  std::deque<Word> words_;  ///< between the hosts
  std::vector<std::uint32_t> free_words_;
  std::vector<Steward> stewards_;
  std::uint64_t moves_ = 0;  ///< numbers that operators' moves have
  Nanos now_{0};
  std::uint64_t order_ = 0;
  std::uint64_t steps_ = 0;
  std::priority_queue<Event> events_;
  std::deque<Packet> packets_;  ///< a deque: a frame is read while others are made
  std::vector<std::uint32_t> free_packets_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<Segment> segments_;
  std::vector<std::size_t> active_;   ///< indices into scenario_.faults
  std::vector<Bytes> heard_samples_;  ///< a recent genuine advert of each link, to be spoilt
  Nanos calm_since_{0};
  Nanos healed_at_ = Nanos::max();
};

}  // namespace baton::sim
