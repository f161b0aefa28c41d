# shellcheck shell=bash
# The connector before the commit: a server sends a transaction to its logical slots as soon as its WAL is flushed, and other
# sessions see it a moment later; on a busy server, or with a synchronous standby, that moment is long. Debezium asks the
# catalog for the types of the columns then, and gets the old ones. Here a standby that does not exist holds the commit.

race_hold() { source_local "$1" -c "ALTER SYSTEM SET synchronous_standby_names = 'nobody'" -c "SELECT pg_reload_conf()"; }
race_release() { source_local "$1" -c "ALTER SYSTEM RESET synchronous_standby_names" -c "SELECT pg_reload_conf()"; }

source_local() { local source=$1; shift; PGOPTIONS='-c client_min_messages=warning -c synchronous_commit=local' pg_psql "${SOURCE_PORT[$source]}" ddl "$@" >/dev/null; }

# Where nothing is wrong with the rows, the daemon has the connector restarted, which then reads them rightly.
run_race() {
  local source=${SOURCES%% *} stream held
  declare -A before
  for stream in $STREAMS; do before[$stream]=$(heals "$stream"); done
  source_psql "$source" -c "CREATE SCHEMA race" -c "CREATE TABLE race.t (id int PRIMARY KEY, a int)" -c "INSERT INTO race.t VALUES (1, 1), (2, 2)"
  streams_await "$source" || return 1
  race_hold "$source"
  source_psql "$source" -c "ALTER TABLE race.t ALTER a TYPE text USING '<' || a || '>'" &
  held=$!
  for stream in $STREAMS; do
    [ "$(source_of "$stream")" != "$source" ] || wait_until 60 race_failed "$stream" "${before[$stream]}" || note "connector $stream did not fail"
  done
  race_release "$source"
  wait "$held" || return 1
  source_psql "$source" -c "INSERT INTO race.t VALUES (3, '<3>')"
  for stream in $STREAMS; do
    [ "$(source_of "$stream")" = "$source" ] || continue
    stream_await "$stream" || return 1
    race_judge "$stream" || return 1
    printf '%sok%s %s, the connector before the commit: restarted %s times by the daemon\n' "$GREEN" "$PLAIN" "$stream" \
      $(($(heals "$stream") - ${before[$stream]}))
  done
}

# race_failed STREAM HEALS: it is down, or was since.
race_failed() { [ "$(connector_state "$CONNECT_URL" "$1")" = FAILED ] || [ "$(heals "$1")" -gt "$2" ]; }

race_judge() {
  verdict "$1" '' race >"$WORK/difference" && return 0
  fail "$1: the connector before the commit: $(head -n 4 "$WORK/difference" | cut -c1-400)"
}
