// Reading BSON: see document.h.
#include "mongodb/document.h"

#include <cstdio>
#include <stdexcept>

namespace baton::mongodb {

std::string OpTime::words() const {
  if (!known()) return {};
  return std::to_string(term) + ":" + std::to_string(seconds) + ":" + std::to_string(increment);
}

OpTime OpTime::read(const std::string& words) {
  OpTime time;
  long long term = 0;
  char rest = 0;
  if (std::sscanf(words.c_str(), "%lld:%u:%u%c", &term, &time.seconds, &time.increment, &rest) != 3) return {};
  time.term = term;
  return time;
}

Document::Document(const std::string& json) {
  bson_error_t error{};
  if (!bson_init_from_json(&bson_, json.c_str(), static_cast<ssize_t>(json.size()), &error)) {
    bson_init(&bson_);
    throw std::runtime_error(std::string{"cannot build a command: "} + error.message);
  }
}

bool Document::find(const char* path, bson_iter_t& found) const {
  bson_iter_t start{};
  return bson_iter_init(&start, &bson_) && bson_iter_find_descendant(&start, path, &found);
}

bool Document::has(const char* path) const {
  bson_iter_t at{};
  return find(path, at);
}

std::string Document::text(const char* path) const {
  bson_iter_t at{};
  if (!find(path, at) || !BSON_ITER_HOLDS_UTF8(&at)) return {};
  std::uint32_t length = 0;
  const char* value = bson_iter_utf8(&at, &length);
  return {value, length};
}

bool Document::flag(const char* path) const {
  bson_iter_t at{};
  return find(path, at) && bson_iter_as_bool(&at);
}

std::int64_t Document::number(const char* path, std::int64_t missing) const {
  bson_iter_t at{};
  return find(path, at) && BSON_ITER_HOLDS_NUMBER(&at) ? bson_iter_as_int64(&at) : missing;
}

double Document::real(const char* path, double missing) const {
  bson_iter_t at{};
  return find(path, at) && BSON_ITER_HOLDS_NUMBER(&at) ? bson_iter_as_double(&at) : missing;
}

std::string Document::object_id(const char* path) const {
  bson_iter_t at{};
  if (!find(path, at) || !BSON_ITER_HOLDS_OID(&at)) return {};
  char hexadecimal[25] = {};
  bson_oid_to_string(bson_iter_oid(&at), hexadecimal);
  return hexadecimal;
}

OpTime Document::op_time(const char* path) const {
  OpTime time;
  bson_iter_t at{};
  const std::string base = path;
  if (!find((base + ".ts").c_str(), at) || !BSON_ITER_HOLDS_TIMESTAMP(&at)) return {};
  bson_iter_timestamp(&at, &time.seconds, &time.increment);
  time.term = number((base + ".t").c_str(), -1);
  return time;
}

std::int64_t Document::date_ms(const char* path) const {
  bson_iter_t at{};
  return find(path, at) && BSON_ITER_HOLDS_DATE_TIME(&at) ? bson_iter_date_time(&at) : 0;
}

std::vector<std::string> Document::texts(const char* path) const {
  std::vector<std::string> all;
  bson_iter_t at{};
  bson_iter_t child{};
  if (!find(path, at) || !BSON_ITER_HOLDS_ARRAY(&at) || !bson_iter_recurse(&at, &child)) return all;
  while (bson_iter_next(&child)) {
    std::uint32_t length = 0;
    if (!BSON_ITER_HOLDS_UTF8(&child)) continue;
    const char* value = bson_iter_utf8(&child, &length);
    all.emplace_back(value, length);
  }
  return all;
}

std::vector<Document> Document::documents(const char* path) const {
  std::vector<Document> all;
  bson_iter_t at{};
  bson_iter_t child{};
  if (!find(path, at) || !BSON_ITER_HOLDS_ARRAY(&at) || !bson_iter_recurse(&at, &child)) return all;
  while (bson_iter_next(&child)) {
    if (!BSON_ITER_HOLDS_DOCUMENT(&child)) continue;
    const std::uint8_t* bytes = nullptr;
    std::uint32_t length = 0;
    bson_t part{};
    bson_iter_document(&child, &length, &bytes);
    if (bson_init_static(&part, bytes, length)) all.emplace_back(&part);
  }
  return all;
}

}  // namespace baton::mongodb
