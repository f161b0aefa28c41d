# shellcheck shell=bash
# Each kind of change, alone and in transactions; synced_at, soft and hard deletes, revival, values that are easily lost.
test_change_event_processing() {
  pair_start
  await 60 "the connector streams" slot_follows

  source_sql -c "INSERT INTO users (id, email, full_name, balance, prefs) VALUES (1, 'a@example.com', 'Ada', 2.50, '{\"k\": [1, \"ü\"]}'), (2, 'b@example.com', NULL, -0.01, NULL)"
  flush
  expect_target "SELECT full_name, balance, prefs FROM users WHERE id = 1" 'Ada|2.50|{"k": [1, "ü"]}'
  expect_target "SELECT full_name IS NULL, balance, prefs IS NULL, is_deleted FROM users WHERE id = 2" 't|-0.01|t|f'
  expect_target "SELECT bool_and(synced_at BETWEEN now() - interval '2 minutes' AND now()) FROM users" t

  local first
  first=$(target_ask 'SELECT synced_at FROM users WHERE id = 1')
  source_sql -c "UPDATE users SET full_name = E'Ada \\\\ \"L\"\\n\\tLovelace', prefs = NULL WHERE id = 1"
  flush
  expect_target "SELECT full_name = E'Ada \\\\ \"L\"\\n\\tLovelace', prefs IS NULL, synced_at > '$first' FROM users WHERE id = 1" 't|t|t'

  # Over two tables, with a row that lives only inside of the transaction.
  source_sql -c "BEGIN; INSERT INTO users (id, email) VALUES (3, 'c@example.com');
    INSERT INTO orders (id, user_id, total) VALUES (1, 3, 10), (2, 3, 20), (3, 3, 30);
    UPDATE orders SET total = total + 1 WHERE user_id = 3; DELETE FROM orders WHERE id = 2;
    UPDATE users SET balance = -42 WHERE id = 3; COMMIT"
  # Rolled back, as a whole and to a savepoint.
  source_sql -c "BEGIN; INSERT INTO users (id, email) VALUES (4, 'never@example.com'); UPDATE users SET balance = 999; ROLLBACK"
  source_sql -c "BEGIN; INSERT INTO users (id, email) VALUES (5, 'e@example.com'); SAVEPOINT s;
    INSERT INTO orders (id, user_id, total) VALUES (50, 5, 1); ROLLBACK TO s; INSERT INTO orders (id, user_id, total) VALUES (51, 5, 2); COMMIT"
  flush
  expect_target 'SELECT id, total FROM orders ORDER BY id' $'1|11.00\n3|31.00\n51|2.00'
  expect_target 'SELECT id, balance FROM users ORDER BY id' $'1|2.50\n2|-0.01\n3|-42.00\n5|0.00'

  # Deletes: soft for users, hard for orders; then the user comes back.
  source_sql -c "DELETE FROM orders WHERE id = 1; DELETE FROM users WHERE id = 2"
  flush
  expect_target "SELECT is_deleted, deleted_at IS NOT NULL, email, balance FROM users WHERE id = 2" 't|t|b@example.com|-0.01'
  expect_target 'SELECT count(*) FROM orders WHERE id = 1' 0
  source_sql -c "INSERT INTO users (id, email) VALUES (2, 'back@example.com')"
  flush
  expect_target "SELECT is_deleted, deleted_at IS NULL, email FROM users WHERE id = 2" 'f|t|back@example.com'

  source_sql -c "TRUNCATE orders"
  flush
  expect_target 'SELECT count(*) FROM orders' 0
  source_sql -c "INSERT INTO orders (id, user_id, total) VALUES (1, 1, 5)"
  flush
  expect_equal
}
