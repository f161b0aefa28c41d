# shellcheck shell=bash
# Processes that end while their entry in /proc is read.

# A process that ends between open and read has an empty entry: PROC has one of those, a zombie, and a process that lives.
entries_make() {
  PROC=$WORK/proc
  mkdir -p "$PROC/4" "$PROC/5" "$PROC/6"
  : >"$PROC/4/stat"
  : >"$PROC/4/status"
  : >"$PROC/4/comm"
  echo '5 (a) b) Z 1 5 5 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 777 0 0' >"$PROC/5/stat"
  printf 'Name:\ta) b\nState:\tZ (zombie)\n' >"$PROC/5/status"
  echo '6 (a) b) S 1 6 6 0 -1 4 0 0 0 0 150 50 0 0 20 0 1 0 777 0 0' >"$PROC/6/stat"
  printf 'Name:\ta) b\nVmHWM:\t  20480 kB\n' >"$PROC/6/status"
}

test_process_that_ends_while_it_is_read() {
  local helper pid
  entries_make
  for helper in process_stamp process_peak_mb process_cpu; do
    for pid in 3 4 5; do
      [ "$helper $pid" != 'process_cpu 5' ] || continue # a zombie still has its times
      expect "$helper $pid" "$("$helper" "$pid" 2>&1 || echo "status $?")" 'status 1'
    done
  done
  expect 'the start time' "$(process_stamp 6)" 777
  expect 'the peak' "$(process_peak_mb 6)" 20
  expect 'the CPU time' "$(process_cpu 6)" "$(awk -v hz="$(getconf CLK_TCK)" 'BEGIN { print 200 / hz }')"
}

test_process_pid_of_a_folder() {
  local dir=$WORK/folder pid
  mkdir -p "$dir"
  expect 'no file' "$(process_pid "$dir" 2>&1 || echo none)" none
  sleep 60 &
  pid=$!
  process_record "$dir" "$pid"
  expect 'a process that lives' "$(process_pid "$dir")" "$pid"
  kill -KILL "$pid"
  wait "$pid" || true
  expect 'a process that has ended' "$(process_pid "$dir" 2>&1 || echo none)" none
  process_record "$dir" "$pid"
  expect 'a process that ended before it was recorded' "$(process_pid "$dir" 2>&1 || echo none)" none
}

# The process that holds a port ends while its name is read.
test_port_holder_that_ends() {
  local port=${REPLICATOR_TEST_DSN#*port=} pid
  port=${port%% *}
  [[ $(port_holder "$port") =~ ^postgres\ \(pid\ ([0-9]+)\)$ ]] || die "the port's holder is $(port_holder "$port")"
  pid=${BASH_REMATCH[1]}
  PROC=$WORK/nothing
  expect 'a holder that has ended' "$(port_holder "$port" 2>&1)" 'a process of another user'
  mkdir -p "$PROC/$pid"
  : >"$PROC/$pid/comm"
  expect 'a holder that ends' "$(port_holder "$port" 2>&1)" 'a process of another user'
}
