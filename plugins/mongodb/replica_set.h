// What one member of a replica set says of itself and of the set, and what follows from several of them: who is primary
// by the majority's word. Changes nothing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mongodb/server.h"

namespace baton::mongodb {

/// The answer to hello.
struct Hello {
  bool primary = false;
  bool secondary = false;
  bool arbiter = false;
  bool mongos = false;
  std::string set;                    ///< "": not in a replica set
  std::string me;                     ///< as the set's configuration has it
  std::string leader;                 ///< the primary it knows; "": none
  std::vector<std::string> electors;  ///< all names of the set, arbiters among them
  std::string election_id;            ///< of primaries
  std::int64_t set_version = 0;
  OpTime written;

  /// As drivers compare primaries: a later election has a greater pair.
  std::pair<std::string, std::int64_t> election() const { return {election_id, set_version}; }
};

struct MemberState {
  std::string name;
  int state = -1;  ///< 1 primary, 2 secondary, 3 recovering, 5 startup2, 7 arbiter, 8 down, 9 rollback, 10 removed
  bool healthy = false;
  bool self = false;
  OpTime written;
  std::int64_t written_ms = 0;
};

/// The answer to replSetGetStatus.
struct SetStatus {
  std::int64_t term = -1;
  std::size_t majority = 0;  ///< votes; 0: not said
  std::vector<MemberState> members;

  const MemberState* self() const;
  const MemberState* primary() const;
  const MemberState* find(const std::string& name) const;
};

Hello read_hello(const Document& answer);
SetStatus read_status(const Document& answer);
/// "recovering", "rollback", ... for people and facts.
const char* state_words(int state);

Hello ask_hello(Server& server);
SetStatus ask_status(Server& server);

/// What the others say about a primary.
struct Agreement {
  std::size_t votes = 0;  ///< members that name it, itself among them
  std::size_t needed = 0;
  std::string rival;  ///< another that says it is primary, by a later election
  bool reached() const { return votes >= needed && rival.empty(); }
};
/// Asks the others in turn until the majority names `primary`. The set's status, if it could be had, also knows hidden
/// members.
Agreement agree(const ServerSettings& settings, const Hello& primary, const SetStatus& status, Clock::time_point until);

/// How far a member is behind the primary, in milliseconds; negative: not known.
std::int64_t lag_ms(const SetStatus& status, const MemberState& member);

}  // namespace baton::mongodb
