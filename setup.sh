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

  --native              the servers as processes of this machine (chosen by itself for now)
  --docker              the servers in containers: comes with a later release

Ports and passwords: .env. Downloads: .stack/ (or $REPLICATOR_STACK_DIR).
TEXT
}

# Commands that start or stop something run one at a time. flock stays outside (-o): servers must not inherit the lock.
locked() {
  local status=0
  if [ -z "${REPLICATOR_SETUP_LOCKED:-}" ]; then
    mkdir -p "$REPO_ROOT/.run"
    REPLICATOR_SETUP_LOCKED=1 flock -n -o -E 99 "$REPO_ROOT/.run/lock" "$REPO_ROOT/setup.sh" "$@" || status=$?
    [ "$status" -ne 99 ] || die "another ./setup.sh is at work here; wait for it or stop it"
    exit "$status"
  fi
}

mode=native
case ${1:-} in
  --native) shift ;;
  --docker) mode=docker; shift ;;
esac
[ "$mode" = native ] || die "--docker comes with a later release; ./setup.sh --native runs the same without containers"

command=${1:-up}
[ $# -eq 0 ] || shift
demo_environment "$command"
case $command in
  up | down | reset) [ $# -eq 0 ] || { usage >&2; exit 2; } ;;&
  up) locked up; . "$STACK_LIB/up.sh"; up_all ;;
  down) locked down; . "$STACK_LIB/down.sh"; down_all ;;
  reset) locked reset; . "$STACK_LIB/down.sh"; reset_all ;;
  status) . "$STACK_LIB/status.sh"; status_all || exit 1 ;;
  logs) . "$STACK_LIB/status.sh"; logs_show "$@" ;;
  demo) . "$STACK_LIB/tour.sh"; tour_command "$@" ;;
  load) . "$STACK_LIB/load.sh"; load_command "$@" ;;
  test) . "$STACK_LIB/packages.sh"; packages_ensure test "$@"; exec "$REPO_ROOT/tests/run" "$@" ;;
  bench) . "$STACK_LIB/packages.sh"; packages_ensure test; exec "$REPO_ROOT/bench/run" "$@" ;;
  -h | --help | help) usage ;;
  *) usage >&2; exit 2 ;;
esac
