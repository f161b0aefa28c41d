# shellcheck shell=bash
# `down` and `reset`: only what up started, by pid.

down_all() {
  step "Stopping"
  down_one replicator process_pid replicator_stop
  down_one connect connect_pid connect_stop
  down_one kafka kafka_pid kafka_stop
  down_one target pg_pid pg_stop
  down_one source pg_pid pg_stop
}

# down_one NAME PID-FUNCTION STOP-FUNCTION
down_one() {
  local pid
  if ! pid=$("$2" "$DEMO_HOME/$1"); then note "$1 does not run"; return 0; fi
  "$3" "$DEMO_HOME/$1" || die "$1 (pid $pid) could not be stopped"
  good "$1 stopped"
}

reset_all() {
  down_all
  step "Removing the data in $DEMO_HOME"
  # Only a folder that up marked as its own is removed.
  [ ! -e "$DEMO_HOME/clone" ] || rm -rf "$DEMO_HOME"
  rm -f "$DEMO_CONF"
}
