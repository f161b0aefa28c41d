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
  # shellcheck disable=SC2086
  pg_as "$(pg_bindir)/pg_basebackup" -d "$REPLICATOR_TEST_DSN" -D "$dir/data" -X stream -c fast --no-sync $standby
}

case ${1:-} in
  start) copy "$2" -R && pg_start "$2" "$3" fsync=off max_connections=50 hot_standby=on ;;
  clone) copy "$2" '' && pg_start "$2" "$3" fsync=off max_connections=50 ;;
  stop) pg_stop "$2" && rm -rf "$2" ;;
  *) echo "usage: $0 start|clone DIR PORT | stop DIR" >&2; exit 2 ;;
esac
