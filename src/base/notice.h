// The warnings and errors that Baton's processes log about themselves, each with what it means and what to do. The
// manual baton-messages(7) is made from this table; tests/lint/messages.sh compares it with the code. What the election
// says has words of its own: base/reason.h and the alarms.
#pragma once

#include <span>
#include <string_view>

namespace baton {

struct Notice {
  std::string_view id;          ///< `event=` of the log line
  std::string_view message_id;  ///< of the journal, 32 hexadecimal digits: fixed for ever (base/message_id.h)
  std::string_view meaning;
  std::string_view remedy;  ///< "" if there is nothing to do
};

/// By id, ascending.
std::span<const Notice> notice_table();

}  // namespace baton
