// Order and batching of address commands.
#include "linux/address_queue.h"

#include <algorithm>
#include <utility>

#include "linux/route_message.h"

namespace baton::linux {
namespace {

constexpr std::size_t kLargestBatch = RouteRequests::kCapacity;

}  // namespace

void AddressQueue::push(AddressJob job) {
  job.order = next_order_++;
  if (job.command.verb == ports::AddressVerb::kRefresh) {
    refreshes_.push_back(std::move(job));
    return;
  }
  newest_urgent_[job.holding()] = job.order;
  urgent_.push_back(std::move(job));
}

void AddressQueue::push_conversion(AddressJob job) { conversions_.push_back(std::move(job)); }

bool AddressQueue::overtaken(const AddressJob& job) const {
  const auto newest = newest_urgent_.find(job.holding());
  return newest != newest_urgent_.end() && newest->second > job.order;
}

void AddressQueue::forget_order_if_idle() {
  if (!has_commands() && !has_conversions()) newest_urgent_.clear();
}

AddressQueue::Batch AddressQueue::take(Instant now) {
  Batch batch;
  const bool urgent = !urgent_.empty();
  while (batch.jobs.size() < batch_size_ && batch.too_late.size() < RouteRequests::kCapacity) {
    std::deque<AddressJob>& source = urgent ? urgent_ : refreshes_;
    if (source.empty()) break;
    AddressJob job = std::move(source.front());
    source.pop_front();
    const bool late = now > job.command.not_after || (!urgent && overtaken(job));
    (late ? batch.too_late : batch.jobs).push_back(std::move(job));
  }
  batch_size_ = has_commands() ? std::min(batch_size_ * 4, kLargestBatch) : 1;
  forget_order_if_idle();
  return batch;
}

std::vector<AddressJob> AddressQueue::take_conversions() {
  std::vector<AddressJob> jobs;
  while (jobs.size() < kLargestBatch && !conversions_.empty()) {
    if (!overtaken(conversions_.front())) jobs.push_back(std::move(conversions_.front()));
    conversions_.pop_front();
  }
  forget_order_if_idle();
  return jobs;
}

}  // namespace baton::linux
