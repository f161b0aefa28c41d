# shellcheck shell=bash
# Snapshots that show only a part of the source remove nothing, and both sides are equal in the end: a blocking one of one
# table, one that a restart of the connector cuts, a new initial one that is stopped and replaced by no_data.
test_blocking_snapshot() {
  local TABLES='{ match = "public.users"; delete = "soft"; truncate = "soft"; }, { match = "public.signals"; exclude = true; }'
  databases_make data
  source_sql -c "CREATE TABLE signals (id text PRIMARY KEY, type text, data text)" -c "ALTER TABLE signals OWNER TO debezium"
  connector_start '.config["signal.data.collection"] = "public.signals" | .config["table.include.list"] += ",public.signals"'
  daemon_configure 'supervision = { interval = "1s"; };'
  daemon_init
  daemon_start
  flush
  blocking_of_one_table
  blocking_that_is_cut
  initial_that_is_replaced
}

# The connector begins it inside the transaction of its signal, which stays whole.
blocking_of_one_table() {
  source_sql -c "BEGIN; UPDATE orders SET note = 'before' WHERE id <= 5; $(signal_sql first); UPDATE orders SET note = 'after' WHERE id BETWEEN 6 AND 10; COMMIT"
  await_target 60 "SELECT count(*) FROM replicator.snapshot_progress WHERE finished_at IS NOT NULL AND last_row" 2
  flush
  expect_target "SELECT count(*) FILTER (WHERE note = 'before') || ' ' || count(*) FILTER (WHERE note = 'after') FROM orders" '5 5'
  expect_settled
}

blocking_that_is_cut() {
  source_sql -c "INSERT INTO orders (user_id, total, note) SELECT 1, 1.5, 'many' FROM generate_series(1, 20000)"
  flush
  source_sql -c "$(signal_sql second)"
  await_target 60 "SELECT count(*) > 2 FROM replicator.snapshot_progress" t
  connector_restart "$CONNECT_URL" "$NAME"
  connector_wait_running "$CONNECT_URL" "$NAME" 90
  await 60 "the connector streams" slot_follows
  source_sql -c "UPDATE orders SET note = 'at last' WHERE id <= 3" -c "DELETE FROM orders WHERE note = 'many' AND id % 7 = 0"
  flush 90
  expect_target "SELECT count(*) FROM orders WHERE note = 'at last'" 3
  await_target 60 'SELECT count(*) FROM replicator.snapshot_progress WHERE finished_at IS NULL' 0
  expect_settled
}

# A lock at the source holds the snapshot in the middle.
initial_that_is_replaced() {
  connector_ask PUT stop
  await 30 "the connector is stopped" connector_has_stopped
  connector_ask DELETE offsets
  source_sql -c "BEGIN; LOCK TABLE commerce.users IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(120)" >/dev/null 2>&1 &
  connector_ask PUT resume
  await_target 90 'SELECT count(*) FROM replicator.snapshot_progress WHERE finished_at IS NULL' 1
  connector_ask PUT stop
  source_ask "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE relation = 'commerce.users'::regclass AND mode = 'AccessExclusiveLock' AND granted" >/dev/null
  await 60 "the connector is stopped" connector_has_stopped
  source_sql -c "DELETE FROM commerce.users WHERE id % 2 = 0" # before the slot is read again: these come as events
  connector_ask DELETE offsets
  jq '.config["snapshot.mode"] = "no_data"' "$T/connector.json" >"$T/connector2.json"
  connector_register "$CONNECT_URL" "$T/connector2.json"
  connector_ask PUT resume
  connector_wait_running "$CONNECT_URL" "$NAME" 90
  await 60 "the connector streams" slot_follows
  source_sql -c "UPDATE orders SET note = 'after no_data' WHERE id <= 3"
  flush 90
  await_target 60 'SELECT count(*) FROM replicator.snapshot_progress WHERE finished_at IS NULL' 0
  expect_target "SELECT count(*) > 10000 FROM orders" t
  expect_settled
}

expect_settled() {
  await_target 120 'SELECT count(*) FROM replicator.unverified' 0
  expect_equal
}

connector_ask() { curl -fsS -m 60 -X "$1" -o /dev/null "$CONNECT_URL/connectors/$NAME/$2"; }
connector_has_stopped() { [ "$(connector_state "$CONNECT_URL" "$NAME")" = STOPPED ] && ! slot_follows; }

# signal_sql ID: the INSERT that asks for it.
signal_sql() { echo "INSERT INTO signals VALUES ('$1', 'execute-snapshot', '{\"data-collections\": [\"public.orders\"], \"type\": \"blocking\"}')"; }
