#include "cli/scrub.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

namespace baton::cli {
namespace {

constexpr std::string_view kMask = "********";
constexpr std::string_view kSpace = " \t\r\n";
constexpr std::string_view kQuotes = "\"'";

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.'; }

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out) c = c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

/// A name whose value is hidden. The name of a file is none: it says where a secret stands.
bool announces(std::string_view name) {
  const std::string word = lower(name);
  if (word.ends_with("_file") || word.ends_with("_path") || word.ends_with(".conf")) return false;
  constexpr std::array<std::string_view, 14> kParts{
      "password",  "passwd",        "passphrase",  "secret",     "token",  "api_key", "apikey",
      "auth_pass", "authorization", "private_key", "access_key", "cookie", "_pwd",    "_pass"};
  return word == "pass" || word == "pwd" || std::any_of(kParts.begin(), kParts.end(), [&](std::string_view part) {
           return word.find(part) != std::string::npos;
         });
}

std::string as_in_json(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

std::string as_in_url(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || std::string_view{"-._~"}.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

struct Range {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// From behind "://" to before the '@', if there is one. A password may hold a '/', a host's port is digits.
std::optional<Range> user_part(std::string_view text, std::size_t begin) {
  const std::size_t end = std::min(text.find_first_of(" \t\r\n\"'<>\\", begin), text.size());
  const std::size_t slash = std::min(text.find_first_of("/?#", begin), end);
  std::size_t at = text.substr(0, slash).rfind('@');
  if (at == std::string_view::npos || at < begin) {
    const std::size_t colon = text.substr(0, slash).find(':', begin);
    const bool port =
        colon == std::string_view::npos ||
        text.substr(colon + 1, slash - colon - 1).find_first_not_of("0123456789") == std::string_view::npos;
    if (port || text[begin] == '[') return std::nullopt;
    at = text.substr(0, end).rfind('@');
  }
  if (at == std::string_view::npos || at <= begin) return std::nullopt;
  return Range{begin, at};
}

std::vector<Range> user_parts(std::string_view text) {
  std::vector<Range> parts;
  for (std::size_t mark = text.find("://"); mark != std::string_view::npos; mark = text.find("://", mark + 3)) {
    if (const auto part = user_part(text, mark + 3)) parts.push_back(*part);
  }
  return parts;
}

std::size_t skip(std::string_view text, std::size_t at, std::string_view what) {
  return std::min(text.find_first_not_of(what, at), text.size());
}

/// The value that begins at `at`, behind a quote or bare. `whole_line`: a bare one may hold blanks.
Range value_at(std::string_view text, std::size_t at, bool whole_line) {
  // A quote within a text that is itself quoted ends as it began.
  const std::size_t slashes = skip(text, at, "\\") - at;
  std::size_t begin = at + slashes;
  if (begin < text.size() && kQuotes.find(text[begin]) != std::string_view::npos) {
    const char quote = text[begin++];
    std::size_t end = begin;
    if (slashes != 0) return {begin, std::min(text.find(std::string(slashes, '\\') + quote, begin), text.size())};
    while (end < text.size() && text[end] != quote && text[end] != '\n') end += text[end] == '\\' ? 2 : 1;
    return {begin, std::min(end, text.size())};
  }
  const std::string_view ends = whole_line ? "\r\n\"'" : " \t\r\n\"',;&)}]";
  return {at, std::min(text.find_first_of(ends, at), text.size())};
}

/// Behind a name: where its value stands; nullopt if it has none.
std::optional<Range> value_behind(std::string_view text, Range name) {
  std::size_t at = skip(text, name.end, "\\\"' \t");
  if (at < text.size() && (text[at] == '=' || text[at] == ':')) {
    const bool spaced = at + 1 < text.size() && text[at + 1] == ' ';
    at = skip(text, at + 1, " \t");
    return value_at(text, at, spaced);
  }
  // `--password VALUE`, and the same in a list of words.
  if (text[name.begin] != '-') return std::nullopt;
  const std::size_t next = skip(text, name.end, "\\\"', \t");
  if (next == name.end || next >= text.size() || text[next] == '\n') return std::nullopt;
  return value_at(text, next, false);
}

void hide(std::string& text, const std::vector<Range>& ranges) {
  std::string out;
  std::size_t done = 0;
  for (const Range& range : ranges) {
    if (range.begin < done || range.begin >= range.end) continue;
    out.append(text, done, range.begin - done);
    out += kMask;
    done = range.end;
  }
  text = out.append(text, done);
}

void hide_named(std::string& text) {
  std::vector<Range> ranges;
  for (std::size_t at = 0; at < text.size();) {
    if (!is_word(text[at])) {
      ++at;
      continue;
    }
    Range name{at, at};
    while (name.end < text.size() && is_word(text[name.end])) ++name.end;
    at = name.end;
    if (!announces(std::string_view{text}.substr(name.begin, name.end - name.begin))) continue;
    if (const auto value = value_behind(text, name); value && value->end > value->begin) {
      ranges.push_back(*value);
      at = value->end;
    }
  }
  hide(text, ranges);
}

/// PEM: everything between the dashes.
void hide_keys(std::string& text) {
  std::vector<Range> ranges;
  constexpr std::string_view kTail = "PRIVATE KEY-----";
  for (std::size_t head = text.find(kTail); head != std::string::npos; head = text.find(kTail, head)) {
    const std::size_t begin = head + kTail.size();
    const std::size_t end = std::min(text.find("-----END", begin), text.size());
    ranges.push_back({begin, end});
    head = std::min(text.find(kTail, end), text.size());
    head = head == text.size() ? head : head + kTail.size();
  }
  hide(text, ranges);
}

}  // namespace

Scrubber::Scrubber(const std::vector<std::string>& secrets) {
  for (const std::string& secret : secrets) {
    const std::string_view content = trimmed(secret);
    if (content.size() < kShortest) continue;
    for (std::string form : {std::string{content}, as_in_json(content), as_in_url(content)}) {
      if (std::find(known_.begin(), known_.end(), form) == known_.end()) known_.push_back(std::move(form));
    }
  }
  std::stable_sort(known_.begin(), known_.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
}

std::string Scrubber::scrub(std::string_view text) const {
  std::string out{text};
  for (const std::string& secret : known_) {
    for (std::size_t at = out.find(secret); at != std::string::npos; at = out.find(secret, at + kMask.size())) {
      out.replace(at, secret.size(), kMask);
    }
  }
  hide_keys(out);
  hide(out, user_parts(out));
  hide_named(out);
  return out;
}

std::vector<std::string> url_secrets(std::string_view text) {
  std::vector<std::string> secrets;
  for (const Range& part : user_parts(text)) {
    const std::string_view whole = text.substr(part.begin, part.end - part.begin);
    secrets.emplace_back(whole);
    if (const auto colon = whole.find(':'); colon != std::string_view::npos) {
      secrets.emplace_back(whole.substr(colon + 1));
    }
  }
  return secrets;
}

}  // namespace baton::cli
