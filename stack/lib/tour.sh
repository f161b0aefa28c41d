# shellcheck shell=bash
# `demo`: a tour of what the replicator does, a step at a time, with the time each stage took.

. "$STACK_LIB/load.sh"

tour_command() {
  case ${1:-} in
    '') demo_required; tour_steps ;;
    kill)
      [ $# -eq 1 ] || die "demo kill takes no arguments"
      locked demo kill
      demo_required
      . "$STACK_LIB/kill.sh"
      kill_demo ;;
    *) die "demo, or demo kill" ;;
  esac
}

tour_steps() {
  local email user
  email=ada-$(date +%s)@example.com
  say "Each step changes the source; what follows is read from the target. Times: captured is from the commit in the"
  say "source until the event is in Kafka (Debezium's part), applied from there until it is in the target (ours)."

  tour_step "A user registers" \
    "INSERT INTO users (email, full_name, balance, prefs) VALUES ('$email', 'Ada', 100.50, '{\"lang\": \"en\"}')" \
    "SELECT id, email, balance, prefs, synced_at FROM users WHERE email = '$email'"
  user=$(source_sql -At -c "SELECT id FROM users WHERE email = '$email'")

  tour_step "The row is updated" \
    "UPDATE users SET full_name = 'Ada Lovelace', prefs = '{\"lang\": \"fr\"}' WHERE id = $user" \
    "SELECT id, full_name, balance, prefs, synced_at FROM users WHERE id = $user"

  tour_step "A transaction over two tables: it shows whole or not at all" \
    "INSERT INTO orders (user_id, total, note) VALUES ($user, 60.25, 'tour'), ($user, 15.25, 'tour');
UPDATE users SET balance = balance - 75.50 WHERE id = $user" \
    "SELECT u.id, u.balance, o.id AS order_id, o.total FROM users u JOIN orders o ON o.user_id = u.id WHERE u.id = $user ORDER BY o.id"

  tour_rolled_back "$user"

  tour_step "Deletes: the orders go (hard), the user stays and is marked (soft)" \
    "DELETE FROM orders WHERE user_id = $user;
DELETE FROM users WHERE id = $user" \
    "SELECT u.id, u.email, u.is_deleted, u.deleted_at, (SELECT count(*) FROM orders WHERE user_id = u.id) AS orders FROM users u WHERE id = $user"

  step "The proof: both sides compared"
  demo_check_target
}

# tour_step TITLE CHANGES QUESTION: commits the changes as one transaction, waits for it in the target and asks there.
tour_step() {
  local xid lsn committed
  say
  step "$1"
  tour_quote "$2"
  IFS='|' read -r xid lsn < <(source_sql -At <<<"BEGIN; $2; SELECT pg_current_xact_id(), pg_current_wal_insert_lsn(); COMMIT;") || true
  [ -n "${lsn:-}" ] || die "the source refused the change"
  committed=$(source_sql -At -c "SELECT extract(epoch FROM pg_xact_commit_timestamp('$xid'::xid)) * 1000")
  wait_until 30 tour_applied "$lsn" || die "the change did not arrive in 30 s; see ./setup.sh status"
  tour_times "$xid" "$committed"
  tour_show "$3"
}

tour_quote() { printf '    source> %s\n' "${1//$'\n'/$'\n    source> '}"; }

tour_show() { target_sql -P footer=off -c "$1" | sed '/^$/d; s/^/    /'; }

# tour_applied LSN: is the transaction that committed after this position in the target?
tour_applied() {
  [ "$(target_sql -At -c "SELECT last_commit_lsn >= '$1' FROM replicator.stream WHERE name = '$DEMO_CONNECTOR'")" = t ]
}

# tour_times XID COMMITTED: the END of the transaction carries the broker's time, the stream's row that of the apply.
tour_times() {
  local in_kafka applied
  in_kafka=$(demo_kcat -C -q -e -t dbserver1.transaction -o -50 -f '%T %s\n' 2>/dev/null |
    awk -v id="\"id\":\"$1:" 'index($0, "\"END\"") && index($0, id) { print $1 }' | tail -n 1)
  applied=$(target_sql -At -c "SELECT extract(epoch FROM applied_at) * 1000 FROM replicator.stream
    WHERE name = '$DEMO_CONNECTOR' AND last_tx_id = $1")
  # Under load another transaction may be the last one by now; then there is no time to tell.
  [ -n "$in_kafka" ] && [ -n "$applied" ] || return 0
  awk -v c="$2" -v k="$in_kafka" -v a="$applied" -v green="$GREEN" -v plain="$PLAIN" 'BEGIN {
    printf "    %scaptured in %.0f ms, applied in %.1f ms%s\n", green, k - c, (a > k ? a - k : 0), plain }'
}

tour_rolled_back() {
  local user=$1
  say
  step "A transaction that is rolled back: nothing of it arrives"
  tour_quote "BEGIN; INSERT INTO orders …; UPDATE users SET balance = 0 …; ROLLBACK"
  source_sql <<<"BEGIN; INSERT INTO orders (user_id, total, note) VALUES ($user, 1, 'never'); UPDATE users SET balance = 0 WHERE id = $user; ROLLBACK;"
  sleep 1
  tour_show "SELECT u.id, u.balance, (SELECT count(*) FROM orders WHERE user_id = u.id) AS orders FROM users u WHERE u.id = $user"
}
