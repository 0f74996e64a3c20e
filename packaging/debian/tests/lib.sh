# shellcheck shell=bash
# Two hosts in network namespaces, joined by one link, for the tests of the installed package: `. lib.sh; make_hosts`.
# Each has a runtime and a state directory of its own below $work; the configuration is one file for both.
work=$(mktemp -d)
chmod 755 "$work"
namespaces=("baton-db1-$$" "baton-db2-$$")
declare -A daemon=()
failed() {
  echo "FAILED: $*" >&2
  for host in db1 db2; do
    echo "--- log of $host" >&2
    cat "$work/$host.log" >&2 || true
  done
  exit 1
}

leave() {
  for host in "${!daemon[@]}"; do kill -9 "${daemon[$host]}" 2>/dev/null || true; done
  wait 2>/dev/null || true
  for namespace in "${namespaces[@]}"; do ip netns delete "$namespace" 2>/dev/null || true; done
  rm -rf "$work"
}
trap leave EXIT

# The namespace of db1 or db2.
space() { echo "${namespaces[${1#db} - 1]}"; }

make_hosts() {
  ip netns add "${namespaces[0]}"
  ip netns add "${namespaces[1]}"
  ip -n "${namespaces[0]}" link add eth0 type veth peer name eth0 netns "${namespaces[1]}"
  for number in 1 2; do
    ip -n "$(space db$number)" address add "10.77.0.$number/24" dev eth0
    ip -n "$(space db$number)" link set lo up
    ip -n "$(space db$number)" link set eth0 up
    mkdir -p "$work/db$number"
  done
  cat >"$work/baton.conf" <<'CONF'
[instance web]
interface = eth0
virtual_router_id = 51
priority = 100
priority@db1 = 110
address = 10.77.0.50/24
advertisement_interval = 100ms
check = here

[plugin here]
module = exec
command = /bin/true

[peer db1]
address = 10.77.0.1
[peer db2]
address = 10.77.0.2
CONF
}

start() {
  ip netns exec "$(space "$1")" /usr/sbin/batond --host "$1" --config "$work/baton.conf" --runtime-dir "$work/$1/run" \
    --state-dir "$work/$1/state" >>"$work/$1.log" 2>&1 &
  daemon[$1]=$!
}

role() {
  batonctl --runtime-dir "$work/$1/run" status --json 2>/dev/null | grep -oE '"role": *"(active|backup|initialize)"' | head -n 1 | cut -d'"' -f4
}
holds() { [ -n "$(ip -n "$(space "$1")" -oneline address show dev eth0 to 10.77.0.50)" ]; }
is_active() { [ "$(role "$1")" = active ] && holds "$1"; }
is_backup() { [ "$(role "$1")" = backup ] && ! holds "$1"; }

# within SECONDS COMMAND... : asks ten times a second.
within() {
  local seconds=$1 end
  shift
  end=$((SECONDS + seconds))
  until "$@"; do
    [ "$SECONDS" -le "$end" ] || failed "not within $seconds s: $*"
    sleep 0.1
  done
}
