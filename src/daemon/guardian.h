// The guardian: the parent that spawns, holds, kills and cleans. It decides when an engine is replaced, with or without
// its state, and when to give up. It parses nothing that came from outside: configurations pass through it as sealed
// memfds.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "daemon/config_child.h"
#include "daemon/deaths.h"
#include "daemon/inheritance.h"
#include "daemon/notify.h"
#include "daemon/options.h"
#include "daemon/plugin_hosts.h"
#include "daemon/premises.h"
#include "daemon/pulse.h"
#include "daemon/self_check.h"
#include "daemon/watchdog.h"
#include "ipc/channel.h"
#include "ipc/state_board.h"
#include "posix/event_loop.h"
#include "posix/memfd.h"
#include "posix/process.h"

namespace baton::daemon {

class Guardian {
 public:
  /// `first`: the valid configuration to start with.
  static Result<std::unique_ptr<Guardian>> create(const Options& options, Premises premises, ConfigAnswer first);
  /// Goes on where the program before this one was: everything runs. `inheritance`: the memfd that it left. If that
  /// cannot be done this process becomes the old program again; the error is that this cannot be done either.
  static Result<std::unique_ptr<Guardian>> resume(const Options& options, int inheritance);

  /// Looks after the writer of the log file, if there is one.
  void hold_log_writer(posix::Child writer);
  /// Starts everything that does not run yet, and looks after it until a signal asks for the end. Exit status of the
  /// daemon.
  int run();

 private:
  using Process = ipc::Process;
  enum class Phase { kStarting, kRunning, kStayDown, kStopping };
  struct Worker {
    posix::Child child;
    ipc::Channel channel;
    Instant started{};
    Nanos back_off{0};
    std::optional<Instant> restart_at;
    std::optional<Instant> replace_by;  ///< asked to end, for a new one; killed then
  };
  struct ReloadWish {
    std::uint64_t nonce = 0;
    bool dry_run = false;
    Nanos confirm_within{0};  ///< 0: needs no confirmation
  };
  /// Of the Configuration that takes the engine back: the steward's own are counted up from 1.
  static constexpr std::uint64_t kRollbackNonce = ~std::uint64_t{0};
  /// A re-exec under way (reexec.cc).
  struct Reexec {
    enum class Step {
      kSelfCheck,  ///< the new program is asked whether it could run here
      kPrepare,    ///< we are it; an engine of ours prepares, the old one has the role
      kStepAside,  ///< the old one ends between two adverts
      kTakeOver,   ///< ours continues
      kScribe,     ///< then the side processes
      kSteward,
    };
    Step step = Step::kSelfCheck;
    std::uint64_t nonce = 0;
    Instant began{};
    std::optional<Instant> deadline;  ///< of the step
    std::string from;                 ///< version
    posix::Fd program;                ///< to go over to; after that, to return to
    std::optional<SelfCheck> check;
    bool prepared = false;
    /// In force before, where this program had to read the files: what the old one goes on with if it comes to that.
    std::optional<ConfigAnswer> before;
    posix::Fd steward_end;  ///< of the new engine's connections, told when it takes over
    posix::Fd scribe_end;
  };
  struct Applying {
    ReloadWish wish;
    ConfigAnswer answer;
    Instant deadline{};
  };

  struct Resumed;
  static Result<Resumed> look_at(const Options& options, ConstBytes inheritance);
  static std::unique_ptr<Guardian> take_up(const Options& options, Resumed resumed);

  Guardian(const Options& options, Premises premises, ConfigAnswer first, posix::EventLoop loop, posix::Fd signals,
           posix::Fd board, posix::Mapping memory);

  // guardian.cc: the loop and the engine's life.
  void start_all();
  Instant next_wake() const;
  void turn();
  void on_signal(int number);
  void watch_heartbeat(Instant now, Nanos own_lateness);
  Nanos heartbeat_limit() const;
  void replace_engine();
  void bury(posix::Child child);
  void engine_died(int status);
  void start_engine(bool adopt);
  Result<void> spawn_engine(Worker& place, posix::Fd steward, posix::Fd scribe, bool adopt, bool stand_by);
  bool board_is_fresh(Instant now) const;
  bool board_says_drained() const;
  std::optional<Instant> board_says_frozen() const;
  void take_intentions(const ipc::Recovered& recovered);
  void clear_board();
  void stay_down();
  void run_last_resort_child();
  void mark_board_down();
  void begin_stop();
  void finish_stop();
  void feed_manager(Instant now);
  void tell_roles(Instant now);
  void status(const std::string& text);

  // reexec.cc
  void wish_reexec(std::uint64_t nonce);
  std::string why_not_now() const;
  Result<void> start_self_check(Reexec& reexec);
  std::string instance_under_way() const;
  void on_self_check();
  Inheritance leave() const;
  void inherit(Inheritance left, bool read_anew);
  void inherit_worker(Process process, const LeftWorker& left);
  void go_over(const std::string& version);
  Error hand_over(const Inheritance& left, int program, const std::string& failure);
  void prepare_successor();
  Result<void> start_successor();
  void on_successor();
  void successor_died(const std::string& how);
  void drop_successor();
  void call_off_reexec();
  void let_step_aside(Instant now);
  void on_stepped_aside();
  bool reexec_goes_on() const;
  std::optional<Instant> reexec_due() const;
  void tick_reexec(Instant now);
  void return_to_old(const std::string& why);
  void on_taken_over();
  void renew_steward();
  void reexec_failed(const std::string& step, const std::string& why,
                     const char* who_goes_on = "the old program goes on: ");
  void answer_reexec(std::uint64_t nonce, bool done, bool busy, const std::string& sentence);
  bool replace_side_process(Process process);
  void reexec_over();
  bool side_process_replaced(Process process);
  void side_process_renewed(Process process);

  // workers.cc: children and what they say.
  static const char* name_of(Process process);
  Worker& worker(Process process) { return workers_.at(static_cast<std::size_t>(process)); }
  posix::Fd end_for(Process self, Process peer);
  void forget_ends(Process dead);
  Result<void> spawn_worker(Worker& place, Process process, const std::function<int(posix::Fd guardian)>& body,
                            std::vector<int> keep);
  Result<void> watch_worker(Process process);
  Result<void> start_worker(Process process, const std::function<int(posix::Fd guardian)>& body, std::vector<int> keep);
  void start_side_process(Process process);
  void start_scribe();
  void start_steward();
  void side_process_died(Process process, int status);
  void on_child_end(Process process);
  int end_child(Worker& one);
  void on_channel(Process process, std::uint32_t events);
  void on_message(Process process, ipc::Incoming incoming);
  void tell_steward(Process process, Reason reason, int status);
  ipc::SendStatus send(Process process, const ipc::Message& message, std::span<const int> fds = {});
  void flush_channels();

  // guardian_watchdog.cc
  void arm_watchdog();
  void change_watchdog(const ConfigFacts& before);
  void feed_watchdog(Instant now);
  void let_go_of_watchdog();
  void watchdog_trouble(const Error& error);
  void tell_watchdog_state();

  // guardian_plugins.cc
  PluginHosts::Setting host_setting();
  std::set<pid_t> own_children() const;
  void take_fleet(const posix::Fd& fleet);

  /// A reload that is in force until its time is over, unless it is confirmed.
  struct Unconfirmed {
    ConfigAnswer before;  ///< the very configuration that comes back
    Instant deadline{};
    Nanos within{0};
  };

  // rollback.cc
  void await_confirmation(ConfigAnswer before, Nanos within);
  void on_confirm(const ipc::ConfirmRequest& request);
  void roll_back(const std::string& why);
  void watch_rollback(Instant now);
  void tell_reload_state(const std::string& news = {});
  void write_history(const std::string& news);

  // guardian_recorder.cc
  void begin_recording();
  void change_recording(const ConfigFacts& before);
  void record(const std::string& interface);

  // reload.cc
  void wish_reload(ReloadWish wish);
  void start_reader();
  void on_reader();
  void on_reloaded(const ipc::Reloaded& message);
  ConfigAnswer put_in_force(ConfigAnswer fresh, std::uint64_t nonce);
  struct ReloadOutcome {
    bool valid = false;
    bool applied = false;
    bool waits = false;  ///< an earlier one waits for its confirmation
  };
  void answer_reload(const ReloadWish& wish, ReloadOutcome outcome, const posix::Fd& report);

  Options options_;
  Premises premises_;
  ConfigFacts facts_;
  posix::Fd configuration_;
  posix::Fd for_steward_;  ///< the same with the keys of the peer channel
  posix::Fd fleet_;
  posix::EventLoop loop_;
  posix::Fd signals_;
  posix::Fd board_;
  posix::Mapping memory_;
  Notifier notifier_;

  Phase phase_ = Phase::kStarting;
  std::vector<posix::Child> dying_;               ///< killed engines that the kernel still takes apart
  std::array<Worker, 4> workers_;                 ///< by Process; the guardian's own place stays empty
  std::array<std::array<posix::Fd, 4>, 4> ends_;  ///< [self][peer]: an end that waits for `self` to be started
  std::map<std::pair<std::string, Family>, posix::Fd> memberships_;
  DeathCount deaths_;
  bool ever_ready_ = false;
  bool engine_ready_ = false;
  bool adopting_ = false;
  bool drained_ = false;
  std::optional<Instant> frozen_until_;
  bool recovered_ = false;
  Instant planned_wake_{};
  Instant grace_until_{};  ///< the guardian itself was late: the engine gets a turn first
  Pulse pulse_;
  bool starving_ = false;
  std::optional<Instant> stop_deadline_;
  Instant next_notice_{};
  Instant next_status_{};
  std::string told_;  ///< the last STATUS=
  WatchdogDevice watchdog_;
  Feeder feeder_;
  Instant next_feed_{};
  bool hungry_ = false;         ///< it was not fed for a reason
  std::string watchdog_words_;  ///< the trouble that was told last
  int exit_status_ = 0;
  bool done_ = false;

  posix::Child log_writer_;

  std::deque<ReloadWish> wishes_;
  std::optional<ConfigChild> reader_;
  ReloadWish reading_;
  Instant reader_deadline_{};
  std::optional<Applying> applying_;
  std::optional<Unconfirmed> unconfirmed_;
  std::optional<Instant> rolled_by_;  ///< the engine has been told to go back, and has not answered yet
  bool rolled_back_ = false;          ///< and nothing was reloaded since

  std::optional<Reexec> reexec_;
  Worker successor_;  ///< an engine that stands by

  PluginHosts hosts_;
};

}  // namespace baton::daemon
