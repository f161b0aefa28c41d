-- The database whose changes a stream applies. A fence of check_target or `table resync` is written through source.dsn and
-- carries the identity of that server; one that arrives in the stream proves that source.dsn names the stream's source. The first
-- one is recorded here; another one is confirmed by `replicator accept source`.
CREATE TABLE @schema@.source_identity (
    stream            text PRIMARY KEY REFERENCES @schema@.stream (name) ON UPDATE CASCADE ON DELETE CASCADE,
    system_identifier text NOT NULL,                     -- '-': the role of source.dsn may not read it
    database_oid      text NOT NULL,
    timeline          text NOT NULL,
    recorded_at       timestamptz NOT NULL DEFAULT now()
);

-- The tokens of the fences that arrived, one row for each run of a program; rows older than a day are deleted.
CREATE TABLE @schema@.source_token (
    stream      text NOT NULL REFERENCES @schema@.stream (name) ON UPDATE CASCADE ON DELETE CASCADE,
    token       text NOT NULL,
    number      bigint NOT NULL,                         -- of the last fence of that run
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (stream, token)
);
