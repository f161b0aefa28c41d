#!/usr/bin/env bash
# with_postgres.sh COMMAND…: runs the command with a throw-away PostgreSQL at REPLICATOR_TEST_DSN and removes it
# afterwards, whatever happens. The command's exit code is ours; without PostgreSQL the tests fail, they are not skipped.
# Where REPLICATOR_TEST_DSN is set already, that server is used.
#
# PG_BINDIR names the programs of another version (postgres-18/server/bin among what the stack fetched).
# REPLICATOR_TEST_PGDATA is the cluster's folder, for tests that kill the server.
set -euo pipefail

[ $# -gt 0 ] || { echo "usage: $0 COMMAND [ARGUMENT…]" >&2; exit 2; }
[ -z "${REPLICATOR_TEST_DSN:-}" ] || exec "$@"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../../stack/lib/common.sh"
. "$here/../../stack/lib/process.sh"
. "$here/../../stack/lib/postgres.sh"

cluster=$(mktemp -d /tmp/replicator-unit.XXXXXX)
chmod 755 "$cluster"

remove() {
  trap - EXIT
  for copy in "$cluster"/replica.*; do pg_stop "$copy" || true; done # replica.sh, of a test that failed
  pg_stop "$cluster" || true
  rm -rf "$cluster"
}
trap remove EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# A port from outside of the range that the kernel gives to clients, and of those of the suites; another one when somebody was faster.
start() {
  local port attempt
  for attempt in 1 2 3 4 5; do
    port=$((32000 + RANDOM % 700))
    if ! port_holder "$port" >/dev/null && pg_start "$cluster" "$port" fsync=off log_statement=none max_connections=50; then
      export REPLICATOR_TEST_DSN="host=127.0.0.1 port=$port dbname=postgres user=postgres password=$PG_PASSWORD"
      export REPLICATOR_TEST_PGDATA="$cluster/data"
      return 0
    fi
    note "attempt $attempt on port $port failed" >&2
  done
  fail "no PostgreSQL for the tests"
}

start
status=0
"$@" || status=$?
exit "$status"
