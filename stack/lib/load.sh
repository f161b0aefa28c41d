# shellcheck shell=bash
# `load`: random changes in the source, by pgbench and the scripts in stack/load.

# load_run RATE SECONDS [pgbench's arguments…]: transactions on four connections, weighted.
load_run() {
  local rate=$1 seconds=$2 bin
  shift 2
  bin=$(pg_bindir) || return 1
  PGPASSWORD=$POSTGRES_PASSWORD "$bin/pgbench" -n -M prepared -h 127.0.0.1 -p "$SOURCE_PORT" -U postgres -c 4 -j 1 \
    -R "$rate" -T "$seconds" -f "$REPO_ROOT/stack/load/order.pgbench@6" -f "$REPO_ROOT/stack/load/ship.pgbench@2" \
    -f "$REPO_ROOT/stack/load/visitor.pgbench@1" -f "$REPO_ROOT/stack/load/leave.pgbench@1" "$@" source
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
  note "compare with: bin/check_target -c ${DEMO_CONF#"$REPO_ROOT/"}"
}
