# shellcheck shell=bash
# The demo's connector is accepted, runs, makes slot, publication and topics; the daemon finds them; the first copy is equal.
test_connector_creation() {
  pair_start data
  await 30 "the connector streams" slot_follows
  [ "$(source_ask "SELECT plugin FROM pg_replication_slots WHERE slot_name = 'e2e_$NAME'")" = pgoutput ]
  [ "$(source_ask "SELECT count(*) FROM pg_publication_tables WHERE pubname = 'e2e_$NAME'")" = 4 ]
  flush
  topics=$(kcat -L -J -b "$BROKER" | jq -r '.topics[].topic' | grep "^$NAME\." | sort | tr '\n' ' ')
  for topic in commerce.products commerce.users public.orders public.users transaction; do
    [[ " $topics" == *" $NAME.$topic "* ]] || die "there is no topic $NAME.$topic, only: $topics"
  done
  expect_equal
  "$REPLICATOR" check-config -c "$T/replicator.conf" >"$T/check-config.log" 2>&1 ||
    { cat "$T/check-config.log"; die "check-config finds fault with the demo's own configuration"; }
  "$REPLICATOR" status -c "$T/replicator.conf" >"$T/status.log" 2>&1 || { cat "$T/status.log"; die "status failed"; }
  grep -q "$NAME" "$T/status.log"
  daemon_stop
  grep -q 'ended in good order' "$T/daemon/log" || die "a stop by SIGTERM is not in good order: $(tail -n 1 "$T/daemon/log")"
}
