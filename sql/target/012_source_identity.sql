-- The database whose changes a stream applies. A fence of check_target or `table resync` is written through source.dsn and
-- carries the identity of that server; one that arrives in the stream proves that source.dsn names the stream's source. The first
-- one of a repair is recorded here; another one is confirmed by `replicator accept source`.
CREATE TABLE @schema@.source_identity (
    stream            text PRIMARY KEY REFERENCES @schema@.stream (name) ON UPDATE CASCADE ON DELETE CASCADE,
    system_identifier text NOT NULL,                     -- '-': the role of source.dsn may not read it
    database_oid      text NOT NULL,
    timeline          text NOT NULL,
    recorded_at       timestamptz NOT NULL DEFAULT now()
);

-- The tokens of repairs, one row for each run of a program, which writes it before it writes the fence. The stream changes these
-- rows and adds none: each role of the source may write a message with the text of a fence. A repair deletes rows older than a day.
CREATE TABLE @schema@.source_token (
    stream      text NOT NULL REFERENCES @schema@.stream (name) ON UPDATE CASCADE ON DELETE CASCADE,
    token       text NOT NULL,
    number      bigint NOT NULL,                         -- of the last fence of that run that arrived; 0: none
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (stream, token)
);
