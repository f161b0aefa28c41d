# shellcheck shell=bash
# The least rights, TLS to all four, secrets and row values that stay out of what is said, the hardened binary, the unit.

# The role of sql/target/role.sql is the one that all of these tests run with.
test_target_role() {
  local attempt
  for attempt in 1 2; do # twice: it may be run again
    REPLICATOR_PASSWORD=$TARGET_SECRET pg_psql "$TARGET_PORT" shop_copy -v role=shop_writer -v state=replicator -v schemas=public \
      -f "$REPO_ROOT/sql/target/role.sql"
  done
  replicator init target >"$WORK/said"
  prints 'replicator init target' 'schema replicator is there and up to date'
  [ "$(target_ask "SELECT count(*) FROM pg_class WHERE relowner = 'shop_writer'::regrole AND relnamespace <> 'replicator'::regnamespace AND relkind IN ('r', 'S')")" = 0 ]
  writer_cannot 'CREATE TABLE public.mine (i int)'
  writer_cannot 'CREATE SCHEMA mine'
  writer_cannot 'ALTER TABLE public.customers ADD COLUMN mine int'
  writer_cannot 'TRUNCATE public.customers'
  writer_cannot 'CREATE ROLE mine'
  # Names are looked up in no schema of the user's.
  [ "$(writer_psql -At -c 'SHOW search_path')" = '""' ]
  replicator check-config >"$WORK/said" 2>&1 || { cat "$WORK/said"; return 1; }
  says_not 'others may read'
  chmod 644 "$WORK/target_password"
  replicator check-config >"$WORK/said" 2>&1
  chmod 600 "$WORK/target_password"
  prints 'replicator check-config' 'warning: target.password_file: others may read or change'
}

writer_psql() { PGPASSWORD=$TARGET_SECRET psql -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$TARGET_PORT" -U shop_writer -d shop_copy "$@"; }
writer_cannot() { ! writer_psql -c "$1" 2>"$WORK/denied" || die "the role may: $1"; }

# configuration_with NAME SED…: a copy with changes.
configuration_with() {
  local name=$1
  shift
  sed "$@" "$WORK/replicator.conf" >"$WORK/$name.conf"
}

# The target over TLS with the server's name and authority verified; a wrong authority and a wrong password say what they are.
test_postgres_tls() {
  local tls="s|^target = .*|target = { dsn = \"host=localhost port=$TARGET_PORT dbname=shop_copy user=shop_writer sslmode=verify-full sslrootcert=$WORK/tls/AUTHORITY.pem\"; password_file = \"PASSWORD\"; };|"
  daemon_stop
  configuration_with tls_target -e "$tls" -e 's/AUTHORITY/ca/; s/PASSWORD/target_password/'
  daemon_start "$WORK/tls_target.conf"
  source_sql -c "INSERT INTO customers (name) VALUES ('over TLS $RUN')"
  await 20 'the row' target_says "SELECT count(*) FROM customers WHERE name = 'over TLS $RUN'" 1
  [ "$(target_ask "SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.application_name = 'replicator' AND s.ssl")" -ge 1 ]
  daemon_stop
  configuration_with tls_authority -e "$tls" -e 's/AUTHORITY/other/; s/PASSWORD/target_password/'
  refuses 3 "$REPLICATOR" status -c "$WORK/tls_authority.conf"
  says 'certificate verify failed'
  configuration_with tls_password -e "$tls" -e 's/AUTHORITY/ca/; s/PASSWORD/source_password/'
  refuses 4 "$REPLICATOR" status -c "$WORK/tls_password.conf"
  says 'password authentication failed for user "shop_writer"'
}

# pooler_start MODE: a real PgBouncer before both databases.
pooler_start() {
  local dir=$WORK/pooler
  process_stop "$dir" 10 || true
  mkdir -p "$dir"
  printf '"%s" "%s"\n' shop_writer "$TARGET_SECRET" shop_reader "$SOURCE_SECRET" >"$dir/users"
  cat >"$dir/pooler.ini" <<CONF
[databases]
shop = host=127.0.0.1 port=$SOURCE_PORT
shop_copy = host=127.0.0.1 port=$TARGET_PORT
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $POOLER_PORT
unix_socket_dir =
auth_type = trust
auth_file = $dir/users
pool_mode = $1
CONF
  chmod 755 "$dir"
  chmod 644 "$dir/users" "$dir/pooler.ini"
  if [ "$EUID" -eq 0 ]; then process_spawn "$dir" "$(command -v pgbouncer)" -u "$PG_OS_USER" "$dir/pooler.ini"
  else process_spawn "$dir" "$(command -v pgbouncer)" "$dir/pooler.ini"; fi
  process_await "$dir" 20 PgBouncer pooled_psql -c 'SELECT 1'
}

pooled_psql() { psql -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$POOLER_PORT" -U shop_writer -d shop_copy "$@" >"$WORK/pooled"; }

# The sessions that the pooler gives to other applications are as they were.
pooled_sessions_are_clean() {
  pooled_psql -At -c "SELECT current_setting('session_replication_role'), current_setting('IntervalStyle'),
    current_setting('row_security'), current_setting('extra_float_digits'), current_setting('statement_timeout'),
    (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())"
  grep -qx 'origin|postgres|on|1|0|0' "$WORK/pooled" || { cat "$WORK/pooled"; die 'a pooled session was changed'; }
}

# Every program refuses a pooler in any mode, on both sides, before it sets anything.
test_pooler() {
  local mode verb
  configuration_with pooled_target -e "s|^target = .*|target = { dsn = \"host=127.0.0.1 port=$POOLER_PORT dbname=shop_copy user=shop_writer\"; };|"
  configuration_with pooled_source -e "s|^source = .*|source = { dsn = \"host=127.0.0.1 port=$POOLER_PORT dbname=shop user=shop_reader\"; };|"
  for mode in transaction session; do
    pooler_start "$mode"
    for verb in run status 'init target' 'quarantine list' 'quarantine retry' pause 'accept gap' 'schema public.customers'; do
      # shellcheck disable=SC2086
      refuses 3 "$REPLICATOR" $verb -c "$WORK/pooled_target.conf"
      says 'a connection pooler is between this program and PostgreSQL'
    done
    refuses 3 "$REPLICATOR" check-config -c "$WORK/pooled_target.conf"
    says 'let the DSN name host and port of PostgreSQL itself'
    refuses 3 "$REPLICATOR" check-config -c "$WORK/pooled_source.conf"
    says 'a connection pooler is between this program and PostgreSQL'
    refuses 2 "$CHECK_TARGET" -c "$WORK/pooled_target.conf"
    refuses 2 "$CHECK_TARGET" --repair -c "$WORK/pooled_source.conf"
    says 'source.dsn: database shop at 127.0.0.1:'
    refuses 3 "$REPLICATOR" table resync public.customers -c "$WORK/pooled_source.conf"
    says 'a connection pooler is between this program and PostgreSQL'
    pooled_sessions_are_clean
    PGOPTIONS='-c DateStyle=German' refuses 3 "$REPLICATOR" status -c "$WORK/pooled_target.conf"
    says 'unsupported startup parameter: options'
    says 'a connection pooler answered'
  done
  process_stop "$WORK/pooler" 10
}

# Kafka over TLS with a password, as librdkafka's own properties: SCRAM. A library that cannot (before 2.6.1) says so, and PLAIN
# carries the rows; then a newer one, put before it, must do SCRAM.
test_kafka_tls() {
  local mechanism=SCRAM-SHA-512 newer=''
  local kafka="s|^kafka = .*|kafka = { brokers = \"localhost:$KAFKA_TLS_PORT\"; topic_prefix = \"shop\"; password_file = \"PASSWORD\"; properties = [ \"security.protocol=SASL_SSL\", \"sasl.mechanism=MECHANISM\", \"sasl.username=shop\", \"ssl.ca.location=$WORK/tls/AUTHORITY.pem\" ]; };|"
  kafka_command kafka.admin.ConfigCommand --alter --entity-type users --entity-name shop \
    --add-config "SCRAM-SHA-512=[password=$KAFKA_SECRET]"
  printf '%s\n' "$KAFKA_SECRET" >"$WORK/kafka_password"
  chmod 600 "$WORK/kafka_password"
  daemon_stop
  configuration_with tls_kafka -e "$kafka" -e "s/AUTHORITY/ca/; s/\"PASSWORD\"/\"kafka_password\"/; s/MECHANISM/$mechanism/"
  if ! "$REPLICATOR" topics -c "$WORK/tls_kafka.conf" >"$WORK/said" 2>&1; then
    says 'this librdkafka is older than 2.6.1 and cannot do SCRAM with Kafka 4'
    newer=$(librdkafka_newer)
    LD_PRELOAD=$newer "$REPLICATOR" topics -c "$WORK/tls_kafka.conf" >"$WORK/said"
    says 'shop.public.customers'
    LD_PRELOAD=$newer daemon_start "$WORK/tls_kafka.conf"
    source_sql -c "INSERT INTO customers (name) VALUES ('over SCRAM $RUN')"
    await 20 'the row' target_says "SELECT count(*) FROM customers WHERE name = 'over SCRAM $RUN'" 1
    daemon_stop
    configuration_with scram_password -e "$kafka" -e "s/AUTHORITY/ca/; s/\"PASSWORD\"/\"source_password\"/; s/MECHANISM/$mechanism/"
    refuses 4 env "LD_PRELOAD=$newer" "$REPLICATOR" topics -c "$WORK/scram_password.conf"
    says 'Kafka refuses the login'
    mechanism=PLAIN
    configuration_with tls_kafka -e "$kafka" -e "s/AUTHORITY/ca/; s/\"PASSWORD\"/\"kafka_password\"/; s/MECHANISM/$mechanism/"
  fi
  daemon_start "$WORK/tls_kafka.conf"
  source_sql -c "INSERT INTO customers (name) VALUES ('over TLS and SASL $RUN')"
  await 20 'the row' target_says "SELECT count(*) FROM customers WHERE name = 'over TLS and SASL $RUN'" 1
  daemon_stop
  configuration_with tls_kafka_authority -e "$kafka" -e "s/AUTHORITY/other/; s/\"PASSWORD\"/\"kafka_password\"/; s/MECHANISM/$mechanism/"
  refuses 4 "$REPLICATOR" topics -c "$WORK/tls_kafka_authority.conf"
  says 'certificate verify failed'
  configuration_with tls_kafka_password -e "$kafka" -e "s/AUTHORITY/ca/; s/\"PASSWORD\"/\"source_password\"/; s/MECHANISM/$mechanism/"
  refuses 4 "$REPLICATOR" topics -c "$WORK/tls_kafka_password.conf"
  says 'Kafka refuses the login'
  says_not planted
}

# A librdkafka of a later version than Debian's, from the Python package that carries one: its path.
librdkafka_newer() {
  local found
  mkdir -p "$STACK_DIR/librdkafka"
  if ! found=$(compgen -G "$STACK_DIR/librdkafka/*/librdkafka-*.so.1"); then
    python3 -m pip download -q --no-deps --only-binary :all: --platform manylinux_2_28_x86_64 --python-version 3.11 --require-hashes \
      -r "$here/librdkafka.txt" -d "$STACK_DIR/librdkafka" >&2
    python3 -m zipfile -e "$STACK_DIR"/librdkafka/*.whl "$STACK_DIR/librdkafka"
    found=$(compgen -G "$STACK_DIR/librdkafka/*/librdkafka-*.so.1")
  fi
  printf '%s\n' "$found"
}

# Connect and the registry behind HTTPS and basic authentication.
test_connect_tls() {
  local connect="s|^connect = { url = [^;]*;|connect = { url = \"https://localhost:$DOOR_PORT\"; user = \"door\"; password_file = \"PASSWORD\"; ca_file = \"$WORK/tls/AUTHORITY.pem\";|"
  mkdir -p "$WORK/door"
  printf '%s\n' "$DOOR_SECRET" >"$WORK/door_password"
  chmod 600 "$WORK/door_password"
  process_spawn "$WORK/door" python3 "$here/door.py" "$DOOR_PORT" "$WORK/tls/server.pem" "$WORK/tls/server.key" door "$DOOR_SECRET" "$CONNECT_URL"
  await 10 'the door' curl -sk -o /dev/null "https://localhost:$DOOR_PORT/"
  configuration_with tls_connect -e "$connect" -e 's/AUTHORITY/ca/; s/"PASSWORD"/"door_password"/'
  "$REPLICATOR" connector status -c "$WORK/tls_connect.conf" >"$WORK/said"
  says 'task 0: RUNNING'
  configuration_with tls_connect_authority -e "$connect" -e 's/AUTHORITY/other/; s/"PASSWORD"/"door_password"/'
  refuses 3 "$REPLICATOR" connector status -c "$WORK/tls_connect_authority.conf"
  says 'certificate'
  configuration_with tls_connect_password -e "$connect" -e 's/AUTHORITY/ca/; s/"PASSWORD"/"source_password"/'
  refuses 4 "$REPLICATOR" connector status -c "$WORK/tls_connect_password.conf"
  says_not planted
  registry_tls
}

# The recorded Avro event of registry_down once more, its schema behind the door now.
registry_tls() {
  process_stop "$WORK/door" 10
  process_spawn "$WORK/door" python3 "$here/door.py" "$DOOR_PORT" "$WORK/tls/server.pem" "$WORK/tls/server.key" door "$DOOR_SECRET" "$WORK/schemas"
  await 10 'the door' curl -sk -o /dev/null "https://localhost:$DOOR_PORT/"
  sed "s|^registry = .*|registry = { url = \"https://localhost:$DOOR_PORT\"; user = \"door\"; password_file = \"door_password\"; ca_file = \"$WORK/tls/ca.pem\"; };|" \
    "$WORK/avro.conf" >"$WORK/avro_tls.conf"
  "$REPLICATOR" peek avro_only -c "$WORK/avro_tls.conf" >"$WORK/said"
  says 'public.no_pk_full'
  sed 's|door_password|source_password|' "$WORK/avro_tls.conf" >"$WORK/avro_wrong.conf"
  refuses 4 "$REPLICATOR" peek avro_only -c "$WORK/avro_wrong.conf"
  sed 's|tls/ca.pem|tls/other.pem|' "$WORK/avro_tls.conf" >"$WORK/avro_authority.conf"
  refuses 3 "$REPLICATOR" peek avro_only -c "$WORK/avro_authority.conf"
  says certificate
  process_stop "$WORK/door" 10
}

# Values of rows in what goes wrong with them: a constraint, a quarantine, an event that cannot be read, a schema change.
test_values_stay_out() {
  daemon_stop
  target_sql -c "ALTER TABLE notes ADD CONSTRAINT short CHECK (length(line) < 40)"
  source_sql -c "INSERT INTO notes (line) VALUES ('planted-row-value that is longer than forty characters')"
  printf 'on_error = "quarantine";\n' | cat "$WORK/replicator.conf" - >"$WORK/quarantine.conf"
  process_spawn "$WORK/daemon" "$REPLICATOR" run -c "$WORK/replicator.conf"
  await 20 'the stop' process_gone "$WORK/daemon"
  says 'constraint short' "$WORK/daemon/log"
  cat "$WORK/daemon/log" >>"$WORK/all.log"
  replicator status >>"$WORK/all.log" 2>&1
  daemon_start "$WORK/quarantine.conf"
  await 20 'the quarantine' target_says "SELECT count(*) FROM replicator.quarantine WHERE state = 'waiting'" 1
  replicator quarantine list >"$WORK/said"
  prints 'replicator quarantine list' 'constraint short'
  says_not planted-row-value
  source_sql -c "INSERT INTO notes (line) VALUES ('planted-row-value that is skipped, and is long enough, too')"
  await 20 'the quarantine' target_says "SELECT count(*) FROM replicator.quarantine WHERE state = 'waiting'" 2
  cp "$WORK/said" "$WORK/listed"
  replicator quarantine show 1 >"$WORK/said" # what was asked for
  prints 'replicator quarantine show ID' '"sqlstate": "23514"'
  says planted-row-value
  replicator quarantine skip 2 --reason 'made by hand' >"$WORK/said"
  prints 'replicator quarantine skip ID --reason TEXT' "$(head -n 1 "$WORK/said")"
  says_not planted-row-value
  target_sql -c 'ALTER TABLE notes DROP CONSTRAINT short'
  replicator quarantine retry >"$WORK/said"
  prints 'replicator quarantine retry' 'applied'
  { status_asks /status.json; status_asks /metrics; status_asks /; } >>"$WORK/all.log"
  daemon_stop
  # A value that the target's type refuses, and a message that is no event.
  target_sql -c 'ALTER TABLE notes ALTER COLUMN line TYPE int USING NULL'
  source_sql -c "INSERT INTO notes (line) VALUES ('planted-row-value')"
  process_spawn "$WORK/daemon" "$REPLICATOR" run -c "$WORK/replicator.conf"
  await 20 'the stop' process_gone "$WORK/daemon"
  says 'notes' "$WORK/daemon/log"
  cat "$WORK/daemon/log" >>"$WORK/all.log"
  target_sql -c 'ALTER TABLE notes ALTER COLUMN line TYPE text'
  daemon_start
  daemon_stop
  echo '{"payload":{"after":{"id":"planted-row-value"},"op":"c"' | kcat -P -b "$BROKER" -t shop.public.broken
  process_spawn "$WORK/daemon" "$REPLICATOR" run -c "$WORK/replicator.conf"
  await 30 'the stop' process_gone "$WORK/daemon"
  says 'shop.public.broken[0]@0' "$WORK/daemon/log"
  daemon_stop
  kafka_command org.apache.kafka.tools.TopicCommand --delete --topic shop.public.broken
}

# Neither the passwords nor the rows of these tests stand in anything that was said without being asked for; nor, while it
# runs, in the daemon's command line or environment.
test_secrets() {
  daemon_stop
  never grep -lE 'planted-[a-z]+-(secret|value)' "$WORK/all.log" "$WORK"/daemon/log* "$WORK"/*.output
  [ "$(grep -c 'exit code 5' "$WORK/all.log")" -ge 2 ] # the log that was looked through is the right one
  CREDENTIALS_DIRECTORY=$WORK sh -c 'exec "$0" status -c "$1"' "$REPLICATOR" "$WORK/replicator.conf" >"$WORK/said"
  says 'stream shop'
}

# The OpenSSF's flags in the built programs (of the sanitizers' build not).
test_hardening() {
  local program
  for program in "$REPLICATOR" "$CHECK_TARGET"; do
    readelf -hW "$program" >"$WORK/said"
    says 'DYN (Position-Independent Executable file)'
    readelf -lW "$program" >"$WORK/said"
    says GNU_RELRO
    grep -qE 'GNU_STACK .* RW ' "$WORK/said" || die 'an executable stack'
    readelf -dW "$program" >"$WORK/said"
    grep -qE 'BIND_NOW|Flags: NOW' "$WORK/said" || die 'bindings are not resolved at the start'
    never grep -qE 'R(UN)?PATH' "$WORK/said"
    readelf -sW --dyn-syms "$program" >"$WORK/said"
    says __stack_chk_fail
    grep -qE '__[a-z]+_chk@' "$WORK/said" || die 'no fortified calls'
    if [ "$(uname -m)" = x86_64 ]; then
      # The note of the whole program needs start files and libraries with it, which Debian 12 has not; its own code has.
      objdump -d --no-show-raw-insn "$program" >"$WORK/said"
      [ "$(grep -c endbr64 "$WORK/said")" -gt 100 ] || die 'no indirect branch tracking'
    fi
  done
}

# The unit is one that systemd takes, with a small surface; what it is told, by a socket in systemd's place.
test_systemd() {
  local unit=$WORK/unit/replicator.service
  daemon_stop
  mkdir -p "$WORK/unit"
  sed "s|/usr/local/bin/replicator|$REPLICATOR|" "$REPO_ROOT/stack/systemd/replicator.service" >"$unit"
  if command -v systemd-analyze >/dev/null; then
    systemd-analyze verify "$unit"
    systemd-analyze security --offline=true --threshold=15 "$unit" >"$WORK/said"
  else
    warn 'NOT CHECKED: the unit file (there is no systemd-analyze here)'
  fi
  # shellcheck disable=SC2016
  python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1])
while True: print(s.recv(4096).decode(), flush=True)' "$WORK/notify" >"$WORK/notified" &
  local listener=$!
  await 20 'the socket' test -S "$WORK/notify"
  mkdir -p "$WORK/daemon"
  NOTIFY_SOCKET=$WORK/notify WATCHDOG_USEC=1500000 process_spawn "$WORK/daemon" "$REPLICATOR" run -c "$WORK/replicator.conf"
  await 10 READY grep -qx READY=1 "$WORK/notified"
  await 20 'the status' grep -q '^STATUS=running, at commit LSN' "$WORK/notified"
  await 10 'the watchdog' grep -qx WATCHDOG=1 "$WORK/notified"
  daemon_stop
  await 20 STOPPING grep -qx STOPPING=1 "$WORK/notified"
  cp "$WORK/notified" "$WORK/said"
  prints 'Type=notify' READY=1 'STATUS=running, at commit LSN ' WATCHDOG=1 STOPPING=1
  kill "$listener"
  wait "$listener" || true
  rm -f "$WORK/notify"
}
