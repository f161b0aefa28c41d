# shellcheck shell=bash
# Figures only: from the commit in the source until the row is visible in the target, at 300 single-row transactions a
# second. Both sides keep commit times, on the clock of this one machine.
LATENCY_RATE=300
LATENCY_SECONDS=15

test_latency() {
  pair_start
  await 60 "the connector streams" slot_follows
  flush
  # The first seconds warm up the virtual machine of Connect.
  echo "INSERT INTO users (email, full_name) VALUES ('warm-' || gen_random_uuid(), 'warm')" >"$T/warm.sql"
  load_start "$T/warm.sql" $LATENCY_RATE $((LATENCY_RATE * 5)) 4
  load_end
  echo "INSERT INTO users (email, full_name) VALUES ('late-' || gen_random_uuid(), 'late')" >"$T/late.sql"
  load_start "$T/late.sql" $LATENCY_RATE $((LATENCY_RATE * LATENCY_SECONDS)) 4
  load_end
  flush
  commit_times source_sql >"$T/source.times"
  commit_times target_sql >"$T/target.times"
  join -t '|' "$T/source.times" "$T/target.times" | awk -F '|' '{ print ($3 - $2) }' | sort -n >"$T/delays"
  awk -v rate=$LATENCY_RATE '{ delay[NR] = $1 } END {
    if (NR == 0) exit 1
    printf "figure latency at %d transactions a second, %d of them: median %.1f ms, 99th percentile %.1f ms, worst %.1f ms\n",
      rate, NR, delay[int((NR + 1) / 2)], delay[int(NR * 0.99)], delay[NR] }' "$T/delays"
  expect_equal
}

commit_times() {
  "$1" -At -c "SELECT id, extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000 FROM users WHERE full_name = 'late'" | sort -t '|' -k 1,1
}
