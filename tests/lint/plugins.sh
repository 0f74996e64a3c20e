#!/bin/bash
# Every plugin has its manual chapter, an example that administrators copy, and a test; and its chapter names every key.
set -uo pipefail
cd "$(dirname "$0")/../.."
bad=0
complain() {
  echo "$1"
  bad=1
}
for directory in plugins/*/; do
  name=$(basename "$directory")
  case $name in common | template | __pycache__) continue ;; esac
  [ -e "$directory/CMakeLists.txt" ] || { complain "plugins/$name: no CMakeLists.txt"; continue; }
  [ -s "$directory/README.md" ] || complain "plugins/$name: no README.md (its manual chapter)"
  ls "$directory"/test_*.py >/dev/null 2>&1 || complain "plugins/$name: no test_$name.py"
  example=etc/examples/plugin-$name.conf
  if [ ! -e "$example" ]; then
    complain "plugins/$name: no $example"
  else
    grep -qE "^module *= *$name\$" "$example" || complain "$example: no section has module = $name"
  fi
  # The keys as the code declares them: key("name", BATON_KEY_...
  # The daemon's own keys of a [plugin] section; a module that declares one is refused when it loads.
  for key in module interval timeout rise fall user deadline; do
    grep -qE "key\\(\"$key\"," "$directory"/*.cc && complain "plugins/$name: declares $key, which is one of the daemon's own keys"
  done
  for key in $(cat "$directory"/*.cc | tr '\n' ' ' | grep -oE 'key\("[a-z0-9_]+", *BATON_KEY_' | grep -oE '"[^"]+"' | tr -d '"'); do
    grep -qE "\b$key\b" "$directory/README.md" 2>/dev/null || complain "plugins/$name/README.md: says nothing of the key $key"
  done
done
for example in etc/examples/plugin-*.conf; do
  [ -e "$example" ] || continue
  name=$(basename "$example" .conf)
  [ -d "plugins/${name#plugin-}" ] || complain "$example: there is no plugins/${name#plugin-}"
done
exit $bad
