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

CREATE TABLE @schema@.ddl_settings (
    one          boolean PRIMARY KEY DEFAULT true CHECK (one),
    capture      text[] NOT NULL DEFAULT '{}',   -- tables that match ("public.*") belong to the connector's publications
    strict       boolean NOT NULL DEFAULT false, -- true: a DDL command that cannot be logged fails
    installation uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO @schema@.ddl_settings DEFAULT VALUES;

-- Within one incarnation of the log its ids rise, and an oid is always the same object: installation of the log, system
-- identifier, oid of the database, timeline. A dump that is restored elsewhere brings the first with it, and not the others.
CREATE FUNCTION @schema@.ddl_incarnation() RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
SELECT concat_ws('/', s.installation,
                 CASE WHEN has_function_privilege('pg_control_system()', 'EXECUTE')
                      THEN (SELECT system_identifier::text FROM pg_control_system()) ELSE '-' END,
                 (SELECT oid FROM pg_database WHERE datname = current_database()),
                 left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))
  FROM @schema@.ddl_settings s
  );
END
$$;

CREATE TABLE @schema@.ddl_log (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incarnation text NOT NULL DEFAULT @schema@.ddl_incarnation(),
    event       text NOT NULL,              -- image, drop, rewrite, error; baseline: an image that no command made
    kind        text NOT NULL,              -- table, type, sequence, schema, extension
    relid       bigint NOT NULL,            -- oid of the object here
    schema_name text NOT NULL,
    object_name text NOT NULL,
    image       jsonb,                      -- NULL: dropped, or in parts
    part        text,                       -- of the image's text, where it is long: a message of Kafka is at most 1 MB by default
    part_number int,                        -- from 1
    part_count  int NOT NULL DEFAULT 1,
    part_of     bigint,                     -- id of the first part; NULL: this is the first
    published   boolean NOT NULL,           -- false: the connector's publication leaves the table out; of a drop: left it out
    tag         text NOT NULL,              -- ALTER TABLE; never the statement: it may hold passwords and other tables' values
    logged_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ddl_log_object ON @schema@.ddl_log (kind, relid, id DESC);

-- Rewrites of the current transaction, until the end of their command: pg_event_trigger_table_rewrite_reason. Not a setting of
-- the session: the code that a rewrite executes could change it.
CREATE TABLE @schema@.ddl_rewritten (
    relid  oid PRIMARY KEY,
    xid    xid8 NOT NULL,
    reason int NOT NULL
);

-- Schemas whose objects are followed: neither the server's nor ours.
CREATE VIEW @schema@.application_schema AS
SELECT oid, nspname FROM pg_catalog.pg_namespace
 WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', trim(both '"' from '@schema@'));

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
  IF NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = relation AND c.relpersistence = 'p') THEN
    RETURN false; -- changes of an unlogged table are not in the WAL
  END IF;
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

-- Whether its changes are in the stream. A sequence of a column follows its table; other kinds are followed always.
CREATE FUNCTION @schema@.ddl_object_published(of_kind text, object oid) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  owner oid;
BEGIN
  IF of_kind = 'table' THEN
    RETURN @schema@.ddl_published(object);
  ELSIF of_kind = 'sequence' THEN
    SELECT d.refobjid INTO owner FROM pg_depend d
     WHERE d.classid = 'pg_class'::regclass AND d.objid = object AND d.refclassid = d.classid AND d.refobjsubid > 0
       AND d.deptype IN ('a', 'i') LIMIT 1;
    RETURN owner IS NULL OR @schema@.ddl_published(owner);
  END IF;
  RETURN true;
END
$$;

-- The image that the log has last of an object (NULL: dropped), and what it says of the publication. Without a row: neither.
CREATE FUNCTION @schema@.ddl_last(of_kind text, object oid, OUT image jsonb, OUT published boolean)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
SELECT CASE WHEN l.part_count = 1 THEN l.image
            ELSE (SELECT string_agg(p.part, '' ORDER BY p.part_number)::jsonb FROM @schema@.ddl_log p
                   WHERE p.kind = l.kind AND p.relid = l.relid AND coalesce(p.part_of, p.id) = coalesce(l.part_of, l.id)) END,
       l.published
  INTO image, published
  FROM @schema@.ddl_log l
 WHERE l.kind = of_kind AND l.relid = object::bigint AND l.event <> 'rewrite'
 ORDER BY l.id DESC LIMIT 1;
END
$$;

-- An image of more than 64,000 characters comes in parts of that length: as JSON within JSON, in UTF-8, each stays below the
-- 1 MB of a producer (max.request.size) and of a topic (max.message.bytes), whatever its characters are.
CREATE FUNCTION @schema@.ddl_write(of_event text, of_kind text, object oid, image jsonb, is_published boolean, of_tag text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  whole text := image::text;
  size CONSTANT int := 64000;
  many CONSTANT int := (length(whole) + size - 1) / size;
  first bigint;
  number int;
BEGIN
  FOR number IN 1 .. many LOOP
    INSERT INTO @schema@.ddl_log AS l (event, kind, relid, schema_name, object_name, image, part, part_number, part_count, part_of, published, tag)
    VALUES (of_event, of_kind, object::bigint, image->>'schema', image->>'name',
            CASE WHEN many = 1 THEN image END, CASE WHEN many > 1 THEN substr(whole, (number - 1) * size + 1, size) END,
            number, many, first, is_published, of_tag)
    RETURNING coalesce(first, l.id) INTO first;
  END LOOP;
END
$$;

-- Logs the object as it is now, unless the last image says the same. joined: it is in the stream now, and was not by that image.
CREATE FUNCTION @schema@.ddl_log_image(of_event text, of_kind text, object oid, of_tag text, OUT logged boolean, OUT joined boolean)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  now_is jsonb := @schema@.object_image(of_kind, object);
  now_published boolean := @schema@.ddl_object_published(of_kind, object);
  last record;
BEGIN
  SELECT * INTO last FROM @schema@.ddl_last(of_kind, object);
  logged := now_is IS NOT NULL AND (last.image IS NULL OR now_is <> last.image OR now_published <> last.published);
  joined := logged AND now_published AND (last.image IS NULL OR NOT last.published);
  IF logged THEN
    PERFORM @schema@.ddl_write(of_event, of_kind, object, now_is, now_published, of_tag);
  END IF;
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
  UNION
  -- ALTER TYPE ... CASCADE names the type alone
  SELECT c.oid, c.relkind, c.relnamespace
    FROM pg_class k JOIN pg_depend d ON d.refclassid = 'pg_type'::regclass AND d.refobjid = k.reltype AND d.classid = 'pg_class'::regclass
    JOIN pg_class c ON c.oid = d.objid AND c.reloftype = k.reltype
   WHERE class = 'pg_class'::regclass AND k.oid = object AND k.relkind = 'c' AND c.relpersistence <> 't'
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
    FROM family f, jsonb_array_elements_text((SELECT l.image FROM @schema@.ddl_last('table', f.oid) l)->'children') old, pg_class c
   WHERE c.oid = old::oid AND NOT EXISTS (SELECT FROM family g WHERE g.oid = c.oid)
  UNION ALL
  -- ALTER SEQUENCE ... OWNED BY names the sequence alone
  SELECT 5, 'table', c.oid, c.relnamespace
    FROM relation r, pg_class c
   WHERE r.relkind = 'S' AND c.oid::bigint IN ((@schema@.sequence_image(r.oid)->'ids'->>'owner')::bigint,
                                               ((SELECT l.image FROM @schema@.ddl_last('sequence', r.oid) l)->'ids'->>'owner')::bigint)
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
    OR namespace IN (SELECT n.oid FROM @schema@.application_schema n)
  ;
END
$$;

CREATE FUNCTION @schema@.ddl_of_extension(of_kind text, object oid) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT EXISTS (SELECT FROM pg_depend d WHERE d.objid = object AND d.deptype = 'e' AND d.objsubid = 0 AND d.classid = CASE of_kind
                 WHEN 'type' THEN 'pg_type'::regclass WHEN 'schema' THEN 'pg_namespace'::regclass
                 WHEN 'extension' THEN 'pg_extension'::regclass ELSE 'pg_class'::regclass END)
    OR of_kind = 'type' AND EXISTS (SELECT FROM pg_type t JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = t.typrelid
                                     WHERE t.oid = object AND t.typrelid <> 0 AND d.deptype = 'e')
$$;

-- By the images: an index that was dropped has left the catalogs.
CREATE FUNCTION @schema@.ddl_table_of_index(index oid) RETURNS oid
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
SELECT l.relid::oid FROM @schema@.ddl_log l
 WHERE l.kind = 'table' AND (l.image IS NOT NULL OR l.part_count > 1 AND l.part_number = l.part_count)
   AND CASE WHEN l.part_count = 1 THEN l.image
            ELSE (SELECT string_agg(p.part, '' ORDER BY p.part_number)::jsonb FROM @schema@.ddl_log p
                   WHERE p.kind = l.kind AND p.relid = l.relid AND coalesce(p.part_of, p.id) = l.part_of) END
       ->'indexes' @> jsonb_build_array(jsonb_build_object('oid', index::bigint))
 ORDER BY l.id DESC LIMIT 1
  );
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
     AND @schema@.ddl_is_locked(relation) THEN
    EXECUTE format('ALTER TABLE ONLY %s REPLICA IDENTITY FULL', relation::regclass);
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = relation AND attgenerated = 'v' AND NOT attisdropped) THEN
      RAISE WARNING 'replicator: updates and deletes of table % fail while it is published', relation::regclass
        USING DETAIL = 'It has no key, and virtual generated columns cannot be part of a replica identity.',
              HINT = 'Give it a primary key.';
    END IF;
  END IF;
END
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
  VALUES ('error', 'table', 0, '', left(message, 1000), true, of_tag);
END
$$;

-- `context`: PG_CONTEXT of the event trigger itself.
CREATE FUNCTION @schema@.ddl_log_command(of_kind text, object oid, of_tag text, context text, in_extension boolean, OUT marked oid)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  before CONSTANT jsonb := (SELECT image FROM @schema@.ddl_last(of_kind, object));
  joined CONSTANT boolean := (SELECT l.joined FROM @schema@.ddl_log_image('image', of_kind, object, of_tag) l);
BEGIN
  IF of_kind <> 'table' THEN
    RETURN;
  END IF;
  PERFORM @schema@.ddl_identify(object);
  PERFORM @schema@.ddl_note_file(object);
  IF @schema@.ddl_values_lost(object, before, @schema@.ddl_using_is_possible(context, in_extension))
     -- rows of CREATE TABLE AS come as events where the table is published from the start
     OR joined AND (before IS NOT NULL OR of_tag NOT IN ('CREATE TABLE AS', 'SELECT INTO')) THEN
    marked := @schema@.ddl_event_table(object) WHERE @schema@.ddl_published(object) AND pg_relation_size(object) > 0;
  END IF;
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
  context text;
  marked oid[] := '{}';
BEGIN
  GET DIAGNOSTICS context = PG_CONTEXT;
  PERFORM @schema@.ddl_begin();
  FOR object IN
    SELECT o.kind, o.relid, bool_or(c.in_extension) AS in_extension
      FROM pg_event_trigger_ddl_commands() WITH ORDINALITY
           AS c (classid, objid, objsubid, command_tag, object_type, schema_name, object_identity, in_extension, command, number),
           @schema@.ddl_objects(c.classid, c.objid) o
     WHERE NOT c.in_extension OR NOT @schema@.ddl_of_extension(o.kind, o.relid)
     GROUP BY o.kind, o.relid
     ORDER BY min(o.rank), CASE o.kind WHEN 'table' THEN @schema@.ddl_depth(o.relid) END, min(c.number)
  LOOP
    marked := marked || @schema@.ddl_log_command(object.kind, object.relid, tg_tag, context, object.in_extension);
  END LOOP;
  PERFORM @schema@.ddl_mark(marked, tg_tag);
  PERFORM @schema@.ddl_log_publications(c.classid, c.objid, tg_tag) FROM pg_event_trigger_ddl_commands() c
    WHERE c.object_type LIKE 'publication%';
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
  context text;
  in_extension boolean;
  marked oid[] := '{}';
BEGIN
  GET DIAGNOSTICS context = PG_CONTEXT;
  PERFORM @schema@.ddl_begin();
  in_extension := coalesce((SELECT bool_or(c.in_extension) FROM pg_event_trigger_ddl_commands() c), false);
  FOR object IN
    SELECT c.oid AS relid
      FROM pg_event_trigger_dropped_objects() d
      JOIN pg_class c ON c.oid = CASE
             WHEN d.object_type = 'index' THEN @schema@.ddl_table_of_index(d.objid)
             WHEN d.objsubid <> 0 AND d.classid = 'pg_class'::regclass THEN d.objid
             WHEN d.object_type IN ('table constraint', 'default value') THEN
               to_regclass(format('%I.%I', d.address_names[1], d.address_names[2])) END
     WHERE NOT d.is_temporary AND c.relpersistence <> 't' AND c.relkind IN ('r', 'p')
       AND c.relnamespace <> trim(both '"' from '@schema@')::regnamespace
     GROUP BY c.oid ORDER BY bool_or(d.objsubid <> 0 OR d.object_type = 'index'), @schema@.ddl_depth(c.oid), c.oid
  LOOP
    marked := marked || @schema@.ddl_log_command('table', object.relid, tg_tag, context, in_extension);
  END LOOP;
  PERFORM @schema@.ddl_mark(marked, tg_tag);
  INSERT INTO @schema@.ddl_log (event, kind, relid, schema_name, object_name, published, tag)
  SELECT 'drop', kind, d.objid::bigint,
         coalesce(d.schema_name, ''), coalesce(d.object_name, d.address_names[array_upper(d.address_names, 1)]),
         last.published, tg_tag
    FROM pg_event_trigger_dropped_objects() WITH ORDINALITY AS d,
         LATERAL (SELECT CASE WHEN d.object_type = 'composite type' THEN 'type' ELSE d.object_type END) k (kind),
         LATERAL (SELECT l.published FROM @schema@.ddl_log l
                   WHERE l.kind = k.kind AND l.relid = d.objid::bigint AND l.event <> 'rewrite' ORDER BY l.id DESC LIMIT 1) last
   WHERE NOT d.is_temporary AND d.objsubid = 0
     AND d.object_type IN ('table', 'sequence', 'schema', 'extension', 'type', 'composite type')
   -- the server names them in the reverse order of their removal: what depends on others comes last
   ORDER BY array_position(ARRAY['table', 'sequence', 'type', 'composite type', 'extension', 'schema'], d.object_type),
            d.ordinality DESC;
  PERFORM @schema@.ddl_log_publications(NULL, NULL, tg_tag)
    WHERE EXISTS (SELECT FROM pg_event_trigger_dropped_objects() d WHERE d.object_type LIKE 'publication%');
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
  IF (SELECT relkind = 'r' AND relpersistence <> 't' FROM pg_class WHERE oid = pg_event_trigger_table_rewrite_oid()) THEN
    PERFORM @schema@.mark_truncated_partitions(pg_event_trigger_table_rewrite_oid());
    INSERT INTO @schema@.ddl_rewritten VALUES (pg_event_trigger_table_rewrite_oid(), pg_current_xact_id(), pg_event_trigger_table_rewrite_reason())
      ON CONFLICT (relid) DO UPDATE SET xid = excluded.xid, reason = excluded.reason;
  END IF;
EXCEPTION WHEN OTHERS THEN
  PERFORM @schema@.ddl_failed(tg_tag, sqlerrm);
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
                  WHERE n.kind = l.kind AND n.relid = l.relid AND n.id > l.id AND n.event <> 'rewrite'
                     AND coalesce(n.part_of, n.id) <> coalesce(l.part_of, l.id))
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
