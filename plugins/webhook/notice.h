// What a webhook sends: one event as JSON, its id, its signature. Pure functions of the call.
#pragma once

#include <cstdint>
#include <plugin.hpp>
#include <string>
#include <vector>

namespace baton::webhook {

struct Notice {
  std::string id;    ///< the same for the same event, however often it is sent
  std::string body;  ///< JSON
};

Notice make_notice(const plugin::Call& call, const std::string& host_name);

/// "sha256=HEX" of HMAC-SHA256 over "TIMESTAMP.BODY", one for each secret, with commas.
std::string sign(const std::vector<std::string>& secrets, const std::string& timestamp, const std::string& body);

/// "2026-11-21T09:30:00.123456Z"
std::string rfc3339(std::int64_t nanoseconds_since_1970);

}  // namespace baton::webhook
