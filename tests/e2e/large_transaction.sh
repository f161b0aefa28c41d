# shellcheck shell=bash
# A hundred thousand rows in one transaction: a reader of the target sees none of them or all, for the insert, the
# update and the delete.
LARGE_ROWS=100000

test_large_transaction() {
  local began peak
  pair_start
  await 60 "the connector streams" slot_follows
  flush
  reader_start "SELECT count(*), count(*) FILTER (WHERE stock = 7) FROM commerce.products WHERE sku LIKE 'big-%'" 0.05
  began=$SECONDS
  source_sql -c "INSERT INTO commerce.products (sku, name, price) SELECT 'big-' || g, 'Product ' || g, g / 4.0 FROM generate_series(1, $LARGE_ROWS) g"
  flush 180
  echo "figure insert of $LARGE_ROWS rows: in the target after $((SECONDS - began)) s"
  began=$SECONDS
  source_sql -c "UPDATE commerce.products SET stock = 7 WHERE sku LIKE 'big-%'"
  flush 180
  echo "figure update of $LARGE_ROWS rows: in the target after $((SECONDS - began)) s"
  began=$SECONDS
  source_sql -c "BEGIN; INSERT INTO users (id, email) VALUES (1, 'with the large one'); DELETE FROM commerce.products WHERE sku LIKE 'big-%'; COMMIT"
  flush 180
  echo "figure delete of $LARGE_ROWS rows: in the target after $((SECONDS - began)) s"
  peak=$(process_peak_mb "$(process_pid "$T/daemon")") || die "the daemon ended"
  echo "figure peak memory of the daemon: $peak MB"
  reader_end 20
  sort "$T/reader" | uniq -c >"$T/seen"
  if grep -vxE "(0\|0|$LARGE_ROWS\|0|$LARGE_ROWS\|$LARGE_ROWS)" "$T/reader" >"$T/torn"; then
    die "the reader saw part of a transaction: $(head -n 1 "$T/torn")"
  fi
  grep -qx "$LARGE_ROWS|$LARGE_ROWS" "$T/reader" || die "the reader never saw the rows; it looked $READS times"
  expect_equal
}
