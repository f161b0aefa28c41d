-- Images: what the catalogs say of a table, type, sequence, schema or extension, as jsonb. The same functions are
-- installed at the source (for the DDL log) and at the target (to see what a step would find there): sql/target/ links
-- to this file. @schema@ stands for the quoted name of the schema.
--
-- search_path is pg_catalog alone, so that every name outside of it comes qualified; the other settings keep constants
-- in expressions the same whoever asks. Names are as in the catalog, unquoted; types, expressions and definitions are
-- SQL text, quoted where needed. oid and attnum distinguish a rename from a drop and an add.
--
-- They are in PL/pgSQL, which keeps the plan of a query for the session: an SQL function plans its query at each call, which takes
-- ten times as long as the query itself. The plans are generic and use indexes whatever the statistics say: these say nothing
-- of what the current transaction created, and a scan of a catalog for each table makes bulk DDL quadratic.
--
-- NOTES
--   An image refers to other objects by their names: the type of a column, the sequence of a default, the table of a foreign
--   key. A name alone does not say whether the object is the same one: `ALTER TYPE s RENAME TO s_old; CREATE TYPE s ...`
--   gives the name to another object, and a rename changes the text of each image that refers to the object. So an image
--   also has the oids of what it refers to, in fields "ids":
--     type    of a column: type, type modifier and collation
--     refers  of a default, constraint or index: the objects that the definition depends on (pg_depend), as class.oid.column
--     tree    of the same: a hash of the definition in which the catalogs have oids in place of names
--     schema  of a table, type or sequence;  owner: the table of a sequence;  bound: of a partition, as tree
--   Only two images of one server compare by them.

-- `tree`: NULL where the catalogs have no text of the definition with oids. Where the definition refers to two objects or
-- more, these may have changed places in it: `refers` then has the hash, too.
CREATE OR REPLACE FUNCTION @schema@.definition_ids(class regclass, object oid, relation oid, tree text) RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
SELECT jsonb_build_object('refers', CASE WHEN others > 1 THEN concat_ws(' ', refers, hash) ELSE refers END, 'tree', hash)
  FROM (SELECT coalesce(string_agg(concat_ws('.', d.refclassid, d.refobjid, d.refobjsubid), ' '
                                   ORDER BY d.refclassid, d.refobjid, d.refobjsubid), '') AS refers,
               count(DISTINCT d.refobjid) FILTER (WHERE d.refobjid <> relation) AS others
          FROM (SELECT DISTINCT refclassid::bigint, refobjid::bigint, refobjsubid FROM pg_depend
                 WHERE classid = class AND objid = object AND deptype IN ('n', 'a')
                   AND refclassid <> 'pg_namespace'::regclass
                   AND NOT (refclassid = 'pg_class'::regclass
                            AND EXISTS (SELECT FROM pg_class i WHERE i.oid = refobjid AND i.relkind IN ('i', 'I')))) d) found,
       -- servers before 17 keep the places in the statement's text
       md5(regexp_replace(tree, ' :location -?[0-9]+', '', 'g')) AS hash);
END
$$;

-- A sequence's definition, of its own or of a serial or identity column.
CREATE OR REPLACE FUNCTION @schema@.sequence_image(sequence oid) RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (
SELECT jsonb_build_object(
         'version', 1, 'kind', 'sequence', 'oid', c.oid::bigint, 'schema', n.nspname, 'name', c.relname,
         'ids', jsonb_build_object('schema', n.oid::bigint, 'owner', d.refobjid::bigint),
         'type', format_type(s.seqtypid, NULL),
         'options', format('INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s CACHE %s%s', s.seqincrement, s.seqmin,
                           s.seqmax, s.seqstart, s.seqcache, CASE WHEN s.seqcycle THEN ' CYCLE' ELSE ' NO CYCLE' END),
         'owned', d.refobjid IS NOT NULL,
         'comment', obj_description(c.oid, 'pg_class'))
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence s ON s.seqrelid = c.oid
  LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = d.classid
                       AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
 WHERE c.oid = sequence
  );
END
$$;

CREATE OR REPLACE FUNCTION @schema@.table_image(relation oid) RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off
SET datestyle = 'ISO, YMD' SET intervalstyle = 'postgres' SET timezone = 'UTC' SET extra_float_digits = '1'
SET quote_all_identifiers = off
AS $$
BEGIN
  RETURN (
SELECT jsonb_build_object(
  'version', 1, 'kind', 'table', 'oid', c.oid::bigint, 'schema', n.nspname, 'name', c.relname,
  'ids', jsonb_build_object('schema', n.oid::bigint,
                            'bound', md5(regexp_replace(c.relpartbound::text, ' :location -?[0-9]+', '', 'g'))),
  'relkind', c.relkind, 'persistence', c.relpersistence, 'replica_identity', c.relreplident,
  'partition_key', CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END,
  'bound', pg_get_expr(c.relpartbound, c.oid),
  'parents', coalesce((SELECT jsonb_agg(jsonb_build_object('oid', p.oid::bigint, 'schema', pn.nspname, 'name', p.relname)
                                        ORDER BY i.inhseqno)
                         FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
                         JOIN pg_namespace pn ON pn.oid = p.relnamespace
                        WHERE i.inhrelid = c.oid), '[]'),
  'children', coalesce((SELECT jsonb_agg(i.inhrelid::bigint ORDER BY i.inhrelid) FROM pg_inherits i
                         WHERE i.inhparent = c.oid), '[]'),
  'comment', obj_description(c.oid, 'pg_class'),
  'columns', coalesce((
    SELECT jsonb_agg(jsonb_build_object(
             'attnum', a.attnum, 'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
             'ids', jsonb_build_object('type', concat_ws('.', a.atttypid, a.atttypmod, a.attcollation))
                    || CASE WHEN d.oid IS NULL THEN '{}'
                            ELSE @schema@.definition_ids('pg_attrdef', d.oid, c.oid, d.adbin::text) END,
             'collation', CASE WHEN a.attcollation <> t.typcollation
                               THEN (SELECT format('%I.%I', cn.nspname, co.collname)
                                       FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace
                                      WHERE co.oid = a.attcollation) END,
             'not_null', a.attnotnull,
             'default', CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
             'missing', CASE WHEN a.atthasmissing THEN (a.attmissingval::text::text[])[1] END,
             'generated', a.attgenerated,
             'expression', CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END,
             'identity', a.attidentity,
             'local', a.attislocal,
             'sequence', (SELECT @schema@.sequence_image(s.objid) FROM pg_depend s
                           WHERE s.classid = 'pg_class'::regclass AND s.refclassid = 'pg_class'::regclass
                             AND s.refobjid = c.oid AND s.refobjsubid = a.attnum
                             -- the one of a serial column stays its own when it becomes an identity column
                             AND s.deptype = CASE a.attidentity WHEN '' THEN 'a' ELSE 'i' END::"char"
                             AND EXISTS (SELECT FROM pg_class q WHERE q.oid = s.objid AND q.relkind = 'S')
                           -- a column may own several: the one of its default, else the youngest
                           ORDER BY EXISTS (SELECT FROM pg_depend u WHERE u.classid = 'pg_attrdef'::regclass AND u.objid = d.oid
                                               AND u.refclassid = s.classid AND u.refobjid = s.objid) DESC, s.objid DESC
                           LIMIT 1),
             'comment', col_description(c.oid, a.attnum)) ORDER BY a.attnum)
      FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]'),
  'constraints', coalesce((
    SELECT jsonb_agg(jsonb_build_object(
             'oid', k.oid::bigint, 'name', k.conname, 'type', k.contype, 'definition', pg_get_constraintdef(k.oid),
             -- a row of pg_constraint has all of a check or foreign key
             'ids', @schema@.definition_ids('pg_constraint', k.oid, c.oid, CASE WHEN k.contype IN ('c', 'f') THEN
                      (to_jsonb(k) - '{oid,conname,connamespace,conindid,conparentid,conislocal,coninhcount}'::text[])::text END),
             'inherited', k.coninhcount > 0 OR k.conparentid <> 0,
             'references', (SELECT jsonb_build_object('schema', fn.nspname, 'name', f.relname)
                              FROM pg_class f JOIN pg_namespace fn ON fn.oid = f.relnamespace
                             WHERE f.oid = k.confrelid))
             ORDER BY array_position(ARRAY['p', 'u', 'x', 'c', 'f'], k.contype::text), k.conname)
      FROM pg_constraint k
     WHERE k.conrelid = c.oid AND k.contype IN ('p', 'u', 'x', 'c', 'f')), '[]'),
  'indexes', coalesce((
    SELECT jsonb_agg(jsonb_build_object(
             'oid', i.oid::bigint, 'name', i.relname, 'unique', x.indisunique, 'inherited', i.relispartition,
             'ids', @schema@.definition_ids('pg_class', i.oid, c.oid,
                      concat_ws(' ', i.relam, i.reloptions, x.indnkeyatts, x.indkey, x.indcollation, x.indclass, x.indoption,
                                x.indexprs, '/', x.indpred, to_jsonb(x)->>'indnullsnotdistinct',
                                (SELECT jsonb_agg(ia.attoptions ORDER BY ia.attnum) FROM pg_attribute ia
                                  WHERE ia.attrelid = i.oid))),
             -- from USING on: the names before it are told apart by their length
             'definition', (SELECT substr(r.rest, strpos(r.rest, ' USING ') + 1)
                              FROM (SELECT substr(pg_get_indexdef(i.oid), length(format('CREATE INDEX %I ON %I.%I', i.relname,
                                           n.nspname, c.relname))) AS rest) r))
             ORDER BY i.relname)
      FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
     WHERE x.indrelid = c.oid AND x.indislive AND x.indisvalid
       -- by the table: pg_constraint has no index on conindid
       AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = x.indrelid AND k.conindid = i.oid AND k.contype IN ('p', 'u', 'x'))), '[]'))
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = relation AND c.relkind IN ('r', 'p')
  );
END
$$;

CREATE OR REPLACE FUNCTION @schema@.type_image(type oid) RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD' SET intervalstyle = 'postgres' SET timezone = 'UTC' SET extra_float_digits = '1'
SET quote_all_identifiers = off
AS $$
BEGIN
  RETURN (
SELECT jsonb_build_object(
  'version', 1, 'kind', 'type', 'oid', t.oid::bigint, 'schema', n.nspname, 'name', t.typname, 'form', t.typtype,
  'ids', jsonb_build_object('schema', n.oid::bigint)
         || CASE WHEN t.typtype <> 'd' THEN '{}'
                 ELSE @schema@.definition_ids('pg_type', t.oid, t.typrelid, t.typdefaultbin::text) END,
  'labels', coalesce((SELECT jsonb_agg(jsonb_build_object('oid', e.oid::bigint, 'name', e.enumlabel) ORDER BY e.enumsortorder)
                        FROM pg_enum e WHERE e.enumtypid = t.oid), '[]'),
  'base', CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
  'collation', CASE WHEN t.typtype = 'd' AND t.typcollation <> (SELECT b.typcollation FROM pg_type b WHERE b.oid = t.typbasetype)
                    THEN (SELECT format('%I.%I', cn.nspname, co.collname)
                            FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace
                           WHERE co.oid = t.typcollation) END,
  'not_null', t.typnotnull,
  'default', CASE WHEN t.typtype = 'd' THEN pg_get_expr(t.typdefaultbin, 0) END,
  'constraints', coalesce((SELECT jsonb_agg(jsonb_build_object('oid', k.oid::bigint, 'name', k.conname,
                                                               'definition', pg_get_constraintdef(k.oid),
                                                               'ids', @schema@.definition_ids('pg_constraint', k.oid, t.typrelid,
                                                                 concat_ws(' ', k.conbin, k.convalidated))) ORDER BY k.conname)
                             FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'), '[]'),
  'attributes', coalesce((SELECT jsonb_agg(jsonb_build_object('attnum', a.attnum, 'name', a.attname,
                                                              'type', format_type(a.atttypid, a.atttypmod),
                                                              'ids', jsonb_build_object('type',
                                                                concat_ws('.', a.atttypid, a.atttypmod, a.attcollation)))
                                           ORDER BY a.attnum)
                            FROM pg_attribute a
                           WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped), '[]'),
  'range', (SELECT jsonb_build_object(
                     'subtype', format_type(r.rngsubtype, NULL),
                     'opclass', (SELECT format('%I.%I', p.nspname, o.opcname)
                                   FROM pg_opclass o JOIN pg_namespace p ON p.oid = o.opcnamespace WHERE o.oid = r.rngsubopc),
                     'collation', (SELECT format('%I.%I', p.nspname, o.collname)
                                     FROM pg_collation o JOIN pg_namespace p ON p.oid = o.collnamespace
                                    WHERE o.oid = r.rngcollation),
                     'canonical', nullif(r.rngcanonical::oid, 0)::regproc::text,
                     'diff', nullif(r.rngsubdiff::oid, 0)::regproc::text,
                     'multirange', (SELECT m.typname FROM pg_type m WHERE m.oid = r.rngmultitypid))
              FROM pg_range r WHERE r.rngtypid = t.oid),
  'comment', obj_description(t.oid, 'pg_type'))
  FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
 WHERE t.oid = type AND t.typtype IN ('e', 'd', 'c', 'r')
  );
END
$$;

CREATE OR REPLACE FUNCTION @schema@.object_image(kind text, object oid) RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off
AS $$
BEGIN
  RETURN (
SELECT CASE kind
  WHEN 'table' THEN @schema@.table_image(object)
  WHEN 'type' THEN @schema@.type_image(object)
  WHEN 'sequence' THEN @schema@.sequence_image(object)
  WHEN 'schema' THEN (SELECT jsonb_build_object('version', 1, 'kind', 'schema', 'oid', n.oid::bigint, 'schema', '',
                                                'name', n.nspname, 'comment', obj_description(n.oid, 'pg_namespace'))
                        FROM pg_namespace n WHERE n.oid = object)
  WHEN 'extension' THEN (SELECT jsonb_build_object('version', 1, 'kind', 'extension', 'oid', e.oid::bigint,
                                                   'schema', n.nspname, 'name', e.extname)
                           FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.oid = object)
END
  );
END
$$;

-- The image of the object that has this name here, or NULL.
CREATE OR REPLACE FUNCTION @schema@.image_named(kind text, schema text, name text) RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off
AS $$
BEGIN
  RETURN (
SELECT @schema@.object_image(kind, CASE
  WHEN kind = 'table' THEN (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                             WHERE n.nspname = schema AND c.relname = name AND c.relkind IN ('r', 'p'))
  WHEN kind = 'sequence' THEN (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                                WHERE n.nspname = schema AND c.relname = name AND c.relkind = 'S')
  WHEN kind = 'type' THEN (SELECT t.oid FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
                            WHERE n.nspname = schema AND t.typname = name)
  WHEN kind = 'schema' THEN (SELECT n.oid FROM pg_namespace n WHERE n.nspname = name)
  WHEN kind = 'extension' THEN (SELECT e.oid FROM pg_extension e WHERE e.extname = name)
END)
  );
END
$$;
