// The guardian's side of the plugin hosts: starts them, keeps their pages, bells and channels across their deaths and
// the engine's, ends them, buries what they leave behind. Decides when one that dies all the time is left alone for a
// while. Knows nothing of what they say; waits for nobody but in stop().
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "daemon/engine_plugins.h"
#include "daemon/inheritance.h"
#include "ipc/host_order.h"
#include "ipc/messages.h"
#include "posix/event_loop.h"
#include "posix/fd.h"
#include "posix/process.h"
#include "posix/rights.h"

namespace baton::daemon {

class PluginHosts {
 public:
  static constexpr Nanos kFirstBackOff = std::chrono::seconds{1};
  static constexpr Nanos kLongestBackOff = std::chrono::seconds{30};
  /// Who lived this long starts again without a wait.
  static constexpr Nanos kGoodLife = std::chrono::seconds{60};
  /// So many deaths within kBreakerWindow: left alone for kBreakerPause.
  static constexpr std::size_t kBreakerDeaths = 5;
  static constexpr Nanos kBreakerWindow = std::chrono::seconds{60};
  static constexpr Nanos kBreakerPause = std::chrono::seconds{60};
  /// Between SIGTERM and SIGKILL.
  static constexpr Nanos kEndGrace = std::chrono::milliseconds{200};
  /// The same when the daemon stops: what is still in a queue may leave.
  static constexpr Nanos kStopGrace = std::chrono::milliseconds{500};
  /// A host of a section that the configuration no longer has stays for its last acts, so long at most.
  static constexpr Nanos kLongestFarewell = std::chrono::minutes{10};
  /// Starting a process takes a moment, in which the guardian does not look at the engine.
  static constexpr int kStartsPerTurn = 4;

  struct Setting {
    std::string program;                     ///< baton-plugin-host
    std::vector<std::string> environment;    ///< all of it
    std::function<posix::Fd()> open_log{};   ///< where one host logs; nothing: nowhere
    bool switch_user = true;                 ///< false: they run as who we are (tests)
    std::function<std::set<pid_t>()> own{};  ///< children that are not ours to bury
  };
  /// `tell`: to the engine and to the steward. Descriptors stay ours.
  using Tell = std::function<void(ipc::Process, const ipc::Message&, std::span<const int> fds)>;
  PluginHosts(posix::EventLoop& loop, Setting setting, Tell tell);
  PluginHosts(const PluginHosts&) = delete;
  PluginHosts& operator=(const PluginHosts&) = delete;
  ~PluginHosts();

  /// At start and after a reload. What is unchanged keeps running; of what has changed, an act that runs is let finish.
  void set_fleet(Instant now, std::vector<ipc::HostOrder> orders);
  /// Everything that a new steward has to know.
  void introduce(ipc::Process process);
  /// What a new engine inherits: keep these descriptors open in the child, and call take_held() there alone.
  std::vector<int> held_descriptors() const;
  std::vector<HeldPlugin> take_held();
  void end(Instant now, const ipc::PluginHostEnd& end);
  /// For a guardian that goes on as another program: what it is left, and taking that up. Everything keeps running.
  std::vector<LeftHost> leave() const;
  void inherit(std::vector<LeftHost> hosts);
  /// Every host starts anew, from the program and the plugin that are on disk now; an act that runs is let finish.
  void renew(Instant now);

  std::optional<Instant> next_deadline() const;
  void tick(Instant now);
  /// A child of somebody's ended: reaps those that were left to us.
  void reap_strays();
  /// EOF and SIGTERM, at most kStopGrace, SIGKILL; nothing is left afterwards. Waits.
  void stop();

  std::size_t running() const;

 private:
  using Key = std::pair<std::string, ipc::HostKind>;
  struct Place {
    ipc::HostOrder order;
    std::optional<Instant> unwanted_until;  ///< set: no longer in the configuration
    posix::Fd page;                         ///< kProbe
    posix::Fd page_reader;
    posix::Fd bell;
    posix::Fd engine_end;  ///< kAct: of the running host
    posix::Child child;
    Instant started{};
    std::uint64_t incarnation = 0;
    std::optional<Instant> start_at;
    std::optional<Instant> kill_at;
    std::string why_ended;  ///< on request
    std::deque<Instant> deaths;
    bool given_up = false;
    bool late = false;  ///< the last one ended because a call was not back: nothing new to the log
    Nanos back_off{0};
  };
  enum class Ending { kDeath, kLate, kRecycled };

  Result<void> prepare(Place& place);
  Result<posix::Fd> order_memory(const Place& place);
  Result<posix::User> user_of(const std::string& name);
  Result<void> launch(Place& place);
  void start(Instant now, Place& place);
  void introduce(ipc::Process process, const Place& place);
  void on_end(const Key& key);
  void buried(Instant now, Place& place, int status);
  void failed(Instant now, Place& place, int wait_status, const std::string& sentence);
  void let_finish(Instant now, Place& place, Nanos longest_act, const char* why);
  void begin_end(Instant now, Place& place, const std::string& why, Nanos grace = kEndGrace);
  void remove(std::map<Key, Place>::iterator place);
  std::vector<pid_t> strays() const;
  void end_strays(Instant now);

  posix::EventLoop& loop_;
  Setting setting_;
  Tell tell_;
  std::map<Key, Place> places_;
  std::map<std::string, posix::User> users_;
  std::optional<Instant> strays_at_;  ///< some are still being taken apart
  bool stopping_ = false;
};

}  // namespace baton::daemon
