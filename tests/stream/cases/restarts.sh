# shellcheck shell=bash
# What the real connector sent at restarts inside transactions, as tests/faults/restarts.sh recorded it: rows must end as they
# did at the source (tests/golden/restarts: NAME.jsonl.gz, NAME.rows: table, count and md5 of its rows without those of NAME.suspect).

# recorded NAME: the recording through the daemon.
recorded() {
  local messages table rows digest from suspects
  "${CC:-cc}" -O1 -o "$T/produce" "$REPO_ROOT/tests/golden/produce.c" $(pkg-config --cflags --libs rdkafka jansson)
  target_ask 'DROP TABLE items, other, keyless' >/dev/null
  pg_psql "$PG_PORT" "$NAME" -q -f "$REPO_ROOT/tests/faults/world.sql" >/dev/null
  for table in $(zcat "$RECORDED/$1.jsonl.gz" | jq -r '"\(.topic) \(.partition)"' | sort | uniq | awk '{ if (n[$1] < $2 + 1) n[$1] = $2 + 1 } END { for (t in n) print t ":" n[t] }'); do
    kafka_admin kafka-topics --create --topic "${table%:*}" --partitions "${table#*:}" >/dev/null
  done
  sed -i "s/topic_prefix = \"$NAME\"/topic_prefix = \"case_$1\"/" "$T/replicator.conf"
  echo 'decoding = { decimal = "string"; interval = "string"; time = "isostring"; hstore = "json"; };' >>"$T/replicator.conf"
  messages=$(zcat "$RECORDED/$1.jsonl.gz" | "$T/produce" "$BROKER") || die 'the recording could not be put into Kafka'
  daemon_start
  await_target 60 'SELECT coalesce(sum(next_offset), 0) FROM replicator.offsets' "$messages"
  [ "$(target_ask 'SELECT key FROM replicator.suspect ORDER BY key')" = "$(cat "$RECORDED/$1.suspect")" ] || die 'other rows are marked as suspect'
  suspects=$(paste -sd, "$RECORDED/$1.suspect")
  while IFS='|' read -r table rows digest; do
    from=$table
    [ "$table" != public.keyed ] || from="(SELECT * FROM keyed WHERE 'id=' || id <> ALL ('{$suspects}'))"
    [ "$(target_ask "SELECT count(*), md5(string_agg(t::text, E'\n' ORDER BY t::text COLLATE \"C\")) FROM $from t")" = "$rows|$digest" ] ||
      die "$table did not end as at the source"
  done <"$RECORDED/$1.rows"
}

RECORDED=$REPO_ROOT/tests/golden/restarts

case_recorded_tail_again() { recorded restart_tail_again; }
case_recorded_numbers_anew() { recorded restart_numbers_anew; }
case_recorded_lost_half() { recorded restart_loses_half; }
case_recorded_messages() { recorded restart_messages; }

# The connector sends transactions again that an earlier run of the daemon applied, whole and in parts: they are found in the
# transaction topic. Transaction 3 is not there: it belongs to another history of the source, whatever its clock says (the
# case's commit times rise with the number). Nothing of it is lost after the operator's acknowledgement.
case_repeats_and_another_history() {
  transaction 1 1 1
  transaction 2 2 3
  PREVIOUS=2 transaction 4 4 4
  daemon_start
  await_offset transaction 6
  await_offset items 4
  daemon_stop
  target_ask 'DELETE FROM items WHERE id IN (2, 3)' >/dev/null # an applied repeat would show
  daemon_start
  transaction 2 2 3
  events items 4 4 4 x 1 | put items
  mark_end 4 items 2
  transaction 5 5 5
  await_target 30 'SELECT count(*) FROM items WHERE id = 5' 1
  await_offset transaction 11
  await_offset items 8
  expect_items '1 4 5'
  events items 3 6 7 | put items
  mark_begin 3
  mark_end 3 items 2
  wait_until 30 daemon_gone || die 'the daemon took a transaction of another history for a repeat'
  stops $EXIT_GAP 'transaction 3' 'accept new-slot'
  expect_items '1 4 5'
  accept new-slot
  daemon_start
  await_target 30 'SELECT count(*) FROM items WHERE id IN (6, 7)' 2
  expect_items '1 4 5 6 7'
  await_target 10 'SELECT count(*) FROM replicator.acceptance WHERE used_at IS NULL' 0
}
