# shellcheck shell=bash
# How `up` ends: a wait for the first copy of the tables, with a table of rows that fills, and check_target's verdict.

# snapshot_wait: until every captured table has the same number of live rows on both sides. Gives up when the
# replicator stops or when nothing has moved for a minute. While somebody writes to the source all the time the counts
# may never meet; then check_target, which compares at one moment, has to say.
snapshot_wait() {
  local rows='' before='' moved=$SECONDS began=$SECONDS drawn=0
  step "Waiting for the snapshot"
  while :; do
    replicator_alive || { replicator_blame "the replicator stopped"; return 1; }
    [ "$(demo_connector_state)" != FAILED ] || { fail "the connector failed: $(demo_connector_trace)"; return 1; }
    rows=$(snapshot_rows) || rows=$before
    if [ "$rows" != "$before" ]; then
      snapshot_draw "$rows" "$drawn"
      drawn=$(wc -l <<<"$rows") before=$rows moved=$SECONDS
    fi
    snapshot_equal "$rows" && return 0
    [ $((SECONDS - began)) -lt 180 ] || { note "the counts keep moving; somebody writes to the source"; return 0; }
    [ $((SECONDS - moved)) -lt 60 ] || { fail "no row has arrived for a minute; see ./setup.sh logs and ./setup.sh logs connect"; return 1; }
    sleep 0.5
  done
}

# Lines "table|rows in the source|rows in the target"; nothing as long as the connector has not made its publication.
snapshot_rows() {
  local tables
  tables=$(source_sql -At -c "SELECT format('%I.%I', schemaname, tablename) FROM pg_publication_tables
    WHERE pubname = 'debezium_publication' AND schemaname <> 'replicator' ORDER BY 1") && [ -n "$tables" ] || return 0
  join -t '|' <(snapshot_count source_sql "$tables") <(snapshot_count target_sql "$tables")
}

# snapshot_count PSQL TABLES: lines "table|live rows", -1 where the table is not there.
snapshot_count() {
  local table
  while read -r table; do
    printf "SELECT CASE WHEN to_regclass(%s) IS NULL THEN 'SELECT %s, -1' ELSE format('SELECT %%L, count(*) FROM %%s%%s', %s, %s,
      (SELECT ' WHERE NOT is_deleted' FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = 'is_deleted')) END \\gexec\n" \
      "'$table'" "''$table''" "'$table'" "'$table'" "'$table'"
  done <<<"$2" | "$1" -At | sort
}

snapshot_equal() { [ -n "$1" ] && awk -F '|' '$2 != $3 { different = 1 } END { exit different }' <<<"$1"; }

# On a terminal the table is drawn over the one before.
snapshot_draw() {
  [ -n "$1" ] || return 0
  if [ "$2" -eq 0 ]; then printf '    %-24s %10s %10s %6s\n' table source target '%'
  elif [ -t 1 ]; then printf '\e[%dA' "$2"; fi
  awk -F '|' '{ printf "    %-24s %10d %10d %5d%%\n", $1, $2, ($3 < 0 ? 0 : $3), ($2 > 0 ? 100 * ($3 < 0 ? 0 : $3) / $2 : 100) }' <<<"$1"
}

# The last word is check_target's. up_verdict SECOND-OF-BEGIN
up_verdict() {
  local status=0
  step "Comparing source and target"
  demo_check_target || status=$?
  [ "$status" -eq 0 ] || die "check_target says no (exit $status); see ./setup.sh status and ./setup.sh logs"
  say
  say "${GREEN}The demo runs${PLAIN} (this took $((SECONDS - $1)) s). Try:"
  cat <<TEXT
  ./setup.sh demo               a tour with the times of each stage
  ./setup.sh demo kill          kill -9 under load, and the proof
  ./setup.sh load --rate 200    random changes; beside it: ./setup.sh status
  $CHECK_TARGET_HINT --show public.users --limit 5
  $SOURCE_HINT     change something yourself, the schema too
  http://127.0.0.1:$STATUS_PORT/        the status page; /metrics for Prometheus
  ./setup.sh down               stop; ./setup.sh reset also removes the data
TEXT
}
