# shellcheck shell=bash
# Faults on the real servers, and what an operator sees of each: `replicator status`, the page, the metrics, the alert.

# The target away: alive, not ready, a retry counted; back: all of it heals.
test_target_stopped() {
  daemon_start
  prometheus_start
  fault 'the target is stopped'
  pg_stop "$WORK/target"
  source_sql -c "INSERT INTO customers (name) VALUES ('while away $RUN')"
  await 20 'not ready' ready_is 503
  [ "$(status_asks /healthz)" = alive ]
  shows readyz 'not ready: the target does not take what waits'
  shows status 'the target does not take what waits' 'cannot connect'
  shows page 'the target does not take what waits'
  shows metrics 'replicator_troubled 1'
  status_asks /metrics | grep -E '^replicator_retries_total\{cause="connection"\} [1-9]'
  alarm ReplicatorTroubled
  servers_start
  await 40 'the row in the target' target_says "SELECT count(*) FROM customers WHERE name = 'while away $RUN'" 1
  await 20 ready ready_is 200
}

# The connector's backend is refused for a while: its task is killed, fails, and is restarted by the daemon.
test_connector_supervised() {
  daemon_start
  prometheus_start
  fault "a task of the connector is killed"
  source_sql -c "ALTER ROLE shop_reader NOLOGIN" \
    -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shop_reader'"
  curl -fsS -X POST "$CONNECT_URL/connectors/shop/restart?includeTasks=true" >/dev/null
  await 60 'FAILED on the page' status_is .connector.state FAILED
  shows status 'connector     shop: FAILED: '
  shows page 'shop: FAILED'
  shows metrics 'replicator_connector_running 0' 'replicator_connector_failed_tasks 1'
  alarm ReplicatorConnectorFailed
  await 20 'a restart' restarted
  source_sql -c 'ALTER ROLE shop_reader LOGIN'
  await 60 'RUNNING again' status_is .connector.state RUNNING
  source_sql -c "INSERT INTO customers (name) VALUES ('after the restart $RUN')"
  await 30 'the row in the target' target_says "SELECT count(*) FROM customers WHERE name = 'after the restart $RUN'" 1
  grep -q 'what failed of it is restarted' "$WORK/daemon/log"
}

restarted() { [ "$(status_field .connector.restarts)" -ge 1 ]; }

# A stopped connector: its slot keeps WAL, which passes the limit.
test_slot_growing() {
  daemon_start
  prometheus_start
  fault "the slot's WAL grows: nobody reads it"
  replicator connector stop
  await 20 'the slot inactive' status_is .slot.active false
  source_sql -c "CREATE TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 20000)"
  shows log 'slot shop_slot keeps'
  shows status 'slot          shop_slot: NOT active'
  shows page 'shop_slot, NOT active'
  shows metrics 'replicator_slot_active 0' 'replicator_slot_retained_bytes '
  status_asks /metrics | awk '$1 == "replicator_slot_retained_bytes" && $2 > 16777216 { found = 1 } END { exit !found }'
  alarm ReplicatorSlotGrowing
  replicator connector resume
  await 30 'the slot active' status_is .slot.active true
  source_sql -c 'DROP TABLE filler'
}

# Somebody holds a lock in the target.
test_lag_over_limit() {
  local locker
  daemon_start
  prometheus_start
  fault 'the lag passes the limit: a lock in the target'
  target_sql -c 'BEGIN; LOCK TABLE customers; SELECT pg_sleep(60)' >/dev/null 2>&1 &
  locker=$!
  await 20 'the lock' target_says "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'customers'::regclass" 1
  source_sql -c "INSERT INTO customers (name) VALUES ('behind a lock again $RUN')"
  shows readyz 'not ready: the lag is above status.ready_lag'
  shows status 'the lag is above status.ready_lag'
  shows page 'the lag is above status.ready_lag'
  shows metrics 'replicator_ready 0' 'replicator_lag_seconds '
  alarm ReplicatorLag
  target_sql -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()" >/dev/null
  wait "$locker" || true
  await 20 'the row' target_says "SELECT count(*) FROM customers WHERE name = 'behind a lock again $RUN'" 1
  await 20 ready ready_is 200
}

# An Avro event whose schema nobody can give: waited for, said, and gone on with by itself. A stream of its own reads it.
test_registry_down() {
  local id
  daemon_stop
  prometheus_start
  zcat "$REPO_ROOT/tests/corpus/avro.jsonl.gz" | jq -r 'select(.topic == "avro.public.no_pk_full") | .value.base64' |
    awk 'NR == 1' | base64 -d >"$WORK/avro_event"
  id=$(od -An -t u1 -j 1 -N 4 "$WORK/avro_event" | awk '{ print (($1 * 256 + $2) * 256 + $3) * 256 + $4 }')
  mkdir -p "$WORK/schemas"
  jq --arg id "$id" '.[$id]' "$REPO_ROOT/tests/corpus/avro-schemas.json" >"$WORK/schemas/$id"
  target_sql -c 'CREATE TABLE no_pk_full (a int, b text, c timestamptz)' -c 'GRANT ALL ON no_pk_full TO shop_writer'
  sed -e 's/name = "shop"; };/name = "avro"; };/' -e 's/topic_prefix = "shop"; };/topic_prefix = "shop"; topics = [ "avro_only" ]; };/' \
    "$WORK/replicator.conf" >"$WORK/avro.conf"
  printf 'transactions = "off";\nregistry = { url = "http://127.0.0.1:%s"; };\n' "$REGISTRY_PORT" >>"$WORK/avro.conf"
  kcat -P -b "$BROKER" -t avro_only "$WORK/avro_event"
  process_spawn "$WORK/daemon" "$REPLICATOR" run -c "$WORK/avro.conf"
  fault 'the schema registry is down'
  shows log 'the stream waits for it (schema id'
  shows readyz 'not ready: the schema registry does not answer'
  (replicator() { "$REPLICATOR" "$@" -c "$WORK/avro.conf"; }; shows status 'the schema registry does not answer')
  shows page 'the schema registry does not answer'
  shows metrics 'replicator_registry_away 1'
  alarm ReplicatorRegistryAway
  mkdir -p "$WORK/registry"
  process_spawn "$WORK/registry" python3 "$here/door.py" "$REGISTRY_PORT" - - - - "$WORK/schemas"
  await 40 'the row' target_says 'SELECT count(*) FROM no_pk_full' 1
  await 20 ready ready_is 200
  daemon_stop
}

# The stream's role loses a right: the stream stops with the table's name, and goes on where it was.
test_wrong_rights() {
  daemon_start
  prometheus_start
  fault 'the role in the target lacks a right'
  target_sql -c 'REVOKE INSERT ON customers FROM shop_writer'
  source_sql -c "INSERT INTO customers (name) VALUES ('planted-row-value without right $RUN')"
  await 20 'the end' process_gone "$WORK/daemon"
  cp "$WORK/daemon/log" "$WORK/said"
  shows log 'exit code 5' 'permission denied for table customers'
  shows status 'no instance is active (the last one said: failed)' 'permission denied for table customers'
  refuses 3 replicator check-config
  prints 'replicator check-config' 'customers'
  alarm ReplicatorDown
  target_sql -c 'GRANT INSERT ON customers TO shop_writer'
  daemon_start
  await 20 'the row' target_says "SELECT count(*) FROM customers WHERE name LIKE '%without right $RUN'" 1
}
