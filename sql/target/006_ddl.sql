-- schema_history keeps images of types, sequences, schemas and extensions, too, and the steps that each led to.
ALTER TABLE @schema@.schema_history
    ADD kind  text NOT NULL DEFAULT 'table',
    ADD tx_id bigint,
    ADD steps text[] NOT NULL DEFAULT '{}';   -- as executed; `-- ignored: ...` by a policy
DROP INDEX @schema@.schema_history_relid;
CREATE INDEX schema_history_object ON @schema@.schema_history (stream, kind, relid, id);
CREATE INDEX schema_history_name ON @schema@.schema_history (stream, kind, schema_name, table_name, id);

-- Tables whose rows the source rewrote without row events (a volatile default, USING) and that were too large for its
-- trigger to send again: their old rows are not in sync until they are resynced.
CREATE TABLE @schema@.rewritten (
    stream      text NOT NULL REFERENCES @schema@.stream (name) ON UPDATE CASCADE ON DELETE CASCADE,
    schema_name text NOT NULL,
    table_name  text NOT NULL,
    commit_lsn  pg_lsn NOT NULL,
    marked_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream, schema_name, table_name)
);
