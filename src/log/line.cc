#include "log/line.h"

#include <cstring>

#include "base/message_id.h"

namespace baton::log {
namespace {

std::string_view level_token(Level level) {
  switch (level) {
    case Level::kTrace: return "trace";
    case Level::kDebug: return "debug";
    case Level::kInfo: return "info";
    case Level::kWarning: return "warning";
    case Level::kError: return "error";
  }
  return "error";
}

/// Of syslog(3).
char priority_digit(Level level) {
  switch (level) {
    case Level::kTrace:
    case Level::kDebug: return '7';
    case Level::kInfo: return '6';
    case Level::kWarning: return '4';
    case Level::kError: return '3';
  }
  return '3';
}

bool plain_enough(std::string_view value) {
  if (value.empty()) return false;
  for (const char c : value) {
    if (c <= ' ' || c == '"' || c == '\\' || c == 0x7F) return false;
  }
  return true;
}

void append_value(std::string& out, std::string_view value) {
  if (plain_enough(value)) {
    out += value;
    return;
  }
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < ' ' || byte == 0x7F) {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_field(std::string& out, std::string_view key, std::string_view value) {
  if (!out.empty()) out += ' ';
  out += key;
  out += '=';
  append_value(out, value);
}

/// A value with a newline takes the binary form: name, newline, 64-bit little-endian length, value, newline.
void append_journal(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  if (value.find('\n') == std::string_view::npos) {
    out += '=';
    out += value;
  } else {
    out += '\n';
    for (unsigned shift = 0; shift < 64; shift += 8) out += static_cast<char>(value.size() >> shift & 0xFF);
    out += value;
  }
  out += '\n';
}

std::string body(const Line& line) {
  std::string out;
  append_field(out, "event", line.event);
  for (const Field& field : line.fields) append_field(out, field.key, field.value);
  if (!line.text.empty()) append_field(out, "text", line.text);
  return out;
}

/// What tells the kinds of one event apart.
std::string_view detail_of(const Line& line) {
  const std::string_view key = line.event == "transition" ? "to" : "alarm";
  for (const Field& field : line.fields) {
    if (field.key == key) return field.value;
  }
  return {};
}

}  // namespace

std::string plain(const Line& line) {
  std::string out;
  append_field(out, "level", level_token(line.level));
  append_field(out, "process", line.process);
  return out + ' ' + body(line);
}

std::string journal(const Line& line) {
  std::string out;
  if (const std::string_view id = message_id(line.event, detail_of(line)); !id.empty()) {
    append_journal(out, "MESSAGE_ID", id);
  }
  append_journal(out, "PRIORITY", std::string(1, priority_digit(line.level)));
  append_journal(out, "SYSLOG_IDENTIFIER", "batond");
  append_journal(out, "MESSAGE", body(line));
  append_journal(out, "BATON_PROCESS", line.process);
  append_journal(out, "BATON_EVENT", line.event);
  for (const Field& field : line.fields) {
    std::string name = "BATON_";
    for (const char c : field.key) name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    append_journal(out, name, field.value);
  }
  return out;
}

}  // namespace baton::log
