#!/bin/bash
# Every #include "room/..." under src/ is one that tests/lint/rooms.txt allows; libraries stay in their rooms.
set -uo pipefail
cd "$(dirname "$0")/../.."
bad=0
complain() { echo "$1"; bad=1; }

declare -A allowed
while IFS=: read -r room rest; do
  [[ $room == \#* || -z $room ]] && continue
  allowed[$room]=" $room $rest "
done <tests/lint/rooms.txt

for directory in src/*/; do
  room=$(basename "$directory")
  [ -n "${allowed[$room]+x}" ] || { complain "src/$room is no room of tests/lint/rooms.txt"; continue; }
  while IFS=: read -r file line text; do
    target=$(sed -E 's/.*"([a-z_]+)\/.*/\1/' <<<"$text")
    [[ ${allowed[$room]} == *" $target "* ]] || complain "$file:$line: $room may not include $target"
  done < <(grep -rnE '^#include "[a-z_]+/' "$directory" --include='*.h' --include='*.cc')
done

# Headers that only one room (or few) may see.
only() {
  local pattern=$1 rooms=$2 file room
  while IFS=: read -r file _; do
    room=$(cut -d/ -f2 <<<"$file")
    [[ " $rooms " == *" $room "* ]] || complain "$file: <$pattern> belongs to: $rooms"
  done < <(grep -rlE "#include <($pattern)" src)
}
only 'libmnl|netlink/|libnftnl|linux/rtnetlink|linux/if_packet|linux/netlink|pcap' linux
only 'nlohmann/' 'steward cli'
only 'CLI/' cli
only 'spdlog/' log
only 'ini\.h' config
only 'seccomp\.h|dlfcn\.h' plugin_host
only 'sys/socket\.h|sys/epoll\.h|sys/signalfd\.h|sys/timerfd\.h|fcntl\.h|sys/mman\.h' 'posix linux ipc log config steward scribe plugin_host daemon cli'
for room in base vrrp ports engine; do
  if grep -rnE '#include <(sys/|fcntl|unistd|net/|linux/|thread|mutex|iostream|fstream)' "src/$room"; then
    complain "src/$room: no system call here"
  fi
done
exit $bad
