# shellcheck shell=bash
# `load`: random changes in the source, by pgbench and the scripts in stack/load.

# load_run RATE SECONDS [pgbench's arguments…]: transactions on four connections, weighted.
load_run() {
  local rate=$1 seconds=$2
  shift 2
  demo_pgbench -n -M prepared -c 4 -j 1 -R "$rate" -T "$seconds" -f "$LOAD_SCRIPTS/order.pgbench@6" \
    -f "$LOAD_SCRIPTS/ship.pgbench@2" -f "$LOAD_SCRIPTS/visitor.pgbench@1" -f "$LOAD_SCRIPTS/leave.pgbench@1" "$@"
}

# load_command [--rate N] [--seconds S]
load_command() {
  local rate=100 seconds=30
  while [ $# -gt 0 ]; do
    case $1 in
      --rate) rate=${2:-}; shift 2 || break ;;
      --seconds) seconds=${2:-}; shift 2 || break ;;
      *) die "load knows --rate N and --seconds S" ;;
    esac
  done
  [[ $rate =~ ^[1-9][0-9]*$ && $seconds =~ ^[1-9][0-9]*$ ]] || die "load wants whole numbers: --rate N --seconds S"
  demo_required
  step "$rate transactions a second for $seconds s"
  load_run "$rate" "$seconds" -P 5 2>&1 | grep --line-buffered -E '^progress|^number of transactions|^number of failed|error:' ||
    die "pgbench failed"
  note "compare with: $CHECK_TARGET_HINT"
}
