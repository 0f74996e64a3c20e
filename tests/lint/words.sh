#!/bin/bash
# Words that do not belong into the code, each with what to use instead.
set -uo pipefail
cd "$(dirname "$0")/../.."
bad=0
ban() {
  local pattern=$1 instead=$2
  shift 2
  local hits
  hits=$(grep -rnE "$pattern" "$@" --include='*.h' --include='*.cc' || true)
  [ -z "$hits" ] || { printf '%s\n  -> %s\n' "$hits" "$instead"; bad=1; }
}
ban '\bsystem\(' 'run programs by argv: posix/child.h' src plugins
ban 'sleep_for|usleep\(|[^_]sleep\(' 'wait on the event loop' src plugins
ban 'clock_gettime|[a-z]_clock::now\(|gettimeofday' 'posix/clock.h' $(ls -d src/*/ | grep -v src/posix)
ban 'shared_ptr' 'unique_ptr or a value' src plugins
ban '\b(FIXME|XXX|TODO)\b' 'finish it, or open an issue' src plugins tests netns-tests
ban '\bMaster\b' 'Active (RFC 9568)' src/base src/vrrp src/engine src/ports src/linux src/posix
ban '\bthrow [^(]|throw std' 'Result<T>' src/base src/vrrp src/engine src/ports src/linux src/posix src/ipc src/config
ban '\b(strcpy|strcat|sprintf)\(' 'std::string or snprintf' src plugins
exit $bad
