// The worker's thread, its queues, dumps and memberships. What it does with addresses is in worker_addresses.cc.
#include "linux/worker.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

#include "linux/membership.h"
#include "linux/speakers.h"
#include "posix/clock.h"

namespace baton::linux {
namespace {

constexpr int kInterruptedDumpLimit = 8;
constexpr int kFullRingWaitMs = 1;
constexpr Nanos kJournalRetry = std::chrono::seconds{1};

void signal_fd(const posix::Fd& fd) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(fd.get(), &one, sizeof one);  // a full counter is readable anyway
}

void clear_fd(const posix::Fd& fd) {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t size = ::read(fd.get(), &count, sizeof count);
}

}  // namespace

Result<std::unique_ptr<Worker>> Worker::start(int runtime_dir, bool kernel_marks) {
  auto socket = RouteSocket::open();
  if (!socket) return Unexpected<Error>{socket.error()};
  posix::Fd jobs_ready{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  posix::Fd events_ready{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!jobs_ready.valid() || !events_ready.valid()) return fail("open eventfd", errno);
  std::unique_ptr<Worker> worker{new Worker(std::move(*socket), Journal::load(runtime_dir), kernel_marks,
                                            std::move(jobs_ready), std::move(events_ready))};
  // Signals are the main thread's; the new thread inherits the mask.
  sigset_t all{};
  sigset_t before{};
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int trouble = 0;
  try {
    worker->thread_ = std::thread{&Worker::run, worker.get()};
  } catch (const std::system_error& error) {
    trouble = error.code().value();
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (trouble != 0) return fail("start the address worker thread", trouble);
  return worker;
}

Worker::Worker(RouteSocket socket, Journal journal, bool kernel_marks, posix::Fd jobs_ready, posix::Fd events_ready)
    : jobs_ready_(std::move(jobs_ready)),
      events_ready_(std::move(events_ready)),
      socket_(std::move(socket)),
      journal_(std::move(journal)),
      kernel_marks_(kernel_marks) {}

Worker::~Worker() {
  if (!thread_.joinable()) return;
  stop_.store(true, std::memory_order_release);
  signal_fd(jobs_ready_);
  thread_.join();
}

void Worker::post(WorkerJob job) { unposted_.push_back(std::move(job)); }

void Worker::flush() {
  if (unposted_.empty()) return;
  while (!unposted_.empty() && jobs_.push(unposted_.front())) unposted_.pop_front();
  signal_fd(jobs_ready_);
}

void Worker::clear_readiness() { clear_fd(events_ready_); }

std::optional<WorkerEvent> Worker::next_event() { return events_.pop(); }

void Worker::run() {
  dump();
  hand_over();
  while (!stop_.load(std::memory_order_acquire)) {
    take_jobs();
    const bool worked = work_once();
    hand_over();
    if (worked) continue;
    looked_.clear();
    secondaries_kept_.clear();
    pollfd readable{.fd = jobs_ready_.get(), .events = POLLIN, .revents = 0};
    ::poll(&readable, 1, outbox_.empty() ? -1 : kFullRingWaitMs);
    clear_fd(jobs_ready_);
  }
}

void Worker::take_jobs() {
  while (auto job = jobs_.pop()) {
    if (auto* address = std::get_if<AddressJob>(&*job)) {
      addresses_.push(std::move(*address));
    } else if (const auto* changed = std::get_if<RecheckJob>(&*job)) {
      if (owned_.contains(changed->holding)) recheck_.insert(changed->holding);
    } else {
      others_.push_back(std::move(*job));
    }
  }
}

/// One step, the most urgent first. False: nothing to do.
bool Worker::work_once() {
  // First, or a refresh that is queued already would make another's address age.
  if (!recheck_.empty()) {
    recheck();
    return true;
  }
  if (addresses_.has_commands()) {
    work_addresses();
    return true;
  }
  if (!others_.empty()) {
    WorkerJob job = std::move(others_.front());
    others_.pop_front();
    if (const auto* joined = std::get_if<JoinJob>(&job)) join(*joined);
    if (std::holds_alternative<DumpJob>(job)) dump();
    if (const auto* keep = std::get_if<KeepSecondariesJob>(&job)) keep_secondaries(keep->ifindex);
    if (const auto* look = std::get_if<SpeakersJob>(&job)) emit(SpeakersEvent{others_speak_vrrp(look->own)});
    return true;  // a CloseJob closes as `job` goes
  }
  if (addresses_.has_conversions()) {
    convert();
    return true;
  }
  return false;
}

void Worker::join(const JoinJob& job) {
  JoinEvent event{.link = job.link, .ifindex = job.ifindex, .family = job.family, .socket = {}, .sys_errno = 0};
  if (auto socket = join_vrrp_group(job.ifindex, job.family)) {
    event.socket = std::move(*socket);
  } else {
    event.sys_errno = socket.error().sys_errno;
  }
  emit(std::move(event));
}

/// A full dump for the monitor, which also tells us anew what is ours.
void Worker::dump() {
  auto dumped = socket_.dump_all();
  if (!dumped) return emit(DumpEvent{nullptr, dumped.error().sys_errno});
  if (dumped->interrupted && ++interrupted_dumps_ < kInterruptedDumpLimit) {
    others_.push_back(DumpJob{});  // again, after what is more urgent
    return;
  }
  interrupted_dumps_ = 0;
  std::map<int, std::string> names;
  for (const LinkMessage& link : dumped->links) names[link.ifindex] = link.name;
  std::set<Holding> journalled;
  for (const JournalEntry& entry : journal_.entries()) journalled.insert(entry.holding);

  std::unordered_map<Holding, std::string, HoldingHash> ours;
  for (AddressMessage& address : dumped->addresses) {
    const Holding holding{address.ifindex, address.prefix};
    const bool is_ours =
        kernel_marks_ ? address.proto == kMark : owned_.contains(holding) || journalled.contains(holding);
    if (!kernel_marks_) address.proto = is_ours ? std::optional{kMark} : std::nullopt;
    if (is_ours) ours[holding] = names[address.ifindex];
  }
  if (dumped->interrupted) ours.insert(owned_.begin(), owned_.end());  // what was not seen may still be there
  const std::set<JournalEntry> before = journal_.entries();
  for (const JournalEntry& entry : before) {
    if (!ours.contains(entry.holding)) journal_.remove(entry);
  }
  for (const auto& [holding, name] : ours) journal_.add({name, holding});
  write_journal();
  owned_ = std::move(ours);
  emit(DumpEvent{std::make_unique<Dump>(std::move(*dumped)), 0});
}

void Worker::write_journal() {
  // Trying to write it whole after each batch would make a full /run slow down a takeover.
  const Instant now = posix::now();
  if (journal_errno_ != 0 && now < journal_retry_at_) return;
  journal_retry_at_ = now + kJournalRetry;
  const int sys_errno = journal_.flush();
  if (sys_errno == journal_errno_) return;
  journal_errno_ = sys_errno;
  emit(JournalEvent{sys_errno});
}

void Worker::emit(WorkerEvent event) { outbox_.push_back(std::move(event)); }

void Worker::hand_over() {
  if (outbox_.empty()) return;
  while (!outbox_.empty() && events_.push(outbox_.front())) outbox_.pop_front();
  signal_fd(events_ready_);
}

}  // namespace baton::linux
