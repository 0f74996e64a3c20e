// Keys, values and requests: see record.h. What comes from etcd is believed only as far as its form goes.
#include "etcd/record.h"

#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <stdexcept>

namespace baton::etcd {
namespace {

Json range(const std::string& key) { return {{"request_range", {{"key", encode_base64(key)}}}}; }

Json put(const std::string& key, const std::string& value, std::int64_t lease) {
  Json one = {{"key", encode_base64(key)}, {"value", encode_base64(value)}};
  if (lease != 0) one["lease"] = std::to_string(lease);
  return {{"request_put", one}};
}

/// The key has not been touched since: there was none, or that change was its last.
Json unchanged(const std::string& key, std::uint64_t modified) {
  return {
      {"key", encode_base64(key)}, {"target", "MOD"}, {"result", "EQUAL"}, {"mod_revision", std::to_string(modified)}};
}

std::string encode(const Identity& identity) {
  return Json{{"host", identity.host}, {"generation", identity.generation}, {"boot", identity.boot}}.dump(
      -1, ' ', false, Json::error_handler_t::replace);
}

bool decode(const std::string& text, Identity& identity) {
  const Json value = Json::parse(text, nullptr, false);
  const Json& host = member(value, "host");
  const Json& boot = member(value, "boot");
  const Json& generation = member(value, "generation");
  if (!host.is_string() || !boot.is_string() || !generation.is_number_unsigned()) return false;
  identity = {.host = host, .boot = boot, .generation = generation};
  return true;
}

std::uint64_t digits(const std::string& text, const char* name) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) {
    throw std::runtime_error(std::string{name} + " is no number");
  }
  return value;
}

/// The one pair of a range within a transaction; nullptr: the key does not exist.
const Json* only_pair(const Json& response, const std::string& key) {
  const Json& pairs = member(member(response, "response_range"), "kvs");
  if (pairs.is_null()) return nullptr;
  if (!pairs.is_array() || pairs.size() != 1) throw std::runtime_error("it answers several values for one key");
  const Json& name = member(pairs[0], "key");
  if (!name.is_string() || decode_base64(name.get<std::string>()) != key) {
    throw std::runtime_error("it answers for another key than was asked for");
  }
  return &pairs[0];
}

std::string value_of(const Json& pair) {
  const Json& value = member(pair, "value");
  if (value.is_null()) return {};
  if (!value.is_string()) throw std::runtime_error("a value is no text");
  return decode_base64(value.get<std::string>());
}

}  // namespace

Keys keys_of(const std::string& prefix, const std::string& instance) {
  return {.holder = prefix + instance + "/holder", .generation = prefix + instance + "/generation"};
}

std::string encode_base64(const std::string& text) {
  std::string out(4 * ((text.size() + 2) / 3) + 1, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), reinterpret_cast<const unsigned char*>(text.data()),
                      static_cast<int>(text.size()));
  out.resize(static_cast<std::size_t>(length));
  return out;
}

std::string decode_base64(const std::string& text) {
  if (text.empty()) return {};
  std::string out(text.size() / 4 * 3 + 3, '\0');
  const int length =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()), reinterpret_cast<const unsigned char*>(text.data()),
                      static_cast<int>(text.size()));
  if (length < 0) throw std::runtime_error("it answers what is no base64");
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  if (static_cast<std::size_t>(length) < padding) throw std::runtime_error("it answers what is no base64");
  out.resize(static_cast<std::size_t>(length) - padding);
  return out;
}

const Json& member(const Json& object, const char* name) {
  static const Json none;
  if (!object.is_object()) return none;
  const auto found = object.find(name);
  return found == object.end() ? none : *found;
}

std::uint64_t number(const Json& object, const char* name) {
  const Json& value = member(object, name);
  if (value.is_null()) return 0;
  if (value.is_number_unsigned()) return value.get<std::uint64_t>();
  if (!value.is_string()) throw std::runtime_error(std::string{name} + " is no number");
  return digits(value.get<std::string>(), name);
}

Json read_request(const Keys& keys) { return {{"success", Json::array({range(keys.holder), range(keys.generation)})}}; }

Json claim_request(const Keys& keys, const View& seen, const Identity& identity, std::int64_t lease) {
  Json success = Json::array({put(keys.holder, encode(identity), lease)});
  if (identity.generation != 0) success.push_back(put(keys.generation, encode(identity), 0));
  success.push_back(range(keys.holder));
  success.push_back(range(keys.generation));
  return {{"compare", Json::array({unchanged(keys.holder, seen.held ? seen.held->modified : 0),
                                   unchanged(keys.generation, seen.highest_modified)})},
          {"success", success},
          {"failure", Json::array({range(keys.holder), range(keys.generation)})}};
}

Json release_request(const Keys& keys, const Held& held) {
  return {{"compare", Json::array({unchanged(keys.holder, held.modified)})},
          {"success", Json::array({{{"request_delete_range", {{"key", encode_base64(keys.holder)}}}}})}};
}

Json list_request(const std::string& prefix) {
  std::string end = prefix;
  end.back() = static_cast<char>(end.back() + 1);
  return {{"key", encode_base64(prefix)}, {"range_end", encode_base64(end)}, {"limit", "64"}};
}

Held held_of(const Json& pair) {
  Held held;
  held.created = number(pair, "create_revision");
  held.modified = number(pair, "mod_revision");
  const std::uint64_t lease = number(pair, "lease");
  if (lease > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) throw std::runtime_error("lease is no number");
  held.lease = static_cast<std::int64_t>(lease);
  held.readable = decode(value_of(pair), held.identity);
  if (held.created == 0 || held.modified < held.created) throw std::runtime_error("a key has impossible revisions");
  return held;
}

View view_of(const Json& answer, const Keys& keys) {
  const Json& responses = member(answer, "responses");
  if (!responses.is_array() || responses.size() < 2) throw std::runtime_error("it does not answer what was asked");
  View view;
  const Json* holder = only_pair(responses[responses.size() - 2], keys.holder);
  const Json* generation = only_pair(responses[responses.size() - 1], keys.generation);
  if (holder != nullptr) view.held = held_of(*holder);
  if (generation != nullptr) {
    const std::string value = value_of(*generation);
    // A bare number: by a person, or of before.
    if (!decode(value, view.last)) view.last.generation = digits(value, "the highest generation");
    view.highest = view.last.generation;
    view.highest_modified = number(*generation, "mod_revision");
  }
  return view;
}

bool succeeded(const Json& answer) {
  const Json& value = member(answer, "succeeded");
  if (!value.is_null() && !value.is_boolean()) throw std::runtime_error("succeeded is neither true nor false");
  return value.is_boolean() && value.get<bool>();
}

}  // namespace baton::etcd
