# shellcheck shell=bash
# The servers of a benchmark, the source's 100,000 users, the connector, and the daemon.

SOURCE_PORT=${BENCH_SOURCE_PORT:-27432}
TARGET_PORT=${BENCH_TARGET_PORT:-27433}
KAFKA_PORT=${BENCH_KAFKA_PORT:-27092}
CONNECT_PORT=${BENCH_CONNECT_PORT:-27083}
CONNECT_URL=http://127.0.0.1:$CONNECT_PORT
BROKER=127.0.0.1:$KAFKA_PORT
REPLICATOR=$REPO_ROOT/bin/replicator
HOME_DIR=$(services_home "bench-$$")
CONF=$HOME_DIR/replicator.conf
LATENCY=$REPO_ROOT/build/bench/latency
TABLES='users orders order_items'

source_sql() { pg_psql "$SOURCE_PORT" shop "$@"; }
source_dsn() { echo "host=127.0.0.1 port=$SOURCE_PORT dbname=shop user=postgres password=$PG_PASSWORD"; }
target_dsn() { echo "host=127.0.0.1 port=$TARGET_PORT dbname=$1 user=postgres password=$PG_PASSWORD"; }

bench_build() {
  local flags
  make -s -C "$REPO_ROOT" -j "$(nproc)" all >&2
  [ -x "$REPLICATOR" ] || die "the build left no bin/replicator"
  mkdir -p "${LATENCY%/*}"
  read -r -a flags < <(pkg-config --cflags --libs libpq)
  "${CC:-gcc}" -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -pthread -o "$LATENCY" "$BENCH/latency.c" "${flags[@]}"
  stack_fetch || exit 1
}

# Two clusters with the same settings, Kafka, Connect; the source is filled, the target empty.
world_begin() {
  step "Starting the servers in $HOME_DIR"
  mkdir -p "$HOME_DIR"
  world_cluster source "$SOURCE_PORT"
  world_cluster target "$TARGET_PORT"
  kafka_start "$HOME_DIR/kafka" "$KAFKA_PORT" || exit 1
  connect_start "$HOME_DIR/connect" "$CONNECT_PORT" "$BROKER" || exit 1
  pg_psql "$SOURCE_PORT" postgres -c 'CREATE DATABASE shop'
  source_sql -f "$BENCH/schema.sql" -f "$BENCH/users.sql" -c 'VACUUM ANALYZE' -c 'CREATE PUBLICATION native_pub FOR TABLE users, orders, order_items'
  world_database shop
}

# wal_retrieve_retry_interval: with its 5 s the server lets a subscription wait that was enabled soon after another.
world_cluster() {
  pg_start "$HOME_DIR/$1" "$2" shared_buffers=512MB max_wal_size=8GB checkpoint_timeout=1h max_replication_slots=50 \
    max_wal_senders=50 max_connections=200 max_worker_processes=60 max_locks_per_transaction=1024 max_logical_replication_workers=40 \
    wal_retrieve_retry_interval=10ms || exit 1
}

# An empty database with the tables in the target cluster.
world_database() {
  pg_psql "$TARGET_PORT" postgres -c "CREATE DATABASE $1"
  pg_psql "$TARGET_PORT" "$1" -f "$BENCH/schema.sql"
}

# Ends what world_begin began and removes its data; also when it broke off half-way, and when nothing runs.
world_end() {
  if [ "$keep" = 1 ]; then note "left as it is: $HOME_DIR"; return 0; fi
  process_stop "$HOME_DIR/replicator" || true
  connect_stop "$HOME_DIR/connect" || true
  kafka_stop "$HOME_DIR/kafka" || true
  pg_stop "$HOME_DIR/target" || true
  pg_stop "$HOME_DIR/source" || true
  rm -rf "$HOME_DIR"
}

# connector_begin [name=value…]: the connector in the layout and encoding that were asked for.
connector_begin() {
  local json pair
  local -a settings=("database.port=$SOURCE_PORT" "database.password=$PG_PASSWORD" "$@")
  if [ "$schema" = 0 ]; then
    settings+=(decimal.handling.mode=string time.precision.mode=isostring interval.handling.mode=string)
    for pair in key value; do
      settings+=("$pair.converter=org.apache.kafka.connect.json.JsonConverter" "$pair.converter.schemas.enable=false" "$pair.converter.replace.null.with.default=false")
    done
  fi
  if [ "$layout" = single ]; then
    settings+=(transforms=route transforms.route.type=org.apache.kafka.connect.transforms.RegexRouter
      'transforms.route.regex=bench\..*' transforms.route.replacement=bench.all)
  fi
  json=$(jq . "$BENCH/connector.json")
  for pair in "${settings[@]}"; do
    json=$(jq --arg key "${pair%%=*}" --arg value "${pair#*=}" '.config[$key] = $value' <<<"$json")
  done
  echo "$json" >"$HOME_DIR/connector.json"
  connector_register "$CONNECT_URL" "$HOME_DIR/connector.json" || exit 1
  connector_wait_running "$CONNECT_URL" bench || exit 1
}

# The daemon's configuration: its defaults, but for what it cannot know.
daemon_configure() {
  (umask 077; cat >"$CONF" <<CONF
stream = { name = "bench"; };
source = { dsn = "$(source_dsn)"; };
target = { dsn = "$(target_dsn shop)"; };
kafka = { brokers = "$BROKER"; topic_prefix = "bench"; $([ "$layout" = per-table ] || echo 'topics = ["bench.all"];') };
$([ "$schema" = 1 ] || echo 'decoding = { decimal = "string"; time = "isostring"; interval = "string"; };')
CONF
  )
  "$REPLICATOR" init target -c "$CONF" >"$HOME_DIR/init.log" 2>&1 || { cat "$HOME_DIR/init.log" >&2; die "init target failed"; }
}

daemon_start() {
  mkdir -p "$HOME_DIR/replicator"
  process_spawn "$HOME_DIR/replicator" "$REPLICATOR" run -c "$CONF"
}

daemon_stop() { process_stop "$HOME_DIR/replicator" 60; }

daemon_required() {
  process_pid "$HOME_DIR/replicator" >/dev/null || { process_blame "$HOME_DIR/replicator" "the daemon stopped"; exit 1; }
}

# The daemon brings in the snapshot of the 100,000 users.
daemon_take_snapshot() {
  local deadline=$((SECONDS + 180))
  step "Snapshot of 100,000 users"
  daemon_configure
  daemon_start || exit 1
  until [ "$(pg_psql "$TARGET_PORT" shop -At -c "SELECT count(*) = 100000 AND EXISTS (SELECT FROM replicator.snapshot_progress
    WHERE finished_at IS NOT NULL) FROM users")" = t ]; do
    daemon_required
    [ "$SECONDS" -lt "$deadline" ] || { process_blame "$HOME_DIR/replicator" "the snapshot was not in the target after 180 s"; exit 1; }
    sleep 0.3
  done
}

# native_begin DATABASE: a database beside, subscribed to the same tables by logical replication, in sync and disabled.
native_begin() {
  world_database "$1"
  pg_psql "$TARGET_PORT" "$1" -c "CREATE SUBSCRIPTION $1 CONNECTION '$(source_dsn)' PUBLICATION native_pub" 2>/dev/null
  wait_until 120 native_ready "$1" || die "logical replication did not copy the tables in 120 s"
  pg_psql "$TARGET_PORT" "$1" -c "ALTER SUBSCRIPTION $1 DISABLE"
  wait_until 30 native_idle "$1" || die "the subscription $1 did not stop"
  pg_psql "$TARGET_PORT" "$1" -c 'VACUUM ANALYZE'
}

native_ready() {
  [ "$(pg_psql "$TARGET_PORT" "$1" -At -c "SELECT count(*) FILTER (WHERE srsubstate = 'r') = 3 FROM pg_subscription_rel
    JOIN pg_class c ON c.oid = srrelid")" = t ]
}

native_idle() { [ "$(source_sql -At -c "SELECT active FROM pg_replication_slots WHERE slot_name = '$1'")" = f ]; }

native_end() {
  pg_psql "$TARGET_PORT" "$1" -c "ALTER SUBSCRIPTION $1 DISABLE"
  wait_until 30 native_idle "$1" || die "the subscription $1 did not stop"
  pg_psql "$TARGET_PORT" "$1" -c "DROP SUBSCRIPTION $1" 2>/dev/null
  pg_psql "$TARGET_PORT" postgres -c "DROP DATABASE $1 WITH (FORCE)"
}

# digest PORT DATABASE: count and digest of the rows of each table, the whole content.
digest() {
  local table
  for table in $TABLES; do
    printf "SELECT '%s', count(*), sum(hashtextextended(t::text, 0)::numeric) FROM %s t;\n" "$table" "$table"
  done | pg_psql "$1" "$2" -At
}

median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
