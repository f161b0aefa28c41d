-- What the replicator keeps in the source. @schema@ stands for the quoted name of the schema, which exists already.
-- All of it belongs to the role that installs it: a trigger of another role on these tables would run with that role's rights.
-- What the connector's role may do: grant_to_connector in 004_publication.sql. Installing it is optional.

CREATE TABLE @schema@.schema_version (
    version      int PRIMARY KEY,
    installed_at timestamptz NOT NULL DEFAULT now()
);

-- One row that the connector updates with each of its heartbeats (heartbeat.action.query), so that the stream moves on
-- although no captured table changes. `token`: of a fence of check_target, where the server takes no logical message for it.
CREATE TABLE @schema@.heartbeat (
    id    int PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    at    timestamptz NOT NULL DEFAULT now(),
    token text
);
INSERT INTO @schema@.heartbeat DEFAULT VALUES;

-- What the connector is asked for (signal.data.collection): incremental snapshots. Its columns are Debezium's.
CREATE TABLE @schema@.signal (
    id   varchar(42) PRIMARY KEY,
    type varchar(32) NOT NULL,
    data varchar(2048)
);
