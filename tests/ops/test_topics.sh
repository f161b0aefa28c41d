# shellcheck shell=bash
# What Kafka holds and how far the stream is: topics, peek, status, a snapshot's pace, retention.

test_topics() {
  daemon_start
  source_sql -c "INSERT INTO notes (line) VALUES ('a note')"
  await 20 'the note in the target' target_says "SELECT count(*) FROM notes WHERE line = 'a note'" 1
  await 10 'no lag' topics_field '.topics[] | select(.topic == "shop.public.notes") | .lag' 0
  replicator topics >"$WORK/said"
  prints 'replicator topics' 'shop.public.customers' '168.0 h  (transactions)' 'connector shop: RUNNING'
  daemon_stop
  source_sql -c "INSERT INTO notes (line) SELECT 'lag' FROM generate_series(1, 7)"
  await 20 'a lag of seven' topics_field '.topics[] | select(.topic == "shop.public.notes") | .lag' 7
  prints 'replicator topics --json' '"lag": 7' '"retention_ms": 604800000' '"connector_state": "RUNNING"'
  jq -e '.topics[] | select(.topic == "shop.public.notes") | .messages == 8 and .estimated_bytes > 1000 and .partitions[0].next_offset == 1' \
    "$WORK/said" >/dev/null
  daemon_start
}

topics_field() {
  replicator topics --json >"$WORK/said" || return 1
  [ "$(jq -r "$1" "$WORK/said")" = "$2" ]
}

test_peek() {
  local kafka_end
  source_sql -c "INSERT INTO customers (id, name) VALUES (9001, 'peeked')" -c "UPDATE customers SET name = 'again' WHERE id = 9001" \
    -c 'DELETE FROM customers WHERE id = 9001' -c "INSERT INTO notes (line) VALUES (NULL)"
  await 20 'the events' peek_finds public.customers 'DELETE public.customers id=9001'
  prints 'replicator peek TOPIC' "INSERT public.customers id=9001 name='peeked'" "UPDATE public.customers id=9001 name='again'" \
    'DELETE public.customers id=9001' 'tombstone'
  never grep -q $'\033' "$WORK/said" # no colours where there is no terminal
  source_sql -c "INSERT INTO customers (id, name) VALUES (9002, E'\\u009b31m')" -c 'DELETE FROM customers WHERE id = 9002'
  await 20 'the events' peek_finds public.customers 'DELETE public.customers id=9002'
  says "INSERT public.customers id=9002 name='\u009b31m'" # the escape, not the character
  replicator peek public.customers --limit 5 --explain >"$WORK/said"
  says '$2 = {\u009b31m}'
  replicator peek public.customers --limit 5 --raw >"$WORK/said"
  never grep -q $'\u009b' "$WORK/said"
  script -qec "$REPLICATOR peek public.customers --limit 1 -c $WORK/replicator.conf" /dev/null >"$WORK/said"
  grep -q $'\033\[2m' "$WORK/said" || die 'no colours on a terminal'
  replicator peek transaction --limit 20 >"$WORK/said" # heartbeats stand between
  says 'END transaction '
  says ', 1 events: public.'
  replicator peek public.customers --offset 0 --limit 1 >"$WORK/said"
  prints 'replicator peek TOPIC --offset N' "SNAPSHOT public.customers id=1 name='customer 1'"
  [ "$(wc -l <"$WORK/said")" -eq 1 ]
  kafka_end=$(replicator topics --json | jq '.topics[] | select(.topic == "shop.public.customers") | .partitions[0].high')
  refuses 6 replicator peek public.customers --offset "$kafka_end"0
  says "topic shop.public.customers holds offsets from 0 to $((kafka_end - 1))"
  replicator peek public.customers --offset 0 --limit 1 --raw >"$WORK/said"
  prints 'replicator peek TOPIC --raw' '  key   {"id":1}' '  value {"before":null,"after":{"id":1,"name":"customer 1"'
  replicator peek public.customers --explain >"$WORK/said"
  prints 'replicator peek TOPIC --explain' 'INSERT INTO "public"."customers" ("id", "name", "since")' \
    'UPDATE ONLY "public"."customers"' 'DELETE FROM ONLY "public"."customers"' '$1 = {9001}'
  replicator peek public.notes --limit 1 --explain >"$WORK/said"
  says '{NULL}'
  refuses 3 replicator peek public.nothing
  says 'there is no topic public.nothing; the stream'
  peek_follows
}

peek_finds() {
  replicator peek "$1" --limit 5 >"$WORK/said" || return 1
  grep -q "$2" "$WORK/said"
}

peek_follows() {
  local pid
  "$REPLICATOR" peek public.customers --follow --limit 1 -c "$WORK/replicator.conf" >"$WORK/said" 2>&1 &
  pid=$!
  await 10 'the newest one' test -s "$WORK/said"
  source_sql -c "INSERT INTO customers (name) VALUES ('followed')"
  await 10 'the next one' grep -q "name='followed'" "$WORK/said"
  kill -INT "$pid"
  wait "$pid"
  prints 'replicator peek TOPIC --follow' "name='followed'"
}

test_status() {
  local pid
  daemon_start
  replicator status >"$WORK/said"
  prints 'replicator status' 'stream shop: running' '  daemon        ready;' '  connector     shop: RUNNING' '  slot          shop_slot: active'
  replicator status --json >"$WORK/said"
  prints 'replicator status --json' '"state": "running"' '"active": true' '"daemon": {'
  jq -e '.daemon.connector.state == "RUNNING" and .daemon.slot.active' "$WORK/said" >/dev/null
  "$REPLICATOR" status --watch -c "$WORK/replicator.conf" >"$WORK/said" &
  pid=$!
  await 10 'three looks' watched_thrice
  kill -INT "$pid"
  wait "$pid"
  prints 'replicator status --watch' 'stream shop: running'
}

watched_thrice() { [ "$(grep -c '^stream shop' "$WORK/said")" -ge 3 ]; }

# A table's snapshot, seen by how many of its rows came: an incremental one of a larger table.
test_snapshot_pace() {
  daemon_start
  source_sql -c 'ALTER TABLE purchases DISABLE TRIGGER ALL' \
    -c "INSERT INTO purchases (customer, price) SELECT 1, g FROM generate_series(1, 3000) g"
  source_sql -c 'ANALYZE purchases' # of another session: the one before has handed in its own statistics now
  await 60 'the purchases' target_says 'SELECT count(*) FROM purchases' 3000
  source_sql -c "INSERT INTO replicator.signal (id, type, data) VALUES ('ops-1', 'execute-snapshot',
    '{\"data-collections\": [\"public.purchases\"], \"type\": \"incremental\"}')"
  await 60 'all rows read' status_is '.tables[] | select(.table == "public.purchases") | .snapshot_rows' 3000
  await 10 'the estimate' status_is '.tables[] | select(.table == "public.purchases") | .estimated_rows' 3000
  status_is '.tables[] | select(.table == "public.purchases") | .snapshot_percent' 100
  [ "$(status_field '.tables[] | select(.table == "public.purchases") | .snapshot_rows_per_second > 1')" = true ]
  replicator status >"$WORK/said"
  prints 'replicator status (snapshot)' 'public.purchases: 3000 of about 3000 rows (100 %)'
  status_asks /metrics | grep -x 'replicator_snapshot_estimated_rows{table="public.purchases"} 3000'
}

# Kafka keeps a topic for a few seconds only, and the stream is further behind than half of that.
test_retention() {
  daemon_stop
  kafka_topic_setting shop.public.notes retention.ms=4000
  replicator topics >"$WORK/said"
  says '0.0 h'
  daemon_start
  prometheus_start
  fault 'Kafka may remove what is not applied yet'
  replicator pause
  source_sql -c "INSERT INTO notes (line) VALUES ('nearly lost $RUN')"
  shows log 'and Kafka keeps messages for 4 s only'
  shows metrics 'replicator_retention_seconds 4'
  alarm ReplicatorRetention
  kafka_topic_setting shop.public.notes retention.ms=604800000
  replicator resume
  await 20 'the note' target_says "SELECT count(*) FROM notes WHERE line = 'nearly lost $RUN'" 1
  daemon_stop
  daemon_start
}

# The daemon refuses to start with such a topic; here it becomes one while the daemon runs.
test_compacted() {
  daemon_start
  prometheus_start
  fault 'a topic of the stream becomes compacted'
  kafka_topic_setting shop.public.notes cleanup.policy=[compact,delete]
  shows log 'compacted topics (cleanup.policy): shop.public.notes; Kafka may remove events before the daemon applies them'
  shows metrics 'replicator_compacted_topics 1'
  shows readyz 'a topic of the stream is compacted, so events may be lost'
  shows status 'compacted     shop.public.notes: Kafka may remove events before they are applied. Set cleanup.policy=delete now'
  shows page 'shop.public.notes: Kafka may remove events before they are applied; set cleanup.policy=delete now'
  alarm ReplicatorCompacted
  kafka_topic_setting shop.public.notes cleanup.policy=delete
  await 15 'no compacted topic' grep -qF 'no topic of the stream is compacted any more' "$WORK/daemon/log"
  await 10 'ready' ready_is 200
}

kafka_topic_setting() {
  kafka_command kafka.admin.ConfigCommand --alter --entity-type topics --entity-name "$1" --add-config "$2"
}
