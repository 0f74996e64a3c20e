// A BSON document as a value: built from JSON, read by dotted paths. What is missing or of another type reads as empty,
// since servers of different versions leave different things out.
#pragma once

#include <bson/bson.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace baton::mongodb {

/// Where a member's data stands: comparable, the term first.
struct OpTime {
  std::int64_t term = -1;
  std::uint32_t seconds = 0;
  std::uint32_t increment = 0;

  auto operator<=>(const OpTime&) const = default;
  bool known() const { return seconds != 0; }
  /// "TERM:SECONDS:INCREMENT", "" if not known.
  std::string words() const;
  /// Of such words; not known if they are none.
  static OpTime read(const std::string& words);
};

class Document {
 public:
  Document() { bson_init(&bson_); }
  /// `json` is ours: a mistake in it is a bug.
  explicit Document(const std::string& json);
  explicit Document(const bson_t* other) { bson_copy_to(other, &bson_); }
  Document(const Document& other) { bson_copy_to(&other.bson_, &bson_); }
  Document& operator=(const Document&) = delete;
  ~Document() { bson_destroy(&bson_); }

  bool has(const char* path) const;
  std::string text(const char* path) const;
  bool flag(const char* path) const;  ///< also of numbers: MongoDB answers {ok: 1}
  std::int64_t number(const char* path, std::int64_t missing = 0) const;
  double real(const char* path, double missing = 0) const;
  std::string object_id(const char* path) const;  ///< 24 hexadecimal digits
  OpTime op_time(const char* path) const;         ///< of {ts, t}
  std::int64_t date_ms(const char* path) const;
  std::vector<std::string> texts(const char* path) const;
  std::vector<Document> documents(const char* path) const;

  const bson_t* raw() const { return &bson_; }
  bson_t* raw() { return &bson_; }

 private:
  bool find(const char* path, bson_iter_t& found) const;
  bson_t bson_;
};

}  // namespace baton::mongodb
