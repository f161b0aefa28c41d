-- Read your writes: waits until the stream has applied what the source had committed at `lsn`. True once it is visible to
-- the next statement, false when the timeout passed before. Without a stream's name: all streams of this target.
-- Take the position at the source after the commit: SELECT pg_current_wal_insert_lsn().
CREATE FUNCTION @schema@.wait_for(lsn pg_lsn, timeout interval DEFAULT '60 s', stream text DEFAULT NULL)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $function$
DECLARE
    deadline  timestamptz := clock_timestamp() + timeout;
    reached   boolean;
    pause     double precision := 0.001;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'wait_for needs READ COMMITTED: this transaction''s snapshot would never show what it waits for'
            USING ERRCODE = 'active_sql_transaction';
    END IF;
    IF EXISTS (SELECT FROM @schema@.stream s
                WHERE NOT s.whole_transactions AND (s.name = wait_for.stream OR wait_for.stream IS NULL)) THEN
        RAISE EXCEPTION 'a stream with transactions = "off" has no watermark to wait for'
            USING ERRCODE = 'feature_not_supported';
    END IF;
    LOOP
        SELECT bool_and(s.last_commit_lsn >= lsn) INTO reached
          FROM @schema@.stream s
         WHERE s.name = wait_for.stream OR wait_for.stream IS NULL;
        IF reached IS NULL THEN
            RAISE EXCEPTION 'there is no stream % in this target', coalesce(wait_for.stream, 'at all')
                USING ERRCODE = 'undefined_object';
        END IF;
        IF reached OR clock_timestamp() >= deadline THEN
            RETURN reached;
        END IF;
        PERFORM pg_sleep(pause);
        pause := least(pause * 2, 0.05);
    END LOOP;
END
$function$;

-- What check_target --repair changed, row by row; `before` is the target's row as it was, to take a repair back, without
-- the columns that a rule or the connector masks or leaves out.
CREATE TABLE @schema@.repair_log (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream      text NOT NULL,
    schema_name text NOT NULL,
    table_name  text NOT NULL,
    action      text NOT NULL CHECK (action IN ('insert', 'update', 'delete')),
    hidden      text[] NOT NULL DEFAULT '{}',            -- the columns that are left out of key and before
    key         text[],                                  -- in the order of the key's columns; NULL: a table without key
    before      json,                                    -- jsonb would refuse values that json takes
    repaired_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX repair_log_table ON @schema@.repair_log (schema_name, table_name, id);
