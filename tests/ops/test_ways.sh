# shellcheck shell=bash
# Ways to be sure, and ways out: wait, check_target, table resync, schema changes, accept gap.

last_lsn() { source_ask 'SELECT pg_current_wal_insert_lsn()'; }

# Read your writes: at once there when the command returns; a place far ahead is waited for in vain.
test_wait() {
  daemon_start
  source_sql -c "INSERT INTO customers (name) VALUES ('waited for $RUN')"
  replicator wait --lsn "$(last_lsn)"
  [ "$(target_ask "SELECT count(*) FROM customers WHERE name = 'waited for $RUN'")" = 1 ]
  refuses 1 replicator wait --lsn FFFF/0 --timeout 1
  prints 'replicator wait --lsn LSN (in vain)' 'not visible yet: the stream is at '
}

check() { "$CHECK_TARGET" -c "$WORK/replicator.conf" "$@"; }

# One row differs, one is missing, one too many: named, repaired, gone.
test_check() {
  daemon_start
  check >"$WORK/said"
  prints check_target 'in sync'
  target_sql -c "UPDATE customers SET name = 'planted by hand' WHERE id = 1" -c 'DELETE FROM purchases WHERE id = 1' \
    -c "INSERT INTO purchases VALUES (900001, 1, 1)"
  refuses 1 check
  prints 'check_target (differences)' 'public.purchases' 'id=900001' 'id=1'
  refuses 1 check --repair --dry-run
  refuses 1 check # nothing was written
  check --repair >"$WORK/said"
  prints 'check_target --repair' repaired
  check >"$WORK/said"
}

# A table read anew while the stream runs: lost rows come back, foreign ones go.
test_table_resync() {
  daemon_start
  target_sql -c 'DELETE FROM purchases WHERE id <= 1000' -c 'INSERT INTO purchases VALUES (900002, 1, 1)'
  replicator table resync public.purchases --timeout 120 >"$WORK/said"
  prints 'replicator table resync TABLE' "$(grep -m 1 purchases "$WORK/said" | sed -E 's/ +[0-9].*//')"
  target_says 'SELECT count(*), max(id) FROM purchases' '3000|3000'
  check --table public.purchases >"$WORK/said"
}

# ALTER TABLE at the source: the least role cannot follow it, and says what it lacks; as owner of the tables it goes on by itself.
test_schema_change() {
  daemon_start
  source_sql -c 'ALTER TABLE customers ADD COLUMN mail text' -c "INSERT INTO customers (name, mail) VALUES ('with mail $RUN', 'm')"
  await 20 'the stop' process_gone "$WORK/daemon"
  says 'must be owner of table customers' "$WORK/daemon/log"
  daemon_stop
  REPLICATOR_PASSWORD=$TARGET_SECRET pg_psql "$TARGET_PORT" shop_copy -v role=shop_writer -v state=replicator -v schemas=public \
    -v owner=on -f "$REPO_ROOT/sql/target/role.sql"
  daemon_start
  await 20 'the row' target_says "SELECT mail FROM customers WHERE name = 'with mail $RUN'" m
  replicator schema public.customers >"$WORK/said"
  prints 'replicator schema TABLE' 'ADD COLUMN "mail" text'
  check >"$WORK/said"
}

# Events that Kafka lost before they were read: a stop with the numbers; the operator's word; the repair.
test_gap() {
  local end
  daemon_stop
  source_sql -c "INSERT INTO customers (name) VALUES ('lost $RUN')"
  await 20 'the event' peek_finds public.customers "name='lost $RUN'"
  end=$(replicator topics --json | jq '.topics[] | select(.topic == "shop.public.customers") | .partitions[0].high')
  printf '{"partitions": [{"topic": "shop.public.customers", "partition": 0, "offset": %s}], "version": 1}' "$end" >"$WORK/delete.json"
  kafka_command org.apache.kafka.tools.DeleteRecordsCommand --offset-json-file "$WORK/delete.json"
  refuses 6 replicator run
  prints 'replicator run (events are gone)' 'shop.public.customers' 'accept gap'
  replicator accept gap >"$WORK/said"
  prints 'replicator accept gap' "$(head -n 1 "$WORK/said")"
  daemon_start
  replicator wait --lsn "$(last_lsn)"
  target_says "SELECT count(*) FROM customers WHERE name = 'lost $RUN'" 0
  check --repair >"$WORK/said"
  target_says "SELECT count(*) FROM customers WHERE name = 'lost $RUN'" 1
}
