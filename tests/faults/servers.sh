# shellcheck shell=bash disable=SC2034
# The servers of the fault runs.
#
# The target is one of two clusters, target-1 and target-2; the file WORK/primary says which. The other one is there only while
# a seed wants a standby, and a promotion makes it the primary. Whoever asks the target names both: libpq takes the one that
# writes.

servers_start() {
  echo 1 >"$WORK/primary"
  source_up && target_up && kafka_up && connect_up
  network_start
  cluster_prepare "$SOURCE_PORT" source
  cluster_prepare "${TARGET_PORTS[1]}" target
}

servers_stop() {
  local dir
  network_stop
  connect_stop "$WORK/connect"
  kafka_stop "$WORK/kafka"
  for dir in source source-2 target-1 target-2; do pg_stop "$WORK/$dir"; done
}

source_up() { pg_start "$WORK/source" "$SOURCE_PORT" fsync=off max_replication_slots=20 max_wal_senders=20; }
# Clients that come through the proxy are sent to it again: it is what its listener advertises.
kafka_up() {
  kafka_start "$WORK/kafka" "$KAFKA_PORT" \
    "listeners=PLAINTEXT://127.0.0.1:$KAFKA_PORT,PROXIED://127.0.0.1:$KAFKA_PROXIED_PORT,CONTROLLER://127.0.0.1:$((KAFKA_PORT + 1))" \
    "advertised.listeners=PLAINTEXT://127.0.0.1:$KAFKA_PORT,PROXIED://127.0.0.1:$PROXY_KAFKA_PORT" \
    "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT" \
    inter.broker.listener.name=PLAINTEXT
}
connect_up() { connect_start "$WORK/connect" "$CONNECT_PORT" "$BROKER" offset.flush.interval.ms=2000; }

# --- the target -----------------------------------------------------------------------------------------------------

primary() { cat "$WORK/primary"; }
source_dir() { echo "$WORK/source"; }
target_dir() { echo "$WORK/target-$(primary)"; }
target_up() { target_start "$(primary)"; }
# A lazy WAL writer: what was committed without waiting is lost at a crash.
target_start() { pg_start "$WORK/target-$1" "${TARGET_PORTS[$1]}" fsync=off wal_writer_delay=2s max_connections=60 wal_keep_size=512MB; }

target_psql() { # DATABASE ARGUMENTS…
  PGPASSWORD=$PG_PASSWORD psql -X -q -v ON_ERROR_STOP=1 \
    "host=$PG_HOST,$PG_HOST port=${TARGET_PORTS[1]},${TARGET_PORTS[2]} target_session_attrs=read-write user=postgres dbname=$1" "${@:2}"
}
target_sql() { target_psql "$NAME" "$@"; }

# What the DSN of the daemon says about where the target is.
target_hosts() {
  if [ "$PLAN_STANDBY" = 1 ]; then echo "host=$PG_HOST,$PG_HOST port=${PROXY_TARGET_PORTS[1]},${PROXY_TARGET_PORTS[2]} target_session_attrs=read-write"
  else echo "host=$PG_HOST port=${PROXY_TARGET_PORTS[$(primary)]}"; fi
}

standby_end() {
  pg_stop "$WORK/target-$((3 - $(primary)))"
  rm -rf "$WORK/target-$((3 - $(primary)))"
}

# A streaming standby of the primary, made anew; again when the primary went away meanwhile.
standby_make() { wait_until 60 standby_copy && target_start $((3 - $(primary))); }
standby_copy() {
  local dir
  dir=$WORK/target-$((3 - $(primary)))
  standby_end && mkdir "$dir" || return 1
  [ "$EUID" -ne 0 ] || chown "$PG_OS_USER" "$dir"
  PGPASSWORD=$PG_PASSWORD pg_as "$(pg_bindir)/pg_basebackup" -h $PG_HOST -p "${TARGET_PORTS[$(primary)]}" -U postgres -D "$dir/data" \
    -R -X stream -c fast --no-sync
}

standby_psql() { pg_psql "${TARGET_PORTS[3 - $(primary)]}" postgres "$@"; }
standby_streams() { [ "$(standby_psql -At -c "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'" 2>/dev/null)" = 1 ]; }

# From now on it lacks what the primary commits.
standby_cut() {
  standby_psql -c "ALTER SYSTEM SET primary_conninfo = 'host=$PG_HOST port=1'" -c 'SELECT pg_reload_conf()' >/dev/null
  wait_until 10 standby_receives_nothing || fail "the standby still receives"
}
standby_receives_nothing() { ! standby_streams; }

# The standby becomes the primary; the old one, should it still run, is nobody's then.
standby_promote() {
  [ "$(standby_psql -At -c 'SELECT pg_promote(true, 60)')" = t ] || fail "the standby was not promoted" || return 1
  echo $((3 - $(primary))) >"$WORK/primary.new"
  mv "$WORK/primary.new" "$WORK/primary"
}

# cluster_kill DIR: the whole server dies at once.
cluster_kill() {
  local pid
  pid=$(pg_pid "$1") || return 0
  kill -QUIT "$pid" 2>/dev/null || true
  wait_until 20 pg_gone "$1" || kill -KILL "$pid"
  wait_until 10 pg_gone "$1"
}
