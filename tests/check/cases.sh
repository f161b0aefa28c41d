# shellcheck shell=bash
# The cases of tests/check/run; each runs in a shell of its own and fails by its exit code.

case_wait() {
  local lsn answer
  source_sql -c "UPDATE t1 SET t = 'read your writes' WHERE id = 1"
  lsn=$(source_ask 'SELECT pg_current_wal_insert_lsn()')
  "$REPLICATOR" wait --lsn "$lsn" --timeout 30 -c "$T/replicator.conf" || die "wait: exit $?"
  expect_target "SELECT t FROM t1 WHERE id = 1" 'read your writes'
  expect_target "SELECT replicator.wait_for('$lsn', '1 s')" t
  answer=0
  "$REPLICATOR" wait --lsn FFFF/0 --timeout 1 -c "$T/replicator.conf" || answer=$?
  [ "$answer" -eq 1 ] || die "a position of the future: exit $answer"
}

case_equal() {
  check "$T/equal" --timeout 180
  [ "$STATUS" -eq 0 ] || { cat "$T/equal" "$T/equal.err"; die "exit $STATUS"; }
}

case_faults() {
  faults_plan "$FAULT_COUNT" >"$T/plan"
  faults_sql <"$T/plan" | target_sql -v ON_ERROR_STOP=1 -1 -f - || die "the faults could not be planted"
  faults_expected <"$T/plan" >"$T/expected"
  check "$T/found.json" --json --limit 500 --timeout 180
  [ "$STATUS" -eq 1 ] || { cat "$T/found.json.err"; die "exit $STATUS, not 1"; }
  echo "figure $(jq -r '"looks \(.looks) seconds \(.seconds)"' "$T/found.json")" >>"$T/figures"
  faults_found "$T/found.json" >"$T/found"
  diff "$T/expected" "$T/found" || die "found (>) is not what was planted (<)"
}

case_repair() {
  check "$T/dry" --repair --dry-run --timeout 180
  [ "$STATUS" -eq 1 ] || { cat "$T/dry" "$T/dry.err"; die "dry run: exit $STATUS"; }
  check "$T/repair" --repair --timeout 180
  [ "$STATUS" -eq 0 ] || { cat "$T/repair" "$T/repair.err"; die "repair: exit $STATUS"; }
  grep -q repaired: "$T/repair" || die "nothing was repaired"
  case_equal
}

case_interrupt() {
  local pid status=0
  "$CHECK_TARGET" -c "$T/replicator.conf" --max-rate 500 >"$T/partial" 2>"$T/partial.err" &
  pid=$!
  sleep 2
  kill -INT "$pid"
  wait "$pid" || status=$?
  [ "$status" -eq 2 ] || { cat "$T/partial" "$T/partial.err"; die "exit $status, not 2"; }
  grep -q 'interrupted before it was compared' "$T/partial" || { cat "$T/partial"; die "no partial report"; }
}

case_resync() {
  target_sql -c "DELETE FROM t2 WHERE id % 10 = 0" -c "INSERT INTO t2 (id, k, u) VALUES (70000000010, 'extra', gen_random_uuid())"
  "$REPLICATOR" table resync public.t2 --timeout 180 -c "$T/replicator.conf" || die "table resync: exit $?"
  expect_target "SELECT count(*) FROM t2 WHERE id = 70000000010" 0
  expect_target "SELECT count(*) FROM t2 WHERE id % 10 = 0 AND id <= $each" $((each / 10))
}

hidden_is() {
  await 20 "the stream has applied it" target_says "SELECT string_agg(concat_ws('|', pan, note, pin, length(big), n), ' ' ORDER BY id)
    FROM card WHERE id IN (1, 2, 3)" "$1"
}

# The connector masks pan, cuts note and leaves out pin: neither a repair nor a resync writes the source's values there, nor into
# the log of repairs. An update that leaves `big` alone has the placeholder in its place.
case_hidden() {
  local clear
  source_sql -c "UPDATE card SET n = n + 100, note = 'other ' || id, pin = 'pin' WHERE id IN (1, 2)" -c "DELETE FROM card WHERE id = 4"
  hidden_is '************|othe|8000|101 ************|othe|8000|102 ************|note|8000|3'
  target_sql -c "UPDATE card SET pan = '4111-1111-1', pin = 'own' WHERE id = 1" -c "UPDATE card SET note = 'other 2', n = 0 WHERE id = 2" \
    -c "DELETE FROM card WHERE id = 3" -c "INSERT INTO card (id, pan) VALUES (4, 'mine')"
  check "$T/hidden.json" --json --timeout 60 --table public.card
  [ "$STATUS" -eq 1 ] || { cat "$T/hidden.json" "$T/hidden.json.err"; die "exit $STATUS, not 1"; }
  check "$T/hidden" --repair --timeout 60 --table public.card
  [ "$STATUS" -eq 0 ] || { cat "$T/hidden" "$T/hidden.err"; die "repair: exit $STATUS"; }
  hidden_is '************|othe|own|8000|101 ************|othe|8000|102 ************|note|8000|3'
  target_sql -c "DELETE FROM card WHERE id > 2" -c "UPDATE card SET pan = '4111-1111-2' WHERE id = 2"
  "$REPLICATOR" table resync public.card --timeout 60 -c "$T/replicator.conf" || die "table resync: exit $?"
  hidden_is '************|othe|own|8000|101 ************|othe|8000|102 ************|note|8000|3'
  expect_target 'SELECT count(*) FROM card' 19
  clear=$(target_ask "SELECT count(*) FROM replicator.repair_log l WHERE l::text ~ '4111|other|pin .|mine'")
  [ "$clear" -eq 0 ] || { target_ask 'SELECT * FROM replicator.repair_log'; die "$clear records of repairs have hidden values"; }
}

# A role with SELECT on all tables but one.
case_rights() {
  source_sql -c "DROP ROLE IF EXISTS reader" -c "CREATE ROLE reader LOGIN PASSWORD 'reader'" \
    -c "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader" -c "REVOKE SELECT ON t7 FROM reader"
  sed "s/^source = .*/source = { dsn = \"host=$PG_HOST port=$SOURCE_PORT dbname=$NAME user=reader password=reader\"; };/" \
    "$T/replicator.conf" >"$T/reader.conf"
  STATUS=0
  "$CHECK_TARGET" -c "$T/reader.conf" --timeout 180 >"$T/rights" 2>&1 || STATUS=$?
  [ "$STATUS" -eq 2 ] || { cat "$T/rights"; die "exit $STATUS, not 2"; }
  grep -q 'public.t7: .*permission denied' "$T/rights" || { cat "$T/rights"; die "t7 is not named"; }
  grep -q '20 in sync' "$T/rights" || { cat "$T/rights"; die "the others were not checked"; }
}

case_lag() {
  local pid
  pid=$(process_pid "$T/daemon")
  kill -STOP "$pid"
  sleep 1
  check "$T/lag" --timeout 3
  kill -CONT "$pid"
  [ "$STATUS" -eq 2 ] || { cat "$T/lag"; die "exit $STATUS, not 2"; }
  grep -q 'did not pass the source.s position .* bytes of WAL behind' "$T/lag" || { cat "$T/lag"; die "no figures"; }
}

case_stopped() {
  daemon_stop
  sleep 1
  check "$T/stopped" --timeout 20
  [ "$STATUS" -eq 1 ] || { cat "$T/stopped"; die "exit $STATUS, not 1: the source went on"; }
  grep -q 'the stream is stopped at' "$T/stopped" || { cat "$T/stopped"; die "not said that it is stopped"; }
  daemon_start
  check "$T/again" --timeout 180
  [ "$STATUS" -eq 0 ] || { cat "$T/again"; die "exit $STATUS after the start"; }
}

# An idle source and a role that may only read: differences cannot be told from a lag, and the remedy is said. With the
# heartbeat's row to write, they can.
case_fence() {
  # From PostgreSQL 17 on the function has a fourth argument.
  source_sql -c "DO \$\$ BEGIN EXECUTE (SELECT format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f.oid::regprocedure) FROM pg_proc f
      WHERE f.proname = 'pg_logical_emit_message' AND f.proargtypes[2] = 'text'::regtype); END \$\$" -c "GRANT SELECT ON t7 TO reader"
  target_sql -c "UPDATE t1 SET s = s + 1 WHERE id = 10"
  STATUS=0
  "$CHECK_TARGET" -c "$T/reader.conf" --timeout 5 >"$T/idle" 2>&1 || STATUS=$?
  [ "$STATUS" -eq 2 ] || { cat "$T/idle"; die "exit $STATUS, not 2"; }
  grep -q 'GRANT EXECUTE ON FUNCTION pg_logical_emit_message.* UPDATE on that table' "$T/idle" || { cat "$T/idle"; die "no remedy"; }
  source_sql -c "GRANT USAGE ON SCHEMA replicator TO reader" -c "GRANT SELECT, UPDATE ON replicator.heartbeat TO reader"
  STATUS=0
  "$CHECK_TARGET" -c "$T/reader.conf" --timeout 30 >"$T/beaten" 2>&1 || STATUS=$?
  [ "$STATUS" -eq 1 ] || { cat "$T/beaten"; die "with the heartbeat: exit $STATUS, not 1"; }
  target_sql -c "UPDATE t1 SET s = s - 1 WHERE id = 10"
  "$CHECK_TARGET" -c "$T/reader.conf" --timeout 30 >"$T/beaten" 2>&1 || { cat "$T/beaten"; die "with the heartbeat: exit $?, not 0"; }
}
