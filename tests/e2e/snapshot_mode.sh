# shellcheck shell=bash
# Rows that were there before the connector come first, then the stream; the daemon starts late and finds both in Kafka.
# A second start reads nothing again. A table whose only unique index is partial has no key, although the connector takes
# that index; a key of an extension's type is compared by that type.
test_snapshot_mode() {
  local tables query
  databases_make data
  tables='CREATE EXTENSION citext; CREATE TABLE words (word citext PRIMARY KEY, note text);
    CREATE TABLE parts (id int, note text, price numeric); CREATE UNIQUE INDEX ON parts (id) WHERE price > 100;
    ALTER TABLE parts REPLICA IDENTITY FULL'
  source_sql -c "$tables; ALTER TABLE words OWNER TO shop; ALTER TABLE parts OWNER TO shop"
  target_sql -c "$tables; ALTER TABLE words OWNER TO replicator; ALTER TABLE parts OWNER TO replicator"
  source_sql -c "INSERT INTO words SELECT 'Word' || n, 'a' FROM generate_series(1, 300) n;
    INSERT INTO parts SELECT n % 5, 'a', n * 1.10 FROM generate_series(1, 90) n"
  connector_start '.config["table.include.list"] += ",public.words,public.parts"'
  await 60 "the connector streams" slot_follows
  source_sql <<'SQL'
UPDATE users SET full_name = 'after the snapshot' WHERE id <= 100;
DELETE FROM orders WHERE id % 10 = 0;
INSERT INTO orders (user_id, total, note) SELECT id, 1.5, 'late' FROM users WHERE id > 990;
UPDATE commerce.products SET sku = sku || '-new' WHERE sku < 'SKU-00011';
UPDATE words SET note = 'b' WHERE word < 'word2';
UPDATE words SET word = upper(word::text) WHERE word IN ('word3', 'word4');
DELETE FROM words WHERE word LIKE 'word1%';
UPDATE parts SET note = 'b' WHERE id = 3;
UPDATE parts SET id = 7 WHERE id = 4;
DELETE FROM parts WHERE id = 0;
SQL
  daemon_configure
  daemon_init
  expect_target 'SELECT count(*) FROM users' 0
  daemon_start
  flush
  expect_equal
  expect_target "SELECT count(*) FROM users WHERE full_name = 'after the snapshot'" 100
  expect_target "SELECT count(*) FROM users WHERE synced_at IS NULL" 0
  for query in "SELECT count(*), md5(string_agg(word || ' ' || note, ',' ORDER BY word)) FROM words" \
    "SELECT count(*), sum(price), string_agg(DISTINCT concat_ws(' ', id, note), ',') FROM parts"; do
    expect_target "$query" "$(source_ask "$query")"
  done
  daemon_stop
  touched=$(target_ask 'SELECT max(synced_at) FROM users')
  daemon_start
  flush
  expect_target 'SELECT max(synced_at) FROM users' "$touched"
  expect_equal
}
