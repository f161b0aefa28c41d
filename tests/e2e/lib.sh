# shellcheck shell=bash
# What the end-to-end tests share: a pair of databases, a connector and a daemon of each test's own, ways to wait, and
# verdicts. Sourced by tests/e2e/run; a test sees WORK (the stack's folder), T (its own folder) and NAME.

PG_HOST=127.0.0.1
SOURCE_PORT=${E2E_SOURCE_PORT:-26432}
TARGET_PORT=${E2E_TARGET_PORT:-26433}
KAFKA_PORT=${E2E_KAFKA_PORT:-26092}
CONNECT_PORT=${E2E_CONNECT_PORT:-26083}
BROKER=$PG_HOST:$KAFKA_PORT
CONNECT_URL=http://$PG_HOST:$CONNECT_PORT
REPLICATOR=${REPLICATOR_BIN:-$REPO_ROOT/bin/replicator}
CHECK_TARGET=${CHECK_TARGET_BIN:-$REPO_ROOT/bin/check_target}
export CONNECT_GROUP=connect-e2e REPLICATOR_PASSWORD=replicator CONNECTOR_PASSWORD=debezium

source_sql() { pg_psql "$SOURCE_PORT" "$NAME" "$@"; }
target_sql() { pg_psql "$TARGET_PORT" "$NAME" "$@"; }
source_ask() { source_sql -At -c "$1"; }
target_ask() { target_sql -At -c "$1"; }

# --- databases ------------------------------------------------------------------------------------------------------

# cluster_prepare PORT SIDE: the roles of the demo, which all databases of the cluster share. The connector's role is a
# member of the tables' owner: not every test has `init source` make the publication.
cluster_prepare() {
  pg_psql "$1" postgres -f "$REPO_ROOT/init-scripts/$2/01-roles.sql" >/dev/null
  [ "$2" != source ] || pg_psql "$1" postgres -c 'GRANT shop TO debezium'
}

# databases_make [data]: both databases of the test with the demo's tables; the source's rows too when asked for.
databases_make() {
  local role
  pg_psql "$SOURCE_PORT" postgres -c "CREATE DATABASE $NAME"
  pg_psql "$TARGET_PORT" postgres -c "CREATE DATABASE $NAME"
  source_sql -c "GRANT CREATE ON DATABASE $NAME TO debezium" -f "$REPO_ROOT/init-scripts/source/02-tables.sql"
  [ "${1:-}" != data ] || source_sql -f "$REPO_ROOT/init-scripts/source/03-data.sql"
  target_sql -c "GRANT CREATE ON DATABASE $NAME TO replicator" -f "$REPO_ROOT/init-scripts/target/02-tables.sql"
}

# --- connector ------------------------------------------------------------------------------------------------------

# connector_start [JQ]: the demo's connector on the test's database, its configuration changed by the jq expression; it
# takes the four tables alone, since not every test has our schema in the source.
connector_start() {
  jq --arg name "$NAME" --arg port "$SOURCE_PORT" \
    '.name = $name | .config["database.port"] = $port | .config["database.dbname"] = $name
    | .config["topic.prefix"] = $name | .config["slot.name"] = "e2e_" + $name
    | .config["publication.name"] = "e2e_" + $name | .config["publication.autocreate.mode"] = "filtered"
    | .config["table.include.list"] = "public.users,public.orders,commerce.users,commerce.products"
    | .config["heartbeat.interval.ms"] = "1000"
    | del(.config["heartbeat.action.query"], .config["signal.data.collection"])' "$REPO_ROOT/connectors/postgres-connector.json" |
    jq "${1:-.}" >"$T/connector.json"
  connector_register "$CONNECT_URL" "$T/connector.json"
  connector_wait_running "$CONNECT_URL" "$NAME" $((60 * PATIENCE))
}

# The connector and its slot go, so that ten tests do not need ten of each.
connector_end() {
  local slot=e2e_$NAME
  connector_delete "$CONNECT_URL" "$NAME" || true
  # The walsender may take a moment to notice.
  wait_until 20 slot_gone "$slot" || warn "slot $slot is still in use"
}

slot_gone() {
  pg_psql "$SOURCE_PORT" postgres -At -c "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
    WHERE slot_name = '$1'" >/dev/null 2>&1
}

# slot_follows: 0 once the connector streams (its slot is active), which is after the snapshot.
slot_follows() {
  [ "$(pg_psql "$SOURCE_PORT" postgres -At -c "SELECT active FROM pg_replication_slots WHERE slot_name = 'e2e_$NAME'")" = t ]
}

# --- daemon ---------------------------------------------------------------------------------------------------------

# daemon_configure [LINE…]: the test's configuration; lines are added at its end. KAFKA, TRANSACTIONS, TARGET_PASSWORD
# and TABLES replace parts of it.
daemon_configure() {
  mkdir -p "$T/daemon"
  cat >"$T/replicator.conf" <<CONF
stream = { name = "$NAME"; };
source = { dsn = "host=$PG_HOST port=$SOURCE_PORT dbname=$NAME user=postgres password=$PG_PASSWORD"; };
target = { dsn = "host=$PG_HOST port=$TARGET_PORT dbname=$NAME user=replicator password=${TARGET_PASSWORD:-$REPLICATOR_PASSWORD}"; };
kafka = { ${KAFKA:-brokers = \"$BROKER\"; topic_prefix = \"$NAME\";} };
connect = { url = "$CONNECT_URL"; connector = "$NAME"; };
decoding = { decimal = "string"; interval = "string"; time = "isostring"; hstore = "json"; };
tables = ( ${TABLES:-"{ match = \"public.users\"; delete = \"soft\"; truncate = \"soft\"; }"} );
log = { level = "${E2E_LOG_LEVEL:-info}"; };
CONF
  [ $# -eq 0 ] || printf '%s\n' "$@" >>"$T/replicator.conf"
}

daemon_init() {
  "$REPLICATOR" init target -c "$T/replicator.conf" >"$T/init.log" 2>&1 || die "init target: $(tail -n 3 "$T/init.log")"
}

# daemon_start: in the background; the logs of all its runs stay, one after the other, in $T/daemon/all.log.
daemon_start() {
  daemon_keep_log
  process_spawn "$T/daemon" "$REPLICATOR" run -c "$T/replicator.conf"
}

daemon_keep_log() {
  [ ! -e "$T/daemon/log" ] || cat "$T/daemon/log" >>"$T/daemon/all.log"
  rm -f "$T/daemon/log"
}

daemon_alive() { process_pid "$T/daemon" >/dev/null; }

daemon_stop() { process_stop "$T/daemon" 20; }

daemon_kill() {
  local pid
  pid=$(process_pid "$T/daemon") || die "the daemon had ended by itself: $(daemon_error)"
  kill -KILL "$pid"
  wait_until 10 process_gone "$T/daemon" || die "pid $pid survived kill -9"
}

# Its last word about an error.
daemon_error() { grep -a ERROR "$T/daemon/log" | tail -n 1 | cut -c1-400 || true; }

# daemon_start_all [data] [JQ]: databases, connector and daemon as most tests want them.
pair_start() {
  databases_make "${1:-}"
  connector_start "${2:-.}"
  daemon_configure
  daemon_init
  daemon_start
}

# --- waiting --------------------------------------------------------------------------------------------------------

# Waits end with the state that they wait for; the seconds only bound a wait that is hopeless. A machine that other programs keep busy
# needs a multiple of them.
PATIENCE=${E2E_PATIENCE:-5}

# await SECONDS WHAT COMMAND…: the command must succeed in time, and the daemon, if it was alive, must stay so.
await() {
  local seconds=$(($1 * PATIENCE)) what=$2 deadline=$((SECONDS + $1 * PATIENCE)) watched=
  shift 2
  ! daemon_alive || watched=1
  until "$@"; do
    if [ -n "$watched" ] && ! daemon_alive; then
      ! "$@" || return 0
      die "the daemon ended while waiting until $what: $(daemon_error)"
    fi
    [ "$SECONDS" -lt "$deadline" ] || die "not in $seconds s: $what"
    sleep 0.1
  done
}

target_says() { [ "$(target_ask "$1" 2>/dev/null)" = "$2" ]; }
source_says() { [ "$(source_ask "$1" 2>/dev/null)" = "$2" ]; }

# await_target SECONDS SQL ANSWER
await_target() {
  local deadline=$((SECONDS + $1 * PATIENCE)) sql=$2 want=$3
  until target_says "$sql" "$want"; do
    if [ "$SECONDS" -ge "$deadline" ] || { [ -e "$T/daemon/pid" ] && ! daemon_alive && ! target_says "$sql" "$want"; }; then
      daemon_alive || warn "the daemon is not running: $(daemon_error)"
      die "the target never said $want to: $sql (it says: $(target_ask "$sql" 2>&1))"
    fi
    sleep 0.1
  done
}

# flush [SECONDS]: a marker goes through the whole way; what was committed before it is in the target afterwards.
flush() {
  local marker
  marker=flush-$(date +%s%N)
  source_sql -c "INSERT INTO commerce.products (sku, name, price) VALUES ('$marker', 'marker', 1)"
  await_target "${1:-60}" "SELECT count(*) FROM commerce.products WHERE sku = '$marker'" 1
}

# --- verdicts -------------------------------------------------------------------------------------------------------

expect_target() {
  local answer
  answer=$(target_ask "$1")
  [ "$answer" = "$2" ] || die "the target says '$answer', not '$2', to: $1"
}

# expect_equal: check_target says so, and, without believing it, so do digests of the rows.
expect_equal() {
  local status=0 there here
  "$CHECK_TARGET" -c "$T/replicator.conf" >"$T/check.log" 2>&1 || status=$?
  [ "$status" -eq 0 ] || { cat "$T/check.log"; die "check_target says no (exit $status)"; }
  there=$(source_ask "$(digest_sql false)")
  here=$(target_ask "$(digest_sql true)")
  [ "$there" = "$here" ] || { printf 'source:\n%s\ntarget:\n%s\n' "$there" "$here"; die "check_target says yes, but the rows differ"; }
}

# digest_sql SOFT: count and digest of each table; the target's users without the deleted ones.
digest_sql() {
  local live=
  [ "$1" = false ] || live='WHERE NOT is_deleted'
  cat <<SQL
SELECT 'users', count(*), md5(string_agg(format('%s|%s|%s|%s|%s|%s|%s|%s', id, email, full_name, balance, active, prefs, created_at, updated_at), E'\n' ORDER BY id)) FROM users $live
UNION ALL SELECT 'orders', count(*), md5(string_agg(format('%s|%s|%s|%s|%s|%s', id, user_id, status, total, note, placed_at), E'\n' ORDER BY id)) FROM orders
UNION ALL SELECT 'commerce.users', count(*), md5(string_agg(format('%s|%s|%s|%s|%s', id, email, country, born_on, tags), E'\n' ORDER BY id)) FROM commerce.users
UNION ALL SELECT 'commerce.products', count(*), md5(string_agg(format('%s|%s|%s|%s|%s|%s', sku, name, price, weight, stock, added_at), E'\n' ORDER BY sku COLLATE "C")) FROM commerce.products
SQL
}

# reader_start SQL [SECONDS]: asks the target over and over (each 0.02 s); answers go to $T/reader, one a line.
reader_start() {
  : >"$T/reader"
  printf '%s \\watch %s\n' "$1" "${2:-0.02}" >"$T/reader.sql"
  target_sql -At -f "$T/reader.sql" >"$T/reader" 2>"$T/reader.err" </dev/null &
  READER=$!
}

# reader_end: stops it; it must have asked often enough to have seen something.
reader_end() {
  kill -0 "$READER" 2>/dev/null || die "the reader ended early: $(tail -n 1 "$T/reader.err")"
  kill -TERM "$READER"
  wait "$READER" 2>/dev/null || true
  sed -i '/^$/d' "$T/reader"
  READS=$(wc -l <"$T/reader")
  [ "$READS" -ge "${1:-50}" ] || die "the reader asked only $READS times"
}

# load_start SCRIPT RATE TRANSACTIONS [CLIENTS]: pgbench on the source in the background.
load_start() {
  local clients=${4:-2}
  PGPASSWORD=$PG_PASSWORD "$(pg_bindir)/pgbench" -n -h $PG_HOST -p "$SOURCE_PORT" -U postgres -c "$clients" -j 1 -R "$2" \
    -t $(($3 / clients)) --random-seed="${SEED:-1}" -f "$1" "$NAME" >"$T/load.log" 2>&1 &
  LOAD=$!
}

load_runs() { kill -0 "$LOAD" 2>/dev/null; }

load_end() { wait "$LOAD" || { tail -n 5 "$T/load.log"; die "the load failed"; }; }
