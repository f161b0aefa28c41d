-- The tables that the stream has received rows of, and the last snapshot that had a row of each.
CREATE TABLE @schema@.captured_table (
    stream         text NOT NULL REFERENCES @schema@.stream (name) ON UPDATE CASCADE ON DELETE CASCADE,
    schema_name    text NOT NULL,
    table_name     text NOT NULL,
    snapshot_tx_id bigint NOT NULL DEFAULT 0,            -- 0 and 0/0: none had a row of it
    snapshot_lsn   pg_lsn NOT NULL DEFAULT '0/0',
    discards       boolean NOT NULL DEFAULT false,       -- rows of that snapshot that have no key are not written
    PRIMARY KEY (stream, schema_name, table_name)
);
