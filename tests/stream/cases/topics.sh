# shellcheck shell=bash
# Topics that are deleted, and partitions without a leader, while the daemon runs: what was read to its end is dropped with
# a warning, what was not is a gap, and what may be read again later is waited for, visibly.

# settled TX ID: a transaction with item ID that waits for the ends of all partitions, because its END has no BEGIN (the
# connector was restarted in it).
settled() {
  events items "$1" "$2" "$2" | put items
  mark_end "$1" items 1
}

topic_delete() { kafka_admin kafka-topics --delete --topic "$NAME.$1"; }

topic_exists() { kafka_admin kafka-topics --list | grep -qx "$NAME.$1"; }

await_offset_of() { await_target 30 "SELECT coalesce(max(next_offset), -1) FROM replicator.offsets WHERE topic = '$NAME.$1'" "$2"; }

# two_topics: items and other have one row each, applied; the daemon runs.
two_topics() {
  topic_make other --if-not-exists
  daemon_start
  mark_begin 1
  events items 1 1 1 | put items
  events other 1 1 1 x 2 | put other
  mark_end 1 items 1 other 1
  await_target 30 'SELECT count(*) FROM other' 1
}

case_topic_deleted() {
  two_topics
  topic_delete other
  settled 2 2
  await_target 30 'SELECT count(*) FROM items' 2
  await_log 10 "$NAME.other[0]: the topic was deleted; it was read up to its end, offset 0"
  await_offset_of other 0
  # Created again, it is read from its beginning, also by a daemon that starts later.
  topic_make other
  mark_begin 3
  events other 3 5 6 | put other
  mark_end 3 other 2
  await_target 30 'SELECT count(*) FROM other' 3
  daemon_stop
  mark_begin 4
  events other 4 7 7 | put other
  mark_end 4 other 1
  daemon_start
  await_target 30 'SELECT count(*) FROM other' 4
  await_offset_of other 3
}

# Events are written and the topic is deleted while the daemon stands still: the counts of their transaction show it.
case_topic_deleted_unread() {
  two_topics
  kill -STOP "$(process_pid "$T/daemon")"
  mark_begin 2
  events other 2 2 3 | put other
  topic_delete other
  mark_end 2 other 2
  kill -CONT "$(process_pid "$T/daemon")"
  await_end "transaction 2: END announces 2 events of public.other, 0 were read, and the topic of the others was deleted" 'exit code 6'
  accept gap
  daemon_start
  await_log 30 'the others are lost in the accepted gap'
  await_offset_of other 0
  PREVIOUS=2 transaction 9 9 9
  await_target 30 'SELECT count(*) FROM items WHERE id = 9' 1
}

# await_end WORDS…: the daemon ends with a message that has the words.
await_end() {
  local deadline=$((SECONDS + 40)) word
  while daemon_alive; do
    [ "$SECONDS" -lt "$deadline" ] || die 'the daemon does not end'
    sleep 0.1
  done
  for word in "$@"; do grep -qF -- "$word" "$T/daemon/log" || die "the log does not say: $word"; done
}

# What it held after the last offset that was applied, nobody knows.
case_topic_deleted_while_down() {
  two_topics
  daemon_stop
  topic_delete other
  stops $EXIT_GAP "$NAME.other[0]: the topic does not exist any more" 'after offset 0' 'accept gap'
  expect_items 1
  accept gap
  daemon_start
  await_log 30 "accepted: $NAME.other[0]: the topic does not exist any more"
  await_offset_of other 0
  await_target 10 'SELECT count(*) FROM replicator.acceptance WHERE used_at IS NULL' 0
  daemon_stop
  daemon_start
  transaction 2 2 2
  await_target 30 'SELECT count(*) FROM items' 2
}

# A second broker alone has the topic `other`, and is stopped.
case_partition_without_leader() {
  local port=$((KAFKA_PORT + 20))
  STATUS_PORT=$((KAFKA_PORT + 30))
  configure "status = { port = $STATUS_PORT; };"
  second_broker_start $port
  topic_make items --replica-assignment 1
  topic_make transaction --replica-assignment 1
  topic_make other --replica-assignment 2
  two_topics
  kafka_stop "$WORK/second-kafka"
  transaction 2 2 2 # needs nothing of it
  await_target 30 'SELECT count(*) FROM items' 2
  settled 3 3
  await_log 30 "$NAME.other[0] has no leader: it is read again as soon as that changes"
  await_status 40 "waiting       since [0-9]* s for transaction 3: all partitions to be read to their ends; $NAME.other\[0\] has no leader since [0-9]* s"
  curl -s "http://127.0.0.1:$STATUS_PORT/readyz" >"$T/ready"
  grep -q 'not ready: a topic or partition of the stream cannot be read' "$T/ready" || die 'it says that it is ready'
  curl -fs "http://127.0.0.1:$STATUS_PORT/metrics" >"$T/metrics"
  grep -qx 'replicator_partitions_missing 1' "$T/metrics" || die 'the metric does not say 1'
  expect_items '1 2'
  # A daemon that starts meanwhile reads the rest, and waits as well.
  daemon_stop
  daemon_start
  await_log 30 "$NAME.other[0] has no leader"
  await_log 30 "reading $NAME.items[0] from offset 2"
  expect_items '1 2'
  second_broker_start $port
  await_target 60 'SELECT count(*) FROM items' 3
  await_status 20 'daemon        ready'
  kafka_stop "$WORK/second-kafka"
}

second_broker_start() {
  local dir=$WORK/second-kafka settings
  settings=("process.roles=broker" "node.id=2" "listeners=PLAINTEXT://127.0.0.1:$1"
    "controller.quorum.voters=1@127.0.0.1:$((KAFKA_PORT + 1))")
  if [ ! -e "$dir/data/meta.properties" ]; then
    mkdir -p "$dir"
    kafka_properties "$dir" "$1" $((KAFKA_PORT + 1)) "${settings[@]}" >"$dir/server.properties"
    "${JAVA:-java}" -Xmx128m -cp "$STACK_DIR/kafka/*" kafka.tools.StorageTool format \
      -t "$(sed -n 's/^cluster.id=//p' "$WORK/kafka/data/meta.properties")" -c "$dir/server.properties" >"$dir/format.log" 2>&1
  fi
  # Its port is of this case; kafka_start wants one for a controller, which it does not have.
  KAFKA_HEAP=256m KAFKA_CONTROLLER_PORT=$(($1 + 1)) kafka_start "$dir" "$1" "${settings[@]}"
}

# await_status SECONDS PATTERN: `replicator status` prints a line with it.
await_status() {
  local deadline=$((SECONDS + $1))
  until "$REPLICATOR" status -c "$T/replicator.conf" >"$T/status" 2>&1 && grep -q -- "$2" "$T/status"; do
    [ "$SECONDS" -lt "$deadline" ] || die "status never printed '$2': $(cat "$T/status")"
    sleep 0.3
  done
}
