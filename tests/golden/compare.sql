-- Compares a table of the target with what the source held at the end, by value: numeric 2.5 equals 2.50, and types
-- without an equality of their own (json, xml, geometric ones) are compared as jsonb or text. Row order does not matter, the
-- number of equal rows does.

CREATE SCHEMA golden;

-- Makes the temporary table `expected` for rows under this header, with the target's types. Returns the columns that the
-- target lacks, or ''.
CREATE FUNCTION golden.expect(target regclass, header text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    wanted text[] := ARRAY(SELECT CASE WHEN name LIKE '"%' THEN replace(trim(BOTH '"' FROM name), '""', '"') ELSE name END
                           FROM unnest(string_to_array(header, ',')) WITH ORDINALITY AS u (name, position) ORDER BY position);
    problem text;
    columns text;
BEGIN
    SELECT string_agg(format('column %I is missing', name), ', ') INTO problem
    FROM unnest(wanted) AS name
    WHERE NOT EXISTS (SELECT FROM pg_attribute
                      WHERE attrelid = target AND attname = name AND attnum > 0 AND NOT attisdropped);
    IF problem <> '' THEN
        RETURN problem;
    END IF;
    SELECT string_agg(format('%I %s', name, format_type(atttypid, atttypmod)), ', ' ORDER BY position) INTO columns
    FROM unnest(wanted) WITH ORDINALITY AS w (name, position)
    JOIN pg_attribute ON attrelid = target AND attname = name;
    EXECUTE format('CREATE TEMPORARY TABLE expected (%s)', columns);
    RETURN '';
END $$;

-- Columns of the target that the source does not have, or no longer.
CREATE FUNCTION golden.kept(target regclass) RETURNS SETOF name LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY
    SELECT attname FROM pg_attribute
    WHERE attrelid = target AND attnum > 0 AND NOT attisdropped
      AND attname NOT IN (SELECT e.attname FROM pg_attribute e WHERE attrelid = 'pg_temp.expected'::regclass AND attnum > 0);
END $$;

-- Those that the source does not have are left out.
CREATE FUNCTION golden.comparable(target regclass) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(CASE WHEN atttypid = 'json'::regtype THEN format('%I::jsonb', attname)
                           WHEN atttypid = 'xml'::regtype OR typcategory = 'G' THEN format('%I::text', attname)
                           ELSE format('%I', attname) END, ', ' ORDER BY attname)
    FROM pg_attribute JOIN pg_type t ON t.oid = atttypid
    WHERE attrelid = target AND attnum > 0 AND NOT attisdropped AND attname <> ALL (ARRAY(SELECT golden.kept(target)))
$$;

-- Returns how the rows differ, a line each: `kept COLUMN`, `cell ID COLUMN`, `missing ID`, `extra ID` where both sides have
-- an `id`; else how many rows there are too few and too many.
CREATE FUNCTION golden.differences(target regclass) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    list text := golden.comparable(target);
    cells text;
    missing bigint;
    extra bigint;
BEGIN
    RETURN QUERY SELECT 'kept ' || kept FROM golden.kept(target) AS kept;
    EXECUTE format('SELECT count(*) FROM (SELECT %s FROM expected EXCEPT ALL SELECT %1$s FROM %s) AS d', list, target)
        INTO missing;
    EXECUTE format('SELECT count(*) FROM (SELECT %1$s FROM %2$s EXCEPT ALL SELECT %1$s FROM expected) AS d', list, target)
        INTO extra;
    IF missing + extra = 0 THEN
        RETURN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = target AND attname = 'id') THEN
        RETURN NEXT format('rows %s missing %s extra', missing, extra);
        RETURN;
    END IF;
    SELECT string_agg(format('(%L, e.%I::text IS DISTINCT FROM t.%2$I::text AND '
                             'to_jsonb(e.%2$I) IS DISTINCT FROM to_jsonb(t.%2$I))', attname, attname), ', ')
        INTO cells
    FROM pg_attribute WHERE attrelid = target AND attnum > 0 AND NOT attisdropped AND attname <> 'id'
     AND attname <> ALL (ARRAY(SELECT golden.kept(target)));
    RETURN QUERY EXECUTE format(
        'SELECT CASE WHEN e.id IS NULL THEN ''extra '' || t.id WHEN t.id IS NULL THEN ''missing '' || e.id '
        'ELSE format(''cell %%s %%s'', e.id, c.name) END '
        'FROM expected e FULL JOIN %s t ON e.id = t.id '
        'LEFT JOIN LATERAL (SELECT name FROM (VALUES %s) AS v (name, differs) WHERE differs) AS c ON true '
        'WHERE e.id IS NULL OR t.id IS NULL OR c.name IS NOT NULL '
        'GROUP BY 1, coalesce(e.id, t.id) ORDER BY coalesce(e.id, t.id), 1', target, cells);
    IF NOT FOUND THEN -- rows that come twice, or a difference that only the types see
        RETURN NEXT format('rows %s missing %s extra', missing, extra);
    END IF;
END $$;
