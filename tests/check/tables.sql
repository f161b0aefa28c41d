-- Twenty tables of all kinds of columns and keys; psql variable side is source or target, owner the tables' role.
-- In each id is unique, ends in 0 in rows that the load leaves alone, and can be read off the key.
SET client_min_messages = warning;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE FUNCTION pg_temp.make_tables(owner text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE key text;
BEGIN
  FOR i IN 1 .. 20 LOOP
    key := CASE WHEN i <= 10 THEN 'id' WHEN i <= 15 THEN 'k' WHEN i <= 18 THEN 's, u' WHEN i = 19 THEN 'u' END;
    EXECUTE format('CREATE TABLE t%s (id bigint NOT NULL, k text NOT NULL, u uuid NOT NULL, s smallint, i int, b bigint,
      n numeric(14,4), r real, d double precision, t text, e text, z text, v varchar(40), c char(8), y bytea, o boolean,
      dt date, ti time, ts timestamp, tz timestamptz, iv interval, j json, jb jsonb, ip inet, ai int[], an numeric[],
      at text[], m mood, vb varbit, mo money, rg int4range)', i);
    IF key IS NOT NULL THEN
      EXECUTE format('ALTER TABLE t%s ADD PRIMARY KEY (%s)', i, key);
    ELSE
      EXECUTE format('ALTER TABLE t%s REPLICA IDENTITY FULL', i);
    END IF;
    EXECUTE format('CREATE INDEX ON t%s (id)', i);
    EXECUTE format('ALTER TABLE t%s OWNER TO %I', i, owner);
  END LOOP;
END $$;
SELECT pg_temp.make_tables(:'owner') \g /dev/null
SELECT :'side' = 'target' AS is_target \gset
\if :is_target
ALTER TABLE t5 ADD synced_at timestamptz, ADD is_deleted boolean NOT NULL DEFAULT false, ADD deleted_at timestamptz;
ALTER TABLE t6 ADD synced_at timestamptz;
\endif
-- What the connector changes (column.mask.with.12.chars, column.truncate.to.4.chars, column.exclude.list), and a value that is
-- stored apart, of which an update has the connector's placeholder.
CREATE TABLE card (id int PRIMARY KEY, pan text, note text, pin text, big text, n int);
ALTER TABLE card ALTER big SET STORAGE EXTERNAL;
ALTER TABLE card OWNER TO :"owner";
