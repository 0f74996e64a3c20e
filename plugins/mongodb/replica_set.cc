// Reading hello and replSetGetStatus, and the majority's word: see replica_set.h.
#include "mongodb/replica_set.h"

#include <algorithm>

namespace baton::mongodb {

const MemberState* SetStatus::self() const {
  const auto found = std::find_if(members.begin(), members.end(), [](const MemberState& one) { return one.self; });
  return found == members.end() ? nullptr : &*found;
}

const MemberState* SetStatus::primary() const {
  const auto found =
      std::find_if(members.begin(), members.end(), [](const MemberState& one) { return one.state == 1; });
  return found == members.end() ? nullptr : &*found;
}

const MemberState* SetStatus::find(const std::string& name) const {
  const auto found =
      std::find_if(members.begin(), members.end(), [&](const MemberState& one) { return one.name == name; });
  return found == members.end() ? nullptr : &*found;
}

Hello read_hello(const Document& answer) {
  Hello hello;
  hello.primary = answer.flag("isWritablePrimary") || answer.flag("ismaster");
  hello.secondary = answer.flag("secondary");
  hello.arbiter = answer.flag("arbiterOnly");
  hello.mongos = answer.text("msg") == "isdbgrid";
  hello.set = answer.text("setName");
  hello.me = answer.text("me");
  hello.leader = answer.text("primary");
  for (const char* list : {"hosts", "passives", "arbiters"}) {
    for (std::string& name : answer.texts(list)) hello.electors.push_back(std::move(name));
  }
  hello.election_id = answer.object_id("electionId");
  hello.set_version = answer.number("setVersion");
  hello.written = answer.op_time("lastWrite.opTime");
  return hello;
}

SetStatus read_status(const Document& answer) {
  SetStatus status;
  status.term = answer.number("term", -1);
  status.majority = static_cast<std::size_t>(std::max<std::int64_t>(0, answer.number("majorityVoteCount")));
  for (const Document& member : answer.documents("members")) {
    status.members.push_back({.name = member.text("name"),
                              .state = static_cast<int>(member.number("state", -1)),
                              .healthy = member.real("health") > 0,
                              .self = member.flag("self"),
                              .written = member.op_time("optime"),
                              .written_ms = member.date_ms("optimeDate")});
  }
  return status;
}

const char* state_words(int state) {
  switch (state) {
    case 0: return "startup";
    case 1: return "primary";
    case 2: return "secondary";
    case 3: return "recovering";
    case 5: return "startup2";
    case 6: return "unknown";
    case 7: return "arbiter";
    case 8: return "down";
    case 9: return "rollback";
    case 10: return "removed";
    default: return "unknown";
  }
}

Hello ask_hello(Server& server) {
  try {
    return read_hello(server.command(Document{R"({"hello": 1})"}));
  } catch (const ServerTrouble& trouble) {
    if (trouble.code() != kCommandNotFound) throw;
  }
  return read_hello(server.command(Document{R"({"isMaster": 1})"}));  // before 4.4.2
}

SetStatus ask_status(Server& server) { return read_status(server.command(Document{R"({"replSetGetStatus": 1})"})); }

Agreement agree(const ServerSettings& settings, const Hello& primary, const SetStatus& status,
                Clock::time_point until) {
  std::vector<std::string> others = primary.electors;
  if (!status.members.empty()) {
    others.clear();
    for (const MemberState& member : status.members) others.push_back(member.name);
  }
  // Members without a vote are counted as if they had one: that asks for more, never for less.
  Agreement agreement{.votes = 1, .needed = std::max(status.majority, others.size() / 2 + 1), .rival = ""};
  std::erase(others, primary.me);
  for (std::size_t i = 0; i < others.size() && agreement.votes < agreement.needed; ++i) {
    const auto share = (until - Clock::now()) / static_cast<int>(others.size() - i);
    try {
      Server server{settings, others[i], Login::kNo, Clock::now() + share};
      const Hello hello = ask_hello(server);
      if (hello.set != primary.set) continue;
      if (hello.leader == primary.me) ++agreement.votes;
      if (hello.primary && hello.election() > primary.election()) agreement.rival = others[i];
    } catch (const ServerTrouble&) {  // no vote
    }
  }
  return agreement;
}

std::int64_t lag_ms(const SetStatus& status, const MemberState& member) {
  const MemberState* primary = status.primary();
  if (primary == nullptr || primary->written_ms == 0 || member.written_ms == 0) return -1;
  return std::max<std::int64_t>(0, primary->written_ms - member.written_ms);
}

}  // namespace baton::mongodb
