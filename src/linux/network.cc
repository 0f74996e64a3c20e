// Ties the parts together: which link is which interface, what the worker is asked for, and in which order things are
// told.
#include "linux/network.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "linux/link_table.h"
#include "linux/memberships.h"
#include "linux/monitor.h"
#include "linux/receive_path.h"
#include "linux/send_path.h"
#include "linux/worker.h"

namespace baton::linux {
namespace {

constexpr int kMonitorBuffer = 8 << 20;
constexpr Nanos kFullRingRetry = std::chrono::milliseconds{1};
constexpr Nanos kDumpRetry = std::chrono::seconds{1};
constexpr Nanos kSocketRetry = std::chrono::seconds{1};
constexpr Nanos kSpeakersPeriod = std::chrono::seconds{10};

void keep_earliest(std::optional<Instant>& earliest, std::optional<Instant> other) {
  if (other && (!earliest || *other < *earliest)) earliest = other;
}

}  // namespace

class Network::Impl final : public ports::LinkPort, public ports::AddressPort, private LinkFacts {
 public:
  struct Parts {
    posix::Fd epoll;
    std::unique_ptr<Monitor> monitor;
    std::unique_ptr<ReceivePath> receive;
    std::unique_ptr<Worker> worker;
    UnicastSender unicast;
  };
  Impl(Parts parts, bool kernel_marks);

  void watch(ports::LinkId link, const std::string& name, bool ipv4, bool ipv6) override;
  void forget(ports::LinkId link) override;
  void submit(const ports::AddressCommand& command) override;
  void flush() override { worker_->flush(); }

  ports::FramePort& frames() { return send_; }
  int poll_fd() const { return epoll_.get(); }
  std::optional<Instant> next_wakeup() const;
  void dispatch(Instant now, NetworkSink& sink);
  void drain_frames(Instant now, NetworkSink& sink);
  void adopt(const std::string& interface, Family family, posix::Fd socket);

 private:
  struct Families {
    bool ipv4 = false;
    bool ipv6 = false;
  };

  void link_changed(const ports::LinkState& state) override;
  void address_changed(const ports::AddressFact& fact, int ifindex) override;
  void dump_begins() override { sink_->on_dump_begin(now_); }
  void dump_ends() override { sink_->on_dump_end(now_); }

  int attach(ports::LinkId link, int ifindex);
  void note_sockets(ports::LinkId link, int sys_errno);
  void retry_sockets();
  void detach(ports::LinkId link);
  void read_monitor();
  void take_worker_events();
  void take_dump(DumpEvent event);
  void take_result(const AddressEvent& event);
  void ask_for_dump();
  void overrun();
  void look_for_speakers();

  posix::Fd epoll_;
  std::unique_ptr<Monitor> monitor_;
  std::unique_ptr<ReceivePath> receive_;
  std::unique_ptr<Worker> worker_;
  SendPath send_;
  Memberships memberships_;
  LinkTable table_;
  std::map<ports::LinkId, Families> families_;
  std::map<ports::LinkId, int> attached_;      ///< the interface whose sockets are open
  std::map<ports::LinkId, int> last_ifindex_;  ///< the interface that a link is or was
  std::set<ports::LinkId> deaf_;               ///< links whose sockets could not be opened
  std::optional<Instant> socket_retry_at_;
  std::vector<ports::AddressResult> ready_results_;
  bool dump_pending_ = false;
  bool dump_again_ = false;
  std::optional<Instant> dump_retry_at_;
  Instant speakers_at_{};  ///< when to look for them
  bool overrun_told_ = false;
  bool dump_trouble_told_ = false;
  bool monitor_has_more_ = false;
  Instant now_{};
  NetworkSink* sink_ = nullptr;  ///< set during dispatch
};

Network::Impl::Impl(Parts parts, bool kernel_marks)
    : epoll_(std::move(parts.epoll)),
      monitor_(std::move(parts.monitor)),
      receive_(std::move(parts.receive)),
      worker_(std::move(parts.worker)),
      send_(std::move(parts.unicast)),
      memberships_(*worker_),
      table_(*this, kernel_marks) {
  // The worker began with a dump by itself.
  table_.expect_dump();
  dump_pending_ = true;
}

void Network::Impl::watch(ports::LinkId link, const std::string& name, bool ipv4, bool ipv6) {
  families_[link] = {ipv4, ipv6};
  if (table_.name(link) == name) {
    table_.tell_again(link);  // with the sockets of a family that is new
    return;
  }
  detach(link);
  table_.watch(link, name);
}

void Network::Impl::forget(ports::LinkId link) {
  detach(link);
  memberships_.want(link, table_.name(link), 0, false, false);
  table_.forget(link);
  families_.erase(link);
  last_ifindex_.erase(link);
  deaf_.erase(link);
  worker_->flush();
}

void Network::Impl::submit(const ports::AddressCommand& command) {
  const bool removal = command.verb == ports::AddressVerb::kRemove;
  int ifindex = table_.ifindex(command.link);
  // The interface may live on under another name, with our addresses.
  if (const auto last = last_ifindex_.find(command.link); ifindex == 0 && removal && last != last_ifindex_.end()) {
    ifindex = last->second;
  }
  if (ifindex == 0) {
    ready_results_.push_back({.ticket = command.ticket,
                              .verb = command.verb,
                              .link = command.link,
                              .prefix = command.prefix,
                              .status = removal ? ports::AddressStatus::kDone : ports::AddressStatus::kNoLink,
                              .sys_errno = removal ? 0 : ENODEV});
    return;
  }
  AddressJob job;
  job.command = command;
  job.ifindex = ifindex;
  const std::string& name = table_.name(command.link);
  std::copy_n(name.begin(), std::min(name.size(), job.interface.size() - 1), job.interface.begin());
  if (command.verb == ports::AddressVerb::kInstall && !command.owner) table_.claim(job.holding());
  worker_->post(std::move(job));
}

std::optional<Instant> Network::Impl::next_wakeup() const {
  const bool at_once =
      !ready_results_.empty() || send_.has_errors() || memberships_.has_left() || table_.has_new() || monitor_has_more_;
  if (at_once) return Instant{};
  std::optional<Instant> earliest = receive_->resume_at();
  keep_earliest(earliest, memberships_.retry_at());
  keep_earliest(earliest, dump_retry_at_);
  keep_earliest(earliest, socket_retry_at_);
  keep_earliest(earliest, speakers_at_);
  if (worker_->backlog()) keep_earliest(earliest, now_ + kFullRingRetry);
  return earliest;
}

void Network::Impl::dispatch(Instant now, NetworkSink& sink) {
  now_ = now;
  sink_ = &sink;
  epoll_event ready[4];
  const int count = ::epoll_wait(epoll_.get(), ready, 4, 0);
  const auto is_ready = [&](int fd) {
    return std::any_of(ready, ready + std::max(count, 0),
                       [fd](const epoll_event& event) { return event.data.fd == fd; });
  };
  if (is_ready(monitor_->fd()) || monitor_has_more_) read_monitor();
  memberships_.tell_left(now, sink);  // before anything that was joined instead
  if (is_ready(worker_->event_fd())) take_worker_events();
  if (socket_retry_at_ && now >= *socket_retry_at_) retry_sockets();
  table_.tell_new();
  for (const ports::AddressResult& result : std::exchange(ready_results_, {})) sink.on_address_result(now, result);
  send_.tell_errors(now, sink);
  memberships_.tell_left(now, sink);
  memberships_.retry(now);
  if (dump_retry_at_ && now >= *dump_retry_at_) ask_for_dump();
  if (now >= speakers_at_) look_for_speakers();
  const bool resume = receive_->resume_at() && now >= *receive_->resume_at();
  if (resume || is_ready(receive_->fd())) receive_->drain(now, sink);
  worker_->flush();
  sink_ = nullptr;
}

void Network::Impl::drain_frames(Instant now, NetworkSink& sink) { receive_->drain(now, sink); }

void Network::Impl::adopt(const std::string& interface, Family family, posix::Fd socket) {
  memberships_.adopt(interface, family, std::move(socket));
}

void Network::Impl::link_changed(const ports::LinkState& state) {
  const auto open = attached_.find(state.link);
  if (open != attached_.end() && open->second != state.ifindex) detach(state.link);
  ports::LinkState known = state;
  if (state.present) {
    last_ifindex_[state.link] = state.ifindex;
    const int sys_errno = attach(state.link, state.ifindex);
    known.up = known.up && sys_errno == 0;  // who cannot hear must not think that nobody speaks
    note_sockets(state.link, sys_errno);
  }
  sink_->on_link(now_, known);
}

void Network::Impl::note_sockets(ports::LinkId link, int sys_errno) {
  const bool before = !deaf_.empty();
  if (sys_errno != 0) {
    deaf_.insert(link);
    socket_retry_at_ = now_ + kSocketRetry;
  } else {
    deaf_.erase(link);
  }
  if (before != !deaf_.empty()) sink_->on_trouble(now_, Trouble::kSocket, sys_errno);
}

void Network::Impl::retry_sockets() {
  socket_retry_at_.reset();
  for (const ports::LinkId link : deaf_) table_.tell_again(link);
}

void Network::Impl::address_changed(const ports::AddressFact& fact, int ifindex) {
  // Gone, or in another's hands: the worker may still take it for ours.
  if (!fact.present || !fact.ours) worker_->post(RecheckJob{{ifindex, fact.prefix}});
  sink_->on_address(now_, fact);
}

/// Opens the sockets of a link that are not open yet. 0 or the errno.
int Network::Impl::attach(ports::LinkId link, int ifindex) {
  const Families families = families_[link];
  if (attached_.emplace(link, ifindex).second && families.ipv4) worker_->post(KeepSecondariesJob{ifindex});
  const int sending = send_.attach(link, ifindex);
  const int receiving = receive_->attach(link, ifindex, families.ipv4, families.ipv6);
  memberships_.want(link, table_.name(link), ifindex, families.ipv4, families.ipv6);
  return sending != 0 ? sending : receiving;
}

void Network::Impl::detach(ports::LinkId link) {
  if (attached_.erase(link) == 0) return;
  if (posix::Fd socket = send_.detach(link); socket.valid()) worker_->post(CloseJob{std::move(socket)});
  for (posix::Fd& socket : receive_->detach(link)) worker_->post(CloseJob{std::move(socket)});
}

void Network::Impl::read_monitor() {
  const Monitor::Outcome outcome = monitor_->read(table_);
  monitor_has_more_ = outcome.more;
  if (outcome.overrun) overrun();
}

void Network::Impl::overrun() {
  if (!std::exchange(overrun_told_, true)) sink_->on_trouble(now_, Trouble::kNetlinkOverrun, ENOBUFS);
  if (dump_pending_) {
    dump_again_ = true;  // the dump that is on its way may be older than what was lost
  } else {
    ask_for_dump();
  }
}

void Network::Impl::ask_for_dump() {
  dump_retry_at_.reset();
  dump_pending_ = true;
  table_.expect_dump();
  worker_->post(DumpJob{});
}

void Network::Impl::take_worker_events() {
  worker_->clear_readiness();
  while (auto event = worker_->next_event()) {
    if (const auto* result = std::get_if<AddressEvent>(&*event)) take_result(*result);
    if (auto* joined = std::get_if<JoinEvent>(&*event)) memberships_.on_joined(now_, std::move(*joined), *sink_);
    if (auto* dump = std::get_if<DumpEvent>(&*event)) take_dump(std::move(*dump));
    if (const auto* journal = std::get_if<JournalEvent>(&*event)) {
      sink_->on_trouble(now_, Trouble::kJournal, journal->sys_errno);
    }
    if (const auto* speakers = std::get_if<SpeakersEvent>(&*event)) {
      for (posix::Fd& socket : receive_->hear_host(speakers->others)) worker_->post(CloseJob{std::move(socket)});
    }
  }
}

void Network::Impl::look_for_speakers() {
  speakers_at_ = now_ + kSpeakersPeriod;
  worker_->post(SpeakersJob{send_.raw_inodes()});
}

void Network::Impl::take_result(const AddressEvent& event) {
  const ports::AddressResult& result = event.result;
  const Holding holding{event.ifindex, result.prefix};
  const bool removed = result.verb == ports::AddressVerb::kRemove && result.status == ports::AddressStatus::kDone;
  if (removed || result.status == ports::AddressStatus::kForeign) table_.disclaim(holding);
  sink_->on_address_result(now_, result);
}

void Network::Impl::take_dump(DumpEvent event) {
  dump_pending_ = false;
  if (!event.dump) {
    dump_retry_at_ = now_ + kDumpRetry;
    if (!std::exchange(dump_trouble_told_, true)) sink_->on_trouble(now_, Trouble::kNetlink, event.sys_errno);
    return;
  }
  // Events from before the dump must not be told after it.
  read_monitor();
  table_.apply_dump(*event.dump);
  memberships_.drop_unused();
  if (std::exchange(dump_trouble_told_, false)) sink_->on_trouble(now_, Trouble::kNetlink, 0);
  if (std::exchange(dump_again_, false)) return ask_for_dump();
  if (event.dump->interrupted) dump_retry_at_ = now_ + kDumpRetry;
  if (std::exchange(overrun_told_, false)) sink_->on_trouble(now_, Trouble::kNetlinkOverrun, 0);
}

Network::Network(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Network::~Network() = default;

Result<std::unique_ptr<Network>> Network::open(const NetworkOptions& options) {
  Impl::Parts parts;
  parts.epoll.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!parts.epoll.valid()) return fail("open epoll descriptor", errno);
  auto unicast = UnicastSender::open();
  if (!unicast) return Unexpected<Error>{unicast.error()};
  parts.unicast = std::move(*unicast);
  auto receive = ReceivePath::open(options.receive_pause);
  if (!receive) return Unexpected<Error>{receive.error()};
  parts.receive = std::move(*receive);
  // The monitor before the worker: whatever changes after the worker's first dump has begun is heard.
  auto monitor = Monitor::open(options.monitor_buffer != 0 ? options.monitor_buffer : kMonitorBuffer);
  if (!monitor) return Unexpected<Error>{monitor.error()};
  parts.monitor = std::move(*monitor);
  const bool kernel_marks = options.kernel_marks && kernel_keeps_marks();
  auto worker = Worker::start(options.runtime_dir, kernel_marks);
  if (!worker) return Unexpected<Error>{worker.error()};
  parts.worker = std::move(*worker);
  for (const int fd : {parts.monitor->fd(), parts.receive->fd(), parts.worker->event_fd()}) {
    epoll_event readable{};
    readable.events = EPOLLIN;
    readable.data.fd = fd;
    if (::epoll_ctl(parts.epoll.get(), EPOLL_CTL_ADD, fd, &readable) != 0) return fail("watch descriptor", errno);
  }
  return std::unique_ptr<Network>{new Network{std::make_unique<Impl>(std::move(parts), kernel_marks)}};
}

void Network::adopt_membership(const std::string& interface, Family family, posix::Fd socket) {
  impl_->adopt(interface, family, std::move(socket));
}

ports::FramePort& Network::frames() { return impl_->frames(); }
ports::LinkPort& Network::links() { return *impl_; }
ports::AddressPort& Network::addresses() { return *impl_; }
int Network::poll_fd() const { return impl_->poll_fd(); }
std::optional<Instant> Network::next_wakeup() const { return impl_->next_wakeup(); }
void Network::dispatch(Instant now, NetworkSink& sink) { impl_->dispatch(now, sink); }
void Network::drain_frames(Instant now, NetworkSink& sink) { impl_->drain_frames(now, sink); }

}  // namespace baton::linux
