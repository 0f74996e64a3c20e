// Notices that wait for the receiver, and the thread that delivers them, oldest first. Bounded: when it is full, the
// oldest goes. A notice is tried again until it is delivered, refused for good, or older than retry_for. Nothing is
// kept on disk.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "webhook/delivery.h"

namespace baton::webhook {

class Queue {
 public:
  /// `settings` outlives the queue.
  Queue(const Settings& settings, std::chrono::nanoseconds resolve_every);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  struct Report {
    std::size_t waiting = 0;
    std::size_t dropped = 0;  ///< just now, because the queue was full
    std::vector<std::string>
        troubles;  ///< since the last report: what was given up and why, what cannot be delivered now
  };
  /// Takes a notice; one that waits already (by its id) is not taken twice. Never blocks for long.
  Report add(Notice notice);

  /// Delivers what can be delivered within close_wait, and ends the thread. How many notices are lost.
  std::size_t close();

 private:
  using Clock = std::chrono::steady_clock;
  struct Waiting {
    Notice notice;
    Clock::time_point since;
    int failures = 0;
  };
  static constexpr std::size_t kMaximumTroubles = 8;

  void run();
  void deliver(std::unique_lock<std::mutex>& lock);
  void settle(Waiting waiting, const Attempt& attempt);
  void trouble(std::string sentence);

  const Settings& settings_;
  plugin::http::Client client_;  ///< of the thread
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Waiting> waiting_;
  std::optional<std::string> in_flight_;  ///< id
  Clock::time_point next_attempt_{};
  std::vector<std::string> troubles_;
  bool closing_ = false;
  std::size_t lost_ = 0;  ///< while closing
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace baton::webhook
