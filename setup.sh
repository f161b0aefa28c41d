#!/usr/bin/env bash
# The demo from nothing to a running pair of databases, and the tests. See usage below; the work is in stack/lib.
# shellcheck disable=SC1091
set -euo pipefail

. "$(dirname "$(readlink -f "$0")")/stack/lib/services.sh"
. "$STACK_LIB/demo.sh"

# A command that fails where nobody expected it must not end this without a word.
set -E
trap 'printf "setup.sh stopped at %s:%s: %s\n" "${BASH_SOURCE[0]}" "$LINENO" "$BASH_COMMAND" >&2' ERR

usage() {
  cat <<'TEXT'
usage: ./setup.sh [--native|--docker] [COMMAND]

  up                    install, build and start everything; run again: verify and report (the default)
  status                what runs, on which ports, and where the replicator stands
  demo                  a tour: insert, update, delete, transactions, with the times of each stage
  demo kill             kill -9 of the replicator under load, several times, then the proof that nothing is lost
  load [--rate N] [--seconds S]
                        random changes in the source: N transactions a second (100) for S seconds (30)
  logs [NAME] [-f]      the end of a log: replicator (default), source, target, kafka, connect
  down                  stop what up started; the data stays
  reset                 stop it and remove its data
  test [--all]          build and run the tests on servers and ports of their own
  bench                 the benchmark against PostgreSQL's own logical replication

  --native              the servers as processes of this machine
  --docker              the servers in containers; chosen by itself where a Docker engine answers
                        (status, down and the others follow what up did)

Ports and passwords: .env. Downloads: .stack/ (or $REPLICATOR_STACK_DIR), or the engine's images and volumes.
TEXT
}

# Commands that start or stop something run one at a time. flock stays outside (-o): servers must not inherit the lock.
locked() {
  local status=0
  if [ -z "${REPLICATOR_SETUP_LOCKED:-}" ]; then
    mkdir -p "$REPO_ROOT/.run"
    REPLICATOR_SETUP_LOCKED=1 flock -n -o -E 99 "$REPO_ROOT/.run/lock" "$REPO_ROOT/setup.sh" "--$mode" "$@" || status=$?
    [ "$status" -ne 99 ] || die "another ./setup.sh is at work here; wait for it or stop it"
    exit "$status"
  fi
}

# mode_choose: the mode of the demo that is there; for a new one, Docker where an engine answers.
mode_choose() {
  DEMO_MODE=$REPO_ROOT/.run/mode
  if [ -n "$mode" ]; then return 0
  elif [ -s "$DEMO_MODE" ]; then mode=$(cat "$DEMO_MODE")
  elif [ "$(cat "$(services_home demo)/clone" 2>/dev/null)" = "$REPO_ROOT" ]; then mode=native
  else
    . "$STACK_LIB/docker.sh"
    if docker_usable; then mode=docker; else mode=native; fi
  fi
}

# mode_load NATIVE-FILE: the verbs of the mode.
mode_load() {
  if [ "$mode" = docker ]; then
    . "$STACK_LIB/docker.sh"
    docker_environment
    docker_engine || exit 1
    [ "$1" != up ] || . "$STACK_LIB/docker_up.sh"
  else
    . "$STACK_LIB/$1.sh"
  fi
}

mode=
case ${1:-} in
  --native | --docker) mode=${1#--}; shift ;;
esac
command=${1:-up}
[ $# -eq 0 ] || shift
case $command in
  up | down | reset) [ $# -eq 0 ] || { usage >&2; exit 2; } ;;&
  up | down | reset | status | logs | demo | load) mode_choose ;;
esac
demo_environment "$command"
case $command in
  up) locked up; mode_load up; mkdir -p "$REPO_ROOT/.run"; echo "$mode" >"$DEMO_MODE"; up_all ;;
  down) locked down; mode_load down; down_all ;;
  reset) locked reset; mode_load down; reset_all; rm -f "$DEMO_MODE" ;;
  status) mode_load status; status_all || exit 1 ;;
  logs) mode_load status; logs_show "$@" ;;
  demo) . "$STACK_LIB/tour.sh"; mode_load load; tour_command "$@" ;;
  load) . "$STACK_LIB/load.sh"; mode_load load; load_command "$@" ;;
  test) . "$STACK_LIB/packages.sh"; packages_ensure test "$@"; exec "$REPO_ROOT/tests/run" "$@" ;;
  bench) . "$STACK_LIB/packages.sh"; packages_ensure test; exec "$REPO_ROOT/bench/run" "$@" ;;
  -h | --help | help) usage ;;
  *) usage >&2; exit 2 ;;
esac
