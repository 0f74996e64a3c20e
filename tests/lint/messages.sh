#!/bin/bash
# Every alarm has its entry in baton-messages.7, and every entry is an alarm.
cd "$(dirname "$0")/../.."
diff <(sed -n '/^std::string_view alarm_token/,/^}/p' src/ports/ports.cc | grep -oE '"[a-z0-9_]+"' | tr -d '"' | grep -vE '^(none|unknown)$' | sort) \
  <(sed -n 's/^\.B \([a-z0-9_]*\)$/\1/p' packaging/man/baton-messages.7 | grep -v history | sort)
