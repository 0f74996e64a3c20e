#!/bin/bash
# I13: the same seeds give the same hash, in another process, with other addresses in memory and another environment.
sim=$1
first=$("$sim" --seeds 40 | tail -n 1)
second=$(env -i PADDING="$(printf '%*s' 5000 '')" "$sim" --seeds 40 | tail -n 1)
other=$("$sim" --seed 2 --seeds 40 | tail -n 1)
echo "$first"
[[ $first == sim:*" 0 violations" ]] || { echo "not a clean run"; exit 1; }
[ "$first" = "$second" ] || { echo "the second run differs: $second"; exit 1; }
[ "$first" != "$other" ] || { echo "other seeds give the same hash"; exit 1; }
