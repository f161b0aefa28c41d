# shellcheck shell=bash
# The daemon's HTTP server, its page in a browser, the supervision, the alert rules.

status_asks() { curl -fsS -m 5 "$STATUS_URL$1"; }
status_field() { status_asks /status.json | jq -r "$1"; }
status_is() { [ "$(status_field "$1" 2>/dev/null)" = "$2" ]; }
ready_is() { [ "$(curl -s -m 5 -o /dev/null -w '%{http_code}' "$STATUS_URL/readyz")" = "$1" ]; }

# Connector of the tests before; daemon; all endpoints.
test_endpoints() {
  replicator init target
  cat >>"$WORK/replicator.conf" <<CONF
status = { port = $STATUS_PORT; ready_lag = "2s"; };
supervision = { interval = "500ms"; slot_limit = "16MB"; };
CONF
  mkdir -p "$WORK/daemon"
  process_spawn "$WORK/daemon" "$REPLICATOR" run -c "$WORK/replicator.conf"
  await 60 'the snapshot in the target' target_says 'SELECT count(*) FROM customers' 50
  source_sql -c "INSERT INTO customers (name) VALUES ('planted-row-value'); UPDATE customers SET name = 'x' WHERE id = 1"
  await 30 'the rows in the target' target_says "SELECT count(*) FROM customers WHERE name IN ('planted-row-value', 'x')" 2
  [ "$(status_asks /healthz)" = alive ]
  await 10 ready ready_is 200
  await 10 'the connector on the page' status_is .connector.state RUNNING
  await 10 'the slot on the page' status_is .slot.active true
  status_is .state running
  status_asks /metrics >"$WORK/said"
  grep -qE '^replicator_events_total\{table="public.customers",op="insert"\} [1-9]' "$WORK/said"
  grep -qE '^replicator_events_total\{table="public.customers",op="snapshot"\} [1-9]' "$WORK/said"
  says 'replicator_connector_state{state="RUNNING"} 1'
  says 'replicator_slot_active 1'
  says 'replicator_lag_seconds 0'
  promtool check metrics <"$WORK/said" # as Prometheus reads it
  [ "$(curl -s -o /dev/null -w '%{http_code}' "$STATUS_URL/nowhere")" = 404 ]
  [ "$(curl -s -o /dev/null -w '%{http_code}' -X POST "$STATUS_URL/metrics")" = 405 ]
}

# The page in a real browser: what its script made of /status.json stands in the document.
test_page() {
  chromium --headless --no-sandbox --disable-gpu --user-data-dir="$WORK/chromium" --virtual-time-budget=5000 \
    --dump-dom "$STATUS_URL/" >"$WORK/said" 2>"$WORK/chromium.log"
  says '<span id="stream">shop</span>'
  says 'class="state good"'
  says 'shop: RUNNING'
  says '<td>public.customers</td>'
}

# The target away: alive, not ready, a retry counted; back: all of it heals.
test_target_stopped() {
  pg_stop "$WORK/target"
  source_sql -c "INSERT INTO customers (name) VALUES ('while away')"
  await 20 'not ready' ready_is 503
  [ "$(status_asks /healthz)" = alive ]
  curl -s "$STATUS_URL/readyz" >"$WORK/said"
  says 'not ready: '
  await 10 'trouble' status_is .troubled true
  status_asks /metrics | grep -E '^replicator_retries_total\{cause="connection"\} [1-9]'
  pg_start "$WORK/target" "$TARGET_PORT" fsync=off
  await 40 'the row in the target' target_says "SELECT count(*) FROM customers WHERE name = 'while away'" 1
  await 20 ready ready_is 200
}

# The connector's backend is refused for a while: its task fails and is restarted by the daemon.
test_connector_supervised() {
  source_sql -c "ALTER ROLE shop_reader NOLOGIN" \
    -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shop_reader'"
  curl -fsS -X POST "$CONNECT_URL/connectors/shop/restart?includeTasks=true" >/dev/null
  await 60 'FAILED on the page' status_is .connector.state FAILED
  await 20 'a restart' restarted
  source_sql -c 'ALTER ROLE shop_reader LOGIN'
  await 60 'RUNNING again' status_is .connector.state RUNNING
  source_sql -c "INSERT INTO customers (name) VALUES ('after the restart')"
  await 30 'the row in the target' target_says "SELECT count(*) FROM customers WHERE name = 'after the restart'" 1
  grep -q 'what failed of it is restarted' "$WORK/daemon/log"
}

restarted() { [ "$(status_field .connector.restarts)" -ge 1 ]; }

# A stopped connector: its slot keeps WAL, which passes the limit.
test_slot_growing() {
  replicator connector stop
  await 20 'the slot inactive' status_is .slot.active false
  source_sql -c "CREATE TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 20000)"
  await 20 'the warning' grep -q 'slot shop_slot keeps' "$WORK/daemon/log"
  status_asks /metrics | awk '$1 == "replicator_slot_retained_bytes" && $2 > 16777216 { found = 1 } END { exit !found }'
  replicator connector resume
  await 30 'the slot active' status_is .slot.active true
}

# The rules fire, each on the series that it is for, and not before.
test_alerts() {
  (cd "$REPO_ROOT/stack/monitoring" && promtool check rules alerts.yaml && promtool test rules alerts_test.yaml)
}

# Neither the passwords nor the rows of these tests stand in anything that was said.
test_secrets() {
  process_stop "$WORK/daemon" 20
  ! grep -rlE 'planted-(source-secret|row-value)' "$WORK/daemon" "$WORK"/*.output
}
