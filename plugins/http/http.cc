// The `http` check: one request for each probe, on a connection of its own; the answer's status and body decide. What
// the application (or the way to it) does wrong is `fail`; what only this host does wrong is `unknown`. Remembers
// nothing between probes but the addresses of names.
#include <plugin.hpp>

#include "common/certificate.h"
#include "common/http_request.h"
#include "common/pattern.h"
#include "http/status_list.h"

namespace baton::http_check {
namespace {

namespace http = plugin::http;
using plugin::Call;
using plugin::Host;
using plugin::Pattern;
using plugin::Result;
using plugin::Status;

constexpr std::int64_t kDay = std::int64_t{86400} * 1'000'000'000;
constexpr std::size_t kShown = 80;  // bytes of a body in a sentence

constexpr baton_key kKeys[] = {
    plugin::key("url", BATON_KEY_TEXT,
                "What to ask for: http:// or https://. With unix_socket the default is http://localhost/."),
    plugin::key("unix_socket", BATON_KEY_PATH, "Connect to this socket; the url gives path and Host header only."),
    plugin::key("method", BATON_KEY_TEXT, "The request's method.", "GET", 0, "GET, HEAD, POST, ..."),
    plugin::key("header", BATON_KEY_TEXT, "A header to send.", nullptr, BATON_KEY_LIST, "Name: value"),
    plugin::key("body", BATON_KEY_TEXT, "The body to send."),
    plugin::key("expect_status", BATON_KEY_TEXT, "The statuses that pass.", "200", BATON_KEY_LIST,
                "200, 204 or 200-299"),
    plugin::key("expect_body", BATON_KEY_TEXT, "A text that must occur in the answer's body; each one, if repeated.",
                nullptr, BATON_KEY_LIST),
    plugin::key("expect_body_regex", BATON_KEY_TEXT, "A POSIX extended regular expression that must match in the body.",
                nullptr, BATON_KEY_LIST),
    plugin::key("max_body", BATON_KEY_INTEGER, "The most bytes that a body may have.", "65536", 0, nullptr, 1,
                16 * 1024 * 1024),
    plugin::key("ca_file", BATON_KEY_PATH, "Authorities (PEM) to trust instead of the system's."),
    plugin::key("client_certificate", BATON_KEY_SECRET, "File with our certificate (PEM) and its chain."),
    plugin::key("client_key", BATON_KEY_SECRET,
                "File with its key (PEM, not encrypted), if it is not in client_certificate."),
    plugin::key("verify", BATON_KEY_BOOLEAN, "no: accept any certificate. Every answer says so.", "yes"),
    plugin::key("server_name", BATON_KEY_TEXT,
                "Name for the certificate and the Host header, if the url has another or an address."),
    plugin::key("certificate_warning", BATON_KEY_DURATION,
                "Pass with a warning when the certificate ends sooner than this.", "14d", 0, nullptr, 0, 3650 * kDay),
    plugin::key("username", BATON_KEY_TEXT, "Name for basic authentication."),
    plugin::key("password", BATON_KEY_SECRET, "File with the password for it."),
    plugin::key("bearer_token", BATON_KEY_SECRET, "File with a token for `Authorization: Bearer`."),
    plugin::key("follow_redirects", BATON_KEY_INTEGER, "How many redirects to follow.", "0", 0, nullptr, 0, 10),
    plugin::key("resolve_every", BATON_KEY_DURATION,
                "How long the addresses of a name are good; older ones are used while name servers fail.", "60s", 0,
                nullptr, 1'000'000'000, kDay),
};

constexpr const char* kManual =
    "Asks a server once for each probe, over http, https or a unix socket, on a new connection, and passes when the "
    "status is "
    "one of expect_status and the body has what expect_body and expect_body_regex want.\n\n"
    "fail: what clients would meet, too: refused, reset, no answer, wrong status or body, a certificate that is not "
    "valid.\n"
    "unknown: what only this host does wrong: name servers, an unreadable ca_file, a client key that cannot be "
    "used.\n\n"
    "Facts: cause, status, total_ms, connect_ms, address, bytes, tls, tls_error, certificate_days, dns.";

bool is_token(const std::string& text) {
  return !text.empty() && text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") ==
                              std::string::npos;
}

std::string url_of(const Host& host) {
  return host.has("url") || !host.has("unix_socket") ? host.text("url") : "http://localhost/";
}

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

class Check {
 public:
  explicit Check(const Host& host) : client_(host.duration("resolve_every")) {
    request_.url = url_of(host);
    request_.unix_socket = host.text("unix_socket");
    request_.method = host.text("method");
    request_.headers = host.list("header");
    if (host.has("body")) request_.body = host.text("body");
    request_.user = host.text("username");
    request_.password = host.text("password");
    if (host.has("bearer_token")) request_.headers.push_back("Authorization: Bearer " + host.text("bearer_token"));
    request_.ca_file = host.text("ca_file");
    request_.client_certificate = host.text("client_certificate");
    request_.client_key = host.text("client_key");
    request_.verify = host.flag("verify");
    request_.server_name = host.text("server_name");
    request_.follow_redirects = static_cast<int>(host.number("follow_redirects"));
    request_.maximum_body = static_cast<std::size_t>(host.number("max_body"));
    certificate_warning_days_ = host.duration("certificate_warning").count() / kDay;
    texts_ = host.list("expect_body");
    for (const std::string& text : host.list("expect_status")) expect(statuses_.add(text));
    for (const std::string& text : host.list("expect_body_regex")) {
      std::string error;
      patterns_.push_back(Pattern::compile(text, error));
      expect(error);
    }
  }

  static void check_settings(const Host& host);
  Result probe(const Call& call);

 private:
  static void expect(const std::string& error) {
    if (!error.empty()) throw plugin::Failure(Status::kConfig, error);
  }
  Result judge(const http::Outcome& outcome) const;
  Result judge_body(const http::Outcome& outcome) const;
  Result wrong_status(const http::Outcome& outcome) const;
  Result passed(const http::Outcome& outcome) const;
  std::string place(const http::Outcome& outcome) const;

  http::Request request_;
  StatusList statuses_;
  std::vector<std::string> texts_;
  std::vector<Pattern> patterns_;
  std::int64_t certificate_warning_days_ = 0;
  http::Client client_;
};

void check_header(const Host& host, const std::string& header) {
  const std::size_t colon = header.find(':');
  if (colon == std::string::npos || !is_token(header.substr(0, colon))) {
    host.complain("header", quoted(header) + " is not of the form `Name: value`");
  } else if (header.find_first_of("\r\n") != std::string::npos) {
    host.complain("header", "a header is one line");
  }
}

void check_credentials(const Host& host) {
  if (host.has("client_key") && !host.has("client_certificate")) {
    host.complain("client_key", "there is no client_certificate for it");
  }
  if (host.has("password") && !host.has("username")) host.complain("password", "there is no username for it");
  if (host.has("username") && host.has("bearer_token"))
    host.complain("bearer_token", "either username or bearer_token, not both");
}

void Check::check_settings(const Host& host) {
  const std::string url = url_of(host);
  if (url.empty()) {
    host.complain(nullptr, "a url (or a unix_socket) is needed");
  } else if (const std::string error = http::unusable_url(url, "username and password"); !error.empty()) {
    host.complain("url", error);
  }
  const bool https = url.starts_with("https://");
  for (const char* name : {"ca_file", "client_certificate"}) {
    if (!https && host.has(name)) host.complain(name, "is of no use without https://");
  }
  if (!host.flag("verify") && host.has("ca_file")) host.complain("ca_file", "is of no use with `verify = no`");
  if (!is_token(host.text("method"))) host.complain("method", quoted(host.text("method")) + " is no method");
  for (const std::string& header : host.list("header")) check_header(host, header);
  check_credentials(host);
  StatusList statuses;
  for (const std::string& text : host.list("expect_status")) {
    if (const std::string error = statuses.add(text); !error.empty()) host.complain("expect_status", error);
  }
  for (const std::string& text : host.list("expect_body_regex")) {
    std::string error;
    Pattern::compile(text, error);
    if (!error.empty()) host.complain("expect_body_regex", error);
  }
  if (host.text("method") == "HEAD" && (host.has("expect_body") || host.has("expect_body_regex"))) {
    host.complain("method", "the answer to HEAD has no body to look into");
  }
}

/// "https://web.example:443/status", so that one of many checks is found; with the socket if there is one.
std::string Check::place(const http::Outcome& outcome) const {
  const std::string& url = outcome.url.empty() ? request_.url : outcome.url;
  return request_.unix_socket.empty() ? url : request_.unix_socket + " " + url;
}

Result Check::wrong_status(const http::Outcome& outcome) const {
  const std::string answered = place(outcome) + " answered " + std::to_string(outcome.status);
  if (!outcome.location.empty()) {
    return plugin::fail(place(outcome) + " redirects (" + std::to_string(outcome.status) + ") to " + outcome.location +
                        ", which is not followed (follow_redirects)")
        .fact("cause", "redirect");
  }
  const std::string said = plugin::excerpt(outcome.body, kShown);
  const bool denied = outcome.status == 401 || outcome.status == 403 || outcome.status == 407;
  return plugin::fail(answered + (denied ? " (access denied)" : "") + ", not " + statuses_.words() +
                      (said.empty() ? "" : ": " + said))
      .fact("cause", denied ? "auth" : "status");
}

Result Check::judge_body(const http::Outcome& outcome) const {
  const std::string begins =
      outcome.body.empty() ? " (the body is empty)" : ": " + plugin::excerpt(outcome.body, kShown);
  const std::string answered = place(outcome) + " answered " + std::to_string(outcome.status) + ", but the body ";
  for (const std::string& text : texts_) {
    if (outcome.body.find(text) != std::string::npos) continue;
    return plugin::fail(answered + "does not contain " + quoted(text) + begins).fact("cause", "body");
  }
  for (const Pattern& pattern : patterns_) {
    if (pattern.matches(outcome.body)) continue;
    return plugin::fail(answered + "does not match " + quoted(pattern.text()) + begins).fact("cause", "body");
  }
  return passed(outcome);
}

Result Check::passed(const http::Outcome& outcome) const {
  std::string sentence = place(outcome) + " answers " + std::to_string(outcome.status) + " in " +
                         std::to_string(outcome.total.count()) + " ms";
  if (outcome.tls_version.empty()) return plugin::pass(sentence);
  if (!request_.verify) sentence += "; its certificate is not verified (verify = no)";
  if (!outcome.certificate_expires) return plugin::pass(sentence);
  const std::int64_t days = plugin::tls::days_until(*outcome.certificate_expires);
  if (days >= certificate_warning_days_) return plugin::pass(sentence);
  sentence += "; the certificate of " + quoted(outcome.certificate_subject) +
              (days < 0 ? " expired on " : " expires on ") + plugin::tls::date_words(*outcome.certificate_expires);
  return plugin::warn(sentence);
}

Result Check::judge(const http::Outcome& outcome) const {
  if (outcome.cause == http::Cause::kNone) {
    return statuses_.contains(outcome.status) ? judge_body(outcome) : wrong_status(outcome);
  }
  Result result = http::is_local(outcome.cause) ? plugin::unknown(outcome.sentence) : plugin::fail(outcome.sentence);
  const bool mend = outcome.cause == http::Cause::kUrl || outcome.cause == http::Cause::kLocal;
  const bool late = outcome.cause == http::Cause::kDns || outcome.cause == http::Cause::kTimeout ||
                    outcome.cause == http::Cause::kConnectTimeout || outcome.tls_error == "stalled";
  result.status = mend ? Status::kConfig : late ? Status::kTransient : Status::kOk;
  result.fact("cause", http::token(outcome.cause));
  if (!outcome.tls_error.empty()) result.fact("tls_error", outcome.tls_error);
  return result;
}

Result Check::probe(const Call& call) {
  const http::Outcome outcome = client_.perform(request_, call.remaining());
  Result result = judge(outcome);
  result.fact("total_ms", std::to_string(outcome.total.count()));
  if (outcome.status != 0) result.fact("status", std::to_string(outcome.status));
  if (outcome.connect) result.fact("connect_ms", std::to_string(outcome.connect->count()));
  if (!outcome.address.empty()) result.fact("address", outcome.address);
  if (outcome.status != 0) result.fact("bytes", std::to_string(outcome.body.size()));
  if (!outcome.tls_version.empty()) result.fact("tls", outcome.tls_version);
  if (!request_.verify) result.fact("verify", "no");
  if (outcome.certificate_expires) {
    result.fact("certificate_days", std::to_string(plugin::tls::days_until(*outcome.certificate_expires)));
  }
  if (!outcome.dns.empty()) result.fact("dns", outcome.dns);
  return result;
}

}  // namespace
}  // namespace baton::http_check

BATON_PLUGIN(baton::http_check::Check, baton::plugin::About{.name = "http",
                                                            .version = "1",
                                                            .summary = "Asks an HTTP(S) server for its health",
                                                            .manual = baton::http_check::kManual,
                                                            .keys = baton::http_check::kKeys})
