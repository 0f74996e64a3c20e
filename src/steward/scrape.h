// The little of HTTP that a scrape of metrics needs: one request's head in, one answer out. Pure. What is not a GET or
// HEAD of /metrics is refused; nothing is guessed.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "steward/metrics_text.h"

namespace baton::steward {

inline constexpr std::size_t kMaxScrapeHead = 8192;  ///< bytes of a request

struct Scrape {
  MetricsWish wish;
  bool head_only = false;
  bool operator==(const Scrape&) const = default;
};

/// An HTTP status other than 200.
enum class HttpRefusal { kBadRequest = 400, kNotFound = 404, kMethodNotAllowed = 405, kTooLong = 431 };

/// `head`: up to and with the empty line. The format is OpenMetrics if Accept names it, else Prometheus's older one.
Expected<Scrape, HttpRefusal> parse_scrape(std::string_view head);

std::string http_answer(const Scrape& scrape, const std::string& text);
std::string http_refusal(HttpRefusal refusal);

}  // namespace baton::steward
