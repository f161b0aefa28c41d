-- An operator's word: while paused_at is set nothing is applied, whoever holds the stream and how often it is started.
ALTER TABLE @schema@.stream
    ADD COLUMN paused_at timestamptz,
    ADD COLUMN paused_by text;
