// The guardian's children: how they are started, connected to each other, listened to and started again.
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

#include "daemon/engine_process.h"
#include "daemon/guardian.h"
#include "linux/capture_socket.h"
#include "log/log.h"
#include "posix/clock.h"
#include "posix/unix_socket.h"
#include "scribe/scribe.h"
#include "steward/steward.h"

namespace baton::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Nanos kFirstBackOff = milliseconds{100};
constexpr Nanos kLongestBackOff = seconds{5};
/// Who lived this long starts again without a wait.
constexpr Nanos kGoodLife = seconds{60};

}  // namespace

const char* Guardian::name_of(Process process) {
  switch (process) {
    case Process::kGuardian: return "guardian";
    case Process::kEngine: return "engine";
    case Process::kSteward: return "steward";
    case Process::kScribe: return "scribe";
  }
  return "?";
}

ipc::SendStatus Guardian::send(Process process, const ipc::Message& message, std::span<const int> fds) {
  // Whoever stands by has to know the hosts that are started meanwhile.
  const bool of_hosts =
      std::holds_alternative<ipc::PluginHost>(message) || std::holds_alternative<ipc::PluginHostDown>(message);
  if (process == Process::kEngine && of_hosts && successor_.child.running()) successor_.channel.send(message, fds);
  return worker(process).channel.send(message, fds);
}

void Guardian::flush_channels() {
  for (Worker& one : workers_) one.channel.flush();
  successor_.channel.flush();
}

/// The end of a connection that `self` is started with. The other end goes to the peer, or waits until the peer is
/// started.
posix::Fd Guardian::end_for(Process self, Process peer) {
  posix::Fd& waiting = ends_[static_cast<std::size_t>(self)][static_cast<std::size_t>(peer)];
  if (waiting.valid()) return std::move(waiting);
  auto pair = posix::seqpacket_pair();
  if (!pair) {
    log::error("ipc_lost", {}, pair.error().message());
    return {};
  }
  if (worker(peer).channel.open()) {
    const int fds[] = {pair->second.get()};
    send(peer, ipc::ChannelReplaced{self}, fds);
  } else {
    ends_[static_cast<std::size_t>(peer)][static_cast<std::size_t>(self)] = std::move(pair->second);
  }
  return std::move(pair->first);
}

/// Ends whose other side was the dead process lead nowhere.
void Guardian::forget_ends(Process dead) {
  for (auto& row : ends_) row[static_cast<std::size_t>(dead)].reset();
}

Result<void> Guardian::spawn_worker(Worker& place, Process process, const std::function<int(posix::Fd guardian)>& body,
                                    std::vector<int> keep) {
  auto pair = posix::seqpacket_pair();
  if (!pair) return Unexpected<Error>{pair.error()};
  keep.push_back(pair->second.get());
  const std::string name = name_of(process);
  auto child = posix::spawn([&] {
    posix::reset_signals();
    const std::vector<int> logs = log::descriptors();
    keep.insert(keep.end(), logs.begin(), logs.end());
    posix::close_all_but(keep);
    posix::set_process_name(("baton-" + name).c_str());
    log::open({name, facts_.log_level});
    try {
      return body(std::move(pair->second));
    } catch (const std::exception& error) {
      log::error("process_failed", {{"error", error.what()}});
      return 1;
    }
  });
  if (!child) return Unexpected<Error>{child.error()};
  place.child = std::move(*child);
  place.channel = ipc::Channel{std::move(pair->first), Process::kGuardian, process};
  place.started = posix::now();
  place.restart_at.reset();
  return {};
}

Result<void> Guardian::start_worker(Process process, const std::function<int(posix::Fd guardian)>& body,
                                    std::vector<int> keep) {
  if (auto spawned = spawn_worker(worker(process), process, body, std::move(keep)); !spawned) return spawned;
  return watch_worker(process);
}

Result<void> Guardian::watch_worker(Process process) {
  Worker& one = worker(process);
  if (auto added = loop_.add(one.child.pidfd(), EPOLLIN, [this, process](std::uint32_t) { on_child_end(process); });
      !added) {
    return added;
  }
  return loop_.add(one.channel.fd(), EPOLLIN, [this, process](std::uint32_t events) { on_channel(process, events); });
}

void Guardian::start_side_process(Process process) { process == Process::kSteward ? start_steward() : start_scribe(); }

void Guardian::start_scribe() {
  posix::Fd engine = end_for(Process::kScribe, Process::kEngine);
  posix::Fd steward = end_for(Process::kScribe, Process::kSteward);
  const auto body = [&](posix::Fd channel) {
    // No parent-death signal: it writes down what it still has when the channels end.
    if (auto dropped = posix::drop_to_user(premises_.users.scribe, {}); !dropped) {
      log::error("scribe_failed", {}, dropped.error().message());
      return 1;
    }
    scribe::ScribeArguments arguments;
    arguments.guardian = std::move(channel);
    arguments.engine = std::move(engine);
    arguments.steward = std::move(steward);
    arguments.state_directory.reset(premises_.state_dir.get());
    arguments.state_path = options_.state_dir;
    arguments.history_limit = facts_.history_limit;
    arguments.capture = [](posix::Fd socket, const std::string& interface) -> std::unique_ptr<ports::CapturePort> {
      auto port = linux::CaptureSocket::open(std::move(socket), interface);
      if (port) return std::move(*port);
      log::warning("recorder_failed", {{"what", interface}}, port.error().message());
      return nullptr;
    };
    return scribe::run(std::move(arguments));
  };
  const auto started = start_worker(Process::kScribe, body, {engine.get(), steward.get(), premises_.state_dir.get()});
  if (!started) return side_process_died(Process::kScribe, 0);
  begin_recording();
}

void Guardian::start_steward() {
  posix::Fd engine = end_for(Process::kSteward, Process::kEngine);
  posix::Fd scribe = end_for(Process::kSteward, Process::kScribe);
  auto board = posix::reopen_read_only(board_.get());
  if (!board) {
    log::error("steward_failed", {}, board.error().message());
    side_process_died(Process::kSteward, 0);
    return;
  }
  const pid_t guardian = ::getpid();
  const auto body = [&](posix::Fd channel) {
    if (auto dropped = posix::drop_to_user(premises_.users.steward, {}); !dropped) {
      log::error("steward_failed", {}, dropped.error().message());
      return 1;
    }
    posix::die_with_parent(guardian);
    steward::StewardArguments arguments;
    arguments.guardian = std::move(channel);
    arguments.engine = std::move(engine);
    arguments.scribe = std::move(scribe);
    arguments.control.reset(premises_.control.get());
    arguments.board = std::move(*board);
    arguments.configuration.reset(for_steward_.get());
    arguments.config_path = options_.config_path;
    arguments.view_gid = premises_.users.view_gid;
    arguments.admin_gid = premises_.users.admin_gid;
    arguments.guardian_pid = guardian;
    return steward::run(std::move(arguments));
  };
  const auto started = start_worker(
      Process::kSteward, body, {engine.get(), scribe.get(), premises_.control.get(), board->get(), for_steward_.get()});
  if (!started) return side_process_died(Process::kSteward, 0);
  hosts_.introduce(Process::kSteward);
  if (unconfirmed_ || rolled_back_) tell_reload_state();
}

void Guardian::side_process_died(Process process, int status) {
  Worker& one = worker(process);
  if (one.channel.open()) loop_.remove(one.channel.fd());
  one.channel.close();
  forget_ends(process);
  if (side_process_replaced(process) || phase_ == Phase::kStopping) return;
  const Instant now = posix::now();
  const bool lived = now - one.started > kGoodLife;
  one.back_off = lived || one.back_off == Nanos{0} ? kFirstBackOff : std::min(one.back_off * 2, kLongestBackOff);
  one.restart_at = now + one.back_off;
  log::error("process_died", {{"name", name_of(process)}, {"status", posix::describe_wait_status(status)}});
  tell_steward(process, Reason::kNone, status);
}

void Guardian::on_child_end(Process process) {
  Worker& one = worker(process);
  const int pidfd = one.child.pidfd();
  // What it said before it died still counts: Goodbye, Recovered.
  on_channel(process, EPOLLIN);
  if (!one.child.running() || one.child.pidfd() != pidfd) return;
  loop_.remove(pidfd);
  const auto status = one.child.reap();
  if (!status) return;
  if (process != Process::kEngine) {
    side_process_died(process, *status);
    return;
  }
  engine_died(*status);
  if (phase_ == Phase::kStopping && !done_) finish_stop();
}

/// SIGKILL, now; the wait status.
int Guardian::end_child(Worker& one) {
  loop_.remove(one.child.pidfd());
  one.child.signal(SIGKILL);
  return one.child.wait();
}

void Guardian::on_channel(Process process, std::uint32_t) {
  Worker& one = worker(process);
  for (int i = 0; i < 64 && one.channel.open(); ++i) {
    ipc::Incoming incoming = one.channel.receive();
    if (incoming.status == ipc::ReceiveStatus::kNothing) return;
    if (incoming.status == ipc::ReceiveStatus::kMessage) {
      on_message(process, std::move(incoming));
      continue;
    }
    if (incoming.status == ipc::ReceiveStatus::kMalformed) {
      log::error("ipc_malformed", {{"peer", name_of(process)}}, incoming.error);
    }
    // Whoever breaks the protocol or hangs up is of no use: the pidfd brings the rest.
    loop_.remove(one.channel.fd());
    one.channel.close();
    if (phase_ == Phase::kStopping) return;
    if (process == Process::kEngine && phase_ == Phase::kRunning) return replace_engine();
    if (!one.replace_by) one.child.signal(SIGKILL);
    return;
  }
}

void Guardian::on_message(Process process, ipc::Incoming incoming) {
  if (std::holds_alternative<ipc::Ready>(incoming.message)) {
    engine_ready_ = true;
    if (!ever_ready_) notifier_.send("READY=1");
    ever_ready_ = true;
    status("Running");
    log::info("engine_ready",
              {{"adopted", adopting_ ? "yes" : "no"}, {"pid", std::to_string(worker(process).child.pid())}});
    if (adopting_) tell_steward(Process::kEngine, Reason::kAdopted, 0);
    on_taken_over();
  } else if (const auto* membership = std::get_if<ipc::Membership>(&incoming.message)) {
    const auto key = std::pair{membership->interface, membership->family};
    if (incoming.fds.empty()) {
      memberships_.erase(key);
    } else if (memberships_.size() < 4096 || memberships_.count(key) != 0) {
      memberships_[key] = std::move(incoming.fds.front());
    }
  } else if (const auto* reloaded = std::get_if<ipc::Reloaded>(&incoming.message)) {
    on_reloaded(*reloaded);
  } else if (std::holds_alternative<ipc::Goodbye>(incoming.message)) {
    if (phase_ != Phase::kStopping) return;
    log::info("released", {});
  } else if (const auto* request = std::get_if<ipc::ReloadRequest>(&incoming.message)) {
    wish_reload({request->nonce, request->dry_run, Nanos{request->confirm_within_ns}});
  } else if (const auto* confirm = std::get_if<ipc::ConfirmRequest>(&incoming.message)) {
    on_confirm(*confirm);
  } else if (const auto* reexec = std::get_if<ipc::ReexecRequest>(&incoming.message)) {
    wish_reexec(reexec->nonce);
  } else if (std::holds_alternative<ipc::SteppedAside>(incoming.message)) {
    on_stepped_aside();
  } else if (const auto* end = std::get_if<ipc::PluginHostEnd>(&incoming.message)) {
    hosts_.end(posix::now(), *end);
  } else if (const auto* recovered = std::get_if<ipc::Recovered>(&incoming.message)) {
    recovered_ = true;
    if (!worker(Process::kEngine).child.running()) take_intentions(*recovered);
  }
}

void Guardian::hold_log_writer(posix::Child writer) {
  log_writer_ = std::move(writer);
  if (!log_writer_.running()) return;
  const auto added = loop_.add(log_writer_.pidfd(), EPOLLIN, [this](std::uint32_t) {
    loop_.remove(log_writer_.pidfd());
    log_writer_.reap();
    log::use_pipe(-1);
    log::open({"guardian", facts_.log_level});
    log::error("log_writer_died", {}, "log_file is no longer written until batond is started again");
  });
  if (!added) log::error("log_writer_lost", {}, added.error().message());
}

void Guardian::tell_steward(Process process, Reason reason, int status) {
  ipc::Lifecycle news;
  news.process = process;
  news.reason = reason;
  news.wait_status = status;
  news.at_ns = posix::now().time_since_epoch().count();
  send(Process::kSteward, news);
}

}  // namespace baton::daemon
