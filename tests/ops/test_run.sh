# shellcheck shell=bash
# The daemon's control: signals, reload, pause, --until-lsn, --dry-run.

# SIGHUP says what it takes over and what needs a restart; SIGTERM finishes; a second one leaves at once.
test_run_control() {
  daemon_stop
  cp "$WORK/replicator.conf" "$WORK/reload.conf"
  daemon_start "$WORK/reload.conf"
  printf 'log = { level = "debug"; };\nmemory_limit = "128MB";\n' >>"$WORK/reload.conf"
  kill -HUP "$(process_pid "$WORK/daemon")"
  await 20 'the reload' grep -q 'a restart is needed for: memory_limit' "$WORK/daemon/log"
  cp "$WORK/daemon/log" "$WORK/said"
  prints 'SIGHUP' 'reload: taken over: log.level' 'reload: changed in the file, but a restart is needed for: memory_limit'
  echo 'memory_limit = 7;' >>"$WORK/reload.conf"
  kill -HUP "$(process_pid "$WORK/daemon")"
  await 20 'the refused reload' grep -q 'the configuration stays as it is' "$WORK/daemon/log"
  daemon_stop
  grep -q 'asked to stop: finishing the batch' "$WORK/daemon/log"
  says 'ended in good order (exit code 0)' "$WORK/daemon/log"
  second_sigterm
}

# The first SIGTERM waits for a batch that a lock holds up; the second one does not.
second_sigterm() {
  local pid locker
  daemon_start
  pid=$(process_pid "$WORK/daemon")
  target_sql -c 'BEGIN; LOCK TABLE customers; SELECT pg_sleep(60)' >/dev/null 2>&1 &
  locker=$!
  await 20 'the lock' target_says "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'customers'::regclass" 1
  source_sql -c "INSERT INTO customers (name) VALUES ('behind a lock $RUN')"
  await 10 'the applier at the lock' target_says "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'" 1
  kill -TERM "$pid"
  sleep 1
  process_pid "$WORK/daemon" >/dev/null || die 'the first SIGTERM did not wait for the batch'
  kill -TERM "$pid"
  await 20 'the end after the second SIGTERM' process_gone "$WORK/daemon"
  target_says "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'customers'::regclass" 1 || die 'the lock was gone before'
  target_sql -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()" >/dev/null
  wait "$locker" || true
  daemon_start
  await 20 'the row, after a start' target_says "SELECT count(*) FROM customers WHERE name = 'behind a lock $RUN'" 1
}

# The word is obeyed, shown everywhere, survives a kill -9, and holds no events back for good.
test_pause() {
  daemon_start
  replicator pause >"$WORK/said"
  prints 'replicator pause' 'stream shop is paused'
  source_sql -c "INSERT INTO customers (name) VALUES ('during the pause $RUN')"
  replicator status >"$WORK/said"
  says 'stream shop: paused'
  says 'nothing is applied until `replicator resume`'
  status_is .paused true
  ready_is 503
  status_asks /metrics | grep -x 'replicator_paused 1'
  kill -KILL "$(process_pid "$WORK/daemon")"
  await 20 'the death' process_gone "$WORK/daemon"
  process_spawn "$WORK/daemon" "$REPLICATOR" run -c "$WORK/replicator.conf"
  await 20 'paused after a start' status_is .paused true
  sleep 1
  target_says "SELECT count(*) FROM customers WHERE name = 'during the pause $RUN'" 0
  replicator resume >"$WORK/said"
  prints 'replicator resume' 'stream shop goes on'
  await 20 'the row' target_says "SELECT count(*) FROM customers WHERE name = 'during the pause $RUN'" 1
}

# Ends behind the transaction at that LSN, and before the next one, however many wait.
test_until_lsn() {
  local lsn
  daemon_stop
  source_sql -c "INSERT INTO customers (name) VALUES ('until 1 $RUN')" -c "INSERT INTO customers (name) VALUES ('until 2 $RUN')"
  lsn=$(source_ask 'SELECT pg_current_wal_insert_lsn()')
  source_sql -c "INSERT INTO customers (name) VALUES ('until 3 $RUN')" -c "INSERT INTO customers (name) VALUES ('until 4 $RUN')"
  timeout 60 "$REPLICATOR" run --until-lsn "$lsn" -c "$WORK/replicator.conf" >"$WORK/said" 2>&1
  prints 'replicator run --until-lsn LSN' 'ended in good order (exit code 0), at commit LSN '
  [ "$(target_ask "SELECT string_agg(name, ',' ORDER BY name) FROM customers WHERE name LIKE 'until% $RUN'")" = "until 1 $RUN,until 2 $RUN" ]
}

# What waits is told table by table; the target, its checkpoint and Kafka's group stay as they are.
test_dry_run() {
  local before after
  before=$(target_ask 'SELECT md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM (SELECT o::text AS t FROM replicator.offsets o UNION ALL SELECT s::text FROM replicator.stream s UNION ALL SELECT c::text FROM customers c) x')
  source_sql -c "UPDATE customers SET name = 'dry' WHERE name = 'customer 7'" -c "DELETE FROM customers WHERE name = 'customer 8'"
  await 10 'the events in Kafka' dry_run_finds 'insert 2, update 1, delete 1'
  prints 'replicator run --dry-run' '  public.customers: insert ' \
    'transactions would be applied: insert 2, update 1, delete 1, other 0; nothing was written'
  after=$(target_ask 'SELECT md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM (SELECT o::text AS t FROM replicator.offsets o UNION ALL SELECT s::text FROM replicator.stream s UNION ALL SELECT c::text FROM customers c) x')
  [ "$before" = "$after" ]
  # A table that the target lacks would stop the stream: said before it does.
  target_sql -c 'ALTER TABLE customers RENAME TO hidden'
  refuses 5 replicator run --dry-run
  says 'public.customers'
  target_sql -c 'ALTER TABLE hidden RENAME TO customers'
  daemon_start
  await 20 'what was planned' target_says "SELECT count(*) FROM customers WHERE name IN ('until 3 $RUN', 'until 4 $RUN', 'dry')" 3
}

dry_run_finds() {
  replicator run --dry-run >"$WORK/said" 2>"$WORK/dry_run.log"
  grep -qF "$1" "$WORK/said"
}
