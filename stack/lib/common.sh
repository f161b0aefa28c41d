# shellcheck shell=bash
# What every script of the stack shares: where things lie, how it speaks, waiting and ports.
# Sourced, never run. Nothing here starts a process or changes a file; it sets the locale, the umask and no_proxy.

# The user's locale would change what is parsed here: a decimal comma from awk and EPOCHREALTIME, translated messages, the order of sort.
export LC_ALL=C.UTF-8
unset LANGUAGE
# All servers are on 127.0.0.1, where a proxy of the network does not reach them.
export no_proxy=127.0.0.1,localhost${no_proxy:+,$no_proxy} NO_PROXY=127.0.0.1,localhost${NO_PROXY:+,$NO_PROXY}
# PostgreSQL may run as another user, who has to reach its folder. Files with passwords set a mask of their own.
umask 022

STACK_LIB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO_ROOT=$(cd "$STACK_LIB/../.." && pwd)
STACK_DIR=${REPLICATOR_STACK_DIR:-$REPO_ROOT/.stack}

if [ -t 1 ]; then BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' GREEN=$'\e[32m' PLAIN=$'\e[0m'
else BOLD='' DIM='' RED='' GREEN='' PLAIN=''; fi

say()  { printf '%s\n' "$*"; }
step() { printf '%s==>%s %s\n' "$BOLD" "$PLAIN" "$*"; }
note() { printf '    %s%s%s\n' "$DIM" "$*" "$PLAIN"; }
good() { printf '    %s%s%s\n' "$GREEN" "$*" "$PLAIN"; }
warn() { printf '%swarning:%s %s\n' "$RED" "$PLAIN" "$*" >&2; }
fail() { printf '%serror:%s %s\n' "$RED" "$PLAIN" "$*" >&2; return 1; }
die()  { printf '%serror:%s %s\n' "$RED" "$PLAIN" "$*" >&2; exit 1; }

# services_home NAME: prints the folder for the data of one set of servers. PostgreSQL refuses to run as root, and the
# user it runs as instead cannot reach into /root; so root's data lies under /var/lib, anybody else's in the clone.
services_home() {
  if [ -n "${REPLICATOR_RUN_DIR:-}" ]; then echo "$REPLICATOR_RUN_DIR/$1"
  elif [ "$EUID" -eq 0 ]; then echo "/var/lib/replicator-$1"
  else echo "$REPO_ROOT/.run/$1"; fi
}

# wait_until SECONDS COMMAND…: runs the command five times a second until it succeeds; 1 when the time has passed.
wait_until() {
  local deadline=$((SECONDS + $1)); shift
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.2
  done
}

# port_holder PORT: prints "name (pid N)" of the process that listens there; 1 when the port is free.
# Read from /proc, so that it works where neither ss nor lsof is installed.
port_holder() {
  local hex inode fd pid comm=''
  hex=$(printf '%04X' "$1")
  inode=$(awk -v port=":$hex" '$4 == "0A" && substr($2, length($2) - 4) == port { print $10; exit }' \
    /proc/net/tcp /proc/net/tcp6 2>/dev/null)
  [ -n "$inode" ] || return 1
  fd=$(find /proc/[0-9]*/fd -maxdepth 1 -lname "socket:\\[$inode\\]" -print -quit 2>/dev/null || true)
  if [ -z "$fd" ]; then echo "a process of another user"; return 0; fi
  pid=${fd#/proc/}; pid=${pid%%/*}
  # One that ends just now has no name any more, and its port is free in a moment.
  { comm=$(<"${PROC:-/proc}/$pid/comm"); } 2>/dev/null || true
  if [ -n "$comm" ]; then echo "$comm (pid $pid)"; else echo "a process of another user"; fi
}

# port_require PORT WHAT: fails, and says who is in the way, when something listens there already.
# A holder without a face may be a process on its way out (kill -9 of a large JVM takes a while): it gets ten seconds.
port_require() {
  local holder patience=20
  while holder=$(port_holder "$1") && [ "$holder" = "a process of another user" ] && [ $((patience--)) -gt 0 ]; do
    sleep 0.5
  done
  if holder=$(port_holder "$1"); then
    fail "port $1, wanted for $2, is taken by $holder; stop that process or choose another port in .env"
  fi
}
