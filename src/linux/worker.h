// The worker thread: everything that may wait for the rtnl lock or for an RCU grace period. It installs, refreshes and
// removes addresses, dumps what the kernel holds, joins multicast groups and closes sockets. The protocol thread hands
// it jobs and takes events through rings that make neither side wait.
#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "base/error.h"
#include "linux/address_queue.h"
#include "linux/journal.h"
#include "linux/ring.h"
#include "linux/route_socket.h"
#include "posix/fd.h"

namespace baton::linux {

// Jobs.
struct DumpJob {};
/// Something happened to this address from outside: look whether it is still ours.
struct RecheckJob {
  Holding holding;
};
struct JoinJob {
  ports::LinkId link = 0;
  int ifindex = 0;
  Family family = Family::kIpv4;
};
struct CloseJob {
  posix::Fd socket;
};
struct KeepSecondariesJob {
  int ifindex = 0;
};
/// Look who else here speaks VRRP.
struct SpeakersJob {
  std::vector<ino_t> own;  ///< our raw sockets
};
using WorkerJob = std::variant<CloseJob, DumpJob, AddressJob, RecheckJob, JoinJob, KeepSecondariesJob, SpeakersJob>;

// Events.
struct DumpEvent {
  std::unique_ptr<Dump> dump;  ///< empty: failed. Without kernel marks, ours carry kMark here all the same
  int sys_errno = 0;
};
struct JoinEvent {
  ports::LinkId link = 0;
  int ifindex = 0;
  Family family = Family::kIpv4;
  posix::Fd socket;
  int sys_errno = 0;
};
struct JournalEvent {
  int sys_errno = 0;
};
struct AddressEvent {
  ports::AddressResult result;
  int ifindex = 0;
};
struct SpeakersEvent {
  bool others = false;
};
using WorkerEvent = std::variant<JournalEvent, AddressEvent, DumpEvent, JoinEvent, SpeakersEvent>;

class Worker {
 public:
  /// Starts the thread; its first act is a full dump. `runtime_dir` is borrowed for the call.
  static Result<std::unique_ptr<Worker>> start(int runtime_dir, bool kernel_marks);
  /// Finishes the batch at hand and stops. What was not begun is dropped.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // The protocol thread:
  /// Queues a job; it begins after flush().
  void post(WorkerJob job);
  void flush();
  /// Whether jobs wait for room; call flush() again in a while.
  bool backlog() const { return !unposted_.empty(); }
  /// Readable when next_event() has something.
  int event_fd() const { return events_ready_.get(); }
  /// Takes back the readiness; call before the events are taken.
  void clear_readiness();
  std::optional<WorkerEvent> next_event();

 private:
  Worker(RouteSocket socket, Journal journal, bool kernel_marks, posix::Fd jobs_ready, posix::Fd events_ready);

  // The worker thread, from here on.
  void run();
  void take_jobs();
  bool work_once();
  void work_addresses();
  void install(const std::vector<AddressJob>& jobs);
  void settle_install(const AddressJob& job, int sys_errno);
  void settle_existing(const AddressJob& job);
  void refresh(const std::vector<AddressJob>& jobs);
  void remove(const std::vector<AddressJob>& jobs);
  void convert();
  void recheck();
  void dump();
  void join(const JoinJob& job);
  bool known_ours(const AddressJob& job);
  void keep_secondaries(int ifindex);
  enum class Presence : std::uint8_t { kAbsent, kOurs, kForeign, kUnknown };
  Presence look(const Holding& holding);
  void own(const AddressJob& job);
  void disown(const Holding& holding);
  void answer(const AddressJob& job, ports::AddressStatus status, int sys_errno = 0);
  void answer_not_ours(const AddressJob& job, ports::AddressStatus absent, int absent_errno);
  void emit(WorkerEvent event);
  void hand_over();
  void write_journal();

  static constexpr std::size_t kRing = 1024;  ///< more wait in unposted_ and outbox_
  Ring<WorkerJob, kRing> jobs_;
  Ring<WorkerEvent, kRing> events_;
  std::deque<WorkerJob>
      unposted_;  ///< protocol thread: jobs that did not fit; bounded by the engine's commands in flight
  posix::Fd jobs_ready_;
  posix::Fd events_ready_;
  std::atomic<bool> stop_{false};

  RouteSocket socket_;
  Journal journal_;
  const bool kernel_marks_;
  AddressQueue addresses_;
  std::deque<WorkerJob> others_;    ///< joins, closes, dumps
  std::deque<WorkerEvent> outbox_;  ///< events that did not fit the ring
  std::unordered_set<Holding, HoldingHash> recheck_;
  /// Ours, with the interface's name for the journal.
  std::unordered_map<Holding, std::string, HoldingHash> owned_;
  /// What an interface held when it was last looked at; forgotten when the burst is over.
  std::map<int, std::map<Prefix, AddressMessage>> looked_;
  std::set<int> secondaries_kept_;  ///< interfaces that were told in this burst
  int journal_errno_ = 0;
  Instant journal_retry_at_{};
  int interrupted_dumps_ = 0;
  std::thread thread_;
};

}  // namespace baton::linux
