-- Types of our own, in source and target alike.
CREATE EXTENSION IF NOT EXISTS hstore; CREATE EXTENSION IF NOT EXISTS citext; CREATE EXTENSION IF NOT EXISTS ltree;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy', 'it''s "fine"', 'größer');
CREATE DOMAIN price AS numeric(12,2);
CREATE DOMAIN address AS text CHECK (VALUE LIKE '%@%');
CREATE TYPE pair AS (a int, b text);
