#!/bin/bash
# Each warning and error that a process logs has its row in src/base/notice.cc, from which baton-messages.7 is made, and
# each row is logged by something. Alarms and reasons have their words by the compiler's and the unit tests' care.
cd "$(dirname "$0")/../.."
# Where the level depends, log::write stands; some calls break before the id.
logged=$(find src -name '*.cc' ! -path 'src/log/*' -print0 | xargs -0 cat | tr '\n' ' ' |
  grep -oE 'log::(warning|error)\( *"[a-z_]+"|log::write\([^"]*"[a-z_]+"' | sed -E 's/.*"([a-z_]+)"/\1/' | sort -u)
# The guardian's word that all is well, at a level that a fresh start raises to info at most.
only_info='plugin_host_started'
failed=0
diff <(grep -vxE "$only_info" <<<"$logged") \
  <(grep -oE '^    \{"[a-z_]+"' src/base/notice.cc | tr -d ' {"' | sort) || {
  echo "-> src/base/notice.cc: a row for what is logged (<), none for what is not (>)"
  failed=1
}
# What is told without being wrong has its id and its words in src/base/message_id.cc; alarms are there without words.
told=$(find src -name '*.cc' ! -path 'src/log/*' -print0 | xargs -0 cat | tr '\n' ' ' |
  grep -oE 'log::info\( *"[a-z_]+"' | sed -E 's/.*"([a-z_]+)"/\1/')
reports='acted alarm_cleared announced became_active became_backup became_initialize check holding move notice'
diff <(printf '%s\n' $told $only_info $reports log_lines_dropped | sort -u) \
  <(tr '\n' ' ' <src/base/message_id.cc | grep -oE '\{"[a-z_]+", +"[0-9a-f]{32}", +"' | sed -E 's/\{"([a-z_]+)".*/\1/' | sort) || {
  echo "-> src/base/message_id.cc: a row for what is told (<), none for what is not (>)"
  failed=1
}
exit $failed
