// The module `redis-sentinel`: Sentinels elect, Baton follows. A server counts as the primary only while it says so
// itself and a majority of the Sentinels names it. Files: redis_sentinel.cc keys, probe and can_promote; step_down.cc
// the planned move; quorum.cc the Sentinels.
#pragma once

#include <optional>
#include <plugin.hpp>
#include <string>
#include <vector>

#include "redis-sentinel/quorum.h"
#include "redis/client.h"
#include "redis/info.h"
#include "redis/settings.h"

namespace baton::redis {

using plugin::Call;
using plugin::Host;
using plugin::Result;

class RedisSentinel {
 public:
  explicit RedisSentinel(const Host& host);
  static void check_settings(const Host& host);

  Result probe(const Call& call);
  Result position(const Call& call);
  Result verify(const Call& call);
  Result can_promote(const Call& call);
  Result step_down(const Call& call);
  Result unblock_writes(const Call& call);

 private:
  Client connect(const Server& server, Clock::time_point until);
  bool named(const Quorum& quorum, const Server& server);
  bool follows(const Info& info, const Server& server);
  Result judge(const Client& client, const Info& info, const Quorum& quorum);
  Result judge_primary(const Client& client, const Quorum& quorum);
  Result judge_replica(const Client& client, const Info& info, const Quorum& quorum);

  // step_down.cc
  const Server& target_of(const Call& call) const;
  std::vector<std::string> refusals(const Quorum& quorum, const Info& own, const Info& theirs, const Server& target,
                                    Clock::time_point until);
  void refuse_other_candidates(const Server& target, Clock::time_point until, std::vector<std::string>& reasons);
  Result move(const Call& call, Client& client, const Server& target, Clock::time_point until);
  Result hand_over(Client& client, const Server& target, const Position& final, Clock::time_point begin,
                   Clock::time_point until);

  Host host_;
  Members members_;
  Server own_;
  Access access_;
  std::string name_;
  Sentinels sentinels_;
  plugin::Resolver resolver_;
  std::int64_t highest_epoch_ = -1;  // a majority that speaks of an older one has not heard the news
};

}  // namespace baton::redis
