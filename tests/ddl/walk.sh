# shellcheck shell=bash
# The random walk: statements that walk.sql draws from a seed run at the source, one behind the other, while the streams
# follow, daemons are killed (-9) and connectors restarted. At the end both catalogs, the rows, and check_target.
#
# psql runs the statements; where the streams have to be there first, or something is to be killed, it asks over a pipe
# and waits for the answer. So what is done to whom at which step comes from the seed alone.

WALK_RESULTS=${DDL_WALKS:-$here/walks.tsv}

# What the walk leaves out, because Debezium 3.7.0 or a rule forbids it: docs/ddl.md has the list.
walk_limits() { sed -n '/^## The random walk/,/^## /s/^- /not walked into: /p' "$REPO_ROOT/docs/ddl.md"; }

# walk_script SEED STEPS: what psql runs.
walk_script() {
  local k kills restarts names
  RANDOM=$1
  read -r -a names <<<"$STREAMS"
  declare -A acts=()
  for ((kills = 0; kills < $2 / 60 + 1; kills++)); do acts[$((RANDOM % $2 + 1))]="kill ${names[RANDOM % ${#names[@]}]}"; done
  for ((restarts = 0; restarts < $2 / 400 + 1; restarts++)); do acts[$((RANDOM % $2 + 1))]="restart ${names[RANDOM % ${#names[@]}]}"; done
  cat "$here/walk.sql"
  echo "SET walk.seed = $1;"
  for ((k = 1; k <= $2; k++)); do
    [ -z "${acts[$k]:-}" ] || walk_ask "${acts[$k]}"
    printf 'SELECT * FROM pg_temp.step(%d) \\gset\n\\if :pause\n' "$k"
    walk_ask await
    printf '\\endif\n\\echo -- %d\n\\echo :sql;\n:sql;\n\\if :fresh\n' "$k"
    walk_ask fresh
    echo '\endif'
  done
  echo 'COMMIT;'
}


# shellcheck disable=SC2016
walk_ask() { printf '\\! echo %s >"$WALK_PIPES/question"; read -r _ <"$WALK_PIPES/answer"\n' "$1"; }

# walk_serve PSQL: does what psql asks for until it ends; fails when a stream stopped by itself.
walk_serve() {
  local word name pid stream
  while :; do
    if ! read -r -t 2 word name <&5; then
      kill -0 "$1" 2>/dev/null || return 0
      for stream in $STREAMS; do stream_runs "$stream" || return 1; done
      continue
    fi
    case $word in
      await) streams_await "${SOURCES%% *}" || return 1 ;;
      fresh) walk_fresh_connectors || return 1 ;;
      kill)
        pid=$(process_pid "$WORK/$name") || { stream_runs "$name"; return 1; }
        kill -KILL "$pid"
        wait_until 10 process_gone "$WORK/$name"
        cat "$WORK/$name/log" >>"$WORK/$name/log.all"
        process_spawn "$WORK/$name" "$REPLICATOR" run -c "$WORK/$name/replicator.conf"
        walk_kills=$((walk_kills + 1)) ;;
      restart)
        connector_restart "$CONNECT_URL" "$name" || true
        walk_restarts=$((walk_restarts + 1)) ;;
    esac
    echo 'done' >&6
  done
}

# walk_judge: both catalogs, the rows, check_target.
walk_judge() {
  local stream
  streams_await "${SOURCES%% *}" || return 1
  for stream in $STREAMS; do
    stream_settle "$stream" || return 1
    if ! verdict "$stream" '' walk >"$WORK/difference"; then
      fail "$stream: the catalogs or rows differ:" || true
      head -n 10 "$WORK/difference" | cut -c1-900 | sed 's/^/  /'
      return 1
    fi
    check_stream "$stream" || return 1
  done
}

# Walks use the same names: a connector keeps the types that it met under a name until it starts again.
walk_fresh_connectors() {
  local stream
  for stream in $STREAMS; do connector_restart "$CONNECT_URL" "$stream" || true; done
  for stream in $STREAMS; do
    connector_wait_running "$CONNECT_URL" "$stream" 90 && wait_until 90 slot_follows "$(source_of "$stream")" "$stream" || return 1
  done
}

# walk_run SEED STEPS: one walk; its line goes to the results. The schemas of the walk before go first.
walk_run() {
  local seed=$1 steps=$2 began=$SECONDS psql word=ok refused walk_kills=0 walk_restarts=0 walk_marked walk_heals stream source=${SOURCES%% *}
  step "walk: seed $seed, $steps steps"
  walk_heals=$(heals)
  mkdir -p "$WORK/walk"
  source_ask "$source" "SELECT format('DROP SCHEMA %I CASCADE;', nspname) FROM pg_namespace WHERE nspname ~ '^walk' ORDER BY 1 DESC" >"$WORK/walk/clear.sql"
  source_psql "$source" -f "$WORK/walk/clear.sql" -c "CREATE SCHEMA walk"
  streams_await "$source" || return 1
  walk_fresh_connectors || return 1
  walk_script "$seed" "$steps" >"$WORK/walk/script.sql"
  rm -f "$WORK/walk/question" "$WORK/walk/answer"
  mkfifo "$WORK/walk/question" "$WORK/walk/answer"
  exec 5<>"$WORK/walk/question" 6<>"$WORK/walk/answer"
  PGPASSWORD=$PG_PASSWORD WALK_PIPES=$WORK/walk psql -X -q -v ON_ERROR_ROLLBACK=on -h 127.0.0.1 -p "${SOURCE_PORT[$source]}" -U postgres -d ddl \
    -f "$WORK/walk/script.sql" >"$WORK/walk/statements" 2>&1 5>&- 6>&- &
  psql=$!
  walk_serve "$psql" || { word=FAILED; kill "$psql" 2>/dev/null || true; }
  wait "$psql" || true
  exec 5>&- 6>&-
  [ "$word" = FAILED ] || walk_judge || word=FAILED
  refused=$(grep -c 'ERROR: ' "$WORK/walk/statements" || true)
  walk_heals=$(($(heals) - walk_heals))
  walk_marked=$(for stream in $STREAMS; do cat "$WORK/$stream/log.all" "$WORK/$stream/log" 2>/dev/null || true; done | grep -ac 'is resynced, in' || true)
  printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$seed" "$steps" "$word" "$refused" "$walk_kills" "$walk_restarts" "$walk_heals" "$walk_marked" \
    $((SECONDS - began)) >"$WORK/walk/result"
  [ "$mode" != walks ] || cat "$WORK/walk/result" >>"$WALK_RESULTS"
  printf '%s seed %s: %s steps (%s refused by the source), %s kills, %s connector restarts, %s connector failures healed, %s resyncs, %s s\n' \
    "$word" "$seed" "$steps" "$refused" "$walk_kills" "$walk_restarts" "$walk_heals" "$walk_marked" $((SECONDS - began))
  [ "$word" = ok ] || walk_evidence "$seed"
  [ "$word" = ok ]
}

# walk_evidence SEED: what is needed to find the reason stays in .run/ddl.
walk_evidence() {
  local dir=$REPO_ROOT/.run/ddl/walk-$1 stream
  rm -rf "$dir"
  mkdir -p "$dir"
  cp -r "$WORK/walk/statements" "$WORK/difference" "$dir" 2>/dev/null || true
  for stream in $STREAMS; do
    cat "$WORK/$stream/log.all" "$WORK/$stream/log" >"$dir/$stream.log" 2>/dev/null || true
    "$CHECK_TARGET" -c "$WORK/$stream/replicator.conf" --timeout 30 --show-values >"$dir/$stream.check" 2>&1 || true
    [ "${stream%??}" != single ] ||
      "$REPLICATOR" peek -c "$WORK/$stream/replicator.conf" "$stream.all" --offset 0 --limit 1000000 --raw >"$dir/$stream.events" 2>&1 || true
    pg_psql "$TARGET_PORT" "$stream" -c "SELECT * FROM replicator.schema_history ORDER BY id" >"$dir/$stream.history" 2>/dev/null || true
  done
  note "repeat it with tests/ddl/run --walk --seed $1 --steps N; statements and logs: $dir"
}
