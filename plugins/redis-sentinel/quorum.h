// What the Sentinels say: each is asked which server is the primary, and only what a majority of all that are
// configured says counts. Sentinels that did not answer the last time are asked last, so that a frozen one costs
// nothing as long as the others agree.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "redis/client.h"
#include "redis/settings.h"

namespace baton::redis {

/// The answer of one Sentinel.
struct Vote {
  std::string address;  ///< of the primary
  std::uint16_t port = 0;
  std::int64_t epoch = -1;     ///< config-epoch
  std::string flags;           ///< of the primary, as Sentinel keeps them: "master,o_down"
  bool can_fail_over = false;  ///< CKQUORUM
  std::string trouble;         ///< CKQUORUM's words if it cannot
};

struct Quorum {
  std::size_t asked = 0;
  std::size_t answered = 0;
  std::size_t needed = 0;
  std::optional<Vote> agreed;         ///< what a majority says, with the highest epoch among them
  std::int64_t highest_epoch = -1;    ///< of all answers
  std::vector<std::string> troubles;  ///< why the others did not answer
  std::string cause;                  ///< of the last of them
  bool configuration = false;         ///< a majority was missed because of logins or rights

  std::string names() const { return agreed ? agreed->address + ":" + std::to_string(agreed->port) : std::string{}; }
};

class Sentinels {
 public:
  Sentinels(std::vector<Server> servers, Access access, std::string name)
      : servers_(std::move(servers)), access_(std::move(access)), name_(std::move(name)) {}

  /// Asks until a majority agrees, or all have been asked; each gets its part of the time.
  Quorum poll(plugin::Resolver& resolver, Clock::time_point until);
  /// One command for one Sentinel that answers: the first whose answer is no error, else the last error.
  Reply ask_one(const Words& command, plugin::Resolver& resolver, Clock::time_point until);

  std::size_t count() const { return servers_.size(); }
  std::size_t majority() const { return servers_.size() / 2 + 1; }

 private:
  Vote ask(const Server& server, plugin::Resolver& resolver, Clock::time_point until) const;

  std::vector<Server> servers_;  // those that answered the last time first
  Access access_;
  std::string name_;
};

}  // namespace baton::redis
