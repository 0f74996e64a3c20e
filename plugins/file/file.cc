// SPDX-License-Identifier: GPL-2.0-or-later
//
// file: a check of what lies at a path: there or not, how old, how large, of what kind, which number stands in it; of a
// directory, the newest file. What may not be looked at is unknown, never "absent".
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>

#include "look.h"
#include "plugin.hpp"

namespace {

using baton::plugin::Call;
using baton::plugin::Host;
using baton::plugin::Result;
using baton::plugin::Status;
using baton_file::Found;
using std::chrono::nanoseconds;

/// A clock of a file server may be ahead by so much.
constexpr std::chrono::seconds kFutureSlack{5};

constexpr baton_key kKeys[] = {
    baton::plugin::key("path", BATON_KEY_PATH, "What is looked at; a symbolic link is followed.", nullptr,
                       BATON_KEY_REQUIRED),
    baton::plugin::key("state", BATON_KEY_WORD, "Whether it has to be there. absent: a maintenance switch.", "exists",
                       0, "exists|absent"),
    baton::plugin::key("pattern", BATON_KEY_TEXT,
                       "`path` is a directory: the newest file in it whose name matches this is looked at.", nullptr, 0,
                       "*.dump"),
    baton::plugin::key("type", BATON_KEY_WORD, "What it has to be.", "any", 0,
                       "any|file|directory|fifo|socket|device|link"),
    baton::plugin::key("max_age", BATON_KEY_DURATION, "Its content was changed no longer ago than this."),
    baton::plugin::key("min_age", BATON_KEY_DURATION, "Its content was changed at least so long ago."),
    baton::plugin::key("min_size", BATON_KEY_INTEGER, "It has at least so many bytes.", nullptr, 0, "bytes", 0,
                       std::int64_t{1} << 60),
    baton::plugin::key("max_size", BATON_KEY_INTEGER, "It has at most so many bytes.", nullptr, 0, "bytes", 0,
                       std::int64_t{1} << 60),
    baton::plugin::key("number_min", BATON_KEY_TEXT, "The number in it is not less than this.", nullptr, 0, "0.5"),
    baton::plugin::key("number_max", BATON_KEY_TEXT, "The number in it is not more than this.", nullptr, 0, "100"),
    baton::plugin::key(
        "number_pattern", BATON_KEY_TEXT,
        "Where the number stands: an extended regular expression, its first group if it has one. Without: "
        "the file begins with the number.",
        nullptr, 0, "lag: ([0-9.]+)"),
};

constexpr std::array<const char*, 8> kOnlyIfThere{"pattern",  "max_age",    "min_age",    "min_size",
                                                  "max_size", "number_min", "number_max", "number_pattern"};

class File {
 public:
  explicit File(const Host& host)
      : path_(host.text("path")),
        absent_(host.text("state") == "absent"),
        pattern_(host.text("pattern")),
        type_(host.text("type")),
        number_pattern_(host.text("number_pattern")),
        number_min_(baton_file::parse_number(host.text("number_min"))),
        number_max_(baton_file::parse_number(host.text("number_max"))),
        number_min_text_(host.text("number_min")),
        number_max_text_(host.text("number_max")) {
    if (host.has("max_age")) max_age_ = host.duration("max_age");
    if (host.has("min_age")) min_age_ = host.duration("min_age");
    if (host.has("min_size")) min_size_ = host.number("min_size");
    if (host.has("max_size")) max_size_ = host.number("max_size");
  }

  static void check_settings(const Host& host);
  Result probe(const Call& call);

 private:
  Result judge(const Found& found) const;
  std::optional<Result> judge_age(const Found& found) const;
  std::optional<Result> judge_size(const Found& found) const;
  std::optional<Result> judge_number(const Found& found, Result* facts) const;

  std::string path_;
  bool absent_;
  std::string pattern_;
  std::string type_;
  std::string number_pattern_;
  std::optional<double> number_min_;
  std::optional<double> number_max_;
  std::string number_min_text_;
  std::string number_max_text_;
  std::optional<nanoseconds> max_age_;
  std::optional<nanoseconds> min_age_;
  std::optional<std::int64_t> min_size_;
  std::optional<std::int64_t> max_size_;
};

void File::check_settings(const Host& host) {
  for (const char* key : {"number_min", "number_max"}) {
    if (host.has(key) && !baton_file::parse_number(host.text(key))) {
      host.complain(key, "'" + host.text(key) + "' is no decimal number");
    }
  }
  const auto least = baton_file::parse_number(host.text("number_min"));
  const auto most = baton_file::parse_number(host.text("number_max"));
  if (least && most && *least > *most) host.complain("number_max", "is less than number_min: nothing would pass");
  if (host.has("number_pattern")) {
    const std::string trouble = baton_file::pattern_trouble(host.text("number_pattern"));
    if (!trouble.empty()) host.complain("number_pattern", "is no extended regular expression: " + trouble);
    if (!host.has("number_min") && !host.has("number_max")) {
      host.complain("number_pattern", "finds a number that nothing is asked of: write number_min or number_max");
    }
  }
  if (host.has("max_age") && host.has("min_age") && host.duration("max_age") < host.duration("min_age")) {
    host.complain("max_age", "is less than min_age: nothing would pass");
  }
  if (host.has("max_size") && host.has("min_size") && host.number("max_size") < host.number("min_size")) {
    host.complain("max_size", "is less than min_size: nothing would pass");
  }
  if (host.text("state") != "absent") return;
  for (const char* key : kOnlyIfThere) {
    if (host.has(key)) host.complain(key, "asks something of a file that has to be absent");
  }
  if (host.text("type") != "any") host.complain("type", "asks something of a file that has to be absent");
}

Result failing(const std::string& sentence, const char* cause) {
  return baton::plugin::fail(sentence).fact("cause", cause);
}

/// It could not be looked at: that says nothing about it.
Result trouble(const std::string& path, int error) {
  Result result = baton::plugin::unknown(path + ": " + std::strerror(error));
  const bool right = error == EACCES || error == EPERM;
  result.status = right || error == ELOOP || error == ENAMETOOLONG ? Status::kConfig : Status::kTransient;
  if (right) result.sentence += " (the section's user may not look at it)";
  if (error == ETIMEDOUT) result.sentence = path + ": the directory is too large to be read in the time there is";
  return std::move(result).fact("cause", right ? "permission" : error == ETIMEDOUT ? "timeout" : "error");
}

Result File::probe(const Call& call) {
  const Found found = baton_file::look_at(path_, absent_ || type_ == "link");
  const bool missing = found.error == ENOENT || found.error == ENOTDIR;
  if (absent_) {
    if (missing) return baton::plugin::pass(path_ + " is absent");
    if (found.error != 0) return trouble(path_, found.error);
    return failing(path_ + " is there, since " + baton_file::time_words(baton_file::age_of(found.status)), "present");
  }
  if (missing) {
    const bool dangling = found.error == ENOENT && baton_file::look_at(path_, true).error == 0;
    return failing(path_ + (dangling ? " is a link to something that does not exist" : " does not exist"), "missing");
  }
  if (found.error != 0) return trouble(path_, found.error);
  if (pattern_.empty()) return judge(found);
  if (!S_ISDIR(found.status.st_mode)) {
    return failing(path_ + " is no directory but a " + baton_file::kind_of(found.status), "type");
  }
  const Found newest = baton_file::newest_in(path_, pattern_, call);
  if (newest.error != 0) return trouble(newest.path, newest.error);
  if (newest.path.empty()) return failing("no file in " + path_ + " matches " + pattern_, "missing");
  return judge(newest);
}

std::optional<Result> File::judge_age(const Found& found) const {
  if (!max_age_ && !min_age_) return std::nullopt;
  const nanoseconds age = baton_file::age_of(found.status);
  if (age < -kFutureSlack) {
    return baton::plugin::unknown(found.path + " is dated " + baton_file::time_words(-age) +
                                  " in the future: its age is not known")
        .fact("cause", "clock");
  }
  const std::string words = found.path + " was changed " + baton_file::time_words(age) + " ago";
  if (max_age_ && age > *max_age_) {
    return failing(words + ", at most " + baton_file::time_words(*max_age_) + " are allowed", "old");
  }
  if (min_age_ && age < *min_age_) {
    return failing(words + ", at least " + baton_file::time_words(*min_age_) + " are wanted", "young");
  }
  return std::nullopt;
}

std::optional<Result> File::judge_size(const Found& found) const {
  const std::int64_t size = found.status.st_size;
  const std::string words = found.path + " has " + std::to_string(size) + " bytes";
  if (min_size_ && size < *min_size_) {
    return failing(words + ", at least " + std::to_string(*min_size_) + " are wanted", "size");
  }
  if (max_size_ && size > *max_size_) {
    return failing(words + ", at most " + std::to_string(*max_size_) + " are allowed", "size");
  }
  return std::nullopt;
}

std::optional<Result> File::judge_number(const Found& found, Result* facts) const {
  if (!number_min_ && !number_max_) return std::nullopt;
  if (!S_ISREG(found.status.st_mode)) {
    return failing(found.path + " is a " + baton_file::kind_of(found.status) + ": no number is read from it", "type");
  }
  const baton_file::Number number = baton_file::number_in(found.path, number_pattern_);
  if (number.sys_errno != 0) return trouble(found.path, number.sys_errno);
  // Perhaps half written: the next look may see the rest.
  if (!number.value) return baton::plugin::unknown(number.error).fact("cause", "number");
  facts->fact("number", number.text);
  const std::string words = "the number in " + found.path + " is " + number.text;
  if (number_min_ && *number.value < *number_min_) {
    return failing(words + ", at least " + number_min_text_ + " is wanted", "number").fact("number", number.text);
  }
  if (number_max_ && *number.value > *number_max_) {
    return failing(words + ", at most " + number_max_text_ + " is allowed", "number").fact("number", number.text);
  }
  return std::nullopt;
}

Result File::judge(const Found& found) const {
  const std::string kind = baton_file::kind_of(found.status);
  const nanoseconds age = baton_file::age_of(found.status);
  Result passed = baton::plugin::pass(found.path + " exists, changed " + baton_file::time_words(age) + " ago, " +
                                      baton_file::size_words(found.status.st_size));
  std::optional<Result> bad;
  if (type_ != "any" && type_ != kind) bad = failing(found.path + " is no " + type_ + " but a " + kind, "type");
  if (!bad) bad = judge_size(found);
  if (!bad) bad = judge_age(found);
  if (!bad) bad = judge_number(found, &passed);
  Result& result = bad ? *bad : passed;
  result.fact("path", found.path).fact("type", kind).fact("size", std::to_string(found.status.st_size));
  result.fact("age_s", std::to_string(std::chrono::duration_cast<std::chrono::seconds>(age).count()));
  return std::move(result);
}

constexpr const char* kManual =
    "Passes if what lies at `path` is as all keys ask; with state = absent, if nothing lies there. With `pattern`, the "
    "newest matching file of the directory is asked, which is how the age of a backup is watched.\n"
    "What may not be looked at, or is dated in the future, is unknown.";

}  // namespace

BATON_PLUGIN(File,
             baton::plugin::About{.name = "file",
                                  .version = "1",
                                  .summary = "Checks that a file is there or absent, its age, size and a number in it",
                                  .manual = kManual,
                                  .keys = kKeys})
