#!/bin/bash
# The top level is closed; the tree speaks of the project alone; every plugin has its manual chapter; scripts are executable.
set -uo pipefail
cd "$(dirname "$0")/../.."
bad=0
allowed=' .ci .clang-format .clang-tidy .gitignore CMakeLists.txt CMakePresets.json LICENSE README.md etc netns-tests packaging plugins src tests '
for name in $(git ls-files | cut -d/ -f1 | sort -u); do
  [[ $allowed == *" $name "* ]] || { echo "top level: '$name' does not belong"; bad=1; }
done
for plugin in plugins/*/; do
  [ -d "$plugin" ] && [ ! -e "$plugin/README.md" ] && { echo "$plugin: no README.md"; bad=1; }
done
if git grep -nE '/work/|\.\./shared|sandbox' -- . ':!tests/lint/tree.sh'; then
  echo "machine paths do not belong into the tree"
  bad=1
fi
for script in $(git ls-files | xargs grep -lE '^#!' 2>/dev/null | grep -vE '\.(py|sh)$'); do
  [ -x "$script" ] || { echo "$script: not executable"; bad=1; }
done
exit $bad
