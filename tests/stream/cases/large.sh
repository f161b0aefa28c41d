# shellcheck shell=bash
# Transactions larger than the memory: whole or not at all, within memory_limit plus 64 MB.
LARGE_ROWS=${STREAM_LARGE_ROWS:-200000}
MEMORY_MB=$((LARGE_ROWS > 1000000 ? 256 : 32))
NOTE_TEXT=$(printf 'y%.0s' {1..100})

large_configure() {
  configure "memory_limit = \"${MEMORY_MB}MB\";" "spill_dir = \"${1:-$T}\";"
}

daemon_peak_mb() { process_peak_mb "$(process_pid "$T/daemon")" || die "the daemon ended"; }

case_large_transaction() {
  local peak began there
  large_configure
  transaction 1 1 1
  mark_begin 2
  events items 2 10 $((LARGE_ROWS + 9)) "$NOTE_TEXT" | put items
  daemon_start
  await_offset items 1
  await_log 120 'goes to a file'
  mark_end 2 items "$LARGE_ROWS"
  began=$SECONDS
  transaction 3 2 2
  while there=$(target_ask 'SELECT count(*) FROM items') && [ "$there" = 1 ]; do
    daemon_alive || die "the daemon ended: $(tail -n 1 "$T/daemon/log")"
    sleep 0.1
  done
  [ "$there" -gt "$LARGE_ROWS" ] || die "a reader saw $there rows: part of the transaction"
  await_target 60 'SELECT count(*) FROM items' $((LARGE_ROWS + 2))
  peak=$(daemon_peak_mb)
  echo "figure $LARGE_ROWS rows in one transaction: $((SECONDS - began)) s after its END, peak memory $peak MB of memory_limit $MEMORY_MB MB"
  [ "$peak" -le $((MEMORY_MB + 64)) ] || die "peak memory $peak MB is above memory_limit + 64 MB"
}

# Two rows change their unique values by way of a third, at the end of the transaction: set-wise that fails, change by
# change it goes, after all of it was undone. Killed in between, it begins anew.
case_large_transaction_undone() {
  local rows=30000
  configure 'memory_limit = "16MB";' "spill_dir = \"$T\";"
  target_ask 'ALTER TABLE items ADD UNIQUE (note)' >/dev/null
  mark_begin 1
  {
    events items 1 1 $rows "@$NOTE_TEXT"
    events items 1 1 1 between $((rows + 1)) u
    events items 1 2 2 "1$NOTE_TEXT" $((rows + 2)) u
    events items 1 1 1 "2$NOTE_TEXT" $((rows + 3)) u
  } | put items
  mark_end 1 items $((rows + 3))
  daemon_start
  await_log 60 'is whole'
  kill -KILL "$(process_pid "$T/daemon")"
  wait_until 10 daemon_gone
  [ "$(target_ask 'SELECT count(*) FROM items')" = 0 ] || die 'it was through already: more rows are needed'
  daemon_start
  await_target 60 'SELECT count(*) FROM items' $rows
  await_log 1 'replayed change by change'
  [ "$(target_ask "SELECT left(note, 1) FROM items WHERE id <= 2 ORDER BY id" | tr -d '\n')" = 21 ] || die 'the values were not exchanged'
}

small_memory() { configure 'memory_limit = "32MB";' "spill_dir = \"${1:-$T}\";"; }

case_spill_dir_full() {
  small_memory "$T/none"
  transaction 1 1 1
  transaction 2 10 100009 "$NOTE_TEXT"
  stops $EXIT_SYSTEM "spill_dir $T/none" 'No such file'
  expect_items 1
  small_memory
  echo 'spill_limit = "16MB";' >>"$T/replicator.conf"
  stops $EXIT_SYSTEM 'spill_limit (16 MB)'
  expect_items 1
  if mkdir -p "$T/small" && mount -t tmpfs -o size=4m tmpfs "$T/small" 2>/dev/null; then
    small_memory "$T/small"
    stops $EXIT_SYSTEM "spill_dir $T/small" 'No space left'
    umount "$T/small"
  else
    warn 'a full disk was not tried: no right to mount'
  fi
  small_memory
  daemon_start
  await_target 60 'SELECT count(*) FROM items' 100001
}
