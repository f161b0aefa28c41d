# shellcheck shell=bash
# A second snapshot: what was deleted at the source while nobody captured it goes, or stays, as configured.

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

case_snapshot_replaces() {
  first_snapshot
  second_snapshot
  expect_rows items '1 3 5 6'
  expect_rows other ''
  expect_rows keyless '7 8'
  [ "$(target_ask 'SELECT count(*) FILTER (WHERE finished_at IS NULL) || chr(124) || count(*) FROM replicator.snapshot_progress')" = '0|2' ] || die 'the snapshots are not marked as finished'
  [ "$(target_ask 'SELECT count(*) FROM items WHERE note = $$snapshot 499999999$$')" = 3 ] || die 'rows of the second snapshot are not there'
}

# Killed in the middle of the second snapshot, and soft deletes.
case_snapshot_replaces_softly() {
  target_ask 'ALTER TABLE items ADD is_deleted boolean NOT NULL DEFAULT false, ADD deleted_at timestamptz' >/dev/null
  configure 'tables = ( { match = "public.items"; delete = "soft"; }, { match = "public.other"; delete = "ignore"; } );'
  first_snapshot
  { snapshot_row items 499999999 1 first; snapshot_row items 499999999 3 true; } | put items
  await_offset items 6
  [ "$(target_ask 'SELECT count(*) FROM replicator.snapshot_progress WHERE finished_at IS NULL')" = 1 ] || die 'the snapshot counts as finished'
  kill -KILL "$(process_pid "$T/daemon")"
  wait_until 10 daemon_gone
  daemon_start
  { snapshot_row keyless 499999999 7 true; snapshot_row keyless 499999999 8 last; } | put_keyless keyless
  transaction 5 6 6
  await_target 30 'SELECT count(*) FROM items WHERE id = 6' 1
  [ "$(target_ask 'SELECT string_agg(id::text, $$ $$ ORDER BY id) FROM items WHERE NOT is_deleted')" = '1 3 6' ] || die 'the wrong rows are marked'
  [ "$(target_ask 'SELECT count(*) FROM items WHERE is_deleted AND deleted_at IS NOT NULL')" = 2 ] || die 'the marks are not whole'
  expect_rows other '1 2'
  expect_rows keyless '7 8'
}

case_snapshot_upserts() {
  configure 'resnapshot = "upsert";'
  first_snapshot
  second_snapshot
  expect_rows items '1 2 3 4 5 6'
  expect_rows other '1 2'
}
