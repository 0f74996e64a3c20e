// Queue: see queue.h.
#include "webhook/queue.h"

#include <algorithm>
#include <utility>

namespace baton::webhook {

using plugin::Status;

Queue::Queue(const Settings& settings, std::chrono::nanoseconds resolve_every)
    : settings_(settings), client_(resolve_every), thread_([this] { run(); }) {}

Queue::~Queue() { close(); }

std::size_t Queue::close() {
  if (!thread_.joinable()) return 0;
  std::unique_lock lock{mutex_};
  closing_ = true;
  changed_.notify_all();
  changed_.wait_for(lock, settings_.close_wait, [this] { return waiting_.empty() && !in_flight_; });
  stop_ = true;
  lock.unlock();
  changed_.notify_all();
  thread_.join();
  return lost_ + waiting_.size();
}

Queue::Report Queue::add(Notice notice) {
  const std::lock_guard lock{mutex_};
  Report report;
  const bool known = in_flight_ == notice.id || std::any_of(waiting_.begin(), waiting_.end(), [&](const Waiting& one) {
                       return one.notice.id == notice.id;
                     });
  if (!known) waiting_.push_back({.notice = std::move(notice), .since = Clock::now()});
  while (waiting_.size() > settings_.queue_limit) {
    waiting_.pop_front();
    ++report.dropped;
  }
  report.waiting = waiting_.size() + (in_flight_ ? 1 : 0);
  report.troubles = std::exchange(troubles_, {});
  changed_.notify_all();
  return report;
}

void Queue::run() {
  std::unique_lock lock{mutex_};
  while (!stop_) {
    if (closing_ && waiting_.empty()) return;
    if (waiting_.empty()) {
      changed_.wait(lock);
    } else if (!closing_ && Clock::now() < next_attempt_) {
      changed_.wait_until(lock, next_attempt_);
    } else {
      deliver(lock);
      changed_.notify_all();
    }
  }
}

void Queue::deliver(std::unique_lock<std::mutex>& lock) {
  Waiting waiting = std::move(waiting_.front());
  waiting_.pop_front();
  in_flight_ = waiting.notice.id;
  lock.unlock();
  const Attempt result = attempt(client_, settings_, waiting.notice, settings_.request_timeout, &stop_);
  lock.lock();
  in_flight_.reset();
  settle(std::move(waiting), result);
}

/// What becomes of a notice after an attempt.
void Queue::settle(Waiting waiting, const Attempt& result) {
  if (result.status == Status::kOk) {
    next_attempt_ = Clock::now();
    return;
  }
  if (result.status == Status::kRefused) {
    if (closing_) ++lost_;
    trouble("a notice was refused and is given up: " + result.sentence);
    return;
  }
  const auto now = Clock::now();
  const auto pause = pause_after(settings_, ++waiting.failures);
  if (now + pause - waiting.since > settings_.retry_for) {
    if (closing_) ++lost_;
    trouble("a notice was given up after " + std::to_string(waiting.failures) + " attempts: " + result.sentence);
    return;
  }
  if (waiting.failures == 1) trouble("a notice has to wait: " + result.sentence);
  // While it was in flight the queue may have filled up with newer ones.
  if (waiting_.size() >= settings_.queue_limit) {
    if (closing_) ++lost_;
    trouble("the oldest notice was dropped (queue_limit): " + result.sentence);
  } else {
    waiting_.push_front(std::move(waiting));
  }
  next_attempt_ = now + pause;
  // At the end one attempt must do: whoever does not answer now will not answer for the others.
  if (closing_) {
    lost_ += waiting_.size();
    waiting_.clear();
  }
}

void Queue::trouble(std::string sentence) {
  if (troubles_.size() >= kMaximumTroubles) troubles_.erase(troubles_.begin());
  troubles_.push_back(std::move(sentence));
}

}  // namespace baton::webhook
