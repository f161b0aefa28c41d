# shellcheck shell=bash disable=SC2034
# Snapshots that the real connector makes, or leaves out, by snapshot.mode. Each case ends with both sides equal.

mode_now() { jq --arg mode "$1" '.config["snapshot.mode"] = $mode' "$T/connector.json" >"$T/connector2.json"; connector_register "$CONNECT_URL" "$T/connector2.json"; }

# Rows that no event will tell of go, others come; one table is empty then.
change_unseen() {
  source_sql -c "DELETE FROM wide WHERE id % 2 = 0" -c "INSERT INTO wide SELECT nextval('wide_id'), 'unseen', g FROM generate_series(1, 50) g" \
    -c 'DELETE FROM doc' -c "UPDATE keyed SET v = 'unseen' WHERE id % 3 = 0"
}

connector_at_rest() {
  connector stop
  wait_until 30 slot_idle || die "the slot is still in use"
}

# goes_on SNAPSHOTS: it reads a snapshot more than these, streams, and both sides are equal.
goes_on() {
  wait_until 60 connector_runs || die "the connector does not run: $(connector_trace "$CONNECT_URL" "$NAME" | head -n 1 | cut -c1-300)"
  wait_until 90 snapshot_was_read "$1" || die "no new snapshot was read"
  case_mark
  case_equal 60
}

snapshot_is_open() { [ "$(target_ask 'SELECT count(*) FROM replicator.snapshot_progress WHERE finished_at IS NULL')" -gt 0 ]; }
wide_is_locked() { [ "$(target_ask "SELECT count(*) FROM pg_locks WHERE relation = 'wide'::regclass AND mode = 'ExclusiveLock' AND granted")" -gt 0 ]; }

# A lock keeps the snapshot from its end, behind some of its rows: check_target gives no verdict then.
check_gives_no_verdict() {
  local status=0
  wait_until 60 snapshot_is_open || die "no snapshot was begun behind the lock"
  "$CHECK_TARGET" -c "$T/replicator.conf" --timeout 2 >"$T/check.log" 2>&1 || status=$?
  snapshot_is_open || die "the lock did not hold the snapshot"
  target_sql -c "SELECT pg_cancel_backend(pid) FROM pg_locks WHERE relation = 'wide'::regclass AND mode = 'ExclusiveLock' AND granted" >/dev/null
  [ "$status" = 2 ] || die "check_target in the midst of a snapshot: exit $status: $(tail -n 3 "$T/check.log" | tr '\n' ' ')"
  grep -q 'a snapshot of the connector is being read: [0-9]* tables*, ' "$T/check.log" || die "it does not say why: $(tail -n 3 "$T/check.log" | tr '\n' ' ')"
}

# always: each start brings a snapshot. when_needed: only the one whose slot is gone, and that without an operator's word.
case_snapshot_modes() {
  local before
  PLAN_BATCH_ROWS=50
  case_begin
  source_sql -c "INSERT INTO wide SELECT nextval('wide_id'), 'seen', g FROM generate_series(1, 100) g"
  case_mark
  case_equal
  connector_at_rest
  change_unseen
  before=$(snapshots_read)
  mode_now always
  target_sql -c 'BEGIN; LOCK TABLE wide IN EXCLUSIVE MODE; SELECT pg_sleep(120)' >/dev/null 2>&1 &
  wait_until 20 wide_is_locked || die "the table is not locked"
  connector resume
  check_gives_no_verdict
  goes_on "$before"
  # The first transaction behind a snapshot tells no commit LSN of the one before it.
  [ "$(events counter | cut -f7 | grep -cx null || true)" -gt 0 ] || echo 'figure STATE NOT SEEN: sequence[0] null; test_repeat_without_sequence alone stands for it'
  connector_at_rest
  mode_now when_needed
  before=$(snapshots_read)
  connector resume
  wait_until 60 connector_runs || die "the connector does not run"
  case_mark
  case_equal 60
  [ "$(snapshots_read)" = "$before" ] || die "when_needed read a snapshot that was not needed"
  connector_at_rest
  slot_gone "e2e_$NAME"
  change_unseen
  connector resume
  goes_on "$before"
  seed_exits
}

# The target has the rows from a dump, which was taken while the connector streamed: what the dump has already comes again.
case_snapshot_no_data() {
  local writer
  SEED=1
  CONNECTOR_EXTRA='| .config["snapshot.mode"] = "no_data"'
  seed_world
  wait_until 60 slot_follows || die "the connector does not stream"
  case_mark
  source_sql -c "INSERT INTO wide SELECT nextval('wide_id'), 'before', g FROM generate_series(1, 100) g" -c "DELETE FROM wide WHERE id % 3 = 0"
  (while [ ! -e "$T/dumped" ]; do case_mark >/dev/null; sleep 0.05; done) &
  writer=$!
  PGPASSWORD=$PG_PASSWORD "$(pg_bindir)/pg_dump" -h "$PG_HOST" -p "$SOURCE_PORT" -U postgres --data-only --disable-triggers \
    $(printf -- '-t public.%s ' ${TABLES_CAPTURED//,/ } | sed 's/public\.public\./public./g') "$NAME" >"$T/dump.sql"
  touch "$T/dumped"
  wait "$writer" || die "the writer failed"
  target_sql -f "$T/dump.sql" >"$T/restore.log"
  [ "$(target_ask 'SELECT count(*) FROM keyed')" -gt 0 ] || die "the dump brought nothing: the case tests nothing"
  keepers_start
  source_sql -c "INSERT INTO wide SELECT nextval('wide_id'), 'after', g FROM generate_series(1, 100) g"
  case_mark
  case_equal 60
  [ "$(target_ask 'SELECT count(*) FROM replicator.snapshot_progress')" = 0 ] || die "there was a snapshot: the case tests nothing"
  seed_exits
}
