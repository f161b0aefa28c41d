# shellcheck shell=bash disable=SC2034
# Cases about the connector's slot: gone, made anew by somebody, and another history of the source behind it.

slot_idle() { [ "$(pg_psql "$SOURCE_PORT" postgres -At -c "SELECT active FROM pg_replication_slots WHERE slot_name = 'e2e_$NAME'")" = f ]; }
connector() { "$REPLICATOR" connector "$@" -c "$T/replicator.conf" >"$T/connector" 2>&1 || die "connector $*: $(tail -n 1 "$T/connector")"; }

snapshots_read() { target_ask "SELECT count(*) FROM replicator.snapshot_progress WHERE finished_at IS NOT NULL"; }
snapshot_was_read() { [ "$(snapshots_read)" -gt "$1" ]; }

# The connector refuses to go on without the events in between, and the daemon says so. A new snapshot is the way out: rows deleted
# meanwhile go, too.
case_slot_dropped() {
  local round before
  case_begin
  for round in dropped 'made anew'; do
    case_mark
    case_equal
    connector stop
    wait_until 30 slot_idle || die "the slot is still in use"
    slot_gone "e2e_$NAME"
    source_sql -c "DELETE FROM wide WHERE id % 2 = 0; INSERT INTO wide SELECT nextval('wide_id'), 'unseen', g FROM generate_series(1, 50) g"
    case_mark
    [ "$round" = dropped ] || source_ask "SELECT pg_create_logical_replication_slot('e2e_$NAME', 'pgoutput')"
    case_mark
    connector resume
    wait_until 60 connector_is FAILED || die "the connector goes on behind a slot that was $round: events are lost in silence"
    wait_until 30 log_says "connector $NAME: FAILED: .*no longer available on the server" || die "the daemon does not say that the connector failed"
    log_says 'slot is gone or was made anew: .*connector offsets --reset' || die "the daemon does not name the way out"
    [ ! -e "$T/d1/exits" ] || die "the daemon left"
    connector stop
    before=$(snapshots_read)
    connector offsets --reset
    connector resume
    wait_until 60 connector_runs || die "no new snapshot: $(connector_trace "$CONNECT_URL" "$NAME" | head -n 1 | cut -c1-300)"
    wait_until 60 snapshot_was_read "$before" || die "the new snapshot does not end"
    case_equal 60
    : >"$T/d1/log"
  done
  seed_exits
}

# The source comes back from a dump on another server, whose LSNs are lower and whose clock is an hour behind: the daemon does not take
# its transactions for repeats, stops and names the command for the operator's acknowledgement. After it the new snapshot and the
# following transactions are applied.
case_new_history() {
  local before=$SOURCE_PORT n
  case_begin
  source_sql -c "INSERT INTO wide SELECT nextval('wide_id'), 'one', g FROM generate_series(1, 50) g"
  case_mark
  case_equal
  connector stop
  PGPASSWORD=$PG_PASSWORD "$(pg_bindir)/pg_dump" -h "$PG_HOST" -p "$SOURCE_PORT" -U postgres -C "$NAME" >"$T/dump.sql"
  source_sql -c "DELETE FROM wide" # what the dump has not
  # shellcheck disable=SC2059
  printf "$CLOCK_FORM" -3600 >"$T/source-clock"
  LD_PRELOAD="$WORK/clock.so" FAULTS_CLOCK="$T/source-clock" pg_start "$WORK/source-2" "$SOURCE_2_PORT" fsync=off
  cluster_prepare "$SOURCE_2_PORT" source
  pg_psql "$SOURCE_2_PORT" postgres -f "$T/dump.sql" >/dev/null
  SOURCE_PORT=$SOURCE_2_PORT
  [ "$(source_ask "SELECT now() < '$(target_ask 'SELECT source_commit_at FROM replicator.stream')'")" = t ] || die "the new server's clock is not behind: the case tests nothing"
  [ "$(source_ask "SELECT pg_current_wal_lsn() < '$(target_ask 'SELECT last_commit_lsn FROM replicator.stream')'")" = t ] || die "the new server's LSNs are not lower: the case tests nothing"
  sed -i "s/port=$before/port=$SOURCE_2_PORT/" "$T/replicator.conf"
  connector offsets --reset
  jq ".config[\"database.port\"] = \"$SOURCE_2_PORT\"" "$T/connector.json" >"$T/connector2.json"
  connector_register "$CONNECT_URL" "$T/connector2.json"
  connector resume
  wait_until 60 connector_runs || die "the connector does not run: $(connector_trace "$CONNECT_URL" "$NAME" | head -n 1 | cut -c1-300)"
  wait_until 60 slot_follows || die "the connector does not stream"
  n=$(case_mark)
  wait_until 60 grep -q '^6$' "$T/d1/exits" || die "the daemon did not stop: $(tail -n 1 "$T/d1/log")"
  log_says 'exit code 6.*accept new-slot' || die "it does not name the way out: $(grep -a 'exit code 6' "$T/d1/log" | tail -n 1)"
  "$REPLICATOR" accept new-slot -c "$T/replicator.conf"
  wait_until 60 caught_up "$n" || die "it does not go on: $(tail -n 1 "$T/d1/log")"
  case_mark
  want=$(last_number)
  wait_until 60 caught_up "$want" || die "it does not go on: $(tail -n 1 "$T/d1/log")"
  rows_equal
  ! grep -nvE '^(0|6|137)$' "$T"/d1/exits || die "the daemon left for another reason"
}
