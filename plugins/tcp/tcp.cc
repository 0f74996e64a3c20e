// The `tcp` check: connects, with TLS if asked for, may send a text and may wait for one. A new connection for each
// probe. What the server (or the way to it) does wrong is `fail`; what only this host does wrong is `unknown`.
#include <algorithm>
#include <csignal>
#include <plugin.hpp>

#include "common/connection.h"
#include "common/pattern.h"
#include "common/resolver.h"
#include "tcp/escapes.h"

namespace baton::tcp_check {
namespace {

using plugin::Call;
using plugin::Host;
using plugin::Pattern;
using plugin::Result;
using plugin::Status;
using plugin::net::Clock;
using plugin::net::Connection;
using plugin::net::Outcome;
using plugin::net::Target;
using plugin::net::TlsSettings;
using plugin::net::Trouble;
using std::chrono::milliseconds;

constexpr std::int64_t kDay = std::int64_t{86400} * 1'000'000'000;
constexpr std::size_t kShown = 80;  // bytes of an answer in a sentence

constexpr baton_key kKeys[] = {
    plugin::key("host", BATON_KEY_TEXT, "Name or address to connect to."),
    plugin::key("port", BATON_KEY_INTEGER, "TCP port.", nullptr, 0, nullptr, 1, 65535),
    plugin::key("unix_socket", BATON_KEY_PATH, "Connect to this socket instead."),
    plugin::key("source_address", BATON_KEY_ADDRESS, "Connect from this address of this host."),
    plugin::key("send", BATON_KEY_TEXT, "Text to send, with \\r \\n \\t \\0 \\\\ and \\xNN."),
    plugin::key("expect", BATON_KEY_TEXT, "Text that has to come, with the same escapes; each one, if repeated.",
                nullptr, BATON_KEY_LIST),
    plugin::key("expect_regex", BATON_KEY_TEXT, "A POSIX extended regular expression that has to match in what comes.",
                nullptr, BATON_KEY_LIST),
    plugin::key("max_answer", BATON_KEY_INTEGER, "The most bytes to look through.", "4096", 0, nullptr, 1, 1024 * 1024),
    plugin::key("tls", BATON_KEY_BOOLEAN, "Speak TLS (1.2 or newer) from the start.", "no"),
    plugin::key("ca_file", BATON_KEY_PATH, "Authorities (PEM) to trust instead of the system's."),
    plugin::key("client_certificate", BATON_KEY_SECRET, "File with our certificate (PEM) and its chain."),
    plugin::key("client_key", BATON_KEY_SECRET,
                "File with its key (PEM, not encrypted), if it is not in client_certificate."),
    plugin::key("verify", BATON_KEY_BOOLEAN, "no: accept any certificate. Every answer says so.", "yes"),
    plugin::key("server_name", BATON_KEY_TEXT, "Name that the certificate has to have, if not `host`."),
    plugin::key("certificate_warning", BATON_KEY_DURATION,
                "Pass with a warning when the certificate ends sooner than this.", "14d", 0, nullptr, 0, 3650 * kDay),
    plugin::key("resolve_every", BATON_KEY_DURATION,
                "How long the addresses of a name are good; older ones are used while name servers fail.", "60s", 0,
                nullptr, 1'000'000'000, kDay),
};

constexpr const char* kManual =
    "Connects to a TCP port or a unix socket, on a new connection for each probe; speaks TLS if asked for, sends "
    "`send`, and "
    "waits for `expect` and `expect_regex`. Without them the connection (and the handshake) is enough.\n\n"
    "fail: refused, reset, unreachable, closed early, no answer, a wrong answer, a certificate that is not valid.\n"
    "unknown: what only this host does wrong: name servers, rights, an unreadable ca_file, source_address not here.\n\n"
    "Facts: cause, total_ms, connect_ms, address, received, tls, tls_error, certificate_days, dns.";

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

/// A text to wait for, as it is written and as it is meant.
struct Expected {
  std::string written;
  std::string bytes;
};

class Check {
 public:
  explicit Check(const Host& host);
  static void check_settings(const Host& host);
  Result probe(const Call& call);

 private:
  Result exchange(Connection& connection, Result& facts);
  Result read_answer(Connection& connection, std::string& answer) const;
  Result connected(const Connection& connection, const std::string& words) const;
  std::string missing(const std::string& answer) const;
  static Result explain(const Trouble& trouble);

  Target target_;
  std::string host_;
  bool tls_;
  TlsSettings settings_;
  std::string send_;
  std::vector<Expected> texts_;
  std::vector<Pattern> patterns_;
  std::size_t maximum_answer_;
  std::int64_t certificate_warning_days_;
  plugin::Resolver resolver_;
};

void expect(const std::string& error) {
  if (!error.empty()) throw plugin::Failure(Status::kConfig, error);
}

Check::Check(const Host& host)
    : host_(host.text("host")),
      tls_(host.flag("tls")),
      maximum_answer_(static_cast<std::size_t>(host.number("max_answer"))),
      certificate_warning_days_(host.duration("certificate_warning").count() / kDay),
      resolver_(host.duration("resolve_every")) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to sockets that a peer may have closed
  target_.name = host_;
  target_.port = static_cast<std::uint16_t>(host.number("port"));
  target_.unix_socket = host.text("unix_socket");
  target_.source_address = host.text("source_address");
  settings_ = {.ca_file = host.text("ca_file"),
               .client_certificate = host.text("client_certificate"),
               .client_key = host.text("client_key"),
               .server_name = host.has("server_name") ? host.text("server_name") : host_,
               .verify = host.flag("verify")};
  std::string error;
  send_ = unescape(host.text("send"), error);
  expect(error);
  for (const std::string& text : host.list("expect")) {
    texts_.push_back({text, unescape(text, error)});
    expect(error);
  }
  for (const std::string& text : host.list("expect_regex")) {
    patterns_.push_back(Pattern::compile(text, error));
    expect(error);
  }
}

void check_tls_settings(const Host& host) {
  for (const char* name : {"ca_file", "client_certificate", "client_key", "server_name"}) {
    if (!host.flag("tls") && host.has(name)) host.complain(name, "is of no use without `tls = yes`");
  }
  if (!host.flag("tls")) return;
  if (host.has("client_key") && !host.has("client_certificate")) {
    host.complain("client_key", "there is no client_certificate for it");
  }
  if (!host.flag("verify") && host.has("ca_file")) host.complain("ca_file", "is of no use with `verify = no`");
  if (host.has("unix_socket") && host.flag("verify") && !host.has("server_name")) {
    host.complain("server_name", "TLS over a unix socket needs the name that the certificate has to have");
  }
}

void Check::check_settings(const Host& host) {
  if (host.has("unix_socket")) {
    for (const char* name : {"host", "port", "source_address"}) {
      if (host.has(name)) host.complain(name, "is of no use with unix_socket");
    }
  } else {
    if (!host.has("host")) host.complain(nullptr, "a host (or a unix_socket) is needed");
    if (!host.has("port")) host.complain(nullptr, "a port is needed");
  }
  check_tls_settings(host);
  std::string error;
  unescape(host.text("send"), error);
  if (!error.empty()) host.complain("send", error);
  for (const std::string& text : host.list("expect")) {
    unescape(text, error);
    if (!error.empty()) host.complain("expect", error);
  }
  for (const std::string& text : host.list("expect_regex")) {
    Pattern::compile(text, error);
    if (!error.empty()) host.complain("expect_regex", error);
  }
}

/// What of the expected texts is not in the answer (yet), for people; "" if nothing.
std::string Check::missing(const std::string& answer) const {
  for (const Expected& text : texts_) {
    if (answer.find(text.bytes) == std::string::npos) return quoted(text.written);
  }
  for (const Pattern& pattern : patterns_) {
    if (!pattern.matches(answer)) return "a match of " + quoted(pattern.text());
  }
  return {};
}

Result Check::explain(const Trouble& trouble) {
  Result result = trouble.local ? plugin::unknown(trouble.sentence) : plugin::fail(trouble.sentence);
  result.status = trouble.local ? Status::kConfig : trouble.late ? Status::kTransient : Status::kOk;
  result.fact("cause", trouble.cause);
  if (!trouble.tls_error.empty()) result.fact("tls_error", trouble.tls_error);
  return result;
}

Result Check::connected(const Connection& connection, const std::string& words) const {
  std::string sentence = connection.place() + " " + words + " in " + connection.waited();
  const plugin::tls::Evidence& evidence = connection.evidence();
  if (evidence.version.empty()) return plugin::pass(sentence);
  sentence += " (" + evidence.version + ")";
  if (!settings_.verify) sentence += "; its certificate is not verified (verify = no)";
  if (!evidence.expires) return plugin::pass(sentence);
  const std::int64_t days = plugin::tls::days_until(*evidence.expires);
  if (days >= certificate_warning_days_) return plugin::pass(sentence);
  return plugin::warn(sentence + "; the certificate of " + quoted(evidence.expires_subject) +
                      (days < 0 ? " expired on " : " expires on ") + plugin::tls::date_words(*evidence.expires));
}

Result Check::read_answer(Connection& connection, std::string& answer) const {
  for (std::string wanted = missing(answer); !wanted.empty(); wanted = missing(answer)) {
    const auto said = [&] { return " (it sent " + quoted(plugin::excerpt(answer, kShown)) + ")"; };
    if (answer.size() == maximum_answer_) {
      return plugin::fail(connection.place() + " sent " + std::to_string(answer.size()) +
                          " bytes (max_answer) without " + wanted + said())
          .fact("cause", "mismatch");
    }
    const std::size_t had = answer.size();
    if (Outcome trouble = connection.receive(answer, maximum_answer_ - had)) {
      if (trouble->late && had > 0) {
        trouble->sentence = connection.place() + " has not sent " + wanted + " within " + connection.waited() + said();
      }
      return explain(*trouble);
    }
    if (answer.size() > had) continue;
    if (had == 0) {
      return plugin::fail(connection.place() + " closed the connection before it answered").fact("cause", "closed");
    }
    return plugin::fail(connection.place() + " closed the connection without " + wanted + said())
        .fact("cause", "mismatch");
  }
  return connected(connection, "answers as expected");
}

Result Check::exchange(Connection& connection, Result& facts) {
  const auto begin = Clock::now();
  if (const Outcome trouble = connection.connect()) return explain(*trouble);
  facts.fact("connect_ms", std::to_string(std::chrono::round<milliseconds>(Clock::now() - begin).count()));
  if (tls_) {
    if (const Outcome trouble = connection.start_tls(settings_)) return explain(*trouble);
    facts.fact("tls", connection.evidence().version);
  }
  if (const Outcome trouble = connection.send(send_)) return explain(*trouble);
  if (texts_.empty() && patterns_.empty()) return connected(connection, tls_ ? "speaks TLS" : "takes connections");
  std::string answer;
  Result result = read_answer(connection, answer);
  facts.fact("received", std::to_string(answer.size()));
  return result;
}

Result Check::probe(const Call& call) {
  const auto begin = Clock::now();
  const auto timeout = call.remaining();
  // Time to say what happened.
  const auto until =
      begin + timeout - std::clamp<std::chrono::nanoseconds>(timeout / 20, milliseconds{1}, milliseconds{50});
  Result facts;
  Target target = target_;
  if (target.unix_socket.empty()) {
    const plugin::Resolved resolved = resolver_.resolve(host_, until - Clock::now());
    if (!resolved.error.empty()) facts.fact("dns", resolved.error);
    if (resolved.addresses.empty()) {
      Result result = plugin::unknown("no address for " + host_ + ": " + resolved.error).fact("cause", "dns");
      result.status = Status::kTransient;
      return result;
    }
    target.addresses = resolved.addresses;
  }
  Connection connection{std::move(target), until};
  Result result = exchange(connection, facts);
  for (auto& [name, value] : facts.facts) result.fact(name, value);
  result.fact("total_ms", connection.waited().substr(0, connection.waited().find(' ')));
  if (!connection.address().empty()) result.fact("address", connection.address());
  if (tls_ && !settings_.verify) result.fact("verify", "no");
  if (const auto& expires = connection.evidence().expires) {
    result.fact("certificate_days", std::to_string(plugin::tls::days_until(*expires)));
  }
  return result;
}

}  // namespace
}  // namespace baton::tcp_check

BATON_PLUGIN(baton::tcp_check::Check,
             baton::plugin::About{.name = "tcp",
                                  .version = "1",
                                  .summary = "Connects to a port, with TLS, and may send and expect a text",
                                  .manual = baton::tcp_check::kManual,
                                  .keys = baton::tcp_check::kKeys})
