-- The state of the replicator in the target. @schema@ stands for the quoted name of the schema (setting target.schema),
-- which exists already. Installed once, in one transaction, by checkpoint_install_schema.
--
-- Rows of stream and offsets are updated with every batch: half of each page is left free, and no index holds a column
-- that changes, so that the updates stay heap-only (HOT) and the tables small.

CREATE TABLE @schema@.schema_version (
    version      int PRIMARY KEY,
    installed_at timestamptz NOT NULL DEFAULT now()
);

-- The text as far as the server's encoding can represent it: other characters become question marks. For what the daemon
-- says; a value is never stored so.
CREATE FUNCTION @schema@.storable_text(utf8 bytea) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    shown text := '';
    place int := 0;
    size  int;
BEGIN
    BEGIN
        RETURN convert_from(utf8, 'UTF8');
    EXCEPTION WHEN untranslatable_character OR character_not_in_repertoire THEN
        NULL;
    END;
    WHILE place < length(utf8) LOOP
        size := CASE WHEN get_byte(utf8, place) < 192 THEN 1 WHEN get_byte(utf8, place) < 224 THEN 2
                     WHEN get_byte(utf8, place) < 240 THEN 3 ELSE 4 END;
        BEGIN
            shown := shown || convert_from(substr(utf8, place + 1, size), 'UTF8');
        EXCEPTION WHEN untranslatable_character OR character_not_in_repertoire THEN
            shown := shown || '?';
        END;
        place := place + size;
    END LOOP;
    RETURN shown;
END
$function$;

-- Where a stream stands, and who may move it. A commit of ours updates this row WHERE epoch and holder_pid are ours.
CREATE TABLE @schema@.stream (
    name                 text PRIMARY KEY,
    epoch                bigint NOT NULL,                -- raised by each instance that takes the stream over
    cluster_id           text NOT NULL DEFAULT '',       -- of the Kafka cluster that the offsets belong to
    batch                bigint NOT NULL DEFAULT 0,      -- number of the last batch committed under this epoch
    last_commit_lsn      pg_lsn NOT NULL DEFAULT '0/0',  -- of the last source transaction applied
    last_tx_id           bigint NOT NULL DEFAULT 0,
    last_message_lsn     pg_lsn NOT NULL DEFAULT '0/0',  -- of the last logical message outside any transaction
    whole_transactions   boolean NOT NULL DEFAULT true,  -- false: transactions = "off", and last_commit_lsn does not move
    source_commit_at     timestamptz,                    -- when the source committed it
    applied_at           timestamptz,                    -- when this server applied it
    state                text NOT NULL DEFAULT 'new',
    error                text,
    instance             text,                           -- host and pid of the daemon
    holder_pid           int,                            -- its backend here
    holder_backend_start timestamptz,
    heartbeat_at         timestamptz
) WITH (fillfactor = 50);

-- The next offset to read of each partition: written in the transaction that applied everything below it.
CREATE TABLE @schema@.offsets (
    stream         text NOT NULL REFERENCES @schema@.stream (name) ON UPDATE CASCADE ON DELETE CASCADE,
    topic          text NOT NULL,
    partition      int NOT NULL,
    next_offset    bigint NOT NULL,
    witness_offset bigint NOT NULL DEFAULT 0,            -- a record below it that was read: a topic that holds another one
    witness_ms     bigint NOT NULL DEFAULT 0,            -- there was made again; its timestamp in Kafka, 0: there is none
    PRIMARY KEY (stream, topic, partition)
) WITH (fillfactor = 50);

-- One row for each snapshot of the connector; its rows carry one transaction id and LSN.
CREATE TABLE @schema@.snapshot_progress (
    stream         text NOT NULL REFERENCES @schema@.stream (name) ON UPDATE CASCADE ON DELETE CASCADE,
    snapshot_tx_id bigint NOT NULL,
    snapshot_lsn   pg_lsn NOT NULL,
    rows           bigint NOT NULL DEFAULT 0,
    started_at     timestamptz NOT NULL,
    finished_at    timestamptz,                          -- NULL: it is open, more rows may come
    last_row       boolean NOT NULL DEFAULT false,       -- the row marked "last" was applied
    PRIMARY KEY (stream, snapshot_tx_id, snapshot_lsn)
) WITH (fillfactor = 50);

-- The images of tables that DDL made, in the order of their commits.
CREATE TABLE @schema@.schema_history (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream      text NOT NULL REFERENCES @schema@.stream (name) ON UPDATE CASCADE ON DELETE CASCADE,
    relid       oid NOT NULL,                            -- at the source
    schema_name text NOT NULL,
    table_name  text NOT NULL,
    log_id      bigint,                                  -- of the row in the source's DDL log
    commit_lsn  pg_lsn NOT NULL,
    image       jsonb NOT NULL,
    tag         text,                                    -- of the source's command: ALTER TABLE
    applied_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX schema_history_relid ON @schema@.schema_history (stream, relid, id);

-- Source transactions that could not be applied and were set aside, with the evidence.
CREATE TABLE @schema@.quarantine (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream        text NOT NULL REFERENCES @schema@.stream (name) ON UPDATE CASCADE ON DELETE CASCADE,
    tx_id         bigint,
    commit_lsn    pg_lsn,
    topic         text,
    partition     int,
    first_offset  bigint,
    last_offset   bigint,
    tables        text[] NOT NULL DEFAULT '{}',
    sqlstate      text NOT NULL DEFAULT '',
    error         text NOT NULL,
    events        json NOT NULL,                         -- ASCII: its values may have characters that the server does not know
    change_count  bigint NOT NULL,
    state         text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'retried', 'skipped')),
    set_aside_at  timestamptz NOT NULL DEFAULT now(),
    resolved_at   timestamptz
);
CREATE INDEX quarantine_waiting ON @schema@.quarantine (stream, id) WHERE state = 'waiting';
