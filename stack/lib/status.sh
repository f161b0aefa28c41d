# shellcheck shell=bash
# `status` and `logs`.

# status_all: 0 when everything runs.
status_all() {
  local state=0
  printf '%-12s %-9s %8s %6s\n' server state pid port
  status_line source pg_pid "$SOURCE_PORT" || state=1
  status_line target pg_pid "$TARGET_PORT" || state=1
  status_line kafka kafka_pid "$KAFKA_PORT" || state=1
  status_line connect connect_pid "$CONNECT_PORT" || state=1
  status_line replicator process_pid - || state=1
  if connect_pid "$DEMO_HOME/connect" >/dev/null; then
    say "connector    $(connector_state "$CONNECT_URL" "$DEMO_CONNECTOR" | tr '[:upper:]' '[:lower:]')"
  fi
  if [ -x "$REPLICATOR" ] && [ -e "$DEMO_CONF" ] && pg_pid "$DEMO_HOME/target" >/dev/null; then
    say
    "$REPLICATOR" status -c "$DEMO_CONF" || state=1
  fi
  return "$state"
}

status_line() {
  local pid
  if pid=$("$2" "$DEMO_HOME/$1"); then printf '%-12s %-9s %8s %6s\n' "$1" running "$pid" "$3"
  else printf '%-12s %s\n' "$1" stopped; return 1; fi
}

# logs_show [NAME] [-f]
logs_show() {
  local name=replicator follow=() argument
  for argument in "$@"; do
    case $argument in
      -f) follow=(-F) ;;
      replicator | source | target | kafka | connect) name=$argument ;;
      *) die "logs knows replicator, source, target, kafka, connect and -f" ;;
    esac
  done
  [ -e "$DEMO_HOME/$name/log" ] || die "there is no log of $name yet ($DEMO_HOME/$name/log)"
  note "$DEMO_HOME/$name/log" >&2
  exec tail -n 50 "${follow[@]}" "$DEMO_HOME/$name/log"
}
