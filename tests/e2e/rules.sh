# shellcheck shell=bash
# All kinds of rules at once, on a live pair: renamed, masked, cast, cut and shared tables, filters, logical messages. The end
# is check_target's verdict, and the faults that it must find under the rules.
test_rules() {
  local seed=${E2E_SEED:-$RANDOM}
  echo "figure seed $seed"
  rules_databases
  rules_configure
  connector_start '.config["table.include.list"] = "shop\\..*,north\\..*,south\\..*"'
  daemon_init
  "$REPLICATOR" check-config -c "$T/replicator.conf" >"$T/check-config.log" 2>&1 ||
    { cat "$T/check-config.log"; die "check-config finds problems"; }
  daemon_start
  await 60 "the connector streams" slot_follows
  rules_load "$seed" 300
  daemon_kill
  rules_load $((seed + 1)) 300
  source_sql -c "BEGIN" -c "SELECT pg_logical_emit_message(true, 'a', 'one'), pg_logical_emit_message(true, 'a', 'one'),
    pg_logical_emit_message(false, 'loose', 'x')" -c "UPDATE shop.users SET age = age + 1" \
    -c "SELECT pg_logical_emit_message(true, 'b', 'ä')" -c COMMIT
  daemon_start
  rules_load $((seed + 2)) 200
  rules_truncate
  rules_flush
  rules_expect
  curl -fsS "http://127.0.0.1:$RULES_STATUS_PORT/metrics" >"$T/metrics"
  rules_counted table filter column message
  daemon_stop
  daemon_start
  rules_flush
  rules_faults
}

RULES_STATUS_PORT=${E2E_STATUS_PORT:-$((CONNECT_PORT + 7))}

# rules_counted RULE…: something was left out by each, and counted.
rules_counted() {
  local rule
  for rule in "$@"; do
    grep -q "^replicator_left_out_total{rule=\"$rule\"} [1-9]" "$T/metrics" || die "nothing was counted for $rule"
  done
}

rules_databases() {
  pg_psql "$SOURCE_PORT" postgres -c "CREATE DATABASE $NAME"
  pg_psql "$TARGET_PORT" postgres -c "CREATE DATABASE $NAME"
  source_sql <<SQL
GRANT CREATE ON DATABASE $NAME TO debezium;
CREATE SCHEMA shop; CREATE SCHEMA north; CREATE SCHEMA south;
CREATE TABLE shop.users (id int PRIMARY KEY, email text, phone text, note text, age int, secret_1 text, secret_2 int,
  country text, bio text);
CREATE TABLE shop.orders (id int PRIMARY KEY, user_id int, state text NOT NULL, amount numeric(10,2));
CREATE TABLE shop.events (n int, kind text, body text);
ALTER TABLE shop.users REPLICA IDENTITY FULL; ALTER TABLE shop.events REPLICA IDENTITY FULL;
CREATE TABLE shop.logins (name text PRIMARY KEY, at timestamptz NOT NULL);
CREATE TABLE shop.audit (id int PRIMARY KEY);
CREATE TABLE shop.numbers (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
CREATE TABLE shop.markers (id text PRIMARY KEY);
CREATE TABLE north.items (id int PRIMARY KEY, n int); CREATE TABLE south.items (id int PRIMARY KEY, n int);
INSERT INTO shop.users SELECT g, 'u' || g || '@x.org', '0' || g, 'n', g % 90, 's', g, (ARRAY['DE','AT','FR',NULL])[1 + g % 4],
  repeat('b' || g, 2000) FROM generate_series(1, 400) g;
INSERT INTO shop.orders SELECT g, 1 + g % 400, (ARRAY['open','paid','void'])[1 + g % 3], g FROM generate_series(1, 600) g;
INSERT INTO shop.events SELECT g, (ARRAY['click','debug'])[1 + g % 2], 'e' FROM generate_series(1, 100) g;
INSERT INTO shop.logins SELECT 'user' || g, now() FROM generate_series(1, 50) g;
INSERT INTO shop.audit SELECT g FROM generate_series(1, 50) g;
INSERT INTO north.items SELECT g, g FROM generate_series(1, 100) g; INSERT INTO south.items SELECT * FROM north.items;
INSERT INTO shop.numbers SELECT FROM generate_series(1, 20);
DO \$\$ DECLARE t regclass; BEGIN
  FOR t IN SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname IN ('shop', 'north', 'south')
    AND relkind = 'r' LOOP EXECUTE format('ALTER TABLE %s OWNER TO shop', t); END LOOP; END \$\$;
GRANT USAGE ON SCHEMA shop, north, south TO shop;
SQL
  target_sql <<SQL
GRANT CREATE ON DATABASE $NAME TO replicator;
CREATE SCHEMA crm AUTHORIZATION replicator; CREATE SCHEMA shop AUTHORIZATION replicator;
SET ROLE replicator;
CREATE TABLE crm.people (id int PRIMARY KEY, mail text, phone text, note text NOT NULL, age numeric, country text, bio text,
  synced_at timestamptz);
CREATE TABLE crm.orders (id int PRIMARY KEY, user_id int, status text, amount numeric(10,2),
  is_deleted boolean NOT NULL DEFAULT false, deleted_at timestamptz);
CREATE TABLE crm.events (n int, kind text, body text);
CREATE TABLE shop.logins (name text PRIMARY KEY, at date NOT NULL);
CREATE TABLE shop.numbers (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
CREATE TABLE shop.markers (id text PRIMARY KEY);
CREATE TABLE crm.items (region text, id int, n int, PRIMARY KEY (region, id));
INSERT INTO crm.items VALUES ('elsewhere', 1, 1);
SQL
}

rules_configure() {
  echo "a secret of the test" >"$T/salt"
  TABLES='
  { match = "shop.users"; rename = "crm.people"; filter = { column = "country"; in = ["DE", "AT"]; };
    columns = ( { match = "email"; rename = "mail"; mask = "hash"; }, { match = "phone"; mask = "null"; },
      { match = "note"; mask = "constant"; value = "it'"'"'s"; }, { match = "age"; cast_from = "integer"; },
      { match = "secret*"; exclude = true; } ); },
  { match = "shop.orders"; rename = "crm.{table}"; delete = "soft"; filter = { column = "state"; not_in = ["void"]; };
    columns = ( { match = "state"; rename = "status"; } ); },
  { match = "shop.events"; rename = "crm.events"; filter = { column = "kind"; not_in = ["debug"]; }; },
  { match = "shop.logins"; columns = ( { match = "name"; mask = "hash"; }, { match = "at"; cast_from = "timestamptz"; } ); },
  { match = "*.items"; rename = "crm.items"; source_column = "region"; source_value = "{source}:{schema}"; },
  { match = "shop.audit"; exclude = true; }' \
    daemon_configure 'messages = "table";' "masking = { salt_file = \"$T/salt\"; };" \
    "status = { port = $RULES_STATUS_PORT; };"
  sed -i "s/^source = {/source = { name = \"eu\";/" "$T/replicator.conf"
}

# rules_load SEED TRANSACTIONS: random changes, rows in and out of the filters among them.
rules_load() {
  cat >"$T/rules.pgbench" <<'SQL'
\set id random(1, 450)
\set kind random(0, 3)
\set n random(1, 1000000)
BEGIN;
UPDATE shop.users SET country = (ARRAY['DE','AT','FR',NULL])[1 + :kind], secret_1 = :n WHERE id = :id;
UPDATE shop.users SET bio = repeat(:n::text, 900), email = nullif('m' || :n, 'm7') WHERE id = (:id * 7) % 450;
INSERT INTO shop.users (id, email, country, age, bio) VALUES (1000 + :n, 'new', (ARRAY['DE','US'])[1 + :kind % 2], 5, 'x')
  ON CONFLICT DO NOTHING;
DELETE FROM shop.users WHERE id = (:id * 13) % 450;
UPDATE shop.orders SET state = (ARRAY['open','paid','void','open'])[1 + :kind], amount = :n % 1000 WHERE id = :id;
DELETE FROM shop.orders WHERE id = (:id * 3) % 600;
INSERT INTO shop.orders VALUES ((:id * 3) % 600, :id, 'open', 1) ON CONFLICT DO NOTHING;
INSERT INTO shop.events VALUES (:n % 50, (ARRAY['click','debug'])[1 + :kind % 2], 'x');
UPDATE shop.events SET kind = (ARRAY['click','debug'])[1 + :kind / 2] WHERE n = :n % 50 AND body = 'x';
DELETE FROM shop.events WHERE n = :id % 50;
INSERT INTO shop.logins VALUES ('user' || :n % 100, now() - :n * interval '1 min') ON CONFLICT (name) DO UPDATE SET at = excluded.at;
INSERT INTO shop.audit VALUES (1000 + :n) ON CONFLICT DO NOTHING;
UPDATE north.items SET n = :n WHERE id = :id; DELETE FROM south.items WHERE id = :id;
INSERT INTO south.items VALUES (1 + :id % 60, :n) ON CONFLICT (id) DO UPDATE SET n = excluded.n;
UPDATE north.items SET id = 2000 + :n WHERE id = (:id * 5) % 100;
INSERT INTO shop.numbers DEFAULT VALUES; DELETE FROM shop.numbers WHERE id = :id % 50;
COMMIT;
SQL
  SEED=$1 load_start "$T/rules.pgbench" 150 "$2" 2
  load_end
}

rules_truncate() {
  source_sql -c "TRUNCATE south.items" -c "INSERT INTO south.items SELECT g, -g FROM generate_series(1, 20) g" \
    -c "UPDATE shop.orders SET id = id + 5000, state = 'void' WHERE id BETWEEN 100 AND 110" \
    -c "UPDATE shop.orders SET id = id + 5000 WHERE id BETWEEN 200 AND 210" -c "UPDATE shop.users SET id = -id WHERE id < 20"
}

rules_flush() {
  local marker
  marker=flush-$(date +%s%N)
  source_sql -c "INSERT INTO shop.markers VALUES ('$marker')"
  await_target 90 "SELECT count(*) FROM shop.markers WHERE id = '$marker'" 1
}

# rules_check EXIT: check_target's verdict.
rules_check() {
  local status=0
  "$CHECK_TARGET" -c "$T/replicator.conf" --json >"$T/check.json" 2>"$T/check.log" || status=$?
  [ "$status" -eq "$1" ] || { cat "$T/check.log"; jq -c . "$T/check.json" | cut -c1-3000; die "check_target says $status, not $1"; }
}

# rules_expect: in sync under the rules, and the same said by other words than check_target's.
rules_expect() {
  rules_check 0
  local hash="encode(sha256(convert_to('a secret of the test' || email, 'UTF8')), 'hex')"
  [ "$(source_ask "SELECT md5(string_agg(concat_ws('|', id, $hash, age, country, bio), E'\n' ORDER BY id)) FROM shop.users
       WHERE country IN ('DE', 'AT')")" = \
    "$(target_ask "SELECT md5(string_agg(concat_ws('|', id, mail, age, country, bio), E'\n' ORDER BY id)) FROM crm.people")" ] ||
    die "check_target says yes, but the people differ"
  expect_target "SELECT count(*) FROM crm.people WHERE phone IS NOT NULL OR note <> 'it''s'" 0
  expect_target "SELECT string_agg(concat_ws('|', id, status, amount), ' ' ORDER BY id) FROM crm.orders WHERE NOT is_deleted" \
    "$(source_ask "SELECT string_agg(concat_ws('|', id, state, amount), ' ' ORDER BY id) FROM shop.orders WHERE state <> 'void'")"
  expect_target "SELECT string_agg(n || kind || body, ' ' ORDER BY n, body) FROM crm.events" \
    "$(source_ask "SELECT string_agg(n || kind || body, ' ' ORDER BY n, body) FROM shop.events WHERE kind <> 'debug'")"
  expect_target "SELECT string_agg(id || '=' || n, ' ' ORDER BY id) FROM crm.items WHERE region = 'eu:south'" \
    "$(source_ask "SELECT string_agg(id || '=' || n, ' ' ORDER BY id) FROM south.items")"
  expect_target "SELECT count(*) FROM crm.items WHERE region = 'eu:north'" "$(source_ask 'SELECT count(*) FROM north.items')"
  expect_target "SELECT count(*) FROM crm.items WHERE region = 'elsewhere'" 1
  expect_target "SELECT string_agg(prefix || convert_from(content, 'UTF8'), ' ' ORDER BY lsn) FROM replicator.message" 'aone aone bä'
  ! grep -aq 'a secret of the test\|@x\.org' "$T/daemon/log" "$T/daemon/all.log" || die "the log holds a value or the secret"
}

# Faults of each kind, found by name, repaired live; rows of others stay.
rules_faults() {
  target_sql -c "SET session_replication_role = replica" \
    -c "UPDATE crm.people SET mail = 'plain' WHERE id = (SELECT min(id) FROM crm.people WHERE id > 0)" \
    -c "UPDATE crm.people SET phone = '1' WHERE id = (SELECT max(id) FROM crm.people)" \
    -c "INSERT INTO crm.people (id, note, country) VALUES (-999, 'it''s', 'FR')" \
    -c "DELETE FROM crm.orders WHERE id = (SELECT max(id) FROM crm.orders WHERE NOT is_deleted)" \
    -c "UPDATE crm.orders SET status = 'x' WHERE id = (SELECT min(id) FROM crm.orders WHERE NOT is_deleted)" \
    -c "INSERT INTO crm.events VALUES (1, 'debug', 'extra')" -c "UPDATE shop.logins SET at = at + 1" \
    -c "UPDATE crm.items SET n = 0 WHERE region = 'eu:south' AND id = 3" -c "INSERT INTO crm.items VALUES ('eu:north', -1, -1)"
  rules_check 1
  [ "$(jq -c '[.tables[] | select(.verdict == "different") | .schema + "." + .table] | sort' "$T/check.json")" = \
    '["north.items","shop.events","shop.logins","shop.orders","shop.users","south.items"]' ] ||
    { jq -c '.tables[]' "$T/check.json" | cut -c1-400; die "other tables differ than those with faults"; }
  "$CHECK_TARGET" -c "$T/replicator.conf" --repair >"$T/repair.log" 2>&1 || { cat "$T/repair.log"; die "the repair failed"; }
  rules_expect
}
