-- The tables' owner, and the connector's role: REPLICATION for its slot, and to read the tables. It owns nothing: `replicator
-- init source` makes its publication, and grants it what it needs in schema replicator.
\set connector_password `echo "${CONNECTOR_PASSWORD:-debezium}"`
CREATE ROLE shop NOLOGIN;
CREATE ROLE debezium LOGIN REPLICATION PASSWORD :'connector_password' IN ROLE pg_read_all_data;
