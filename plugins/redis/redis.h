// The module `redis`: a primary and its replica without any other manager. Files: redis.cc keys and what all verbs
// share, observation.cc probe and verify, promotion.cc, demotion.cc, rejoin.cc.
//
// A detached server follows kNobody: it keeps its data, takes no writes, and takes none from a server that might have
// less. That is what a primary is when it boots, what is fenced, and what may not follow yet.
#pragma once

#include <map>
#include <optional>
#include <plugin.hpp>
#include <string>
#include <vector>

#include "redis/client.h"
#include "redis/info.h"
#include "redis/settings.h"

namespace baton::redis {

using plugin::Call;
using plugin::Host;
using plugin::Result;

/// An upstream that never answers and needs no name server: the port is refused at once, every second.
inline constexpr const char* kNobodyHost = "127.0.0.1";
inline constexpr std::int64_t kNobodyPort = 1;
inline constexpr const char* kStampKey = "baton:gen";

/// The value of kStampKey: which generation the data is of, and who was promoted for it.
struct Stamp {
  std::uint64_t generation = 0;  ///< 0: none
  std::string host;
};

/// What could be learnt of another member.
struct Sight {
  std::optional<Info> info;
  Stamp stamp;
  std::string trouble;   ///< why there is no info
  bool answers = false;  ///< without info: it is there, but refuses us or is not ready
};

class Redis {
 public:
  explicit Redis(const Host& host);
  static void check_settings(const Host& host);

  Result probe(const Call& call);
  Result position(const Call& call);
  Result verify(const Call& call);
  Result can_promote(const Call& call);
  Result drain(const Call& call);
  Result promote(const Call& call);
  Result block_writes(const Call& call);
  Result unblock_writes(const Call& call);
  Result demote(const Call& call);
  Result rejoin(const Call& call);
  Result fence(const Call& call);

 private:
  // redis.cc
  const Server& target_of(const Call& call) const;
  Client connect(const Server& server, Clock::time_point until);
  Sight look_at(const Server& server, Clock::time_point until);
  bool follows(const Info& info, const Server& server, Clock::time_point until);
  static bool detached(const Info& info);
  static Stamp read_stamp(Client& client);
  static Stamp parse_stamp(const Reply& reply);
  static std::string setting(Client& client, const std::string& name);
  std::int64_t replication_port(const Server& server) const;

  // observation.cc
  Result observe(const Client& client, const Info& info, const Stamp& stamp, Clock::time_point until);
  static Result describe_primary(const Client& client, const Info& info);
  Result describe_replica(const Client& client, const Info& info, Clock::time_point until);
  void note_troubles(const Info& info, Result& result);
  std::string new_refusals(const Info& info);

  // promotion.cc
  std::vector<std::string> refusals(const Call& call, Client& client, const Info& info, const Stamp& stamp,
                                    const Server& target, const Sight& sight, Clock::time_point until);
  void refuse_state(const Call& call, Client& client, const Info& info, const Stamp& stamp, const Sight& sight,
                    std::vector<std::string>& reasons) const;
  void refuse_planned(const Call& call, const Info& info, const Server& target, const Sight& sight,
                      std::vector<std::string>& reasons);
  void refuse_crash(const Call& call, const Info& info, const Server& target, const Sight& sight,
                    Clock::time_point until, std::vector<std::string>& reasons);
  void refuse_detached(const Call& call, const Info& info, const Stamp& stamp, const Server& target, const Sight& sight,
                       std::vector<std::string>& reasons) const;
  static void rehearse_stamp(Client& client);
  bool may_adopt(const Stamp& stamp, const Sight& sight, Clock::time_point until);
  Info leave_upstream(Client& client, const Server& target, Clock::time_point until) const;
  void write_stamp(Client& client, const Call& call, const Words& role_change, Result& result) const;
  Result promote_primary(const Call& call, Client& client, const Info& info, const Stamp& stamp, const Sight& sight,
                         Clock::time_point until);

  // demotion.cc
  Position block(Client& client) const;
  Sight settle(Client& client, const Server& target, Sight sight, Clock::time_point until);
  bool holds_all(const Sight& theirs, const Info& own, Client& client) const;
  std::optional<Position> before_stamp(const Stamp& theirs, const Info& own, Client& client) const;
  static void end_sessions(Client& client);
  static void become_standby(Client& client, const std::string& host, std::int64_t port);
  static void write_configuration(Client& client);
  static void detach(Client& client);
  void set_replication_login(Client& client) const;
  static bool has_primary(const Sight& sight);
  Result attach(Client& client, const Server& target, const Sight& sight, Clock::time_point until);
  Result report_link(Client& client, const Server& target, Clock::time_point until) const;
  Result stay_detached(Client& client, const Server& target, const Sight& sight);

  // rejoin.cc
  struct Kept {
    std::string file;
    std::int64_t bytes = 0;
  };
  static Kept keep_aside(Client& client, const Call& call, Clock::time_point until);
  Result rebuild(const Call& call, Client& client, const Server& target, const Sight& sight, Clock::time_point until);
  static Result rejoined(Result result);

  Host host_;
  Members members_;
  Server own_;
  Access access_;
  plugin::Resolver resolver_;
  std::map<std::string, std::int64_t> counted_;  // refusals that clients have met, as of the last probe
  std::int64_t last_keys_ = -1;
  std::optional<Position> final_;  // of block_writes, while the block stands or what was blocked is detached
};

/// Runs the body of an act; a Trouble becomes its answer, with the cause as a fact.
template <class Body>
Result typed(Body body) {
  try {
    return body();
  } catch (const Trouble& trouble) {
    return plugin::failed(trouble.status(), trouble.what()).fact("cause", trouble.cause());
  }
}

}  // namespace baton::redis
