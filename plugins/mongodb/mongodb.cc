// SPDX-License-Identifier: GPL-2.0-or-later
//
// mongodb: a replica set, which elects its primary by itself. observe: a health gate. follow: the address goes where
// the primary is, by the majority's word. lead: the primary goes where the address is, by step-down and priorities.
// Refuses everything that would need force.
#include <poll.h>

#include <algorithm>
#include <map>
#include <set>

#include "common/command.h"
#include "mongodb/steering.h"
#include "plugin.hpp"

namespace baton::mongodb {
namespace {

using plugin::Call;
using plugin::Host;
using plugin::Result;
using plugin::Role;
using plugin::State;
using plugin::Status;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::int64_t kSecond = 1'000'000'000;

constexpr baton_key kKeys[] = {
    plugin::key(
        "mode", BATON_KEY_WORD,
        "observe: only a check. follow: the address goes to the primary. lead: the primary goes to the address.",
        "follow", 0, "observe|follow|lead"),
    plugin::key("member", BATON_KEY_TEXT, "A HOST and the address of its mongod.", nullptr,
                BATON_KEY_LIST | BATON_KEY_REQUIRED, "HOST ADDRESS[:PORT]"),
    plugin::key("replica_set", BATON_KEY_TEXT, "The name that the set must have."),
    plugin::key("need", BATON_KEY_WORD,
                "observe: what passes. primary_known: any member that can be reached is, or knows, the primary.",
                "primary_known", 0, "primary_known|member|primary"),
    plugin::key("username", BATON_KEY_TEXT, "Name for MongoDB's authentication."),
    plugin::key("password_file", BATON_KEY_SECRET, "File with the password for it."),
    plugin::key("auth_source", BATON_KEY_TEXT, "The database of the user.", "admin"),
    plugin::key("auth_mechanism", BATON_KEY_WORD, "How to authenticate; auto: what the server prefers.", "auto", 0,
                "auto|SCRAM-SHA-256|SCRAM-SHA-1|MONGODB-X509"),
    plugin::key("tls", BATON_KEY_WORD, "yes: verify certificates. unverified: encrypt only.", "no", 0,
                "no|yes|unverified"),
    plugin::key("tls_ca", BATON_KEY_PATH, "Authorities (PEM) to trust instead of the system's."),
    plugin::key("tls_cert", BATON_KEY_PATH, "Our certificate and its key (PEM, not encrypted) in one file."),
    plugin::key("connect_timeout", BATON_KEY_DURATION, "The longest wait for a connection.", "1s", 0, nullptr,
                10'000'000, 60 * kSecond),
    plugin::key("query_timeout", BATON_KEY_DURATION, "The longest wait for an answer.", "2s", 0, nullptr, 10'000'000,
                60 * kSecond),
    plugin::key("max_lag", BATON_KEY_DURATION, "A secondary that is further behind is not made primary.", "10s", 0,
                nullptr, 0, 86400 * kSecond),
    plugin::key("catch_up", BATON_KEY_DURATION, "How long a step-down waits for the other member to catch up.", "10s",
                0, nullptr, kSecond, 300 * kSecond),
    plugin::key("step_down_time", BATON_KEY_DURATION, "How long the old primary stays out of elections.", "60s", 0,
                nullptr, 2 * kSecond, 3600 * kSecond),
};

/// "10.0.0.1" gets MongoDB's port; an IPv6 address stands in brackets. "": unusable.
std::string with_port(const std::string& address) {
  const std::size_t bracket = address.find(']');
  if (address.find_first_of("/?@,") != std::string::npos || address.empty()) return {};
  if (address.starts_with('[') != (bracket != std::string::npos)) return {};
  const std::size_t colon = address.find(':', bracket == std::string::npos ? 0 : bracket);
  if (colon == std::string::npos) return address + ":27017";
  const std::string port = address.substr(colon + 1);
  const bool good = !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string::npos;
  return good && std::stoi(port) > 0 && std::stoi(port) < 65536 ? address : std::string{};
}

using Members = std::map<std::string, std::string>;  // HOST to address

Members read_members(const Host& host, std::vector<std::string>& errors) {
  Members members;
  std::set<std::string> addresses;
  for (const std::string& line : host.list("member")) {
    const std::size_t blank = line.find_first_of(" \t");
    const std::size_t begin = blank == std::string::npos ? blank : line.find_first_not_of(" \t", blank);
    const std::string address = begin == std::string::npos ? "" : with_port(line.substr(begin));
    const std::string name = line.substr(0, blank);
    if (address.empty()) {
      errors.push_back("\"" + line + "\" is not HOST ADDRESS[:PORT] (an IPv6 address in brackets)");
    } else if (!addresses.insert(address).second) {
      errors.push_back(address + " is there twice");
    } else if (!members.emplace(name, address).second) {
      errors.push_back(name + " is there twice");
    }
  }
  return members;
}

ServerSettings server_settings(const Host& host) {
  const std::string mechanism = host.text("auth_mechanism");
  return {.username = host.text("username"),
          .password = host.text("password_file"),
          .auth_source = mechanism == "MONGODB-X509" ? "$external" : host.text("auth_source"),
          .auth_mechanism = mechanism == "auto" ? "" : mechanism,
          .tls = host.text("tls") != "no",
          .verify = host.text("tls") == "yes",
          .tls_ca = host.text("tls_ca"),
          .tls_cert = host.text("tls_cert"),
          .connect_timeout = host.duration("connect_timeout"),
          .query_timeout = host.duration("query_timeout")};
}

Clock::time_point deadline_of(const Call& call) {
  const auto left = call.remaining();
  return Clock::now() + left - std::min<std::chrono::nanoseconds>(left / 10, milliseconds{100});
}

class MongoDb {
 public:
  explicit MongoDb(const Host& host)
      : host_(host.host_name()),
        mode_(host.text("mode")),
        set_(host.text("replica_set")),
        need_(host.text("need")),
        settings_(server_settings(host)),
        max_lag_(host.duration("max_lag")),
        catch_up_(std::chrono::duration_cast<seconds>(host.duration("catch_up"))),
        stay_down_(std::chrono::duration_cast<seconds>(host.duration("step_down_time"))) {
    std::vector<std::string> errors;
    members_ = read_members(host, errors);
    if (!errors.empty()) throw plugin::Failure(Status::kConfig, errors.front());
  }

  static void check_settings(const Host& host);
  Result probe(const Call& call);
  Result position(const Call& call) { return guarded(call, &MongoDb::try_position); }
  Result can_promote(const Call& call) { return guarded(call, &MongoDb::try_can_promote); }
  Result drain(const Call& call) { return guarded(call, &MongoDb::try_drain); }
  Result promote(const Call& call) { return guarded(call, &MongoDb::try_promote); }
  Result demote(const Call& call) { return guarded(call, &MongoDb::try_demote); }
  Result step_down(const Call& call) { return guarded(call, &MongoDb::try_step_down); }
  Result rejoin(const Call& call) { return guarded(call, &MongoDb::try_rejoin); }
  Result verify(const Call& call) { return guarded(call, &MongoDb::try_verify); }

 private:
  using Act = Result (MongoDb::*)(const Call&, Clock::time_point);

  Result guarded(const Call& call, Act act);
  Result try_position(const Call& call, Clock::time_point until);
  Result try_can_promote(const Call& call, Clock::time_point until);
  Result try_drain(const Call& call, Clock::time_point until);
  Result try_promote(const Call& call, Clock::time_point until);
  Result try_demote(const Call& call, Clock::time_point until);
  Result try_step_down(const Call& call, Clock::time_point until);
  Result try_rejoin(const Call& call, Clock::time_point until);
  Result try_verify(const Call& call, Clock::time_point until);

  std::string taker(const Call& call) const;
  std::string own() const { return address_of(host_); }
  std::string address_of(const std::string& host) const;
  Server connect(const std::string& address, Clock::time_point until) const {
    return Server{settings_, address, Login::kYes, until};
  }
  void require_set(const Hello& hello, const std::string& address) const;
  Result look(Clock::time_point until);
  Result observe(Clock::time_point until);
  void add_status(Result& result, Server& server, SetStatus& status);
  Result judge_primary(Result result, const Hello& hello, const SetStatus& status, Clock::time_point until);
  Result judge_secondary(Result result, const Hello& hello, const SetStatus& status) const;
  Result judge_neither(Result result, const Hello& hello, const SetStatus& status) const;
  Move move_to(const std::string& name) const;
  Result steer(const std::string& target, Clock::time_point until);
  Result stamp(const Call& call, Result result, Clock::time_point until);
  std::uint64_t stamped(Server& server, const std::string& instance);
  bool leads() const { return mode_ == "lead"; }

  std::string host_;
  std::string mode_;
  std::string set_;
  std::string need_;
  ServerSettings settings_;
  std::chrono::nanoseconds max_lag_;
  seconds catch_up_;
  seconds stay_down_;
  Members members_;
  std::pair<std::string, std::int64_t> best_election_;  ///< the latest that was seen
};

void MongoDb::check_settings(const Host& host) {
  std::vector<std::string> errors;
  const Members members = read_members(host, errors);
  for (const std::string& error : errors) host.complain("member", error);
  const std::string mode = host.text("mode");
  if (errors.empty() && mode != "observe" && !members.contains(host.host_name())) {
    host.complain("member", "there is no entry for this host, " + host.host_name());
  }
  if (errors.empty() && mode == "lead" && members.size() < 2) {
    host.complain("member", "mode = lead needs the hosts among which to steer, at least two");
  }
  const bool x509 = host.text("auth_mechanism") == "MONGODB-X509";
  if (host.has("password_file") != host.has("username") && !x509) {
    host.complain(host.has("username") ? "username" : "password_file", "username and password_file go together");
  }
  if (x509 && !host.has("tls_cert")) host.complain("auth_mechanism", "MONGODB-X509 needs tls_cert");
  for (const char* name : {"tls_ca", "tls_cert"}) {
    if (host.text("tls") == "no" && host.has(name)) host.complain(name, "is of no use with `tls = no`");
  }
  if (host.text("tls") == "unverified" && host.has("tls_ca")) {
    host.complain("tls_ca", "is of no use with `tls = unverified`");
  }
}

std::string MongoDb::address_of(const std::string& host) const {
  const auto found = members_.find(host);
  if (found != members_.end()) return found->second;
  throw ServerTrouble(Status::kConfig, "member", "there is no `member` line for '" + host + "'");
}

/// Who shall have the role: the call's target, or of two hosts the other.
std::string MongoDb::taker(const Call& call) const {
  if (!call.target().empty()) return call.target();
  for (const auto& [host, address] : members_) {
    if (host != host_ && members_.size() == 2) return host;
  }
  throw ServerTrouble(Status::kConfig, "member", "to whom the role should go is not known");
}

void MongoDb::require_set(const Hello& hello, const std::string& address) const {
  if (hello.mongos) {
    throw ServerTrouble(Status::kConfig, "mongos", address + " is a mongos: name the mongod of a replica set");
  }
  if (hello.set.empty()) {
    throw ServerTrouble(Status::kConfig, "standalone", address + " is in no replica set (--replSet, rs.initiate())");
  }
  if (!set_.empty() && hello.set != set_) {
    throw ServerTrouble(Status::kConfig, "wrong_set",
                        address + " is in the replica set " + hello.set + ", not in " + set_);
  }
}

Result troubled(const plugin::Trouble& trouble) {
  Result result = plugin::failed(trouble.status(), trouble.what()).fact("cause", trouble.cause());
  if (trouble.status() == Status::kRefused) result.refusals.emplace_back(trouble.what());
  return result;
}

Result refused(const std::string& cause, const std::vector<std::string>& reasons) {
  Result result = plugin::failed(Status::kRefused, reasons.front()).fact("cause", cause);
  result.refusals = reasons;
  return result;
}

Result MongoDb::guarded(const Call& call, Act act) {
  try {
    return (this->*act)(call, deadline_of(call));
  } catch (const plugin::Trouble& trouble) {
    return troubled(trouble);
  }
}

Result MongoDb::probe(const Call& call) {
  const auto until = deadline_of(call);
  try {
    return mode_ == "observe" ? observe(until) : look(until);
  } catch (const ServerTrouble& trouble) {
    Result result = troubled(trouble);
    result.state = trouble.status() == Status::kConfig ? State::kUnknown : State::kFail;
    return result;
  }
}

/// The own member: its role as the data has it, and as the majority sees it.
Result MongoDb::look(Clock::time_point until) {
  Server server = connect(own(), until);
  const Hello hello = ask_hello(server);
  require_set(hello, own());
  Result result;
  SetStatus status;
  result.fact("set", hello.set).fact("member", hello.me).fact("writable", hello.primary ? "yes" : "no");
  if (!hello.leader.empty()) result.fact("primary", hello.leader);
  result.position = hello.written.words();
  add_status(result, server, status);
  if (hello.electors.size() < 3) result.fact("warning", "fewer than 3 voting members: no majority without one");
  if (hello.primary) return judge_primary(std::move(result), hello, status, until);
  return hello.secondary ? judge_secondary(std::move(result), hello, status)
                         : judge_neither(std::move(result), hello, status);
}

/// replSetGetStatus needs a right. Without a user it may be had or not; with one it has to be.
void MongoDb::add_status(Result& result, Server& server, SetStatus& status) {
  try {
    status = ask_status(server);
  } catch (const ServerTrouble& trouble) {
    if (trouble.code() != kUnauthorized || !settings_.username.empty()) throw;
    return;
  }
  if (status.term >= 0) result.fact("term", std::to_string(status.term));
  const MemberState* self = status.self();
  if (self == nullptr) return;
  result.fact("state", state_words(self->state));
  result.lag_ms = self->state == 1 ? 0 : lag_ms(status, *self);
}

Result MongoDb::judge_primary(Result result, const Hello& hello, const SetStatus& status, Clock::time_point until) {
  if (hello.election() < best_election_) {
    result.state = State::kFail;
    result.sentence = hello.me + " says that it is primary, but there has been a later election";
    return std::move(result.fact("cause", "stale_primary"));
  }
  const Agreement agreement = agree(settings_, hello, status, until);
  result.fact("votes", std::to_string(agreement.votes) + " of " + std::to_string(agreement.needed) + " needed");
  if (!agreement.rival.empty()) {
    result.state = State::kFail;
    result.sentence = hello.me + " says that it is primary, but " + agreement.rival + " was elected later";
    return std::move(result.fact("cause", "stale_primary"));
  }
  if (!agreement.reached()) {
    result.state = State::kFail;
    result.sentence = hello.me + " says that it is primary, but only " + std::to_string(agreement.votes) + " of " +
                      std::to_string(agreement.needed) + " members that are needed agree";
    return std::move(result.fact("cause", "no_quorum"));
  }
  best_election_ = hello.election();
  result.role = Role::kPrimary;
  result.state = State::kPass;
  result.sentence = hello.me + " is primary of " + hello.set + ", as the majority says";
  return result;
}

Result MongoDb::judge_secondary(Result result, const Hello& hello, const SetStatus& status) const {
  result.role = Role::kReplica;
  if (hello.leader.empty()) {
    result.state = State::kFail;
    result.sentence = hello.me + " is secondary of " + hello.set + ", which has no primary";
    return std::move(result.fact("cause", "no_primary"));
  }
  const auto most = std::chrono::duration_cast<milliseconds>(max_lag_);
  result.state = State::kPass;
  result.sentence = hello.me + " is secondary of " + hello.set + ", primary is " + hello.leader;
  if (status.self() != nullptr && result.lag_ms > most.count()) {
    result.warning = true;
    result.sentence += "; it is " + plugin::duration_words(milliseconds{result.lag_ms}) + " behind, more than max_lag";
    result.fact("cause", "lag");
  }
  return result;
}

Result MongoDb::judge_neither(Result result, const Hello& hello, const SetStatus& status) const {
  const MemberState* self = status.self();
  const int state = hello.arbiter ? 7 : self == nullptr ? -1 : self->state;
  result.state = State::kFail;
  result.sentence = own() + " is neither primary nor secondary of " + hello.set + ": " + state_words(state);
  const bool starting = state == 0 || state == 5;
  return std::move(result.fact("cause", starting ? "loading" : state_words(state)));
}

/// A health gate. The own member first; `primary_known` also takes another's word, so that one member's trouble does
/// not look like the set's.
Result MongoDb::observe(Clock::time_point until) {
  std::vector<std::string> addresses;
  if (members_.contains(host_)) addresses.push_back(own());
  for (const auto& [host, address] : members_) {
    if (host != host_ && (need_ == "primary_known" || addresses.empty())) addresses.push_back(address);
  }
  std::optional<ServerTrouble> worst;
  std::string seen;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    try {
      Server server =
          connect(addresses[i], Clock::now() + (until - Clock::now()) / static_cast<int>(addresses.size() - i));
      const Hello hello = ask_hello(server);
      require_set(hello, addresses[i]);
      const bool knows = hello.primary || !hello.leader.empty();
      const bool good = need_ == "primary_known" ? knows
                        : need_ == "primary"     ? hello.primary
                                                 : hello.primary || hello.secondary;
      seen = addresses[i] + " is " +
             (hello.primary     ? "primary"
              : hello.secondary ? "secondary"
                                : "neither") +
             " of " + hello.set + (knows ? "" : ", which has no primary");
      if (!good) continue;
      Result result = plugin::pass(seen);
      result.role = addresses[i] != (members_.contains(host_) ? own() : "") ? Role::kNone
                    : hello.primary                                         ? Role::kPrimary
                    : hello.secondary                                       ? Role::kReplica
                                                                            : Role::kNone;
      result.position = hello.written.words();
      return std::move(result.fact("set", hello.set).fact("primary", hello.primary ? hello.me : hello.leader));
    } catch (const ServerTrouble& trouble) {
      if (!worst || trouble.status() == Status::kConfig) worst = trouble;
    }
  }
  if (seen.empty() && worst) throw *worst;
  return plugin::fail(seen).fact("cause", need_ == "primary_known" ? "no_primary" : "role");
}

Result MongoDb::try_position(const Call&, Clock::time_point until) {
  Server server = connect(own(), until);
  const Hello hello = ask_hello(server);
  require_set(hello, own());
  Result result = plugin::done(own() + " has written up to " + hello.written.words());
  result.position = hello.written.words();
  return result;
}

Move MongoDb::move_to(const std::string& name) const {
  return {.target = name,
          .priorities = leads() ? Priorities::kRaise : Priorities::kLeave,
          .max_lag = max_lag_,
          .stay_down = stay_down_,
          .catch_up = catch_up_};
}

Result MongoDb::try_can_promote(const Call&, Clock::time_point until) {
  if (!leads()) return refused("mode", {"mode = " + mode_ + ": the replica set elects its primary, Baton does not"});
  Server server = connect(own(), until);
  const Hello hello = ask_hello(server);
  require_set(hello, own());
  const std::vector<std::string> reasons = Steering{settings_, until}.refusals(server, move_to(hello.me));
  if (!reasons.empty()) return refused("refusals", reasons);
  return plugin::done(hello.me + " could be primary");
}

Result MongoDb::try_drain(const Call& call, Clock::time_point until) {
  const OpTime wanted = OpTime::read(call.position());
  if (!call.position().empty() && !wanted.known()) {
    return refused("position", {"'" + call.position() + "' is no position of a replica set"});
  }
  Server server = connect(own(), until);
  for (;;) {
    const Hello hello = ask_hello(server);
    if (hello.written >= wanted) {
      Result result = plugin::done(hello.me + " has reached " + hello.written.words());
      result.position = hello.written.words();
      return result;
    }
    if (until - Clock::now() < milliseconds{100}) {
      return plugin::failed(Status::kTransient,
                            hello.me + " has only reached " + hello.written.words() + " of " + wanted.words())
          .fact("cause", "lag");
    }
    ::poll(nullptr, 0, 50);
  }
}

/// Wherever the primary is now, it goes to `target`.
Result MongoDb::steer(const std::string& target, Clock::time_point until) {
  Server server = connect(own(), until);
  const Hello hello = ask_hello(server);
  require_set(hello, own());
  const std::string primary = hello.primary ? hello.me : hello.leader;
  if (primary.empty()) {
    throw ServerTrouble(Status::kTransient, "no_primary", own() + " knows no primary of " + hello.set);
  }
  Steering steering{settings_, until};
  if (primary != target) {
    Server leader = connect(primary, until);
    const std::vector<std::string> reasons = steering.refusals(leader, move_to(target));
    if (!reasons.empty()) return refused("refusals", reasons);
  }
  const Moved moved = steering.move(primary, move_to(target));
  Result result = plugin::done(moved.already ? target + " is primary already"
                                             : target + " is primary, after " + primary + " stepped down");
  result.fact("primary", target).fact("reconfigured", moved.reconfigured ? "yes" : "no");
  if (!moved.already) result.fact("without_primary_ms", std::to_string(moved.without_primary.count()));
  return result;
}

Result MongoDb::try_step_down(const Call& call, Clock::time_point until) {
  if (mode_ == "observe") return refused("mode", {"mode = observe: this section only looks"});
  if (call.target() == host_) return refused("target", {"the role should leave " + host_ + ", not go to it"});
  Server other = connect(address_of(taker(call)), until);
  const Hello hello = ask_hello(other);
  require_set(hello, other.address());
  return steer(hello.me, until);
}

Result MongoDb::try_promote(const Call& call, Clock::time_point until) {
  if (!leads()) return refused("mode", {"mode = " + mode_ + ": the replica set elects its primary, Baton does not"});
  Server server = connect(own(), until);
  const Hello hello = ask_hello(server);
  require_set(hello, own());
  for (;;) {
    try {
      return stamp(call, steer(hello.me, until), until);
    } catch (const ServerTrouble& trouble) {
      // The primary has died: the one that is still named does not answer, and the election goes on.
      const bool later = trouble.status() == Status::kTransient && !call.planned();
      if (!later || until - Clock::now() < milliseconds{500}) throw;
    }
    ::poll(nullptr, 0, 200);
  }
}

/// The generation in the data, in a collection of Baton's own, acknowledged by the majority.
Result MongoDb::stamp(const Call& call, Result result, Clock::time_point until) {
  if (result.status != Status::kOk || call.generation() == 0) return result;
  Server server = connect(own(), until);
  const std::uint64_t before = stamped(server, call.instance());
  if (before > call.generation()) {
    return plugin::failed(Status::kConflict, "the data has generation " + std::to_string(before) + " already, above " +
                                                 std::to_string(call.generation()))
        .fact("cause", "generation");
  }
  Document query;
  BSON_APPEND_UTF8(query.raw(), "_id", call.instance().c_str());
  Document values;
  BSON_APPEND_INT64(values.raw(), "generation", static_cast<std::int64_t>(call.generation()));
  BSON_APPEND_UTF8(values.raw(), "host", host_.c_str());
  BSON_APPEND_DATE_TIME(values.raw(), "time", call.at_ns() / 1'000'000);
  Document set;
  BSON_APPEND_DOCUMENT(set.raw(), "$set", values.raw());
  const auto left = std::chrono::duration_cast<milliseconds>(until - Clock::now());
  server.upsert("generation", query, set,
                std::min<milliseconds>(left, std::chrono::duration_cast<milliseconds>(settings_.query_timeout)));
  result.generation = stamped(server, call.instance());
  if (result.generation == call.generation()) return result;
  return plugin::failed(Status::kFatal, "the generation could not be read back").fact("cause", "generation");
}

std::uint64_t MongoDb::stamped(Server& server, const std::string& instance) {
  Document query;
  BSON_APPEND_UTF8(query.raw(), "_id", instance.c_str());
  return static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, server.find_one("generation", query).number("generation")));
}

Result MongoDb::try_demote(const Call& call, Clock::time_point until) {
  if (!leads()) return refused("mode", {"mode = " + mode_ + ": the replica set elects its primary, Baton does not"});
  Server server = connect(own(), until);
  const Hello hello = ask_hello(server);
  require_set(hello, own());
  if (!hello.primary) return plugin::done(hello.me + " is not primary").fact("primary", hello.leader);
  // While no host is known to have the role two standbys would hand the primary to each other for ever.
  if (call.target().empty()) {
    return plugin::done(hello.me + " stays primary until a host that is promoted asks for it")
        .fact("primary", hello.me);
  }
  Server other = connect(address_of(call.target()), until);
  const Hello there = ask_hello(other);
  require_set(there, other.address());
  return steer(there.me, until);
}

Result MongoDb::try_rejoin(const Call&, Clock::time_point until) {
  Server server = connect(own(), until);
  const Hello hello = ask_hello(server);
  require_set(hello, own());
  if (hello.secondary && !hello.leader.empty()) {
    return plugin::done(hello.me + " is secondary of " + hello.leader +
                        "; what it had to roll back, if anything, is in "
                        "the directory rollback of its data")
        .fact("primary", hello.leader);
  }
  if (hello.primary) return refused("primary", {hello.me + " is primary: there is nothing to rejoin"});
  const SetStatus status = ask_status(server);
  const MemberState* self = status.self();
  const char* state = state_words(self == nullptr ? -1 : self->state);
  return plugin::failed(Status::kTransient, hello.me + " is still " + state).fact("cause", state);
}

Result MongoDb::try_verify(const Call& call, Clock::time_point until) {
  Result result = look(until);
  if (result.role != Role::kPrimary || call.instance().empty() || !leads()) return result;
  Server server = connect(own(), until);
  result.generation = stamped(server, call.instance());
  return result;
}

constexpr const char* kManual =
    "A replica set elects its primary by itself; Baton never promotes against it and never uses force.\n\n"
    "mode = observe: a health gate. mode = follow: the role is primary only where mongod and the majority of the set "
    "say so. mode = lead: the primary is steered to the host that holds the address, by step-down and priorities.\n\n"
    "Facts: set, member, primary, state, term, votes, writable, warning, cause; of acts: primary, reconfigured, "
    "without_primary_ms.";

}  // namespace
}  // namespace baton::mongodb

BATON_PLUGIN(baton::mongodb::MongoDb,
             baton::plugin::About{.name = "mongodb",
                                  .version = "1",
                                  .summary = "Observes, follows or leads a MongoDB replica set",
                                  .manual = baton::mongodb::kManual,
                                  .keys = baton::mongodb::kKeys})
