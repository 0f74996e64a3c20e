// attempt: see delivery.h.
#include "webhook/delivery.h"

#include <algorithm>

#include "common/pattern.h"

namespace baton::webhook {
namespace {

namespace http = plugin::http;
using plugin::Status;

constexpr std::size_t kShown = 80;  // bytes of an answer in a sentence

bool worth_another(int status) { return status >= 500 || status == 408 || status == 425 || status == 429; }

bool for_a_person(int status) {
  return status == 401 || status == 403 || status == 404 || status == 405 || status == 407 || status == 410;
}

Attempt judge_status(const http::Outcome& outcome) {
  const std::string answered = outcome.url + " answered " + std::to_string(outcome.status);
  if (outcome.status >= 200 && outcome.status <= 299) {
    return {.sentence = answered, .cause = {}, .http_status = outcome.status};
  }
  Attempt result{.sentence = answered, .cause = "status", .http_status = outcome.status};
  if (!outcome.location.empty()) {
    result.status = Status::kConfig;
    result.sentence += ": it redirects to " + outcome.location + ", which is not followed";
    result.cause = "redirect";
    return result;
  }
  result.status = worth_another(outcome.status)  ? Status::kTransient
                  : for_a_person(outcome.status) ? Status::kConfig
                                                 : Status::kRefused;
  if (outcome.status == 401 || outcome.status == 403 || outcome.status == 407) result.cause = "auth";
  if (!outcome.body.empty()) result.sentence += ": " + plugin::excerpt(outcome.body, kShown);
  return result;
}

}  // namespace

Attempt attempt(http::Client& client, const Settings& settings, const Notice& notice, std::chrono::nanoseconds timeout,
                const std::atomic<bool>* stop) {
  http::Request request = settings.request;
  request.body = notice.body;
  request.stop = stop;
  request.headers.push_back("Content-Type: application/json");
  request.headers.push_back("Idempotency-Key: " + notice.id);
  // Of this attempt, not of the event: a receiver refuses what is signed too long ago.
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const std::string timestamp = std::to_string(now.time_since_epoch().count());
  request.headers.push_back("X-Baton-Timestamp: " + timestamp);
  if (!settings.secrets.empty()) {
    request.headers.push_back("X-Baton-Signature: " + sign(settings.secrets, timestamp, notice.body));
  }
  const http::Outcome outcome = client.perform(request, timeout);
  // What comes after a good status line is of no interest.
  const bool delivered = outcome.cause == http::Cause::kTooBig && outcome.status / 100 == 2;
  if (outcome.cause == http::Cause::kNone || delivered) return judge_status(outcome);
  Attempt result{.sentence = outcome.sentence, .cause = http::token(outcome.cause), .http_status = outcome.status};
  const bool certificate =
      outcome.cause == http::Cause::kTls && outcome.tls_error != "stalled" && outcome.tls_error != "closed";
  const bool mend = outcome.cause == http::Cause::kUrl || outcome.cause == http::Cause::kLocal || certificate;
  result.status = mend ? Status::kConfig : Status::kTransient;
  return result;
}

std::chrono::nanoseconds pause_after(const Settings& settings, int failures) {
  auto pause = settings.retry_first;
  for (int i = 1; i < failures && pause < settings.retry_most; ++i) pause *= 2;
  return std::min(pause, settings.retry_most);
}

}  // namespace baton::webhook
