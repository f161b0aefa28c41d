# shellcheck shell=bash
# What the tests of tests/ops share. Sourced by run.

OPS_PORT=${OPS_PORT:-22000}
SOURCE_PORT=$OPS_PORT TARGET_PORT=$((OPS_PORT + 1)) KAFKA_PORT=$((OPS_PORT + 2)) CONNECT_PORT=$((OPS_PORT + 4))
STATUS_PORT=$((OPS_PORT + 5)) KAFKA_TLS_PORT=$((OPS_PORT + 6)) PROMETHEUS_PORT=$((OPS_PORT + 7))
BROKER=127.0.0.1:$KAFKA_PORT
CONNECT_URL=http://127.0.0.1:$CONNECT_PORT
STATUS_URL=http://127.0.0.1:$STATUS_PORT
REPLICATOR=${REPLICATOR_BIN:-$REPO_ROOT/bin/replicator}
CHECK_TARGET=${CHECK_TARGET_BIN:-$REPO_ROOT/bin/check_target}
export CONNECT_GROUP=connect-ops

TESTS='connector_refused connector_created connector_verbs endpoints page target_stopped connector_supervised slot_growing alerts secrets'

servers_start() {
  pg_start "$WORK/source" "$SOURCE_PORT" fsync=off max_replication_slots=4
  pg_start "$WORK/target" "$TARGET_PORT" fsync=off
  kafka_start "$WORK/kafka" "$KAFKA_PORT"
  connect_start "$WORK/connect" "$CONNECT_PORT" "$BROKER" offset.flush.interval.ms=2000
}

servers_stop() {
  connect_stop "$WORK/connect" || true
  kafka_stop "$WORK/kafka" || true
  pg_stop "$WORK/source" || true
  pg_stop "$WORK/target" || true
}

helpers_stop() { :; }

source_sql() { pg_psql "$SOURCE_PORT" shop "$@"; }
target_sql() { pg_psql "$TARGET_PORT" shop_copy "$@"; }
source_ask() { source_sql -At -c "$1"; }
target_ask() { target_sql -At -c "$1"; }

replicator() { "$REPLICATOR" "$@" -c "$WORK/replicator.conf"; }

# refuses CODE COMMAND…: the command must end with that exit code; what it says goes to $WORK/said.
refuses() {
  local code=$1 status=0
  shift
  "$@" >"$WORK/said" 2>&1 || status=$?
  [ "$status" -eq "$code" ] || { cat "$WORK/said"; die "exit code $status, not $code: $*"; }
}

# says TEXT [FILE]: the text stands in what was said last.
says() { grep -qF -- "$1" "${2:-$WORK/said}" || { cat "${2:-$WORK/said}"; die "'$1' was not said"; }; }

# await SECONDS WHAT COMMAND…
await() {
  local seconds=$1 what=$2
  shift 2
  wait_until "$seconds" "$@" || die "$what: not within $seconds s"
}

target_says() { [ "$(target_ask "$1" 2>/dev/null)" = "$2" ]; }
connector_is() { [ "$(connector_state "$CONNECT_URL" shop)" = "$1" ]; }
