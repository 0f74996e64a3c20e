#include "tests/sim/scenario.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "tests/sim/scenario_data.h"

namespace baton::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

IpAddress ipv4(int link, int number) {
  const std::array<std::uint8_t, 4> bytes{10, 0, static_cast<std::uint8_t>(link), static_cast<std::uint8_t>(number)};
  return IpAddress::from_bytes(bytes);
}

IpAddress ipv6(std::uint8_t first, std::uint8_t second, int link, int number) {
  std::array<std::uint8_t, 16> bytes{first, second};
  bytes[13] = static_cast<std::uint8_t>(link);
  bytes[14] = static_cast<std::uint8_t>(number >> 8);
  bytes[15] = static_cast<std::uint8_t>(number);
  return IpAddress::from_bytes(bytes);
}

/// Host numbers run in different orders for the two families, so that an exact tie is decided each way by addresses
/// alone.
int host_number(const Scenario& scenario, int host, int flip) {
  return 10 + (flip ? scenario.hosts - host : host) * 7 % 200;
}

class Maker {
 public:
  explicit Maker(std::uint64_t seed) : random_(seed * 0x2545F4914F6CDD1D + 0x9E37), data_random_(seed ^ 0xDA7A) {
    made_.seed = seed;
  }

  Scenario make() {
    made_.hosts = random_.permille(500) ? 2 : static_cast<int>(random_.between(3, kMaxHosts));
    made_.links = random_.permille(600) ? 1 : static_cast<int>(random_.between(2, kMaxLinks));
    for (int host = 0; host < made_.hosts; ++host) {
      made_.origins.push_back(Nanos{random_.between(1'000'000'000, 900'000'000'000'000)});
      made_.drift_ppm.push_back(random_.between(-200, 200));
    }
    make_shape();
    // A generator of its own: what other runs are made of does not depend on it.
    if (data_random_.permille(330)) add_databases(data_random_, made_, shape_, groups_, owner_);
    if (!made_.data.empty()) plain_election();
    for (int host = 0; host < made_.hosts; ++host) made_.configs.push_back(make_config(host));
    measure();
    make_faults();
    return std::move(made_);
  }

 private:
  /// What all hosts have in common.
  void make_shape() {
    static const std::vector<Nanos> kIntervals{milliseconds{10},  milliseconds{50},  milliseconds{100},
                                               milliseconds{100}, milliseconds{200}, seconds{1}};
    interval_ = random_.pick(kIntervals);
    const int count = random_.permille(600) ? 1 : static_cast<int>(random_.between(2, 4));
    const bool unicast = random_.permille(150);
    for (int i = 0; i < count; ++i) shape_.push_back(make_instance(i, unicast));
    if (count >= 2 && random_.permille(500)) make_group(count);
    preempt_ = random_.permille(650);
    ties_ = random_.permille(250);
    owner_ = !ties_ && random_.permille(80) ? random_.index(static_cast<std::size_t>(made_.hosts)) : -1;
    if (!groups_.empty()) owner_ = -1;
    // RFC 9568 §6.1: Active_Adver_Interval is learned, so hosts may differ (R-13, T-03, I-04).
    mixed_ = random_.permille(150);
    preempt_delay_ = preempt_ && random_.permille(200) ? interval_ * random_.between(1, 12) : Nanos{0};
    startup_delay_ = random_.permille(150) ? interval_ * random_.between(1, 10) : Nanos{0};
  }

  config::Instance make_instance(int index, bool unicast) {
    config::Instance instance;
    instance.name = "i" + std::to_string(index);
    const int link = random_.index(static_cast<std::size_t>(made_.links));
    instance.interface = link_name(link);
    instance.vrid = Vrid{static_cast<std::uint8_t>(1 + index * 50 + random_.index(50))};
    instance.unicast = unicast;
    const bool v2 = random_.permille(120);
    instance.version = v2 ? vrrp::Version::kV2 : vrrp::Version::kV3;
    instance.advertisement_interval = v2 ? Nanos{seconds{random_.between(1, 2)}} : interval_;
    if (v2 && random_.permille(500)) instance.password = "secret";
    const int families = v2 ? 1 : static_cast<int>(random_.between(1, 3));
    const int vips = random_.permille(900) ? static_cast<int>(random_.between(1, 4)) : 30;
    for (int k = 0; k < vips && (families & 1) != 0; ++k) {
      instance.addresses.push_back({ipv4(link, 100 + index * 35 + k), 24});
    }
    if ((families & 2) != 0)
      instance.addresses.push_back({ipv6(0xFE, 0x80, link, 0x5000 + instance.vrid.value()), 128});
    for (int k = 0; k < vips && (families & 2) != 0; ++k) {
      instance.addresses.push_back({ipv6(0x20, 0x01, link, 0x6000 + index * 256 + k), 64});
    }
    if (random_.permille(200)) instance.extra_addresses.push_back({ipv4(link, 96 + index), 32});
    instance.checksum = static_cast<config::Checksum>(random_.below(3));
    instance.announce = static_cast<config::Announce>(random_.below(3));
    instance.announce_count = static_cast<std::uint32_t>(random_.between(1, 3));
    if (random_.permille(300)) instance.announce_delay = interval_ / 2;
    instance.announce_refresh = random_.permille(300) ? Nanos{0} : Nanos{seconds{random_.between(5, 60)}};
    return instance;
  }

  /// What databases are tested with: no preemption, and times that leave room for promotions.
  void plain_election() {
    preempt_ = mixed_ = false;
    preempt_delay_ = Nanos{0};
    interval_ = shape_.front().advertisement_interval;
  }

  void make_group(int count) {
    config::Group group;
    group.name = "g";
    for (int i = 0; i < std::min(count, 3); ++i) {
      shape_[static_cast<std::size_t>(i)].group = group.name;
      group.members.push_back(shape_[static_cast<std::size_t>(i)].name);
    }
    groups_.push_back(group);
  }

  config::Config make_config(int host) {
    config::Config config;
    config.host = "h" + std::to_string(host);
    config.instances = shape_;
    config.groups = groups_;
    config::Election election;
    election.preempt = preempt_;
    election.preempt_delay = preempt_delay_;
    election.startup_delay = startup_delay_;
    election.priority = Priority{static_cast<std::uint8_t>(ties_ ? 100 : 50 + host * 37 % 200)};
    for (config::Group& group : config.groups) group.election = election;
    for (config::Instance& instance : config.instances) {
      instance.election = election;
      if (!ties_ && random_.permille(300)) {
        instance.election.priority = Priority{static_cast<std::uint8_t>(254 - host * 41 % 250)};
      }
      instance.owner = owner_ == host;
      if (mixed_ && instance.version == vrrp::Version::kV3 && instance.group.empty()) {
        instance.advertisement_interval *= random_.between(1, 5);
      }
      if (instance.owner) instance.election.priority = kOwnerPriority;
      if (instance.unicast) add_peers(host, instance);
    }
    for (int other = 0; other < made_.hosts; ++other) config.peers.push_back(make_peer(other));
    config.hash = std::string(64, 'a');
    if (!made_.data.empty()) configure_databases(made_, config);
    return config;
  }

  void add_peers(int host, config::Instance& instance) {
    const int link = instance.interface.back() - '0';
    instance.unicast_source = {host_ipv4(made_, link, host), host_link_local(made_, link, host)};
    for (int other = 0; other < made_.hosts; ++other) {
      if (other == host) continue;
      instance.unicast_peers.push_back({host_ipv4(made_, link, other), 255});
      instance.unicast_peers.push_back({host_link_local(made_, link, other), 255});
    }
  }

  config::Peer make_peer(int host) {
    config::Peer peer;
    peer.host = "h" + std::to_string(host);
    for (int link = 0; link < made_.links; ++link) {
      peer.addresses.push_back(host_ipv4(made_, link, host));
      peer.addresses.push_back(host_link_local(made_, link, host));
    }
    return peer;
  }

  void measure() {
    for (const config::Config& config : made_.configs) {
      for (const config::Instance& instance : config.instances) {
        const Nanos interval = instance.advertisement_interval;
        made_.longest_interval = std::max(made_.longest_interval, interval);
        made_.longest_down = std::max(made_.longest_down, down_interval(instance.version, 1, interval));
      }
    }
    made_.longest_start_delay = startup_delay_;
    made_.longest_preempt_delay = preempt_delay_;
  }

  // ---- Faults ------------------------------------------------------------------------------------------------------

  void make_faults() {
    if (!made_.data.empty()) return make_data_faults();
    const Nanos down = made_.longest_down;
    const int count = static_cast<int>(random_.between(2, 14));
    // One run in three keeps to the election's own times, so that I1's bound is tested without any back-off.
    const bool plain = random_.permille(400);
    Nanos at = down * 2 + made_.longest_start_delay + random_.between(Nanos{0}, down);
    for (int i = 0; i < count; ++i) {
      made_.faults.push_back(make_fault(plain, at));
      made_.heal = std::max(made_.heal, made_.faults.back().ends);
      at += random_.permille(300) ? random_.between(Nanos{0}, down) : random_.between(down, down * 4);
    }
  }

  void make_data_faults() {
    const int count = static_cast<int>(random_.between(2, 16));
    Nanos at = made_.longest_down * 2 + made_.longest_start_delay + random_.between(seconds{1}, seconds{40});
    for (int i = 0; i < count; ++i) {
      Fault fault = make_fault(true, at);
      if (data_random_.permille(550)) {
        const auto first = static_cast<std::int64_t>(kFirstOfData);
        fault.kind =
            static_cast<FaultKind>(data_random_.between(first, static_cast<std::int64_t>(FaultKind::kCount) - 1));
      }
      const std::uint64_t drawn = data_random_.below(1000);
      if (drawn < 120) fault.kind = FaultKind::kMove;
      if (drawn >= 120 && drawn < 370) fault.kind = FaultKind::kHandOver;
      if (drawn >= 760 && drawn < 880) fault.kind = FaultKind::kCrashHandOver;
      if (drawn >= 880) fault.kind = FaultKind::kCrashMidway;
      const bool command = fault.kind == FaultKind::kSwitchover || fault.kind == FaultKind::kDrain ||
                           fault.kind == FaultKind::kMove || fault.kind == FaultKind::kCrashMidway;
      fault.ends = at + (command ? random_.between(seconds{5}, seconds{60})
                                 : random_.between(Nanos{milliseconds{500}}, Nanos{seconds{40}}));
      made_.heal = std::max(made_.heal, fault.ends);
      made_.faults.push_back(fault);
      if (fault.kind == FaultKind::kHandOver && data_random_.permille(600)) add_trouble(at);
      at += random_.permille(400) ? random_.between(Nanos{0}, Nanos{seconds{5}})
                                  : random_.between(Nanos{seconds{5}}, Nanos{seconds{60}});
    }
  }

  /// In the middle of a planned move, which takes about a second.
  void add_trouble(Nanos at) {
    static const std::vector<FaultKind> kTroubles{
        FaultKind::kPeersLost,  FaultKind::kWordsOneWay, FaultKind::kWordsLate,    FaultKind::kPartitionAll,
        FaultKind::kStall,      FaultKind::kPause,       FaultKind::kCrashAdopt,   FaultKind::kCrashForget,
        FaultKind::kPowerOff,   FaultKind::kRestart,     FaultKind::kDataCrash,    FaultKind::kDataFreeze,
        FaultKind::kActTrouble, FaultKind::kWitnessAway, FaultKind::kWitnessDown,  FaultKind::kSlowDisk,
        FaultKind::kSlowCopies, FaultKind::kFailover,    FaultKind::kReloadRemove, FaultKind::kMove,
        FaultKind::kDrain,      FaultKind::kHandOver};
    Fault trouble = make_fault(true, at);
    trouble.kind = data_random_.pick(kTroubles);
    trouble.begins = at + data_random_.between(Nanos{0}, Nanos{milliseconds{data_random_.permille(700) ? 600 : 5000}});
    trouble.ends = trouble.begins + data_random_.between(Nanos{milliseconds{300}}, Nanos{seconds{20}});
    made_.heal = std::max(made_.heal, trouble.ends);
    made_.faults.push_back(trouble);
  }

  Fault make_fault(bool plain, Nanos at) {
    Fault fault;
    fault.kind = random_kind(plain);
    fault.begins = at;
    fault.host = random_.index(static_cast<std::size_t>(made_.hosts));
    fault.other = (fault.host + 1 + random_.index(static_cast<std::size_t>(made_.hosts - 1))) % made_.hosts;
    fault.link = random_.index(static_cast<std::size_t>(made_.links));
    fault.unit = random_.index(shape_.size());
    fault.ends = at + random_.between(made_.longest_interval / 2, made_.longest_down * 3);
    fault.argument = static_cast<std::uint32_t>(random_.next());
    if (fault.kind == FaultKind::kLoss) fault.argument = random_.permille(300) ? 600 : 50 + fault.argument % 300;
    return fault;
  }

  FaultKind random_kind(bool plain) {
    while (true) {
      const auto kind = static_cast<FaultKind>(random_.below(static_cast<std::uint64_t>(kFirstOfData)));
      const bool holds = kind == FaultKind::kRefuse || kind == FaultKind::kFight || kind == FaultKind::kForeignAdd ||
                         kind == FaultKind::kRival || kind == FaultKind::kSlowWorker ||
                         kind == FaultKind::kForeignRemove || kind == FaultKind::kReflect;
      if (holds && (plain || interval_ < milliseconds{50})) continue;
      if (holds) made_.long_holds = true;
      return kind;
    }
  }

  Random random_;
  Random data_random_;
  Scenario made_;
  Nanos interval_{0};
  std::vector<config::Instance> shape_;
  std::vector<config::Group> groups_;
  bool preempt_ = true, ties_ = false, mixed_ = false;
  int owner_ = -1;
  Nanos preempt_delay_{0}, startup_delay_{0};
};

}  // namespace

std::string_view fault_name(FaultKind kind) {
  static constexpr std::string_view kNames[] = {"loss",          "delay",         "duplicate",      "reorder",
                                                "one_way",       "partition",     "partition_all",  "reflect",
                                                "hostile",       "stall",         "pause",          "crash_adopt",
                                                "hang",          "crash_forget",  "power_off",      "restart",
                                                "refuse",        "slow_worker",   "foreign_remove", "fight",
                                                "foreign_add",   "overrun",       "carrier",        "admin_down",
                                                "recreate",      "rival",         "reload_same",    "reload_priority",
                                                "reload_vip",    "reload_remove", "switchover",     "freeze",
                                                "drain",         "data_crash",    "data_freeze",    "act_trouble",
                                                "witness_away",  "witness_slow",  "witness_down",   "slow_disk",
                                                "peers_lost",    "slow_copies",   "forgive",        "failover",
                                                "crash_midway",  "move",          "hand_over",      "crash_hand_over",
                                                "words_one_way", "words_late"};
  static_assert(std::size(kNames) == static_cast<std::size_t>(FaultKind::kCount));
  return kNames[static_cast<std::size_t>(kind)];
}

IpAddress host_ipv4(const Scenario& scenario, int link, int host) { return ipv4(link, host_number(scenario, host, 0)); }

IpAddress host_link_local(const Scenario& scenario, int link, int host) {
  return ipv6(0xFE, 0x80, link, host_number(scenario, host, 1));
}

MacAddress host_mac(int link, int host) {
  return {{2, 0, 0, 0, static_cast<std::uint8_t>(link), static_cast<std::uint8_t>(host + 1)}};
}

Nanos down_interval(vrrp::Version version, int priority, Nanos interval) {
  const Nanos unit = version == vrrp::Version::kV2 ? Nanos{seconds{1}} : interval;
  return interval * 3 + Nanos{unit.count() * (256 - priority) / 256};
}

std::string describe(const Scenario& scenario) {
  std::string out;
  const auto milli = [](Nanos length) { return std::to_string(length.count() / 1'000'000) + " ms"; };
  for (const config::Config& config : scenario.configs) {
    for (const config::Instance& instance : config.instances) {
      const config::Election& election = instance.election;
      out += "  " + config.host + " " + instance.name + (instance.group.empty() ? "" : " in group") + " on " +
             instance.interface + " vrid " + std::to_string(instance.vrid.value()) + " v" +
             std::to_string(static_cast<int>(instance.version)) + (instance.unicast ? " unicast" : "") + " priority " +
             std::to_string(election.priority.value()) + (election.preempt ? " preempt" : " no-preempt") + " every " +
             milli(instance.advertisement_interval) + ", delays " + milli(election.preempt_delay) + ", " +
             milli(election.startup_delay) + ", " + std::to_string(instance.addresses.size()) + " addresses from " +
             instance.addresses.front().text() + " to " + instance.addresses.back().text() + "\n";
    }
  }
  out += describe_databases(scenario);
  return out;
}

Scenario make_scenario(std::uint64_t seed) { return Maker{seed}.make(); }

}  // namespace baton::sim
