# shellcheck shell=bash
# The daemon's HTTP server, its page in a browser, and the alert rules.

# Connector of the tests before; daemon; all endpoints.
test_endpoints() {
  cat >>"$WORK/replicator.conf" <<CONF
status = { port = $STATUS_PORT; ready_lag = "1s"; };
supervision = { interval = "500ms"; slot_limit = "16MB"; };
CONF
  daemon_start
  await 60 'the snapshot in the target' target_says 'SELECT count(*) FROM customers' 50
  source_sql -c "INSERT INTO customers (name) VALUES ('planted-row-value'); UPDATE customers SET name = 'x' WHERE id = 1"
  await 30 'the rows in the target' target_says "SELECT count(*) FROM customers WHERE name IN ('planted-row-value', 'x')" 2
  await 10 'the connector on the page' status_is .connector.state RUNNING
  await 10 'the slot on the page' status_is .slot.active true
  await 10 'lag in WAL' status_is '.lag_bytes >= 0' true
  status_asks /healthz >"$WORK/said"
  prints 'GET /healthz' alive
  # The connector's second snapshot leaves the table unverified; the comparison writes to the source, too.
  await 60 'no unverified table' target_says 'SELECT count(*) FROM replicator.unverified' 0
  await 10 'no lag' status_is '.lag_seconds == 0 and .lag_transactions == 0' true
  await 10 ready ready_is 200
  status_asks /readyz >"$WORK/said"
  prints 'GET /readyz' ready
  status_asks /status.json >"$WORK/said"
  prints 'GET /status.json' '"state": "running"' '"lag_seconds": 0.0' '"not_ready": null'
  await 10 'the ends of the partitions' metrics_have 'replicator_high_watermark{topic="shop.public.customers",partition="0"} '
  prints 'GET /metrics' 'replicator_connector_state{state="RUNNING"} 1' 'replicator_slot_active 1' 'replicator_lag_seconds 0' \
    'replicator_lag_transactions 0' 'replicator_lag_bytes ' 'replicator_retries_total{cause="connection"} 0' \
    'replicator_rows_written_total{path="copy"} ' 'replicator_batch_rows_bucket{le="1"} ' 'replicator_commit_seconds_count ' \
    'replicator_end_to_end_seconds_count ' 'replicator_quarantined_total 0' 'replicator_duplicates_total ' \
    'replicator_placeholders_total 0' 'replicator_ddl_steps_total 0' 'replicator_spilled_transactions_total 0' \
    'replicator_memory_limit_bytes 268435456' 'process_resident_memory_bytes ' 'replicator_retention_seconds 604800' \
    'replicator_next_offset{topic="shop.public.customers",partition="0"} ' \
    'replicator_high_watermark{topic="shop.public.customers",partition="0"} '
  grep -qE '^replicator_events_total\{table="public.customers",op="insert"\} [1-9]' "$WORK/said"
  grep -qE '^replicator_events_total\{table="public.customers",op="snapshot"\} [1-9]' "$WORK/said"
  promtool check metrics <"$WORK/said" # as Prometheus reads it
  [ "$(curl -s -o /dev/null -w '%{http_code}' "$STATUS_URL/nowhere")" = 404 ]
  [ "$(curl -s -o /dev/null -w '%{http_code}' -X POST "$STATUS_URL/metrics")" = 405 ]
  # On the loopback alone.
  never curl -s -m 2 -o /dev/null "http://$(hostname -I | cut -d' ' -f1):$STATUS_PORT/healthz"
}

metrics_have() { status_asks /metrics >"$WORK/said" && grep -qF "$1" "$WORK/said"; }

# The page in a real browser: what its script made of /status.json stands in the document.
test_page() {
  page_text >"$WORK/said"
  prints 'GET /' 'Stream shop running' 'shop: RUNNING' 'shop_slot, active' 'public.customers'
}

# The rules fire, each on the series that it is for, and not before.
test_alerts() {
  (cd "$REPO_ROOT/stack/monitoring" && promtool check rules alerts.yaml && promtool test rules alerts_test.yaml)
}
