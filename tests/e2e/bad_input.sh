# shellcheck shell=bash
# What is wrong is said once, with its place and a way out; the exit code is the README's; nothing is lost: after the
# cause is mended the stream goes on where it stood. The messages are made by hand, on topics of each case's own.
EXIT_CONFIGURATION=3 EXIT_CONNECTION=4 EXIT_EVENT=5
SECRET=the-rows-own-value-4711

test_bad_input() {
  databases_make
  settings_wrong
  password_wrong
  undecodable malformed 'JSON' '{"before":null,"after":{"sku":"'$SECRET'"'
  undecodable no_op 'op' "$(event no_op commerce.products 2 '{"sku":"'$SECRET'","name":"n","price":"1"}' | jq -c 'del(.op)')"
  undecodable no_source 'source' "$(event no_source commerce.products 2 '{"sku":"'$SECRET'","name":"n","price":"1"}' | jq -c 'del(.source)')"
  undecodable odd_op 'op' "$(event odd_op commerce.products 2 '{"sku":"'$SECRET'","name":"n","price":"1"}' | jq -c '.op = "q"')"
  mended unknown_table commerce.absent '{"id":1,"note":"'$SECRET'"}' 'commerce.absent' \
    'CREATE TABLE commerce.absent (id int PRIMARY KEY, note text); ALTER TABLE commerce.absent OWNER TO replicator'
  mended missing_column commerce.products '{"sku":"m","name":"n","price":"1","extra":"'$SECRET'"}' 'commerce.products extra' \
    'ALTER TABLE commerce.products ADD COLUMN extra text'
  target_sql -c 'CREATE TABLE typed (id int PRIMARY KEY, v int); ALTER TABLE typed OWNER TO replicator'
  mended refused_value public.typed '{"id":1,"v":"'$SECRET'"}' 'public.typed' 'ALTER TABLE typed ALTER v TYPE text'
  target_sql -c 'CREATE TABLE keyless (id int, v text); ALTER TABLE keyless OWNER TO replicator'
  mended no_key public.keyless '{"id":1,"v":"'$SECRET'"}' 'public.keyless key' 'ALTER TABLE keyless ADD PRIMARY KEY (id)'
  target_sql -c 'CREATE TABLE strict (id int PRIMARY KEY, v text CHECK (v IS NULL)); ALTER TABLE strict OWNER TO replicator'
  mended constraint public.strict '{"id":1,"v":"'$SECRET'"}' 'public.strict strict_v_check' 'ALTER TABLE strict DROP CONSTRAINT strict_v_check'
  broker_away
  target_away
}

# --- hand-made transactions -----------------------------------------------------------------------------------------

# case_configure CASE: a stream and topics of its own, all on the one pair of databases.
case_configure() {
  CASE=$1
  KAFKA=${2:-"brokers = \"$BROKER\"; topic_prefix = \"$CASE\";"} daemon_configure
  sed -i "s/^stream = .*/stream = { name = \"$CASE\"; };/" "$T/replicator.conf"
}

# event CASE SCHEMA.TABLE NUMBER ROW: prints the INSERT that is the only change of transaction NUMBER.
event() {
  local lsn=$(($3 * 1000))
  jq -cn --arg prefix "$1" --arg schema "${2%.*}" --arg table "${2#*.}" --argjson tx "$3" --argjson lsn $lsn --argjson row "$4" '
    {before: null, after: $row,
     source: {version: "3.7.0.Final", connector: "postgresql", name: $prefix, ts_ms: 1795225818612, snapshot: "false", db: "source",
       sequence: "[\(if $tx == 1 then "null" else "\"\($lsn - 900)\"" end),\"\($lsn)\"]", ts_us: 1795225818612562, ts_ns: 1795225818612562000,
       schema: $schema, table: $table, txId: $tx, lsn: $lsn, xmin: null, origin: null, origin_lsn: null},
     transaction: {id: "\($tx):\($lsn)", total_order: 1, data_collection_order: 1},
     op: "c", ts_ms: 1795225818703, ts_us: 1795225818703919, ts_ns: 1795225818703919069}'
}

# produce TOPIC KEY VALUE
produce() { printf '%s\t%s\n' "$2" "$3" | kcat -P -b "$BROKER" -t "$1" -K $'\t'; }

# transaction CASE TABLE NUMBER KEY VALUE: the value between its BEGIN and END.
transaction() {
  local lsn=$(($3 * 1000)) topic=$1.transaction
  produce "$topic" "{\"id\":\"$3:$lsn\"}" "{\"status\":\"BEGIN\",\"id\":\"$3:$lsn\",\"ts_ms\":1795225818612,\"event_count\":null,\"data_collections\":null}"
  produce "$1.$2" "$4" "$5"
  produce "$topic" "{\"id\":\"$3:$((lsn + 100))\"}" "{\"status\":\"END\",\"id\":\"$3:$((lsn + 100))\",\"ts_ms\":1795225818612,\"event_count\":1,\"data_collections\":[{\"data_collection\":\"$2\",\"event_count\":1}]}"
}

# good CASE NUMBER: a transaction that nothing is wrong with.
good() {
  local row="{\"sku\":\"$1-$2\",\"name\":\"good\",\"price\":\"1.5\",\"stock\":1}"
  transaction "$1" commerce.products "$2" "{\"sku\":\"$1-$2\"}" "$(event "$1" commerce.products "$2" "$row")"
}

goods() { target_ask "SELECT string_agg(sku, ' ' ORDER BY sku) FROM commerce.products WHERE sku LIKE '$1-%'"; }

# --- verdicts -------------------------------------------------------------------------------------------------------

# stops CODE WORDS: the daemon ends by itself with this exit code; its last error has each of the words, never the row's.
stops() {
  local status=0 code=$1 word said
  daemon_keep_log
  timeout -k 5 30 "$REPLICATOR" run -c "$T/replicator.conf" >"$T/daemon/log" 2>&1 || status=$?
  said=$(grep -a ERROR "$T/daemon/log" | tail -n 1 || true)
  [ -n "$said" ] || said=$(tail -n 3 "$T/daemon/log")
  [ "$status" -eq "$code" ] || die "$CASE: exit code $status instead of $code: $said"
  shift
  for word in "$@"; do
    grep -qiF -- "$word" <<<"$said" || die "$CASE: the message does not name '$word': $said"
  done
  ! grep -qF "$SECRET" "$T/daemon/log" || die "$CASE: the log shows the row's value"
  note "$CASE: exit $status: $said"
}

# undecodable CASE WORD VALUE: between good ones; the first good one is applied, the place is kept, again and again.
undecodable() {
  local try
  case_configure "$1"
  daemon_init
  good "$1" 1
  transaction "$1" commerce.products 2 '{"sku":"bad"}' "$3"
  good "$1" 3
  for try in 1 2; do
    stops $EXIT_EVENT "$1.commerce.products[0]@1" "$2"
    [ "$(goods "$1")" = "$1-1" ] || die "$1, start $try: in the target is: $(goods "$1")"
    expect_target "SELECT next_offset FROM replicator.offsets WHERE stream = '$1' AND topic = '$1.commerce.products'" 1
  done
}

# mended CASE TABLE ROW WORDS SQL: stops with the words, keeps its place, and goes on when the SQL has run in the target.
mended() {
  local key words
  read -ra words <<<"$4"
  case_configure "$1"
  daemon_init
  good "$1" 1
  key=$(jq -c 'with_entries(select(.key == "id" or .key == "sku"))' <<<"$3")
  transaction "$1" "$2" 2 "$key" "$(event "$1" "$2" 2 "$3")"
  good "$1" 3
  stops $EXIT_EVENT "$1.$2[0]@" "${words[@]}"
  [ "$(goods "$1")" = "$1-1" ] || die "$1: in the target is: $(goods "$1")"
  target_sql -c "$5"
  daemon_start
  await_target 20 "SELECT count(*) FROM commerce.products WHERE sku = '$1-3'" 1
  expect_target "SELECT count(*) FROM $2 t WHERE t::text LIKE '%$SECRET%'" 1
  daemon_stop
}

# --- settings, logins, servers that are away ------------------------------------------------------------------------

settings_wrong() {
  case_configure settings
  sed -i 's/^log = .*/lag = { level = "info"; };/' "$T/replicator.conf"
  stops $EXIT_CONFIGURATION "replicator.conf:$(grep -n '^lag' "$T/replicator.conf" | cut -d: -f1)" lag
  case_configure settings 'topic_prefix = "settings";'
  stops $EXIT_CONFIGURATION replicator.conf kafka.brokers
}

password_wrong() {
  case_configure password
  daemon_init
  TARGET_PASSWORD=$SECRET case_configure password
  stops $EXIT_CONNECTION password "$PG_HOST" replicator
}

broker_away() {
  case_configure broker_away
  daemon_init
  good broker_away 1
  kafka_stop "$WORK/kafka"
  daemon_start
  await 30 "the log says that Kafka is away" grep -q "$BROKER does not answer" "$T/daemon/log"
  kafka_start "$WORK/kafka" "$KAFKA_PORT"
  await_target 60 "SELECT count(*) FROM commerce.products WHERE sku = 'broker_away-1'" 1
  kafka_stop "$WORK/kafka"
  kafka_start "$WORK/kafka" "$KAFKA_PORT"
  good broker_away 2
  await_target 60 "SELECT count(*) FROM commerce.products WHERE sku = 'broker_away-2'" 1
}

target_away() {
  local lines
  lines=$(wc -l <"$T/daemon/log")
  pg_stop "$WORK/target"
  good broker_away 3
  await 30 "the log says that the target is away" target_missed "$lines"
  pg_start "$WORK/target" "$TARGET_PORT" fsync=off track_commit_timestamp=on
  await 60 "the transaction is in the target" target_says "SELECT count(*) FROM commerce.products WHERE sku = 'broker_away-3'" 1
  [ "$(goods broker_away)" = 'broker_away-1 broker_away-2 broker_away-3' ]
}

target_missed() { grep -q 'WARN .*attempt' <<<"$(tail -n "+$(($1 + 1))" "$T/daemon/log")"; }
