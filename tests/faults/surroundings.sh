# shellcheck shell=bash disable=SC2034
# Cases about what is around the daemons: the network, disks, the clock, further instances.

# mark_within SECONDS: a transaction of its own is in the target in time.
mark_within() {
  local n
  n=$(case_mark)
  wait_until "$1" caught_up "$n" || die "the target is at $(target_ask 'SELECT n FROM counter') of $n after $1 s: $(tail -qn 1 "$T"/d*/log | tr '\n' ' ')"
}

# timed WHAT COMMAND…: says how long it took.
timed() {
  local began
  began=$(date +%s%3N)
  "${@:2}"
  echo "figure $1: $(($(date +%s%3N) - began)) ms"
}

log_says() { grep -aq "$1" "$T"/d*/log; }
epoch() { target_ask 'SELECT epoch FROM replicator.stream'; }

# Half-open connections to the target, either end gone, and a network that swallows packets for longer than tcp_user_timeout.
case_half_open() {
  local before
  case_begin
  proxy_order target lost client
  timed "the daemon's end is gone, the server does not know" mark_within 30
  proxy_order target open
  mark_within 30
  before=$(epoch)
  proxy_order target lost server
  keeper_start 2
  timed "the server's end is gone, the daemon does not know, another one starts" mark_within 30
  [ "$(epoch)" -gt "$before" ] || die "nobody took over: the case tests nothing"
  proxy_order target open
  wait_until 30 grep -q '^7$' "$T/d1/exits" || die "the replaced instance goes on"
  proxy_order kafka torn 700
  case_mark
  sleep 2
  proxy_order kafka open
  mark_within 60
  if packets_can_be_lost; then
    packets_lost target 100
    case_mark
    sleep 8
    packets_lost target 0
    timed "packets to the target came through again" mark_within 60
    log_says 'cannot connect\|connection .*lost\|closed the connection' || die "the connection to the target was never given up: the case tests nothing"
    packets_lost kafka 100
    case_mark
    sleep 8
    packets_lost kafka 0
    timed "packets to the broker came through again" mark_within 60
  else
    warn "no packets are lost: that needs root and nft"
  fi
  case_equal 60
  seed_exits
}

# The target's disk is full: tried again until there is room. The spill folder's is: the daemon stops and says so, and goes on
# where it was once there is room.
case_full_disk() {
  disks_can_be_made || { warn "no disk gets full: that needs root, loop devices and mkfs.ext4"; return 0; }
  PLAN_DISKS=1
  case_begin
  disk_fill tables
  source_sql -c "INSERT INTO wide SELECT nextval('wide_id'), repeat(md5(g::text), 100), g FROM generate_series(1, 3000) g"
  want=$(case_mark)
  wait_until 30 log_says 'No space left on device' || die "the disk was not full: the case tests nothing"
  sleep 1
  "$REPLICATOR" status -c "$T/replicator.conf" >"$T/status" || true
  caught_up "$want" && die "the target took what it has no room for"
  [ ! -e "$T/d1/exits" ] || die "the daemon left"
  disk_room tables
  timed "there is room in the target again" mark_within 60
  rows_equal
  disk_fill spill
  big_transaction 30000
  wait_until 60 grep -q '^8$' "$T/d1/exits" || die "the daemon did not stop at a full spill_dir: the case tests nothing"
  log_says "exit code 8.*spill_dir $WORK/spill: .*No space left on device.*make room" || die "it does not say why: $(grep -ah 'exit code' "$T/d1/log" | tail -n 1)"
  disk_room spill
  timed "there is room in spill_dir again" mark_within 60
  case_equal 60
  seed_exits
}

# The wall clock jumps by minutes: what waits goes by the monotonic one.
case_clock() {
  local before offset
  PLAN_CLOCK=1 DAEMON_EXTRA="status = { port = $STATUS_PORT; };"
  case_begin
  keeper_start 2
  wait_until 20 log_says 'waiting to take over' || die "the second instance does not wait"
  before=$(epoch)
  for offset in +600 -600 +3 -1800 +0; do
    clock_jump "$offset"
    sleep 1.5
    mark_within 10
    sleep 1
    target_says 'SELECT clock_timestamp() - heartbeat_at < interval $$5 s$$ FROM replicator.stream' t || die "no sign of life after the clock jumped to $offset"
    # Nothing waits, so there is no lag, whatever the clock says.
    wait_until 10 no_lag || die "lag $(daemon_lag) s after the clock jumped to $offset, with nothing waiting"
  done
  # librdkafka's threads wait until a time of that clock, and nothing comes that wakes them.
  kafka_stop "$WORK/kafka"
  wait_until 20 log_says 'brokers are down' || die "the daemon does not say that the broker is away"
  clock_jump -900
  sleep 2
  kafka_up
  mark_within 60
  clock_jump +0
  grep -ahoE '^20[0-9:T-]+' "$T"/d*/log | sort | sed -n '1p;$p' | xargs echo "clocks of the log:"
  [ "$(epoch)" = "$before" ] || die "a jump of the clock made another instance take over"
  [ ! -e "$T/d1/exits" ] && [ ! -e "$T/d2/exits" ] || die "a daemon left"
  case_equal
  seed_exits
}
daemon_lag() { curl -fsS -m 5 "http://127.0.0.1:$STATUS_PORT/status.json" | jq '.lag_seconds'; }
no_lag() { [ "$(daemon_lag | cut -d. -f1)" = 0 ]; }

# A daemon that is asked to end does, also while Kafka does not answer it or is away; the next one goes on. The offsets for lag
# tools are published every 5 s: they are on their way then.
case_asked_to_end() {
  case_begin
  mark_within 30
  proxy_order kafka stall
  sleep 6
  timed "asked to end while Kafka did not answer" ends_within 20
  proxy_order kafka open
  mark_within 60
  kafka_stop "$WORK/kafka"
  sleep 6
  timed "asked to end while Kafka was away" ends_within 20
  kafka_up
  mark_within 60
  case_equal
  seed_exits
}
ends_within() {
  local pid
  pid=$(cat "$T/d1/daemon.pid")
  kill -TERM "$pid"
  wait_until "$1" gone "$pid" || die "asked to end, it did not for $1 s: $(tail -n 1 "$T/d1/log")"
}

# Three at the same time, and a fourth for a while; whichever is killed or stopped, one of the others goes on, and one alone writes.
case_three_instances() {
  local round holder
  PLAN_INSTANCES=3
  case_begin
  for round in 1 2 3 4 5 6; do
    wait_until 30 two_wait || die "not two instances wait"
    mark_within 20
    holder=$(target_ask "SELECT split_part(instance, ':', 2) FROM replicator.stream")
    case $round in
      1 | 4) kill -KILL "$holder" ;;
      2 | 5) kill -STOP "$holder" ;;
      3) action_another_instance 4 ;;
      6) for holder in "$T"/d[12]/daemon.pid; do kill -KILL "$(cat "$holder")"; done ;;
    esac
    timed "round $round: the next transaction" mark_within 40
    [ $((round % 3)) != 2 ] || kill -CONT "$holder"
  done
  case_equal
  seed_exits
}

# Two sessions beside the holder's ask for the stream.
two_wait() {
  [ "$(target_ask "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'replicator' AND query LIKE '%advisory%'" 2>/dev/null)" -ge 2 ]
}
