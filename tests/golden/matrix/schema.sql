-- What the corpus's schema lacks: identity columns, equal rows with TOAST, keys over TOAST, partitions, names, geometry.
CREATE TABLE identity_t(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text);
CREATE TABLE identity_v(code text PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY, v text);
CREATE TABLE twins(a int, big text, j json, p point, f double precision); ALTER TABLE twins REPLICA IDENTITY FULL;
ALTER TABLE twins ALTER big SET STORAGE EXTERNAL;
CREATE TABLE toast_forms(id int PRIMARY KEY, t text, c varchar, j json, b bytea, x xml, h hstore, u uuid[], i int[], l bigint[], ta text[], ba bytea[], n int);
ALTER TABLE toast_forms ALTER t SET STORAGE EXTERNAL, ALTER c SET STORAGE EXTERNAL, ALTER j SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL,
  ALTER x SET STORAGE EXTERNAL, ALTER h SET STORAGE EXTERNAL, ALTER u SET STORAGE EXTERNAL, ALTER i SET STORAGE EXTERNAL, ALTER l SET STORAGE EXTERNAL,
  ALTER ta SET STORAGE EXTERNAL, ALTER ba SET STORAGE EXTERNAL;
CREATE TABLE "SELECT"("from" int PRIMARY KEY, "Größe" text, "a""b" text, "日本" int);
CREATE TYPE pair AS (a int, b text);
CREATE TABLE more_types(id int PRIMARY KEY, r4 int4multirange, rn nummultirange, rd datemultirange, box box, line line, lseg lseg, path path, polygon polygon, circle circle,
  tsq tsquery, lsn pg_lsn, mac macaddr, pair pair, nums numeric[], vb bit varying(9)[], ranges int4range[], tz timestamptz(3), t6 time(6), i interval, name name, c "char", txt text);
CREATE TABLE defaults(id int PRIMARY KEY, t text DEFAULT 'a default', n int DEFAULT 7, ok boolean DEFAULT true, at timestamptz DEFAULT '2020-02-02', j jsonb DEFAULT '{}');
