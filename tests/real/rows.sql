-- Plausible rows for whatever tables exist, from the catalogs and a seed. fill(seed, count, schemas): rows for each table
-- that has few (parents before children, so that foreign keys find a row), then an insert, an update and a delete in some tables.
-- Returns what was done and what the source refused (a CHECK, a unique key, a trigger of the application).

-- A value of the type as text; NULL: no value is known for it.
CREATE FUNCTION pg_temp.sample(type oid, modifier int) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  t pg_type := (SELECT y FROM pg_type y WHERE y.oid = type);
  n int := floor(random() * 1000000)::int;
BEGIN
  IF t.typtype = 'e' THEN
    RETURN (SELECT enumlabel FROM pg_enum WHERE enumtypid = type ORDER BY random() LIMIT 1);
  ELSIF t.typtype = 'd' THEN
    RETURN pg_temp.sample(t.typbasetype, t.typtypmod);
  ELSIF t.typelem <> 0 AND t.typlen = -1 THEN
    RETURN CASE WHEN random() < 0.5 THEN '{}' ELSE (SELECT array[pg_temp.sample(t.typelem, modifier)]::text) END;
  END IF;
  RETURN CASE t.typname
    WHEN 'bool' THEN (random() < 0.5)::text
    WHEN 'int2' THEN (n % 30000)::text
    WHEN 'int4' THEN n::text WHEN 'int8' THEN n::text WHEN 'oid' THEN n::text
    WHEN 'float4' THEN (n / 8.0)::text WHEN 'float8' THEN (n / 8.0)::text
    WHEN 'numeric' THEN (n % 90)::text
    WHEN 'text' THEN 'text ' || n WHEN 'citext' THEN 'Text ' || n WHEN 'name' THEN 'n' || n
    WHEN 'varchar' THEN left('v' || n, greatest(1, CASE WHEN modifier > 4 THEN modifier - 4 ELSE 40 END))
    WHEN 'bpchar' THEN left(md5(n::text), greatest(1, CASE WHEN modifier > 4 THEN modifier - 4 ELSE 1 END))
    WHEN 'uuid' THEN md5(n::text || random())::uuid::text
    WHEN 'json' THEN format('{"n": %s}', n) WHEN 'jsonb' THEN format('{"n": %s}', n)
    WHEN 'bytea' THEN '\x' || md5(n::text)
    WHEN 'date' THEN (date '2020-01-01' + n % 2000)::text
    WHEN 'time' THEN (time '00:00' + n * interval '1 second')::text
    WHEN 'timestamp' THEN (timestamp '2020-01-01' + n * interval '97 seconds')::text
    WHEN 'timestamptz' THEN (timestamptz '2020-01-01 00:00+00' + n * interval '97 seconds')::text
    WHEN 'interval' THEN format('%s minutes', n % 5000)
    WHEN 'inet' THEN format('10.0.%s.%s', n % 250, n % 199) WHEN 'cidr' THEN format('10.%s.0.0/16', n % 250)
    WHEN 'ltree' THEN '0.' || n WHEN 'tsvector' THEN 'word' || n || ':1'
    WHEN 'bit' THEN repeat('1', greatest(1, modifier)) WHEN 'varbit' THEN '101'
    WHEN 'hstore' THEN format('k=>%s', n)
  END;
END $$;

-- "col, col" and "value, value" of a new row of the table; NULL: a parent has no row yet.
CREATE FUNCTION pg_temp.row_of(relation regclass, OUT names text, OUT row_values text)
LANGUAGE plpgsql AS $$
DECLARE
  k record;
  a record;
  parent jsonb;
  given jsonb := '{}';
  value text;
  fixed boolean;
BEGIN
  FOR k IN SELECT c.confrelid::regclass AS parent, c.conkey, c.confkey FROM pg_constraint c
            WHERE c.conrelid = relation AND c.contype = 'f' LOOP
    EXECUTE format('SELECT to_jsonb(t) FROM %s t ORDER BY random() LIMIT 1', k.parent) INTO parent;
    FOR i IN 1..array_length(k.conkey, 1) LOOP
      given := given || jsonb_build_object(k.conkey[i]::text, CASE WHEN parent IS NOT NULL THEN parent->(
        SELECT attname FROM pg_attribute WHERE attrelid = k.parent AND attnum = k.confkey[i]) END);
    END LOOP;
  END LOOP;
  FOR a IN SELECT t.*, d.oid IS NOT NULL AS has_default FROM pg_attribute t LEFT JOIN pg_attrdef d ON d.adrelid = t.attrelid AND d.adnum = t.attnum
            WHERE t.attrelid = relation AND t.attnum > 0 AND NOT t.attisdropped AND t.attgenerated = '' AND t.attidentity = '' LOOP
    fixed := given ? a.attnum::text;
    value := CASE WHEN fixed THEN given->>a.attnum::text
                  WHEN a.has_default AND (random() < 0.5 OR pg_get_serial_sequence(relation::text, a.attname) IS NOT NULL) THEN NULL
                  ELSE pg_temp.sample(a.atttypid, a.atttypmod) END;
    IF value IS NULL AND fixed AND a.attnotnull THEN
      names := NULL;
      RETURN;
    END IF;
    CONTINUE WHEN value IS NULL AND NOT fixed OR NOT a.attnotnull AND NOT fixed AND random() < 0.2;
    names := concat_ws(', ', names, quote_ident(a.attname));
    row_values := concat_ws(', ', row_values, coalesce(quote_literal(value), 'NULL'));
  END LOOP;
  names := coalesce(names, '');
END $$;

CREATE FUNCTION pg_temp.try(sql text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE sql;
  RETURN true;
EXCEPTION WHEN OTHERS THEN
  RAISE DEBUG '%: %', sql, sqlerrm;
  RETURN false;
END $$;

CREATE FUNCTION pg_temp.insert_row(relation regclass) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  new record := pg_temp.row_of(relation);
BEGIN
  RETURN new.names IS NOT NULL AND pg_temp.try(CASE new.names WHEN '' THEN format('INSERT INTO %s DEFAULT VALUES', relation)
    ELSE format('INSERT INTO %s (%s) VALUES (%s)', relation, new.names, new.row_values) END);
END $$;

CREATE FUNCTION pg_temp.update_row(relation regclass) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  a record;
BEGIN
  SELECT t.attname, t.atttypid, t.atttypmod INTO a FROM pg_attribute t
   WHERE t.attrelid = relation AND t.attnum > 0 AND NOT t.attisdropped AND t.attgenerated = '' AND t.attidentity = ''
     AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = relation AND t.attnum = ANY (k.conkey))
   ORDER BY random() LIMIT 1;
  RETURN a.attname IS NOT NULL AND pg_temp.try(format('UPDATE %1$s SET %2$I = coalesce(%3$L, %2$I::text)::%4$s WHERE ctid = (SELECT ctid FROM %1$s ORDER BY random() LIMIT 1)',
    relation, a.attname, pg_temp.sample(a.atttypid, a.atttypmod), format_type(a.atttypid, a.atttypmod)));
END $$;

CREATE FUNCTION pg_temp.fill(seed int, count int, OUT inserted int, OUT updated int, OUT deleted int, OUT refused int)
LANGUAGE plpgsql AS $$
DECLARE
  relation regclass;
  present int;
  done boolean;
BEGIN
  PERFORM setseed(seed % 100000 / 100000.0);
  inserted := 0; updated := 0; deleted := 0; refused := 0;
  FOR relation IN
    WITH RECURSIVE tables AS (
      SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
         AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'replicator', 'mark') AND n.nspname !~ '^pg_'
    ), depths AS (
      SELECT oid, 0 AS depth FROM tables
      UNION
      SELECT k.conrelid, d.depth + 1 FROM depths d JOIN pg_constraint k ON k.confrelid = d.oid AND k.contype = 'f' AND k.conrelid <> d.oid
       WHERE d.depth < 8)
    SELECT d.oid::regclass FROM depths d JOIN tables USING (oid) GROUP BY d.oid ORDER BY max(d.depth), d.oid
  LOOP
    EXECUTE format('SELECT count(*) FROM (SELECT FROM %s LIMIT 4) t', relation) INTO present;
    FOR i IN 1..CASE WHEN present < 4 THEN count WHEN random() < 0.1 THEN 1 ELSE 0 END LOOP
      IF pg_temp.insert_row(relation) THEN inserted := inserted + 1; ELSE refused := refused + 1; END IF;
    END LOOP;
    IF random() < 0.1 THEN
      IF pg_temp.update_row(relation) THEN updated := updated + 1; ELSE refused := refused + 1; END IF;
    END IF;
    IF random() < 0.03 THEN
      IF pg_temp.try(format('DELETE FROM %s WHERE ctid = (SELECT ctid FROM %1$s ORDER BY random() LIMIT 1)', relation)) THEN deleted := deleted + 1; ELSE refused := refused + 1; END IF;
    END IF;
  END LOOP;
END $$;
