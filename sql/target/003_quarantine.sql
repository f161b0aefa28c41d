-- The rows that a transaction in the quarantine touches (replicator/target/quarantine.c says how they are written): later
-- transactions of the same rows follow it. Why an operator skipped it.
ALTER TABLE @schema@.quarantine
    ADD COLUMN keys text[] NOT NULL DEFAULT '{}',
    ADD COLUMN reason text;
