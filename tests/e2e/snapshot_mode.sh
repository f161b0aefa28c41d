# shellcheck shell=bash
# Rows that were there before the connector come first, then the stream; the daemon starts late and finds both in Kafka.
# A second start reads nothing again.
test_snapshot_mode() {
  databases_make data
  connector_start
  await 60 "the connector streams" slot_follows
  source_sql <<'SQL'
UPDATE users SET full_name = 'after the snapshot' WHERE id <= 100;
DELETE FROM orders WHERE id % 10 = 0;
INSERT INTO orders (user_id, total, note) SELECT id, 1.5, 'late' FROM users WHERE id > 990;
UPDATE commerce.products SET sku = sku || '-new' WHERE sku < 'SKU-00011';
SQL
  daemon_configure
  daemon_init
  expect_target 'SELECT count(*) FROM users' 0
  daemon_start
  flush
  expect_equal
  expect_target "SELECT count(*) FROM users WHERE full_name = 'after the snapshot'" 100
  expect_target "SELECT count(*) FROM users WHERE synced_at IS NULL" 0
  daemon_stop
  touched=$(target_ask 'SELECT max(synced_at) FROM users')
  daemon_start
  flush
  expect_target 'SELECT max(synced_at) FROM users' "$touched"
  expect_equal
}
