# shellcheck shell=bash
# What the cases share: a database and a daemon of their own, and events as the connector would write them. Sourced by
# tests/stream/run; a case sees WORK, NAME (also its topic prefix, database and stream) and T, its own folder.

PG_PORT=${STREAM_PG_PORT:-21432}
KAFKA_PORT=${STREAM_KAFKA_PORT:-21092}
BROKER=127.0.0.1:$KAFKA_PORT
REPLICATOR=${REPLICATOR_BIN:-$REPO_ROOT/bin/replicator}
EXIT_CONFIGURATION=3 EXIT_EVENT=5 EXIT_GAP=6 EXIT_SYSTEM=8

target_ask() { pg_psql "$PG_PORT" "$NAME" -At -c "$1"; }

# case_begin: the database with two tables, and the configuration; MORE are lines at its end.
case_begin() {
  pg_psql "$PG_PORT" postgres -c "CREATE DATABASE $NAME"
  target_ask 'CREATE TABLE items (id int PRIMARY KEY, note text); CREATE TABLE other (id int PRIMARY KEY, note text);
    CREATE TABLE keyless (id int, note text)' >/dev/null
  configure
  daemon_init
}

# configure [LINE…]
configure() {
  cat >"$T/replicator.conf" <<CONF
stream = { name = "$NAME"; };
target = { dsn = "host=127.0.0.1 port=$PG_PORT dbname=$NAME user=postgres password=$PG_PASSWORD"; };
kafka = { brokers = "${CASE_BROKER:-$BROKER}"; topic_prefix = "$NAME"; };
CONF
  [ $# -eq 0 ] || printf '%s\n' "$@" >>"$T/replicator.conf"
}

daemon_init() { "$REPLICATOR" init target -c "$T/replicator.conf" >"$T/init.log" 2>&1 || die "init target: $(tail -n 3 "$T/init.log")"; }

daemon_start() {
  [ ! -e "$T/daemon/log" ] || cat "$T/daemon/log" >>"$T/daemon/all.log"
  rm -f "$T/daemon/log"
  process_spawn "$T/daemon" "$@" "$REPLICATOR" run -c "$T/replicator.conf"
}

daemon_alive() { process_pid "$T/daemon" >/dev/null; }

daemon_gone() { ! daemon_alive; }

daemon_stop() { process_stop "$T/daemon" 20; }

# await_target SECONDS SQL ANSWER
await_target() {
  local deadline=$((SECONDS + $1))
  until [ "$(target_ask "$2" 2>/dev/null)" = "$3" ]; do
    daemon_alive || die "the daemon ended: $(grep -a ERROR "$T/daemon/log" | tail -n 1)"
    [ "$SECONDS" -lt "$deadline" ] || die "the target never said $3 to: $2 (it says: $(target_ask "$2" 2>&1))"
    sleep 0.1
  done
}

# await_offset TOPIC N: the daemon has applied the topic's first N messages.
await_offset() { await_target 30 "SELECT next_offset FROM replicator.offsets WHERE topic = '$NAME.$1'" "$2"; }

# await_log SECONDS WORDS
await_log() {
  local deadline=$((SECONDS + $1))
  until grep -qF -- "$2" "$T/daemon/log"; do
    [ "$SECONDS" -lt "$deadline" ] || die "the log never said: $2"
    sleep 0.1
  done
}

# stops CODE WORDS…: the daemon, started, ends by itself with this exit code; its last error has all the words.
stops() {
  local status=0 code=$1 word said
  shift
  timeout -k 5 40 "$REPLICATOR" run -c "$T/replicator.conf" >"$T/daemon/log" 2>&1 || status=$?
  said=$(grep -a ERROR "$T/daemon/log" | tail -n 1 || true)
  [ "$status" -eq "$code" ] || die "exit code $status instead of $code: $said"
  for word in "$@"; do grep -qF -- "$word" <<<"$said" || die "the message does not name '$word': $said"; done
  note "exit $status: $said"
}

# accept WHAT: the operator's word.
accept() { "$REPLICATOR" accept "$1" -c "$T/replicator.conf" || die "accept $1 failed"; }

topic_make() { kafka_admin kafka-topics --create --topic "$NAME.$1" "${@:2}" >/dev/null; }

# kafka_admin TOOL ARGUMENT…: one of Kafka's own tools.
kafka_admin() {
  local tool=$1 class
  shift
  case $tool in
    kafka-topics) class=org.apache.kafka.tools.TopicCommand ;;
    kafka-configs) class=kafka.admin.ConfigCommand ;;
    kafka-delete-records) class=org.apache.kafka.tools.DeleteRecordsCommand ;;
  esac
  "${JAVA:-java}" -Xmx128m -XX:TieredStopAtLevel=1 -Dlog4j2.configurationFile="$REPO_ROOT/stack/log4j2.properties" \
    -cp "$STACK_DIR/kafka/*" $class --bootstrap-server "${CASE_BROKER:-$BROKER}" "$@" 2>"$T/admin.log"
}

# put TOPIC [PARTITION]: lines `key TAB value` from standard input.
put() { kcat -P -b "${CASE_BROKER:-$BROKER}" -t "$NAME.$1" ${2:+-p "$2"} -K $'\t' -X linger.ms=20; }

# put_keyless TOPIC: the same lines, whose messages shall have no key.
put_keyless() { cut -f2 | kcat -P -b "${CASE_BROKER:-$BROKER}" -t "$NAME.$1" -X linger.ms=20; }

# events TABLE TX FROM TO [NOTE [ORDER [OP]]]: prints the inserts FROM to TO of transaction TX, numbered from ORDER (1) on; @
# in the note stands for the id. LSNs follow from TX: its events have TX * 10^8 + number, its END TX * 10^8 + 99999999;
# the transaction before it is PREVIOUS (TX - 1).
events() {
  awk -v previous="${PREVIOUS:-$(($2 - 1))}" -v name="$NAME" -v table="$1" -v tx="$2" -v from="$3" -v to="$4" -v notes="${5:-x}" -v order="${6:-1}" -v op="${7:-c}" 'BEGIN {
    at = index(notes, "@")
    head = tx > 1 ? "\\\"" previous "99999999\\\"" : "null"
    for (i = from; i <= to; i++) {
      n = i - from + order
      lsn = sprintf("%d%08d", tx, n)
      note = at == 0 ? notes : substr(notes, 1, at - 1) i substr(notes, at + 1)
      printf "{\"id\":%d}\t{\"before\":null,\"after\":{\"id\":%d,\"note\":\"%s\"},\"source\":{\"version\":\"3.7.0.Final\",\"connector\":\"postgresql\",\"name\":\"%s\",\"ts_ms\":%d000,\"snapshot\":\"false\",\"db\":\"s\",\"sequence\":\"[%s,\\\"%s\\\"]\",\"ts_us\":%d000000,\"ts_ns\":%d000000000,\"schema\":\"public\",\"table\":\"%s\",\"txId\":%d,\"lsn\":%s,\"xmin\":null},\"transaction\":{\"id\":\"%d:%s\",\"total_order\":%d,\"data_collection_order\":%d},\"op\":\"%s\",\"ts_ms\":1}\n",
        i, i, note, name, tx, head, lsn, tx, tx, table, tx, lsn, tx, lsn, n, n, op
    } }'
}

# snapshot_row TABLE LSN ID MARK: prints a row of the initial snapshot at LSN.
snapshot_row() {
  printf '%s\t{"before":null,"after":{"id":%d,"note":"snapshot %d"},"source":{"version":"3.7.0.Final","connector":"postgresql","name":"%s","ts_ms":1000,"snapshot":"%s","db":"s","sequence":"[null,\\"%d\\"]","ts_us":1000000,"ts_ns":1000000000,"schema":"public","table":"%s","txId":%d,"lsn":%d,"xmin":null},"transaction":null,"op":"r","ts_ms":1}\n' \
    "{\"id\":$3}" "$3" "$2" "$NAME" "$4" "$2" "$1" "$2" "$2"
}

# marks TX BEGIN|END [TABLE COUNT]…
mark_begin() { printf '{}\t{"status":"BEGIN","id":"%d:%d00000001","event_count":null,"data_collections":null,"ts_ms":%d000}\n' "$1" "$1" "$1" | put transaction; }
mark_end() {
  local tx=$1 lists='' total=0
  shift
  while [ $# -gt 0 ]; do
    lists="$lists${lists:+,}{\"data_collection\":\"public.$1\",\"event_count\":$2}"
    total=$((total + $2))
    shift 2
  done
  printf '{}\t{"status":"END","id":"%d:%d99999999","event_count":%d,"data_collections":[%s],"ts_ms":%d000}\n' \
    "$tx" "$tx" "$total" "$lists" "$tx" | put transaction
}

# transaction TX FROM TO [NOTE]: inserts into items, whole.
transaction() {
  mark_begin "$1"
  events items "$1" "$2" "$3" "${4:-x}" | put items
  mark_end "$1" items $(($3 - $2 + 1))
}

items() { target_ask "SELECT coalesce(string_agg(id::text, ' ' ORDER BY id), '') FROM items"; }

expect_items() {
  local there
  there=$(items)
  [ "$there" = "$1" ] || die "items are '$there', not '$1'"
}
