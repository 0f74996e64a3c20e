// Notice: see notice.h.
#include "webhook/notice.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

namespace baton::webhook {
namespace {

constexpr std::size_t kMaximumText = 1024;

std::string hex(const unsigned char* bytes, std::size_t count) {
  static constexpr const char* kDigits = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < count; ++i) {
    out += kDigits[bytes[i] >> 4];
    out += kDigits[bytes[i] & 15];
  }
  return out;
}

nlohmann::ordered_json text_or_null(const std::string& text) {
  if (text.empty()) return nullptr;
  return text.substr(0, kMaximumText);
}

/// Of the event, not of the call: an act that is repeated after a crash has the same id.
std::string id_of(const plugin::Call& call, const std::string& host_name) {
  std::string text;
  for (const std::string& part : {call.verb(), host_name, call.instance(), call.from_state(), call.to_state(),
                                  call.reason(), std::to_string(call.at_ns())}) {
    text += std::to_string(part.size()) + ":" + part;
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  return hex(digest.data(), 16);
}

}  // namespace

Notice make_notice(const plugin::Call& call, const std::string& host_name) {
  // What `enter` and `leave` mean by themselves; the host names states for `notify` only.
  const std::string from = call.from_state().empty() && call.verb() == "leave" ? "active" : call.from_state();
  const std::string to = call.to_state().empty() && call.verb() == "enter" ? "active" : call.to_state();
  Notice notice;
  notice.id = id_of(call, host_name);
  nlohmann::ordered_json body;
  body["event"] = call.verb();
  body["instance"] = call.instance();
  body["host"] = host_name;
  body["from"] = text_or_null(from);
  body["to"] = text_or_null(to);
  body["reason"] = text_or_null(call.reason());
  body["reason_words"] = text_or_null(call.reason_words());
  body["at"] = rfc3339(call.at_ns());
  body["id"] = notice.id;
  notice.body = body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  return notice;
}

std::string sign(const std::vector<std::string>& secrets, const std::string& timestamp, const std::string& body) {
  const std::string text = timestamp + "." + body;
  std::string out;
  for (const std::string& secret : secrets) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &size);
    out += (out.empty() ? "" : ",") + ("sha256=" + hex(digest.data(), size));
  }
  return out;
}

std::string rfc3339(std::int64_t nanoseconds_since_1970) {
  const std::time_t seconds = nanoseconds_since_1970 / 1'000'000'000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> date{};
  std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%s.%06dZ", date.data(),
                static_cast<int>(nanoseconds_since_1970 % 1'000'000'000 / 1000));
  return text.data();
}

}  // namespace baton::webhook
