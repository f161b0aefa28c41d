#!/usr/bin/env bash
# replica.sh start|clone DIR PORT | stop DIR: a copy of the tests' server (REPLICATOR_TEST_DSN) in DIR. start: a standby;
# clone: a server of its own, as from a copy of the disk. For programs of tests/unit; stop removes it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../../stack/lib/common.sh"
. "$here/../../stack/lib/process.sh"
. "$here/../../stack/lib/postgres.sh"

copy() {
  local dir=$1 standby=$2
  mkdir -p "$dir"
  chmod 755 "$dir"
  [ "$EUID" -ne 0 ] || chown "$PG_OS_USER" "$dir"
  if [ ! -x "$(pg_bindir)/pg_basebackup" ]; then copy_files "$dir" "$standby"; return; fi
  # shellcheck disable=SC2086
  pg_as "$(pg_bindir)/pg_basebackup" -d "$REPLICATOR_TEST_DSN" -D "$dir/data" -X stream -c fast --no-sync $standby
}

# The same by the server's functions, for a distribution without that program.
copy_files() {
  local dir=$1 standby=$2 line start="pg_backup_start('copy', true)" stop='pg_backup_stop()'
  if [ "$(psql -XqAt "$REPLICATOR_TEST_DSN" -c 'SHOW server_version_num')" -lt 150000 ]; then
    start="pg_start_backup('copy', true, false)" stop='pg_stop_backup(false)'
  fi
  coproc SESSION { psql -XqAt "$REPLICATOR_TEST_DSN" 2>/dev/null; } # notices are no part of the label
  echo "SELECT $start;" >&"${SESSION[1]}"
  read -r line <&"${SESSION[0]}"
  cp -a "$REPLICATOR_TEST_PGDATA" "$dir/data"
  rm -rf "$dir"/data/postmaster.pid "$dir"/data/pg_replslot/*
  echo "SELECT labelfile || 'end' FROM $stop; SELECT pg_walfile_name(pg_switch_wal()); \\q" >&"${SESSION[1]}"
  while read -r line && [ "$line" != end ]; do echo "$line"; done <&"${SESSION[0]}" >"$dir/data/backup_label"
  wait "$SESSION_PID" || true
  cp -a "$REPLICATOR_TEST_PGDATA/pg_wal/." "$dir/data/pg_wal/"
  [ -z "$standby" ] || {
    echo "primary_conninfo = '$REPLICATOR_TEST_DSN'" >>"$dir/data/postgresql.auto.conf"
    touch "$dir/data/standby.signal"
  }
  [ "$EUID" -ne 0 ] || chown -R "$PG_OS_USER" "$dir/data"
}

case ${1:-} in
  start) copy "$2" -R && pg_start "$2" "$3" fsync=off max_connections=50 hot_standby=on ;;
  clone) copy "$2" '' && pg_start "$2" "$3" fsync=off max_connections=50 ;;
  stop) pg_stop "$2" && rm -rf "$2" ;;
  *) echo "usage: $0 start|clone DIR PORT | stop DIR" >&2; exit 2 ;;
esac
