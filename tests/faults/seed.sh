# shellcheck shell=bash
# One seed from its databases to its verdict.

LOADS='order:40 change:12 swap:8 document:14 wide:12 many:1 key:13'
TABLES_CAPTURED=public.counter,public.ledger_a,public.ledger_b,public.account,public.ord,public.line,public.seat,public.doc,public.keyed,public.loose,public.wide

# seed_run SEED: in a shell of its own; counts and writes the line of results.
seed_run() {
  local seed=$1 status=0 began=$SECONDS word=ok
  NAME=faults_$seed T=$WORK/$NAME GAP_STOPS=0
  mkdir -p "$T/daemon"
  plan_make "$seed"
  step "seed $seed"
  plan_print
  (
    trap 'trap - EXIT ERR; seed_processes_end' EXIT
    set -E
    trap 'printf "error: %s:%s: %s\n" "${BASH_SOURCE[0]##*/}" "$LINENO" "${BASH_COMMAND%%$'"'\\n'"'*}" >&2' ERR
    seed_test
  ) >"$T/output" 2>&1 </dev/null &
  seed_wait $! || status=$?
  seed_heal
  if [ "$status" -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)) word=FAILED; fi
  printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$seed" "$word" $((SECONDS - began)) "$(cat "$T/transactions" 2>/dev/null || echo 0)" \
    "$(grep -c '|' "$T/reader" 2>/dev/null || true)" "$(date -u +%FT%TZ)" "$(cut -d' ' -f2 "$T/actions" 2>/dev/null | tr '\n' ' ')" \
    "$([ "$word" = ok ] || seed_why)" >>"$RESULTS"
  if [ "$word" = ok ]; then
    note "$(cat "$T/verdict"); $(cat "$T/phases")in all $((SECONDS - began)) s"
    [ "${FAULTS_KEEP:-}" = 1 ] || rm -rf "$T"
  else
    printf '%sFAILED%s seed %s: %s (%d s); repeat it with tests/faults/run --seed %s\n' "$RED" "$PLAIN" "$seed" "$(seed_why)" $((SECONDS - began)) "$seed"
    tail -n 5 "$T/output" | cut -c1-400 | sed 's/^/  /'
    tail -qn 4 "$T"/d*/log 2>/dev/null | cut -c1-400 | sed 's/^/  /'
  fi
  T=
}

# seed_wait PID: the exit code of a seed's or case's shell; 1 when one of its daemons could not be ended.
seed_wait() {
  wait "$1" || return
  [ ! -e "$T/stuck" ] || { sed 's/^/error: /' "$T/stuck" >>"$T/output"; return 1; }
}

seed_why() { grep -a 'error:' "$T/output" | head -n 1 | sed 's/^.*error:[^ ]* //' | cut -c1-300; }

# All servers run again and nothing stands between them; the seed's databases, connector and slot go.
seed_heal() {
  network_open
  source_up && target_up && kafka_up && connect_up
  connector_end
  standby_end
  [ ! -d "$WORK/source-2" ] || { pg_stop "$WORK/source-2"; rm -rf "$WORK/source-2"; }
  pg_psql "$SOURCE_PORT" postgres -c "DROP DATABASE IF EXISTS $NAME WITH (FORCE)" || warn "database $NAME is still in the source"
  target_psql postgres -c "DROP DATABASE IF EXISTS $NAME WITH (FORCE)" || warn "database $NAME is still in the target"
  disks_end
}

# daemon_stack DIR: what the daemon's threads wait for, where gdb is there.
daemon_stack() {
  ! command -v gdb >/dev/null || timeout 30 gdb -p "$(cat "$1/daemon.pid")" -batch -ex 'thread apply all bt' -x "$FAULTS/assembler.py" >>"$1/stack" 2>&1 || true
}

seed_processes_end() {
  local file pid
  set +e
  touch "$T/stop"
  daemons_ask
  for file in "$T"/d*/keeper.pid; do
    [ ! -r "$file" ] || wait_until 30 keeper_gone "$(cat "$file")" || {
      echo "the daemon of ${file%/*} did not end when it was asked to" >>"$T/stuck"
      daemon_stack "${file%/*}"
      kill -KILL "$(cat "$file")" 2>/dev/null
    }
  done
  for file in "$T/reader.pid" "$T/load.pid"; do
    [ -r "$file" ] || continue
    pid=$(cat "$file")
    kill -TERM "$pid" 2>/dev/null
    wait_until 10 gone "$pid" || kill -KILL "$pid" 2>/dev/null
  done
  for file in "$T"/d*/daemon.pid; do [ ! -r "$file" ] || kill -KILL "$(cat "$file")" 2>/dev/null; done
  return 0
}

# Asks each daemon once to end: at the second time it leaves at once.
daemons_ask() {
  local file pid
  for file in "$T"/d*/daemon.pid; do
    if [ -r "$file" ] && ! cmp -s "$file" "$file.asked"; then
      cp "$file" "$file.asked"
      pid=$(cat "$file")
      kill -CONT "$pid" 2>/dev/null
      kill -TERM "$pid" 2>/dev/null
    fi
  done
}

keeper_gone() { daemons_ask; gone "$1"; } # it may just have started one more

gone() { ! kill -0 "$1" 2>/dev/null; }

# --- the world ------------------------------------------------------------------------------------------------------

seed_world() {
  pg_psql "$SOURCE_PORT" postgres -c "CREATE DATABASE $NAME"
  [ "$PLAN_DISKS" = 0 ] || disks_make
  target_psql postgres -c "CREATE DATABASE $NAME $([ "$PLAN_DISKS" = 0 ] || echo 'TABLESPACE small')"
  source_sql -f "$FAULTS/world.sql" -f "$FAULTS/rows.sql" \
    -c "GRANT CREATE ON DATABASE $NAME TO debezium" -c 'GRANT ALL ON ALL TABLES IN SCHEMA public TO debezium'
  [ "$PLAN_RESNAPSHOTS" = 0 ] || resnapshots_world
  source_ask "SELECT format('ALTER TABLE %I OWNER TO debezium;', tablename) FROM pg_tables WHERE schemaname = 'public'" | source_sql
  target_sql -f "$FAULTS/world.sql" -c "GRANT CREATE ON DATABASE $NAME TO replicator" -c 'GRANT ALL ON ALL TABLES IN SCHEMA public TO replicator'
  connector_start ".config[\"table.include.list\"] = \"$TABLES_CAPTURED\" | .config[\"database.port\"] = \"$PROXY_SOURCE_PORT\" | $(layout) | $(impatience) | $(signals) ${CONNECTOR_EXTRA:-}"
  [ "$PLAN_STANDBY" = 0 ] || standby_make
  seed_configure
  daemon_init
}

layout() {
  if [ "$PLAN_SINGLE" = 1 ]; then
    echo '.config += {"transforms": "one", "transforms.one.type": "org.apache.kafka.connect.transforms.RegexRouter",
      "transforms.one.regex": "(.*)", "transforms.one.replacement": (.name + ".all")}'
  else
    echo ".config += {\"topic.creation.default.replication.factor\": \"1\", \"topic.creation.default.partitions\": \"$PLAN_PARTITIONS\",
      \"topic.creation.marks.include\": \".*\\\\.transaction\", \"topic.creation.groups\": \"marks\",
      \"topic.creation.marks.partitions\": \"1\", \"topic.creation.marks.replication.factor\": \"1\"}"
  fi
}

# The connector begins anew sooner than by default (10 s); a fragile one fails at the first error, and the daemon restarts it.
impatience() {
  echo ".config[\"retriable.restart.connector.wait.ms\"] = \"500\"$([ "$PLAN_FRAGILE" = 0 ] || echo ' | .config["errors.max.retries"] = "0"')"
}

seed_configure() {
  local dsn topics=
  dsn="$(target_hosts) dbname=$NAME user=replicator password=$REPLICATOR_PASSWORD"
  [ "$PLAN_SINGLE" = 0 ] || topics="topics = [\"$NAME.all\"];"
  cat >"$T/replicator.conf" <<CONF
stream = { name = "$NAME"; };
source = { dsn = "host=$PG_HOST port=$SOURCE_PORT dbname=$NAME user=postgres password=$PG_PASSWORD"; };
target = { dsn = "$dsn tcp_user_timeout=5000"; synchronous_commit = $PLAN_SYNCHRONOUS; batch_rows = $PLAN_BATCH_ROWS; };
kafka = { brokers = "$PG_HOST:$PROXY_KAFKA_PORT"; topic_prefix = "$NAME"; $topics };
connect = { url = "$CONNECT_URL"; connector = "$NAME"; };
supervision = { interval = "2s"; };
decoding = { decimal = "string"; interval = "string"; time = "isostring"; hstore = "json"; };
$([ "$PLAN_DISKS" = 0 ] || echo "memory_limit = \"16MB\"; spill_dir = \"$WORK/spill\";")
${DAEMON_EXTRA:-}
CONF
}

signals() { if [ "$PLAN_RESNAPSHOTS" = 1 ]; then echo '.config["signal.data.collection"] = "replicator.signal"'; else echo .; fi; }

# The daemons' wall clock goes wrong by the seconds that the file holds (clock.c).
CLOCK_FORM='%+011d\n'
clock_make() {
  # shellcheck disable=SC2059
  printf "$CLOCK_FORM" 0 >"$T/clock"
  CLOCK=(LD_PRELOAD="$WORK/clock.so" FAULTS_CLOCK="$T/clock")
}
# shellcheck disable=SC2059
clock_jump() { printf "$CLOCK_FORM" "$1" | dd of="$T/clock" conv=notrunc status=none; }

# keeper N: starts instance N again and again, as a service manager would; each exit code is written down.
keeper() {
  local dir=$T/d$1 code
  mkdir -p "$dir"
  while [ ! -e "$T/stop" ]; do
    env "${CLOCK[@]}" "$REPLICATOR" run -c "$T/replicator.conf" >>"$dir/log" 2>&1 &
    echo $! >"$dir/daemon.pid"
    code=0
    wait $! || code=$?
    echo "$code" >>"$dir/exits"
    sleep 0.2
  done
}

keepers_start() {
  local i
  CLOCK=()
  [ "$PLAN_CLOCK" = 0 ] || clock_make
  for ((i = 1; i <= PLAN_INSTANCES; i++)); do keeper_start "$i"; done
}

keeper_start() {
  mkdir -p "$T/d$1"
  keeper "$1" &
  echo $! >"$T/d$1/keeper.pid"
  wait_until 5 test -s "$T/d$1/daemon.pid"
}

# --- the reader -----------------------------------------------------------------------------------------------------

# One look: the counter, rows and highest number of both ledgers, lines without their order, money, the offsets' sum, and how
# many tables are unverified.
LOOK="SELECT (SELECT n FROM counter), (SELECT count(*) FROM ledger_a), (SELECT count(*) FROM ledger_b),
  (SELECT coalesce(max(n), 0) FROM ledger_a), (SELECT coalesce(max(n), 0) FROM ledger_b),
  (SELECT count(*) FROM line l WHERE NOT EXISTS (SELECT FROM ord o WHERE o.id = l.ord_id)),
  (SELECT sum(balance) FROM account), (SELECT sum(next_offset) FROM replicator.offsets),
  (SELECT count(*) FROM replicator.unverified)"

reader() {
  printf '%s \\watch 0.1\n' "$LOOK" >"$T/look.sql"
  while [ ! -e "$T/stop" ]; do
    echo connected
    PGOPTIONS='-c application_name=reader' target_sql -At -f "$T/look.sql" || true
    sleep 0.1
  done
}

# The numbers agree at each look and never fall. What was committed without waiting for the disk may be taken back by a crash
# of the server, what the standby had not got by its promotion, and only by these: seen after a new connection. The offset of a
# deleted topic begins anew.
reader_verdict() {
  awk -F'|' -v forgetful="$([ "$PLAN_SYNCHRONOUS$PLAN_STANDBY" = true0 ] || echo 1)" \
    -v deleted="$(! grep -qs ' topic_deleted$' "$T/actions" || echo 1)" '
    $1 == "connected" { fresh = 1; next }
    NF != 9 { next }
    # Rows of a snapshot come in pieces, and are newer than transactions that follow them.
    $9 > 0 { fresh = 1; last = 0; looks++; next }
    $1 != $2 || $1 != $3 || $1 != $4 || $1 != $5 { print "the reader saw a part of a transaction: " $0; exit 1 }
    $6 != 0 { print "the reader saw lines without their order: " $0; exit 1 }
    $7 != 200000 { print "the reader saw money on its way: " $0; exit 1 }
    !(fresh && forgetful) && $1 < last { print "the target went back: " last " then " $0; exit 1 }
    !(fresh && forgetful) && !deleted && $8 < offsets { print "the offsets went back: " offsets " then " $0; exit 1 }
    { fresh = 0; last = $1; offsets = $8; looks++ }
    END { if (looks < 20) { print "the reader looked only " looks + 0 " times"; exit 1 } }' "$T/reader"
}

# --- the load and the faults ------------------------------------------------------------------------------------------

load() {
  local entry loads=$LOADS seconds=$LOAD_SECONDS ends=$((SECONDS + LOAD_SECONDS)) scripts=() round=0
  [ "$PLAN_RESNAPSHOTS" = 0 ] || loads+=' loose:10'
  for entry in $loads; do
    scripts+=(-f "$FAULTS/load/${entry%:*}.pgbench@${entry#*:}")
  done
  # The source may go away meanwhile: pgbench gives up then and is started again.
  while [ ! -e "$T/stop" ] && seconds=$((ends - SECONDS)) && [ "$seconds" -gt 0 ]; do
    PGPASSWORD=$PG_PASSWORD "$(pg_bindir)/pgbench" -n -h $PG_HOST -p "$SOURCE_PORT" -U postgres -c "$PLAN_CLIENTS" -j 1 -R "$PLAN_RATE" \
      -T "$seconds" --max-tries=20 --random-seed=$((SEED % 1000000 + round)) "${scripts[@]}" "$NAME" || sleep 0.5
    round=$((round + 1))
  done
}

faults() {
  local i now began
  began=$(date +%s%3N)
  for ((i = 0; i < ${#ACTION_NAME[@]}; i++)); do
    now=$(($(date +%s%3N) - began))
    [ "$now" -ge "${ACTION_AT[i]}" ] || sleep "$(between 0 $((ACTION_AT[i] - now)) $((ACTION_AT[i] - now)))"
    if [ "${ACTION_PAIRED[i]}" -eq 0 ]; then act "$i" & else act "$i"; fi
  done
  wait # for those that ran beside others
}

# act I: what was really done is written down.
act() {
  SKIPPED=
  "action_${ACTION_NAME[$1]}" "${ACTION_NUMBER[$1]}"
  [ -n "$SKIPPED" ] || echo "$(date +%T) ${ACTION_NAME[$1]}" >>"$T/actions"
}

# --- the verdict ----------------------------------------------------------------------------------------------------

last_number() { source_ask 'SELECT n FROM counter'; }
caught_up() { [ "$(target_ask 'SELECT n FROM counter' 2>/dev/null)" = "$1" ]; }

# Until the target is there; 1 when it has not moved for 90 s. On a busy machine the connector alone may take minutes.
await_caught_up() {
  local now last='' deadline=0
  until caught_up "$1"; do
    now=$(target_ask 'SELECT last_commit_lsn FROM replicator.stream' 2>/dev/null) || now=$last
    [ "$now" = "$last" ] || deadline=$((SECONDS + 90))
    last=$now
    gap_accepted
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.5
  done
}

# A daemon may leave because it was asked to (0), killed (137), or taken over (7), or had no room for a large transaction (8).
exits_verdict() {
  ! grep -nvE "^(0|7|137$([ "$PLAN_DISKS" = 0 ] || echo '|8')$(! grep -qs ' topic_deleted$' "$T/actions" || echo '|6'))$" "$T"/d*/exits &&
    ! grep -ah 'exit code 8' "$T"/d*/log | grep -v "spill_dir $WORK/spill: .*No space left on device"
}

connector_runs() {
  case $(connector_state "$CONNECT_URL" "$NAME") in
    RUNNING) return 0 ;;
    FAILED) connector_restart "$CONNECT_URL" "$NAME" || true; return 1 ;;
    *) return 1 ;;
  esac
}

digests() {
  local table
  for table in ${TABLES_CAPTURED//,/ }; do
    echo "SELECT '$table', count(*), md5(string_agg(t::text, E'\n' ORDER BY t::text COLLATE \"C\")) FROM $table t;"
  done
}

# The rows that differ are those that the stream marked as suspect, since the connector lost their values; a repair fetches them.
suspects_repaired() {
  local others
  "$CHECK_TARGET" -c "$T/replicator.conf" --limit 100000 --json >"$T/check.json" 2>"$T/check.log" || true
  others=$(jq -r '.tables[] | . as $table | .differences[] | [.key | to_entries[] | "\(.key)=\(.value)"] | join(", ")
    | select(. as $key | $table.suspect | index($key) | not) | $table.table + " " + .' "$T/check.json")
  [ -z "$others" ] || die "rows differ that are not marked as suspect: $(head -n 3 <<<"$others" | tr '\n' ' ')"
  jq '[.tables[].suspect[]] | length' "$T/check.json" >"$T/suspects"
  "$CHECK_TARGET" -c "$T/replicator.conf" --repair >"$T/check.log" 2>&1 || die "repair of suspect rows (exit $?): $(tail -n 3 "$T/check.log" | tr '\n' ' ')"
  [ "$(target_ask 'SELECT count(*) FROM replicator.suspect')" = 0 ] || die "rows are still marked as suspect after their repair"
}

# check_target says so, and, without believing it, so do digests of the rows.
rows_equal() {
  tables_settle
  [ "$(target_ask 'SELECT count(*) FROM replicator.suspect')" = 0 ] || suspects_repaired
  "$CHECK_TARGET" -c "$T/replicator.conf" >"$T/check.log" 2>&1 || die "check_target (exit $?): $(tail -n 3 "$T/check.log" | tr '\n' ' ')"
  digests >"$T/digests.sql"
  source_sql -At -f "$T/digests.sql" >"$T/digests.source"
  target_sql -At -f "$T/digests.sql" >"$T/digests.target"
  diff "$T/digests.source" "$T/digests.target" || die "check_target says yes, but the rows differ"
}

# The snapshot is in the target, and so is a first transaction.
seed_follows() {
  await_target 60 'SELECT count(*) FROM keyed' 100
  await_target 30 "SELECT count(*) FROM counter" 1
  await 60 "the connector streams" slot_follows
  source_sql -c "BEGIN; UPDATE counter SET n = n + 1; INSERT INTO ledger_a VALUES (1, 'first'); INSERT INTO ledger_b VALUES (1); COMMIT"
  await_target 30 'SELECT n FROM counter' 1
}

# phase NAME: what took how long, for the verdict.
phase() {
  local now
  now=$(date +%s)
  [ -z "${PHASE:-}" ] || printf '%s %d, ' "$PHASE" $((now - PHASE_BEGAN)) >>"$T/phases"
  PHASE=$1 PHASE_BEGAN=$now
}

seed_test() {
  local faults_pid load_pid want
  phase setup
  SEED=${NAME#faults_}
  seed_world
  keepers_start
  seed_follows
  phase load
  reader >"$T/reader" 2>"$T/reader.err" & echo $! >"$T/reader.pid"
  load >"$T/load" 2>&1 & load_pid=$!; echo $load_pid >"$T/load.pid"
  faults & faults_pid=$!
  wait $faults_pid
  wait $load_pid || true
  phase mended
  network_open
  for ((i = 1; i <= PLAN_INSTANCES; i++)); do kill -CONT "$(cat "$T/d$i/daemon.pid")" 2>/dev/null || true; done
  source_up && target_up && kafka_up && connect_up
  wait_until 60 connect_put resume || true # an action that stopped it could not, without Kafka
  wait_until 60 connector_runs || die "the connector does not run again: $(connector_trace "$CONNECT_URL" "$NAME" | head -n 2 | tr '\n' ' ')"
  phase 'caught up'
  want=$(last_number)
  echo "$want" >"$T/transactions"
  await_caught_up "$want" || { for ((i = 1; i <= PLAN_INSTANCES; i++)); do daemon_stack "$T/d$i"; done; seed_exits; die "the target stands at $(target_ask 'SELECT n FROM counter') of $want since 90 s"; }
  seed_exits
  phase compared
  rows_equal
  phase end
  reader_verdict >"$T/seen" || die "$(cat "$T/seen")"
  touch "$T/stop"
  echo "$want transactions, $(grep -c '|' "$T/reader") looks, $(wc -l <"$T/actions") faults$([ ! -e "$T/suspects" ] || echo ", $(cat "$T/suspects") suspect rows fetched again"), exits $({ cat "$T"/d*/exits 2>/dev/null || true; } | sort | uniq -c | awk '{ printf "%s%s×%s", (NR > 1 ? " " : ""), $2, $1 }')" >"$T/verdict"
}

seed_exits() {
  exits_verdict || die "a daemon ended by itself (exit code $(sort -u "$T"/d*/exits | paste -sd ' ')): $(grep -ah 'exit code [^0]\|Assertion' "$T"/d*/log | grep -v 'exit code 7' | tail -n 1 | cut -c1-300 || true)"
}
