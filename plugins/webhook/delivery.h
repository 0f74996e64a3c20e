// One attempt to hand a notice to the receiver, and what its outcome means. Any 2xx is a delivery.
#pragma once

#include <atomic>
#include <chrono>
#include <plugin.hpp>
#include <string>
#include <vector>

#include "common/http_request.h"
#include "webhook/notice.h"

namespace baton::webhook {

struct Settings {
  plugin::http::Request request;  ///< url, TLS, headers
  std::vector<std::string> secrets;
  std::chrono::nanoseconds request_timeout{0};
  std::chrono::nanoseconds retry_for{0};
  std::chrono::nanoseconds retry_first{0};
  std::chrono::nanoseconds retry_most{0};
  std::chrono::nanoseconds close_wait{0};
  std::size_t queue_limit = 0;
};

struct Attempt {
  /// kOk, kTransient (worth another attempt), kRefused (the receiver does not want it), kConfig (a person must mend
  /// it).
  plugin::Status status = plugin::Status::kOk;
  std::string sentence;
  std::string cause;  ///< for the fact; "" if delivered
  int http_status = 0;
};

/// `stop`: see http::Request. May be nullptr.
Attempt attempt(plugin::http::Client& client, const Settings& settings, const Notice& notice,
                std::chrono::nanoseconds timeout, const std::atomic<bool>* stop);

/// The pause after `failures` failed attempts: doubled each time, up to retry_most.
std::chrono::nanoseconds pause_after(const Settings& settings, int failures);

}  // namespace baton::webhook
