# shellcheck shell=bash
# Events that are gone: the stream stops with the numbers and the ways out, never jumps, and goes on at the operator's word.

# applied_one: transaction 1 with item 1 is applied; the daemon is stopped.
applied_one() {
  transaction 1 1 1
  daemon_start
  await_offset items 1
  await_offset transaction 2
  daemon_stop
}

# goes_on ITEMS LAST: after `accept gap` the stream goes on, once, with a transaction behind number LAST; the word is
# used up.
goes_on() {
  accept gap
  daemon_start
  await_log 30 "reading $NAME.transaction[0]"
  PREVIOUS=$2 transaction 9 9 9
  await_target 30 "SELECT count(*) FROM items WHERE id = 9" 1
  expect_items "$1"
  await_target 10 "SELECT count(*) FROM replicator.acceptance WHERE used_at IS NULL" 0
  daemon_stop
}

# delete_records TOPIC OFFSET: as retention does.
delete_records() {
  printf '{"partitions":[{"topic":"%s","partition":0,"offset":%d}],"version":1}' "$NAME.$1" "$2" >"$T/delete.json"
  kafka_admin kafka-delete-records --offset-json-file "$T/delete.json" >/dev/null
}

case_retention_passed() {
  applied_one
  transaction 2 2 2
  transaction 3 3 3
  delete_records items 2
  stops $EXIT_GAP "$NAME.items[0]" 'next offset to read is 1' 'Kafka holds 2 to 3' '1 events were removed' 'accept gap'
  stops $EXIT_GAP "$NAME.items[0]"
  expect_items 1
  goes_on '1 3 9' 3
  grep -qF 'lost in the accepted gap' "$T/daemon/log" || die 'the log does not say what was lost'
}

case_topic_made_again() {
  applied_one
  kafka_admin kafka-topics --delete --topic "$NAME.items"
  sleep 2
  topic_make items
  stops $EXIT_GAP "$NAME.items[0]" 'next offset to read is 1' 'holds only 0 to 0' 'made again'
  expect_items 1
  goes_on '1 9' 1
}

# The transaction topic made again and already longer than before: offsets agree, the record before them does not.
case_log_truncated() {
  applied_one
  kafka_admin kafka-topics --delete --topic "$NAME.transaction"
  sleep 2
  topic_make transaction
  transaction 2 2 2
  transaction 3 3 3
  transaction 4 4 4
  stops $EXIT_GAP "$NAME.transaction[0]" 'is not the one that was read from there' 'made again' 'accept gap'
  expect_items 1
  goes_on '1 2 3 4 9' 4
}

# The same without the record that was read: it was removed by retention. The chain of transactions shows it.
case_log_truncated_unproved() {
  applied_one
  target_ask "UPDATE replicator.offsets SET witness_ms = 0" >/dev/null
  kafka_admin kafka-topics --delete --topic "$NAME.transaction"
  sleep 2
  topic_make transaction
  transaction 2 2 2
  transaction 3 3 3
  transaction 4 4 4
  stops $EXIT_GAP 'its END is not in the transaction topic' 'accept gap'
  expect_items 1
  goes_on '1 3 4 9' 4
}

case_offset_ahead() {
  applied_one
  target_ask "UPDATE replicator.offsets SET next_offset = 100 WHERE topic = '$NAME.items'" >/dev/null
  stops $EXIT_GAP "$NAME.items[0]" 'next offset to read is 100' 'holds only 0 to 1'
  goes_on '1 9' 1
}

case_other_cluster() {
  applied_one
  KAFKA_HEAP=256m kafka_start "$WORK/other-kafka" $((KAFKA_PORT + 10))
  CASE_BROKER=127.0.0.1:$((KAFKA_PORT + 10))
  configure
  transaction 2 2 2
  stops $EXIT_GAP 'belong to the Kafka cluster' "$CASE_BROKER"
  goes_on '1 2 9' 2
  kafka_stop "$WORK/other-kafka"
}

case_compacted_topic() {
  applied_one
  kafka_admin kafka-configs --alter --entity-type topics --entity-name "$NAME.items" --add-config cleanup.policy=compact >/dev/null
  stops $EXIT_CONFIGURATION "$NAME.items is compacted" 'cleanup.policy=delete'
  kafka_admin kafka-configs --alter --entity-type topics --entity-name "$NAME.items" --add-config cleanup.policy=delete >/dev/null
  daemon_start
  transaction 2 2 2
  await_target 30 "SELECT count(*) FROM items" 2
}
