// Step-down, freeze and priorities: see steering.h.
#include "mongodb/steering.h"

#include <poll.h>

#include <algorithm>
#include <cstring>

#include "common/command.h"

namespace baton::mongodb {
namespace {

using plugin::Status;
using std::chrono::milliseconds;

constexpr int kMaximumPriority = 1000;  // MongoDB's own
constexpr int kLookEvery = 100;         // milliseconds, while an election goes on

Document config_of(Server& server) {
  const Document answer = server.command(Document{R"({"replSetGetConfig": 1})"});
  bson_iter_t at{};
  const std::uint8_t* bytes = nullptr;
  std::uint32_t length = 0;
  bson_t part{};
  if (!bson_iter_init_find(&at, answer.raw(), "config") || !BSON_ITER_HOLDS_DOCUMENT(&at)) {
    throw ServerTrouble(Status::kTransient, "protocol", server.address() + " answers no configuration of the set");
  }
  bson_iter_document(&at, &length, &bytes);
  if (!bson_init_static(&part, bytes, length)) {
    throw ServerTrouble(Status::kTransient, "protocol", server.address() + " answers a broken configuration");
  }
  return Document{&part};
}

bool can_be_primary(const Document& member) {
  return member.real("priority", 1) > 0 && !member.flag("hidden") && !member.flag("arbiterOnly") &&
         member.number("secondaryDelaySecs", member.number("slaveDelay")) == 0;
}

const Document* member_of(const std::vector<Document>& members, const std::string& name) {
  const auto found =
      std::find_if(members.begin(), members.end(), [&](const Document& one) { return one.text("host") == name; });
  return found == members.end() ? nullptr : &*found;
}

/// New priorities of target and of the one that it changes with.
struct Priority {
  std::string name;
  double value;
};

void append_member(bson_t& list, std::uint32_t index, const Document& member, const std::vector<Priority>& changes) {
  const std::string key = std::to_string(index);
  const std::string name = member.text("host");
  const auto change =
      std::find_if(changes.begin(), changes.end(), [&](const Priority& one) { return one.name == name; });
  if (change == changes.end()) {
    bson_append_document(&list, key.c_str(), -1, member.raw());
    return;
  }
  bson_t copy{};
  bson_append_document_begin(&list, key.c_str(), -1, &copy);
  bson_copy_to_excluding_noinit(member.raw(), &copy, "priority", nullptr);
  BSON_APPEND_DOUBLE(&copy, "priority", change->value);
  bson_append_document_end(&list, &copy);
}

std::string seconds_words(milliseconds time) { return plugin::duration_words(time); }

}  // namespace

std::optional<Document> with_priority(const Document& config, const std::string& target) {
  const std::vector<Document> members = config.documents("members");
  const Document* wanted = member_of(members, target);
  if (wanted == nullptr || !can_be_primary(*wanted)) {
    throw ServerTrouble(Status::kConfig, "priority", target + " can never be primary in the set's configuration");
  }
  const double own = wanted->real("priority", 1);
  double highest = 0;
  std::vector<std::string> holders;
  for (const Document& member : members) {
    const double priority = member.real("priority", 1);
    if (&member == wanted || priority < highest) continue;
    if (priority > highest) holders.clear();
    highest = priority;
    holders.push_back(member.text("host"));
  }
  if (own > highest) return std::nullopt;
  std::vector<Priority> changes{{target, highest}};
  if (own < highest && holders.size() == 1) {
    changes.push_back({holders.front(), own});  // they change places: priorities do not climb
  } else {
    changes.front().value = highest + 1;
  }
  if (changes.front().value > kMaximumPriority) {
    throw ServerTrouble(Status::kConfig, "priority", "priorities have reached MongoDB's limit of 1000: lower them");
  }
  Document next;
  bson_copy_to_excluding_noinit(config.raw(), next.raw(), "version", "members", nullptr);
  BSON_APPEND_INT32(next.raw(), "version", static_cast<std::int32_t>(config.number("version") + 1));
  bson_t list{};
  BSON_APPEND_ARRAY_BEGIN(next.raw(), "members", &list);
  for (std::uint32_t i = 0; i < members.size(); ++i) append_member(list, i, members[i], changes);
  bson_append_array_end(next.raw(), &list);
  return next;
}

std::vector<std::string> Steering::refusals(Server& seen, const Move& move) {
  std::vector<std::string> all;
  const SetStatus status = ask_status(seen);
  const std::vector<Document> members = config_of(seen).documents("members");
  const MemberState* target = status.find(move.target);
  const Document* configured = member_of(members, move.target);
  if (target == nullptr || configured == nullptr) return {move.target + " is no member of the set"};
  if (!can_be_primary(*configured)) {
    all.push_back(move.target + " can never be primary: priority 0, hidden, delayed or an arbiter");
  }
  if ((target->state != 2 && target->state != 1) || (!target->healthy && !target->self)) {
    all.push_back(move.target + " is no healthy secondary: " + state_words(target->state));
  }
  std::size_t votes = 0;
  std::size_t healthy = 0;
  for (const Document& member : members) {
    if (member.number("votes", 1) == 0) continue;
    ++votes;
    const MemberState* state = status.find(member.text("host"));
    const bool lives = state != nullptr && (state->self || state->healthy) &&
                       (state->state == 1 || state->state == 2 || state->state == 7);
    if (lives) ++healthy;
  }
  if (healthy < votes / 2 + 1) {
    all.push_back("only " + std::to_string(healthy) + " of " + std::to_string(votes) +
                  " voting members are healthy: no majority could elect a primary");
  }
  const std::int64_t lag = lag_ms(status, *target);
  const auto most = std::chrono::duration_cast<milliseconds>(move.max_lag);
  if (status.primary() != nullptr && target->state != 1 && lag < 0) {
    all.push_back("it is not known how far " + move.target + " is behind");
  }
  if (lag > most.count()) {
    all.push_back(move.target + " is " + seconds_words(milliseconds{lag}) + " behind, more than max_lag (" +
                  seconds_words(most) + ")");
  }
  return all;
}

void Steering::raise(Server& primary, const std::string& target, bool& changed) {
  const std::optional<Document> next = with_priority(config_of(primary), target);
  if (!next) return;
  Document command;
  BSON_APPEND_DOCUMENT(command.raw(), "replSetReconfig", next->raw());
  primary.command(command);
  changed = true;
}

std::vector<std::string> Steering::candidates(Server& primary, const std::string& target) {
  std::vector<std::string> names;
  const SetStatus status = ask_status(primary);
  for (const Document& member : config_of(primary).documents("members")) {
    const std::string name = member.text("host");
    const MemberState* state = status.find(name);
    if (name != target && can_be_primary(member) && state != nullptr && state->state == 2 && !state->self) {
      names.push_back(name);
    }
  }
  return names;
}

/// Asks them to stay out of elections for a while; 0 ends that. One that does not answer may still win: that is seen.
void Steering::freeze(const std::vector<std::string>& names, std::chrono::seconds seconds) {
  for (const std::string& name : names) {
    try {
      Server server{settings_, name, Login::kYes, std::min(until_, Clock::now() + settings_.query_timeout)};
      server.command(Document{R"({"replSetFreeze": )" + std::to_string(seconds.count()) + "}"});
    } catch (const ServerTrouble&) {
    }
  }
}

void Steering::step_down(const std::string& primary, const Move& move) {
  ServerSettings patient = settings_;
  patient.query_timeout += move.catch_up;
  Server server{patient, primary, Login::kYes, until_};
  try {
    server.command(Document{R"({"replSetStepDown": )" + std::to_string(move.stay_down.count()) +
                            R"(, "secondaryCatchUpPeriodSecs": )" + std::to_string(move.catch_up.count()) + "}"});
  } catch (const ServerTrouble& trouble) {
    // Servers before 4.2 cut all connections as they step down; what is in doubt is looked at.
    if (trouble.not_primary() || trouble.unknown()) return;
    if (trouble.status() != Status::kTransient) throw;
    throw ServerTrouble(Status::kRefused, "step_down", trouble.what(), trouble.code());
  }
}

void Steering::await(const std::string& name) {
  std::string last = "nobody is primary yet";
  for (;;) {
    try {
      Server server{settings_, name, Login::kNo, std::min(until_, Clock::now() + settings_.query_timeout)};
      const Hello hello = ask_hello(server);
      if (hello.primary && hello.me == name) {
        const Agreement agreement = agree(settings_, hello, SetStatus{}, until_);
        if (agreement.reached()) return;
        last = "only " + std::to_string(agreement.votes) + " of " + std::to_string(agreement.needed) +
               " that are needed say that " + name + " is primary";
      } else {
        last = hello.leader.empty() ? "nobody is primary yet" : hello.leader + " is primary";
      }
    } catch (const ServerTrouble& trouble) {
      last = trouble.what();
    }
    if (until_ - Clock::now() < milliseconds{2 * kLookEvery}) break;
    ::poll(nullptr, 0, kLookEvery);
  }
  throw ServerTrouble(Status::kTransient, "no_primary", name + " has not become primary in time: " + last);
}

/// The move was refused, so that MongoDB shall not make it later by itself.
void Steering::put_back(Server& primary, const std::string& name) {
  try {
    bool changed = false;
    raise(primary, name, changed);
  } catch (const ServerTrouble&) {  // what was refused stays the news
  }
}

Moved Steering::move(const std::string& primary, const Move& move) {
  Moved moved;
  Server server{settings_, primary, Login::kYes, until_};
  if (primary == move.target || ask_hello(server).me == move.target) {
    moved.already = true;
    if (move.priorities == Priorities::kRaise) raise(server, move.target, moved.reconfigured);
    await(move.target);
    return moved;
  }
  if (move.priorities == Priorities::kRaise) raise(server, move.target, moved.reconfigured);
  const std::vector<std::string> others = candidates(server, move.target);
  freeze({move.target}, std::chrono::seconds{0});  // it may have stepped down itself a moment ago
  freeze(others, move.catch_up + std::chrono::seconds{10});
  const auto begun = Clock::now();
  try {
    step_down(primary, move);
    await(move.target);
  } catch (const ServerTrouble& trouble) {
    freeze(others, std::chrono::seconds{0});
    if (moved.reconfigured && trouble.status() == Status::kRefused) put_back(server, primary);
    throw;
  }
  moved.without_primary = std::chrono::duration_cast<milliseconds>(Clock::now() - begun);
  freeze(others, std::chrono::seconds{0});
  return moved;
}

}  // namespace baton::mongodb
