-- What an operator accepted once, by `replicator accept gap|new-slot`: the next instance that claims the stream acts on it,
-- and the commit that brings the stream past the place marks it as used. `accept source` is used at once (source_identity).
CREATE TABLE @schema@.acceptance (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream  text NOT NULL REFERENCES @schema@.stream (name) ON UPDATE CASCADE ON DELETE CASCADE,
    word    text NOT NULL CHECK (word IN ('gap', 'new-slot', 'source')),
    said_at timestamptz NOT NULL DEFAULT now(),
    said_by text NOT NULL DEFAULT session_user,
    used_at timestamptz                                  -- NULL: not yet
);
