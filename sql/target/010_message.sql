-- The transactional logical messages of the source (pg_logical_emit_message), where the setting messages = "table" wants
-- them, but for those of prefix `replicator`, which are check_target's own: each in the transaction that it was written in. The stream does not remove any; whoever reads them does.
CREATE TABLE @schema@.message (
    stream   text NOT NULL REFERENCES @schema@.stream (name) ON UPDATE CASCADE ON DELETE CASCADE,
    lsn      pg_lsn NOT NULL,                            -- of the message at the source: rises in the order of writing
    tx_id    bigint NOT NULL,                            -- of its transaction at the source
    prefix   text NOT NULL,
    content  bytea NOT NULL,
    received timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream, lsn)
);
