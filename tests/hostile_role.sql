-- A role whose defaults are all that the programs' sessions must not depend on (replicator/pg/session_settings.c).
-- Tests connect as it: user hostile, password hostile.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hostile') THEN
        CREATE ROLE hostile SUPERUSER LOGIN PASSWORD 'hostile';
    END IF;
    IF EXISTS (SELECT FROM pg_settings WHERE name = 'transaction_timeout') THEN
        ALTER ROLE hostile SET transaction_timeout = '11s';
    END IF;
    IF EXISTS (SELECT FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind') THEN
        ALTER ROLE hostile SET restrict_nonsystem_relation_kind = 'view';
    END IF;
END $$;
ALTER ROLE hostile SET client_encoding = 'LATIN1';
ALTER ROLE hostile SET standard_conforming_strings = off;
ALTER ROLE hostile SET backslash_quote = off;
ALTER ROLE hostile SET quote_all_identifiers = on;
ALTER ROLE hostile SET DateStyle = 'German, DMY';
ALTER ROLE hostile SET IntervalStyle = 'sql_standard';
ALTER ROLE hostile SET TimeZone = 'Asia/Tokyo';
ALTER ROLE hostile SET timezone_abbreviations = 'Australia';
ALTER ROLE hostile SET extra_float_digits = -15;
ALTER ROLE hostile SET bytea_output = 'escape';
ALTER ROLE hostile SET lc_monetary = 'C.UTF-8';
ALTER ROLE hostile SET array_nulls = off;
ALTER ROLE hostile SET xmloption = 'document';
ALTER ROLE hostile SET xmlbinary = 'hex';
ALTER ROLE hostile SET transform_null_equals = on;
ALTER ROLE hostile SET gin_fuzzy_search_limit = 1;
ALTER ROLE hostile SET default_transaction_isolation = 'serializable';
ALTER ROLE hostile SET default_transaction_read_only = on;
ALTER ROLE hostile SET default_transaction_deferrable = on;
ALTER ROLE hostile SET check_function_bodies = off;
ALTER ROLE hostile SET exit_on_error = on;
-- Long enough for the login's own statements on a busy machine.
ALTER ROLE hostile SET statement_timeout = '11s';
ALTER ROLE hostile SET lock_timeout = '11s';
ALTER ROLE hostile SET idle_in_transaction_session_timeout = '11s';
ALTER ROLE hostile SET idle_session_timeout = '11s';
ALTER ROLE hostile SET search_path = 'hostile, pg_catalog';
