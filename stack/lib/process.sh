# shellcheck shell=bash
# Background processes by pid file. A pid alone may be another's by now, so the file holds the pid and the start time
# of the process (field 22 of /proc/PID/stat), and only the pair is believed.

# process_entry PID FILE: prints the text of /proc/PID/FILE; 1 when the process has ended. When it ends between open and read, the
# text is empty and bash reports no error.
process_entry() {
  local text
  { text=$(<"${PROC:-/proc}/$1/$2"); } 2>/dev/null && [ -n "$text" ] || return 1
  printf '%s\n' "$text"
}

# process_stamp PID: prints its start time in clock ticks since boot; 1 when it has ended or is a zombie.
process_stamp() {
  local stat
  local -a field
  stat=$(process_entry "$1" stat) || return 1
  read -r -a field <<<"${stat##*) }"
  [ "${#field[@]}" -ge 20 ] && [[ ${field[0]} != [ZX] ]] || return 1
  echo "${field[19]}"
}

# process_peak_mb PID: prints the peak of its resident memory; 1 when it has ended or is a zombie.
process_peak_mb() {
  local status
  status=$(process_entry "$1" status) || return 1
  awk '$1 == "VmHWM:" { print int($2 / 1024); found = 1 } END { exit !found }' <<<"$status"
}

# process_cpu PID: prints the seconds of CPU time that it has used; 1 when it has ended.
process_cpu() {
  local stat
  stat=$(process_entry "$1" stat) || return 1
  awk -v hz="$(getconf CLK_TCK)" '{ print ($12 + $13) / hz }' <<<"${stat##*) }"
}

# process_record DIR PID: notes a process that was started by other means as the one of DIR.
process_record() { echo "$2 $(process_stamp "$2")" >"$1/pid"; }

# process_pid DIR: prints the pid of the live process that DIR/pid speaks of; 1 when there is none.
process_pid() {
  local pid='' stamp=''
  { read -r pid stamp <"$1/pid"; } 2>/dev/null || true
  [ -n "$pid" ] && [ -n "$stamp" ] && [ "$(process_stamp "$pid")" = "$stamp" ] || return 1
  echo "$pid"
}

# process_keep DIR FILE: takes DIR/FILE.new as the new DIR/FILE. 0 when the process runs and the two were equal: leave it
# running. 1 when it has to be started; if it ran with the old file it has been stopped.
process_keep() {
  if process_pid "$1" >/dev/null; then
    if cmp -s "$1/$2.new" "$1/$2"; then rm -f "$1/$2.new"; return 0; fi
    process_stop "$1" || true
  fi
  mv -f "$1/$2.new" "$1/$2"
  return 1
}

# process_spawn DIR COMMAND…: starts it in a session of its own, output to DIR/log (the last run's log is kept as
# log.1), pid in DIR/pid. Returns at once; whether the process does its job is the caller's question.
process_spawn() {
  local dir=$1; shift
  [ ! -e "$dir/log" ] || mv -f "$dir/log" "$dir/log.1"
  rm -f "$dir/pid" "$dir/pid.new"
  # The child itself writes its pid: under job control setsid forks, and $! would be the wrong one.
  # shellcheck disable=SC2016
  setsid bash -c 'echo $$ >"$0"; exec "$@"' "$dir/pid.new" "$@" >"$dir/log" 2>&1 </dev/null &
  disown
  wait_until 10 test -s "$dir/pid.new" || { fail "could not start $1"; return 1; }
  process_record "$dir" "$(cat "$dir/pid.new")" || true
  rm -f "$dir/pid.new"
}

# process_await DIR SECONDS WHAT COMMAND…: waits until the command succeeds; fails with the end of the log when the
# process died or the time has passed.
process_await() {
  local dir=$1 deadline=$((SECONDS + $2)) what=$3; shift 3
  until "$@"; do
    process_pid "$dir" >/dev/null || { process_blame "$dir" "$what stopped while starting"; return 1; }
    [ "$SECONDS" -lt "$deadline" ] || { process_blame "$dir" "$what did not answer in time"; return 1; }
    sleep 0.2
  done
}

process_blame() {
  fail "$2; the end of $1/log:" || true
  tail -n 15 "$1/log" >&2 || true
}

# process_stop DIR [SECONDS [SIGNAL]]: TERM, a wait (30 s), then KILL. Nothing to do is success.
process_stop() {
  local pid
  if pid=$(process_pid "$1"); then
    kill "-${3:-TERM}" "$pid" 2>/dev/null || true
    if ! wait_until "${2:-30}" process_gone "$1"; then
      warn "pid $pid did not stop in ${2:-30} s and is killed"
      kill -KILL "$pid" 2>/dev/null || true
      wait_until 10 process_gone "$1" || { fail "pid $pid cannot be killed"; return 1; }
    fi
  fi
  rm -f "$1/pid"
}

process_gone() { ! process_pid "$1" >/dev/null; }
