-- The cases of tests/ddl/run. `-- phrase:` is a phrase of docs/ddl.md, `-- case:` one case of it. Each case runs with
-- search_path = @s@, a schema of its own, twice: every statement a transaction of its own, and all of them in one
-- transaction (not when marked `-- apart:`, with the reason; nor when marked `-- slowly:`: there each statement waits
-- until the one before it is in the target). A statement ends with a semicolon at the end of a line.

-- phrase: CREATE TABLE
-- case: with types, defaults and a serial key
CREATE TABLE t (id serial PRIMARY KEY, a int NOT NULL DEFAULT 7, b text DEFAULT 'x''y', c numeric(10,2), d timestamptz, e text[], f jsonb);
INSERT INTO t (b, c, d, e, f) VALUES ('one', 1.50, '2024-02-29 12:00+00', '{a,"b c"}', '{"k": 1}'), (NULL, NULL, NULL, NULL, NULL);
UPDATE t SET a = 8 WHERE id = 2;
-- case: IF NOT EXISTS, twice
CREATE TABLE IF NOT EXISTS t (id int PRIMARY KEY, a text);
INSERT INTO t VALUES (1, 'x');
CREATE TABLE IF NOT EXISTS t (id int PRIMARY KEY, b text);
INSERT INTO t VALUES (2, 'y');
-- case: odd names
CREATE TABLE "Odd Table" ("Id" int PRIMARY KEY, "a b" text, "select" int DEFAULT 1);
INSERT INTO "Odd Table" VALUES (1, 'x', 2);
ALTER TABLE "Odd Table" ADD "Ünï" text DEFAULT 'q';
INSERT INTO "Odd Table" VALUES (2, 'y', 3, 'z');
-- case: LIKE INCLUDING ALL
CREATE TABLE base (id int PRIMARY KEY, a int DEFAULT 3 CHECK (a > 0));
CREATE INDEX base_a ON base (a);
CREATE TABLE t (LIKE base INCLUDING ALL);
INSERT INTO t VALUES (1, 1), (2, DEFAULT);
-- case: without a key
CREATE TABLE t (a int, b text);
INSERT INTO t VALUES (1, 'x'), (1, 'x'), (NULL, NULL);
ALTER TABLE t ADD c int;
INSERT INTO t VALUES (2, 'y', 3);

-- phrase: DROP TABLE
-- case: between rows of another
CREATE TABLE t (id int PRIMARY KEY);
CREATE TABLE u (id int PRIMARY KEY);
INSERT INTO t VALUES (1);
INSERT INTO u VALUES (1);
DROP TABLE t;
INSERT INTO u VALUES (2);
-- case: CASCADE to a foreign key, and made again
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p);
INSERT INTO p VALUES (1);
INSERT INTO c VALUES (1, 1);
SET CONSTRAINTS ALL IMMEDIATE;
DROP TABLE p CASCADE;
INSERT INTO c VALUES (2, 99);
CREATE TABLE p (id int PRIMARY KEY, other text);
INSERT INTO p VALUES (5, 'new');

-- phrase: ADD COLUMN
-- case: nullable, with constant default, NOT NULL with default
CREATE TABLE t (id int PRIMARY KEY);
INSERT INTO t VALUES (1), (2);
ALTER TABLE t ADD a text;
INSERT INTO t VALUES (3, 'x');
ALTER TABLE t ADD b int DEFAULT 5;
ALTER TABLE t ADD c int NOT NULL DEFAULT 6;
UPDATE t SET a = 'y' WHERE id = 1;
INSERT INTO t (id) VALUES (4);
-- case: IF NOT EXISTS, there and not there
CREATE TABLE t (id int PRIMARY KEY, a int);
INSERT INTO t VALUES (1, 1);
ALTER TABLE t ADD COLUMN IF NOT EXISTS a int;
ALTER TABLE t ADD COLUMN IF NOT EXISTS b int;
INSERT INTO t VALUES (2, 2, 2);
-- case: default now(), which existing rows keep as a constant
CREATE TABLE t (id int PRIMARY KEY);
INSERT INTO t VALUES (1), (2);
ALTER TABLE t ADD at timestamptz NOT NULL DEFAULT now();
INSERT INTO t VALUES (3);
-- case: array, jsonb and text defaults with quotes
CREATE TABLE t (id int PRIMARY KEY);
INSERT INTO t VALUES (1);
ALTER TABLE t ADD a int[] DEFAULT '{1,2}', ADD b jsonb DEFAULT '{"k": "it''s"}', ADD c text DEFAULT E'back\\slash "q"';
INSERT INTO t VALUES (2);

-- phrase: DROP COLUMN
-- case: one of three
CREATE TABLE t (id int PRIMARY KEY, a int, b int);
INSERT INTO t VALUES (1, 1, 1);
ALTER TABLE t DROP a;
INSERT INTO t VALUES (2, 2);
UPDATE t SET b = 9 WHERE id = 1;
-- case: with its index and constraint, and added again with another type
CREATE TABLE t (id int PRIMARY KEY, a int UNIQUE CHECK (a > 0));
CREATE INDEX t_a ON t (a, id);
INSERT INTO t VALUES (1, 1);
ALTER TABLE t DROP COLUMN a;
INSERT INTO t VALUES (2);
ALTER TABLE t ADD a text;
INSERT INTO t VALUES (3, 'three');
-- case: IF EXISTS
CREATE TABLE t (id int PRIMARY KEY, a int);
ALTER TABLE t DROP COLUMN IF EXISTS zz;
ALTER TABLE t DROP COLUMN IF EXISTS a;
INSERT INTO t VALUES (1);

-- phrase: RENAME COLUMN
-- case: between rows
CREATE TABLE t (id int PRIMARY KEY, a int);
INSERT INTO t VALUES (1, 1);
ALTER TABLE t RENAME a TO b;
INSERT INTO t VALUES (2, 2);
UPDATE t SET b = 3 WHERE id = 1;
-- case: of the key, and a swap of two
CREATE TABLE t (id int PRIMARY KEY, a int, b int);
INSERT INTO t VALUES (1, 1, 10);
ALTER TABLE t RENAME id TO "ID";
INSERT INTO t VALUES (2, 2, 20);
ALTER TABLE t RENAME a TO c;
ALTER TABLE t RENAME b TO a;
ALTER TABLE t RENAME c TO b;
INSERT INTO t VALUES (3, 3, 30);
DELETE FROM t WHERE "ID" = 1;

-- phrase: ALTER TYPE, binary coercible
-- case: varchar to text and a longer varchar
CREATE TABLE t (id int PRIMARY KEY, a varchar(5), b varchar(5) DEFAULT 'q');
INSERT INTO t VALUES (1, 'abc', 'def');
ALTER TABLE t ALTER a TYPE text;
ALTER TABLE t ALTER b TYPE varchar(50);
INSERT INTO t VALUES (2, 'longer than five', 'also longer');
-- case: numeric with a wider precision, collation
CREATE TABLE t (id int PRIMARY KEY, a numeric(5,2), b text);
INSERT INTO t VALUES (1, 123.45, 'x');
ALTER TABLE t ALTER a TYPE numeric(12,2);
ALTER TABLE t ALTER b TYPE text COLLATE "C";
INSERT INTO t VALUES (2, 1234567.89, 'y');

-- phrase: ALTER TYPE, castable
-- case: int to bigint, with a default, of the key
CREATE TABLE t (id int PRIMARY KEY, a int DEFAULT 3);
INSERT INTO t VALUES (1, 1);
ALTER TABLE t ALTER id TYPE bigint, ALTER a TYPE bigint;
INSERT INTO t VALUES (5000000000, 5000000000), (2, DEFAULT);
UPDATE t SET a = 4 WHERE id = 1;
-- case: int to text, real to double precision
CREATE TABLE t (id int PRIMARY KEY, a int, b real);
INSERT INTO t VALUES (1, 42, 1.5);
ALTER TABLE t ALTER a TYPE text;
ALTER TABLE t ALTER b TYPE double precision;
INSERT INTO t VALUES (2, 'forty-two', 0.1);
-- case: timestamp to timestamptz, in the session's time zone
-- slowly: Debezium reads older rows by the column's type of the moment, and fails on these
SET timezone = 'Asia/Tokyo';
CREATE TABLE t (id int PRIMARY KEY, a timestamp);
INSERT INTO t VALUES (1, '2024-01-01 12:00');
ALTER TABLE t ALTER a TYPE timestamptz;
INSERT INTO t VALUES (2, '2024-01-02 12:00+00');

-- phrase: ALTER TYPE, USING
-- case: values that the cast refuses
-- slowly: Debezium reads older rows by the column's type of the moment, and fails on these
CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL);
INSERT INTO t VALUES (1, 'abc'), (2, 'de');
ALTER TABLE t ALTER a TYPE int USING length(a);
INSERT INTO t VALUES (3, 3);
-- case: values that the cast takes, but others
CREATE TABLE t (id int PRIMARY KEY, a text, b int);
INSERT INTO t VALUES (1, '10', 1), (2, NULL, 2);
ALTER TABLE t ALTER a TYPE int USING a::int * 2, ALTER b TYPE text USING 'n' || b;
INSERT INTO t VALUES (3, 3, 'n3');
-- case: of the key
CREATE TABLE t (id int PRIMARY KEY, a text);
INSERT INTO t VALUES (1, 'one'), (2, 'two');
ALTER TABLE t ALTER id TYPE text USING '<' || id || '>';
INSERT INTO t VALUES ('3', 'three');
DELETE FROM t WHERE id = '<1>';
-- case: of a table without a key
CREATE TABLE t (a int, b int);
ALTER TABLE t REPLICA IDENTITY FULL;
INSERT INTO t VALUES (1, 1), (2, 2), (2, 2), (NULL, 3);
ALTER TABLE t ALTER a TYPE text USING '<' || a || '>';
UPDATE t SET b = 4 WHERE a = '<1>';
-- case: values that the cast refuses, in a transaction larger than memory
-- slowly: Debezium reads older rows by the column's type of the moment, and fails on these
CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL);
INSERT INTO t SELECT g, repeat('x', g % 50) FROM generate_series(1, 30000) g;
ALTER TABLE t ALTER a TYPE int USING length(a);
INSERT INTO t VALUES (0, 7);

-- phrase: SET NOT NULL, DROP NOT NULL
-- case: set, then dropped
CREATE TABLE t (id int PRIMARY KEY, a int);
INSERT INTO t VALUES (1, 1);
ALTER TABLE t ALTER a SET NOT NULL;
INSERT INTO t VALUES (2, 2);
ALTER TABLE t ALTER a DROP NOT NULL;
INSERT INTO t VALUES (3, NULL);
-- case: after the NULLs were filled in the same stretch
CREATE TABLE t (id int PRIMARY KEY, a int);
INSERT INTO t VALUES (1, NULL), (2, 2);
UPDATE t SET a = 0 WHERE a IS NULL;
ALTER TABLE t ALTER a SET NOT NULL;
INSERT INTO t VALUES (3, 3);

-- phrase: SET DEFAULT, DROP DEFAULT
-- case: constant and function
CREATE TABLE t (id int PRIMARY KEY, a int, b timestamptz);
INSERT INTO t VALUES (1);
ALTER TABLE t ALTER a SET DEFAULT 4, ALTER b SET DEFAULT now();
INSERT INTO t VALUES (2);
-- case: dropped and changed
CREATE TABLE t (id int PRIMARY KEY, a int DEFAULT 1, b text DEFAULT 'x');
INSERT INTO t VALUES (1);
ALTER TABLE t ALTER a DROP DEFAULT;
ALTER TABLE t ALTER b SET DEFAULT 'y';
INSERT INTO t VALUES (2);

-- phrase: identity
-- case: always and by default, from the start
CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY (START WITH 10 INCREMENT BY 5) PRIMARY KEY, a bigint GENERATED BY DEFAULT AS IDENTITY);
INSERT INTO t DEFAULT VALUES;
INSERT INTO t (a) VALUES (77);
-- case: added, changed, dropped
CREATE TABLE t (id int NOT NULL PRIMARY KEY, a int);
INSERT INTO t VALUES (1, 1);
ALTER TABLE t ALTER id ADD GENERATED BY DEFAULT AS IDENTITY (START WITH 100);
INSERT INTO t (a) VALUES (2);
ALTER TABLE t ALTER id SET GENERATED ALWAYS;
INSERT INTO t (a) VALUES (3);
ALTER TABLE t ALTER id DROP IDENTITY;
INSERT INTO t VALUES (4, 4);
-- case: a new identity column of a table with rows
CREATE TABLE t (a int PRIMARY KEY);
INSERT INTO t VALUES (30), (20), (10);
ALTER TABLE t ADD n int GENERATED ALWAYS AS IDENTITY;
INSERT INTO t VALUES (40);
-- case: of a column that was serial, whose sequence stays
CREATE TABLE t (id serial PRIMARY KEY, a int);
INSERT INTO t (a) VALUES (1);
ALTER TABLE t ALTER id DROP DEFAULT;
INSERT INTO t VALUES (2, 2);
ALTER TABLE t ALTER id ADD GENERATED BY DEFAULT AS IDENTITY (START WITH 100);
INSERT INTO t (a) VALUES (3);

-- phrase: generated columns
-- case: from the start and added
CREATE TABLE t (id int PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a * 2) STORED);
INSERT INTO t VALUES (1, 1);
ALTER TABLE t ADD c text GENERATED ALWAYS AS (a::text || '!') STORED;
INSERT INTO t VALUES (2, 2);
UPDATE t SET a = 5 WHERE id = 1;
-- case: expression dropped
CREATE TABLE t (id int PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a + 1) STORED);
INSERT INTO t VALUES (1, 1);
ALTER TABLE t ALTER b DROP EXPRESSION;
INSERT INTO t VALUES (2, 2, 99);
UPDATE t SET b = 50 WHERE id = 1;

-- phrase: RENAME TABLE
-- case: between rows
CREATE TABLE t (id int PRIMARY KEY, a int);
INSERT INTO t VALUES (1, 1);
ALTER TABLE t RENAME TO u;
INSERT INTO u VALUES (2, 2);
-- case: two tables change places
CREATE TABLE t (id int PRIMARY KEY, a int);
CREATE TABLE u (id int PRIMARY KEY, b text);
INSERT INTO t VALUES (1, 1);
INSERT INTO u VALUES (1, 'x');
ALTER TABLE t RENAME TO v;
ALTER TABLE u RENAME TO t;
ALTER TABLE v RENAME TO u;
INSERT INTO t VALUES (2, 'y');
INSERT INTO u VALUES (2, 2);

-- phrase: SET SCHEMA
-- case: there
CREATE SCHEMA @s@_2;
CREATE TABLE t (id serial PRIMARY KEY, a int);
INSERT INTO t (a) VALUES (1);
ALTER TABLE t SET SCHEMA @s@_2;
INSERT INTO @s@_2.t (a) VALUES (2);
-- case: there and back under another name
CREATE SCHEMA @s@_2;
CREATE TABLE t (id int PRIMARY KEY);
INSERT INTO t VALUES (1);
ALTER TABLE t SET SCHEMA @s@_2;
INSERT INTO @s@_2.t VALUES (2);
ALTER TABLE @s@_2.t RENAME TO u;
ALTER TABLE @s@_2.u SET SCHEMA @s@;
INSERT INTO u VALUES (3);

-- phrase: CREATE SCHEMA, DROP SCHEMA
-- case: with a table in it
CREATE SCHEMA @s@_2;
CREATE TABLE @s@_2.t (id int PRIMARY KEY);
INSERT INTO @s@_2.t VALUES (1);
-- case: dropped with types, sequences and keys that refer to each other
CREATE SCHEMA @s@_4;
CREATE TYPE @s@_4.mood AS ENUM ('bad', 'good');
CREATE SEQUENCE @s@_4.q;
CREATE TABLE @s@_4.a (id int PRIMARY KEY, m @s@_4.mood, n bigint DEFAULT nextval('@s@_4.q'));
CREATE TABLE @s@_4.b (id int PRIMARY KEY REFERENCES @s@_4.a, m @s@_4.mood);
CREATE TABLE @s@_4.c (id int PRIMARY KEY REFERENCES @s@_4.b);
INSERT INTO @s@_4.a (id) VALUES (1);
DROP SCHEMA @s@_4 CASCADE;
CREATE TABLE t (id int PRIMARY KEY);
INSERT INTO t VALUES (1);
-- case: dropped with what is in it, renamed
CREATE SCHEMA @s@_2;
CREATE TABLE @s@_2.t (id int PRIMARY KEY);
INSERT INTO @s@_2.t VALUES (1);
DROP SCHEMA @s@_2 CASCADE;
CREATE SCHEMA @s@_3;
CREATE TABLE @s@_3.t (id int PRIMARY KEY);
INSERT INTO @s@_3.t VALUES (1);
ALTER SCHEMA @s@_3 RENAME TO @s@_4;
ALTER TABLE @s@_4.t ADD a int;
INSERT INTO @s@_4.t VALUES (3, 3);

-- phrase: primary key
-- case: added to a table without
CREATE TABLE t (id int NOT NULL, a int);
INSERT INTO t VALUES (1, 1), (2, 2);
ALTER TABLE t ADD PRIMARY KEY (id);
UPDATE t SET a = 9 WHERE id = 1;
INSERT INTO t VALUES (3, 3);
-- case: dropped and changed to other columns
CREATE TABLE t (id int CONSTRAINT old_pk PRIMARY KEY, a int, b int NOT NULL);
INSERT INTO t VALUES (1, 1, 10);
ALTER TABLE t DROP CONSTRAINT old_pk;
ALTER TABLE t ADD CONSTRAINT new_pk PRIMARY KEY (b, id);
INSERT INTO t VALUES (1, 2, 20);
UPDATE t SET a = 5 WHERE b = 10;
-- case: from an index, renamed
CREATE TABLE t (id int NOT NULL, a int);
CREATE UNIQUE INDEX t_u ON t (id);
INSERT INTO t VALUES (1, 1);
ALTER TABLE t ADD CONSTRAINT t_pk PRIMARY KEY USING INDEX t_u;
ALTER TABLE t RENAME CONSTRAINT t_pk TO t_pk2;
UPDATE t SET a = 2 WHERE id = 1;
-- case: added beside a unique index, to rows that the connector sends with it
CREATE TABLE t (id int NOT NULL UNIQUE, a text NOT NULL);
INSERT INTO t VALUES (1, 'a');
INSERT INTO t VALUES (2, 'b');
ALTER TABLE t ADD PRIMARY KEY (a);
UPDATE t SET a = 'c' WHERE id = 2;
-- case: beside a deferrable unique constraint of its column
CREATE TABLE t (id int, a text);
ALTER TABLE t ADD CONSTRAINT u UNIQUE (id) DEFERRABLE;
ALTER TABLE t ADD PRIMARY KEY (id);
INSERT INTO t VALUES (1, 'a');
UPDATE t SET a = 'b' WHERE id = 1;
INSERT INTO t VALUES (2, 'c'), (3, 'd');

-- phrase: unique and other indexes
-- case: created, unique, partial, on an expression, renamed, dropped
CREATE TABLE t (id int PRIMARY KEY, a int, b text);
INSERT INTO t VALUES (1, 1, 'X');
CREATE INDEX i1 ON t (a);
CREATE UNIQUE INDEX i2 ON t (lower(b)) WHERE a > 0;
CREATE INDEX "I 3" ON t USING hash (b);
ALTER INDEX i1 RENAME TO i1b;
DROP INDEX i2;
INSERT INTO t VALUES (2, 2, 'Y');
-- case: unique constraint added and dropped
CREATE TABLE t (id int PRIMARY KEY, a int, b int);
INSERT INTO t VALUES (1, 1, 1);
ALTER TABLE t ADD CONSTRAINT u1 UNIQUE (a), ADD CONSTRAINT u2 UNIQUE (b) DEFERRABLE;
INSERT INTO t VALUES (2, 2, 2);
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE t DROP CONSTRAINT u1;
INSERT INTO t VALUES (3, 2, 3);
-- case: a partial one is the only unique one
CREATE TABLE t (a int, b int, c int GENERATED ALWAYS AS (b * 2) STORED);
ALTER TABLE t REPLICA IDENTITY FULL;
INSERT INTO t VALUES (1, 1), (2, 2), (2, 2), (NULL, 3);
CREATE UNIQUE INDEX t_u ON t (a) WHERE b > 2;
INSERT INTO t VALUES (3, 3), (4, 4), (5, 5), (NULL, 3);
UPDATE t SET b = 1 WHERE a = 2;
UPDATE t SET a = 6 WHERE a = 3;
UPDATE t SET b = 7 WHERE a IS NULL;
DELETE FROM t WHERE a = 4;
-- case: CREATE INDEX CONCURRENTLY
-- apart: PostgreSQL does not permit it in a transaction
CREATE TABLE t (id int PRIMARY KEY, a int);
INSERT INTO t VALUES (1, 1);
CREATE INDEX CONCURRENTLY i1 ON t (a);
INSERT INTO t VALUES (2, 2);
CREATE INDEX i2 ON t (a, id);
DROP INDEX CONCURRENTLY i2;
INSERT INTO t VALUES (3, 3);

-- phrase: check constraints
-- case: added, renamed, dropped
CREATE TABLE t (id int PRIMARY KEY, a int, CONSTRAINT c1 CHECK (a > 0));
INSERT INTO t VALUES (1, 1);
ALTER TABLE t ADD CONSTRAINT c2 CHECK (a < 100);
ALTER TABLE t RENAME CONSTRAINT c2 TO c3;
ALTER TABLE t DROP CONSTRAINT c1;
INSERT INTO t VALUES (2, -5);
-- case: NOT VALID, then validated
CREATE TABLE t (id int PRIMARY KEY, a int);
INSERT INTO t VALUES (1, -1);
ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID;
INSERT INTO t VALUES (2, 2);
UPDATE t SET a = 1 WHERE id = 1;
ALTER TABLE t VALIDATE CONSTRAINT c;

-- phrase: foreign keys
-- case: from the start, with a cascade
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE);
INSERT INTO p VALUES (1), (2);
INSERT INTO c VALUES (1, 1), (2, 2);
DELETE FROM p WHERE id = 1;
-- case: added, dropped
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (id int PRIMARY KEY, p int);
INSERT INTO p VALUES (1);
INSERT INTO c VALUES (1, 1);
ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (p) REFERENCES p DEFERRABLE;
INSERT INTO c VALUES (2, 1);
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE c DROP CONSTRAINT fk;
INSERT INTO c VALUES (3, 33);
-- case: renamed behind the table that it refers to
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (id int PRIMARY KEY, p int CONSTRAINT fk REFERENCES p);
INSERT INTO p VALUES (1);
ALTER TABLE p RENAME TO q;
ALTER TABLE c RENAME CONSTRAINT fk TO fk2;
INSERT INTO c VALUES (1, 1);

-- phrase: enums
-- case: created and used, value added before and after
-- apart: PostgreSQL does not permit the use of a new value in its transaction
CREATE TYPE mood AS ENUM ('bad', 'good');
CREATE TABLE t (id int PRIMARY KEY, m mood DEFAULT 'bad');
INSERT INTO t VALUES (1, 'good');
ALTER TYPE mood ADD VALUE 'better';
INSERT INTO t VALUES (2, 'better');
ALTER TYPE mood ADD VALUE 'worse' BEFORE 'bad';
ALTER TYPE mood ADD VALUE 'fine' AFTER 'bad';
INSERT INTO t VALUES (3, 'worse'), (4, 'fine'), (5, DEFAULT);
-- case: values renamed, the type renamed
CREATE TYPE mood AS ENUM ('bad', 'it''s ok');
CREATE TABLE t (id int PRIMARY KEY, m mood, ms mood[]);
INSERT INTO t VALUES (1, 'it''s ok', '{bad}');
ALTER TYPE mood RENAME VALUE 'it''s ok' TO 'okay';
INSERT INTO t VALUES (2, 'okay', '{okay,bad}');
ALTER TYPE mood RENAME TO feeling;
ALTER TABLE t ADD f feeling DEFAULT 'okay';
INSERT INTO t VALUES (3, 'bad', NULL, 'bad');
-- case: a text column becomes an enum
CREATE TYPE mood AS ENUM ('bad', 'good');
CREATE TABLE t (id int PRIMARY KEY, m text);
INSERT INTO t VALUES (1, 'good');
ALTER TABLE t ALTER m TYPE mood USING m::mood;
INSERT INTO t VALUES (2, 'bad');

-- phrase: domains
-- case: created and used
CREATE DOMAIN pos AS int NOT NULL DEFAULT 1 CHECK (VALUE > 0);
CREATE TABLE t (id int PRIMARY KEY, a pos);
INSERT INTO t VALUES (1, 5);
INSERT INTO t (id) VALUES (2);
-- case: constraint added and dropped, default changed
CREATE DOMAIN d AS text CONSTRAINT c1 CHECK (length(VALUE) < 10);
CREATE TABLE t (id int PRIMARY KEY, a d);
INSERT INTO t VALUES (1, 'abc');
ALTER DOMAIN d ADD CONSTRAINT c2 CHECK (VALUE <> 'no');
ALTER DOMAIN d DROP CONSTRAINT c1;
ALTER DOMAIN d SET DEFAULT 'dd';
INSERT INTO t VALUES (2, 'longer than ten');
INSERT INTO t (id) VALUES (3);

-- phrase: partitions
-- case: created, attached, detached
CREATE TABLE t (id int, k int, PRIMARY KEY (id, k)) PARTITION BY RANGE (k);
CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10);
INSERT INTO t VALUES (1, 1);
CREATE TABLE t2 (id int NOT NULL, k int NOT NULL, PRIMARY KEY (id, k));
INSERT INTO t2 VALUES (2, 12);
ALTER TABLE t ATTACH PARTITION t2 FOR VALUES FROM (10) TO (20);
INSERT INTO t VALUES (3, 13);
ALTER TABLE t DETACH PARTITION t1;
INSERT INTO t1 VALUES (4, 4);
-- case: column added to the parent, index on the parent, default partition
CREATE TABLE t (id int PRIMARY KEY, a int) PARTITION BY LIST (id);
CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1, 2);
CREATE TABLE td PARTITION OF t DEFAULT;
INSERT INTO t VALUES (1, 1), (9, 9);
ALTER TABLE t ADD b text DEFAULT 'b';
CREATE INDEX ti ON t (a);
INSERT INTO t VALUES (2, 2, 'c'), (8, 8, 'd');
-- case: inheritance
CREATE TABLE p (id int PRIMARY KEY, a int);
CREATE TABLE c (b int, PRIMARY KEY (id)) INHERITS (p);
INSERT INTO p VALUES (1, 1);
INSERT INTO c VALUES (2, 2, 2);
ALTER TABLE p ADD x text DEFAULT 'x';
INSERT INTO c VALUES (3, 3, 3, 'y');

-- phrase: comments
-- case: on table and column
CREATE TABLE t (id int PRIMARY KEY, a int);
COMMENT ON TABLE t IS 'it''s a table';
COMMENT ON COLUMN t.a IS 'a column';
INSERT INTO t VALUES (1, 1);
-- case: changed and removed
CREATE TABLE t (id int PRIMARY KEY, a int);
COMMENT ON TABLE t IS 'one';
COMMENT ON COLUMN t.a IS 'two';
COMMENT ON TABLE t IS NULL;
COMMENT ON COLUMN t.a IS 'three';
INSERT INTO t VALUES (1, 1);

-- phrase: CREATE TABLE AS
-- case: rows from the first on
CREATE TABLE s (id int PRIMARY KEY, a text);
INSERT INTO s VALUES (1, 'x'), (2, 'y');
CREATE TABLE t AS SELECT id, upper(a) AS b FROM s;
INSERT INTO t VALUES (3, 'Z');
-- case: SELECT INTO, then a key
CREATE TABLE s (id int PRIMARY KEY, a text);
INSERT INTO s VALUES (1, 'x'), (2, 'y');
SELECT * INTO t FROM s;
ALTER TABLE t ADD PRIMARY KEY (id);
UPDATE t SET a = 'q' WHERE id = 1;

-- phrase: several commands in one ALTER
-- case: add, drop, type, default, not null
CREATE TABLE t (id int PRIMARY KEY, a int, b varchar(3), c int DEFAULT 1);
INSERT INTO t VALUES (1, 1, 'x', 1);
ALTER TABLE t ADD d text DEFAULT 'd', DROP a, ALTER b TYPE text, ALTER c DROP DEFAULT, ALTER c SET NOT NULL;
INSERT INTO t VALUES (2, 'longer', 2, 'e');
-- case: drop and add of the same name
CREATE TABLE t (id int PRIMARY KEY, a int);
INSERT INTO t VALUES (1, 1);
ALTER TABLE t DROP a, ADD a text DEFAULT 'new';
INSERT INTO t VALUES (2, 'two');

-- phrase: DDL in functions and DO blocks
-- case: DO with EXECUTE, rows before and behind
CREATE TABLE t (id int PRIMARY KEY);
DO $$ BEGIN INSERT INTO t VALUES (1); EXECUTE 'ALTER TABLE t ADD a int DEFAULT 3'; INSERT INTO t VALUES (2, 2); EXECUTE 'ALTER TABLE t RENAME a TO b'; INSERT INTO t VALUES (3, 3); END $$;
INSERT INTO t VALUES (4, 4);
-- case: in a function, one rolled back to a savepoint
CREATE TABLE t (id int PRIMARY KEY);
CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN ALTER TABLE t ADD a int; BEGIN ALTER TABLE t ADD gone int; RAISE 'no'; EXCEPTION WHEN raise_exception THEN NULL; END; INSERT INTO t VALUES (1, 1); END $$;
SELECT f();
INSERT INTO t VALUES (2, 2);

-- phrase: temporary tables
-- case: created, altered, dropped
CREATE TABLE t (id int PRIMARY KEY);
CREATE TEMP TABLE tmp_@s@ (id serial PRIMARY KEY, a int);
ALTER TABLE tmp_@s@ ADD b int;
INSERT INTO t VALUES (1);
DROP TABLE tmp_@s@;
-- case: CREATE TEMP TABLE AS with an index
CREATE TABLE t (id int PRIMARY KEY);
INSERT INTO t VALUES (1);
CREATE TEMP TABLE tmp_@s@ AS SELECT * FROM t;
CREATE INDEX ON tmp_@s@ (id);
INSERT INTO t VALUES (2);
DROP TABLE tmp_@s@;

-- phrase: sequences
-- case: of its own, altered, used in a default
CREATE SEQUENCE q START WITH 100 INCREMENT BY 10;
CREATE TABLE t (id int PRIMARY KEY, a bigint DEFAULT nextval('q'));
INSERT INTO t VALUES (1);
ALTER SEQUENCE q INCREMENT BY 20 MAXVALUE 100000;
INSERT INTO t VALUES (2);
-- case: dropped and renamed; serial added
CREATE SEQUENCE q;
CREATE SEQUENCE r;
ALTER SEQUENCE q RENAME TO q2;
DROP SEQUENCE r;
CREATE TABLE t (id int PRIMARY KEY);
INSERT INTO t VALUES (1), (2);
ALTER TABLE t ADD n serial;
INSERT INTO t VALUES (3);

-- phrase: extensions
-- case: created and its type used
-- apart: one extension for the whole database
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE TABLE t (id int PRIMARY KEY, a public.citext);
INSERT INTO t VALUES (1, 'CaSe');
-- case: created and dropped
-- apart: one extension for the whole database
CREATE EXTENSION IF NOT EXISTS hstore SCHEMA public;
CREATE TABLE t (id int PRIMARY KEY);
INSERT INTO t VALUES (1);
DROP EXTENSION hstore;
INSERT INTO t VALUES (2);

-- phrase: rewrites
-- case: volatile default
CREATE TABLE t (id int PRIMARY KEY);
INSERT INTO t SELECT generate_series(1, 20);
ALTER TABLE t ADD u uuid NOT NULL DEFAULT gen_random_uuid();
INSERT INTO t VALUES (21);
-- case: volatile defaults of a table without a key, one of them its key then
CREATE TABLE t (a int, b int);
INSERT INTO t VALUES (1, 1), (2, 2), (2, 2);
ALTER TABLE t ADD c uuid DEFAULT gen_random_uuid();
ALTER TABLE t ADD id serial PRIMARY KEY;
INSERT INTO t VALUES (3, 3);
UPDATE t SET a = 4 WHERE id = 1;
-- case: random(), with triggers on the table that must not fire again
CREATE TABLE t (id int PRIMARY KEY, touched int DEFAULT 0);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.touched := NEW.touched + 1; RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch();
INSERT INTO t SELECT generate_series(1, 10);
ALTER TABLE t ADD r double precision DEFAULT random();
UPDATE t SET id = id + 100 WHERE id = 1;

-- phrase: composite types
-- case: created and used
CREATE TYPE pair AS (a int, b text);
CREATE TABLE t (id int PRIMARY KEY);
INSERT INTO t VALUES (1);
-- case: attribute added and renamed
CREATE TYPE pair AS (a int, b text);
ALTER TYPE pair ADD ATTRIBUTE c int;
ALTER TYPE pair RENAME ATTRIBUTE a TO aa;
CREATE TABLE t (id int PRIMARY KEY);
INSERT INTO t VALUES (1);
