# shellcheck shell=bash disable=SC2034
# Faults at the connector's snapshots and topics: a snapshot that somebody requests, one that breaks off, a connector that
# starts again with another snapshot mode, a table that is emptied before a snapshot, a topic that is deleted.
#
# Rows of a snapshot become visible in pieces, and the daemon marks the tables as unverified meanwhile: the reader does not
# judge what it sees then (seed.sh).

RESNAPSHOT_ACTIONS='snapshot_incremental:6 snapshot_blocking:6 snapshot_broken_off:6 snapshot_again:5 emptied_before_snapshot:5 topic_deleted:4'
RESNAPSHOT_TABLES=(wide keyed doc loose)

# The connector reads signals from this table. `loose` has no key: its rows must neither double nor get lost.
resnapshots_world() {
  source_sql -c 'CREATE SCHEMA IF NOT EXISTS replicator AUTHORIZATION debezium' \
    -c 'CREATE TABLE IF NOT EXISTS replicator.signal (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data text)' \
    -c 'ALTER TABLE replicator.signal OWNER TO debezium'
}

snapshot_request() { # TYPE TABLE…
  local type=$1 list
  shift
  list=$(printf '"public\\\\.%s",' "$@")
  source_sql -c "INSERT INTO replicator.signal VALUES (gen_random_uuid(), 'execute-snapshot', '{\"type\": \"$type\", \"data-collections\": [${list%,}]}')" 2>/dev/null
}

action_snapshot_incremental() { snapshot_request incremental "${RESNAPSHOT_TABLES[$1 % 3]}" || SKIPPED=1; }

blocking_snapshot() { snapshot_request blocking "${RESNAPSHOT_TABLES[$1 % 4]}" "${RESNAPSHOT_TABLES[($1 + 1) % 4]}"; }

action_snapshot_blocking() { blocking_snapshot "$1" || SKIPPED=1; }

# In the midst of it, or just before it begins.
action_snapshot_broken_off() {
  blocking_snapshot "$1" || { SKIPPED=1; return 0; }
  pause "$1" 0 1500
  connector_restart "$CONNECT_URL" "$NAME" 2>/dev/null || true
}

# connect_put VERB, connect_offsets_reset: 0 when Connect took it.
connect_put() { curl -fsS -m 20 -X PUT -o /dev/null "$CONNECT_URL/connectors/$NAME/$1" 2>/dev/null; }
connect_offsets_reset() { curl -fsS -m 20 -X DELETE -o /dev/null "$CONNECT_URL/connectors/$NAME/offsets" 2>/dev/null; }

connector_stopped() { connector_is STOPPED && slot_idle; }

# with_connector_stopped COMMAND…: the action does not count where the connector cannot be stopped (Connect is down just now).
with_connector_stopped() {
  alone connector || return 0
  if wait_until 15 connect_put stop && wait_until 20 connector_stopped; then "$@" || SKIPPED=1; else SKIPPED=1; fi
  wait_until 60 connect_put resume || true
  alone_end connector
}

mode_set() {
  jq --arg mode "$1" '.config["snapshot.mode"] = $mode | .config' "$T/connector.json" |
    curl -fsS -m 20 -X PUT -H 'Content-Type: application/json' --data-binary @- -o /dev/null "$CONNECT_URL/connectors/$NAME/config" 2>/dev/null
}

# With `always` each start of the connector reads all tables; with its offsets reset it does so once.
snapshot_anew() {
  case $(($1 % 3)) in
    0) wait_until 20 mode_set always ;;
    1) wait_until 20 connect_offsets_reset ;;
    2) slot_gone "e2e_$NAME" && wait_until 20 connect_offsets_reset ;;
  esac
}
action_snapshot_again() { with_connector_stopped snapshot_anew "$1"; }

empty_and_snapshot() {
  source_sql -c "DELETE FROM ${RESNAPSHOT_TABLES[$1 % 4]}" 2>/dev/null && snapshot_anew "$1"
}
action_emptied_before_snapshot() { with_connector_stopped empty_and_snapshot "$1"; }

# Events that were not read yet are gone with it: the daemon stops, and the operator accepts that (gap_accepted).
action_topic_deleted() {
  [ "$PLAN_SINGLE" = 0 ] || { SKIPPED=1; return 0; }
  topic_delete "$NAME.public.${RESNAPSHOT_TABLES[$1 % 4]}" || SKIPPED=1
}
topic_delete() {
  "${JAVA:-java}" -Xmx128m -XX:TieredStopAtLevel=1 -Dlog4j2.configurationFile="$REPO_ROOT/stack/log4j2.properties" -cp "$STACK_DIR/kafka/*" \
    org.apache.kafka.tools.TopicCommand --bootstrap-server "$BROKER" --delete --topic "$1" >>"$T/admin.log" 2>&1
}

# --- what an operator does after the load ---------------------------------------------------------------------------------

# Every instance that starts stops at the gap until it is accepted; the daemon marks all tables as unverified then. Called
# while the target catches up: an instance that started before may stop there afterwards, and a gap may show late.
gap_accepted() {
  local stops
  grep -qs ' topic_deleted$' "$T/actions" || return 0
  stops=$(cat "$T"/d*/exits 2>/dev/null | grep -cx 6) || true
  [ "$stops" -gt "${GAP_STOPS:-0}" ] || return 0
  GAP_STOPS=$stops
  note "the gap is accepted (after $stops stops)"
  "$REPLICATOR" accept gap -c "$T/replicator.conf" >>"$T/accept.log" 2>&1 || die "accept gap: $(tail -n 1 "$T/accept.log")"
  target_ask "SELECT format('(%s, %s)', max(a.id), s.epoch) FROM replicator.acceptance a JOIN replicator.stream s ON s.name = a.stream
    WHERE s.name = '$NAME' GROUP BY s.epoch" >>"$T/accepted"
}

unverified_tables() { target_ask "SELECT string_agg(table_name, ' ') FROM replicator.unverified WHERE stream = '$NAME'"; }
# What was accepted marks the tables when the stream is past it. An instance that works on since before (its epoch) takes no notice.
acceptance_pending() {
  [ -s "$T/accepted" ] || return 1
  [ "$(target_ask "SELECT count(*) FROM (VALUES $(paste -sd, "$T/accepted")) AS said (id, epoch) JOIN replicator.acceptance a USING (id)
    JOIN replicator.stream s ON s.name = a.stream WHERE a.used_at IS NULL AND (s.epoch > said.epoch OR NOT EXISTS
      (SELECT FROM pg_stat_activity p WHERE p.pid = s.holder_pid AND p.backend_start = s.holder_backend_start))")" != 0 ]
}
all_verified() { ! acceptance_pending && [ -z "$(unverified_tables)" ]; }

# The supervision settles what is unverified. A gap may show as late as this: a topic that was deleted, and has new records
# only now.
settled() { gap_accepted; all_verified; }
tables_settle() {
  wait_until 180 settled || die "tables stay unverified: $(unverified_tables)"
}
