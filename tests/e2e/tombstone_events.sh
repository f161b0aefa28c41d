# shellcheck shell=bash
# Deletes bring a tombstone after them, key changes a delete, a tombstone and a create: tombstones change nothing and are
# counted as read.
test_tombstone_events() {
  pair_start
  await 60 "the connector streams" slot_follows
  source_sql <<'SQL'
INSERT INTO users (id, email) SELECT g, 'u' || g FROM generate_series(1, 10) g;
INSERT INTO orders (id, user_id, total) SELECT g, 1 + g % 10, g FROM generate_series(1, 50) g;
DELETE FROM orders WHERE id <= 20;
INSERT INTO orders (id, user_id, total, note) VALUES (1, 1, 99, 'again');
UPDATE orders SET id = id + 1000 WHERE id BETWEEN 21 AND 30;
BEGIN;
UPDATE orders SET id = 5000 WHERE id = 31;
UPDATE orders SET id = 31, note = 'swapped' WHERE id = 32;
UPDATE orders SET id = 32, note = 'swapped' WHERE id = 5000;
COMMIT;
UPDATE users SET id = 110 WHERE id = 10 AND NOT EXISTS (SELECT FROM orders WHERE user_id = 10);
DELETE FROM orders WHERE user_id = 9;
DELETE FROM users WHERE id = 9;
SQL
  flush
  expect_equal
  expect_target 'SELECT count(*) FROM orders WHERE id BETWEEN 21 AND 30' 0
  expect_target 'SELECT count(*) FROM orders WHERE id BETWEEN 1021 AND 1030' "$(source_ask 'SELECT count(*) FROM orders WHERE id BETWEEN 1021 AND 1030')"
  expect_target "SELECT total, note FROM orders WHERE id IN (31, 32) ORDER BY id" $'32.00|swapped\n31.00|swapped'
  expect_target "SELECT is_deleted FROM users WHERE id = 9" t

  local tombstones
  tombstones=$(kcat -C -q -e -b "$BROKER" -t "$NAME.public.orders" -f '%S\n' | grep -c '^-1$')
  [ "$tombstones" -ge 33 ] || die "the connector wrote only $tombstones tombstones; the test shows nothing"
  # The last event of the topic is a tombstone. Its place counts as read.
  source_sql -c "DELETE FROM orders WHERE id = 50"
  await_target 30 'SELECT count(*) FROM orders WHERE id = 50' 0
  await 30 "the tombstone counts as read" all_read "$NAME.public.orders"
  daemon_stop
  daemon_start
  flush
  expect_equal
}

# all_read TOPIC: the stored offset is the end of partition 0.
all_read() {
  local high
  high=$(kcat -Q -b "$BROKER" -t "$1:0:-1" | awk '{ print $NF }')
  [ "$(target_ask "SELECT next_offset FROM replicator.offsets WHERE topic = '$1'")" = "$high" ]
}
