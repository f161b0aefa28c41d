# shellcheck shell=bash
# The faults. Each is a function action_NAME NUMBER: the number decides what the action leaves open (which instance, how
# long). An action ends what it began; daemons that it killed are started again by their keepers (seed.sh).

# between NUMBER LEAST MOST: prints seconds with a fraction, of LEAST to MOST milliseconds.
between() { local ms=$(($2 + $1 % ($3 - $2 + 1))); printf '%d.%03d' $((ms / 1000)) $((ms % 1000)); }

pause() { sleep "$(between "$@")"; }

# One instance's pid: the one that holds the stream mostly, any other now and then.
some_daemon() {
  local pid
  pid=$(target_ask "SELECT split_part(instance, ':', 2) FROM replicator.stream" 2>/dev/null) || pid=
  if [ -z "$pid" ] || [ $(($1 % 5)) -eq 0 ] || ! kill -0 "$pid" 2>/dev/null; then
    pid=$(cat "$T"/d$((1 + $1 % PLAN_INSTANCES))/daemon.pid)
  fi
  echo "$pid"
}

our_sessions="FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'replicator'"

action_kill_daemon() { kill -KILL "$(some_daemon "$1")" 2>/dev/null || true; }
action_term_daemon() { kill -TERM "$(some_daemon "$1")" 2>/dev/null || true; }

action_stop_daemon() {
  local pid
  pid=$(some_daemon "$1")
  kill -STOP "$pid" 2>/dev/null || return 0
  pause "$1" 500 18000
  kill -CONT "$pid" 2>/dev/null || true
}

# The server takes one backend's death by -9 for a crash and starts all anew.
action_kill_backend() {
  local pid
  pid=$(target_ask "SELECT pid $our_sessions ORDER BY pid LIMIT 1") || return 0
  [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
}

action_end_sessions() { target_ask "SELECT pg_terminate_backend(pid) $our_sessions" >/dev/null 2>&1 || true; }
action_cancel_statements() {
  local round
  for ((round = 0; round < 10; round++)); do
    target_ask "SELECT pg_cancel_backend(pid) $our_sessions" >/dev/null 2>&1 || true
    pause "$1" 10 200
  done
}

# crash DIR UP NUMBER: the whole server dies at once and is started again; not twice at the same time.
crash() {
  local pid
  mkdir "$T/crash-${1##*/}" 2>/dev/null || return 0
  pid=$(pg_pid "$1") || { rmdir "$T/crash-${1##*/}"; return 0; }
  kill -QUIT "$pid" 2>/dev/null || true
  wait_until 20 pg_gone "$1" || kill -KILL "$pid"
  wait_until 10 pg_gone "$1"
  pause "$3" 0 3000
  "$2"
  rmdir "$T/crash-${1##*/}"
}
action_target_crash() { crash "$WORK/target" target_up "$1"; }
action_source_crash() { crash "$WORK/source" source_up "$1"; }

action_broker_kill() {
  kill -KILL "$(kafka_pid "$WORK/kafka")" 2>/dev/null || true
  wait_until 10 process_gone "$WORK/kafka"
  pause "$1" 0 2000
  kafka_up
}
action_broker_restart() { kafka_stop "$WORK/kafka"; kafka_up; }

action_connector_restart() { connector_restart "$CONNECT_URL" "$NAME" 2>/dev/null || true; }
action_connect_kill() {
  kill -KILL "$(connect_pid "$WORK/connect")" 2>/dev/null || true
  wait_until 10 process_gone "$WORK/connect"
  connect_up
}

action_lock_table() {
  local tables=(account ord line seat doc wide ledger_a counter) seconds
  seconds=$(between "$1" 200 4000)
  target_ask "BEGIN; LOCK TABLE ${tables[$1 % 8]} IN SHARE MODE; SELECT pg_sleep($seconds); COMMIT" >/dev/null 2>&1 || true
}

# Somebody holds the row that every commit of ours updates.
action_block_checkpoint() {
  local seconds
  seconds=$(between "$1" 200 4000)
  target_ask "BEGIN; SELECT FROM replicator.stream FOR UPDATE; SELECT pg_sleep($seconds); COMMIT" >/dev/null 2>&1 || true
}

proxied() { # NAME NUMBER LEAST MOST ORDER…
  proxy_order "$1" "${@:5}"
  pause "$2" "$3" "$4"
  proxy_order "$1" open
}
action_target_cut() { proxied target "$1" 60 3000 cut; }
action_target_stall() { proxied target "$1" 500 8000 stall; }
action_target_delay() { proxied target "$1" 1000 6000 delay $((20 + $1 % 100)); }
action_kafka_cut() { proxied kafka "$1" 60 3000 cut; }
action_kafka_stall() { proxied kafka "$1" 500 8000 stall; }
action_kafka_delay() { proxied kafka "$1" 1000 6000 delay $((20 + $1 % 200)); }
action_source_cut() { proxied source "$1" 60 2000 cut; }
