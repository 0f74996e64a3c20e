// One running request of http::Client, for http_request.cc (which runs it) and http_failure.cc (which says what went
// wrong with it). Not for plugins.
#pragma once

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <string>

#include "common/certificate.h"
#include "common/http_request.h"

namespace baton::plugin::http {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaximumHeaders = 64 * 1024;

struct EasyFree {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListFree {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct UrlFree {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Easy = std::unique_ptr<CURL, EasyFree>;
using List = std::unique_ptr<curl_slist, ListFree>;

/// The parts of the url that connecting needs.
struct Target {
  bool https = false;
  std::string host;  ///< without brackets
  std::string port;
  std::string url;   ///< for libcurl: with server_name in place of the host
  std::string name;  ///< host of `url`: what the certificate must be for
  std::string error;
  bool has_credentials = false;  ///< in the url itself; that is an error, too
};

/// One request, not following anything. libcurl's callbacks write here.
struct Transfer {
  const Request& request;
  const Target& target;
  Outcome& outcome;
  Clock::time_point begin;
  Clock::time_point until;
  Easy easy{};
  List headers{};
  List addresses{};
  tls::Evidence evidence{};
  std::array<char, CURL_ERROR_SIZE> error{};
  std::size_t header_bytes = 0;
  bool ready = false;  ///< connected, and the TLS handshake done
  bool too_big = false;

  bool stopped() const { return request.stop != nullptr && *request.stop; }
  std::chrono::milliseconds left() const {
    const auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
    return std::max(rest, std::chrono::milliseconds{0});
  }
  /// "800 ms", since the beginning.
  std::string waited() const;
  /// The peer, as people know it: "web.example:443 (10.0.0.5)".
  std::string place() const;
};

void fail(Transfer& transfer, Cause cause, std::string sentence);
/// What the code means, given what the transfer has seen: fills in cause and sentence. CURLE_OK: nothing.
void explain(Transfer& transfer, CURLcode code);

}  // namespace baton::plugin::http
