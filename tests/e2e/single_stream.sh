# shellcheck shell=bash
# The single-stream layout: a RegexRouter puts all topics of the prefix, the transaction topic too, into one topic.
test_single_stream() {
  KAFKA="brokers = \"$BROKER\"; topic_prefix = \"$NAME\"; topics = [\"$NAME.all\"];"
  pair_start data '.config += {"transforms": "route", "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
    "transforms.route.regex": "single_stream\\..*", "transforms.route.replacement": "single_stream.all"}'
  await 60 "the connector streams" slot_follows
  flush
  expect_equal
  SEED=1 load_start "$REPO_ROOT/tests/e2e/pairs.pgbench" 200 1000
  load_end
  source_sql -c "DELETE FROM orders WHERE id % 3 = 0; UPDATE orders SET id = id + 100000 WHERE id < 100; TRUNCATE commerce.users"
  daemon_kill
  source_sql -c "UPDATE users SET balance = balance + 1 WHERE id < 500"
  daemon_start
  flush
  expect_equal
  [ "$(kcat -L -J -b "$BROKER" | jq -r '.topics[].topic' | grep -c "^$NAME\.")" = 1 ] || die "there are topics beside $NAME.all"
  expect_target "SELECT count(*) FROM replicator.offsets WHERE topic = '$NAME.all'" 1
}
