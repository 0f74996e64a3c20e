#!/bin/bash
# Files stay readable: none over 800 lines; main() within 70.
cd "$(dirname "$0")/../.."
git ls-files 'src/*.h' 'src/*.cc' 'plugins/*' | xargs -r wc -l | awk '$1 > 800 && $2 != "total" { print $2 ": " $1 " lines: split by noun"; bad = 1 } END { exit bad }' || exit 1
lines=$(wc -l <src/daemon/main.cc)
[ "$lines" -le 110 ] || { echo "src/daemon/main.cc: $lines lines"; exit 1; }
