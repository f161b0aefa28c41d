-- schema_history keeps images of types, sequences, schemas and extensions, too, and the steps that each led to.
ALTER TABLE @schema@.schema_history
    ADD kind  text NOT NULL DEFAULT 'table',
    ADD tx_id bigint,
    ADD steps text[] NOT NULL DEFAULT '{}',   -- as executed; `-- ignored: ...` by a policy
    ADD maintained boolean NOT NULL DEFAULT false; -- the stream created the object here, or had rows of it when it was dropped
DROP INDEX @schema@.schema_history_relid;
CREATE INDEX schema_history_object ON @schema@.schema_history (stream, kind, relid, id);
CREATE INDEX schema_history_name ON @schema@.schema_history (stream, kind, schema_name, table_name, id);

-- Tables of which it is not known that they equal the source's: a comparison with the source settles each (check/suspects.c).
CREATE TABLE @schema@.unverified (
    stream         text NOT NULL REFERENCES @schema@.stream (name) ON UPDATE CASCADE ON DELETE CASCADE,
    schema_name    text NOT NULL,
    table_name     text NOT NULL,
    reason         text NOT NULL CHECK (reason IN (
                       'rewritten',                      -- a schema change rewrote its rows without row events
                       'snapshot',                       -- it held rows when a snapshot of it began, or had none in a snapshot
                       'missing row',                    -- a change of a table without a key found no row
                       'possible gap',                   -- transactions may be missing, or the connector filters logical messages
                       'unlogged change',                -- the source could not log a schema change
                       'accepted')),                     -- an operator accepted missing events or another history
    lsn            pg_lsn NOT NULL,                      -- at the source, of what led to the mark
    marked_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    discarded_rows bigint NOT NULL DEFAULT 0,            -- snapshot rows without a key that were not written
    refused_changes bigint NOT NULL DEFAULT 0,           -- changes that the target refused because of other rows, and that were discarded
    PRIMARY KEY (stream, schema_name, table_name)
);
