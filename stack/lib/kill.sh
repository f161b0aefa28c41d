# shellcheck shell=bash
# `demo kill`: the replicator is killed at random moments under load and started again; a reader watches the target all
# the while for halves of transactions and orders without their user; in the end check_target compares.

KILLS=${KILLS:-8}
KILL_RATE=${KILL_RATE:-150}

kill_demo() {
  local dir=$DEMO_HOME/replicator load watcher round who pause start halves reads status=0
  local seconds=$((KILLS * 2 + 4))
  mkdir -p "$dir"
  start=$(source_sql -At -c 'SELECT now()')
  step "$KILL_RATE transactions a second for $seconds s, and $KILLS times kill -9"
  load_run "$KILL_RATE" "$seconds" >"$dir/load.log" 2>&1 &
  load=$!
  kill_watch "$start" "$load" >"$dir/watch.log" &
  watcher=$!
  for ((round = 1; round <= KILLS; round++)); do
    pause=$((RANDOM % 2000 + 300))
    sleep "$(printf '%d.%03d' $((pause / 1000)) $((pause % 1000)))"
    who=$(replicator_kill) || die "the replicator is not running; see ./setup.sh logs"
    note "kill $round: $who after $pause ms, the target at $(kill_position)"
    replicator_start || exit 1
  done
  wait "$load" || { tail -n 5 "$dir/load.log" >&2; die "the load stopped early"; }
  grep -E 'actually processed' "$dir/load.log" | sed 's/^/    /'
  wait "$watcher" || true
  reads=$(wc -l <"$dir/watch.log") halves=$(awk '$1 != 0' "$dir/watch.log" | wc -l)
  step "The proof"
  demo_check_target || status=$?
  say "    a reader looked $reads times and saw half a transaction or an order without its user $halves times"
  if [ "$status" -ne 0 ] || [ "$halves" -ne 0 ]; then die "the target is not what the source is"; fi
  good "nothing lost, nothing twice, nothing torn, after $KILLS times kill -9"
}

# kill_watch START LOAD: as long as the load runs, lines with the number of pairs of orders of which one half shows and
# of orders whose user does not.
kill_watch() {
  while kill -0 "$2" 2>/dev/null; do
    target_sql -At -c "SELECT (SELECT count(*) FROM (SELECT FROM orders WHERE note LIKE 'pair %' AND placed_at >= '$1'
        GROUP BY note HAVING count(*) <> 2) torn)
      + (SELECT count(*) FROM orders o WHERE NOT EXISTS (SELECT FROM users u WHERE u.id = o.user_id))" || true
    sleep 0.1
  done
}

kill_position() { target_sql -At -c "SELECT last_commit_lsn FROM replicator.stream WHERE name = '$DEMO_CONNECTOR'"; }
