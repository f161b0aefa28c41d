-- The rows that a transaction in the quarantine touches (replicator/target/quarantine.c says how they are written): later
-- transactions of the same rows follow it. Why an operator skipped it. Which masks its events were stored under.
ALTER TABLE @schema@.quarantine
    ADD COLUMN keys text[] NOT NULL DEFAULT '{}',
    ADD COLUMN reason text,
    ADD COLUMN masks text NOT NULL DEFAULT '';
-- How many transactions with changes of a table (its name at the source) wait. A repair would write their rows, and a later
-- retry would write them again.
CREATE FUNCTION @schema@.waiting_transactions(stream text, schema_name text, table_name text)
RETURNS bigint
LANGUAGE sql STABLE
SET search_path = pg_catalog
AS $function$
    SELECT count(*) FROM @schema@.quarantine q
     WHERE q.stream = $1 AND q.state = 'waiting' AND $2 || '.' || $3 = ANY (q.tables)
$function$;
