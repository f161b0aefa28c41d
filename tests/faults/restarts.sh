# shellcheck shell=bash disable=SC2034
# Restarts of the real connector inside a transaction, each until it sends what the case is about (docs/connector-restarts.md).
# What came is read from the topics. The connector cannot be forced into a state: a case that never saw its own in some rounds says so
# loudly, and leaves it to the recorded sequence of that state (tests/stream/run recorded_…); both sides must be equal in any case.
#
# FAULTS_RECORD=FOLDER keeps the messages and the rows as they must end, as tests/stream reads them (tests/golden/restarts).

# A slow connector, so that its place is kept in the midst of a transaction of some thousand rows.
SLOW_CONNECTOR='| .config += {"max.batch.size": "10", "max.queue.size": "20", "poll.interval.ms": "25"}'

marks() { kcat -C -q -e -b "$BROKER" -t "$NAME.transaction" -o beginning -f '%s\n' | jq -c 'select(type == "object")'; }
# events TABLE: op, txId, lsn, total_order, key or new row's id, whether it announces a new key.
events() {
  kcat -C -q -e -J -b "$BROKER" -t "$NAME.public.$1" -o beginning | jq -r '. as $m | select(.payload != null) | .payload | fromjson | select(.op != "r")
    | [.op, .source.txId, .source.lsn, (.transaction.total_order // 0), ((.after // .before).id // (.after // .before).n),
       (if ($m.headers | index("__debezium.newkey")) then 1 else 0 end), (.source.sequence | fromjson[0] // "null")] | @tsv'
}

begins_of() { marks | jq -r --arg tx "$1:" 'select(.status == "BEGIN" and (.id | startswith($tx))) | .id' | wc -l; }
ends_of() { marks | jq -r --arg tx "$1:" 'select(.status == "END" and (.id | startswith($tx))) | .event_count' | tr '\n' ' '; }

# big_transaction ROWS [SECONDS]: rows of the wide table in one transaction, with the counter and the ledgers as the load has it,
# and a pause between the rows and the rest. Its number in TX.
big_transaction() {
  TX=$(source_ask "BEGIN; INSERT INTO wide SELECT nextval('wide_id'), 'many', g FROM generate_series(1, $1) g; SELECT 'slept' || pg_sleep(${2:-0}); UPDATE wide SET k = -k WHERE pad = 'many' AND k <= 10;
    WITH c AS (UPDATE counter SET n = n + 1 RETURNING n), a AS (INSERT INTO ledger_a SELECT n FROM c) INSERT INTO ledger_b SELECT n FROM c;
    SELECT txid_current() % 4294967296; COMMIT" | grep -E '^[0-9]+$')
}

connect_kill_now() {
  kill -KILL "$(connect_pid "$WORK/connect")"
  wait_until 10 process_gone "$WORK/connect"
  connect_up
  wait_until 60 connector_runs || die "the connector does not run again"
}

record() {
  local topic suspects
  [ -n "${FAULTS_RECORD:-}" ] || return 0
  mkdir -p "$FAULTS_RECORD"
  for topic in $(kcat -L -J -b "$BROKER" | jq -r --arg p "$NAME." '.topics[].topic | select(startswith($p))'); do
    kcat -C -q -e -J -b "$BROKER" -t "$topic" -o beginning | jq -c '{topic, partition, offset, timestamp: .ts, key, value: .payload,
      headers: [(.headers // []) | range(0; length; 2) as $i | select(.[$i] | startswith("__debezium.context") | not) | [.[$i], .[$i + 1]]]}'
  done | gzip -9n >"$FAULTS_RECORD/${NAME#case_}.jsonl.gz"
  target_ask 'SELECT key FROM replicator.suspect ORDER BY key' >"$FAULTS_RECORD/${NAME#case_}.suspect"
  suspects=$(paste -sd, "$FAULTS_RECORD/${NAME#case_}.suspect")
  digests | sed "s/FROM public.keyed t/FROM (SELECT * FROM keyed WHERE 'id=' || id <> ALL ('{$suspects}')) t/" >"$T/digests.sql"
  source_sql -At -f "$T/digests.sql" >"$FAULTS_RECORD/${NAME#case_}.rows"
}

# written TABLE: how many messages its topic has.
written() {
  local i sum=0 end
  for ((i = 0; i < PLAN_PARTITIONS; i++)); do
    end=$({ kcat -Q -b "$BROKER" -t "$NAME.public.$1:$i:-1" 2>/dev/null || true; } | sed -n 's/.* offset //p')
    sum=$((sum + ${end:-0}))
  done
  echo $sum
}
has_written() { [ "$(written "$1")" -ge "$2" ]; }

# in_the_midst ROWS [SECONDS]: a transaction of ROWS, of which the connector has written some hundred, and its place is kept there.
in_the_midst() {
  local before
  before=$(written wide)
  big_transaction "$@"
  wait_until 60 has_written wide $((before + 800)) || die "the connector does not come on"
  sleep 2.2
  echo "written when it was stopped: $(( $(written wide) - before )) of $1"
}

# How often the rows of the transaction TX were sent, and how often it began and ended.
say_transaction() {
  events wide | awk -v tx="$TX" '$2 == tx' >"$T/sent"
  SENT=$(wc -l <"$T/sent") DISTINCT=$(cut -f1,3,5 "$T/sent" | sort -u | wc -l) BEGINS=$(begins_of "$TX") ENDS=$(ends_of "$TX")
  echo "figure transaction of $DISTINCT rows: $SENT sent, $BEGINS BEGIN, END counts $ENDS"
}

not_seen() { echo "figure STATE NOT SEEN: $1; its recorded sequence alone stands for it"; }

# Its tail comes again, without another BEGIN, with the same numbers.
case_restart_tail_again() {
  local round
  PLAN_PARTITIONS=3 CONNECTOR_EXTRA=$SLOW_CONNECTOR
  case_begin
  for round in 1 2 3; do
    in_the_midst 20000
    connect_kill_now
    case_mark
    case_equal 120
    say_transaction
    { [ "$SENT" -le "$DISTINCT" ] || [ "$BEGINS" != 1 ]; } || break
  done
  if [ "$SENT" -gt "$DISTINCT" ] && [ "$BEGINS" = 1 ]; then record; else not_seen "the connector never sent a tail again"; fi
  seed_exits
}

# The connector stops in a transaction at a place before the commit of another one, which it sent before, and the server, which crashes,
# does not know that it was confirmed: a second BEGIN, numbers from 1, and an END that counts the tail alone.
case_restart_numbers_anew() {
  local round
  PLAN_PARTITIONS=3 CONNECTOR_EXTRA=$SLOW_CONNECTOR
  case_begin
  for round in 1 2 3; do
    { sleep 1; case_mark; } >/dev/null &
    in_the_midst 20000 2
    kill -KILL "$(connect_pid "$WORK/connect")"
    wait_until 10 process_gone "$WORK/connect"
    crash source 0
    connect_up
    wait_until 60 connector_runs || die "the connector does not run again"
    case_mark
    case_equal 120
    say_transaction
    [ "$BEGINS" = 1 ] || break
  done
  if [ "$BEGINS" -ge 2 ]; then record; else not_seen "the connector never numbered anew"; fi
  seed_exits
}

# A restart between the halves of a key change: the second is lost for good. The row has its new key, is marked, and fetched again.
case_restart_loses_half() {
  local round before lost=0
  # An odd batch ends between two halves every other time.
  PLAN_PARTITIONS=1 CONNECTOR_EXTRA="$SLOW_CONNECTOR"' | .config["max.batch.size"] = "7"'
  case_begin
  source_sql -c "INSERT INTO keyed SELECT g, 'row ' || g FROM generate_series(100001, 120000) g"
  case_mark
  case_equal 120
  for round in 1 2 3 4 5 6; do
    before=$(written keyed)
    source_sql -c "UPDATE keyed SET id = id + 100000, v = v || '.' WHERE id > 100000"
    wait_until 60 has_written keyed $((before + 500)) || die "the connector does not come on"
    connector_restart "$CONNECT_URL" "$NAME" || true
    wait_until 60 connector_runs || die "the connector does not run again"
    connector_restart "$CONNECT_URL" "$NAME" || true
    echo "written when it was stopped: $(( $(written keyed) - before )) of a round"
    wait_until 60 connector_runs || die "the connector does not run again"
    case_mark
    want=$(last_number)
    wait_until 120 caught_up "$want" || { seed_exits; die "the target is at $(target_ask 'SELECT n FROM counter') of $want"; }
    lost=$(target_ask 'SELECT count(*) FROM replicator.suspect')
    [ "$lost" = 0 ] || break
  done
  echo "figure halves of key changes lost by the connector: $lost, in round $round"
  [ "$lost" -gt 0 ] || { not_seen "the connector lost nothing"; case_equal; seed_exits; return; }
  "$REPLICATOR" status -c "$T/replicator.conf" >"$T/status"
  grep -q "suspect  *$lost rows" "$T/status" || die "status does not name suspect rows: $(cat "$T/status")"
  record
  case_equal
  [ "$(cat "$T/suspects")" = "$lost" ] || die "check_target names $(cat "$T/suspects") suspect rows, not $lost"
  seed_exits
}

# Logical messages: in END's list under another name at each re-send, and outside any transaction in the chain of sequence[0].
case_restart_messages() {
  PLAN_PARTITIONS=3 CONNECTOR_EXTRA=$SLOW_CONNECTOR
  case_begin
  source_sql -c "SELECT pg_logical_emit_message(false, 'outside', 'x')"
  TX=$(source_ask "BEGIN; SELECT pg_logical_emit_message(true, 'within', 'a'); INSERT INTO wide SELECT nextval('wide_id'), 'many', g FROM generate_series(1, 2500) g;
    SELECT pg_logical_emit_message(true, 'within', 'b'); SELECT pg_logical_emit_message(false, 'outside', 'y');
    WITH c AS (UPDATE counter SET n = n + 1 RETURNING n), a AS (INSERT INTO ledger_a SELECT n FROM c) INSERT INTO ledger_b SELECT n FROM c;
    SELECT 'tx' || txid_current() % 4294967296; COMMIT" | sed -n 's/^tx//p')
  source_sql -c "SELECT pg_logical_emit_message(false, 'outside', 'z')"
  sleep 2
  connect_kill_now
  case_mark
  case_equal 120
  marks | grep -q 'LogicalDecodingMessageId@' || die "no END lists a message: the case tests nothing"
  record
  seed_exits
}
