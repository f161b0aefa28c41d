# shellcheck shell=bash
# latency: one connection commits single-row transactions at a steady rate, another looks at the target all the time.
# Both clocks are this machine's. First through the daemon, then by logical replication beside it.

latency_run() {
  connector_begin poll.interval.ms=10 producer.override.linger.ms=1
  daemon_take_snapshot
  native_begin native
  step "$rate single-row transactions a second for $seconds s ($layout, poll.interval.ms=10)"
  printf '    %-42s %9s %9s %9s\n' milliseconds median '99th' max
  "$LATENCY" "$(source_dsn)" "$(target_dsn shop)" "$rate" "$seconds" 1 >"$HOME_DIR/latency.raw" ||
    { daemon_required; die "not everything arrived; see $HOME_DIR/replicator/log"; }
  latency_print 'replicator: source commit to visible' <(awk '{ print $3 - $2 }' "$HOME_DIR/latency.raw")
  latency_from_kafka
  daemon_stop || exit 1
  connect_stop "$HOME_DIR/connect"
  pg_psql "$TARGET_PORT" native -c 'ALTER SUBSCRIPTION native ENABLE'
  "$LATENCY" "$(source_dsn)" "$(target_dsn native)" "$rate" "$seconds" 1000001 >"$HOME_DIR/native.raw" || die "not everything arrived"
  latency_print 'logical replication: the same' <(awk '{ print $3 - $2 }' "$HOME_DIR/native.raw")
}

# latency_print NAME FILE: of microseconds, a number a line.
latency_print() {
  sort -n "$2" | awk -v name="$1" '{ v[NR] = $1 / 1000 } END {
    printf "    %-42s %9.1f %9.1f %9.1f\n", name, v[int((NR + 1) / 2)], v[int(NR * 0.99 + 0.5)], v[NR] }'
}

# The part from the time stamp that Connect gave to each END until visible: the same transactions in the same order.
# The program's own warm-up is not in the raw file, so the two lists are laid side by side from their ends.
latency_from_kafka() {
  local topic=bench.transaction
  [ "$layout" = per-table ] || topic=bench.all
  kcat -C -q -e -b "$BROKER" -t "$topic" -f '%T %s\n' 2>/dev/null | grep -F '"END"' | cut -d' ' -f1 |
    tail -n "$(wc -l <"$HOME_DIR/latency.raw")" >"$HOME_DIR/ends"
  latency_print '  of it, from the END in Kafka on' <(paste -d' ' "$HOME_DIR/latency.raw" "$HOME_DIR/ends" | awk '{ print $3 - $4 * 1000 }')
}
