# shellcheck shell=bash
# The demo's names: where its data lies, its ports, its addresses. Everything that setup.sh does starts from here.

# demo_environment COMMAND: the ports and passwords. What the environment says wins, then what the running demo was
# started with (up notes it), then .env; up itself starts from .env, so that a changed one takes effect.
demo_environment() {
  DEMO_HOME=$(services_home demo)
  [ "$1" = up ] || [ ! -r "$DEMO_HOME/environment" ] || demo_read "$DEMO_HOME/environment"
  demo_read "$REPO_ROOT/.env"
  PG_PASSWORD=$POSTGRES_PASSWORD
  DEMO_CONF=$REPO_ROOT/.run/demo.conf
  DEMO_CONNECTOR=postgres-connector
  LOAD_SCRIPTS=$REPO_ROOT/stack/load
  BROKER=127.0.0.1:$KAFKA_PORT
  CONNECT_URL=http://127.0.0.1:$CONNECT_PORT
  SOURCE_HOST=127.0.0.1 TARGET_HOST=127.0.0.1
  export CONNECT_GROUP=connect-demo
  REPLICATOR=$REPO_ROOT/bin/replicator
  CHECK_TARGET=$REPO_ROOT/bin/check_target
  CHECK_TARGET_HINT="bin/check_target -c .run/demo.conf"
  SOURCE_HINT="PGPASSWORD=$POSTGRES_PASSWORD psql -h 127.0.0.1 -p $SOURCE_PORT -U postgres source"
}

# demo_read FILE: sets and exports what is not set yet.
demo_read() {
  local name value
  while IFS='=' read -r name value; do
    [[ $name =~ ^[A-Z_]+$ ]] || continue
    [ -n "${!name+set}" ] || printf -v "$name" '%s' "$value"
    export "${name?}"
  done <"$1"
}

# --- what the verbs do with the servers; docker.sh has the same names for containers ---------------------------------

source_sql() { pg_psql "$SOURCE_PORT" source "$@"; }
target_sql() { pg_psql "$TARGET_PORT" target "$@"; }
demo_check_target() { "$CHECK_TARGET" -c "$DEMO_CONF" "$@"; }
demo_kcat() { kcat -b "$BROKER" "$@"; }
demo_connector_state() { connector_state "$CONNECT_URL" "$DEMO_CONNECTOR"; }
demo_connector_trace() { connector_trace "$CONNECT_URL" "$DEMO_CONNECTOR"; }

# demo_pgbench ARGUMENT…: on the source; LOAD_SCRIPTS is the folder of its scripts.
demo_pgbench() {
  local bin
  bin=$(pg_bindir) || return 1
  PGPASSWORD=$POSTGRES_PASSWORD "$bin/pgbench" -h 127.0.0.1 -p "$SOURCE_PORT" -U postgres "$@" source
}

replicator_alive() { process_pid "$DEMO_HOME/replicator" >/dev/null; }
replicator_blame() { process_blame "$DEMO_HOME/replicator" "$1"; }

# replicator_kill: kill -9; prints who that was.
replicator_kill() {
  local pid
  pid=$(process_pid "$DEMO_HOME/replicator") || return 1
  kill -KILL "$pid"
  wait_until 10 process_gone "$DEMO_HOME/replicator"
  echo "pid $pid"
}

# --- the native demo -------------------------------------------------------------------------------------------------

# The data folder belongs to one clone at a time. With a second one on this machine they would take turns at breaking
# each other's connector.
demo_claim() {
  local owner
  mkdir -p "$DEMO_HOME" "$REPO_ROOT/.run" || return 1
  owner=$(cat "$DEMO_HOME/clone" 2>/dev/null || echo "$REPO_ROOT")
  if [ "$owner" != "$REPO_ROOT" ] && [ -e "$owner/setup.sh" ]; then
    fail "the demo's data in $DEMO_HOME belongs to the clone in $owner; ./setup.sh reset there (or here) removes it"
    return 1
  fi
  echo "$REPO_ROOT" >"$DEMO_HOME/clone"
  (umask 077
    # shellcheck disable=SC2013
    for name in $(sed -n 's/^\([A-Z_]*\)=.*/\1/p' "$REPO_ROOT/.env"); do echo "$name=${!name}"; done >"$DEMO_HOME/environment")
}

# demo_running: 0 when source, target, Kafka, Connect and the replicator all run.
demo_running() {
  pg_pid "$DEMO_HOME/source" && pg_pid "$DEMO_HOME/target" && kafka_pid "$DEMO_HOME/kafka" &&
    connect_pid "$DEMO_HOME/connect" && process_pid "$DEMO_HOME/replicator"
} >/dev/null

demo_required() { demo_running || die "the demo is not running (or not all of it); start it with ./setup.sh"; }

# demo_avro: is the profile of the registry on? Then the connector writes Avro and REGISTRY_URL is the registry's address.
demo_avro() { [[ ,${COMPOSE_PROFILES:-}, == *,registry,* ]]; }

# The connector's configuration as the user edits it, with the address of the source and the password of .env put in.
demo_connector_json() {
  local converter={}
  ! demo_avro || converter=$(registry_converter "$REGISTRY_URL") || return 1
  jq --argjson converter "$converter" --arg host "$SOURCE_HOST" --arg port "$SOURCE_PORT" --arg password "$CONNECTOR_PASSWORD" \
    '.config["database.hostname"] = $host | .config["database.port"] = $port | .config["database.password"] = $password
    | .config += $converter' \
    "$REPO_ROOT/connectors/postgres-connector.json"
}

# demo_register FILE: the connector, by way of FILE, and the topic of the transactions.
demo_register() {
  (umask 077; demo_connector_json >"$1") || return 1
  connector_register "$CONNECT_URL" "$1" || return 1
  connector_wait_running "$CONNECT_URL" "$DEMO_CONNECTOR" || return 1
  # Kafka makes a topic when it is first asked for it. The transaction topic would come with the first transaction, and
  # the replicator would notice it some seconds after that: the tour would begin with a wait.
  kcat -L -b "$BROKER" -t dbserver1.transaction >/dev/null
}

# How the connector writes values, which plain JSON does not say: the replicator's setting for each that the connector has.
demo_decoding() {
  jq -r '{decimal: "decimal.handling.mode", time: "time.precision.mode", interval: "interval.handling.mode",
    binary: "binary.handling.mode", hstore: "hstore.handling.mode"} as $settings
    | .config as $config | $settings | to_entries | map(select($config[.value])
    | "\(.key) = \"\($config[.value])\";") | join(" ")' "$REPO_ROOT/connectors/postgres-connector.json"
}

# The replicator's configuration for the demo, made anew at each start.
demo_write_conf() {
  (umask 077; cat >"$DEMO_CONF.new" <<CONF
# Written by setup.sh from .env; changes are lost at the next ./setup.sh.
stream = { name = "$DEMO_CONNECTOR"; };
source = { dsn = "host=$SOURCE_HOST port=$SOURCE_PORT dbname=source user=postgres password=$POSTGRES_PASSWORD"; };
target = { dsn = "host=$TARGET_HOST port=$TARGET_PORT dbname=target user=replicator password=$REPLICATOR_PASSWORD"; };
kafka = { brokers = "$BROKER"; topic_prefix = "dbserver1"; };
connect = { url = "$CONNECT_URL"; connector = "$DEMO_CONNECTOR"; };
decoding = { $(demo_decoding) };
tables = ( { match = "public.users"; delete = "soft"; truncate = "soft"; } );
status = { port = $STATUS_PORT; listen = "${STATUS_HOST:-127.0.0.1}"; };
log = { level = "info"; format = "text"; };
$(! demo_avro || echo "registry = { url = \"$REGISTRY_URL/apis/registry/v2\"; };")
CONF
  )
}

# demo_init_source: the log of schema changes, and the tables for heartbeats and signals; before the connector comes.
demo_init_source() {
  demo_write_conf
  "$REPLICATOR" init source --role debezium --capture 'public.*,commerce.*' -c "$DEMO_CONF.new" >"$DEMO_HOME/init-source.log" 2>&1 ||
    { fail "replicator init source failed:" || true; tail -n 10 "$DEMO_HOME/init-source.log" >&2; return 1; }
}

# replicator_start: the daemon in the background; one that runs with the configuration of now is left in peace.
replicator_start() {
  local dir=$DEMO_HOME/replicator
  mkdir -p "$dir"
  demo_write_conf
  if process_pid "$dir" >/dev/null && cmp -s "$DEMO_CONF.new" "$DEMO_CONF"; then rm -f "$DEMO_CONF.new"; return 0; fi
  replicator_stop || return 1
  mv -f "$DEMO_CONF.new" "$DEMO_CONF"
  "$REPLICATOR" init target -c "$DEMO_CONF" >"$dir/init.log" 2>&1 ||
    { fail "replicator init target failed:" || true; tail -n 10 "$dir/init.log" >&2; return 1; }
  process_spawn "$dir" "$REPLICATOR" run -c "$DEMO_CONF"
}

replicator_stop() { process_stop "$DEMO_HOME/replicator" 30; }
