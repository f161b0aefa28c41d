# shellcheck shell=bash
# What tests/ddl/run stands on: its servers, connectors and daemons, and how a schema is compared.

PORT=${DDL_PORT:-23100}
KAFKA_PORT=$((PORT + 2)) CONNECT_PORT=$((PORT + 4)) TARGET_PORT=$((PORT + 1))
KAFKA_CONTROLLER_PORT=$((PORT + 3))
declare -A SOURCE_PORT=([15]=$PORT [16]=$((PORT + 5)) [17]=$((PORT + 6)) [18]=$((PORT + 7)))
SOURCES=${DDL_SOURCES:-15}
STREAMS=
for source in $SOURCES; do
  [ -n "${SOURCE_PORT[$source]:-}" ] || die "DDL_SOURCES: 15, 16, 17 or 18, not $source"
  for layout in ${DDL_LAYOUTS:-tables single}; do STREAMS+=" $layout$source"; done
done
BROKER=127.0.0.1:$KAFKA_PORT
CONNECT_URL=http://127.0.0.1:$CONNECT_PORT
REPLICATOR=${REPLICATOR_BIN:-$REPO_ROOT/bin/replicator}
CHECK_TARGET=${CHECK_TARGET_BIN:-$REPO_ROOT/bin/check_target}
WORK=
PATH=$(pg_bindir):$PATH # Debian's psql is a script before the real one
export CONNECT_GROUP=connect-ddl REPLICATOR_PASSWORD=replicator

source_of() { echo "${1: -2}"; } # tables18: 18

source_psql() { local source=$1; shift; PGOPTIONS='-c client_min_messages=warning' pg_psql "${SOURCE_PORT[$source]}" ddl "$@" >/dev/null; }
source_ask() { pg_psql "${SOURCE_PORT[$1]}" ddl -At -c "$2"; }
target_ask() { pg_psql "$TARGET_PORT" "$1" -At -c "$2"; }

stack_start() {
  local source bin
  [ -x "$REPLICATOR" ] && [ -x "$CHECK_TARGET" ] || die "bin/replicator or bin/check_target is not there; run make first"
  stack_fetch
  WORK=$(mktemp -d /tmp/replicator-ddl.XXXXXX)
  chmod 755 "$WORK"
  step "starting sources ($SOURCES), target ($TARGET_PORT), Kafka ($KAFKA_PORT), Connect ($CONNECT_PORT)"
  for source in $SOURCES; do
    bin=$(pg_fetch "$source")
    PG_BINDIR=$bin pg_start "$WORK/source$source" "${SOURCE_PORT[$source]}" fsync=off track_commit_timestamp=on
    pg_psql "${SOURCE_PORT[$source]}" postgres -c "CREATE DATABASE ddl"
  done
  pg_start "$WORK/target" "$TARGET_PORT" fsync=off
  pg_psql "$TARGET_PORT" postgres -f "$REPO_ROOT/init-scripts/target/01-roles.sql" >/dev/null
  KAFKA_CONTROLLER_PORT=$KAFKA_CONTROLLER_PORT kafka_start "$WORK/kafka" "$KAFKA_PORT"
  connect_start "$WORK/connect" "$CONNECT_PORT" "$BROKER" offset.flush.interval.ms=2000
  for stream in $STREAMS; do stream_start "$stream"; done
}

stack_end() {
  local status=$?
  trap - EXIT
  stack_stop
  exit "$status"
}

stack_stop() {
  local stream source
  [ -n "$WORK" ] || return 0
  for stream in $STREAMS; do process_stop "$WORK/$stream" 10 || true; done
  connect_stop "$WORK/connect" || true
  kafka_stop "$WORK/kafka" || true
  for source in $SOURCES; do pg_stop "$WORK/source$source" || true; done
  pg_stop "$WORK/target" || true
  if [ "${DDL_KEEP:-}" = 1 ]; then note "logs are in $WORK"; else rm -rf "$WORK"; fi
  WORK=
}

# stream_start NAME: target database, connector and daemon, all of that name.
stream_start() {
  local stream=$1 dir=$WORK/$1 source topics=
  source=$(source_of "$stream")
  mkdir -p "$dir"
  pg_psql "$TARGET_PORT" postgres -c "CREATE DATABASE $stream OWNER replicator"
  pg_psql "$TARGET_PORT" "$stream" -c "ALTER SCHEMA public OWNER TO replicator"
  [ "${stream%??}" != single ] || topics="topics = [\"$stream.all\"];"
  cat >"$dir/replicator.conf" <<CONF
stream = { name = "$stream"; };
memory_limit = "16MB"; # so that a quarter of it goes to a file
source = { dsn = "host=127.0.0.1 port=${SOURCE_PORT[$source]} dbname=ddl user=postgres password=$PG_PASSWORD"; };
target = { dsn = "host=127.0.0.1 port=$TARGET_PORT dbname=$stream user=replicator password=$REPLICATOR_PASSWORD"; };
kafka = { brokers = "$BROKER"; topic_prefix = "$stream"; $topics };
decoding = { decimal = "string"; interval = "string"; time = "isostring"; hstore = "json"; };
connect = { url = "http://127.0.0.1:$CONNECT_PORT"; connector = "$stream"; slot = "$stream"; publication = "$stream"; };
supervision = { interval = "2s"; }; # restarts the connector where it fails (docs/ddl.md, "Limits of Debezium")
CONF
  "$REPLICATOR" init source --capture '*' --identity-full -c "$dir/replicator.conf" >"$dir/init.log" || die "init source: $(cat "$dir/init.log")"
  "$REPLICATOR" init target -c "$dir/replicator.conf" >>"$dir/init.log" || die "init target: $(cat "$dir/init.log")"
  jq --arg name "$stream" --arg port "${SOURCE_PORT[$source]}" \
    '.name = $name | .config += {"database.port": $port, "database.dbname": "ddl", "database.user": "postgres",
      "database.password": "'"$PG_PASSWORD"'", "topic.prefix": $name, "slot.name": $name, "publication.name": $name,
      "table.include.list": "replicator.(ddl_log|heartbeat),(?!replicator).*\\..*"}
    | if $name | startswith("single") then .config += {"transforms": "route",
      "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
      "transforms.route.regex": ($name + "\\..*"), "transforms.route.replacement": ($name + ".all")} else . end' \
    "$REPO_ROOT/connectors/postgres-connector.json" >"$dir/connector.json"
  connector_register "$CONNECT_URL" "$dir/connector.json"
  connector_wait_running "$CONNECT_URL" "$stream" 90
  wait_until 90 slot_follows "$source" "$stream" || die "connector $stream does not stream"
  process_spawn "$dir" "$REPLICATOR" run -c "$dir/replicator.conf"
}

slot_follows() { [ "$(source_ask "$1" "SELECT active FROM pg_replication_slots WHERE slot_name = '$2'")" = t ]; }

# stream_runs NAME: the daemon runs, and it has not given its connector up. One that failed is restarted by the daemon.
stream_runs() {
  process_pid "$WORK/$1" >/dev/null || { fail "stream $1 stopped: $(daemon_error "$1")"; return 1; }
  ! grep -aq 'no more are tried' "$WORK/$1/log" ||
    { fail "connector $1 failed: $(connector_trace "$CONNECT_URL" "$1" | tail -n 1)"; return 1; }
}

# heals [STREAM…]: how often the daemons (of all streams) restarted a connector that had failed.
heals() {
  local stream
  # shellcheck disable=SC2086
  [ $# -gt 0 ] || set -- $STREAMS
  for stream; do cat "$WORK/$stream/log.all" "$WORK/$stream/log" 2>/dev/null || true; done | grep -ac 'what failed of it is restarted' || true
}

# source_mark SOURCE: prints an LSN behind all that the source has committed by now; a commit follows it, so that a stream
# can be seen to be there.
source_mark() {
  PGOPTIONS='-c client_min_messages=warning' pg_psql "${SOURCE_PORT[$1]}" ddl -At -c "CREATE SCHEMA IF NOT EXISTS mark" \
    -c "SELECT pg_logical_emit_message(true, 'ddl', 'end')" -c "SELECT pg_current_wal_insert_lsn()" \
    -c "COMMENT ON SCHEMA mark IS '$RANDOM$RANDOM$RANDOM'" | tail -n 1
}

# stream_await NAME [LSN]: what the source has committed by now (or up to the mark) is in the target. Fails when the stream
# stopped, or when nothing new arrived for DDL_WAIT (120) seconds.
stream_await() {
  local lsn=${2:-} here before='' deadline=$((SECONDS + ${DDL_WAIT:-120}))
  [ -n "$lsn" ] || lsn=$(source_mark "$(source_of "$1")")
  until here=$(target_ask "$1" "SELECT last_commit_lsn >= '$lsn'::pg_lsn, last_commit_lsn FROM replicator.stream") && [ "${here%%|*}" = t ]; do
    stream_runs "$1" || return 1
    [ "$here" = "$before" ] || { before=$here deadline=$((SECONDS + ${DDL_WAIT:-120})); }
    [ "$SECONDS" -lt "$deadline" ] || { fail "stream $1 does not arrive: $(tail -n 2 "$WORK/$1/log")"; return 1; }
    sleep 0.1
  done
}

# streams_await SOURCE: all streams of the source.
streams_await() {
  local lsn stream result=0
  lsn=$(source_mark "$1")
  for stream in $STREAMS; do [ "$(source_of "$stream")" != "$1" ] || stream_await "$stream" "$lsn" || result=1; done
  return "$result"
}

# stream_settle NAME: the daemon has resynced the tables whose rows were rewritten without events.
stream_settle() {
  local left before='' deadline=$((SECONDS + ${DDL_WAIT:-120}))
  until left=$(target_ask "$1" "SELECT coalesce(string_agg(table_name, ' '), '') FROM replicator.unverified") && [ -z "$left" ]; do
    stream_runs "$1" || return 1
    [ "$left" = "$before" ] || { before=$left deadline=$((SECONDS + ${DDL_WAIT:-120})); }
    [ "$SECONDS" -lt "$deadline" ] || { fail "stream $1: not resynced: $left: $(grep -a 'resync' "$WORK/$1/log" | tail -n 2)"; return 1; }
    sleep 0.2
  done
}

daemon_error() { grep -a ERROR "$WORK/$1/log" | tail -n 1 | cut -c1-900; }

# cases_split FILE PATTERN: a file for each case whose phrase matches, and $WORK/cases: number, phrase, name, apart, the last
# version of a source that has it, file.
cases_split() {
  awk -v dir="$WORK" -v pattern="$2" '
    function finish() { if (name != "" && phrase ~ pattern) printf "%02d\t%s\t%s\t%s\t%d\t%s\n", number, phrase, name, apart, last, file; name = "" }
    /^-- phrase: / { finish(); phrase = substr($0, 12); next }
    /^-- case: / { finish(); name = substr($0, 10); apart = "-"; last = 99; number++; file = sprintf("%s/case%02d.sql", dir, number); next }
    /^-- apart: / { apart = substr($0, 11); next }
    /^-- until: / { last = substr($0, 11) + 0; name = name ", source up to " substr($0, 11); next }
    /^-- slowly: / { apart = "slowly: " substr($0, 12); next }
    name != "" && !/^--/ && NF { print > file }
    END { finish() }' "$1" >"$WORK/cases"
  [ -s "$WORK/cases" ] || die "no case matches $2"
}

# case_slowly SOURCE FILE SCHEMA: each statement waits for the one before it to be in all targets.
case_slowly() {
  local statement setting=
  while IFS= read -r statement; do
    # The session ends with each statement: its settings go along.
    case $statement in SET*) setting+=$statement; continue ;; esac
    source_psql "$1" -c "$setting" -c "$statement"
    streams_await "$1" || true
  done < <(case_sql "$2" "$3")
}

case_sql() { printf 'SET search_path = %s;\n' "$2"; sed "s/@s@/$2/g" "$1"; }

# images SIDE STREAM SCHEMA: the images of all objects in the schema and those beside it, without what may differ (oids,
# attnums …), and a digest of the rows of each table.
images() {
  local port=$TARGET_PORT database=$2
  [ "$1" = target ] || { port=${SOURCE_PORT[$(source_of "$2")]}; database=ddl; }
  pg_psql "$port" "$database" -At 2>&1 <<SQL |
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.rows(relation regclass) RETURNS text LANGUAGE plpgsql AS \$\$
DECLARE digest text;
BEGIN
  EXECUTE format('SELECT count(*) || '' '' || coalesce(md5(string_agg(t::text, E''\n'' ORDER BY t::text COLLATE "C")), '''') FROM ONLY %s t', relation) INTO digest;
  RETURN digest;
END \$\$;
SET search_path = pg_catalog;
SET timezone = 'UTC';
SELECT jsonb_build_object('schema', nspname) FROM pg_namespace WHERE nspname ~ '^$3(_[0-9])?\$' ORDER BY nspname;
SELECT replicator.table_image(c.oid) || jsonb_build_object('rows', CASE WHEN c.relkind = 'r' THEN pg_temp.rows(c.oid::regclass) END)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname ~ '^$3(_[0-9])?\$' AND c.relkind IN ('r', 'p') ORDER BY n.nspname, c.relname COLLATE "C";
SELECT replicator.type_image(t.oid) FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
 WHERE n.nspname ~ '^$3(_[0-9])?\$' AND (t.typtype IN ('e', 'd') OR EXISTS (SELECT FROM pg_class k WHERE k.oid = t.typrelid AND k.relkind = 'c'))
 ORDER BY n.nspname, t.typname COLLATE "C";
SELECT replicator.sequence_image(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname ~ '^$3(_[0-9])?\$' AND c.relkind = 'S' ORDER BY n.nspname, c.relname COLLATE "C";
SQL
    jq -cS 'walk(if type == "object" then del(.oid, .ids, .attnum, .missing, .children, .replica_identity) else . end)' 2>&1
}

check_stream() {
  if "$CHECK_TARGET" -c "$WORK/$1/replicator.conf" >"$WORK/$1/check.log" 2>&1; then
    printf '%sok%s check_target over %s\n' "$GREEN" "$PLAIN" "$1"
  else
    printf '%sFAILED%s check_target over %s\n' "$RED" "$PLAIN" "$1"
    tail -n 15 "$WORK/$1/check.log" | sed 's/^/  /'
    return 1
  fi
}

# docs_write: docs/ddl.md: the words of tests/ddl/ddl.md.in, and the results in place of its line @results@.
docs_write() {
  sed '/^@results@$/,$d' "$here/ddl.md.in"
  echo "| phrase | case | result |"
  echo "| --- | --- | --- |"
  awk -F '\t' '{ note = $3 == "-" ? "" : " (not in one transaction: " $3 ")"; print "| " $1 " | " $2 note " | " $4 " |" }' "$WORK/results"
  sed '1,/^@results@$/d' "$here/ddl.md.in"
}
