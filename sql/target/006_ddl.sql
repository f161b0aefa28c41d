-- schema_history keeps images of types, sequences, schemas and extensions, too, and the steps that each led to.
ALTER TABLE @schema@.schema_history
    ADD incarnation text,                     -- of the source's log: log_id and relid are comparable within one
    ADD logged_at timestamptz,                -- at the source
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

-- Steps of schema changes that the target did not permit: what the objects still lack. The daemon retries each until it succeeds,
-- or the source has changed so that it means nothing any more (replicator/target/left_out.c).
CREATE TABLE @schema@.left_out_step (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream      text NOT NULL REFERENCES @schema@.stream (name) ON UPDATE CASCADE ON DELETE CASCADE,
    kind        text NOT NULL,                           -- of the object: table, type, ...
    relid       oid NOT NULL,                            -- at the source
    schema_name text NOT NULL,
    table_name  text NOT NULL,                           -- the name of the object, whatever it is
    part        text NOT NULL,                           -- not null, identity, default, constraint, index, object, drop
    part_id     bigint NOT NULL,                         -- its attnum or oid at the source; 0: the object itself
    part_name   text,                                    -- of a constraint or index, which may get another oid
    sql         text NOT NULL,                           -- as it was tried last
    reason      text NOT NULL,                           -- why the target refused it
    expected    boolean NOT NULL,                        -- by design: a foreign key to a table that is not replicated, and the like
    lsn         pg_lsn NOT NULL,
    left_out_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts    int NOT NULL DEFAULT 1,
    retry_at    timestamptz NOT NULL DEFAULT clock_timestamp() + interval '5 s',
    UNIQUE (stream, kind, relid, part, part_id)
);

-- Tells programs that listen to the channel replicator_schema what was executed; NOTIFY takes less than 8000 bytes.
CREATE FUNCTION @schema@.notify_schema(stream text, version bigint, kind text, source_schema text, source_name text,
                                       schema text, name text, lsn pg_lsn, steps text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    executed text[] := array(SELECT s FROM unnest(steps) WITH ORDINALITY u (s, n) WHERE s NOT LIKE '-- %' ORDER BY n);
    kept     int := cardinality(executed);
    message  text;
BEGIN
    IF kept = 0 THEN
        RETURN;
    END IF;
    LOOP
        message := json_build_object('stream', stream, 'version', version, 'kind', kind, 'source_schema', source_schema,
                                     'source_table', source_name, 'schema', schema, 'table', name, 'lsn', lsn,
                                     'steps', executed[1:kept], 'omitted_steps', cardinality(executed) - kept)::text;
        EXIT WHEN octet_length(message) < 8000;
        kept := kept / 2;
    END LOOP;
    PERFORM pg_notify('replicator_schema', message);
END
$function$;

-- Parts of an image that is too long for one message, until the last one arrives.
CREATE TABLE @schema@.ddl_part (
    stream      text NOT NULL REFERENCES @schema@.stream (name) ON UPDATE CASCADE ON DELETE CASCADE,
    incarnation text NOT NULL,
    log_id      bigint NOT NULL,                         -- of the first part
    number      int NOT NULL,
    part        text NOT NULL,
    PRIMARY KEY (stream, incarnation, log_id, number)
);
