// SPDX-License-Identifier: GPL-2.0-or-later
//
// api.cc: requests to Patroni and their answers as values. An answer that is not what Patroni documents is an error,
// never a guess.
#include "patroni/api.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/pattern.h"

namespace baton_patroni {
namespace {

namespace http = baton::plugin::http;
using Json = nlohmann::json;
using std::chrono::nanoseconds;

constexpr std::size_t kShown = 160;

Json parse(const http::Outcome& outcome, const std::string& what) {
  Json json = Json::parse(outcome.body, nullptr, false);
  if (json.is_object()) return json;
  throw Trouble(Status::kTransient, "answer",
                what + " is not what Patroni answers: " + baton::plugin::excerpt(outcome.body, kShown));
}

std::string text_of(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end()) return {};
  return found->is_string() ? found->get<std::string>() : found->is_null() ? std::string{} : found->dump();
}

std::int64_t number_of(const Json& json, const char* key, std::int64_t otherwise) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number() ? found->get<std::int64_t>() : otherwise;
}

bool flag_of(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_boolean() && found->get<bool>();
}

}  // namespace

ParsedMember parse_member(const std::string& text) {
  ParsedMember parsed;
  std::istringstream words{text};
  std::string address;
  std::string more;
  words >> parsed.member.host >> address >> parsed.member.name >> more;
  if (address.empty() || !more.empty()) {
    parsed.error = "is not of the form `HOST ADDRESS[:PORT] [NAME]`";
    return parsed;
  }
  if (parsed.member.name.empty()) parsed.member.name = parsed.member.host;
  const std::size_t bracket = address.starts_with("[") ? address.find(']') : 0;
  if (bracket == std::string::npos) {
    parsed.error = "its bracket is not closed";
    return parsed;
  }
  const std::size_t colon = address.find(':', bracket);
  const bool bare_v6 = bracket == 0 && colon != std::string::npos && address.rfind(':') != colon;
  parsed.member.address = bare_v6 ? "[" + address + "]" : address.substr(0, colon);
  if (colon == std::string::npos || bare_v6) return parsed;
  const char* begin = address.data() + colon + 1;
  const char* end = address.data() + address.size();
  const auto [stop, error] = std::from_chars(begin, end, parsed.member.port);
  if (error != std::errc{} || stop != end || parsed.member.port == 0) {
    parsed.error = "`" + address.substr(colon + 1) + "` is no port";
  }
  return parsed;
}

const ClusterMember* Cluster::find(const std::string& name) const {
  const auto found = std::find_if(members.begin(), members.end(), [&](const auto& one) { return one.name == name; });
  return found == members.end() ? nullptr : &*found;
}

const ClusterMember* Cluster::leader() const {
  const auto found = std::find_if(members.begin(), members.end(), [](const auto& one) { return one.role == "leader"; });
  return found == members.end() ? nullptr : &*found;
}

Api::Api(const baton::plugin::Host& host)
    : scheme_(host.text("tls") == "no" ? "http://" : "https://"),
      user_(host.text("api_user")),
      password_(host.text("api_password_file")),
      request_timeout_(host.duration("request_timeout")) {
  request_.verify = host.text("tls") == "verify";
  request_.ca_file = host.text("tls_ca");
  request_.client_certificate = host.text("tls_cert");
  request_.client_key = host.text("tls_key");
}

http::Outcome Api::ask(const Member& member, const std::string& method, const std::string& path,
                       const std::optional<std::string>& body, nanoseconds within) {
  http::Request request = request_;
  request.method = method;
  request.url = scheme_ + member.address + ":" + std::to_string(member.port) + path;
  request.maximum_body = 1 << 20;
  if (body) {
    request.body = body;
    request.headers.emplace_back("Content-Type: application/json");
    request.user = user_;
    request.password = password_;
  }
  const http::Outcome outcome = client_.perform(request, body ? within : std::min(within, request_timeout_));
  if (outcome.cause == http::Cause::kNone) return outcome;
  const bool mend =
      outcome.cause == http::Cause::kUrl || outcome.cause == http::Cause::kLocal || outcome.cause == http::Cause::kTls;
  const std::string cause = outcome.cause == http::Cause::kConnectTimeout ? "timeout"
                            : outcome.cause == http::Cause::kTimeout      ? "hung"
                            : outcome.cause == http::Cause::kClosed       ? "reset"
                                                                          : http::token(outcome.cause);
  throw Trouble(mend ? Status::kConfig : Status::kTransient, cause,
                "Patroni of " + member.host + ": " + outcome.sentence);
}

Node Api::node(const Member& member, nanoseconds within) {
  const http::Outcome outcome = ask(member, "GET", "/patroni", std::nullopt, within);
  if (outcome.status == 401 || outcome.status == 403) {
    throw Trouble(Status::kConfig, "auth",
                  "Patroni of " + member.words() + " answered " + std::to_string(outcome.status));
  }
  // 503 with a body is what a member without a running server says.
  const Json json = parse(outcome, "what " + member.words() + " says of itself");
  Node node{.state = text_of(json, "state"), .role = text_of(json, "role")};
  if (node.state.empty() || node.role.empty()) {
    throw Trouble(Status::kTransient, "answer", member.words() + " says neither state nor role: no Patroni?");
  }
  node.system = text_of(json, "database_system_identifier");
  node.timeline = number_of(json, "timeline", 0);
  const Json log = json.value("xlog", json.value("wal", Json::object()));
  node.location = static_cast<std::uint64_t>(number_of(log, node.leads() ? "location" : "received_location", 0));
  node.replayed = static_cast<std::uint64_t>(number_of(log, "replayed_location", 0));
  node.location = std::max(node.location, node.replayed);
  node.replay_paused = flag_of(log, "paused");
  node.maintenance = flag_of(json, "pause");
  node.unlocked = flag_of(json, "cluster_unlocked");
  node.quorum_seen = number_of(json, "dcs_last_seen", 0);
  node.version = text_of(json.value("patroni", Json::object()), "version");
  node.server_version = text_of(json, "server_version");
  return node;
}

Cluster Api::cluster(const Member& member, nanoseconds within) {
  const http::Outcome outcome = ask(member, "GET", "/cluster", std::nullopt, within);
  if (outcome.status != 200) {
    throw Trouble(Status::kTransient, "no_quorum",
                  member.words() + " cannot read the cluster's state (" + std::to_string(outcome.status) + ")");
  }
  const Json json = parse(outcome, "the cluster that " + member.words() + " describes");
  Cluster cluster{.members = {}, .maintenance = flag_of(json, "pause")};
  for (const Json& one : json.value("members", Json::array())) {
    if (!one.is_object()) continue;
    ClusterMember line{.name = text_of(one, "name"), .role = text_of(one, "role"), .state = text_of(one, "state")};
    line.timeline = number_of(one, "timeline", 0);
    line.lag = number_of(one, "lag", -1);
    line.barred = flag_of(one.value("tags", Json::object()), "nofailover");
    cluster.members.push_back(std::move(line));
  }
  return cluster;
}

bool Api::holds_lock(const Member& member, nanoseconds within) {
  return ask(member, "GET", "/primary", std::nullopt, within).status == 200;
}

std::string Api::switch_over(const Member& member, const std::string& leader, const std::string& candidate,
                             nanoseconds within) {
  const std::string order = Json{{"leader", leader}, {"candidate", candidate}}.dump();
  const http::Outcome outcome = ask(member, "POST", "/switchover", order, within);
  if (outcome.status == 200) return {};
  const std::string said = baton::plugin::excerpt(outcome.body, kShown);
  if (outcome.status == 401 || outcome.status == 403) {
    throw Trouble(Status::kConfig, "auth",
                  "Patroni of " + member.words() + " refused the order (" + std::to_string(outcome.status) +
                      ") to user " + (user_.empty() ? "nobody (api_user is not set)" : user_) + ": " + said);
  }
  if (outcome.status == 412 || outcome.status == 400 || outcome.status == 409) {
    throw Trouble(Status::kRefused, "status", "Patroni refuses to switch over: " + said);
  }
  return said.empty() ? "status " + std::to_string(outcome.status) : said;
}

}  // namespace baton_patroni
