// The `webhook` action: tells an HTTP receiver that this host has entered or left, or that a transition happened. Enter
// and leave are delivered before they return; notices wait in a queue (queue.h) and never hold anything up.
#include <poll.h>

#include <algorithm>
#include <memory>
#include <plugin.hpp>

#include "webhook/queue.h"

namespace baton::webhook {
namespace {

namespace http = plugin::http;
using plugin::Call;
using plugin::Host;
using plugin::Result;
using plugin::Status;
using std::chrono::milliseconds;

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kDay = 86400 * kSecond;

constexpr baton_key kKeys[] = {
    plugin::key("url", BATON_KEY_TEXT, "Where to send to: https:// or http://.", nullptr, BATON_KEY_REQUIRED),
    plugin::key("unix_socket", BATON_KEY_PATH, "Connect to this socket; the url gives path and Host header only."),
    plugin::key("header", BATON_KEY_TEXT, "A header to send.", nullptr, BATON_KEY_LIST, "Name: value"),
    plugin::key("secret", BATON_KEY_SECRET, "File with the key of the signature; several while it is being changed.",
                nullptr, BATON_KEY_LIST),
    plugin::key("bearer_token", BATON_KEY_SECRET, "File with a token for `Authorization: Bearer`."),
    plugin::key("ca_file", BATON_KEY_PATH, "Authorities (PEM) to trust instead of the system's."),
    plugin::key("client_certificate", BATON_KEY_SECRET, "File with our certificate (PEM) and its chain."),
    plugin::key("client_key", BATON_KEY_SECRET,
                "File with its key (PEM, not encrypted), if it is not in client_certificate."),
    plugin::key("server_name", BATON_KEY_TEXT,
                "Name for the certificate and the Host header, if the url has another or an address."),
    plugin::key("request_timeout", BATON_KEY_DURATION, "The longest that one attempt may take.", "5s", 0, nullptr,
                100'000'000, 60 * kSecond),
    plugin::key("retry_for", BATON_KEY_DURATION, "How long a notice is tried again before it is given up.", "1h", 0,
                nullptr, kSecond, 7 * kDay),
    plugin::key("retry_first", BATON_KEY_DURATION, "The pause after the first failure; doubled with each further one.",
                "1s", 0, nullptr, 100'000'000, 3600 * kSecond),
    plugin::key("retry_most", BATON_KEY_DURATION, "The longest pause.", "60s", 0, nullptr, 100'000'000, 3600 * kSecond),
    plugin::key("queue_limit", BATON_KEY_INTEGER, "How many notices may wait; when it is full, the oldest is dropped.",
                "100", 0, nullptr, 1, 10000),
    plugin::key("close_wait", BATON_KEY_DURATION, "When Baton stops: how long to try to deliver what waits.", "2s", 0,
                nullptr, 0, 30 * kSecond),
    plugin::key("resolve_every", BATON_KEY_DURATION,
                "How long the addresses of a name are good; older ones are used while name servers fail.", "60s", 0,
                nullptr, kSecond, kDay),
};

constexpr const char* kManual =
    "Sends a POST with JSON (event, instance, host, from, to, reason, reason_words, at, id) for enter, leave and "
    "notify. A 2xx "
    "answer is a delivery.\n\n"
    "enter, leave: tried until the deadline; then transient. notify: queued and tried for retry_for; never waited "
    "for.\n\n"
    "Headers: Idempotency-Key (the event's id: drop what comes twice), X-Baton-Timestamp (seconds, of the attempt) "
    "and, with "
    "`secret`, X-Baton-Signature: sha256=HEX, the HMAC-SHA256 of TIMESTAMP.BODY. Refuse what is older than five "
    "minutes.";

bool is_name(const std::string& text) {
  return !text.empty() && text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") ==
                              std::string::npos;
}

/// Back when the time is over. There is nothing to be woken by.
void pause(std::chrono::nanoseconds time) {
  ::poll(nullptr, 0, static_cast<int>(std::chrono::ceil<milliseconds>(time).count()));
}

class Webhook {
 public:
  explicit Webhook(const Host& host)
      : host_(host), settings_(std::make_unique<Settings>()), client_(host.duration("resolve_every")) {
    http::Request& request = settings_->request;
    request.method = "POST";
    request.url = host.text("url");
    request.unix_socket = host.text("unix_socket");
    request.headers = host.list("header");
    if (host.has("bearer_token")) request.headers.push_back("Authorization: Bearer " + host.text("bearer_token"));
    request.ca_file = host.text("ca_file");
    request.client_certificate = host.text("client_certificate");
    request.client_key = host.text("client_key");
    request.server_name = host.text("server_name");
    settings_->secrets = host.list("secret");
    settings_->request_timeout = host.duration("request_timeout");
    settings_->retry_for = host.duration("retry_for");
    settings_->retry_first = host.duration("retry_first");
    settings_->retry_most = host.duration("retry_most");
    settings_->close_wait = host.duration("close_wait");
    settings_->queue_limit = static_cast<std::size_t>(host.number("queue_limit"));
    for (const std::string& secret : settings_->secrets) {
      if (secret.empty())
        throw plugin::Failure(Status::kConfig, "a file of `secret` is empty: nothing would be signed with it");
    }
  }

  ~Webhook() {
    const std::size_t lost = queue_ ? queue_->close() : 0;
    if (lost > 0) host_.log(BATON_LOG_WARNING, std::to_string(lost) + " notices could not be delivered before the end");
  }
  Webhook(const Webhook&) = delete;
  Webhook& operator=(const Webhook&) = delete;

  static void check_settings(const Host& host);
  Result enter(const Call& call) { return deliver(call); }
  Result leave(const Call& call) { return deliver(call); }
  Result notify(const Call& call);

 private:
  Result deliver(const Call& call);

  Host host_;
  std::unique_ptr<Settings> settings_;  // stays where it is: the queue's thread reads it
  http::Client client_;                 // of enter and leave
  std::unique_ptr<Queue> queue_;        // from the first notice on
};

void Webhook::check_settings(const Host& host) {
  const std::string url = host.text("url");
  const std::string error = http::unusable_url(url, "bearer_token");
  if (!url.empty() && !error.empty()) host.complain("url", error);
  const bool https = url.starts_with("https://");
  for (const char* name : {"ca_file", "client_certificate"}) {
    if (!https && host.has(name)) host.complain(name, "is of no use without https://");
  }
  if (host.has("client_key") && !host.has("client_certificate")) {
    host.complain("client_key", "there is no client_certificate for it");
  }
  for (const std::string& header : host.list("header")) {
    const std::size_t colon = header.find(':');
    if (colon == std::string::npos || !is_name(header.substr(0, colon)) ||
        header.find_first_of("\r\n") != std::string::npos) {
      host.complain("header", "\"" + header + "\" is not of the form `Name: value`");
    }
  }
  if (host.number("retry_first") > host.number("retry_most")) host.complain("retry_first", "is longer than retry_most");
}

/// Tries until the receiver has taken it, refuses it for good, or the deadline is near.
Result Webhook::deliver(const Call& call) {
  const Notice notice = make_notice(call, host_.host_name());
  // Time to say what happened.
  const auto spare = std::clamp<std::chrono::nanoseconds>(call.remaining() / 20, milliseconds{1}, milliseconds{100});
  Settings quick = *settings_;
  quick.retry_first = std::min<std::chrono::nanoseconds>(quick.retry_first, milliseconds{200});
  quick.retry_most = std::min<std::chrono::nanoseconds>(quick.retry_most, std::chrono::seconds{5});
  for (int attempts = 1;; ++attempts) {
    const auto left = call.remaining() - spare;
    const Attempt last = attempt(client_, *settings_, notice, std::min(left, settings_->request_timeout), nullptr);
    const auto wait = pause_after(quick, attempts);
    const bool again = last.status == Status::kTransient && wait + spare < call.remaining();
    if (again) {
      pause(wait);
      continue;
    }
    const std::string told = "after " + std::to_string(attempts) + (attempts == 1 ? " attempt" : " attempts");
    Result result = last.status == Status::kOk
                        ? plugin::done("told " + settings_->request.url + " of " + call.verb() + " " + told)
                        : plugin::failed(last.status, "not delivered " + told + ": " + last.sentence);
    if (!last.cause.empty()) result.fact("cause", last.cause);
    if (last.http_status != 0) result.fact("status", std::to_string(last.http_status));
    result.fact("attempts", std::to_string(attempts));
    result.fact("id", notice.id);
    return result;
  }
}

Result Webhook::notify(const Call& call) {
  if (!queue_) queue_ = std::make_unique<Queue>(*settings_, host_.duration("resolve_every"));
  Notice notice = make_notice(call, host_.host_name());
  const std::string id = notice.id;
  const Queue::Report report = queue_->add(std::move(notice));
  for (const std::string& trouble : report.troubles) host_.log(BATON_LOG_WARNING, trouble);
  std::string sentence = "queued for " + settings_->request.url + " (" + std::to_string(report.waiting) + " waiting)";
  if (report.dropped > 0) {
    sentence += "; dropped the oldest " + std::to_string(report.dropped) + ", the queue is full (queue_limit)";
    host_.log(BATON_LOG_WARNING, sentence);
  }
  if (!report.troubles.empty()) sentence += "; " + report.troubles.back();
  return plugin::done(sentence)
      .fact("waiting", std::to_string(report.waiting))
      .fact("dropped", std::to_string(report.dropped))
      .fact("id", id);
}

}  // namespace
}  // namespace baton::webhook

BATON_PLUGIN(baton::webhook::Webhook, baton::plugin::About{.name = "webhook",
                                                           .version = "1",
                                                           .summary = "Tells an HTTP receiver of transitions, signed",
                                                           .manual = baton::webhook::kManual,
                                                           .keys = baton::webhook::kKeys})
