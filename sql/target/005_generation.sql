-- The tables that the stream has written, and at which transaction of this server the rows of the last snapshot began: a row
-- whose xmin is older was not in that snapshot. The row's own xmin is that transaction, unless it was restored elsewhere.
CREATE TABLE @schema@.captured_table (
    stream           text NOT NULL REFERENCES @schema@.stream (name) ON UPDATE CASCADE ON DELETE CASCADE,
    schema_name      text NOT NULL,
    table_name       text NOT NULL,
    generation_tx_id bigint NOT NULL DEFAULT 0,          -- 0 and 0/0: none had a row of it
    generation_lsn   pg_lsn NOT NULL DEFAULT '0/0',
    began_xid        xid8 NOT NULL,
    had_rows         boolean NOT NULL,                   -- before the first row of that snapshot
    PRIMARY KEY (stream, schema_name, table_name)
);
