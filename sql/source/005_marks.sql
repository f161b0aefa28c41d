-- Rows and values that the target cannot get from the events: a row of event 'rewrite' in the log has the table resynced.
--
-- NOTES
--   A change of the schema computes values in three ways that emit no row events: a rewrite fills a new column, a rewrite converts
--   a column, and rows are there already when their table begins to be published. The target executes the same change on its own
--   rows. It gets equal values only in the cases that ddl_values_lost lists; in all others the table is marked. An empty table
--   is not.
--
--   A mark names the table under whose name the rows' events come: a partition whose publication publishes by the root has none.

-- The table whose name the events of a table's rows have.
CREATE FUNCTION @schema@.ddl_event_table(relation oid) RETURNS oid
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_class c, @schema@.ddl_publications() o JOIN pg_publication p ON p.oid = o.publication
                  WHERE c.oid = relation AND c.relispartition AND p.pubviaroot) THEN
    RETURN relation;
  END IF;
  RETURN coalesce((SELECT a.relid::oid FROM pg_partition_ancestors(relation) WITH ORDINALITY AS a (relid, level)
                    WHERE @schema@.ddl_published(a.relid) ORDER BY a.level DESC LIMIT 1), relation);
END
$$;

CREATE FUNCTION @schema@.ddl_mark(tables oid[], of_tag text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
INSERT INTO @schema@.ddl_log (event, kind, relid, schema_name, object_name, published, tag)
SELECT 'rewrite', 'table', c.oid::bigint, n.nspname, c.relname, true, of_tag
  FROM (SELECT DISTINCT unnest(array_remove(tables, NULL))) t (relation) JOIN pg_class c ON c.oid = t.relation
  JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY n.nspname, c.relname;
END
$$;

-- The file of each partition whose rows come under another table's name: TRUNCATE gives the partition a new one, and no event, because a
-- publication by the root leaves out the TRUNCATE of a partition. No trigger on the application's tables: it would need a lock on
-- them, run in the application's TRUNCATE, and be in every dump.
CREATE TABLE @schema@.partition_file (
    relid oid PRIMARY KEY,
    file  oid NOT NULL
);

-- Marks the published tables of the partitions (NULL: all of them) that have another file. VACUUM FULL and CLUSTER give a new file, too:
-- such a mark ends with a comparison that finds both sides equal. A DDL command that rewrites notes the new file itself.
CREATE FUNCTION @schema@.mark_truncated_partitions(only_one oid DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '1s'
AS $$
DECLARE
  changed oid[];
BEGIN
  IF NOT EXISTS (SELECT FROM @schema@.ddl_publications() o JOIN pg_publication p ON p.oid = o.publication WHERE p.pubviaroot) THEN
    RETURN 0;
  END IF;
  WITH other AS MATERIALIZED ( -- mostly none
    SELECT c.oid AS relid, pg_relation_filenode(c.oid) AS file, f.file AS was
      FROM pg_class c LEFT JOIN @schema@.partition_file f ON f.relid = c.oid
     WHERE c.relispartition AND c.relkind = 'r' AND c.oid = coalesce(only_one, c.oid)
       AND f.file IS DISTINCT FROM pg_relation_filenode(c.oid)
  ), noted AS (
    INSERT INTO @schema@.partition_file AS f SELECT o.relid, o.file FROM other o WHERE @schema@.ddl_event_table(o.relid) <> o.relid
        ON CONFLICT (relid) DO UPDATE SET file = excluded.file
    RETURNING relid
  )
  SELECT array_agg(DISTINCT @schema@.ddl_event_table(o.relid)) INTO changed FROM noted JOIN other o USING (relid) WHERE o.was IS NOT NULL;
  IF only_one IS NULL THEN
    DELETE FROM @schema@.partition_file f WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = f.relid);
  END IF;
  PERFORM @schema@.ddl_mark(changed, 'TRUNCATE TABLE');
  RETURN coalesce(cardinality(changed), 0);
END
$$;

-- At the end of a command that changed the table. Only a rewrite of the command itself explains another file than the one noted.
CREATE FUNCTION @schema@.ddl_note_file(relation oid) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
INSERT INTO @schema@.partition_file AS f SELECT c.oid, pg_relation_filenode(c.oid) FROM pg_class c
 WHERE c.oid = relation AND c.relispartition AND c.relkind = 'r' AND @schema@.ddl_event_table(c.oid) <> c.oid
    ON CONFLICT (relid) DO UPDATE SET file = excluded.file
 WHERE f.file <> excluded.file
   AND EXISTS (SELECT FROM @schema@.ddl_rewritten r WHERE r.relid = relation AND r.xid = pg_current_xact_id());
END
$$;

-- Whether the command that ends may have had USING, which no catalog shows. It had none where its own text lacks the word. The text
-- that the server knows is the client's: so the client must have sent the command itself. `context` of the event trigger has a
-- line for each function and statement around it.
CREATE FUNCTION @schema@.ddl_using_is_possible(context text, in_extension boolean) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN in_extension OR strpos(context, E'\n') > 0 OR current_query() IS NULL
    OR (current_query() COLLATE "C") !~* '\malter\M' OR (current_query() COLLATE "C") ~* '\musing\M';
END
$$;

-- Without its domains; of an array, of its elements.
CREATE FUNCTION @schema@.ddl_stored_type(type oid) RETURNS oid
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
WITH RECURSIVE base AS (
  SELECT t.oid, t.typtype, t.typbasetype, t.typcategory, t.typelem FROM pg_type t WHERE t.oid = type
  UNION ALL
  SELECT t.oid, t.typtype, t.typbasetype, t.typcategory, t.typelem FROM base b JOIN pg_type t
      ON t.oid = CASE WHEN b.typtype = 'd' THEN b.typbasetype ELSE b.typelem END
   WHERE b.typtype = 'd' OR b.typcategory = 'A'
)
SELECT oid FROM base WHERE typtype <> 'd' AND typcategory <> 'A'
$$;

-- Whether the target's own cast of the same old values gives the source's new ones. Not rewritten: the source's values are the same
-- bytes as before, and so the target's cast must be without a function, too (a timestamp in a session of UTC becomes a timestamptz by
-- one). Rewritten: casts between types of the server that depend on the value alone, in every session and version.
CREATE FUNCTION @schema@.ddl_cast_is_safe(was text, was_oid oid, now_is text, now_oid oid, rewritten boolean) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT CASE WHEN rewritten THEN
              was IN ('smallint', 'integer', 'bigint') AND now_is ~ '^(smallint|integer|bigint|text|character varying|numeric(\(\d+,-?\d+\))?)$'
              OR was ~ '^(text|character varying(\(\d+\))?)$' AND now_is ~ '^(text|character varying(\(\d+\))?)$'
              OR was ~ '^numeric(\(\d+,-?\d+\))?$' AND now_is ~ '^numeric(\(\d+,-?\d+\))?$'
              OR was = 'real' AND now_is = 'double precision'
            ELSE
              EXISTS (SELECT FROM (SELECT @schema@.ddl_stored_type(was_oid), @schema@.ddl_stored_type(now_oid)) t (was, now_is)
                       WHERE t.was = t.now_is
                          OR EXISTS (SELECT FROM pg_cast k WHERE k.castsource = t.was AND k.casttarget = t.now_is AND k.castmethod = 'b')) END
$$;

-- Whether the target may get other values from the same change of the image. The rewrite is taken off the list.
CREATE FUNCTION @schema@.ddl_values_lost(relation oid, before jsonb, using_is_possible boolean) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  cause int;
BEGIN
  DELETE FROM @schema@.ddl_rewritten r WHERE r.relid = relation
    RETURNING CASE WHEN r.xid = pg_current_xact_id() THEN r.reason END INTO cause;
  cause := coalesce(cause, 0);
  IF before IS NULL THEN
    RETURN false; -- new: its rows are another question
  END IF;
  RETURN cause & 4 <> 0 AND using_is_possible OR EXISTS (
    SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      LEFT JOIN jsonb_array_elements(before->'columns') was ON (was->>'attnum')::int = a.attnum
     WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
       AND a.attgenerated = '' -- the target computes it, also for the rows of events
       AND CASE
           -- The one value that all rows have is in the image. Else a rewrite has computed one for each row, or the rows have NULL
           -- because the default came after the column, which is no other default in the image.
           WHEN was IS NULL THEN NOT a.atthasmissing AND (a.attidentity <> '' OR d.adbin IS NOT NULL OR t.typdefaultbin IS NOT NULL)
           -- its name alone may have changed; oid.typmod.collation
           WHEN split_part(was->'ids'->>'type', '.', 1) = a.atttypid::text AND split_part(was->'ids'->>'type', '.', 2) = a.atttypmod::text THEN false
           ELSE NOT coalesce(@schema@.ddl_cast_is_safe(was->>'type', split_part(was->'ids'->>'type', '.', 1)::oid,
                                                       format_type(a.atttypid, a.atttypmod), a.atttypid, cause & 4 <> 0), false) END);
END
$$;

-- Whether no other session can have written to the table since this transaction began to change it.
CREATE FUNCTION @schema@.ddl_is_locked(relation oid) RETURNS boolean
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
                WHERE l.locktype = 'relation' AND l.relation = ddl_is_locked.relation AND l.pid = pg_backend_pid()
                  AND l.mode = 'AccessExclusiveLock' AND l.granted)
$$;

-- After a change of a publication (or of one entry of it): what has joined or left the stream. A table that is empty by now may
-- have rows of a transaction that began before, and their events are left out: it is marked, unless it is locked.
CREATE FUNCTION @schema@.ddl_log_publications(class oid, object oid, of_tag text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  changed record;
  joined boolean;
  marked oid[] := '{}';
  entries oid[];
BEGIN
  IF class = 'pg_publication_rel'::regclass THEN
    entries := array(SELECT t.relid FROM pg_publication_rel r, pg_partition_tree(r.prrelid) t WHERE r.oid = object
                     UNION SELECT r.prrelid FROM pg_publication_rel r WHERE r.oid = object);
  END IF;
  FOR changed IN
    SELECT o.kind, c.oid FROM pg_class c JOIN @schema@.application_schema n ON n.oid = c.relnamespace,
           LATERAL (SELECT CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END) o (kind)
     WHERE c.relkind IN ('r', 'p', 'S') AND c.relpersistence <> 't'
       AND (entries IS NULL OR c.oid = ANY (entries) OR c.relkind = 'S')
       AND EXISTS (SELECT FROM @schema@.ddl_last(o.kind, c.oid) l WHERE l.published <> @schema@.ddl_object_published(o.kind, c.oid))
     ORDER BY o.kind, CASE o.kind WHEN 'table' THEN @schema@.ddl_depth(c.oid) END, c.oid
  LOOP
    SELECT l.joined INTO joined FROM @schema@.ddl_log_image('image', changed.kind, changed.oid, of_tag) l;
    IF joined AND changed.kind = 'table' AND (SELECT relkind = 'r' FROM pg_class WHERE oid = changed.oid)
       AND (NOT @schema@.ddl_is_locked(changed.oid) OR pg_relation_size(changed.oid) > 0) THEN
      marked := marked || @schema@.ddl_event_table(changed.oid);
    END IF;
  END LOOP;
  PERFORM @schema@.ddl_mark(marked, of_tag);
END
$$;

-- The first command in another incarnation of the log. After a failover or a recovery to a point in time the oids are the same ones,
-- and the last images are repeated. In a copy of the database (a dump that was restored) they are not, and the log begins from
-- scratch; what the command itself changes is logged as its change.
CREATE FUNCTION @schema@.ddl_begin() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  now_is CONSTANT text := @schema@.ddl_incarnation();
  last CONSTANT text := (SELECT incarnation FROM @schema@.ddl_log ORDER BY id DESC LIMIT 1);
BEGIN
  IF last = now_is THEN
    RETURN;
  END IF;
  IF rtrim(last, '0123456789ABCDEF') = rtrim(now_is, '0123456789ABCDEF') THEN
    PERFORM @schema@.ddl_write('baseline', o.kind, o.relid, l.image, l.published, '')
      FROM (SELECT kind, relid::oid AS relid FROM @schema@.ddl_log WHERE event IN ('image', 'baseline') GROUP BY kind, relid
             ORDER BY array_position(ARRAY['schema', 'extension', 'type', 'sequence', 'table'], kind), relid) o,
           @schema@.ddl_last(o.kind, o.relid) l
     WHERE l.image IS NOT NULL;
    RETURN;
  END IF;
  DELETE FROM @schema@.ddl_log;
  PERFORM @schema@.ddl_baseline(array(SELECT o.relid FROM pg_event_trigger_ddl_commands() c, @schema@.ddl_objects(c.classid, c.objid) o));
END
$$;

-- The images from which the log begins, without those of the objects in `later`. Again after a time without the triggers: what
-- differs is logged as a change, and tables of which it is not known how their rows came to be are marked.
CREATE FUNCTION @schema@.ddl_baseline(later oid[] DEFAULT '{}') RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off
AS $$
DECLARE
  again CONSTANT boolean := EXISTS (SELECT FROM @schema@.ddl_log WHERE event IN ('image', 'baseline'));
  object record;
  entry record;
  marked oid[] := '{}';
BEGIN
  INSERT INTO @schema@.ddl_log (event, kind, relid, schema_name, object_name, published, tag)
  SELECT 'drop', l.kind, l.relid, l.schema_name, l.object_name, l.published, ''
    FROM (SELECT DISTINCT ON (kind, relid) * FROM @schema@.ddl_log WHERE event <> 'rewrite' AND relid <> 0 ORDER BY kind, relid, id DESC) l
   WHERE l.event IN ('image', 'baseline') AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = l.relid AND l.kind IN ('table', 'sequence'))
     AND NOT EXISTS (SELECT FROM pg_type t WHERE t.oid = l.relid AND l.kind = 'type')
     AND NOT EXISTS (SELECT FROM pg_namespace n WHERE n.oid = l.relid AND l.kind = 'schema')
     AND NOT EXISTS (SELECT FROM pg_extension e WHERE e.oid = l.relid AND l.kind = 'extension')
   ORDER BY array_position(ARRAY['table', 'sequence', 'type', 'extension', 'schema'], l.kind), l.relid;
  FOR object IN
    SELECT o.kind, o.relid FROM (
        SELECT 'pg_namespace'::regclass AS class, oid FROM pg_namespace
        UNION ALL SELECT 'pg_extension'::regclass, oid FROM pg_extension
        UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type WHERE typtype IN ('e', 'd', 'c', 'r')
        UNION ALL SELECT 'pg_class'::regclass, oid FROM pg_class WHERE relkind IN ('r', 'p', 'S')) c,
      @schema@.ddl_objects(c.class, c.oid) o
     WHERE NOT @schema@.ddl_of_extension(o.kind, o.relid) AND o.relid <> ALL (later)
     GROUP BY o.kind, o.relid ORDER BY min(o.rank), CASE o.kind WHEN 'table' THEN @schema@.ddl_depth(o.relid) END, o.relid
  LOOP
    SELECT * INTO entry FROM @schema@.ddl_log_image(CASE WHEN again THEN 'image' ELSE 'baseline' END, object.kind, object.relid, '');
    IF again AND entry.logged AND object.kind = 'table' AND @schema@.ddl_published(object.relid) THEN
      marked := marked || @schema@.ddl_event_table(object.relid);
    END IF;
  END LOOP;
  PERFORM @schema@.ddl_mark(marked, '');
  PERFORM @schema@.mark_truncated_partitions();
END
$$;
