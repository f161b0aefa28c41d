# shellcheck shell=bash disable=SC2034
# Faults whose moment is chosen, not drawn. Each case is a function case_NAME in a world of its own (seed.sh).

# case_run NAME
case_run() {
  local status=0 began=$SECONDS
  NAME=case_$1 T=$WORK/case_$1
  mkdir -p "$T/daemon"
  PLAN_INSTANCES=1 PLAN_SYNCHRONOUS=true PLAN_PARTITIONS=1 PLAN_SINGLE=0 PLAN_BATCH_ROWS=10000 PLAN_RATE=100 PLAN_CLIENTS=2 PLAN_STANDBY=0 PLAN_DISKS=0 PLAN_CLOCK=0 PLAN_FRAGILE=0 PLAN_RESNAPSHOTS=0
  (
    trap 'trap - EXIT ERR; seed_processes_end' EXIT
    set -E
    trap 'printf "error: %s:%s: %s\n" "${BASH_SOURCE[0]##*/}" "$LINENO" "${BASH_COMMAND%%$'"'\\n'"'*}" >&2' ERR
    "case_$1"
  ) >"$T/output" 2>&1 </dev/null &
  seed_wait $! || status=$?
  grep '^figure ' "$T/output" | sed 's/^figure /    /' || true
  seed_heal
  if [ "$status" -eq 0 ]; then
    passed=$((passed + 1))
    printf '%sok%s case %s (%d s)\n' "$GREEN" "$PLAIN" "$1" $((SECONDS - began))
    [ "${FAULTS_KEEP:-}" = 1 ] || rm -rf "$T"
  else
    failed=$((failed + 1))
    printf '%sFAILED%s case %s: %s (%d s)\n' "$RED" "$PLAIN" "$1" "$(seed_why)" $((SECONDS - began))
    tail -n 5 "$T/output" | cut -c1-400 | sed 's/^/  /'
    tail -qn 4 "$T"/d*/log 2>/dev/null | cut -c1-400 | sed 's/^/  /'
  fi
  T=
}

case_begin() {
  SEED=1
  seed_world
  keepers_start
  seed_follows
}

# One transaction of its own; then it must be in the target.
case_mark() { source_ask "WITH c AS (UPDATE counter SET n = n + 1 RETURNING n), a AS (INSERT INTO ledger_a SELECT n FROM c) INSERT INTO ledger_b SELECT n FROM c RETURNING n"; }
case_equal() {
  want=$(last_number)
  wait_until "${1:-60}" caught_up "$want" || { seed_exits; die "the target is at $(target_ask 'SELECT n FROM counter') of $want"; }
  rows_equal
}

# The target confirms a commit without waiting for its disk and dies: it comes back without what it had confirmed, while the
# daemon lives and holds nothing of that any more.
case_target_lost_commits() {
  local before after
  PLAN_SYNCHRONOUS=false
  case_begin
  target_psql postgres -c "ALTER SYSTEM SET wal_writer_delay = '10s'" -c 'SELECT pg_reload_conf()' -c CHECKPOINT >/dev/null
  sleep 0.5
  for _ in 1 2 3 4 5; do case_mark; sleep 0.1; done
  before=$(last_number)
  wait_until 10 caught_up "$before" || die "the target did not get $before transactions"
  crash target 0
  target_psql postgres -c 'ALTER SYSTEM RESET wal_writer_delay' -c 'SELECT pg_reload_conf()' >/dev/null
  case_equal 30
  grep -q 'without transactions that it had confirmed' "$T/d1/log" || die "the crash took nothing back: the case tests nothing"
  seed_exits
}

# The target's primary dies and a standby that lacks its last commits is promoted: the daemon finds it by the DSN's several
# hosts and reads again what is missing. In the second round it lacks even that the daemon took the stream.
case_standby_promoted() {
  local round old
  PLAN_STANDBY=1
  case_begin
  for round in commits claim; do
    wait_until 20 standby_streams || die "the standby does not stream"
    case_mark
    case_equal 30
    wait_until 20 standby_says "SELECT n FROM counter" "$(last_number)" || die "the standby does not follow"
    standby_cut
    [ "$round" = commits ] || daemon_anew
    case_mark
    case_mark
    case_equal 30
    old=$(target_dir)
    cluster_kill "$old"
    standby_promote
    case_mark
    case_equal 60
    standby_make
  done
  grep -q 'without transactions that it had confirmed' "$T/d1/log" || die "the first standby lacked nothing: the case tests nothing"
  grep -q 'before this instance took the stream' "$T/d1/log" || die "the second standby knew of the claim: the case tests nothing"
  seed_exits
}
standby_says() { [ "$(pg_psql "${TARGET_PORTS[3 - $(primary)]}" "$NAME" -At -c "$1" 2>/dev/null)" = "$2" ]; }

# The keeper starts another one, which takes the stream.
daemon_anew() {
  local before after
  before=$(target_ask 'SELECT epoch FROM replicator.stream')
  kill -KILL "$(cat "$T/d1/daemon.pid")"
  wait_until 30 claimed_since "$before" || die "the daemon did not start again"
}
claimed_since() { [ "$(target_ask 'SELECT epoch FROM replicator.stream' 2>/dev/null)" -gt "$1" ]; }

# kill -9 of the active one of two, again and again: how long until the other one commits.
TAKEOVERS=${TAKEOVERS:-8}
case_takeover() {
  local round began ms holder n
  PLAN_INSTANCES=2
  case_begin
  : >"$T/takeovers"
  for ((round = 0; round < TAKEOVERS; round++)); do
    wait_until 20 grep -q . <(grep -l 'waiting to take over' "$T"/d*/log) || die "nobody waits to take over"
    sleep 2
    holder=$(target_ask "SELECT split_part(instance, ':', 2) FROM replicator.stream")
    n=$(case_mark)
    wait_until 10 caught_up "$n" || die "the target did not get transaction $n"
    began=$(date +%s%3N)
    kill -KILL "$holder"
    n=$(case_mark)
    until caught_up "$n"; do
      [ $(($(date +%s%3N) - began)) -lt 15000 ] || die "no takeover in 15 s"
      sleep 0.02
    done
    ms=$(($(date +%s%3N) - began))
    echo "$ms" >>"$T/takeovers"
  done
  sort -n "$T/takeovers" | awk '{ all[NR] = $1 } END { m = all[int((NR + 1) / 2)]
    printf "figure takeover after kill -9 of the active instance: median %d ms, worst %d ms of %d\n", m, all[NR], NR
    if (m > 2000 || all[NR] > 5000) exit 1 }' || die "a takeover took too long: $(sort -n "$T/takeovers" | tr '\n' ' ')"
  case_equal
}

# SIGSTOP of the active one of two while it holds the checkpoint's row: the other one ends its session and goes on; woken
# up, it finds that it was replaced and commits nothing.
case_stopped_holder() {
  local holder pid n round began
  PLAN_INSTANCES=2
  case_begin
  for round in 1 2; do
    sleep 2
    # Its commit waits for a lock of ours, so that it is stopped inside its transaction.
    holder=$(target_ask "SELECT split_part(instance, ':', 2) FROM replicator.stream")
    target_ask "BEGIN; LOCK TABLE replicator.offsets IN EXCLUSIVE MODE; SELECT pg_sleep(3); COMMIT" >/dev/null &
    pid=$!
    sleep 0.5
    n=$(case_mark)
    sleep 1
    kill -STOP "$holder"
    began=$(date +%s%3N)
    wait "$pid"
    wait_until 40 caught_up "$n" || { kill -CONT "$holder"; die "a stopped holder blocks the other instance"; }
    echo "figure a stopped holder was replaced after $(($(date +%s%3N) - began)) ms"
    kill -CONT "$holder"
    wait_until 20 gone "$holder" || die "the replaced instance goes on"
    case_mark
    case_equal
  done
  grep -q 'gave no sign of life' "$T"/d*/log || die "no session was ended: the case tests nothing"
  seed_exits
}

# A transaction that the target refuses is set aside whole; what touches its rows follows it, also after a restart; the rest
# goes on. Retried in order once the reason is gone.
case_quarantine() {
  case_begin
  sed -i '1i on_error = "quarantine";' "$T/replicator.conf"
  kill -TERM "$(cat "$T/d1/daemon.pid")"
  target_sql -c 'ALTER TABLE ord ADD CONSTRAINT small CHECK (total < 1000)'
  source_sql -c "BEGIN; INSERT INTO ord VALUES (900001, 1, 5000, 'refused'); UPDATE account SET balance = 1 WHERE id = 1; COMMIT"
  source_sql -c 'UPDATE account SET balance = 2 WHERE id = 1'
  source_sql -c 'UPDATE account SET balance = 22 WHERE id = 2'
  source_sql -c "UPDATE ord SET note = 'later' WHERE id = 900001"
  case_passed
  expect_waiting 3
  expect_target 'SELECT balance FROM account WHERE id = 1' 1000
  expect_target 'SELECT balance FROM account WHERE id = 2' 22
  kill -KILL "$(cat "$T/d1/daemon.pid")"
  source_sql -c 'UPDATE account SET balance = 3 WHERE id = 1'
  case_passed
  expect_waiting 4
  quarantine retry && die "the first one cannot be applied yet, but retry says so"
  grep -q '^1  waits: .*violates check constraint "small"' "$T/quarantine" || die "retry: $(head -n 1 "$T/quarantine")"
  [ "$(grep -c 'an earlier one of the same rows' "$T/quarantine")" = 3 ] || die "the others do not wait for the first"
  quarantine retry 4 && die "retry 4 went before 1"
  ! grep -q 5000 "$T/d1/log" "$T/quarantine" || die "a row's value is in the log"
  target_sql -c 'ALTER TABLE ord DROP CONSTRAINT small'
  quarantine retry || die "retry: $(cat "$T/quarantine")"
  expect_waiting 0
  source_sql -c "UPDATE account SET balance = 4 WHERE id = 1; UPDATE ord SET note = 'good' WHERE id = 900001"
  case_passed
  expect_waiting 0
  rows_equal
  target_sql -c 'ALTER TABLE ord ADD CONSTRAINT small CHECK (total < 1000) NOT VALID'
  source_sql -c "INSERT INTO ord VALUES (900002, 1, 5000, 'refused')"
  case_passed
  quarantine skip 5 || true
  grep -q 'reason' "$T/quarantine" || die "skip takes no reason"
  quarantine skip 5 --reason 'the test says so' || die "skip: $(cat "$T/quarantine")"
  expect_waiting 0
  expect_target "SELECT state || ', ' || reason FROM replicator.quarantine WHERE id = 5" 'skipped, the test says so'
  quarantine list
  grep -q 'skipped: the test says so' "$T/quarantine" || die "list: $(cat "$T/quarantine")"
  source_sql -c 'DELETE FROM ord WHERE id = 900002'
  case_passed
  rows_equal
  seed_exits
}

case_passed() {
  local n
  n=$(case_mark)
  wait_until 20 caught_up "$n" || die "the target is at $(target_ask 'SELECT n FROM counter') of $n: $(tail -n 1 "$T/d1/log")"
}
quarantine() { "$REPLICATOR" quarantine "$@" -c "$T/replicator.conf" >"$T/quarantine" 2>&1; }
expect_waiting() { expect_target "SELECT count(*) FROM replicator.quarantine WHERE state = 'waiting'" "$1"; }
