-- Rows on their way to a key that another row still has: under a deferrable key rows change places within a statement. Empty
-- but within the target transaction that writes such a statement.
CREATE UNLOGGED TABLE @schema@.moving (
    stream   text NOT NULL,
    relation bigint NOT NULL,                 -- as the process counts them
    key      text NOT NULL,                   -- digest of the new key, of columns where equal values have equal texts
    key_values text[],                        -- the new key, where the server compares it (citext, numeric, collations)
    number   bigint NOT NULL,                 -- rises; no sequence: an unlogged one is broken after the promotion of a standby
    image    bytea NOT NULL,                  -- replicator/target/parking.c
    stored   text,                            -- the row as it was, where the target has columns that the source does not send
    PRIMARY KEY (stream, relation, key, number)
);
