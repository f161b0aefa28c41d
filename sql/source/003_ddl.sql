-- The DDL log of the source: one row for each object that a command changed, with its image right after the command,
-- in the transaction of the command, at its place. replicator.ddl_log is captured like any table.
--
-- NOTES
--   The functions are security definer with a fixed search_path: users need no rights on the log. What fails in here
--   never fails a user's DDL (unless ddl_settings.strict): it leaves a row with event 'error'. Which object it was is not
--   known then: the daemon says so, and all tables are unverified until a comparison.
--
--   An image that equals the last one of its object is not logged. So COMMENTs on functions and the like leave nothing.
--
--   A rewrite whose values the target cannot compute (a volatile default, USING) emits no row events by itself. It leaves
--   a row with event 'rewrite', and the table is to be resynced: nothing here writes to the application's tables.

CREATE TABLE @schema@.ddl_log (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event       text NOT NULL,              -- image, drop, rewrite, error; baseline: an image that no command made
    kind        text NOT NULL,              -- table, type, sequence, schema, extension
    relid       bigint NOT NULL,            -- oid of the object here
    schema_name text NOT NULL,
    object_name text NOT NULL,
    image       jsonb,                      -- NULL: dropped
    published   boolean NOT NULL,           -- false: the connector's publication leaves the table out
    tag         text NOT NULL,              -- ALTER TABLE; never the statement: it may hold passwords and other tables' values
    logged_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ddl_log_object ON @schema@.ddl_log (kind, relid, id DESC);

CREATE TABLE @schema@.ddl_settings (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    capture     text[] NOT NULL DEFAULT '{}',   -- tables that match ("public.*") belong to the connector's publications
    strict      boolean NOT NULL DEFAULT false  -- true: a DDL command that cannot be logged fails
);
INSERT INTO @schema@.ddl_settings DEFAULT VALUES;

-- The publications of the connectors. made: by `init source`, whose --remove drops it.
CREATE TABLE @schema@.publication (
    name name PRIMARY KEY,
    made boolean NOT NULL
);

CREATE FUNCTION @schema@.ddl_publications() RETURNS TABLE (publication oid)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY
SELECT p.oid FROM pg_publication p JOIN @schema@.publication o ON o.name = p.pubname
  ;
END
$$;

-- Read from the catalogs themselves: pg_publication_tables opens every table, and fails where another session drops one.
CREATE FUNCTION @schema@.ddl_published(relation oid) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  family oid[] := array(SELECT relation UNION SELECT relid FROM pg_partition_ancestors(relation));
  publications oid[] := array(SELECT publication FROM @schema@.ddl_publications());
BEGIN
  IF EXISTS (SELECT FROM pg_publication p WHERE p.oid = ANY (publications) AND p.puballtables)
     OR EXISTS (SELECT FROM pg_publication_rel r WHERE r.prpubid = ANY (publications) AND r.prrelid = ANY (family)) THEN
    RETURN true;
  END IF;
  IF current_setting('server_version_num')::int < 150000 THEN
    RETURN false;
  END IF;
  RETURN EXISTS (SELECT FROM pg_publication_namespace s JOIN pg_class c ON c.relnamespace = s.pnnspid
                  WHERE s.pnpubid = ANY (publications) AND c.oid = ANY (family));
END
$$;

CREATE FUNCTION @schema@.ddl_last_image(of_kind text, object oid) RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
SELECT image FROM @schema@.ddl_log WHERE kind = of_kind AND relid = object::bigint AND event <> 'rewrite'
 ORDER BY id DESC LIMIT 1
  );
END
$$;

CREATE FUNCTION @schema@.ddl_log_image(of_event text, of_kind text, object oid, of_tag text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  now_is jsonb := @schema@.object_image(of_kind, object);
BEGIN
  IF now_is IS NULL OR now_is = @schema@.ddl_last_image(of_kind, object) THEN
    RETURN;
  END IF;
  INSERT INTO @schema@.ddl_log (event, kind, relid, schema_name, object_name, image, published, tag)
  VALUES (of_event, of_kind, object::bigint, now_is->>'schema', now_is->>'name', now_is,
          of_kind <> 'table' OR @schema@.ddl_published(object), of_tag);
END
$$;

-- The objects that an address of a command stands for, in the order in which a target needs them.
CREATE FUNCTION @schema@.ddl_objects(class oid, object oid) RETURNS TABLE (rank int, kind text, relid oid)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY
WITH RECURSIVE relation AS (
  SELECT c.oid, c.relkind, c.relnamespace FROM pg_class c
   WHERE class = 'pg_class'::regclass AND c.relpersistence <> 't'
     AND c.oid = coalesce((SELECT x.indrelid FROM pg_index x WHERE x.indexrelid = object),
                          (SELECT d.refobjid FROM pg_depend d WHERE d.classid = class AND d.objid = object AND d.objsubid = 0
                              AND d.refclassid = class AND d.deptype = 'i' AND d.refobjsubid > 0), object)
  UNION
  SELECT c.oid, c.relkind, c.relnamespace FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
   WHERE class = 'pg_constraint'::regclass AND k.oid = object AND c.relpersistence <> 't'
), family AS (
  SELECT oid, relkind, relnamespace FROM relation
  UNION
  SELECT c.oid, c.relkind, c.relnamespace
    FROM family f JOIN pg_inherits i ON i.inhparent = f.oid JOIN pg_class c ON c.oid = i.inhrelid
   WHERE f.relkind IN ('r', 'p')
)
SELECT found.rank, found.kind, found.oid FROM (
  SELECT 5, 'table', f.oid, f.relnamespace FROM family f WHERE relkind IN ('r', 'p')
  UNION ALL
  -- a new child is one of the children from now on: DETACH names the parent alone
  SELECT 5, 'table', p.oid, p.relnamespace
    FROM relation r JOIN pg_inherits i ON i.inhrelid = r.oid JOIN pg_class p ON p.oid = i.inhparent AND p.relkind IN ('r', 'p')
  UNION ALL
  -- those that were children in the last image and are no more
  SELECT 5, 'table', c.oid, c.relnamespace
    FROM family f, jsonb_array_elements_text(@schema@.ddl_last_image('table', f.oid)->'children') old, pg_class c
   WHERE c.oid = old::oid AND NOT EXISTS (SELECT FROM family g WHERE g.oid = c.oid)
  UNION ALL
  -- ALTER SEQUENCE ... OWNED BY names the sequence alone
  SELECT 5, 'table', c.oid, c.relnamespace
    FROM relation r, pg_class c
   WHERE r.relkind = 'S' AND c.oid::bigint IN ((@schema@.sequence_image(r.oid)->'ids'->>'owner')::bigint,
                                               (@schema@.ddl_last_image('sequence', r.oid)->'ids'->>'owner')::bigint)
  UNION ALL
  SELECT 4, 'sequence', oid, relnamespace FROM family WHERE relkind = 'S'
  UNION ALL
  SELECT 3, 'type', t.oid, t.typnamespace FROM pg_type t
   WHERE t.oid = CASE class WHEN 'pg_type'::regclass THEN object
                            WHEN 'pg_constraint'::regclass THEN (SELECT contypid FROM pg_constraint WHERE oid = object)
                            WHEN 'pg_class'::regclass THEN (SELECT c.reltype FROM pg_class c WHERE c.oid = object AND c.relkind = 'c') END
     AND (t.typtype IN ('e', 'd', 'r') OR t.typtype = 'c'
          AND EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
  UNION ALL
  SELECT 2, 'extension', e.oid, NULL FROM pg_extension e WHERE class = 'pg_extension'::regclass AND e.oid = object
  UNION ALL
  SELECT 1, 'schema', n.oid, n.oid FROM pg_namespace n WHERE class = 'pg_namespace'::regclass AND n.oid = object
) AS found (rank, kind, oid, namespace)
 WHERE namespace IS NULL
    OR namespace NOT IN (SELECT n.oid FROM pg_namespace n
                          WHERE n.nspname ~ '^pg_' OR n.nspname IN ('information_schema', trim(both '"' from '@schema@')))
  ;
END
$$;

-- How many parents, one above the other, a table inherits from.
CREATE FUNCTION @schema@.ddl_depth(relation oid) RETURNS int
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
WITH RECURSIVE family AS (
  SELECT relation AS oid, 0 AS depth
  UNION
  SELECT i.inhparent, f.depth + 1 FROM family f JOIN pg_inherits i ON i.inhrelid = f.oid
)
SELECT max(depth) FROM family
  );
END
$$;

CREATE FUNCTION @schema@.ddl_matches_capture(relation oid) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
SELECT EXISTS (
  SELECT FROM @schema@.ddl_settings s, unnest(s.capture) pattern, pg_class c, pg_namespace n
   WHERE c.oid = relation AND n.oid = c.relnamespace AND c.relpersistence = 'p'
     AND n.nspname || '.' || c.relname LIKE replace(replace(replace(pattern, '\', '\\'), '_', '\_'), '*', '%'))
  );
END
$$;

-- Whether the server refuses updates and deletes of the table once it is published; of a partitioned table, whether their
-- events would lack the old row.
CREATE FUNCTION @schema@.ddl_lacks_identity(relation oid) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
SELECT EXISTS (SELECT FROM pg_class c WHERE c.oid = relation AND c.relkind IN ('r', 'p') AND c.relreplident IN ('d', 'i')
                  AND NOT EXISTS (SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indisvalid AND x.indimmediate
                                     AND CASE c.relreplident WHEN 'd' THEN x.indisprimary ELSE x.indisreplident END))
  );
END
$$;

-- The application's updates and deletes go on. Only of tables that ddl_settings.capture names: the publication of others is
-- their owner's decision. And only where the command itself has locked the table against all others: an application must
-- not wait for our lock.
CREATE FUNCTION @schema@.ddl_identify(relation oid) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF @schema@.ddl_lacks_identity(relation) AND @schema@.ddl_matches_capture(relation) AND @schema@.ddl_published(relation)
     AND EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
                  WHERE l.locktype = 'relation' AND l.relation = ddl_identify.relation AND l.pid = pg_backend_pid()
                    AND l.mode = 'AccessExclusiveLock' AND l.granted) THEN
    EXECUTE format('ALTER TABLE ONLY %s REPLICA IDENTITY FULL', relation::regclass);
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = relation AND attgenerated = 'v' AND NOT attisdropped) THEN
      RAISE WARNING 'replicator: updates and deletes of table % fail while it is published', relation::regclass
        USING DETAIL = 'It has no key, and virtual generated columns cannot be part of a replica identity.',
              HINT = 'Give it a primary key.';
    END IF;
  END IF;
END
$$;

-- Whether the target gets other values from the same change of the image: new columns whose default is computed row by
-- row, and changes of type that are more than a cast between relatives.
CREATE FUNCTION @schema@.ddl_values_lost(relation oid, before jsonb, reason int) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT EXISTS (
  SELECT FROM jsonb_array_elements(@schema@.table_image(relation)->'columns') now_is
    LEFT JOIN jsonb_array_elements(before->'columns') was ON was->'attnum' = now_is->'attnum'
   WHERE CASE WHEN was IS NULL THEN reason & 2 <> 0 AND (now_is->>'identity' <> '' OR now_is->>'default' IS NOT NULL)
              ELSE reason & 4 <> 0 AND was->'ids'->'type' <> now_is->'ids'->'type'
                   AND (current_query() ~* '\musing\M'
                        OR NOT (was->>'type' IN ('smallint', 'integer', 'bigint') AND now_is->>'type' ~ '^(integer|bigint|numeric)'
                                OR was->>'type' ~ '^(text|character varying)' AND now_is->>'type' ~ '^(text|character varying)'
                                OR was->>'type' ~ '^numeric' AND now_is->>'type' ~ '^numeric'
                                OR was->>'type' = 'real' AND now_is->>'type' = 'double precision')) END)
$$;

-- Rows of which no events came: the log says so.
CREATE FUNCTION @schema@.ddl_mark(relation oid, of_tag text) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
INSERT INTO @schema@.ddl_log (event, kind, relid, schema_name, object_name, published, tag)
SELECT 'rewrite', 'table', relation::bigint, n.nspname, c.relname, true, of_tag
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation
$$;

CREATE FUNCTION @schema@.ddl_failed(of_tag text, message text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF (SELECT strict FROM @schema@.ddl_settings) THEN
    RAISE EXCEPTION 'replicator: this command cannot be logged: %', message;
  END IF;
  RAISE WARNING 'replicator: this command cannot be logged: %', message;
  INSERT INTO @schema@.ddl_log (event, kind, relid, schema_name, object_name, published, tag)
  VALUES ('error', 'table', 0, '', message, true, of_tag);
END
$$;

CREATE FUNCTION @schema@.ddl_on_end() RETURNS event_trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off
AS $$
DECLARE
  object record;
  before jsonb;
  reason int;
  rewritten boolean;
  handled text[] := '{}';
BEGIN
  FOR object IN
    SELECT o.kind, o.relid
      FROM pg_event_trigger_ddl_commands() WITH ORDINALITY
           AS c (classid, objid, objsubid, command_tag, object_type, schema_name, object_identity, in_extension, command, number),
           @schema@.ddl_objects(c.classid, c.objid) o
     WHERE NOT c.in_extension
     GROUP BY o.kind, o.relid
     ORDER BY min(o.rank), CASE o.kind WHEN 'table' THEN @schema@.ddl_depth(o.relid) END, min(c.number)
  LOOP
    handled := handled || object.relid::text;
    before := @schema@.ddl_last_image(object.kind, object.relid);
    reason := coalesce((nullif(current_setting('replicator.rewritten', true), '')::jsonb->>object.relid::text)::int, 0);
    rewritten := object.kind = 'table' AND reason <> 0 AND @schema@.ddl_published(object.relid)
                 AND @schema@.ddl_values_lost(object.relid, before, reason);
    PERFORM @schema@.ddl_log_image('image', object.kind, object.relid, tg_tag);
    IF object.kind = 'table' THEN
      PERFORM @schema@.ddl_identify(object.relid);
    END IF;
    IF rewritten THEN
      PERFORM @schema@.ddl_mark(object.relid, tg_tag);
    END IF;
  END LOOP;
  -- Another event trigger may execute commands inside of this one: their ends leave the marks of other tables alone.
  PERFORM set_config('replicator.rewritten', (current_setting('replicator.rewritten', true)::jsonb - handled)::text, true)
    WHERE current_setting('replicator.rewritten', true) <> '';
EXCEPTION WHEN OTHERS THEN
  PERFORM @schema@.ddl_failed(tg_tag, sqlerrm);
END
$$;

-- What was dropped itself, and the tables that lost a part of themselves (an index, a column of a dropped type, a
-- foreign key to a dropped table). Those that lost no column and no index come first, since the keys that refer to one have
-- to go before it does; parents come before those that inherit from them.
CREATE FUNCTION @schema@.ddl_on_drop() RETURNS event_trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off
AS $$
DECLARE
  object record;
BEGIN
  FOR object IN
    SELECT c.oid AS relid
      FROM pg_event_trigger_dropped_objects() d
      JOIN pg_class c ON c.oid = CASE
             WHEN d.object_type = 'index' THEN
               (SELECT l.relid::oid FROM @schema@.ddl_log l
                 WHERE l.kind = 'table' AND l.image->'indexes' @> jsonb_build_array(jsonb_build_object('oid', d.objid::bigint))
                 ORDER BY l.id DESC LIMIT 1)
             WHEN d.objsubid <> 0 AND d.classid = 'pg_class'::regclass THEN d.objid
             WHEN d.object_type IN ('table constraint', 'default value') THEN
               to_regclass(format('%I.%I', d.address_names[1], d.address_names[2])) END
     WHERE NOT d.is_temporary AND c.relpersistence <> 't' AND c.relkind IN ('r', 'p')
       AND c.relnamespace <> trim(both '"' from '@schema@')::regnamespace
     GROUP BY c.oid ORDER BY bool_or(d.objsubid <> 0 OR d.object_type = 'index'), @schema@.ddl_depth(c.oid), c.oid
  LOOP
    PERFORM @schema@.ddl_log_image('image', 'table', object.relid, tg_tag);
    PERFORM @schema@.ddl_identify(object.relid);
  END LOOP;
  INSERT INTO @schema@.ddl_log (event, kind, relid, schema_name, object_name, published, tag)
  SELECT 'drop', CASE WHEN d.object_type = 'composite type' THEN 'type' ELSE d.object_type END, d.objid::bigint,
         coalesce(d.schema_name, ''), coalesce(d.object_name, d.address_names[array_upper(d.address_names, 1)]),
         true, tg_tag
    FROM pg_event_trigger_dropped_objects() WITH ORDINALITY AS d
   WHERE NOT d.is_temporary AND d.objsubid = 0
     AND (d.object_type IN ('table', 'sequence', 'schema', 'extension') OR d.object_type IN ('type', 'composite type')
          AND EXISTS (SELECT FROM @schema@.ddl_log l WHERE l.kind = 'type' AND l.relid = d.objid::bigint))
     AND EXISTS (SELECT FROM @schema@.ddl_log l WHERE l.relid = d.objid::bigint)
   -- the server names them in the reverse order of their removal: what depends on others comes last
   ORDER BY array_position(ARRAY['table', 'sequence', 'type', 'composite type', 'extension', 'schema'], d.object_type),
            d.ordinality DESC;
EXCEPTION WHEN OTHERS THEN
  PERFORM @schema@.ddl_failed(tg_tag, sqlerrm);
END
$$;

CREATE FUNCTION @schema@.ddl_on_rewrite() RETURNS event_trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM set_config('replicator.rewritten',
                     (coalesce(nullif(current_setting('replicator.rewritten', true), ''), '{}')::jsonb
                      || jsonb_build_object(pg_event_trigger_table_rewrite_oid()::text, pg_event_trigger_table_rewrite_reason()))::text,
                     true);
EXCEPTION WHEN OTHERS THEN
  PERFORM @schema@.ddl_failed(tg_tag, sqlerrm);
END
$$;

-- The images from which the log begins, once the publication is there. Again after a time without the triggers: only what differs is logged.
CREATE FUNCTION @schema@.ddl_baseline() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off
AS $$
DECLARE
  object record;
BEGIN
  FOR object IN
    SELECT o.kind, o.relid FROM (
        SELECT 'pg_namespace'::regclass AS class, oid FROM pg_namespace
        UNION ALL SELECT 'pg_extension'::regclass, oid FROM pg_extension
        UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type WHERE typtype IN ('e', 'd', 'c', 'r')
        UNION ALL SELECT 'pg_class'::regclass, oid FROM pg_class WHERE relkind IN ('r', 'p', 'S')) c,
      @schema@.ddl_objects(c.class, c.oid) o
     WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = c.class AND d.objid = c.oid AND d.deptype = 'e')
     GROUP BY o.kind, o.relid ORDER BY min(o.rank), o.relid
  LOOP
    PERFORM @schema@.ddl_log_image('baseline', object.kind, object.relid, '');
  END LOOP;
END
$$;

-- Keeps the last image of each object, and what is younger than the given age: later commands are compared with that image.
CREATE FUNCTION @schema@.ddl_prune(older_than interval DEFAULT '30 days') RETURNS bigint
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
WITH gone AS (
  DELETE FROM @schema@.ddl_log l
   WHERE l.logged_at < clock_timestamp() - older_than
     AND EXISTS (SELECT FROM @schema@.ddl_log n
                  WHERE n.kind = l.kind AND n.relid = l.relid AND n.id > l.id AND n.event <> 'rewrite')
  RETURNING 1)
SELECT count(*) FROM gone
$$;

-- Event triggers need a superuser, or a provider that permits them. False: they are not there, and the daemon then infers
-- columns from the events alone.
CREATE FUNCTION @schema@.ddl_enable() RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_event_trigger WHERE evtname = 'replicator_ddl_end') THEN
    CREATE EVENT TRIGGER replicator_ddl_end ON ddl_command_end EXECUTE FUNCTION @schema@.ddl_on_end();
    CREATE EVENT TRIGGER replicator_ddl_drop ON sql_drop EXECUTE FUNCTION @schema@.ddl_on_drop();
    CREATE EVENT TRIGGER replicator_ddl_rewrite ON table_rewrite EXECUTE FUNCTION @schema@.ddl_on_rewrite();
  END IF;
  RETURN true;
EXCEPTION WHEN insufficient_privilege THEN
  RETURN false;
END
$$;
