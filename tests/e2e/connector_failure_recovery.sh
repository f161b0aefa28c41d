# shellcheck shell=bash
# While a load runs the connector is restarted by REST, then the Connect worker is killed with -9 and started again.
# The connector sends events again; nothing is lost, nothing twice.
test_connector_failure_recovery() {
  local began recovered
  pair_start data
  await 60 "the connector streams" slot_follows
  flush
  load_start "$REPO_ROOT/tests/e2e/pairs.pgbench" 100 2500
  await 20 "200 pairs are in the target" arrived 200
  connector_restart "$CONNECT_URL" "$NAME"
  connector_wait_running "$CONNECT_URL" "$NAME"
  await 30 "pairs arrive after the restart" arrived $(($(pairs_there) + 200))
  kill -KILL "$(connect_pid "$WORK/connect")"
  wait_until 10 process_gone "$WORK/connect"
  began=$SECONDS
  connect_start "$WORK/connect" "$CONNECT_PORT" "$BROKER" offset.flush.interval.ms=2000
  connector_wait_running "$CONNECT_URL" "$NAME"
  await 60 "the connector streams again" slot_follows
  await 60 "pairs arrive after the kill" arrived $(($(pairs_there) + 100))
  recovered=$((SECONDS - began))
  load_end
  flush 120
  expect_target "SELECT count(*) FROM users WHERE full_name = 'pair'" 2500
  expect_equal
  daemon_alive || die "the daemon ended: $(daemon_error)"
  echo "figure pairs arrive again $recovered s after the worker's kill -9, most of it the start of Connect"
}

pairs_there() { target_ask "SELECT count(*) FROM users WHERE full_name = 'pair'"; }
arrived() { [ "$(pairs_there)" -ge "$1" ]; }
