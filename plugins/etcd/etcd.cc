// SPDX-License-Identifier: GPL-2.0-or-later
//
// etcd: the witness. A host may promote while it holds a lease on the instance's key; etcd's majority gives it to one
// host only. Decides nothing by itself, and believes nothing that it has not read back: an answer that is late, wrong
// or doubtful is no grant.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <random>
#include <set>

#include "common/command.h"
#include "common/text_file.h"
#include "etcd/gateway.h"
#include "plugin.hpp"

namespace baton::etcd {
namespace {

namespace http = plugin::http;
using plugin::Call;
using plugin::Host;
using plugin::Result;
using plugin::State;
using plugin::Status;

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr int kRenewTries = 3;
constexpr std::size_t kShownHolders = 4;
constexpr std::uint64_t kMostSeconds = 3600;  // of `lease`; keeps a liar's number from running over

constexpr baton_key kKeys[] = {
    plugin::key("endpoint", BATON_KEY_TEXT, "A member of the etcd cluster; all of them, one a line.", nullptr,
                BATON_KEY_LIST | BATON_KEY_REQUIRED, "http(s)://HOST:PORT"),
    plugin::key("prefix", BATON_KEY_TEXT, "Where in etcd the keys are; the same on both hosts.", "/baton/"),
    plugin::key("lease", BATON_KEY_DURATION, "How long a grant is good without being renewed; whole seconds.", "10s", 0,
                nullptr, 2 * kSecond, std::int64_t{kMostSeconds} * kSecond),
    plugin::key("cluster_id", BATON_KEY_TEXT, "Believe this etcd cluster only.", nullptr, 0,
                "decimal, or hexadecimal with 0x"),
    plugin::key("min_members", BATON_KEY_INTEGER,
                "The fewest members that the cluster must have. Not set: as many as there are endpoints.", nullptr, 0,
                nullptr, 1, 99),
    plugin::key("username", BATON_KEY_TEXT, "Name for etcd's authentication."),
    plugin::key("password_file", BATON_KEY_SECRET, "File with the password for it."),
    plugin::key("tls_ca", BATON_KEY_PATH, "Authorities (PEM) to trust instead of the system's."),
    plugin::key("tls_cert", BATON_KEY_SECRET, "File with our certificate (PEM) and its chain."),
    plugin::key("tls_key", BATON_KEY_SECRET, "File with its key (PEM, not encrypted), if it is not in tls_cert."),
    plugin::key("query_timeout", BATON_KEY_DURATION,
                "The longest wait for one endpoint, connecting included, before the next is asked.", "2s", 0, nullptr,
                10'000'000, 60 * kSecond),
};

std::optional<std::uint64_t> cluster_of(const std::string& text) {
  const bool hexadecimal = text.starts_with("0x");
  const char* begin = text.data() + (hexadecimal ? 2 : 0);
  const char* end = text.data() + text.size();
  std::uint64_t value = 0;
  const auto [stopped, error] = std::from_chars(begin, end, value, hexadecimal ? 16 : 10);
  if (error != std::errc{} || stopped != end || value == 0) return std::nullopt;
  return value;
}

std::string without_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

std::string boot_id() {
  const plugin::TextFile file = plugin::read_text_file("/proc/sys/kernel/random/boot_id", 64);
  if (!file.error.empty()) throw plugin::Failure(Status::kConfig, "cannot tell this boot from others: " + file.error);
  return file.text.substr(0, file.text.find('\n'));
}

GatewaySettings settings_of(const Host& host) {
  GatewaySettings settings;
  for (const std::string& url : host.list("endpoint")) settings.endpoints.push_back(without_slash(url));
  settings.request.ca_file = host.text("tls_ca");
  settings.request.client_certificate = host.text("tls_cert");
  settings.request.client_key = host.text("tls_key");
  settings.username = host.text("username");
  settings.password = host.text("password_file");
  settings.query_timeout = host.duration("query_timeout");
  if (host.has("cluster_id")) settings.cluster = cluster_of(host.text("cluster_id"));
  return settings;
}

std::string prefix_of(const Host& host) {
  const std::string prefix = host.text("prefix");
  return prefix.ends_with('/') ? prefix : prefix + "/";
}

/// A positive number that nobody else will draw: the lease is known by it even if the answer to its making was lost.
std::int64_t draw_lease() {
  std::random_device random;
  const std::uint64_t high = random();
  const std::uint64_t value = (high << 32 | random()) & 0x7FFF'FFFF'FFFF'FFFF;
  return static_cast<std::int64_t>(value == 0 ? 1 : value);
}

Clock::time_point deadline_of(const Call& call) {
  const auto left = call.remaining();
  // Enough to say what happened.
  return Clock::now() + left - std::min<std::chrono::nanoseconds>(left / 20, std::chrono::milliseconds{50});
}

std::string generation_words(std::uint64_t generation) { return "generation " + std::to_string(generation); }

Result troubled(const plugin::Trouble& trouble) {
  return plugin::failed(trouble.status(), trouble.what()).fact("cause", trouble.cause());
}

Result refused(const std::string& cause, const std::string& sentence) {
  Result result = plugin::failed(Status::kRefused, sentence).fact("cause", cause);
  result.refusals.push_back(sentence);
  return result;
}

Result late(std::chrono::nanoseconds took, std::chrono::nanoseconds lease) {
  return plugin::failed(Status::kTransient, "etcd took " + plugin::duration_words(took) + " to grant " +
                                                plugin::duration_words(lease) + ": that is over already")
      .fact("cause", "late");
}

class Witness {
 public:
  explicit Witness(const Host& host)
      : gateway_(settings_of(host)),
        prefix_(prefix_of(host)),
        lease_(host.duration("lease")),
        min_members_(host.has("min_members") ? static_cast<std::size_t>(host.number("min_members")) : gateway_.size()),
        self_{.host = host.host_name(), .boot = boot_id()} {}

  static void check_settings(const Host& host);
  Result probe(const Call& call);
  Result acquire(const Call& call) { return guarded(call, &Witness::try_acquire); }
  Result renew(const Call& call) { return guarded(call, &Witness::try_renew); }
  Result release(const Call& call) { return guarded(call, &Witness::try_release); }

 private:
  /// One call: what all steps of it need.
  struct Matter {
    Keys keys;
    std::uint64_t generation;
    Clock::time_point begun;
    Clock::time_point until;
  };
  using Act = Result (Witness::*)(const Matter&);

  Result guarded(const Call& call, Act act);
  Result try_acquire(const Matter& matter);
  Result try_renew(const Matter& matter);
  Result try_release(const Matter& matter);

  View read(const Matter& matter);
  Answer transact(const Json& request, const Matter& matter);
  View view_in(const Answer& answer, const Matter& matter) const;
  void require_members(Clock::time_point until);
  std::size_t count_members(const Answer& answer) const;
  Result claim(const Matter& matter, const View& seen);
  Result settle(const Matter& matter, const View& seen, std::int64_t lease, std::chrono::nanoseconds granted);
  Result adopt(const Matter& matter, const View& seen);
  Result prolong(const Matter& matter, const Held& held);
  Result granted(const Matter& matter, const Held& held, const View& view, std::chrono::nanoseconds lease) const;
  Result held_by_other(const Matter& matter, const View& view);
  std::chrono::nanoseconds grant_lease(const Matter& matter, std::int64_t lease);
  void revoke(std::int64_t lease, Clock::time_point until);
  bool is_ours(const Held& held) const { return held.readable && held.identity.same_machine(self_); }
  std::string owner_words(const Held& held) const;
  Result look_at(std::size_t endpoint, Clock::time_point until);
  void describe(Result& result, std::size_t endpoint, Clock::time_point until);

  Gateway gateway_;
  std::string prefix_;
  std::chrono::nanoseconds lease_;
  std::size_t min_members_;
  Identity self_;
};

void check_endpoints(const Host& host) {
  std::set<std::string> seen;
  bool https = false;
  for (const std::string& given : host.list("endpoint")) {
    const std::string url = without_slash(given);
    const std::size_t scheme = url.find("://");
    if (const std::string error = http::unusable_url(url); !error.empty()) {
      host.complain("endpoint", error);
    } else if (url.find_first_of("/?#@", scheme + 3) != std::string::npos) {
      host.complain("endpoint", "\"" + given + "\" has more than http(s)://HOST:PORT");
    }
    if (!seen.insert(url).second) host.complain("endpoint", "\"" + given + "\" is there twice");
    https = https || url.starts_with("https://");
  }
  for (const char* name : {"tls_ca", "tls_cert"}) {
    if (!https && host.has(name)) host.complain(name, "is of no use without an endpoint with https://");
  }
}

void Witness::check_settings(const Host& host) {
  check_endpoints(host);
  if (host.has("tls_key") && !host.has("tls_cert")) host.complain("tls_key", "there is no tls_cert for it");
  if (host.has("password_file") != host.has("username")) {
    host.complain(host.has("username") ? "username" : "password_file", "username and password_file go together");
  }
  if (host.duration("lease").count() % kSecond != 0) host.complain("lease", "etcd counts leases in whole seconds");
  if (host.has("cluster_id") && !cluster_of(host.text("cluster_id"))) {
    host.complain("cluster_id", "\"" + host.text("cluster_id") + "\" is no number; hexadecimal begins with 0x");
  }
  if (host.text("prefix").empty()) host.complain("prefix", "may not be empty");
}

Result Witness::guarded(const Call& call, Act act) {
  if (call.instance().empty() || call.instance().find('/') != std::string::npos) {
    return plugin::failed(Status::kConfig, "a witness needs to know for which instance").fact("cause", "instance");
  }
  const Matter matter{.keys = keys_of(prefix_, call.instance()),
                      .generation = call.generation(),
                      .begun = Clock::now(),
                      .until = deadline_of(call)};
  try {
    return (this->*act)(matter);
  } catch (const GatewayTrouble& trouble) {
    if (trouble.code() != kNotFound) return troubled(trouble);
    // The lease has lapsed between two of our requests. Acquiring may be tried anew; what was held is lost.
    const std::string sentence = "the lease on " + matter.keys.holder + " has lapsed meanwhile: " + trouble.what();
    if (call.verb() == "renew") return refused("lapsed", sentence);
    return plugin::failed(Status::kTransient, sentence).fact("cause", "late");
  } catch (const plugin::Trouble& trouble) {
    return troubled(trouble);
  }
}

View Witness::view_in(const Answer& answer, const Matter& matter) const {
  try {
    return view_of(answer.body, matter.keys);
  } catch (const std::runtime_error& error) {
    throw GatewayTrouble(Status::kConfig, "nonsense", gateway_.url(answer.endpoint) + ": " + error.what());
  }
}

Answer Witness::transact(const Json& request, const Matter& matter) {
  return gateway_.ask({.path = "/v3/kv/txn", .body = request, .agreed = true}, matter.until);
}

View Witness::read(const Matter& matter) { return view_in(transact(read_request(matter.keys), matter), matter); }

/// Two etcds that were started by themselves say the same cluster_id (it is made of their settings), and each would
/// grant to the host that asks it. Such a cluster has fewer members than the configuration has endpoints.
void Witness::require_members(Clock::time_point until) {
  const Answer answer = gateway_.ask({.path = "/v3/cluster/member/list", .body = Json::object()}, until);
  const std::size_t count = count_members(answer);
  if (count >= min_members_) return;
  throw GatewayTrouble(Status::kConfig, "members",
                       gateway_.url(answer.endpoint) + " is of a cluster of " + std::to_string(count) +
                           ", but there should be " + std::to_string(min_members_) +
                           " members (min_members): several small clusters would say yes to several hosts");
}

std::size_t Witness::count_members(const Answer& answer) const {
  const Json& members = member(answer.body, "members");
  return !members.is_array()
             ? 0
             : static_cast<std::size_t>(std::count_if(members.begin(), members.end(), [](const Json& one) {
                 return !member(one, "isLearner").is_boolean();
               }));
}

std::string Witness::owner_words(const Held& held) const {
  if (!held.readable) return "somebody who is not Baton";
  if (held.identity.host != self_.host) return held.identity.host;
  return self_.host + " itself, in an earlier boot, or another host of that name,";
}

Result Witness::held_by_other(const Matter& matter, const View& view) {
  const Held& held = *view.held;
  std::string until = "for at most " + plugin::duration_words(lease_) + " more";
  std::string remaining;
  if (held.lease == 0) {
    until = "without a lease, so for ever: delete the key " + matter.keys.holder;
  } else {
    try {
      const Question question{.path = "/v3/lease/timetolive", .body = {{"ID", std::to_string(held.lease)}}};
      const Answer answer = gateway_.ask(question, matter.until);
      // etcd cuts off what is less than a second; of what has lapsed it says -1, and deletes the key soon.
      const Json& left = member(answer.body, "TTL");
      remaining = left.is_string() && left.get<std::string>().starts_with('-')
                      ? "0"
                      : std::to_string(std::min(number(answer.body, "TTL"), kMostSeconds) + 1);
      until = "for at most " + remaining + " s more unless it renews";
    } catch (const std::exception&) {  // the refusal stands without it
    }
  }
  Result result = refused("held", owner_words(held) + " holds " + matter.keys.holder + " with " +
                                      generation_words(held.identity.generation) + ", " + until);
  result.generation = view.highest;
  result.fact("holder", held.identity.host).fact("holder_generation", std::to_string(held.identity.generation));
  if (!remaining.empty()) result.fact("holder_seconds", remaining);
  return result;
}

Result Witness::granted(const Matter& matter, const Held& held, const View& view,
                        std::chrono::nanoseconds lease) const {
  if (const auto took = Clock::now() - matter.begun; took >= lease) return late(took, lease);
  Result result =
      plugin::done(self_.host + " holds " + matter.keys.holder + " for " + plugin::duration_words(lease) + " with " +
                   generation_words(held.identity.generation) + ", token " + std::to_string(held.created));
  result.token = held.created;
  result.lease = lease;
  result.generation = view.highest;
  return std::move(result.fact("holder", self_.host).fact("lease_id", std::to_string(held.lease)));
}

/// How long etcd says, but never longer than was asked for. Zero: the lease is over.
std::chrono::nanoseconds bounded(const Answer& answer, std::chrono::nanoseconds asked) {
  return std::min<std::chrono::nanoseconds>(asked,
                                            std::chrono::seconds{std::min(number(answer.body, "TTL"), kMostSeconds)});
}

std::chrono::nanoseconds Witness::grant_lease(const Matter& matter, std::int64_t lease) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(lease_).count();
  const Question question{.path = "/v3/lease/grant",
                          .body = {{"TTL", std::to_string(seconds)}, {"ID", std::to_string(lease)}}};
  try {
    const Answer answer = gateway_.ask(question, matter.until);
    if (number(answer.body, "ID") != static_cast<std::uint64_t>(lease)) throw std::runtime_error("another lease");
    const auto granted = bounded(answer, lease_);
    if (granted.count() == 0) throw std::runtime_error("a lease of no time");
    return granted;
  } catch (const GatewayTrouble& trouble) {
    // The first endpoint had done it, and its answer was lost.
    if (trouble.code() == kFailedPrecondition) return lease_;
    throw;
  } catch (const std::runtime_error& error) {
    throw GatewayTrouble(Status::kConfig, "nonsense",
                         std::string{"etcd grants what was not asked for: "} + error.what());
  }
}

/// As far as it goes: what is not revoked lapses.
void Witness::revoke(std::int64_t lease, Clock::time_point until) {
  try {
    gateway_.ask({.path = "/v3/lease/revoke", .body = {{"ID", std::to_string(lease)}}}, until);
  } catch (const plugin::Trouble&) {
  }
}

Result Witness::try_acquire(const Matter& matter) {
  const View seen = read(matter);
  require_members(matter.until);
  if (seen.held && is_ours(*seen.held)) return adopt(matter, seen);
  if (seen.held) return held_by_other(matter, seen);
  // Nobody has been granted anything since: it may go on with what it had.
  const bool again = matter.generation == seen.highest && seen.last.same_machine(self_);
  if (matter.generation != 0 && matter.generation <= seen.highest && !again) {
    Result result = refused("generation", generation_words(matter.generation) + " is not above " +
                                              std::to_string(seen.highest) + ", the highest that was granted");
    result.generation = seen.highest;
    return result;
  }
  return claim(matter, seen);
}

Result Witness::claim(const Matter& matter, const View& seen) {
  const std::int64_t lease = draw_lease();
  const auto lasts = grant_lease(matter, lease);
  Identity wanted = self_;
  wanted.generation = matter.generation;
  const Answer answer = transact(claim_request(matter.keys, seen, wanted, lease), matter);
  const View view = view_in(answer, matter);
  const bool got = view.held && is_ours(*view.held) && view.held->lease == lease;
  if (!got && !succeeded(answer.body)) {
    revoke(lease, matter.until);
    if (view.held) return held_by_other(matter, view);
    Result result =
        refused("race", "another host has granted itself a generation meanwhile: " + std::to_string(view.highest));
    result.generation = view.highest;
    return result;
  }
  return settle(matter, view, lease, lasts);
}

/// A second look, by another endpoint if there is one: an etcd that says yes to everybody, or two of them, would be
/// seen here.
Result Witness::settle(const Matter& matter, const View& view, std::int64_t lease, std::chrono::nanoseconds lasts) {
  gateway_.prefer_another();
  const View again = read(matter);
  if (const auto took = Clock::now() - matter.begun; took >= lasts) return late(took, lasts);
  for (const View* one : {&view, &again}) {
    const bool ours = one->held && is_ours(*one->held) && one->held->lease == lease &&
                      one->held->identity.generation == matter.generation;
    const bool counted = matter.generation == 0 || one->highest == matter.generation;
    if (ours && counted && one->held->created == view.held->created) continue;
    const std::string who = one->held ? owner_words(*one->held) : "nobody";
    return plugin::failed(Status::kConflict, "etcd has said yes, but what it shows says that " + who + " holds " +
                                                 matter.keys.holder + " with " + generation_words(one->highest) +
                                                 ": it is not to be believed")
        .fact("cause", "two_answers");
  }
  return granted(matter, *again.held, again, lasts);
}

/// Held by this host since before: a repeated call, or a new generation of the same holder.
Result Witness::adopt(const Matter& matter, const View& seen) {
  const Held& held = *seen.held;
  if (matter.generation == 0 || matter.generation == held.identity.generation) return prolong(matter, held);
  if (matter.generation <= seen.highest) {
    Result result = refused("generation", generation_words(matter.generation) + " is not above " +
                                              std::to_string(seen.highest) + ", the highest that was granted");
    result.generation = seen.highest;
    return result;
  }
  Identity wanted = self_;
  wanted.generation = matter.generation;
  const Answer answer = transact(claim_request(matter.keys, seen, wanted, held.lease), matter);
  const View view = view_in(answer, matter);
  if (view.held && is_ours(*view.held) && view.held->identity.generation == matter.generation) {
    return prolong(matter, *view.held);
  }
  if (view.held && !is_ours(*view.held)) return held_by_other(matter, view);
  return refused("race", "the lease was given up or changed while its generation was being raised");
}

Result Witness::try_renew(const Matter& matter) {
  const View seen = read(matter);
  if (!seen.held) {
    Result result = refused("lapsed", "nobody holds " + matter.keys.holder + " any more: the lease has lapsed");
    result.generation = seen.highest;
    return result;
  }
  if (!is_ours(*seen.held)) return held_by_other(matter, seen);
  if (matter.generation != 0 && matter.generation != seen.held->identity.generation) {
    return refused("generation", "it is held with " + generation_words(seen.held->identity.generation) + ", not with " +
                                     std::to_string(matter.generation));
  }
  return prolong(matter, *seen.held);
}

/// A leader that has been cut off renews leases that the majority lets lapse. So what it says counts only together with
/// a read by the majority at the same endpoint in the same term of the same leader.
Result Witness::prolong(const Matter& matter, const Held& held) {
  const Question keep{.path = "/v3/lease/keepalive", .body = {{"ID", std::to_string(held.lease)}}};
  for (int tries = 0; tries < kRenewTries; ++tries) {
    const Answer kept = gateway_.ask(keep, matter.until);
    std::chrono::nanoseconds lasts{0};
    try {
      lasts = bounded(kept, lease_);
    } catch (const std::runtime_error& error) {
      throw GatewayTrouble(Status::kConfig, "nonsense", gateway_.url(kept.endpoint) + ": " + error.what());
    }
    if (lasts.count() == 0) return refused("lapsed", "the lease on " + matter.keys.holder + " has lapsed");
    Answer answer;
    try {
      answer = gateway_.ask_at(kept.endpoint, {.path = "/v3/kv/txn", .body = read_request(matter.keys), .agreed = true},
                               matter.until);
    } catch (const GatewayTrouble& trouble) {
      if (trouble.status() != Status::kTransient || gateway_.size() == 1 || Clock::now() >= matter.until) throw;
      gateway_.prefer_another();
      continue;
    }
    const View view = view_in(answer, matter);
    if (!view.held) return refused("lapsed", "nobody holds " + matter.keys.holder + " any more");
    if (!is_ours(*view.held)) return held_by_other(matter, view);
    if (view.held->lease != held.lease || view.held->created != held.created) {
      return refused("changed", matter.keys.holder + " is held by this host with another lease");
    }
    if (kept.term == answer.term) return granted(matter, *view.held, view, lasts);
  }
  throw GatewayTrouble(Status::kTransient, "election", "etcd keeps changing its leader: the lease may not be renewed");
}

Result Witness::try_release(const Matter& matter) {
  const View seen = read(matter);
  if (!seen.held || !is_ours(*seen.held)) {
    return plugin::done(!seen.held ? "nobody holds " + matter.keys.holder
                                   : owner_words(*seen.held) + " holds " + matter.keys.holder + ", not this host");
  }
  // A late release must not take away what was acquired after it.
  if (matter.generation != 0 && matter.generation < seen.held->identity.generation) {
    return plugin::done("it is held with " + generation_words(seen.held->identity.generation) + ", not with " +
                        std::to_string(matter.generation) + ": left alone");
  }
  transact(release_request(matter.keys, *seen.held), matter);
  // The transaction may have been refused because an earlier try of it had been done.
  const View after = read(matter);
  if (after.held && after.held->lease == seen.held->lease) {
    return plugin::failed(Status::kTransient, matter.keys.holder + " is still held").fact("cause", "race");
  }
  revoke(seen.held->lease, matter.until);
  return plugin::done(matter.keys.holder + " is given up");
}

/// Who holds what, read by the majority.
Result Witness::look_at(std::size_t endpoint, Clock::time_point until) {
  const Answer answer =
      gateway_.ask_at(endpoint, {.path = "/v3/kv/range", .body = list_request(prefix_), .agreed = true}, until);
  Result result = plugin::pass("");
  std::size_t shown = 0;
  try {
    const Json& pairs = member(answer.body, "kvs");
    for (const Json& pair : pairs.is_array() ? pairs : Json::array()) {
      const std::string name = decode_base64(member(pair, "key").get<std::string>());
      if (!name.ends_with("/holder") || ++shown > kShownHolders) continue;
      const std::string instance = name.substr(prefix_.size(), name.size() - prefix_.size() - 7);
      const Held held = held_of(pair);
      result.fact("holder_" + instance,
                  (held.readable ? held.identity.host : "?") + " " + generation_words(held.identity.generation));
    }
  } catch (const std::exception& error) {
    throw GatewayTrouble(Status::kConfig, "nonsense", gateway_.url(endpoint) + ": " + error.what());
  }
  result.fact("cluster_id", std::to_string(answer.cluster)).fact("revision", std::to_string(answer.revision));
  return result;
}

/// What is good to know; nothing depends on it.
void Witness::describe(Result& result, std::size_t endpoint, Clock::time_point until) {
  try {
    const Answer status = gateway_.ask_at(endpoint, {.path = "/v3/maintenance/status", .body = Json::object()}, until);
    const Json& version = member(status.body, "version");
    if (version.is_string()) result.fact("version", version.get<std::string>());
    const Json& leader = member(status.body, "leader");
    if (leader.is_string()) result.fact("leader", leader.get<std::string>());
  } catch (const plugin::Trouble&) {
  }
}

Result Witness::probe(const Call& call) {
  const auto until = deadline_of(call);
  Result result;
  std::optional<GatewayTrouble> worst;
  std::size_t serving = 0;
  for (std::size_t i = 0; i < gateway_.size(); ++i) {
    const auto share = (until - Clock::now()) / static_cast<int>(gateway_.size() - i);
    try {
      Result one = look_at(i, Clock::now() + share);
      if (++serving > 1) continue;
      result = std::move(one);
      require_members(Clock::now() + share);
      result.sentence = gateway_.url(i) + " answers with a majority";
      describe(result, i, Clock::now() + share);
    } catch (const GatewayTrouble& trouble) {
      if (!worst || trouble.status() != Status::kTransient) worst = trouble;
    }
  }
  result.fact("endpoints", std::to_string(serving) + " of " + std::to_string(gateway_.size()));
  if (!worst) return result;
  // Another cluster, no right, a restored database: one endpoint is enough not to trust the rest.
  const bool mend = worst->status() != Status::kTransient && worst->cause() != "tls";
  result.fact("cause", worst->cause());
  if (serving == 0 || mend) {
    result.status = worst->status();
    result.state = worst->status() == Status::kTransient ? State::kFail : State::kUnknown;
    result.sentence = worst->what();
  } else {
    result.warning = true;
    result.sentence += ", but one endpoint does not serve: " + std::string{worst->what()};
  }
  return result;
}

constexpr const char* kManual =
    "The witness: a lease in etcd 3.4 or later, over its HTTP/JSON gateway, so that at most one host is granted the "
    "right to promote. Each instance has two keys under `prefix`: INSTANCE/holder, which belongs to a lease, and "
    "INSTANCE/generation, which only grows.\n\n"
    "acquire is refused while another host holds the instance, and for a generation that is not above the highest that "
    "was granted. An answer that is late, wrong or in doubt is no grant.\n\n"
    "Facts: cause, holder, holder_generation, holder_seconds, lease_id; of probe: endpoints, cluster_id, revision, "
    "version, leader, holder_INSTANCE.";

}  // namespace
}  // namespace baton::etcd

BATON_PLUGIN(baton::etcd::Witness, baton::plugin::About{.name = "etcd",
                                                        .version = "1",
                                                        .summary = "A witness: leases in etcd",
                                                        .manual = baton::etcd::kManual,
                                                        .keys = baton::etcd::kKeys})
