#!/bin/bash
# Each warning and error that a process logs has its row in src/base/notice.cc, from which baton-messages.7 is made, and
# each row is logged by something. Alarms and reasons have their words by the compiler's and the unit tests' care.
cd "$(dirname "$0")/../.."
# Where the level depends, log::write stands; some calls break before the id.
logged=$(find src -name '*.cc' ! -path 'src/log/*' -print0 | xargs -0 cat | tr '\n' ' ' |
  grep -oE 'log::(warning|error)\( *"[a-z_]+"|log::write\([^"]*"[a-z_]+"' | sed -E 's/.*"([a-z_]+)"/\1/' | sort -u)
# The guardian's word that all is well, at a level that a fresh start raises to info at most.
only_info='plugin_host_started'
diff <(grep -vxE "$only_info" <<<"$logged") \
  <(grep -oE '^    \{"[a-z_]+"' src/base/notice.cc | tr -d ' {"' | sort) && exit 0
echo "-> src/base/notice.cc: a row for what is logged (<), none for what is not (>)"
exit 1
