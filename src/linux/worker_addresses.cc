// What the worker does with addresses: exclusively ours, or not touched.
#include <linux/if_addr.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "linux/connections.h"
#include "linux/worker.h"
#include "posix/clock.h"

namespace baton::linux {
namespace {

using ports::AddressStatus;
using ports::AddressVerb;

/// valid_lft counts whole seconds.
std::uint32_t whole_seconds(Nanos lifetime) {
  return static_cast<std::uint32_t>(std::chrono::ceil<std::chrono::seconds>(lifetime).count());
}

std::string name_of(const AddressJob& job) { return job.interface.data(); }

AddressRequest request_for(const AddressJob& job, bool kernel_marks) {
  const bool tagged = !job.command.owner && kernel_marks;
  return {.ifindex = job.ifindex,
          .prefix = job.command.prefix,
          .lifetime_seconds = job.command.owner ? 0 : whole_seconds(job.command.lifetime),
          .mark = tagged ? kMark : std::uint8_t{0},
          .replace = false};
}

bool interface_gone(int sys_errno) { return sys_errno == ENODEV || sys_errno == ENXIO; }

}  // namespace

/// One batch of one verb, as the head of the queue has it.
void Worker::work_addresses() {
  AddressQueue::Batch batch = addresses_.take(posix::now());
  for (const AddressJob& job : batch.too_late) answer(job, AddressStatus::kTooLate);
  while (!batch.jobs.empty()) {
    const AddressVerb verb = batch.jobs.front().command.verb;
    const auto end = std::find_if(batch.jobs.begin(), batch.jobs.end(),
                                  [verb](const AddressJob& job) { return job.command.verb != verb; });
    const std::vector<AddressJob> same(batch.jobs.begin(), end);
    batch.jobs.erase(batch.jobs.begin(), end);
    if (verb == AddressVerb::kInstall) install(same);
    if (verb == AddressVerb::kRefresh) refresh(same);
    if (verb == AddressVerb::kRemove) remove(same);
  }
}

void Worker::install(const std::vector<AddressJob>& jobs) {
  RouteRequests requests = socket_.requests();
  std::vector<AddressJob> sent;
  for (const AddressJob& job : jobs) {
    // Without marks the journal decides what is ours, so nothing that is there already may get into it.
    if (!kernel_marks_ && !job.command.owner && look(job.holding()) == Presence::kForeign) {
      answer(job, AddressStatus::kForeign, EEXIST);
      continue;
    }
    if (!job.command.owner) journal_.add({name_of(job), job.holding()});
    AddressRequest request = request_for(job, kernel_marks_);
    // IPv6: adding many with a lifetime takes the kernel 40 times as long as adding them permanent and setting it
    // afterwards.
    if (job.command.prefix.address.is_ipv6()) request.lifetime_seconds = 0;
    requests.add_address(request);
    sent.push_back(job);
  }
  if (!kernel_marks_) write_journal();  // before the act: it alone says what is ours
  const std::vector<int> results = socket_.transact(requests);
  for (std::size_t i = 0; i < sent.size(); ++i) settle_install(sent[i], results[i]);
  hand_over();  // clients wait for the announcement, nobody for the journal
  write_journal();
}

void Worker::settle_install(const AddressJob& job, int sys_errno) {
  if (job.command.owner) {
    const bool there = sys_errno == 0 || sys_errno == EEXIST;
    if (there) return answer(job, AddressStatus::kDone);
  } else if (sys_errno == 0) {
    own(job);
    if (job.command.prefix.address.is_ipv6() && job.command.lifetime > Nanos{0}) addresses_.push_conversion(job);
    return answer(job, AddressStatus::kDone);
  } else if (sys_errno == EEXIST) {
    return settle_existing(job);
  }
  if (!owned_.contains(job.holding())) journal_.remove({name_of(job), job.holding()});
  answer(job, interface_gone(sys_errno) ? AddressStatus::kNoLink : AddressStatus::kRefused, sys_errno);
}

/// Ours from before (a predecessor's): give it its lifetime. Another's: leave it.
void Worker::settle_existing(const AddressJob& job) {
  if (look(job.holding()) != Presence::kOurs) {
    disown(job.holding());
    journal_.remove({name_of(job), job.holding()});
    return answer_not_ours(job, AddressStatus::kForeign, EEXIST);
  }
  own(job);
  RouteRequests requests = socket_.requests();
  AddressRequest request = request_for(job, kernel_marks_);
  request.replace = true;
  requests.add_address(request);
  const int sys_errno = socket_.transact(requests).front();
  answer(job, sys_errno == 0 ? AddressStatus::kDone : AddressStatus::kRefused, sys_errno);
}

void Worker::refresh(const std::vector<AddressJob>& jobs) {
  RouteRequests requests = socket_.requests();
  std::vector<AddressJob> sent;
  for (const AddressJob& job : jobs) {
    if (job.command.owner) {
      answer(job, AddressStatus::kDone);
    } else if (!known_ours(job)) {
      answer_not_ours(job, AddressStatus::kRefused, EADDRNOTAVAIL);
    } else {
      AddressRequest request = request_for(job, kernel_marks_);
      request.replace = true;
      requests.add_address(request);
      sent.push_back(job);
    }
  }
  const std::vector<int> results = socket_.transact(requests);
  for (std::size_t i = 0; i < sent.size(); ++i) {
    const AddressStatus status = results[i] == 0              ? AddressStatus::kDone
                                 : interface_gone(results[i]) ? AddressStatus::kNoLink
                                                              : AddressStatus::kRefused;
    answer(sent[i], status, results[i]);
  }
}

void Worker::remove(const std::vector<AddressJob>& jobs) {
  RouteRequests requests = socket_.requests();
  std::vector<AddressJob> sent;
  for (const AddressJob& job : jobs) {
    if (job.command.owner) {
      answer(job, AddressStatus::kDone);
    } else if (!known_ours(job)) {
      answer_not_ours(job, AddressStatus::kDone, 0);
    } else {
      if (!job.command.prefix.address.is_ipv6()) keep_secondaries(job.ifindex);
      // Where the kernel cannot, clients wait for their own timeouts; the address goes all the same.
      if (job.command.end_connections) static_cast<void>(end_connections(job.command.prefix.address));
      requests.delete_address(job.ifindex, job.command.prefix);
      sent.push_back(job);
    }
  }
  const std::vector<int> results = socket_.transact(requests);
  for (std::size_t i = 0; i < sent.size(); ++i) {
    const int sys_errno = results[i];
    const bool gone = sys_errno == 0 || sys_errno == EADDRNOTAVAIL || interface_gone(sys_errno);
    if (gone) disown(sent[i].holding());
    answer(sent[i], gone ? AddressStatus::kDone : AddressStatus::kRefused, gone ? 0 : sys_errno);
  }
  write_journal();
}

/// Fresh IPv6 addresses get their lifetime. Nobody waits for this; the engine's first refresh would do the same.
void Worker::convert() {
  RouteRequests requests = socket_.requests();
  for (const AddressJob& job : addresses_.take_conversions()) {
    if (!owned_.contains(job.holding())) continue;
    AddressRequest request = request_for(job, kernel_marks_);
    request.replace = true;
    requests.add_address(request);
  }
  socket_.transact(requests);
}

/// Ours that somebody may have taken away or replaced are looked up again, so that a later refresh cannot make
/// another's address age.
void Worker::recheck() {
  looked_.clear();
  for (const Holding& holding : recheck_) {
    if (!owned_.contains(holding)) continue;
    const Presence presence = look(holding);
    if (presence == Presence::kUnknown) continue;
    const auto& there = looked_[holding.ifindex];
    const auto found = there.find(holding.prefix);
    // Without marks: ours age, an administrator's does not.
    const bool permanent = found != there.end() && (found->second.flags & IFA_F_PERMANENT) != 0;
    if (presence != Presence::kOurs || (!kernel_marks_ && permanent)) disown(holding);
  }
  recheck_.clear();
  write_journal();
}

bool Worker::known_ours(const AddressJob& job) {
  if (owned_.contains(job.holding())) return true;
  if (look(job.holding()) != Presence::kOurs) return false;
  own(job);
  return true;
}

Worker::Presence Worker::look(const Holding& holding) {
  auto known = looked_.find(holding.ifindex);
  if (known == looked_.end()) {
    const auto dump = socket_.dump_addresses(holding.ifindex);
    if (!dump) return interface_gone(dump.error().sys_errno) ? Presence::kAbsent : Presence::kUnknown;
    known = looked_.emplace(holding.ifindex, std::map<Prefix, AddressMessage>{}).first;
    for (const AddressMessage& address : dump->addresses) {
      if (address.ifindex == holding.ifindex) known->second[address.prefix] = address;
    }
  }
  const auto found = known->second.find(holding.prefix);
  if (found == known->second.end()) return Presence::kAbsent;
  const bool ours = kernel_marks_ ? found->second.proto == kMark : owned_.contains(holding);
  return ours ? Presence::kOurs : Presence::kForeign;
}

/// An address that is not ours: somebody else's, or unknown, or not there at all (`absent`).
void Worker::answer_not_ours(const AddressJob& job, AddressStatus absent, int absent_errno) {
  const Presence presence = look(job.holding());
  if (presence == Presence::kUnknown) return answer(job, AddressStatus::kRefused, EIO);
  if (presence == Presence::kForeign) return answer(job, AddressStatus::kForeign, EEXIST);
  answer(job, absent, absent_errno);
}

/// If ours is the first address of its subnet (the administrator's was added again later), the kernel would take the
/// others with it when ours is removed or expires.
void Worker::keep_secondaries(int ifindex) {
  if (!secondaries_kept_.insert(ifindex).second) return;
  RouteRequests requests = socket_.requests();
  requests.keep_secondaries(ifindex);
  socket_.transact(requests);
}

void Worker::own(const AddressJob& job) {
  owned_[job.holding()] = name_of(job);
  journal_.add({name_of(job), job.holding()});
}

void Worker::disown(const Holding& holding) {
  const auto owned = owned_.find(holding);
  if (owned == owned_.end()) return;
  journal_.remove({owned->second, holding});
  owned_.erase(owned);
  if (const auto known = looked_.find(holding.ifindex); known != looked_.end()) known->second.erase(holding.prefix);
}

void Worker::answer(const AddressJob& job, AddressStatus status, int sys_errno) {
  emit(AddressEvent{{.ticket = job.command.ticket,
                     .verb = job.command.verb,
                     .link = job.command.link,
                     .prefix = job.command.prefix,
                     .status = status,
                     .sys_errno = sys_errno},
                    job.ifindex});
}

}  // namespace baton::linux
