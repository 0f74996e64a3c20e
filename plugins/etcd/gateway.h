// etcd 3.4 over its HTTP/JSON gateway: one request at the first endpoint that can serve it, with tokens of its
// authentication, and an answer that is believed only from the cluster that answered before. Blocks within the
// deadline. Requests may reach etcd twice: send only what may be repeated.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/http_request.h"
#include "common/trouble.h"
#include "etcd/record.h"

namespace baton::etcd {

using Clock = std::chrono::steady_clock;

/// etcd's own refusals that the callers understand (codes of gRPC).
constexpr int kNotFound = 5;            ///< no such lease
constexpr int kFailedPrecondition = 9;  ///< a lease of that ID exists

/// `status` is kTransient where another endpoint, or later, may help.
class GatewayTrouble : public plugin::Trouble {
 public:
  GatewayTrouble(plugin::Status status, std::string cause, const std::string& sentence, int code = 0)
      : Trouble(status, std::move(cause), sentence), code_(code) {}
  int code() const { return code_; }

 private:
  int code_;
};

struct GatewaySettings {
  std::vector<std::string> endpoints;  ///< "https://10.0.0.3:2379"
  plugin::http::Request request;       ///< certificates
  std::string username;                ///< "": etcd asks for none
  std::string password;
  std::optional<std::uint64_t> cluster;  ///< the one to believe; none: the first that answers
  std::chrono::nanoseconds query_timeout;
};

struct Question {
  const char* path;  ///< "/v3/kv/txn"
  Json body;
  bool agreed = false;  ///< answered by the majority: its revision never goes back
};

struct Answer {
  Json body;
  std::size_t endpoint = 0;
  std::uint64_t cluster = 0;
  std::uint64_t revision = 0;
  std::uint64_t term = 0;  ///< of the leader's election, as the endpoint knew it
};

class Gateway {
 public:
  explicit Gateway(GatewaySettings settings) : settings_(std::move(settings)) {}

  /// At the endpoint that answered last, else at the others in turn; all of them share `until`.
  Answer ask(const Question& question, Clock::time_point until);
  /// At one endpoint only.
  Answer ask_at(std::size_t endpoint, const Question& question, Clock::time_point until);
  /// The next ask() begins with another endpoint.
  void prefer_another() { preferred_ = (preferred_ + 1) % settings_.endpoints.size(); }

  const std::string& url(std::size_t endpoint) const { return settings_.endpoints[endpoint]; }
  std::size_t size() const { return settings_.endpoints.size(); }

 private:
  plugin::http::Outcome send(std::size_t endpoint, const Question& question, Clock::time_point until);
  Json exchange(std::size_t endpoint, const Question& question, Clock::time_point until);
  Answer believe(std::size_t endpoint, const Question& question, Json body);
  void authenticate(std::size_t endpoint, Clock::time_point until);
  [[noreturn]] void give_up(std::size_t endpoint, const Question& question, const plugin::http::Outcome& outcome,
                            Clock::time_point until);

  GatewaySettings settings_;
  plugin::http::Client client_;
  std::size_t preferred_ = 0;
  std::string token_;
  std::uint64_t revision_ = 0;  ///< the highest that was heard
};

}  // namespace baton::etcd
