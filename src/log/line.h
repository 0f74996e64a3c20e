// How a line and a journald datagram look. Pure text.
#pragma once

#include <span>
#include <string>

#include "log/log.h"

namespace baton::log {

struct Line {
  Level level = Level::kInfo;
  std::string_view process;
  std::string_view event;
  std::span<const Field> fields;
  std::string_view text;
};

/// `level=warning process=engine event=x key=value key="two words" text="..."`. Control characters are escaped: a line
/// is one line.
std::string plain(const Line& line);
/// journald's native protocol: MESSAGE_ID if its kind has one, PRIORITY, SYSLOG_IDENTIFIER, MESSAGE and each field as
/// BATON_KEY.
std::string journal(const Line& line);

}  // namespace baton::log
