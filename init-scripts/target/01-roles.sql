-- The replicator's role: owner of the tables it writes, no superuser. session_replication_role lets it apply changes as
-- PostgreSQL's own apply worker does, without firing triggers and foreign keys again; it can be granted from 15 on.
\set replicator_password `echo "${REPLICATOR_PASSWORD:-replicator}"`
CREATE ROLE replicator LOGIN PASSWORD :'replicator_password';
SELECT format('GRANT CREATE ON DATABASE %I TO replicator', current_database()) \gexec
-- PostgreSQL 15 and later do not let everybody make tables in public; what the source makes there must be made here.
GRANT CREATE ON SCHEMA public TO replicator;
SELECT 'GRANT SET ON PARAMETER session_replication_role TO replicator'
WHERE current_setting('server_version_num')::int >= 150000 \gexec
