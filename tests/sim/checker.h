// The invariants of faults.md section 1, watched from outside: what leaves a host, what its kernel holds, what it
// reports. The checker knows the RFC's bounds but not the code under test. The first violation ends the run.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/host.h"
#include "tests/sim/scenario.h"

namespace baton::sim {

class World;

class Checker {
 public:
  explicit Checker(World& world);

  bool failed() const { return !violation_.empty(); }
  const std::string& violation() const { return violation_; }
  Nanos run_until() const;

  // ---- What a host does ----
  void turn_begins(Host& host);
  void turn_ends(Host& host);
  void turn_lost(Host& host);
  void sent(Host& host, int link, ConstBytes frame, bool unicast);
  void submitted(Host& host, const ports::AddressCommand& command);
  void reported(Host& host, const ports::Report& report);
  void published(Host& host, std::uint32_t slot, const ports::InstanceState& state);
  void retired(Host& host, std::uint32_t slot);
  // ---- What it is told ----
  void hearing(Host& host, const Packet& packet);
  void heard(Host& host, const Packet& packet);
  void timed() { ++good_inputs_; }
  void hostile_begins(Host& host);
  /// No output, no published change, no other deadline since turn_begins() or hostile_begins().
  void unchanged(Host& host, const char* invariant, std::optional<Instant> before, std::optional<Instant> after);
  void told(Host& host, int link, const ports::AddressFact& fact);
  void told_link(Host& host, int link, bool usable);
  void answered(Host& host, int link, const ports::AddressResult& result);
  void dump_begins(Host& host);
  void dump_ends(Host& host) { view(host).dumped = true; }
  // ---- What happens to it ----
  void starting(Host& host, bool adopt);
  void started(Host& host, bool adopt);
  void died(Host& host, bool adopt);
  void stopped(Host& host);
  void resumed(Host& host, Nanos stalled);
  void reloading(Host& host, const config::Config& next);
  void reloaded(Host& host);
  void commanding(Host& host, const engine::Command& command);
  /// The engine died in the turn that it was told in: what of it was done is not known.
  void command_lost(Host& host) { view(host).drained = false; }
  void kernel_changed(Host& host, const KernelChange& change);
  void executed(Host& host, const ports::AddressResult& result);
  // ---- The world ----
  void fault_begins(const Fault& fault);
  void fault_ends(const Fault& fault);
  void all_healed();
  void tick();
  void run_ends();
  void fail(const char* invariant, const Host* host, const std::string& what);

 private:
  struct RouterModel {
    int unit = 0;
    int instance = 0;
    int link = 0;
    Family family = Family::kIpv4;
    vrrp::Version version = vrrp::Version::kV3;
    Nanos fastest = Nanos::max();  ///< the shortest Advertisement_Interval of any host
    Nanos slowest{0};              ///< the longest Advertisement_Interval of any host
  };
  struct UnitModel {
    std::string name;
    std::vector<int> routers;
    std::vector<int> instances;
    bool promotes = false;  ///< DataChecker's matter is when it serves, and where
  };
  struct UnitView {
    vrrp::State state = vrrp::State::kInitialize;
    Nanos since{0};
    Nanos serves_since{0};  ///< promotes: its data may be written
    Reason reason = Reason::kNone;
    int slot = -1;
    bool configured = true;
    std::uint32_t transitions = 0;  ///< reported since `base`
    std::uint32_t base = 0;         ///< what the board said when the engine began
    std::uint32_t became_active = 0;
    std::uint32_t moves_since_heal = 0;
    Nanos patient_since{0};   ///< I2: nothing has been heard, and nothing spoke against it, since
    bool claims = false;      ///< the engine died in a claim
    bool leaves = false;      ///< the engine died while its data was being demoted: the role goes, too
    bool torn = false;        ///< the engine died between two records of one step
    bool must_leave = false;  ///< I5: it was Active before a long stall
    std::array<Nanos, 64> alarm_window{};
    std::array<int, 64> alarms{};
  };
  struct RouterView {
    Nanos interval{0};                   ///< configured here
    std::optional<Instant> last_advert;  ///< while Active without interruption
    Nanos grace{0};                      ///< allowed on top of one interval until the next advert
    int releases = 0;                    ///< priority-0 adverts that may still leave
    std::optional<Nanos> release_due;
    std::optional<Instant> silent_until;
    std::optional<Instant> heard_at, resigned_at;
    std::optional<Instant> resigned_before;  ///< as resigned_at, but a pause does not make it forgotten
    int heard_priority = 0;
    Nanos heard_interval{0};
    std::uint64_t base_active = 0;
    Nanos window{0};
    int in_window = 0;
  };
  struct HostView {
    std::vector<UnitView> units;
    std::vector<RouterView> routers;
    std::set<std::pair<int, std::uint64_t>> known, known_foreign;  ///< addresses that the engine was told of
    std::array<std::optional<ports::InstanceState>, Board::kInstanceSlots> board;
    std::array<bool, kMaxLinks> usable{};  ///< what the engine was last told of its links
    bool drained = false;                  ///< by an operator's word
    bool dumped = false;                   ///< it has been told of everything since it started
    Nanos trouble{0};                      ///< the last time that something kept addresses from being installed
    Nanos interrupted{0};                  ///< the last stall, death or start
    Nanos removed{0};                      ///< the last foreign removal
  };
  enum class OutputKind : std::uint8_t { kAdvert, kAnnouncement, kTransition };
  struct Output {
    OutputKind kind;
    int unit;
    int router;
    std::uint8_t priority;
    vrrp::State to;
    Reason reason;
    std::uint64_t hash;
  };

  HostView& view(const Host& host) { return hosts_[static_cast<std::size_t>(host.index())]; }
  int unit_of(const config::Instance& instance) const;
  int unit_of_slot(const Host& host, std::uint32_t slot) const;
  int instance_of(const IpAddress& address) const;
  const config::Instance* configured(const Host& host, int instance) const;
  int priority_of(const Host& host, int unit) const;
  bool preempts(const Host& host, int unit) const;
  bool wanted(const Host& host, const IpAddress& address) const;

  void check_advert(Host& host, std::size_t at, vrrp::State state);
  void check_resign(Host& host, std::size_t at);
  void check_order_of_leaving(Host& host, std::size_t at);
  void check_announcement(Host& host, std::size_t at, vrrp::State state);
  void apply_transition(Host& host, const Output& output);
  const Output* next_transition(std::size_t at) const;
  bool becomes_active_next(std::size_t at) const;
  bool has_to_listen(Host& host, std::size_t at, int router) const;
  /// `since`: when it became Backup.
  void check_takeover(Host& host, int unit, Reason reason, Nanos since);
  void check_links(Host& host);
  void check_addresses_gone(Host& host);
  void check_counts(Host& host);
  void check_adoption(Host& host, const Output& output);
  void check_dual_active();
  void check_patience(Host& host);
  void check_installed(Host& host);
  void check_releases(Host& host);
  void check_one_active();
  void reset_engine(Host& host);
  void interrupt(Host& host);

  World& world_;
  std::string violation_;
  std::vector<RouterModel> routers_;
  std::vector<UnitModel> units_;
  std::vector<std::string> instance_names_;
  std::map<std::tuple<int, Family, int>, int> router_by_wire_;
  std::vector<int> unit_of_instance_;
  std::map<std::uint64_t, int> instance_by_id_;  ///< of addresses that a host was told of
  std::vector<HostView> hosts_;
  std::vector<Output> outputs_;
  std::size_t outputs_before_ = 0;
  int board_changes_ = 0;
  int board_changes_before_ = 0;
  int good_inputs_ = 0;
  int hostile_inputs_ = 0;
  vrrp::State state_before_frame_ = vrrp::State::kInitialize;
  std::vector<Nanos> dual_since_;
  Nanos settled_at_ = Nanos::max();
};

}  // namespace baton::sim
