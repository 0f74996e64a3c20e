#include "steward/scrape.h"

#include <algorithm>
#include <cctype>

#include "steward/request.h"

namespace baton::steward {
namespace {

Unexpected<HttpRefusal> refuse(HttpRefusal refusal) { return Unexpected<HttpRefusal>{refusal}; }

/// Takes what stands before `end` off the front; all of it if there is no `end`.
std::string_view take_until(std::string_view& text, std::string_view end) {
  const std::size_t at = text.find(end);
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + end.size());
  return taken;
}

bool equal_without_case(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
}

/// "names=keepalived-exporter", or nothing.
bool take_query(std::string_view query, MetricsWish& wish) {
  if (query.empty()) return true;
  const std::string_view key = take_until(query, "=");
  const auto names = metric_names_from(query);
  if (key != "names" || !names) return false;
  wish.names = *names;
  return true;
}

std::string_view status_words(HttpRefusal refusal) {
  switch (refusal) {
    case HttpRefusal::kBadRequest: return "400 Bad Request";
    case HttpRefusal::kNotFound: return "404 Not Found";
    case HttpRefusal::kMethodNotAllowed: return "405 Method Not Allowed";
    case HttpRefusal::kTooLong: return "431 Request Header Fields Too Large";
  }
  return "400 Bad Request";
}

}  // namespace

Expected<Scrape, HttpRefusal> parse_scrape(std::string_view head) {
  std::string_view line = take_until(head, "\r\n");
  const std::string_view method = take_until(line, " ");
  std::string_view target = take_until(line, " ");
  if (target.empty() || (line != "HTTP/1.1" && line != "HTTP/1.0")) return refuse(HttpRefusal::kBadRequest);
  if (method != "GET" && method != "HEAD") return refuse(HttpRefusal::kMethodNotAllowed);
  Scrape scrape;
  scrape.head_only = method == "HEAD";
  scrape.wish.format = MetricsFormat::kText;
  if (take_until(target, "?") != "/metrics") return refuse(HttpRefusal::kNotFound);
  if (!take_query(target, scrape.wish)) return refuse(HttpRefusal::kBadRequest);
  while (!head.empty()) {
    std::string_view field = take_until(head, "\r\n");
    const bool accept = equal_without_case(take_until(field, ":"), "accept");
    if (accept && field.find("application/openmetrics-text") != std::string_view::npos) {
      scrape.wish.format = MetricsFormat::kOpenMetrics;
    }
  }
  return scrape;
}

std::string http_answer(const Scrape& scrape, const std::string& text) {
  std::string answer = "HTTP/1.1 200 OK\r\nContent-Type: " + std::string{content_type(scrape.wish.format)} +
                       "\r\nContent-Length: " + std::to_string(text.size()) +
                       "\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n";
  if (!scrape.head_only) answer += text;
  return answer;
}

std::string http_refusal(HttpRefusal refusal) {
  const std::string words{status_words(refusal)};
  const std::string allow = refusal == HttpRefusal::kMethodNotAllowed ? "Allow: GET, HEAD\r\n" : "";
  return "HTTP/1.1 " + words + "\r\n" + allow +
         "Content-Type: text/plain\r\nContent-Length: " + std::to_string(words.size() + 1) +
         "\r\nConnection: close\r\n\r\n" + words + "\n";
}

}  // namespace baton::steward
