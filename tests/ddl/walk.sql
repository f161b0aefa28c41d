-- A random walk over DDL and DML at the source: SELECT * FROM pg_temp.step(N) gives the statement of step N, drawn from
-- walk.seed and N, and from what the catalogs of schemas walk, walk_2 … hold by then. So a seed repeats itself.
--
-- A statement that the source refuses (a value that is there twice, a column that others need) is part of the walk: psql
-- rolls it back to a savepoint of its own. pause: the stream has to be in the target first; fresh: the connectors begin
-- anew behind it (docs/ddl.md, "The random walk", has the reasons).
-- All lies in pg_temp: the source keeps nothing of it.

SET search_path = '';
SET client_min_messages = error;
SET timezone = 'UTC';
SET walk.remaining = 0;      -- statements until the open transaction ends
SET walk.savepoint = 0;

CREATE FUNCTION pg_temp.r(n int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  at int := current_setting('walk.at')::int + 1;
BEGIN
  PERFORM set_config('walk.at', at::text, false);
  RETURN ('x' || left(md5(concat_ws('/', current_setting('walk.seed'), current_setting('walk.step'), at)), 7))::bit(28)::int % n;
END $$;

CREATE FUNCTION pg_temp.one_of(VARIADIC list text[]) RETURNS text LANGUAGE sql AS
$$ SELECT list[1 + pg_temp.r(cardinality(list))] $$;

-- A name that no other step makes.
CREATE FUNCTION pg_temp.fresh(prefix text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_temp.r(1);
  RETURN CASE WHEN pg_temp.r(12) = 0 THEN initcap(prefix) || ' ' ELSE prefix END
         || current_setting('walk.step') || chr(96 + current_setting('walk.at')::int % 26 + 1);
END $$;

CREATE FUNCTION pg_temp.alone() RETURNS boolean LANGUAGE sql AS $$ SELECT current_setting('walk.remaining') = '0' $$;

-- The statement is one that may come only when the connector and the daemon have all that is before it.
CREATE FUNCTION pg_temp.paused(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF NOT pg_temp.alone() THEN RETURN NULL; END IF;
  PERFORM set_config('walk.pause', '1', false);
  RETURN statement;
END $$;

-- Likewise, and the connector begins anew right behind it.
CREATE FUNCTION pg_temp.paused_and_fresh(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF pg_temp.r(4) <> 0 OR NOT pg_temp.alone() THEN RETURN NULL; END IF; -- it takes some seconds
  PERFORM set_config('walk.fresh', '1', false);
  RETURN pg_temp.paused(statement);
END $$;

CREATE FUNCTION pg_temp.schema() RETURNS text LANGUAGE sql AS $$
SELECT coalesce((array_agg(quote_ident(nspname) ORDER BY nspname))[1 + pg_temp.r(2 * count(*)::int)], 'walk')
  FROM pg_catalog.pg_namespace WHERE nspname ~ '^walk(_[0-9])?$'
$$;

-- What the catalogs have; the filters say c (pg_class), a (pg_attribute). Nothing found (22004): the step is drawn anew.
CREATE FUNCTION pg_temp.relation(filter text DEFAULT 'true') RETURNS regclass LANGUAGE plpgsql AS $$
DECLARE
  found regclass[];
BEGIN
  EXECUTE 'SELECT array_agg(c.oid::regclass ORDER BY nspname COLLATE "C", relname COLLATE "C")
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE nspname ~ ''^walk(_[0-9])?$'' AND relkind IN (''r'', ''p'') AND (' || filter || ')' INTO found;
  IF found IS NULL THEN RAISE null_value_not_allowed; END IF;
  RETURN found[1 + pg_temp.r(cardinality(found))];
END $$;

CREATE FUNCTION pg_temp.attribute(relation regclass, filter text DEFAULT 'true') RETURNS pg_attribute LANGUAGE plpgsql AS $$
DECLARE
  found pg_attribute[];
BEGIN
  EXECUTE 'SELECT array_agg(a ORDER BY attnum) FROM pg_catalog.pg_attribute a
            WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND (' || filter || ')' INTO found USING relation;
  IF found IS NULL THEN RAISE null_value_not_allowed; END IF;
  RETURN found[1 + pg_temp.r(cardinality(found))];
END $$;

CREATE FUNCTION pg_temp.constraint(kinds text) RETURNS pg_constraint LANGUAGE plpgsql AS $$
DECLARE
  found pg_constraint[];
BEGIN
  SELECT array_agg(k ORDER BY c.relname COLLATE "C", k.conname COLLATE "C") INTO found
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname ~ '^walk(_[0-9])?$' AND strpos(kinds, k.contype::text) > 0 AND k.coninhcount = 0;
  RETURN found[1 + pg_temp.r(greatest(cardinality(found), 1))];
END $$;

CREATE FUNCTION pg_temp.user_type(form text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  found text[];
BEGIN
  SELECT array_agg(t.oid::regtype::text ORDER BY t.typname COLLATE "C") INTO found
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
   WHERE n.nspname ~ '^walk(_[0-9])?$' AND t.typtype = form::"char";
  RETURN found[1 + pg_temp.r(greatest(cardinality(found), 1))];
END $$;

-- Tables of which rows wait for a resync: nothing that their old values could refuse at the target.
CREATE FUNCTION pg_temp.is_marked(relation oid) RETURNS boolean LANGUAGE sql AS
$$ SELECT EXISTS (SELECT FROM replicator.ddl_log WHERE event = 'rewrite' AND relid = relation::bigint) $$;

-- Types and values.

CREATE FUNCTION pg_temp.type() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN coalesce(CASE pg_temp.r(8) WHEN 0 THEN pg_temp.user_type('e') WHEN 1 THEN pg_temp.user_type('d') END,
    pg_temp.one_of('smallint', 'integer', 'integer', 'bigint', 'numeric', 'numeric(12,2)', 'real', 'double precision', 'boolean',
                   'text', 'text', 'text', 'character varying(20)', 'date', 'timestamp', 'timestamptz', 'uuid', 'jsonb', 'bytea',
                   'integer[]', 'text[]'));
END $$;

CREATE FUNCTION pg_temp.value(of_type text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  n int := pg_temp.r(30000);
  type pg_type;
BEGIN
  SELECT * INTO type FROM pg_type WHERE oid = to_regtype(regexp_replace(of_type, '\(.*\)', ''));
  IF type.typtype = 'e' THEN
    RETURN coalesce((SELECT quote_literal((array_agg(enumlabel ORDER BY enumsortorder))[1 + n % count(*)]) FROM pg_enum
                      WHERE enumtypid = type.oid), 'NULL');
  ELSIF type.typtype = 'd' THEN
    RETURN pg_temp.value(format_type(type.typbasetype, type.typtypmod));
  END IF;
  RETURN CASE type.typname
    WHEN 'int2' THEN n::text WHEN 'int4' THEN n::text
    WHEN 'int8' THEN (n * 200000::bigint)::text
    WHEN 'numeric' THEN n / 3 || '.' || lpad((n % 97)::text, 2, '0')
    WHEN 'float4' THEN (n / 8.0)::text WHEN 'float8' THEN (n / 64.0)::text
    WHEN 'bool' THEN (n % 2 = 0)::text
    WHEN 'text' THEN CASE WHEN n % 20 = 0 THEN format('(SELECT string_agg(md5((i + %s)::text), '''') FROM generate_series(1, 150) i)', n)
                          ELSE quote_literal(pg_temp.one_of('v' || n, 'it''s ' || n, 'ü€ ' || n, '', n::text, 'two' || E'\n' || 'lines')) END
    WHEN 'varchar' THEN quote_literal('v' || n)
    WHEN 'date' THEN quote_literal(('2000-01-01'::date + n)::text)
    WHEN 'timestamp' THEN quote_literal('2020-01-01 00:00:00'::timestamp + n * interval '1.5 s')
    WHEN 'timestamptz' THEN quote_literal('2020-01-01 00:00:00'::timestamp + n * interval '1.5 s') || '::timestamptz'
    WHEN 'uuid' THEN quote_literal(md5(n::text)::uuid)
    WHEN 'jsonb' THEN quote_literal(jsonb_build_object('k', n, 'l', jsonb_build_array(n, NULL, 'x')))
    WHEN 'bytea' THEN quote_literal('\x' || md5(n::text))
    WHEN '_int4' THEN quote_literal(ARRAY[n, 1, NULL])
    WHEN '_text' THEN quote_literal(ARRAY['a ' || n, NULL, '"'])
    ELSE 'NULL' END;
END $$;

-- Rows.

CREATE FUNCTION pg_temp.value_of(a pg_attribute, row_number int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  type text := format_type(a.atttypid, a.atttypmod);
  referenced text;
BEGIN
  SELECT format('(SELECT %I FROM %s ORDER BY 1 OFFSET %s LIMIT 1)', f.attname, k.confrelid::regclass, pg_temp.r(6)) INTO referenced
    FROM pg_constraint k JOIN pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = k.confkey[1]
   WHERE k.contype = 'f' AND k.conrelid = a.attrelid AND k.conkey[1] = a.attnum LIMIT 1;
  IF referenced IS NOT NULL THEN RETURN referenced; END IF;
  IF EXISTS (SELECT FROM pg_index x WHERE x.indrelid = a.attrelid AND x.indisunique AND a.attnum = ANY (x.indkey)) THEN
    IF type IN ('integer', 'bigint', 'numeric') THEN RETURN (current_setting('walk.step')::int * 20 + row_number)::text; END IF;
    IF type = 'text' THEN RETURN quote_literal('k' || current_setting('walk.step') || '.' || row_number); END IF;
  END IF;
  RETURN pg_temp.value(type);
END $$;

CREATE FUNCTION pg_temp.do_insert() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  relation regclass := pg_temp.relation('NOT c.relispartition');
  many int := 1 + pg_temp.r(3);
  a pg_attribute;
  tuples text[] := array_fill(''::text, ARRAY[many]);
  names text := '';
BEGIN
  FOR a IN SELECT * FROM pg_attribute WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
              AND attidentity <> 'a' ORDER BY attnum LOOP
    IF pg_temp.r(100) < (CASE WHEN a.atthasdef OR a.attidentity = 'd' THEN 40 WHEN a.attnotnull THEN 0 ELSE 25 END) THEN CONTINUE; END IF;
    names := names || ', ' || quote_ident(a.attname);
    FOR i IN 1 .. many LOOP
      tuples[i] := tuples[i] || ', ' || CASE WHEN NOT a.attnotnull AND pg_temp.r(6) = 0 THEN 'NULL' ELSE pg_temp.value_of(a, i) END;
    END LOOP;
  END LOOP;
  RETURN CASE WHEN names = '' THEN format('INSERT INTO %s DEFAULT VALUES', relation)
              ELSE format('INSERT INTO %s (%s) VALUES (%s)', relation, substr(names, 3),
                          (SELECT string_agg(substr(t, 3), '), (') FROM unnest(tuples) t)) END;
END $$;

-- About so many sixteenths of the rows.
CREATE FUNCTION pg_temp.some(alias text) RETURNS text LANGUAGE sql AS
$$ SELECT format('left(md5(%s::text), 1) < %L', alias, to_hex(1 + pg_temp.r(10))) $$;

CREATE FUNCTION pg_temp.do_update() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  relation regclass := pg_temp.relation();
  a pg_attribute := pg_temp.attribute(relation, 'attgenerated = '''' AND attidentity <> ''a''');
  type text := format_type(a.atttypid, a.atttypmod);
BEGIN
  RETURN format('UPDATE %s t SET %I = %s WHERE %s', relation, a.attname,
    CASE WHEN EXISTS (SELECT FROM pg_index x WHERE x.indrelid = relation AND x.indisunique AND a.attnum = ANY (x.indkey))
         THEN CASE WHEN type IN ('integer', 'bigint', 'numeric') THEN format('%I + %s', a.attname, 1000000 * (1 + pg_temp.r(50)))
                   WHEN type = 'text' THEN format('%I || ''+''', a.attname) ELSE pg_temp.value_of(a, 0) END
         WHEN pg_temp.r(6) = 0 AND NOT a.attnotnull THEN 'NULL'
         WHEN pg_temp.r(8) = 0 THEN quote_ident(a.attname) ELSE pg_temp.value_of(a, 0) END, pg_temp.some('t'));
END $$;

CREATE FUNCTION pg_temp.do_delete() RETURNS text LANGUAGE sql AS
$$ SELECT format('DELETE FROM %s t WHERE %s', pg_temp.relation(), pg_temp.some('t')) $$;

CREATE FUNCTION pg_temp.do_truncate() RETURNS text LANGUAGE sql AS
$$ SELECT format('TRUNCATE %s%s', pg_temp.relation(), pg_temp.one_of('', ' CASCADE')) $$;

-- Tables.

CREATE FUNCTION pg_temp.column_clause(name text, added boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  type text := pg_temp.type();
  initial text := CASE WHEN pg_temp.r(2) = 0 THEN pg_temp.value(type) END;
BEGIN
  IF initial ~ 'SELECT' THEN initial := NULL; END IF;
  RETURN format('%I %s%s%s', name, type,
                CASE WHEN type IN ('timestamp', 'timestamptz') AND pg_temp.r(3) = 0 THEN ' DEFAULT now()' ELSE ' DEFAULT ' || initial END,
                CASE WHEN pg_temp.r(3) = 0 AND (initial <> 'NULL' OR NOT added) THEN ' NOT NULL' END);
END $$;

CREATE FUNCTION pg_temp.do_create_table() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  columns text := '';
  name text := pg_temp.schema() || '.' || quote_ident(pg_temp.fresh('t'));
BEGIN
  IF (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname ~ '^walk' AND relkind IN ('r', 'p')) > 14 THEN
    RETURN NULL;
  END IF;
  FOR i IN 1 .. pg_temp.r(5) LOOP
    columns := columns || ', ' || pg_temp.column_clause(pg_temp.fresh('c'), false);
  END LOOP;
  RETURN format('CREATE TABLE %s%s (%s%s)', pg_temp.one_of('', '', '', 'IF NOT EXISTS '), name,
    pg_temp.one_of('id int PRIMARY KEY', 'id int PRIMARY KEY', 'id bigserial PRIMARY KEY', 'id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY',
                   'id bigint GENERATED BY DEFAULT AS IDENTITY (START 5 INCREMENT 3) PRIMARY KEY', 'id text PRIMARY KEY',
                   'a int, b int NOT NULL, PRIMARY KEY (b, a)', 'id int NOT NULL', 'id int NOT NULL UNIQUE, d int GENERATED ALWAYS AS (id * 2) STORED'),
    columns);
END $$;

CREATE FUNCTION pg_temp.do_create_table_as() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  relation regclass := pg_temp.relation();
  name text := pg_temp.schema() || '.' || quote_ident(pg_temp.fresh('s'));
BEGIN
  RETURN CASE pg_temp.r(4)
    WHEN 0 THEN format('CREATE TABLE %s (LIKE %s INCLUDING ALL)', name, relation)
    WHEN 1 THEN format('SELECT t.* INTO %s FROM %s t WHERE %s', name, relation, pg_temp.some('t'))
    WHEN 2 THEN format('CREATE TABLE %s (%s) INHERITS (%s)', name, pg_temp.column_clause(pg_temp.fresh('c'), false), relation)
    ELSE format('CREATE TABLE %s AS SELECT * FROM %s', name, relation) END;
END $$;

CREATE FUNCTION pg_temp.do_drop_table() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname ~ '^walk' AND relkind IN ('r', 'p')) < 5 THEN
    RETURN NULL;
  END IF;
  RETURN format('DROP TABLE %s%s', pg_temp.relation(), pg_temp.one_of('', ' CASCADE'));
END $$;

CREATE FUNCTION pg_temp.do_rename_table() RETURNS text LANGUAGE sql AS
$$ SELECT format('ALTER TABLE %s RENAME TO %I', pg_temp.relation(), pg_temp.fresh('u')) $$;

CREATE FUNCTION pg_temp.do_move_table() RETURNS text LANGUAGE sql AS
$$ SELECT format('ALTER TABLE %s SET SCHEMA %s', pg_temp.relation(), pg_temp.schema()) $$;

CREATE FUNCTION pg_temp.do_schema() RETURNS text LANGUAGE sql AS $$
SELECT CASE pg_temp.r(3) WHEN 0 THEN 'DROP SCHEMA walk_' || 2 + pg_temp.r(4) || pg_temp.one_of('', ' CASCADE')
                         ELSE 'CREATE SCHEMA walk_' || 2 + pg_temp.r(4) END
$$;

CREATE FUNCTION pg_temp.do_replica_identity() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  relation regclass := pg_temp.relation('NOT EXISTS (SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indisprimary)');
  -- Beside another unique index Debezium's key need not be this one.
  index name := (SELECT min(i.relname COLLATE "C") FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
                  WHERE x.indrelid = relation AND x.indisunique
                 HAVING count(*) = 1 AND bool_and(x.indimmediate AND x.indpred IS NULL AND x.indexprs IS NULL
                    AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attnum = ANY (x.indkey) AND NOT a.attnotnull)));
BEGIN
  RETURN format('ALTER TABLE %s REPLICA IDENTITY %s', relation,
                CASE WHEN index IS NOT NULL THEN 'USING INDEX ' || quote_ident(index) ELSE pg_temp.one_of('FULL', 'FULL', 'FULL', 'DEFAULT') END);
END $$;

-- Columns.

-- One command of ALTER TABLE, or NULL. Types change here only to those in which a connector that is behind can read the older rows.
CREATE FUNCTION pg_temp.alteration(relation regclass, a pg_attribute) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  type text := format_type(a.atttypid, a.atttypmod);
  wider text;
  filled boolean;
BEGIN
  CASE pg_temp.r(9)
    WHEN 0, 1 THEN RETURN 'ADD ' || pg_temp.one_of('', '', 'IF NOT EXISTS ') || pg_temp.column_clause(pg_temp.fresh('c'), true);
    WHEN 2 THEN
      -- Debezium sends no rows of a table without columns.
      IF (SELECT count(*) < 4 FROM pg_attribute WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped) THEN RETURN NULL; END IF;
      IF EXISTS (SELECT FROM pg_index x WHERE x.indrelid = relation AND x.indisreplident AND a.attnum = ANY (x.indkey)) THEN RETURN NULL; END IF;
      RETURN format('DROP %I%s', a.attname, pg_temp.one_of('', ' CASCADE'));
    WHEN 3 THEN RETURN format('ALTER %I DROP NOT NULL', a.attname);
    WHEN 4 THEN
      IF pg_temp.is_marked(relation) THEN RETURN NULL; END IF;
      EXECUTE format('SELECT NOT EXISTS (SELECT FROM %s WHERE %I IS NULL)', relation, a.attname) INTO filled;
      RETURN CASE WHEN filled THEN format('ALTER %I SET NOT NULL', a.attname) END;
    WHEN 5 THEN
      wider := pg_temp.value(type);
      RETURN CASE WHEN wider !~ 'SELECT' THEN format('ALTER %I SET DEFAULT %s', a.attname, wider) END;
    WHEN 6 THEN RETURN format('ALTER %I DROP DEFAULT', a.attname);
    ELSE
      wider := CASE type WHEN 'smallint' THEN 'integer' WHEN 'integer' THEN pg_temp.one_of('bigint', 'text')
                         WHEN 'character varying(20)' THEN pg_temp.one_of('text', 'character varying(60)')
                         WHEN 'character varying(60)' THEN 'text' WHEN 'numeric(12,2)' THEN 'numeric(16,2)' WHEN 'uuid' THEN 'text'
                         WHEN 'real' THEN 'double precision' END;
      RETURN CASE WHEN wider IS NOT NULL THEN format('ALTER %I TYPE %s', a.attname, wider) END;
  END CASE;
END $$;

CREATE FUNCTION pg_temp.do_alter() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  relation regclass := pg_temp.relation('NOT c.relispartition');
  parts text[] := '{}';
  part text;
BEGIN
  FOR i IN 1 .. CASE WHEN pg_temp.r(3) = 0 THEN 2 + pg_temp.r(3) ELSE 1 END LOOP
    part := pg_temp.alteration(relation, pg_temp.attribute(relation));
    -- PostgreSQL 15 leaves partitions without what one command drops and the next one sets.
    CONTINUE WHEN part ~ ' (SET|DROP) NOT NULL$' AND array_to_string(parts, ',') ~ ' (SET|DROP) NOT NULL'
              AND EXISTS (SELECT FROM pg_inherits WHERE inhparent = relation);
    IF part IS NOT NULL THEN parts := parts || part; END IF;
  END LOOP;
  RETURN 'ALTER TABLE ' || relation || ' ' || nullif(array_to_string(parts, ', '), '');
END $$;

CREATE FUNCTION pg_temp.do_rename_column() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  relation regclass := pg_temp.relation('NOT c.relispartition');
BEGIN
  RETURN format('ALTER TABLE %s RENAME %I TO %I', relation, (pg_temp.attribute(relation)).attname, pg_temp.fresh('d'));
END $$;

-- Two columns of one type change names.
CREATE FUNCTION pg_temp.do_swap_columns() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  relation regclass := pg_temp.relation('NOT c.relispartition');
  a pg_attribute := pg_temp.attribute(relation);
  b pg_attribute := pg_temp.attribute(relation, format('atttypid = %L AND atttypmod = %L AND attnum <> %L', a.atttypid, a.atttypmod, a.attnum));
  between text := pg_temp.fresh('x');
BEGIN
  RETURN format('ALTER TABLE %1$s RENAME %2$I TO %4$I; ALTER TABLE %1$s RENAME %3$I TO %2$I; ALTER TABLE %1$s RENAME %4$I TO %3$I',
                relation, a.attname, b.attname, between);
END $$;

-- Values that the target cannot compute: the table is marked, and resynced.
CREATE FUNCTION pg_temp.do_volatile_default() RETURNS text LANGUAGE sql AS $$
SELECT format('ALTER TABLE %s ADD %I %s', pg_temp.relation('NOT c.relispartition AND NOT pg_temp.is_marked(c.oid)'), pg_temp.fresh('c'),
              pg_temp.one_of('uuid DEFAULT gen_random_uuid()', 'double precision NOT NULL DEFAULT random()', 'serial',
                             'bigint GENERATED BY DEFAULT AS IDENTITY', 'integer GENERATED ALWAYS AS IDENTITY',
                             'timestamptz DEFAULT clock_timestamp()'))
$$;

CREATE FUNCTION pg_temp.do_generated() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  relation regclass := pg_temp.relation('NOT c.relispartition');
  a pg_attribute := pg_temp.attribute(relation, 'attgenerated = '''' AND atttypid IN (''int''::regtype, ''bigint''::regtype, ''text''::regtype)');
BEGIN
  IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = relation AND attgenerated <> '') AND pg_temp.r(2) = 0 THEN
    RETURN format('ALTER TABLE %s ALTER %I DROP EXPRESSION', relation, (pg_temp.attribute(relation, 'attgenerated <> ''''')).attname);
  END IF;
  RETURN format('ALTER TABLE %s ADD %I %s GENERATED ALWAYS AS (%s) STORED', relation, pg_temp.fresh('g'),
                CASE WHEN a.atttypid = 'text'::regtype THEN 'text' ELSE 'numeric' END,
                CASE WHEN a.atttypid = 'text'::regtype THEN format('upper(%I)', a.attname) ELSE format('%I * 2', a.attname) END);
END $$;

CREATE FUNCTION pg_temp.do_identity() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  relation regclass := pg_temp.relation('NOT c.relispartition');
  a pg_attribute := pg_temp.attribute(relation, 'atttypid IN (''int''::regtype, ''bigint''::regtype)');
BEGIN
  RETURN format('ALTER TABLE %s ALTER %I %s', relation, a.attname,
                CASE WHEN a.attidentity = '' THEN 'ADD GENERATED BY DEFAULT AS IDENTITY (START WITH ' || 5000000 + pg_temp.r(1000000) || ')'
                     WHEN pg_temp.r(2) = 0 THEN 'DROP IDENTITY' ELSE 'SET GENERATED ' || pg_temp.one_of('ALWAYS', 'BY DEFAULT') END);
END $$;

-- Types that older rows do not fit.
CREATE FUNCTION pg_temp.do_using() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  relation regclass := pg_temp.relation('NOT c.relispartition AND NOT pg_temp.is_marked(c.oid)');
  a pg_attribute := pg_temp.attribute(relation, 'NOT atthasdef AND attidentity = ''''');
BEGIN
  RETURN pg_temp.paused(format('ALTER TABLE %s ALTER %I TYPE %s USING %s', relation, a.attname,
    CASE a.atttypid WHEN 'text'::regtype THEN 'integer' WHEN 'bigint'::regtype THEN 'numeric' WHEN 'boolean'::regtype THEN 'integer' WHEN 'timestamp'::regtype THEN 'timestamptz'
                    WHEN 'date'::regtype THEN 'timestamp' ELSE 'text' END,
    CASE a.atttypid WHEN 'text'::regtype THEN format('length(%I)', a.attname) WHEN 'timestamp'::regtype THEN format('%I AT TIME ZONE ''Asia/Tokyo''', a.attname)
                    WHEN 'boolean'::regtype THEN format('%I::int + 5', a.attname) WHEN 'date'::regtype THEN format('%I + time ''12:00''', a.attname)
                    WHEN 'bigint'::regtype THEN quote_ident(a.attname)
                    ELSE format('''<'' || %I || ''>''', a.attname) END));
END $$;

-- Keys, constraints and indexes.

CREATE FUNCTION pg_temp.do_key() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  relation regclass := pg_temp.relation('NOT c.relispartition AND c.relreplident <> ''i'' AND NOT pg_temp.is_marked(c.oid)');
  k pg_constraint;
  a pg_attribute := pg_temp.attribute(relation, 'attgenerated = '''' AND atttypid IN (''int''::regtype, ''bigint''::regtype, ''text''::regtype)');
  b pg_attribute := pg_temp.attribute(relation, 'attgenerated = '''' AND atttypid IN (''int''::regtype, ''bigint''::regtype, ''text''::regtype)');
  columns text := CASE WHEN a.attnum = b.attnum OR pg_temp.r(2) = 0 THEN quote_ident(a.attname) ELSE quote_ident(b.attname) || ', ' || quote_ident(a.attname) END;
BEGIN
  SELECT * INTO k FROM pg_constraint WHERE conrelid = relation AND contype = 'p';
  RETURN CASE
    WHEN k IS NULL THEN format('ALTER TABLE %s ADD%s PRIMARY KEY (%s)', relation, ' CONSTRAINT ' || CASE pg_temp.r(2) WHEN 0 THEN quote_ident(pg_temp.fresh('pk')) END, columns)
    WHEN pg_temp.r(3) = 0 THEN format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', relation, k.conname, pg_temp.fresh('pk'))
    WHEN pg_temp.r(3) = 0 THEN format('ALTER TABLE %s DROP CONSTRAINT %I', relation, k.conname)
    ELSE format('ALTER TABLE %s DROP CONSTRAINT %I, ADD PRIMARY KEY (%s)', relation, k.conname, columns) END;
END $$;

CREATE FUNCTION pg_temp.do_index() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  relation regclass := pg_temp.relation('NOT c.relispartition AND c.relreplident <> ''i'' AND NOT pg_temp.is_marked(c.oid)');
  a pg_attribute := pg_temp.attribute(relation, 'atttypid NOT IN (''jsonb''::regtype)');
  apart boolean := pg_temp.alone() AND pg_temp.r(6) = 0;
  found regclass[];
BEGIN
  SELECT array_agg(i.oid::regclass ORDER BY i.relname COLLATE "C") INTO found
    FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_namespace n ON n.oid = i.relnamespace
   WHERE n.nspname ~ '^walk' AND NOT i.relispartition AND NOT x.indisreplident AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.oid);
  IF cardinality(found) > 3 AND pg_temp.r(3) = 0 THEN
    RETURN CASE pg_temp.r(2) WHEN 0 THEN format('DROP INDEX %s', found[1 + pg_temp.r(cardinality(found))])
                             ELSE format('ALTER INDEX %s RENAME TO %I', found[1 + pg_temp.r(cardinality(found))], pg_temp.fresh('j')) END;
  END IF;
  IF apart THEN PERFORM set_config('walk.alone', '1', false); END IF;
  RETURN format('CREATE %sINDEX %s%I ON %s %s%s', pg_temp.one_of('', '', 'UNIQUE '), CASE WHEN apart THEN 'CONCURRENTLY ' END, pg_temp.fresh('i'), relation,
                CASE WHEN a.atttypid = 'text'::regtype AND pg_temp.r(2) = 0 THEN format(pg_temp.one_of('(lower(%I))', '(%I varchar_pattern_ops)'), a.attname)
                     WHEN pg_temp.r(5) = 0 THEN format('USING hash (%I)', a.attname) ELSE format('(%I DESC)', a.attname) END,
                CASE WHEN pg_temp.r(4) = 0 THEN format(' WHERE %I IS NOT NULL', a.attname) END);
END $$;

CREATE FUNCTION pg_temp.do_constraint() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  relation regclass := pg_temp.relation('NOT c.relispartition AND c.relreplident <> ''i'' AND NOT pg_temp.is_marked(c.oid)');
  other regclass := pg_temp.relation('NOT c.relispartition AND c.oid IN (SELECT conrelid FROM pg_constraint WHERE contype = ''p'' AND cardinality(conkey) = 1)');
  a pg_attribute := pg_temp.attribute(relation);
  k pg_constraint := pg_temp.constraint('ucf');
  key pg_attribute;
  name text := pg_temp.fresh('k');
BEGIN
  CASE pg_temp.r(6)
    WHEN 0 THEN
      -- The updates before it name their row by that index alone.
      IF EXISTS (SELECT FROM pg_index x WHERE x.indexrelid = k.conindid AND x.indisreplident) THEN
        RETURN pg_temp.paused(format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname));
      END IF;
      RETURN format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname);
    WHEN 1 THEN RETURN format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', k.conrelid::regclass, k.conname, name);
    WHEN 2 THEN RETURN format('ALTER TABLE %s ADD CONSTRAINT %I UNIQUE (%I)%s', relation, name, a.attname, pg_temp.one_of('', '', ' DEFERRABLE'));
    WHEN 3 THEN RETURN format('ALTER TABLE %s ADD CONSTRAINT %I CHECK (%I IS NOT NULL OR %s > 0)%s', relation, name, a.attname, 1 + pg_temp.r(9), pg_temp.one_of('', ' NOT VALID'));
    WHEN 4 THEN
      IF k.convalidated THEN RETURN NULL; END IF;
      RETURN format('ALTER TABLE %s VALIDATE CONSTRAINT %I', k.conrelid::regclass, k.conname);
    ELSE
      SELECT f.* INTO key FROM pg_constraint p JOIN pg_attribute f ON f.attrelid = other AND f.attnum = p.conkey[1] WHERE p.conrelid = other AND p.contype = 'p';
      a := pg_temp.attribute(relation, format('atttypid = %L AND NOT attnotnull', key.atttypid));
      RETURN format('ALTER TABLE %s ADD CONSTRAINT %I FOREIGN KEY (%I) REFERENCES %s%s%s', relation, name, a.attname, other,
                    pg_temp.one_of('', ' ON DELETE CASCADE', ' ON DELETE SET NULL'), pg_temp.one_of('', ' NOT VALID', ' DEFERRABLE INITIALLY DEFERRED'));
  END CASE;
END $$;

-- Types, sequences, partitions, comments.

CREATE FUNCTION pg_temp.do_enum() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  type text := pg_temp.user_type('e');
  labels text[];
BEGIN
  SELECT array_agg(enumlabel::text ORDER BY enumsortorder) INTO labels FROM pg_enum WHERE enumtypid = type::regtype;
  RETURN CASE WHEN type IS NULL OR pg_temp.r(5) = 0 THEN format('CREATE TYPE %s.%I AS ENUM (''one'', ''it''''s two'', ''three'')', pg_temp.schema(), pg_temp.fresh('e'))
    WHEN pg_temp.r(2) = 0 THEN pg_temp.paused_and_fresh(format('ALTER TYPE %s ADD VALUE %L%s', type, pg_temp.fresh('l'),
      CASE pg_temp.r(2) WHEN 0 THEN ' BEFORE ' || quote_literal(labels[1 + pg_temp.r(cardinality(labels))]) END))
    WHEN pg_temp.r(2) = 0 THEN
      pg_temp.paused_and_fresh(format('ALTER TYPE %s RENAME VALUE %L TO %L', type, labels[1 + pg_temp.r(cardinality(labels))], pg_temp.fresh('l')))
    WHEN pg_temp.r(3) = 0 THEN pg_temp.paused(format('DROP TYPE %s', type)) END;
END $$;

CREATE FUNCTION pg_temp.do_domain() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  type text := pg_temp.user_type('d');
  k name := (SELECT conname FROM pg_constraint WHERE contypid = type::regtype ORDER BY conname LIMIT 1);
BEGIN
  RETURN CASE WHEN type IS NULL OR pg_temp.r(5) = 0 THEN
      format('CREATE DOMAIN %s.%I AS %s', pg_temp.schema(), pg_temp.fresh('p'), pg_temp.one_of('integer CHECK (VALUE >= 0)', 'text', 'numeric(12,2) DEFAULT 1.50', 'text COLLATE "C"'))
    WHEN pg_temp.r(3) = 0 THEN format('ALTER DOMAIN %s %s', type, pg_temp.one_of('SET DEFAULT ''7''', 'DROP DEFAULT'))
    WHEN k IS NOT NULL AND pg_temp.r(2) = 0 THEN format('ALTER DOMAIN %s DROP CONSTRAINT %I', type, k)
    WHEN pg_temp.r(4) = 0 THEN pg_temp.paused(format('DROP DOMAIN %s', type))
    ELSE format('ALTER DOMAIN %s ADD CONSTRAINT %I CHECK (VALUE::text <> %L)', type, pg_temp.fresh('k'), pg_temp.r(1000)) END;
END $$;

CREATE FUNCTION pg_temp.do_sequence() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  found regclass[];
  sequence regclass;
BEGIN
  SELECT array_agg(c.oid::regclass ORDER BY c.relname COLLATE "C") INTO found FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname ~ '^walk' AND c.relkind = 'S';
  sequence := found[1 + pg_temp.r(greatest(cardinality(found), 1))];
  RETURN CASE WHEN sequence IS NULL OR pg_temp.r(3) = 0 THEN format('CREATE SEQUENCE %s.%I START WITH %s', pg_temp.schema(), pg_temp.fresh('q'), 1 + pg_temp.r(50))
    WHEN pg_temp.r(4) = 0 THEN format('DROP SEQUENCE %s', sequence)
    WHEN pg_temp.r(3) = 0 THEN format('ALTER SEQUENCE %s RENAME TO %I', sequence, pg_temp.fresh('q'))
    WHEN pg_temp.r(3) = 0 THEN format('ALTER TABLE %s ADD %I bigint DEFAULT nextval(%L)', pg_temp.relation('NOT c.relispartition AND NOT pg_temp.is_marked(c.oid)'), pg_temp.fresh('c'), sequence)
    ELSE format('ALTER SEQUENCE %s INCREMENT BY %s', sequence, 1 + pg_temp.r(9)) END;
END $$;

CREATE FUNCTION pg_temp.do_partition() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  root regclass;
  leaf regclass;
  name text := pg_temp.schema() || '.' || quote_ident(pg_temp.fresh('n'));
  low int := current_setting('walk.step')::int * 20;
BEGIN
  IF pg_temp.r(8) = 0 OR NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                                      WHERE n.nspname ~ '^walk' AND c.relkind = 'p') THEN
    RETURN format('CREATE TABLE %s (id int PRIMARY KEY, %s) PARTITION BY RANGE (id); CREATE TABLE %s PARTITION OF %1$s DEFAULT', name,
                  pg_temp.column_clause(pg_temp.fresh('c'), false), pg_temp.schema() || '.' || quote_ident(pg_temp.fresh('m')));
  END IF;
  root := pg_temp.relation('c.relkind = ''p''');
  leaf := pg_temp.relation('c.relispartition AND c.relkind = ''r''');
  CASE pg_temp.r(5)
    WHEN 0 THEN RETURN format('ALTER TABLE %s DETACH PARTITION %s', (SELECT inhparent::regclass FROM pg_inherits WHERE inhrelid = leaf), leaf);
    WHEN 1 THEN RETURN format('DROP TABLE %s', leaf);
    WHEN 2 THEN RETURN format('CREATE TABLE %s (LIKE %s INCLUDING ALL); ALTER TABLE %2$s ATTACH PARTITION %1$s FOR VALUES FROM (%3$s) TO (%4$s)', name, root, low + 1000, low + 1500);
    ELSE RETURN format('CREATE TABLE %s PARTITION OF %s FOR VALUES FROM (%s) TO (%s)', name, root, low + 20, low + 1000);
  END CASE;
END $$;

CREATE FUNCTION pg_temp.do_comment() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  relation regclass := pg_temp.relation();
BEGIN
  RETURN format(CASE pg_temp.r(2) WHEN 0 THEN 'COMMENT ON TABLE %s IS %2$s' ELSE 'COMMENT ON COLUMN %s.%3$I IS %2$s' END, relation,
                pg_temp.one_of('NULL', quote_literal('it''s ' || pg_temp.r(1000))), (pg_temp.attribute(relation)).attname);
END $$;

CREATE FUNCTION pg_temp.do_temporary() RETURNS text LANGUAGE sql AS $$
SELECT format('CREATE TEMP TABLE %1$I (id serial PRIMARY KEY, a int); ALTER TABLE pg_temp.%1$I ADD b text; DROP TABLE pg_temp.%1$I', pg_temp.fresh('tmp'))
$$;

-- A step: a statement, now and then within a DO block (with one that is rolled back), in a transaction, behind a savepoint.

CREATE FUNCTION pg_temp.statement() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  statement text;
  moves text[] := regexp_split_to_array(repeat('insert ', 30) || repeat('update ', 14) || repeat('delete ', 4) || 'truncate '
    || repeat('create_table ', 5) || repeat('create_table_as ', 2) || repeat('drop_table ', 3) || repeat('rename_table ', 2) || repeat('move_table ', 2)
    || 'schema replica_identity ' || repeat('alter ', 18) || repeat('rename_column ', 3) || 'swap_columns ' || repeat('volatile_default ', 2)
    || 'generated identity using ' || repeat('key ', 3) || repeat('index ', 4) || repeat('constraint ', 4)
    || repeat('enum ', 3) || repeat('domain ', 2) || repeat('sequence ', 2) || repeat('partition ', 3) || 'comment temporary', ' ');
BEGIN
  IF current_setting('walk.step')::int <= 3 THEN RETURN pg_temp.do_create_table(); END IF;
  WHILE statement IS NULL LOOP
    PERFORM pg_temp.r(1); -- an exception sets back what was drawn in its block
    BEGIN
      EXECUTE format('SELECT pg_temp.do_%s()', pg_temp.one_of(VARIADIC moves)) INTO statement;
    EXCEPTION WHEN null_value_not_allowed THEN
      NULL;
    END;
  END LOOP;
  RETURN statement;
END $$;

CREATE FUNCTION pg_temp.step(number int, OUT sql text, OUT pause boolean, OUT fresh boolean) LANGUAGE plpgsql AS $$
DECLARE
  open int := current_setting('walk.remaining')::int;
  saved boolean := current_setting('walk.savepoint') = '1';
BEGIN
  PERFORM set_config('walk.step', number::text, false), set_config('walk.at', '0', false), set_config('walk.pause', '', false),
          set_config('walk.alone', '', false), set_config('walk.fresh', '', false);
  sql := pg_temp.statement();
  pause := current_setting('walk.pause') = '1';
  fresh := current_setting('walk.fresh') = '1';
  IF open = 0 AND (pause OR current_setting('walk.alone') = '1') THEN RETURN; END IF;
  IF pg_temp.r(20) = 0 AND strpos(sql, '$') = 0 THEN
    sql := format('DO $walk$ BEGIN %s; BEGIN %s; RAISE division_by_zero; EXCEPTION WHEN OTHERS THEN NULL; END; END $walk$', sql, pg_temp.statement());
  END IF;
  IF open = 0 AND pg_temp.r(100) < 30 THEN
    open := 2 + pg_temp.r(8);
    sql := 'BEGIN; ' || sql;
  ELSIF open > 1 THEN
    open := open - 1;
    CASE WHEN NOT saved AND pg_temp.r(6) = 0 THEN
      saved := true;
      sql := 'SAVEPOINT walk; ' || sql;
    WHEN saved AND pg_temp.r(3) = 0 THEN
      saved := false;
      sql := sql || '; ROLLBACK TO walk; RELEASE walk; SET walk.savepoint = 0; SET walk.remaining = ' || open;
    WHEN saved AND pg_temp.r(3) = 0 THEN
      saved := false;
      sql := sql || '; RELEASE walk';
    ELSE
    END CASE;
  ELSIF open = 1 THEN
    open := 0;
    saved := false;
    sql := sql || CASE WHEN pg_temp.r(8) = 0 THEN '; ROLLBACK' ELSE '; COMMIT' END || '; SET walk.savepoint = 0; SET walk.remaining = 0';
  END IF;
  -- What is rolled back takes these along; so they are said again behind it.
  PERFORM set_config('walk.remaining', open::text, false), set_config('walk.savepoint', saved::int::text, false);
END $$;
