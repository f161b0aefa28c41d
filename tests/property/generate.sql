-- Random tables and random changes, at the source. Everything comes from random(), so that setseed() at the beginning of
-- a session repeats it (on the same major version). Nothing here is made that the connector is known to lose (see
-- docs/operations.md, "What the connector does not carry"); each such omission is marked `lost:`.

CREATE SCHEMA property;

-- Values. Of text: every class of characters, those with a meaning in JSON, arrays, COPY and SQL often.
CREATE FUNCTION property.character() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    class int := floor(random() * 12);
BEGIN
    RETURN chr((CASE class
        WHEN 0 THEN 1 + floor(random() * 31)          -- control characters
        WHEN 1 THEN 127 + floor(random() * 33)        -- DEL and more of them
        WHEN 2 THEN 160 + floor(random() * 600)       -- Latin
        WHEN 3 THEN 768 + floor(random() * 112)       -- combining marks
        WHEN 4 THEN 8192 + floor(random() * 112)      -- spaces, joiners, directions, line separators
        WHEN 5 THEN 1024 + floor(random() * 54271)    -- the rest of the basic plane up to the surrogates
        WHEN 6 THEN 57344 + floor(random() * 8192)    -- private use, presentation forms, byte order mark, noncharacters
        WHEN 7 THEN 65536 + floor(random() * 1048576) -- the other planes
        WHEN 8 THEN ascii(substr($q$"'\{}[](),:;&<>/%$ N$q$, 1 + floor(random() * 19)::int, 1))
        ELSE 32 + floor(random() * 95) END)::int);
END $$;

-- Up to so many characters; one in five is empty or very short.
CREATE FUNCTION property.word(longest int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    word text := '';
BEGIN
    FOR i IN 1 .. CASE WHEN random() < 0.2 THEN floor(random() * 2) ELSE floor(random() * (longest + 1)) END LOOP
        word := word || property.character();
    END LOOP;
    RETURN word;
END $$;

-- What XML allows.
CREATE FUNCTION property.xml() RETURNS xml LANGUAGE sql AS $$
    SELECT xmlelement(name "größe", xmlattributes(g AS "a"), g)
    FROM (SELECT regexp_replace(property.word(12), '[^\u0020-\ud7ff]', '', 'g')) AS x (g)
$$;

CREATE FUNCTION property.json() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE floor(random() * 8)::int
        WHEN 0 THEN to_jsonb(property.word(20))
        WHEN 1 THEN to_jsonb(property.number(40))
        WHEN 2 THEN to_jsonb(random() < 0.5)
        WHEN 3 THEN 'null'
        WHEN 4 THEN jsonb_build_array(property.json(), property.json())
        WHEN 5 THEN '[]'
        ELSE jsonb_build_object(property.word(10), property.json(), property.word(10), property.json()) END;
END $$;

-- Up to so many digits, the point anywhere.
CREATE FUNCTION property.number(digits int) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
    text text := '';
BEGIN
    FOR i IN 1 .. 1 + floor(random() * digits) LOOP
        text := text || floor(random() * 10)::int;
    END LOOP;
    RETURN (CASE WHEN random() < 0.5 THEN '-' ELSE '' END || text || 'e-' || floor(random() * digits)::int)::numeric;
END $$;

-- What is stored out of line when it is long.
CREATE FUNCTION property.big() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(md5(random()::text), property.character())
    FROM generate_series(1, CASE WHEN random() < 0.2 THEN 2 ELSE 80 + floor(random() * 200)::int END)
$$;

CREATE FUNCTION property.real(magnitude int) RETURNS double precision LANGUAGE sql AS $$
    SELECT (random() - 0.5) * 10 ^ (random() * 2 * magnitude - magnitude)
$$;

CREATE FUNCTION property.coordinate() RETURNS double precision LANGUAGE sql AS $$
    SELECT CASE WHEN random() < 0.3 THEN floor(random() * 100) ELSE property.real(30) END
$$;

CREATE FUNCTION property.moment() RETURNS timestamp LANGUAGE sql AS $$
    SELECT '0001-01-01'::timestamp + random() * '9997 years'::interval
$$;

CREATE FUNCTION property.sign() RETURNS int LANGUAGE sql AS $$ SELECT CASE WHEN random() < 0.5 THEN -1 ELSE 1 END $$;

-- Each type: values at its edges, and an expression for one in between. `arrays` says how it comes in arrays: yes; plain, without NULL
-- and edges among the elements; no.
CREATE TABLE property.types(id int GENERATED ALWAYS AS IDENTITY, type text, arrays text, edges text[], expression text);
INSERT INTO property.types(type, arrays, edges, expression) VALUES
    ('smallint', 'yes', '{-32768,32767,0}', 'floor(random() * 65536) - 32768'),
    ('integer', 'yes', '{-2147483648,2147483647,0}', 'floor(random() * 4294967296) - 2147483648'),
    ('bigint', 'yes', '{-9223372036854775808,9223372036854775807,9007199254740993}', '(random() - 0.5) * 1.8e19'),
    ('real', 'yes', '{NaN,Infinity,-Infinity,-0,1e-45,3.4028235e38,1.17549e-38}', 'property.real(30)'),
    ('double precision', 'yes', '{NaN,Infinity,-Infinity,-0,5e-324,1.7976931348623157e308,2.2250738585072014e-308,0.1}', 'property.real(300)'),
    ('numeric(12,2)', 'plain', '{-9999999999.99,9999999999.99,0.01,NaN}', 'property.real(9)'),
    ('numeric(38,0)', 'yes', '{99999999999999999999999999999999999999,-99999999999999999999999999999999999999}', 'floor(property.real(30))'),
    ('numeric(40,30)', 'no', '{9999999999.999999999999999999999999999999,0.000000000000000000000000000001}', 'property.real(9)'),
    ('numeric', 'plain', '{NaN,Infinity,-Infinity,0,1e-100,1e300,-0.10}', 'property.number(60)'),
    ('money', 'no', '{-92233720368547758.08,92233720368547758.07,0}', '(property.real(12))::numeric'),
    ('boolean', 'yes', '{t,f}', 'random() < 0.5'),
    ('character(5)', 'yes', '{"",a,"     "}', 'left(property.word(5), 5)'),
    ('character varying(20)', 'yes', '{""}', 'left(property.word(20), 20)'),
    ('text', 'yes', '{"","NULL","null","\\N","{}"}', 'property.word(40)'),
    ('text', 'no', NULL, 'property.big()'),
    ('character varying', 'no', NULL, 'property.big()'),
    ('bytea', 'yes', '{"","\\x00","\\xff"}', 'decode(md5(random()::text), ''hex'')'),
    ('bytea', 'no', NULL, 'convert_to(property.big(), ''UTF8'')'),
    ('jsonb', 'no', NULL, 'to_jsonb(property.big())'),
    ('name', 'no', '{""}', 'left(property.word(10), 15)'),
    ('"char"', 'no', '{a,"\"","\\"}', 'chr(33 + floor(random() * 94)::int)'),
    ('citext', 'yes', '{""}', 'property.word(20)'),
    -- lost: dates BC in a snapshot; 24:00:00 of time (it comes as 00:00:00)
    ('date', 'no', '{infinity,-infinity,0001-01-01,9999-12-31,1582-10-04,1582-10-15,1969-12-31}', 'property.moment()'),
    ('time', 'no', '{00:00:00,23:59:59.999999}', 'property.moment()'),
    ('time(0)', 'no', '{00:00:00}', 'property.moment()'),
    ('time(3)', 'yes', '{00:00:00,23:59:59.999}', 'property.moment()'),
    -- lost: offsets
    ('time with time zone', 'yes', '{00:00:00+00,23:59:59.999999+00}', 'property.moment()::time::text || ''+00'''),
    ('timestamp', 'no', '{infinity,-infinity,0001-01-01,"9999-12-31 23:59:59.999999",1582-10-04,"1969-12-31 23:59:59.999999"}', 'property.moment()'),
    ('timestamp(0)', 'no', '{infinity,-infinity,"9999-12-31 23:59:59"}', 'property.moment()'),
    ('timestamp(3)', 'no', '{infinity,-infinity,"9999-12-31 23:59:59.999"}', 'property.moment()'),
    ('timestamp with time zone', 'no', '{infinity,-infinity,"0001-01-01 00:00:00+00","9999-12-31 23:59:59.999999+00","0044-03-15 12:00:00+00 BC"}', 'property.moment()'),
    ('timestamp(3) with time zone', 'no', '{infinity,-infinity}', 'property.moment()'),
    ('interval', 'no', '{00:00:00,-00:00:00.000001,"1 mon -1 day","178000000 years","-178000000 years"}',
        'make_interval(months => property.sign() * floor(random() * 9999)::int, days => property.sign() * floor(random() * 99999)::int, secs => property.sign() * random() * 999999)'),
    ('uuid', 'yes', '{00000000-0000-0000-0000-000000000000,ffffffff-ffff-ffff-ffff-ffffffffffff}', 'md5(random()::text)'),
    ('json', 'yes', '{"null","[]","{ \"a\" : 1.50, \"a\": 1e400 }","\"\\u00e4\\\\u0041\""}', 'property.json()'),
    ('jsonb', 'yes', '{"null","{}","{\"a\": [1, 2.50, 1e400, -0.0]}"}', 'property.json()'),
    ('xml', 'no', '{<a/>,""}', 'property.xml()'),
    ('inet', 'yes', '{0.0.0.0/0,255.255.255.255,::/0,::ffff:1.2.3.4}', '((floor(random() * 256) || ''.2.3.'' || floor(random() * 256)) || ''/'' || floor(random() * 33))'),
    ('cidr', 'yes', '{0.0.0.0/0,2001:db8::/32}', '(floor(random() * 256) || ''.'' || floor(random() * 256) || ''.0.0/16'')'),
    ('macaddr', 'yes', '{00:00:00:00:00:00,ff:ff:ff:ff:ff:ff}', 'left(md5(random()::text), 12)'),
    ('macaddr8', 'yes', '{00:00:00:00:00:00:00:00}', 'left(md5(random()::text), 16)'),
    ('bit(1)', 'no', '{0,1}', 'floor(random() * 2)::int::text'),
    ('bit(8)', 'no', '{00000000,11111111,00000001,10000000}', 'floor(random() * 256)::int::bit(8)'),
    ('bit(70)', 'no', NULL, 'repeat(floor(random() * 128)::int::bit(7)::text, 10)'),
    ('bit varying(12)', 'no', '{1}', '''1'' || floor(random() * 128)::int::bit(7)'),
    ('bit varying', 'no', '{1}', '''1'' || floor(random() * 128)::int::bit(7)'),
    ('point', 'no', '{"(0,0)","(-0,1e300)"}', 'point(property.coordinate(), property.coordinate())'),
    ('box', 'no', '{"(1,1),(0,0)"}', 'box(point(property.coordinate(), property.coordinate()), point(property.coordinate(), property.coordinate()))'),
    ('line', 'no', '{"{1,2,3}","{0,-1,0}"}', '''{'' || floor(random() * 9) + 1 || '','' || property.coordinate() || '','' || property.coordinate() || ''}'''),
    ('lseg', 'no', '{"[(0,0),(1,1)]"}', 'lseg(point(property.coordinate(), property.coordinate()), point(property.coordinate(), property.coordinate()))'),
    ('path', 'no', '{"[(0,0),(1,1)]","((0,0),(1,1),(2,0))"}', '''['' || point(property.coordinate(), property.coordinate()) || '','' || point(property.coordinate(), 1) || '']'''),
    ('polygon', 'no', '{"((0,0),(1,1),(2,0))"}', '''('' || point(property.coordinate(), property.coordinate()) || '','' || point(property.coordinate(), 1) || '')'''),
    ('circle', 'no', '{"<(0,0),0>"}', 'circle(point(property.coordinate(), property.coordinate()), floor(random() * 99))'),
    ('int4range', 'yes', '{empty,"(,)","[-2147483648,2147483647)"}', 'int4range(-floor(random() * 1e9)::int, floor(random() * 1e9)::int)'),
    ('int8range', 'yes', '{empty,"(,)","(,5)"}', 'int8range(-floor(random() * 1e18)::bigint, floor(random() * 1e18)::bigint)'),
    ('numrange', 'yes', '{empty,"(,)","[1.50,2.5]"}', 'numrange(-abs(property.number(30)) - 1, abs(property.number(30)), ''[]'')'),
    ('tsrange', 'yes', '{empty,"(,)","(,infinity)"}', 'tsrange(''-infinity'', property.moment(), ''()'')'),
    ('tstzrange', 'yes', '{empty,"(,)"}', 'tstzrange(property.moment(), NULL, ''()'')'),
    ('daterange', 'yes', '{empty,"(,)"}', 'daterange(NULL, property.moment()::date)'),
    ('int4multirange', 'plain', '{"{}","{(,)}"}', 'int4multirange(int4range(-floor(random() * 99)::int, 0), int4range(5, NULL))'),
    ('nummultirange', 'no', '{"{}"}', 'nummultirange(numrange(0, abs(property.number(30)) + 1))'),
    ('tstzmultirange', 'no', '{"{}"}', 'tstzmultirange(tstzrange(property.moment(), NULL))'),
    ('datemultirange', 'no', '{"{}"}', 'datemultirange(daterange(NULL, property.moment()::date))'),
    ('mood', 'plain', '{"it''s \"fine\"",größer}', '(ARRAY[''sad'', ''ok'', ''happy''])[1 + floor(random() * 3)::int]'),
    ('price', 'plain', '{0,-9999999999.99}', 'property.real(9)'),
    ('address', 'plain', '{@}', 'property.word(9) || ''@'' || property.word(9)'),
    ('pair', 'plain', '{"(,)","(1,\"\")"}', 'ROW(floor(random() * 99), property.word(9))::pair'),
    ('hstore', 'yes', '{"","a=>NULL","NULL=>NULL"}', 'hstore(ARRAY[property.word(9), property.word(9)], ARRAY[property.word(9), CASE WHEN random() < 0.5 THEN property.word(9) END])'),
    ('ltree', 'plain', '{"",a,A.b_c.9}', '''a.'' || md5(random()::text)'),
    ('oid', 'yes', '{0,4294967295}', 'floor(random() * 4294967296)::bigint'),
    ('tsvector', 'no', '{""}', 'to_tsvector(''simple'', property.word(40))'),
    ('tsquery', 'no', '{"''a'' & ''b'':*A"}', 'plainto_tsquery(''simple'', property.word(30))'),
    ('pg_lsn', 'no', '{0/0,FFFFFFFF/FFFFFFFF}', '''0/0''::pg_lsn + floor(random() * 1e15)::numeric');
-- An expression for a value of a type: one in ten NULL, one in ten at an edge. $g stands for the row's number.
CREATE FUNCTION property.one_of(type text, edges text[], expression text) RETURNS text LANGUAGE sql AS $$
    SELECT format('CASE WHEN random() < 0.1 THEN NULL %s ELSE (%s)::%s END',
        CASE WHEN edges IS NOT NULL
            THEN format('WHEN random() < 0.1 THEN (%L::text[])[1 + floor(random() * %s)::int]::%s', edges, cardinality(edges), type) END,
        expression, type)
$$;

-- lost: NULL elements in arrays of enums, domains, composites, multiranges and ltree; NaN and the infinities in arrays of numeric; arrays of
-- two dimensions, and any of bit, bit varying, xml, point, interval; microseconds in arrays of time; what is before 1582-10-15 in
-- arrays of timestamps, and in arrays of date the ten days before that day.
INSERT INTO property.types(type, arrays, edges, expression)
    SELECT type || '[]', 'no', CASE arrays WHEN 'yes' THEN '{"{}","{NULL}","{NULL,NULL}"}'::text[] ELSE '{"{}"}' END,
        format('ARRAY(SELECT %s FROM generate_series(1, floor(random() * 5)::int + $g * 0))',
            CASE arrays WHEN 'yes' THEN property.one_of(type, edges, expression) ELSE format('(%s)::%s', expression, type) END)
    FROM property.types WHERE arrays <> 'no'
    UNION ALL
    SELECT type || '[]', 'no', edges, format('ARRAY[(%s)::%s, NULL, (%1$s)::%2$s]', expression, type) FROM (VALUES
        ('date', '{"{}","{NULL}","{infinity,-infinity,0001-01-01,1582-10-04}"}'::text[], 'greatest(property.moment(), ''1582-10-15'')'),
        ('time', '{"{}","{NULL}","{23:59:59.999}"}', 'date_trunc(''milliseconds'', property.moment())'),
        ('timestamp', '{"{}","{infinity,-infinity}"}', 'greatest(property.moment(), ''1582-10-16 00:00:00.000001'')'),
        ('timestamp(3)', '{"{}","{infinity,-infinity}"}', 'greatest(property.moment(), ''1582-10-16 00:00:00.001'')'),
        ('timestamp with time zone', '{"{}","{infinity,-infinity}"}', 'greatest(property.moment(), ''1582-10-16 00:00:00.000001'')')
    ) AS late (type, edges, expression);

-- A name that begins plainly and goes on as names should not (the connector cannot make a publication with a name that ends in a quote).
CREATE FUNCTION property.name(prefix text) RETURNS text LANGUAGE sql AS $$
    SELECT left(prefix || (ARRAY['', '', '', ' Größe', '_"q" ', 'SELECT', '日本', '-x', '$d', ''' OR 1', ' %s', '.dot',
        '_which_goes_on_to_the_longest_that_a_name_can_be_in_63_bytes'])[1 + floor(random() * 13)::int], 63)
$$;

-- The kinds of keys: the columns' names and types, their expressions, which of them a key change sets to what, what the
-- table has more, and how often it is chosen. A key change never meets another row's key.
CREATE TABLE property.keys(id int, columns text[], types text[], expressions text[], change text, "more" text, weight double precision);
INSERT INTO property.keys VALUES
    (1, '{k}', '{bigint PRIMARY KEY}', '{$g}', 'k = -k - 1', NULL, 1),
    (2, '{k}', '{text PRIMARY KEY}', '{''k'' || $g || ''.'' || property.word(9)}', 'k = k || ''x''', NULL, 1),
    (3, '{k}', '{uuid PRIMARY KEY}', '{md5($g::text || random())::uuid}', 'k = md5(random()::text)::uuid', NULL, 1),
    (4, '{a,b}', '{int,text}', '{$g,property.word(5)}', 'a = -a - 1', 'ALTER TABLE %s ADD PRIMARY KEY (b, a)', 1),
    (5, '{a,b}', '{"numeric(30,10)",date}', '{$g + 0.5,property.moment()::date}', 'a = -a', 'ALTER TABLE %s ADD PRIMARY KEY (a, b)', 1),
    (6, '{}', '{}', '{}', NULL, 'ALTER TABLE %s REPLICA IDENTITY FULL', 0.02),
    (7, '{a,b}', '{int NOT NULL,text NOT NULL}', '{$g,property.word(5)}', 'a = -a - 1',
        'CREATE UNIQUE INDEX identity_7 ON %1$s (a, b); ALTER TABLE %1$s REPLICA IDENTITY USING INDEX identity_7', 1),
    (8, '{k}', '{int PRIMARY KEY}', '{$g}', 'k = -k - 1', 'ALTER TABLE %s REPLICA IDENTITY FULL', 1),
    (9, '{k}', '{timestamptz PRIMARY KEY}', '{''2000-01-01''::timestamptz + $g * ''1 s''::interval}', 'k = k + ''99 years''::interval', NULL, 1),
    (10, '{k}', '{bytea PRIMARY KEY}', '{"decode(md5($g::text), ''hex'')"}', 'k = k || ''\x00''', NULL, 1),
    (11, '{k}', '{bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY}', '{NULL}', NULL, NULL, 1),
    (12, '{}', '{}', '{}', NULL, NULL, 0.05); -- no identity at all: only inserts

CREATE TABLE property.tables(id int PRIMARY KEY, name text, key int, weight double precision, last int DEFAULT 0, columns text[], expressions text[]);
CREATE TABLE property.statements(id int GENERATED ALWAYS AS IDENTITY, statement text);

-- Makes one table for each kind of key; the types are dealt out to them, so that each type comes, and some come twice.
-- What it did stands in property.statements, for the target.
CREATE PROCEDURE property.make_tables() LANGUAGE plpgsql AS $$
DECLARE
    tables int := (SELECT count(*) FROM property.keys);
    dealt int[] := ARRAY(SELECT id FROM property.types ORDER BY random(), id);
    kind property.keys;
    made record;
    definition text;
BEGIN
    FOR kind IN SELECT * FROM property.keys ORDER BY id LOOP
        SELECT array_agg(property.name('c' || id) ORDER BY id) AS names, array_agg(type ORDER BY id) AS types,
            array_agg(property.one_of(type, edges, expression) ORDER BY id) AS expressions INTO made
        FROM property.types
        WHERE id = ANY (ARRAY(SELECT d FROM unnest(dealt) WITH ORDINALITY AS u (d, place) WHERE place % tables = kind.id - 1))
            OR random() < 0.03;
        INSERT INTO property.tables VALUES (kind.id, property.name('t' || kind.id), kind.id, kind.weight, 0, made.names, made.expressions);
        SELECT string_agg(format('%I %s', name, type), ', ') INTO definition
        FROM unnest(kind.columns || '{n}' || made.names, kind.types || '{int}' || made.types) AS c (name, type);
        INSERT INTO property.statements(statement)
            SELECT format('CREATE TABLE %I (%s%s)', name, definition,
                CASE WHEN coalesce(kind.more ~ 'FULL', false) THEN '' ELSE ', g bigint GENERATED ALWAYS AS (n * 2) STORED' END) -- not both, says PostgreSQL 18
            FROM property.tables WHERE id = kind.id;
        INSERT INTO property.statements(statement)
            SELECT format('ALTER TABLE %I ALTER %I SET STORAGE EXTERNAL', t.name, column_name)
            FROM property.tables t, unnest(made.names, made.types) AS c (column_name, type)
            WHERE id = kind.id AND type ~ '^(text|bytea|jsonb|character varying)' AND random() < 0.7;
        INSERT INTO property.statements(statement)
            SELECT format(kind.more, quote_ident(name)) FROM property.tables WHERE id = kind.id AND kind.more IS NOT NULL;
    END LOOP;
    FOR definition IN SELECT statement FROM property.statements ORDER BY id LOOP
        EXECUTE definition;
    END LOOP;
    FOR definition IN SELECT format('CREATE INDEX %I ON %I (n)', 'by_n_' || id, name) FROM property.tables LOOP
        EXECUTE definition; -- for our own updates, at the source only
    END LOOP;
END $$;

-- Each of these does one random change to a table and gives the number of rows.
CREATE FUNCTION property.run(statement text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    rows int;
BEGIN
    EXECUTE statement;
    GET DIAGNOSTICS rows = ROW_COUNT;
    RETURN rows;
END $$;

CREATE FUNCTION property.insert_rows(t property.tables, wanted int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    kind property.keys;
    names text;
    expressions text;
BEGIN
    SELECT * INTO kind FROM property.keys WHERE id = t.key;
    SELECT string_agg(quote_ident(name), ', '), string_agg(replace(expression, '$g', 'g'), ', ') INTO names, expressions
    FROM unnest(kind.columns || '{n}' || t.columns, kind.expressions || '{$g}' || t.expressions) AS c (name, expression)
    WHERE expression IS NOT NULL;
    UPDATE property.tables SET last = last + wanted WHERE id = t.id;
    RETURN property.run(format('INSERT INTO %I (%s) SELECT %s FROM generate_series(%s, %s) g', t.name, names, expressions, t.last + 1, t.last + wanted));
END $$;

-- One to three columns get new values; the others, those out of line too, stay.
CREATE FUNCTION property.update_rows(t property.tables, rows text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    assignments text;
BEGIN
    SELECT string_agg(format('%I = %s', name, replace(expression, '$g', 'n')), ', ') INTO assignments
    FROM (SELECT * FROM unnest(t.columns, t.expressions) AS c (name, expression) ORDER BY random(), name
          LIMIT 1 + floor(random() * 3)) AS chosen;
    RETURN property.run(format('UPDATE %I SET %s WHERE %s', t.name, assignments, rows));
END $$;

CREATE FUNCTION property.reinsert_rows(t property.tables, rows text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    names text := (SELECT string_agg(quote_ident(name), ', ') FROM property.keys k, unnest(k.columns || '{n}' || t.columns) AS name
                   WHERE id = t.key);
    written int;
BEGIN
    EXECUTE format('CREATE TEMPORARY TABLE taken AS SELECT * FROM %I WHERE %s', t.name, rows);
    EXECUTE format('DELETE FROM %I WHERE %s', t.name, rows);
    written := property.run(format('INSERT INTO %I (%s) OVERRIDING SYSTEM VALUE SELECT %2$s FROM taken', t.name, names));
    DROP TABLE taken;
    RETURN 2 * written;
END $$;

CREATE FUNCTION property.change_table(t property.tables) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    key_change text := (SELECT change FROM property.keys WHERE id = t.key);
    many int := floor(10 ^ (random() * CASE WHEN t.weight < 1 THEN 1 ELSE 2.5 END));
    start int := floor(random() * (t.last + 1));
    rows text := format('n BETWEEN %s AND %s', start, start + many - 1);
    dice double precision := random();
BEGIN
    IF dice < 0.35 OR t.key = 12 THEN RETURN property.insert_rows(t, many);
    ELSIF dice < 0.70 THEN RETURN property.update_rows(t, rows);
    ELSIF dice < 0.83 THEN RETURN property.run(format('DELETE FROM %I WHERE %s', t.name, rows));
    ELSIF dice < 0.95 AND key_change IS NOT NULL THEN RETURN property.run(format('UPDATE %I SET %s WHERE %s', t.name, key_change, rows));
    ELSIF dice < 0.998 THEN RETURN property.reinsert_rows(t, rows);
    ELSE RETURN property.run(format('TRUNCATE %I', t.name)); END IF;
END $$;

-- Random transactions, until so many rows have been written. Some are rolled back, some have a savepoint that is.
CREATE PROCEDURE property.change(wanted bigint) LANGUAGE plpgsql AS $$
DECLARE
    written bigint := 0;
    pending bigint;
    transactions int := 0;
    t property.tables;
BEGIN
    WHILE written < wanted LOOP
        pending := 0;
        FOR i IN 1 .. 1 + floor(random() * 5) LOOP
            SELECT * INTO t FROM property.tables ORDER BY -ln(1 - random()) / weight LIMIT 1;
            BEGIN
                pending := pending + property.change_table(t);
                IF random() < 0.04 THEN RAISE EXCEPTION 'rolled back on purpose' USING ERRCODE = 'PT001'; END IF;
            EXCEPTION WHEN SQLSTATE 'PT001' THEN NULL;
            END;
        END LOOP;
        IF random() < 0.03 THEN
            ROLLBACK;
        ELSE
            COMMIT;
            written := written + pending;
            transactions := transactions + 1;
        END IF;
    END LOOP;
    RAISE NOTICE '% rows in % transactions', written, transactions;
END $$;

-- Every character there is, a thousand to a row. Surrogates are no characters, and PostgreSQL has no zero.
INSERT INTO property.statements(statement) VALUES ('CREATE TABLE every_character(first int PRIMARY KEY, characters text)');
CREATE PROCEDURE property.every_character(lowest int, highest int) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO every_character
    SELECT code / 1000 * 1000, string_agg(chr(code), '' ORDER BY code) FROM generate_series(lowest, highest) code
    WHERE code NOT BETWEEN 55296 AND 57343 GROUP BY 1 ORDER BY 1;
END $$;
