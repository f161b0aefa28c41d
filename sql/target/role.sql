-- The role of the daemon in the target, with the least rights that it needs. For psql, as a superuser, in the target database:
--
--   REPLICATOR_PASSWORD=… psql -d TARGET -v role=replicator -v state=replicator -v schemas=public,commerce -f sql/target/role.sql
--
-- `state` is target.schema, `schemas` those of the replicated tables; each may be run again. The role can write rows of these
-- tables and its own state tables, and nothing else: it owns no table, makes none, and reads no other schema. What it lacks:
-- * schema changes (docs/ddl.md) need the tables' owner: -v owner=on makes the role owner of tables and types and lets it make more.
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
SELECT format('ALTER %s %I.%I OWNER TO %I', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, n.nspname, c.relname, :'role')
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ANY (string_to_array(:'schemas', ',')) AND c.relkind IN ('r', 'p', 'S')
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
   -- A sequence of a column goes with its table.
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')) \gexec
SELECT format('ALTER TYPE %I.%I OWNER TO %I', n.nspname, t.typname, :'role')
  FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
 WHERE n.nspname = ANY (string_to_array(:'schemas', ','))
   AND (t.typtype IN ('d', 'e', 'r') OR EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e') \gexec
\endif
