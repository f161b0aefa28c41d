-- The role of the daemon in the target, with the least rights that it needs. For psql, as a superuser, in the target database:
--
--   REPLICATOR_PASSWORD=... psql -d TARGET -v role=replicator -v state=replicator -v schemas=public,commerce -f sql/target/role.sql
--
-- `state` is target.schema, `schemas` those of the replicated tables; each may be run again. The role can write rows of these
-- tables and its own state tables, and nothing else: it owns no table, makes none, and reads no other schema. What it lacks:
-- * schema changes (docs/ddl.md) need the owner: -v owner=on makes the role the owner of these schemas (except public) and of their tables,
--   partitions, foreign tables, sequences and types, and lets it create more. Views, functions and what extensions created keep their owner.
-- * a table that comes later: run this again, or ALTER DEFAULT PRIVILEGES.
-- * before PostgreSQL 15 session_replication_role cannot be granted: triggers and foreign keys of the target then fire.
\set ON_ERROR_STOP on
\set password `printf %s "$REPLICATOR_PASSWORD"`
\if :{?owner}
\else
  \set owner off
\endif

SELECT format('CREATE ROLE %I', :'role') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
ALTER ROLE :"role" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 20;
SELECT format('ALTER ROLE %I PASSWORD %L', :'role', :'password') WHERE :'password' <> '' \gexec
ALTER ROLE :"role" SET search_path = '';

SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), :'role') \gexec
-- Its state tables: `replicator init target` makes them in this schema, and needs no right on the database then.
SELECT format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I', :'state', :'role') \gexec

-- UPDATE on sequences: check_target --repair sets them.
SELECT format('GRANT USAGE ON SCHEMA %1$I TO %2$I; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %1$I TO %2$I;'
              ' GRANT SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA %1$I TO %2$I', s, :'role')
  FROM unnest(string_to_array(:'schemas', ',')) AS s \gexec

SELECT format('GRANT SET ON PARAMETER session_replication_role TO %I', :'role')
 WHERE current_setting('server_version_num')::int >= 150000 \gexec

\if :owner
SELECT format('GRANT CREATE ON DATABASE %I TO %I', current_database(), :'role') \gexec
SELECT format('GRANT CREATE ON SCHEMA %1$I TO %2$I', s, :'role') FROM unnest(string_to_array(:'schemas', ',')) AS s \gexec
-- ALTER SCHEMA and COMMENT ON SCHEMA need the owner. The schema public stays with the database's owner.
SELECT format('ALTER SCHEMA %I OWNER TO %I; GRANT ALL ON SCHEMA %1$I TO %3$s', n.nspname, :'role', n.nspowner::regrole)
  FROM pg_namespace n
 WHERE n.nspname = ANY (string_to_array(:'schemas', ',')) AND n.nspname <> 'public' AND n.nspowner <> :'role'::regrole \gexec

-- Partitions and inheritance children belong to their table, in whatever schema they are: ALTER TABLE on the parent needs to own
-- them, and CREATE in their schema for an index. The former owner of a table keeps its other rights, for its views and functions.
CREATE TEMP TABLE replicator_tables AS
WITH RECURSIVE family AS (
    SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY (string_to_array(:'schemas', ',')) AND c.relkind IN ('r', 'p', 'f')
    UNION
    SELECT i.inhrelid FROM pg_inherits i JOIN family f ON f.oid = i.inhparent)
SELECT c.oid::regclass AS name, n.nspname AS schema, c.relowner::regrole AS owner
  FROM family f JOIN pg_class c ON c.oid = f.oid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relpersistence <> 't'
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e');
SELECT DISTINCT format('GRANT USAGE, CREATE ON SCHEMA %I TO %I', schema, :'role') FROM replicator_tables \gexec
SELECT format('ALTER TABLE %s OWNER TO %I; GRANT ALL ON TABLE %1$s TO %3$s', name, :'role', owner)
  FROM replicator_tables WHERE owner <> :'role'::regrole \gexec
-- The sequence of a column has the owner of its table.
SELECT format('GRANT ALL ON SEQUENCE %s TO %s', d.objid::regclass, t.owner)
  FROM replicator_tables t JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.name
  JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid AND c.relkind = 'S'
 WHERE d.refobjsubid > 0 AND d.deptype IN ('a', 'i') AND t.owner <> :'role'::regrole \gexec
DROP TABLE replicator_tables;

SELECT format('ALTER SEQUENCE %s OWNER TO %I; GRANT ALL ON SEQUENCE %1$s TO %3$s', c.oid::regclass, :'role', c.relowner::regrole)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ANY (string_to_array(:'schemas', ',')) AND c.relkind = 'S' AND c.relowner <> :'role'::regrole
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'e', 'i')) \gexec
-- Row types have the owner of their table, and array types that of their element.
SELECT format('ALTER TYPE %I.%I OWNER TO %I', n.nspname, t.typname, :'role')
  FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
 WHERE n.nspname = ANY (string_to_array(:'schemas', ',')) AND t.typowner <> :'role'::regrole
   AND (t.typtype IN ('d', 'e', 'r') OR EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e') \gexec
-- Before PostgreSQL 17 the multirange type of a range type keeps its owner.
SELECT format('ALTER TYPE %I.%I OWNER TO %I', n.nspname, m.typname, :'role')
  FROM pg_range r JOIN pg_type t ON t.oid = r.rngtypid JOIN pg_type m ON m.oid = r.rngmultitypid JOIN pg_namespace n ON n.oid = m.typnamespace
 WHERE n.nspname = ANY (string_to_array(:'schemas', ',')) AND t.typowner = :'role'::regrole AND m.typowner <> t.typowner \gexec
\endif
