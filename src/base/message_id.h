// The journal's MESSAGE_ID of each kind of log line: fixed for ever, so that `journalctl MESSAGE_ID=...` and the rules
// of a monitoring system outlive our words, and explained by the catalog that is made from this table (packaging/man).
// An id is random, never changed and never used again; warnings and errors have theirs in base/notice.h.
#pragma once

#include <span>
#include <string_view>

namespace baton {

struct MessageKind {
  std::string_view token;  ///< `event=`; of an alarm its token; became_active, _backup, _initialize of a transition
  std::string_view message_id;  ///< 32 lower-case hexadecimal digits
  std::string_view subject;  ///< for the catalog, with @FIELD@ of the line; "": an alarm, whose words are the steward's
  std::string_view text;
};

/// By token, ascending.
std::span<const MessageKind> message_kind_table();

/// `detail`: of event=alarm the alarm, of event=transition the new role; otherwise not looked at. "" if it has none.
std::string_view message_id(std::string_view event, std::string_view detail);

}  // namespace baton
