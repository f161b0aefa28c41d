# shellcheck shell=bash
# sql/target/role.sql -v owner=on: every object that a schema change may touch has the role as its owner, and the former owner's
# views and functions work as before.

server() { PGOPTIONS='-c client_min_messages=warning' psql -X -q -v ON_ERROR_STOP=1 "$REPLICATOR_TEST_DSN dbname=${1:-postgres}" "${@:2}"; }

# role_run [OPTION…]: the script in database role_test.
role_run() {
  REPLICATOR_PASSWORD=secret server role_test -v role=role_writer -v state=replicator -v schemas=public,shop "$@" -f "$REPO_ROOT/sql/target/role.sql"
}

role_database() {
  local role
  server postgres -c 'DROP DATABASE IF EXISTS role_test WITH (FORCE)'
  for role in role_writer 'App Owner'; do
    [ "$(server postgres -Atc "SELECT count(*) FROM pg_roles WHERE rolname = '$role'")" = 0 ] ||
      server postgres -c "DROP OWNED BY \"$role\"" -c "DROP ROLE \"$role\""
  done
  server postgres -c 'CREATE ROLE "App Owner"' -c 'CREATE DATABASE role_test'
  server role_test -c 'GRANT CREATE ON DATABASE role_test TO "App Owner"' -c 'GRANT CREATE ON SCHEMA public TO "App Owner"' \
    -c 'CREATE EXTENSION file_fdw' -c "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw" -c 'GRANT USAGE ON FOREIGN SERVER files TO "App Owner"' -c 'GRANT pg_read_server_files TO "App Owner"' \
    -c 'SET SESSION AUTHORIZATION "App Owner"' -f - <<'SQL'
CREATE SCHEMA shop;
CREATE SCHEMA parts;
CREATE SCHEMA other;
CREATE TYPE shop.mood AS ENUM ('good', 'bad');
CREATE DOMAIN shop.positive AS int CHECK (VALUE > 0);
CREATE TYPE shop.pair AS (a int, b int);
CREATE TYPE shop.span AS RANGE (subtype = float8);
CREATE TABLE public.events (id int NOT NULL, at date NOT NULL, k int, mood shop.mood) PARTITION BY RANGE (at);
CREATE TABLE public.events_1 PARTITION OF public.events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE parts.events_2 PARTITION OF public.events FOR VALUES FROM ('2021-01-01') TO ('2022-01-01') PARTITION BY LIST (k);
CREATE TABLE parts."Events 2 1" PARTITION OF parts.events_2 FOR VALUES IN (1);
CREATE FOREIGN TABLE parts.events_3 PARTITION OF public.events FOR VALUES FROM ('2022-01-01') TO ('2023-01-01')
    SERVER files OPTIONS (filename '/dev/null');
CREATE TABLE shop.parent (id int PRIMARY KEY, n serial, i int GENERATED ALWAYS AS IDENTITY, g int GENERATED ALWAYS AS (id + 1) STORED);
CREATE TABLE parts.child (extra text) INHERITS (shop.parent);
CREATE TABLE shop.typed OF shop.pair;
CREATE SEQUENCE shop.free;
CREATE TABLE other.not_replicated (id int);
CREATE VIEW shop.seen AS SELECT id FROM shop.parent;
CREATE VIEW other.seen AS SELECT id FROM public.events;
CREATE MATERIALIZED VIEW shop.stored AS SELECT id FROM shop.parent;
CREATE FUNCTION shop.add(int) RETURNS void LANGUAGE sql SECURITY DEFINER AS 'INSERT INTO shop.parent (id) VALUES ($1)';
SQL
}

owned() { # prints what of the database the role owns, without its state schema
  server role_test -At <<'SQL'
SELECT string_agg(name, E'\n' ORDER BY name COLLATE "C") FROM (
  SELECT format('%s %I.%I', c.relkind, n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relowner = 'role_writer'::regrole AND c.relkind IN ('r', 'p', 'f', 'S', 'v', 'm', 'c')
  UNION ALL SELECT format('type %I.%I', n.nspname, t.typname) FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
   WHERE t.typowner = 'role_writer'::regrole AND t.typtype IN ('d', 'e', 'r', 'm')
  UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspowner = 'role_writer'::regrole) o (name) WHERE name <> 'schema replicator'
SQL
}

# What the role must be able to do as the schema changes of the source have it do.
changes_of_the_source() {
  server role_test -c 'SET SESSION AUTHORIZATION role_writer' -f - <<'SQL'
ALTER TABLE public.events ADD COLUMN added int;
ALTER TABLE public.events ADD COLUMN size int, ALTER COLUMN mood TYPE text;
ALTER TABLE public.events RENAME COLUMN id TO number;
ALTER TABLE public.events DETACH PARTITION parts.events_3;
CREATE INDEX ON public.events (number);
ALTER TABLE public.events ADD PRIMARY KEY (number, at, k);
ALTER TABLE public.events DETACH PARTITION parts.events_2;
DROP TABLE parts.events_2;
ALTER TABLE shop.parent ADD COLUMN added int, ALTER COLUMN n TYPE bigint, ALTER COLUMN i DROP IDENTITY;
ALTER SEQUENCE shop.free AS smallint MAXVALUE 100;
ALTER TYPE shop.mood ADD VALUE 'fair';
ALTER DOMAIN shop.positive SET DEFAULT 1;
ALTER TYPE shop.pair ADD ATTRIBUTE c int CASCADE;
ALTER TYPE shop.span RENAME TO width;
CREATE TABLE shop.later (id int PRIMARY KEY, m shop.mood);
COMMENT ON SCHEMA shop IS 'the shop';
ALTER SCHEMA shop RENAME TO store;
CREATE SCHEMA made;
SQL
}

test_role_owns_what_schema_changes_touch() {
  local first
  role_database
  role_run -v owner=on
  first=$(owned)
  diff - <(echo "$first") <<'LIST' || die 'the role owns something else'
S shop.free
S shop.parent_i_seq
S shop.parent_n_seq
c shop.pair
f parts.events_3
p parts.events_2
p public.events
r parts."Events 2 1"
r parts.child
r public.events_1
r shop.parent
r shop.typed
schema shop
type shop.mood
type shop.positive
type shop.span
type shop.span_multirange
LIST
  role_run -v owner=on
  expect 'what it owns after the second run' "$(owned)" "$first"
  # The former owner's views, functions and rows.
  server role_test -c 'SET SESSION AUTHORIZATION "App Owner"' -c 'SELECT shop.add(1)' -c 'SELECT * FROM shop.seen' -c 'SELECT * FROM other.seen' \
    -c 'REFRESH MATERIALIZED VIEW shop.stored' -c 'INSERT INTO shop.parent (id) VALUES (2)' -c "SELECT nextval('shop.free')" \
    -c 'CREATE TABLE shop.mine (i int)' -c 'DROP TABLE shop.mine' >/dev/null
  changes_of_the_source
}

# Without owner=on: rows of all kinds of tables, and no more.
test_role_without_ownership() {
  role_database
  role_run
  expect 'what it owns' "$(owned)" ''
  server role_test -c 'SET SESSION AUTHORIZATION role_writer' -c "INSERT INTO public.events VALUES (1, '2020-05-05', 1), (2, '2021-05-05', 1)" \
    -c "UPDATE public.events SET at = '2021-06-06' WHERE at < '2022-01-01'" -c 'INSERT INTO shop.parent (id) VALUES (1)' -c "SELECT setval('shop.parent_i_seq', 9)" >/dev/null
  ! server role_test -c 'SET SESSION AUTHORIZATION role_writer' -c 'SELECT * FROM parts.events_2' 2>/dev/null || die 'it may read another schema'
}
