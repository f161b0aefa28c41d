# shellcheck shell=bash
# PostgreSQL clusters of our own: initdb, start, stop, psql. They run as PG_OS_USER (postgres) when root starts them
# and as the caller otherwise; superuser `postgres` with PG_PASSWORD, scram over TCP, no Unix socket at all (a
# socket's path has a length limit, and a folder that everybody may reach is one more thing to find).

PG_OS_USER=${PG_OS_USER:-postgres}
PG_PASSWORD=${PG_PASSWORD:-postgres}

# pg_bindir [MAJOR]: prints the folder with initdb and postgres: PG_BINDIR, else Debian's of that version (or the
# newest), else the one on PATH.
pg_bindir() {
  local candidate
  if [ -n "${PG_BINDIR:-}" ]; then echo "$PG_BINDIR"; return; fi
  # shellcheck disable=SC2086
  candidate=$(printf '%s\n' /usr/lib/postgresql/${1:-*}/bin/initdb | sort -V | tail -n 1)
  [ -x "$candidate" ] || candidate=$(command -v initdb) || { fail "no PostgreSQL server programs (initdb) found"; return 1; }
  dirname "$(readlink -f "$candidate")"
}

# pg_fetch MAJOR: prints the folder with the programs of that version: Debian's where they are installed, else those of
# stack/postgres-MAJOR, fetched (these have no PostGIS).
pg_fetch() {
  local home=$STACK_DIR/postgres-$1
  if [ -x "/usr/lib/postgresql/$1/bin/initdb" ]; then echo "/usr/lib/postgresql/$1/bin"; return; fi
  [ -e "$REPO_ROOT/stack/postgres-$1/pom.xml" ] || { fail "there is no PostgreSQL $1 here, nor in stack/"; return 1; }
  artifacts_fetch "postgres-$1" "$home" || return 1
  (
    flock 8
    [ -x "$home/server/bin/initdb" ] && exit 0
    rm -rf "$home/partial"
    mkdir "$home/partial"
    unzip -p "$home"/*.jar postgres-linux-x86_64.txz | tar -xJf - -C "$home/partial" && mv "$home/partial" "$home/server"
  ) 8>"$STACK_DIR/.lock" || return 1
  echo "$home/server/bin"
}

# pg_as COMMAND…: runs it as the user that owns the clusters, from a folder which that user may be in.
pg_as() (
  cd / || exit 1
  if [ "$EUID" -eq 0 ]; then exec runuser -u "$PG_OS_USER" -- "$@"; fi
  exec "$@"
)

# pg_pid DIR: prints the postmaster's pid. It is believed when the process stands in this very data folder.
pg_pid() {
  local pid=''
  { read -r pid <"$1/data/postmaster.pid"; } 2>/dev/null || true
  [ -n "$pid" ] && [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$(readlink -f "$1/data")" ] || return 1
  echo "$pid"
}

# pg_start DIR PORT [name=value…]: starts the cluster in DIR/data, made first if there is none. The settings are
# written anew at each start and override our own; a cluster that runs with others is restarted.
pg_start() {
  local dir port=$2 bin settings
  dir=$(readlink -m "$1")
  shift 2
  settings=$(pg_settings "$port" "$@")
  if pg_pid "$dir" >/dev/null; then
    [ "$settings" = "$(cat "$dir/data/replicator-stack.conf")" ] && return 0
    pg_stop "$dir" || return 1
  fi
  port_require "$port" "PostgreSQL in $dir" || return 1
  [ -e "$dir/data/.initialized" ] || pg_create "$dir" || return 1
  bin=$(pg_bindir "$(cat "$dir/data/PG_VERSION")") || return 1
  pg_as tee "$dir/data/replicator-stack.conf" <<<"$settings" >/dev/null || return 1
  rm -f "$dir/data/postmaster.pid" # whoever it speaks of, it is not this cluster's postmaster: pg_pid looked
  [ ! -e "$dir/log" ] || mv -f "$dir/log" "$dir/log.1"
  if ! pg_as "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -s -w -t 60 start </dev/null >/dev/null 2>&1; then
    process_blame "$dir" "PostgreSQL in $dir did not start"
    return 1
  fi
}

# Makes the cluster. What a broken-off initdb left is thrown away: only a marked folder is one.
pg_create() {
  local dir=$1 bin pwfile
  bin=$(pg_bindir) || return 1
  mkdir -p "$dir"
  if [ "$EUID" -eq 0 ]; then
    id "$PG_OS_USER" >/dev/null 2>&1 || { fail "there is no user $PG_OS_USER to run PostgreSQL as (set PG_OS_USER)"; return 1; }
    chown "$PG_OS_USER" "$dir"
  fi
  pg_as test -w "$dir" || { fail "user $PG_OS_USER cannot reach $dir; choose a folder outside /root (see services_home)"; return 1; }
  rm -rf "$dir/data"
  pwfile=$(pg_as mktemp "$dir/pw.XXXXXX")
  printf '%s\n' "$PG_PASSWORD" >"$pwfile"
  if ! pg_as "$bin/initdb" -D "$dir/data" -U postgres --pwfile="$pwfile" -A scram-sha-256 -E UTF8 --no-locale --no-sync \
    >"$dir/initdb.log" 2>&1; then
    rm -f "$pwfile"
    fail "initdb failed:" || true
    tail -n 10 "$dir/initdb.log" >&2
    return 1
  fi
  rm -f "$pwfile"
  echo "include_if_exists = 'replicator-stack.conf'" >>"$dir/data/postgresql.conf"
  touch "$dir/data/.initialized"
}

pg_settings() {
  local port=$1 pair
  shift
  echo "# Written by stack/lib/postgres.sh at each start."
  for pair in "port=$port" listen_addresses=127.0.0.1 unix_socket_directories= wal_level=logical max_wal_senders=10 \
    max_replication_slots=10 max_wal_size=2GB 'log_line_prefix=%m [%p] %q%u@%d ' "$@"; do
    printf "%s = '%s'\n" "${pair%%=*}" "${pair#*=}"
  done
}

# pg_stop DIR: fast shutdown, killed after 60 s.
pg_stop() {
  local pid
  pid=$(pg_pid "$1") || return 0
  kill -INT "$pid" 2>/dev/null || true
  wait_until 60 pg_gone "$1" && return 0
  warn "PostgreSQL (pid $pid) did not stop in 60 s and is killed"
  kill -QUIT "$pid" 2>/dev/null || true
  wait_until 10 pg_gone "$1" || kill -KILL "$pid" 2>/dev/null || true
  wait_until 10 pg_gone "$1"
}

pg_gone() { ! pg_pid "$1" >/dev/null; }

# pg_psql PORT DATABASE [psql's arguments…]: psql as the superuser; stops at the first error.
pg_psql() {
  local port=$1 database=$2
  shift 2
  PGPASSWORD=$PG_PASSWORD psql -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$port" -U postgres -d "$database" "$@"
}
