# shellcheck shell=bash
# `replicator connector`: the source is looked at before, each verb does what it says, no secret is shown.

# A source that lacks everything: each failure with the statement that mends it.
test_connector_refused() {
  pg_psql "$SOURCE_PORT" postgres -c 'CREATE DATABASE shop'
  pg_psql "$TARGET_PORT" postgres -c 'CREATE DATABASE shop_copy'
  source_sql -f "$here/shop.sql" -c "INSERT INTO customers (name) SELECT 'customer ' || g FROM generate_series(1, 50) g"
  target_sql -f "$here/shop.sql"
  configure
  refuses 3 replicator connector create
  prints 'replicator connector create (refused)' 'there is no role shop_reader'
  says "CREATE ROLE shop_reader LOGIN REPLICATION PASSWORD"
  pg_psql "$SOURCE_PORT" postgres -c "CREATE ROLE shop_reader LOGIN PASSWORD 'planted-source-secret'"
  source_sql -c "CREATE TYPE mood AS ENUM ('bad', 'good')" -c 'ALTER TABLE notes ADD m mood[], ADD g int GENERATED ALWAYS AS (length(line)) STORED'
  refuses 3 replicator connector create
  prints 'replicator connector create (refused)' 'ALTER ROLE shop_reader REPLICATION'
  says 'GRANT USAGE ON SCHEMA public TO shop_reader; GRANT SELECT ON public.customers TO shop_reader'
  says 'GRANT CREATE ON DATABASE shop TO shop_reader'
  says 'role shop_reader does not own table public.purchases'
  says 'ALTER TABLE public.notes REPLICA IDENTITY FULL'
  says 'warning: table public.notes has generated columns and a column of the enum public.mood'
  source_sql -c 'ALTER TABLE notes DROP m, DROP g; DROP TYPE mood'
  never grep -q 'problem.*public.notes has no primary key' "$WORK/said" # that one is a warning
  slots_fill
  refuses 3 replicator connector create
  prints 'replicator connector create (refused)' 'all 4 replication slots are in use'
  slots_free
  pg_stop "$WORK/source"
  pg_start "$WORK/source" "$SOURCE_PORT" fsync=off max_replication_slots=4 wal_level=replica
  refuses 3 replicator connector create
  prints 'replicator connector create (refused)' "ALTER SYSTEM SET wal_level = 'logical'"
  pg_start "$WORK/source" "$SOURCE_PORT" fsync=off max_replication_slots=4
}

slots_fill() {
  for slot in a b c d; do source_ask "SELECT pg_create_physical_replication_slot('full_$slot')" >/dev/null; done
}

slots_free() { source_ask "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name LIKE 'full_%'"; }

# From nothing but the configuration; the secret is in none of what is said.
test_connector_created() {
  source_sql -c 'ALTER ROLE shop_reader REPLICATION; GRANT SELECT ON ALL TABLES IN SCHEMA public TO shop_reader'
  refuses 3 replicator init source --role shop_reader --capture 'public.customers,public.purchases,public.notes'
  prints 'replicator init source --role ROLE --capture LIST (refused)' 'public.notes; give them a primary key, or have --identity-full'
  replicator init source --role shop_reader --capture 'public.customers,public.purchases,public.notes' --identity-full >"$WORK/said"
  prints 'replicator init source --role ROLE --capture LIST' 'publication shop_publication is there' 'schema replicator is there and up to date'
  replicator connector create --print >"$WORK/said"
  says '"database.password": "********"'
  prints 'replicator connector create --print' '"provide.transaction.metadata": "true"'
  says '"signal.data.collection": "replicator.signal"'
  replicator connector validate >"$WORK/said"
  prints 'replicator connector validate' 'Connect accepts the'
  replicator connector create >"$WORK/said"
  prints 'replicator connector create' 'connector shop is created'
  await 60 'connector RUNNING' connector_is RUNNING
  refuses 3 replicator connector create --no-checks
  says 'already exists'
  replicator connector config >"$WORK/said"
  prints 'replicator connector config' '"slot.name": "shop_slot"'
  never grep -q planted "$WORK/said"
}

test_connector_verbs() {
  replicator connector list >"$WORK/said"
  prints 'replicator connector list' 'io.debezium.connector.postgresql.PostgresConnector'
  grep -qE '^shop +RUNNING +1/1 +io.debezium' "$WORK/said"
  replicator connector status >"$WORK/said"
  prints 'replicator connector status' 'task 0: RUNNING'
  replicator connector pause >"$WORK/said"
  prints 'replicator connector pause' "$(head -n 1 "$WORK/said")"
  await 20 PAUSED connector_is PAUSED
  replicator connector resume >"$WORK/said"
  prints 'replicator connector resume' "$(head -n 1 "$WORK/said")"
  await 20 RUNNING connector_is RUNNING
  replicator connector restart >"$WORK/said"
  prints 'replicator connector restart' "$(head -n 1 "$WORK/said")"
  replicator connector restart --all
  await 30 RUNNING connector_is RUNNING
  replicator connector create --print | jq '.["poll.interval.ms"] = "5" | {name: "shop", config: .}' |
    jq '.config["database.password"] = "planted-source-secret"' >"$WORK/shop.json"
  replicator connector update "$WORK/shop.json" >"$WORK/said"
  prints 'replicator connector update FILE' 'poll.interval.ms: 10 → 5'
  await 30 RUNNING connector_is RUNNING
  jq '.config["snapshot.mode"] = "sometimes"' "$WORK/shop.json" >"$WORK/bad.json"
  refuses 3 replicator connector validate "$WORK/bad.json"
  says 'snapshot.mode'
  refuses 3 replicator connector status nobody
  says 'has no connector nobody'
  await 30 'an offset' offset_is_there
  prints 'replicator connector offsets' lsn
  replicator connector stop >"$WORK/said"
  prints 'replicator connector stop' "$(head -n 1 "$WORK/said")"
  await 20 STOPPED connector_is STOPPED
  replicator connector offsets --reset >"$WORK/said"
  prints 'replicator connector offsets --reset' 'have been reset successfully'
  ! offset_is_there || die 'there is still an offset'
  refuses 3 replicator connector delete --with-slot
  says 'no session reads the slot'
  replicator connector resume
  await 60 'a reader of the slot' slot_is_read
  replicator connector delete --with-slot >"$WORK/said"
  prints 'replicator connector delete --with-slot' 'publication shop_publication, which the connector did not make, stays'
  [ "$(source_ask "SELECT count(*) FROM pg_replication_slots")" = 0 ]
  refuses 3 replicator connector config
  replicator connector create
  await 60 'connector RUNNING' connector_is RUNNING
}

slot_is_read() { [ "$(source_ask "SELECT active FROM pg_replication_slots WHERE slot_name = 'shop_slot'")" = t ]; }

offset_is_there() { replicator connector offsets >"$WORK/said" && grep -q lsn "$WORK/said"; }

configure() {
  printf '%s\n' "$SOURCE_SECRET" | tee "$WORK/source_password" >"$WORK/shop_reader_password"
  printf '%s\n' "$TARGET_SECRET" >"$WORK/target_password"
  printf '%s\n' "$PG_PASSWORD" >"$WORK/superuser_password"
  chmod 600 "$WORK"/*_password
  cat >"$WORK/replicator.conf" <<CONF
stream = { name = "shop"; };
source = { dsn = "host=127.0.0.1 port=$SOURCE_PORT dbname=shop user=postgres"; password_file = "superuser_password"; };
target = { dsn = "postgresql://shop_writer@127.0.0.1:$TARGET_PORT/shop_copy"; password_file = "target_password"; };
kafka = { brokers = "$BROKER"; topic_prefix = "shop"; };
connect = { url = "$CONNECT_URL"; connector = "shop"; slot = "shop_slot"; publication = "shop_publication";
            source_user = "shop_reader"; source_password_file = "shop_reader_password";
            tables = [ "public.customers", "public.purchases", "public.notes" ]; };
decoding = { decimal = "string"; interval = "string"; time = "isostring"; hstore = "json"; };
CONF
}
