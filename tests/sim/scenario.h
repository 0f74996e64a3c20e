// What one seed makes: hosts, links, a configuration for each host, and a list of faults with their times. Made before
// anything runs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "tests/sim/random.h"

namespace baton::sim {

inline constexpr int kMaxHosts = 5;
inline constexpr int kMaxLinks = 3;

enum class FaultKind : std::uint8_t {
  // The network.
  kLoss,          ///< argument: per mille, of one link
  kDelay,         ///< one link, up to half the shortest interval
  kDuplicate,     ///< one link, each frame up to ten times (F16)
  kReorder,       ///< one link
  kOneWay,        ///< one link, one host to one other (F26)
  kPartition,     ///< one link in two halves (F25)
  kPartitionAll,  ///< all links in the same two halves
  kReflect,       ///< one link returns frames to their sender (F12)
  kHostile,       ///< one link, spoilt adverts to everyone (I6)
  // Hosts.
  kStall,        ///< the engine's thread does not run (F56); frames wait, addresses age
  kPause,        ///< the whole machine does not run; frames are lost, nothing ages (F57)
  kCrashAdopt,   ///< the engine dies; a successor adopts its state
  kHang,         ///< the engine hangs; the guardian kills it after half an Active_Down_Interval
  kCrashForget,  ///< the engine dies; its state is not usable
  kPowerOff,     ///< everything is gone, for a while (F64)
  kRestart,      ///< SIGTERM, and a start
  // Addresses and links of a host.
  kRefuse,         ///< installs fail (F46)
  kSlowWorker,     ///< the rtnl lock is busy
  kForeignRemove,  ///< somebody removes our addresses once (F36)
  kFight,          ///< somebody removes them again and again
  kForeignAdd,     ///< somebody else has a VIP on this host (F37)
  kOverrun,        ///< netlink messages are lost; a full dump follows (F43)
  kCarrier,        ///< down and up (F31)
  kAdminDown,      ///< IFF_UP off and on: IPv6 addresses are gone
  kRecreate,       ///< deleted and created again with another ifindex (F32)
  kRival,          ///< gratuitous ARP of another machine for our address
  // Operators.
  kReloadSame,  ///< I9
  kReloadPriority,
  kReloadVip,
  kReloadRemove,  ///< an instance goes and comes back
  kSwitchover,
  kFreeze,
  kDrain,
  // Databases: only where there are some.
  kDataCrash,      ///< a database dies and is started again
  kDataFreeze,     ///< a database stands still
  kActTrouble,     ///< acts are slow, fail, die, or are done and nobody is told
  kWitnessAway,    ///< one host does not reach the witness
  kWitnessSlow,    ///< one host's questions and answers take long
  kWitnessDown,    ///< nobody reaches it; it keeps what it knows
  kSlowDisk,       ///< records take seconds until they are on disk (F52)
  kPeersLost,      ///< one host's word is not heard by the others
  kSlowCopies,     ///< replication lags
  kForgive,        ///< an operator's word
  kFailover,       ///< an operator's word
  kCrashMidway,    ///< the engine dies in the middle of a transaction, in the step that the argument says; adopted
  kMove,           ///< the host that serves is drained: a move of one host's making
  kHandOver,       ///< an operator moves the data from the host that serves to another one
  kCrashHandOver,  ///< the same, and an engine dies in the step that the argument says
  kWordsOneWay,    ///< one host's word is not heard by one other
  kWordsLate,      ///< one host's words take seconds
  kCount,
};
inline constexpr FaultKind kFirstOfData = FaultKind::kDataCrash;
std::string_view fault_name(FaultKind kind);
/// What an operator may do any time, and nothing suffers from.
constexpr bool by_operator(FaultKind kind) { return kind == FaultKind::kMove || kind == FaultKind::kHandOver; }

struct Fault {
  FaultKind kind = FaultKind::kLoss;
  Nanos begins{0};
  Nanos ends{0};
  int host = 0;
  int other = 0;
  int link = 0;
  int unit = 0;
  std::uint32_t argument = 0;
};

/// An instance that promotes a database.
struct DataUnit {
  int unit = 0;  ///< which of the instances
  std::string instance;
  config::Grant grant = config::Grant::kWitness;
  int sets = 1;  ///< promote sections
  int witnesses = 1;
  Nanos lease{0};
  bool fence = false;
  bool fences_itself = false;  ///< its databases' plugin can end another one
  bool power_switch = false;   ///< fences by it; else through the other's database
  bool boot_guard = true;      ///< a database that is started cannot be written
  bool rebuild = false;        ///< rejoin gives up its own data
};

struct Scenario {
  std::uint64_t seed = 0;
  int hosts = 2;
  int links = 1;
  std::vector<config::Config> configs;  ///< one a host
  std::vector<Nanos> origins;           ///< of each host's clock
  std::vector<std::int64_t> drift_ppm;  ///< of each host's clock
  std::vector<DataUnit> data;
  std::vector<Fault> faults;
  Nanos heal{0};  ///< when the last fault is over
  Nanos longest_interval{0};
  Nanos longest_down{0};  ///< longest Active_Down_Interval of any router on any host
  Nanos longest_start_delay{0};
  Nanos longest_preempt_delay{0};
  bool long_holds = false;   ///< faults whose back-off outlasts the election's own times
  unsigned act_trouble = 0;  ///< per mille of all acts, without any fault
};
Scenario make_scenario(std::uint64_t seed);
/// Several lines for people: what is configured on which host.
std::string describe(const Scenario& scenario);

/// The host's own addresses on a link.
IpAddress host_ipv4(const Scenario& scenario, int link, int host);
IpAddress host_link_local(const Scenario& scenario, int link, int host);
MacAddress host_mac(int link, int host);
inline std::string link_name(int link) { return "eth" + std::to_string(link); }

/// 3 * interval + skew of the configured interval and priority: RFC 9568 §6.1, RFC 3768 §6.1 for v2; written out again
/// on purpose.
Nanos down_interval(vrrp::Version version, int priority, Nanos interval);

}  // namespace baton::sim
