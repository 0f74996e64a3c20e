// Endpoints, tokens, and what etcd's errors mean: see gateway.h. Whatever is not a plain answer of the one cluster is a
// typed trouble; nothing is guessed.
#include "etcd/gateway.h"

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <utility>

#include "common/pattern.h"

namespace baton::etcd {
namespace {

namespace http = plugin::http;
using plugin::Status;
using std::chrono::milliseconds;

constexpr int kInvalidArgument = 3;
constexpr int kDeadlineExceeded = 4;
constexpr int kPermissionDenied = 7;
constexpr int kResourceExhausted = 8;
constexpr int kUnavailable = 14;
constexpr int kDataLoss = 15;
constexpr int kUnauthenticated = 16;
constexpr std::size_t kShown = 100;  // bytes of an answer in a sentence
constexpr milliseconds kDiagnosis{300};
const Question kStatus{.path = "/v3/maintenance/status", .body = Json::object()};

std::string hexadecimal(std::uint64_t value) {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%llx", static_cast<unsigned long long>(value));
  return text.data();
}

/// What etcd says is wrong: {"error": "...", "code": 14}, and in answers of streams {"error": {"message": ...}}.
struct Refusal {
  int code = 0;
  std::string message;
};

std::optional<Refusal> refusal_of(const Json& body) {
  const Json& error = member(body, "error");
  if (error.is_null()) return std::nullopt;
  const bool nested = error.is_object();
  const Json& message = nested ? member(error, "message") : error;
  const Json& code = nested ? member(error, "grpc_code") : member(body, "code");
  return Refusal{.code = code.is_number_integer() ? code.get<int>() : 0,
                 .message = message.is_string() ? plugin::excerpt(message.get<std::string>(), kShown) : "?"};
}

bool is_old_token(const Refusal& refusal) {
  return refusal.code == kUnauthenticated || refusal.message.find("auth token") != std::string::npos ||
         refusal.message.find("revision of auth store is old") != std::string::npos;
}

/// A trouble that another endpoint would have, too.
[[noreturn]] void refuse(const std::string& where, const Refusal& refusal) {
  const std::string says = where + " answers: " + refusal.message;
  const auto contains = [&](const char* text) { return refusal.message.find(text) != std::string::npos; };
  if (refusal.code == kPermissionDenied) {
    throw GatewayTrouble(Status::kConfig, "privilege",
                         says + " (its user needs a role with readwrite on the whole prefix)", refusal.code);
  }
  if (refusal.code == kInvalidArgument && contains("user name is empty")) {
    throw GatewayTrouble(Status::kConfig, "auth", says + ": its authentication is on, set username and password_file",
                         refusal.code);
  }
  if (refusal.code == kUnauthenticated || contains("authentication failed")) {
    throw GatewayTrouble(Status::kConfig, "auth", says, refusal.code);
  }
  if (contains("authentication is not enabled")) {
    throw GatewayTrouble(Status::kConfig, "auth",
                         says + ": username is set, but it asks nobody for a password (etcdctl auth enable)",
                         refusal.code);
  }
  if (contains("database space exceeded")) {
    throw GatewayTrouble(Status::kConfig, "disk", says + " (compact, defragment, etcdctl alarm disarm)", refusal.code);
  }
  if (refusal.code == kDataLoss || contains("corrupt")) {
    throw GatewayTrouble(Status::kConfig, "corrupt", says, refusal.code);
  }
  if (refusal.code == kResourceExhausted || contains("too many requests")) {
    throw GatewayTrouble(Status::kTransient, "busy", says, refusal.code);
  }
  if (refusal.code == kUnavailable || refusal.code == kDeadlineExceeded || contains("leader") ||
      contains("timed out")) {
    throw GatewayTrouble(Status::kTransient, "no_quorum", says, refusal.code);
  }
  throw GatewayTrouble(Status::kTransient, "refused_request", says, refusal.code);
}

Status status_of(const http::Outcome& outcome) {
  const bool mend = outcome.cause == http::Cause::kUrl || outcome.cause == http::Cause::kLocal ||
                    (outcome.cause == http::Cause::kTls && outcome.tls_error != "stalled");
  return mend ? Status::kConfig : Status::kTransient;
}

[[noreturn]] void nonsense(const std::string& where, const std::string& what) {
  throw GatewayTrouble(Status::kConfig, "nonsense", where + " does not answer as etcd 3.4 does: " + what);
}

}  // namespace

http::Outcome Gateway::send(std::size_t endpoint, const Question& question, Clock::time_point until) {
  http::Request request = settings_.request;
  request.method = "POST";
  request.url = url(endpoint) + question.path;
  request.headers = {"Content-Type: application/json"};
  if (!token_.empty()) request.headers.push_back("Authorization: " + token_);
  request.body = question.body.dump(-1, ' ', false, Json::error_handler_t::replace);
  request.maximum_body = 256 * 1024;
  const auto left = until - Clock::now();
  return client_.perform(request, std::clamp<std::chrono::nanoseconds>(left, milliseconds{1}, settings_.query_timeout));
}

/// An endpoint that serves nobody without a leader still answers for itself: that is no quorum, not a hung server.
void Gateway::give_up(std::size_t endpoint, const Question& question, const http::Outcome& outcome,
                      Clock::time_point until) {
  if (outcome.cause == http::Cause::kTimeout && question.path != kStatus.path) {
    const http::Outcome status = send(endpoint, kStatus, std::min(until, Clock::now() + kDiagnosis));
    const Json body = Json::parse(status.body, nullptr, false);
    if (status.cause == http::Cause::kNone && status.status == 200 && member(body, "header").is_object()) {
      throw GatewayTrouble(Status::kTransient, "no_quorum",
                           url(endpoint) + " runs, but reaches no majority of its cluster: " + outcome.sentence);
    }
  }
  throw GatewayTrouble(status_of(outcome), http::token(outcome.cause), outcome.sentence);
}

Json Gateway::exchange(std::size_t endpoint, const Question& question, Clock::time_point until) {
  // What is left over tells a hung server from one without a quorum.
  const auto left = until - Clock::now();
  const http::Outcome outcome =
      send(endpoint, question, Clock::now() + left - std::min<Clock::duration>(left / 4, kDiagnosis));
  if (outcome.cause != http::Cause::kNone) give_up(endpoint, question, outcome, until);
  Json body = Json::parse(outcome.body, nullptr, false);
  if (!body.is_object()) {
    const std::string said = "status " + std::to_string(outcome.status) + ", " +
                             (outcome.body.empty() ? "no body" : plugin::excerpt(outcome.body, kShown));
    if (outcome.status < 500) nonsense(url(endpoint), said);
    throw GatewayTrouble(Status::kTransient, "protocol", url(endpoint) + " answers " + said);
  }
  if (const auto refusal = refusal_of(body)) {
    if (is_old_token(*refusal) && !settings_.username.empty()) token_.clear();
    refuse(url(endpoint), *refusal);
  }
  if (outcome.status != 200) nonsense(url(endpoint), "status " + std::to_string(outcome.status));
  if (Json inner = member(body, "result"); !inner.is_null()) return inner;  // one piece of a stream
  return body;
}

void Gateway::authenticate(std::size_t endpoint, Clock::time_point until) {
  if (settings_.username.empty() || !token_.empty()) return;
  const Question question{.path = "/v3/auth/authenticate",
                          .body = {{"name", settings_.username}, {"password", settings_.password}}};
  const Json body = exchange(endpoint, question, until);
  const Json& token = member(body, "token");
  if (!token.is_string() || token.get<std::string>().find_first_of("\r\n") != std::string::npos) {
    nonsense(url(endpoint), "it accepts the password without giving a token");
  }
  token_ = token;
}

Answer Gateway::believe(std::size_t endpoint, const Question& question, Json body) {
  Answer answer;
  answer.endpoint = endpoint;
  const Json& header = member(body, "header");
  if (!header.is_object()) nonsense(url(endpoint), "there is no header");
  try {
    answer.cluster = number(header, "cluster_id");
    answer.revision = number(header, "revision");
    answer.term = number(header, "raft_term");
  } catch (const std::runtime_error& error) {
    nonsense(url(endpoint), error.what());
  }
  if (answer.cluster == 0) nonsense(url(endpoint), "there is no cluster_id");
  if (!settings_.cluster) settings_.cluster = answer.cluster;
  if (answer.cluster != *settings_.cluster) {
    throw GatewayTrouble(Status::kConfig, "cluster",
                         url(endpoint) + " belongs to the etcd cluster " + hexadecimal(answer.cluster) + ", not to " +
                             hexadecimal(*settings_.cluster) + ": two clusters would say yes to two hosts");
  }
  if (question.agreed && answer.revision < revision_) {
    throw GatewayTrouble(Status::kConflict, "rewound",
                         url(endpoint) + " has gone back from revision " + std::to_string(revision_) + " to " +
                             std::to_string(answer.revision) + ": it was restored, or it is another etcd");
  }
  if (question.agreed) revision_ = answer.revision;
  answer.body = std::move(body);
  return answer;
}

Answer Gateway::ask_at(std::size_t endpoint, const Question& question, Clock::time_point until) {
  const bool had_token = !token_.empty();
  authenticate(endpoint, until);
  try {
    return believe(endpoint, question, exchange(endpoint, question, until));
  } catch (const GatewayTrouble&) {
    // The token has ended (five minutes unused, or the member was restarted): once more with a new one.
    if (!had_token || !token_.empty()) throw;
  }
  authenticate(endpoint, until);
  return believe(endpoint, question, exchange(endpoint, question, until));
}

Answer Gateway::ask(const Question& question, Clock::time_point until) {
  std::vector<GatewayTrouble> troubles;
  for (std::size_t tried = 0; tried < size(); ++tried) {
    const std::size_t endpoint = (preferred_ + tried) % size();
    const auto left = until - Clock::now();
    if (left < milliseconds{2}) break;
    // Those that come after it get their share.
    const auto share = std::min<Clock::duration>(left / static_cast<int>(size() - tried), settings_.query_timeout);
    try {
      Answer answer = ask_at(endpoint, question, Clock::now() + share);
      preferred_ = endpoint;
      return answer;
    } catch (const GatewayTrouble& trouble) {
      const bool local = trouble.cause() == "nonsense" || trouble.cause() == "tls";
      const bool answered = trouble.code() == kNotFound || trouble.code() == kFailedPrecondition;
      if ((trouble.status() != Status::kTransient && !local) || answered) throw;
      troubles.push_back(trouble);
    }
  }
  if (troubles.empty()) throw GatewayTrouble(Status::kTransient, "timeout", "no time was left to ask etcd");
  if (troubles.size() == 1) throw troubles.front();
  // What a person has to mend comes first; the others may only be its consequence.
  const auto first = std::find_if(troubles.begin(), troubles.end(),
                                  [](const GatewayTrouble& one) { return one.status() != Status::kTransient; });
  const GatewayTrouble& telling = first == troubles.end() ? troubles.front() : *first;
  throw GatewayTrouble(telling.status(), telling.cause(),
                       "none of " + std::to_string(size()) + " endpoints serves: " + telling.what());
}

}  // namespace baton::etcd
