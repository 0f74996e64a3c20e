#!/bin/bash
# The alert rules do what they say, and rules and dashboard name only metrics that there are.
set -uo pipefail
cd "$(dirname "$0")/../.."
bad=0
complain() { echo "$1"; bad=1; }
command -v promtool >/dev/null || { echo "promtool is missing: tests/install-deps"; exit 1; }
promtool check rules packaging/prometheus/baton.rules.yml >/dev/null || complain "packaging/prometheus/baton.rules.yml is no rule file"
said=$(promtool test rules packaging/prometheus/baton.rules.test.yml 2>&1) || complain "$said"

# Names as the table has them: MetricFamily{{"NAME", kTYPE, ...
declare -A type
while read -r name kind; do type[$name]=$kind; done < <(
  tr '\n' ' ' <src/steward/metrics.cc | grep -oE 'MetricFamily\{ *\{ *"baton_[a-z_]+", *k[A-Za-z]+' | sed -E 's/.*"(.*)", *k(.*)/\1 \2/')
[ ${#type[@]} -gt 40 ] || complain "tests/lint/metrics.sh does not find the table in src/steward/metrics.cc"
declare -A sample
for name in "${!type[@]}"; do
  case ${type[$name]} in
    Counter) sample[${name}_total]=1 ;;
    Info) sample[${name}_info]=1 ;;
    Histogram) for suffix in bucket sum count; do sample[${name}_$suffix]=1; done ;;
    *) sample[$name]=1 ;;
  esac
done
for file in packaging/prometheus/baton.rules.yml packaging/prometheus/baton.rules.test.yml packaging/grafana/baton.json; do
  for used in $(grep -oE '\bbaton_[a-z_]+\b' "$file" | sort -u); do
    [ "$used" = baton_instance ] && continue # the dashboard's own variable
    [ -n "${sample[$used]+x}" ] || complain "$file: there is no metric $used"
  done
done
alerts=$(grep -oE 'alert: \w+' packaging/prometheus/baton.rules.yml | cut -d' ' -f2)
for alert in $alerts; do
  grep -A1 "alertname: $alert\$" packaging/prometheus/baton.rules.test.yml | grep -q exp_alerts || complain "$alert: no test sees it fire"
done
exit $bad
