# shellcheck shell=bash
# catchup: a backlog of retail transactions (orders with two items each, the user's balance, shipments, deletes) lies in
# Kafka, and as WAL behind the slots of disabled subscriptions. Each round takes a fresh database that holds the
# snapshot, starts one applier on it, and stops the clock when the last transaction of the backlog is visible there.

catchup_run() {
  local round events all
  connector_begin
  daemon_take_snapshot
  daemon_stop
  pg_psql "$TARGET_PORT" shop -c 'VACUUM ANALYZE'
  pg_psql "$TARGET_PORT" postgres -c 'ALTER DATABASE shop RENAME TO shop_snapshot'
  step "$rounds databases with logical replication"
  for ((round = 1; round <= rounds; round++)); do native_begin "native_$round"; done
  catchup_load
  events=$(cat "$HOME_DIR/events") all=$(digest "$SOURCE_PORT" shop)
  step "$rounds rounds over $events row events ($layout, $([ "$schema" = 1 ] && echo 'JSON with schema' || echo 'plain JSON'))"
  printf '    %-6s %12s %12s %10s %14s %14s\n' round 'replicator s' 'native s' 'CPU s' 'peak RSS MB' content
  for ((round = 1; round <= rounds; round++)); do catchup_round "$round" "$all"; done
  catchup_report "$events"
}

# The transactions, then a last one by which each applier is known to have come to the end; waits until it is in Kafka.
catchup_load() {
  local before bin marker
  step "$transactions transactions into the source"
  bin=$(pg_bindir)
  before=$(catchup_row_changes)
  PGPASSWORD=$PG_PASSWORD "$bin/pgbench" -n -h 127.0.0.1 -p "$SOURCE_PORT" -U postgres -f "$BENCH/tx.pgbench@9" \
    -f "$BENCH/tx2.pgbench@1" -c 4 -j 2 -M prepared -t $((transactions / 4)) shop >"$HOME_DIR/pgbench.log" 2>&1 ||
    { tail -n 5 "$HOME_DIR/pgbench.log" >&2; die "pgbench failed"; }
  grep -E '^tps' "$HOME_DIR/pgbench.log" | sed 's/^/    /'
  marker=$(source_sql -At <<<"BEGIN; UPDATE users SET full_name = 'the last one' WHERE id = 1; SELECT pg_current_xact_id(); COMMIT;")
  sleep 1 # the sessions' statistics
  echo $(($(catchup_row_changes) - before)) >"$HOME_DIR/events"
  step "Waiting until all of it is in Kafka"
  wait_until 600 catchup_captured "$marker" || die "the connector did not get to the end in 600 s: $(connector_state "$CONNECT_URL" bench)"
  sleep 2 # batches of other topics that are still under way
  connect_stop "$HOME_DIR/connect"
}

catchup_row_changes() { source_sql -At -c 'SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables'; }

catchup_captured() {
  local topic=bench.transaction
  [ "$layout" = per-table ] || topic=bench.all
  kcat -C -q -e -b "$BROKER" -t "$topic" -o -20 2>/dev/null | grep -F '"END"' | grep -qF "\"id\":\"$1:"
}

# Odd rounds begin with the daemon, even ones with logical replication.
catchup_round() {
  local ours native
  if (($1 % 2)); then
    ours=$(catchup_daemon "$2")
    native=$(catchup_native "native_$1" "$2")
  else
    native=$(catchup_native "native_$1" "$2")
    ours=$(catchup_daemon "$2")
  fi
  echo "$ours" >>"$HOME_DIR/ours"
  echo "$native" >>"$HOME_DIR/native"
  # shellcheck disable=SC2086
  set -- "$1" $ours
  printf '    %-6s %12.2f %12.2f %10.2f %14.0f %14s\n' "$1" "$2" "$native" "$3" "$4" equal
}

# catchup_daemon DIGEST: prints seconds, CPU seconds and the peak of resident memory in MB.
catchup_daemon() {
  local began ended pid cpu peak
  pg_psql "$TARGET_PORT" postgres -c 'CREATE DATABASE shop TEMPLATE shop_snapshot'
  catchup_settle
  began=$EPOCHREALTIME
  daemon_start
  pid=$(process_pid "$HOME_DIR/replicator") || { daemon_required; exit 1; }
  ended=$(catchup_await shop "$pid")
  cpu=$(process_cpu "$pid") && peak=$(process_peak_mb "$pid") || { daemon_required; exit 1; }
  daemon_stop
  catchup_compare shop "$1"
  pg_psql "$TARGET_PORT" postgres -c 'DROP DATABASE shop WITH (FORCE)'
  awk -v b="$began" -v e="$ended" -v cpu="$cpu" -v peak="$peak" 'BEGIN { printf "%.3f %.2f %.1f\n", e - b, cpu, peak }'
}

# catchup_native DATABASE DIGEST: prints seconds.
catchup_native() {
  local began ended
  catchup_settle
  began=$EPOCHREALTIME
  pg_psql "$TARGET_PORT" "$1" -c "ALTER SUBSCRIPTION $1 ENABLE"
  ended=$(catchup_await "$1" $$)
  catchup_compare "$1" "$2"
  native_end "$1"
  awk -v b="$began" -v e="$ended" 'BEGIN { printf "%.3f\n", e - b }'
}

# Nobody should pay for the one before.
catchup_settle() {
  pg_psql "$TARGET_PORT" postgres -c CHECKPOINT
  pg_psql "$SOURCE_PORT" postgres -c CHECKPOINT
  sync
}

# catchup_await DATABASE PID: prints the time when the last transaction is visible; fails when the process ends before.
# The server looks, fifty times a second, with a new snapshot each time: an old one would keep dead rows from being pruned.
catchup_await() {
  local waiter out=$HOME_DIR/ended
  rm -f "$out"
  { PGOPTIONS='-c statement_timeout=600s' pg_psql "$TARGET_PORT" "$1" -c "DO \$\$ BEGIN
      WHILE NOT EXISTS (SELECT FROM users WHERE id = 1 AND full_name = 'the last one') LOOP
        COMMIT;
        PERFORM pg_sleep(0.02);
      END LOOP;
    END \$\$" && echo "$EPOCHREALTIME" >"$out"; } >&2 &
  waiter=$!
  while kill -0 "$waiter" 2>/dev/null; do
    if ! kill -0 "$2" 2>/dev/null; then kill "$waiter" 2>/dev/null; daemon_required; fi
    sleep 0.1
  done
  wait "$waiter" || { process_blame "$HOME_DIR/replicator" "the backlog was not in $1 after 600 s"; exit 1; }
  cat "$out"
}

catchup_compare() {
  local got
  got=$(digest "$TARGET_PORT" "$1")
  [ "$got" = "$2" ] && return 0
  diff <(echo "$2") <(echo "$got") >&2 || true
  die "the content of $1 is not that of the source (above: table|rows|digest)"
}

catchup_report() {
  local ours native
  ours=$(cut -d' ' -f1 "$HOME_DIR/ours" | median) native=$(median <"$HOME_DIR/native")
  step "Medians of $rounds rounds"
  awk -v events="$1" -v ours="$ours" -v native="$native" -v cpu="$(cut -d' ' -f2 "$HOME_DIR/ours" | median)" \
    -v peak="$(cut -d' ' -f3 "$HOME_DIR/ours" | sort -n | tail -n 1)" 'BEGIN {
    printf "    replicator             %7.2f s %9d row events/s   CPU %.2f s, peak RSS %d MB\n", ours, events / ours, cpu, peak
    printf "    logical replication    %7.2f s %9d row events/s\n", native, events / native
    printf "    ratio                  %7.2f (the rate of the replicator by that of logical replication)\n", native / ours }'
}
