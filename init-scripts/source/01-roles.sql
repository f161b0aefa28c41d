-- The connector's role. Debezium needs REPLICATION for its slot, CREATE on the database for its publication, and to be
-- a member of the tables' owner: only an owner may add a table to a publication.
\set connector_password `echo "${CONNECTOR_PASSWORD:-debezium}"`
CREATE ROLE shop NOLOGIN;
CREATE ROLE debezium LOGIN REPLICATION PASSWORD :'connector_password' IN ROLE shop;
SELECT format('GRANT CREATE ON DATABASE %I TO debezium', current_database()) \gexec
