# shellcheck shell=bash
# 500 transactions over users and orders while the daemon is killed with -9 twenty times at random moments. In the end
# both sides are equal, and a reader never saw an order without its user, half of a pair, or money on its way.
KILLS=20
TRANSACTIONS=500

test_exactly_once_semantics() {
  local round pause sum
  SEED=${E2E_SEED:-$(($(date +%s) % 100000))}
  echo "figure seed $SEED (E2E_SEED repeats it)"
  RANDOM=$SEED
  pair_start data
  await 60 "the connector streams" slot_follows
  flush
  sum=$(source_ask 'SELECT sum(balance) FROM users WHERE id <= 100')
  reader_start "SELECT (SELECT count(*) FROM orders o LEFT JOIN users u ON u.id = o.user_id WHERE u.id IS NULL),
    (SELECT count(*) FROM users u WHERE full_name = 'pair' AND (SELECT count(*) FROM orders o WHERE o.user_id = u.id) <> 2),
    (SELECT sum(balance) = $sum FROM users WHERE id <= 100), (SELECT count(*) FROM users WHERE full_name = 'pair')"
  load_start "$REPO_ROOT/tests/e2e/pairs.pgbench" 25 $TRANSACTIONS
  for ((round = 1; round <= KILLS; round++)); do
    pause=$((RANDOM % 1000 + 20))
    sleep "$(printf '%d.%03d' $((pause / 1000)) $((pause % 1000)))"
    daemon_kill
    daemon_start
    note "kill $round after $pause ms, pairs in the source: $(source_ask "SELECT count(*) FROM users WHERE full_name = 'pair'"), in the target: $(target_ask "SELECT count(*) FROM users WHERE full_name = 'pair'")"
  done
  load_end
  flush
  reader_end 200
  if grep -vE '^0\|0\|t\|' "$T/reader" >"$T/torn"; then
    die "the reader saw part of a transaction (orphans|halves|sum|pairs): $(head -n 1 "$T/torn"), $(wc -l <"$T/torn") of $READS times"
  fi
  expect_target "SELECT count(*) FROM users WHERE full_name = 'pair'" $TRANSACTIONS
  expect_equal
  echo "figure $KILLS kills, $TRANSACTIONS transactions; the reader looked $READS times and saw $(sort -u "$T/reader" | wc -l) states"
}
