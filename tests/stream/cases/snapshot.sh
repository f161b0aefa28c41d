# shellcheck shell=bash
# A second snapshot: which rows are unverified after it, and what is written.

rows() { target_ask "SELECT coalesce(string_agg(id::text, ' ' ORDER BY id), '') FROM $1"; }

expect_rows() {
  local there
  there=$(rows "$1")
  [ "$there" = "$2" ] || die "$1 has '$there', not '$2'"
}

# first_snapshot: three tables, then a transaction.
first_snapshot() {
  { snapshot_row items 500 1 first; snapshot_row items 500 2 true; snapshot_row items 500 3 true; } | put items
  { snapshot_row other 500 1 true; snapshot_row other 500 2 true; } | put other
  { snapshot_row keyless 500 7 true; snapshot_row keyless 500 7 last; } | put_keyless keyless
  PREVIOUS=1 transaction 3 4 4
  daemon_start
  await_target 30 'SELECT count(*) FROM items' 4
  expect_rows keyless '7 7'
}

# second_snapshot: other is empty by now, and says nothing; then a transaction.
second_snapshot() {
  { snapshot_row items 499999999 1 first; snapshot_row items 499999999 3 true; snapshot_row items 499999999 5 true; } | put items
  { snapshot_row keyless 499999999 7 true; snapshot_row keyless 499999999 8 last; } | put_keyless keyless
  transaction 5 6 6
  await_target 30 'SELECT count(*) FROM items WHERE id = 6' 1
}

marks() { target_ask "SELECT coalesce(string_agg(table_name || ' ' || reason, ', ' ORDER BY 1), '') FROM replicator.unverified"; }

expect_marks() {
  local found
  found=$(marks)
  [ "$found" = "$1" ] || die "unverified: '$found', not '$1'"
}

# No row is removed: that a row is not in a snapshot proves nothing. Rows without a key do not double.
case_snapshot_again() {
  first_snapshot
  expect_marks ''
  second_snapshot
  expect_rows items '1 2 3 4 5 6'
  expect_rows other '1 2'
  expect_rows keyless '7 7'
  expect_marks 'items snapshot, keyless snapshot, other snapshot'
  [ "$(target_ask 'SELECT discarded_rows FROM replicator.unverified WHERE table_name = $$keyless$$')" = 2 ] || die 'the discarded rows are not counted'
  [ "$(target_ask 'SELECT count(*) FILTER (WHERE finished_at IS NULL) || chr(124) || count(*) FROM replicator.snapshot_progress')" = '0|2' ] || die 'the snapshots are not marked as finished'
  [ "$(target_ask 'SELECT count(*) FROM items WHERE note = $$snapshot 499999999$$')" = 3 ] || die 'rows of the second snapshot are missing'
}

# Killed in the middle of the second snapshot.
case_snapshot_again_killed() {
  first_snapshot
  { snapshot_row items 499999999 1 first; snapshot_row items 499999999 3 true; } | put items
  { snapshot_row keyless 499999999 7 true; } | put_keyless keyless
  await_offset items 6
  [ "$(target_ask 'SELECT count(*) FROM replicator.snapshot_progress WHERE finished_at IS NULL')" = 1 ] || die 'the snapshot counts as finished'
  expect_marks 'items snapshot, keyless snapshot'
  kill -KILL "$(process_pid "$T/daemon")"
  wait_until 10 daemon_gone
  daemon_start
  { snapshot_row keyless 499999999 8 last; } | put_keyless keyless
  transaction 5 6 6
  await_target 30 'SELECT count(*) FROM items WHERE id = 6' 1
  expect_rows items '1 2 3 4 6'
  expect_rows other '1 2'
  expect_rows keyless '7 7'
  expect_marks 'items snapshot, keyless snapshot, other snapshot'
}

# keep TOPIC: what `put` would send, in a file for each topic.
keep() { cat >>"$T/kept.$1"; }

# A backlog of ten times memory_limit after the rows of a snapshot. The last row is in `other`, which has few events.
case_snapshot_backlog() {
  local tx peak padding file others
  configure 'memory_limit = "16MB";'
  padding=$(printf 'x%.0s' {1..2000})
  (
    put() { keep "$1"; }
    { snapshot_row items 500 1 first; snapshot_row items 500 2 true; } | put items
    snapshot_row other 500 1 last | put other
    for tx in {6..165}; do
      [ "$tx" = 6 ] && export PREVIOUS=0 || unset PREVIOUS
      mark_begin "$tx"
      events items "$tx" $((tx * 500)) $((tx * 500 + 499)) "$padding" | put items
      others=0
      [ $((tx % 40)) -ne 0 ] || others=1
      [ "$others" = 0 ] || events other "$tx" "$tx" "$tx" few 501 | put other
      mark_end "$tx" items 500 other "$others"
    done
  )
  for file in "$T"/kept.*; do put "${file##*.}" <"$file"; rm "$file"; done
  daemon_start
  await_target 60 'SELECT count(*) FROM items' 80002
  peak=$(daemon_peak_mb)
  echo "figure peak memory with a backlog of 160 MB after a snapshot: $peak MB"
  [ "$peak" -le 112 ] || die "peak memory is $peak MB: more than memory_limit and 96 MB"
  await_target 10 'SELECT count(*) FROM other' 5
  [ "$(target_ask 'SELECT count(*) FROM replicator.snapshot_progress WHERE finished_at IS NOT NULL AND last_row')" = 1 ] || die 'the snapshot is not complete'
}

# Broken off, its partitions read unevenly, then streaming (no_data): it ends, incompletely. Streamed events that are
# marked as rows of it, as after an interrupted blocking snapshot, stay in their transaction.
case_snapshot_broken_off() {
  { snapshot_row items 500 1 first; snapshot_row items 500 2 true; } | put items
  daemon_start
  await_target 30 'SELECT count(*) FROM items' 2
  mark_begin 3
  { PREVIOUS=1 events items 3 3 4; PREVIOUS=1 events items 3 2 2 changed 3 u; } | sed 's/"snapshot":"false"/"snapshot":"true"/' | put items
  mark_end 3 items 3
  await_target 30 'SELECT count(*) FROM items' 4
  [ "$(target_ask 'SELECT note FROM items WHERE id = 2')" = changed ] || die 'the update is not applied'
  [ "$(target_ask 'SELECT count(*) || chr(124) || count(finished_at) || chr(124) || bool_or(last_row) FROM replicator.snapshot_progress')" = '1|1|false' ] || die "the snapshot is not broken off: $(target_ask 'TABLE replicator.snapshot_progress')"
}

# A blocking snapshot interrupts the transaction of its signal, and its rows carry the identity of that event.
case_snapshot_inside_transaction() {
  transaction 3 1 2
  daemon_start
  await_target 30 'SELECT count(*) FROM items' 2
  mark_begin 4
  events items 4 3 3 | put items
  blocking_row() { snapshot_row items 400000001 "$1" "$2" | sed 's/\[null,/[\\"399999999\\",/; s/"txId":[0-9]*/"txId":4/'; }
  { blocking_row 1 first; blocking_row 2 true; } | put items
  await_target 30 "SELECT count(*) FROM items WHERE note = 'snapshot 400000001'" 2
  blocking_row 7 last | put items
  await_target 30 'SELECT count(*) FROM replicator.snapshot_progress WHERE finished_at IS NOT NULL AND last_row' 1
  events items 4 4 4 x 2 | put items
  mark_end 4 items 2
  await_target 30 'SELECT count(*) FROM items' 5
}
