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

# alone SIDE: 1, and the action does not count, when another one is at that server.
alone() { mkdir "$T/busy-$1" 2>/dev/null || { SKIPPED=1; return 1; }; }
alone_end() { rmdir "$T/busy-$1"; }

# crash SIDE NUMBER: the whole server dies at once and is started again.
crash() {
  alone "$1" || return 0
  cluster_kill "$("$1_dir")"
  pause "$2" 0 3000
  "$1_up"
  alone_end "$1"
}
action_target_crash() { crash target "$1"; }
action_source_crash() { crash source "$1"; }

# The standby takes over, in one of four ways; then the new primary gets a standby.
action_promote() {
  local old
  alone target || return 0
  old=$(target_dir)
  if wait_until 10 standby_streams; then
    case $(($1 % 4)) in
      0) standby_cut; pause "$1" 0 3000; cluster_kill "$old"; standby_promote ;; # without the last commits
      1) cluster_kill "$old"; standby_promote ;;
      2) pg_stop "$old"; standby_promote ;; # as planned
      3) standby_promote; pause "$1" 0 3000; cluster_kill "$old" ;; # both write for a while
    esac
    standby_make
  else
    SKIPPED=1
  fi
  alone_end target
}

action_broker_kill() {
  kill -KILL "$(kafka_pid "$WORK/kafka")" 2>/dev/null || true
  wait_until 10 process_gone "$WORK/kafka"
  pause "$1" 0 2000
  kafka_up
}
action_broker_restart() { kafka_stop "$WORK/kafka"; kafka_up; }

action_end_walsender() {
  source_ask "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'e2e_$NAME' AND active" >/dev/null 2>&1 || true
}
# Without retries the task fails at that; the daemon's supervision sees to it.
action_task_failure() {
  action_end_walsender
  wait_until 10 connector_is FAILED || SKIPPED=1
}
connector_is() { [ "$(connector_state "$CONNECT_URL" "$NAME")" = "$1" ]; }

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

full() { # DISK NUMBER
  disk_fill "$1"
  pause "$2" 1000 8000
  disk_room "$1"
}
action_target_full() { full tables "$1"; }
action_spill_full() { full spill "$1"; }

# By minutes, forward or back.
action_clock_jump() {
  clock_jump "$([ $(($1 % 2)) = 0 ] || echo -)$((60 + $1 % 1200))"
  pause "$1" 1100 5000
}

# One more instance for a while: a third or fourth, started by somebody who did not know of the others.
action_another_instance() {
  local dir=$T/d-another-$1 pid code=0
  mkdir -p "$dir"
  env "${CLOCK[@]}" "$REPLICATOR" run -c "$T/replicator.conf" >>"$dir/log" 2>&1 &
  pid=$!
  echo $pid >"$dir/daemon.pid"
  pause "$1" 1000 12000
  kill "-$([ $(($1 % 3)) = 0 ] && echo KILL || echo TERM)" $pid 2>/dev/null || true
  wait $pid || code=$?
  echo $code >>"$dir/exits"
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
action_source_stall() { proxied source "$1" 500 12000 stall; }
# In the midst of a message.
action_target_torn() { proxied target "$1" 200 4000 torn $((1 + $1 % 9000)); }
action_kafka_torn() { proxied kafka "$1" 200 4000 torn $((1 + $1 * 3)); }
action_source_torn() { proxied source "$1" 200 2000 torn $((1 + $1 * 3)); }
# One end is gone, the other one is not told.
action_target_lost() { proxied target "$1" 500 15000 lost "$(one_end "$1")"; }
action_kafka_lost() { proxied kafka "$1" 500 15000 lost "$(one_end "$1")"; }
action_source_lost() { proxied source "$1" 500 15000 lost "$(one_end "$1")"; }
one_end() { [ $(($1 % 2)) = 0 ] && echo client || echo server; }

packets() { # PART NUMBER LEAST MOST PERCENT
  packets_lost "$1" "$5"
  pause "$2" "$3" "$4"
  packets_lost "$1" 0
}
action_target_loss() { packets target "$1" 1000 6000 $((5 + $1 % 40)); }
action_kafka_loss() { packets kafka "$1" 1000 6000 $((5 + $1 % 40)); }
action_source_loss() { packets source "$1" 1000 6000 $((5 + $1 % 40)); }
# Longer than tcp_user_timeout now and then.
action_target_silence() { packets target "$1" 1000 12000 100; }
action_kafka_silence() { packets kafka "$1" 1000 12000 100; }
action_source_silence() { packets source "$1" 1000 12000 100; }
