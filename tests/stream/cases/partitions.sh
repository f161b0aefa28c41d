# shellcheck shell=bash
# Tables whose topic has many partitions, and more of them while the stream runs.

# spread TX FROM TO PARTITION…: the events of a transaction over the partitions in turn.
spread() {
  local partition tx=$1 from=$2 to=$3 n=0
  shift 3
  mark_begin "$tx"
  events items "$tx" "$from" "$to" >"$T/events"
  for partition in "$@"; do
    awk -v n=$# -v p=$n 'NR % n == p' "$T/events" | put items "$partition"
    n=$((n + 1))
  done
  mark_end "$tx" items $((to - from + 1))
}

case_two_hundred_partitions() {
  topic_make items --partitions 200
  daemon_start
  spread 1 1 300 0 7 42 99 120 163 198 199
  spread 2 301 310 199 1 7
  await_target 60 'SELECT count(*) FROM items' 310
  transaction 3 311 311
  await_target 30 'SELECT count(*) FROM items' 311
}

case_partitions_added() {
  topic_make items --partitions 1
  daemon_start
  spread 1 1 10 0
  await_target 30 'SELECT count(*) FROM items' 10
  kafka_admin kafka-topics --alter --topic "$NAME.items" --partitions 4
  spread 2 11 50 0 1 2 3
  await_target 30 'SELECT count(*) FROM items' 50
}
