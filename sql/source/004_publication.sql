-- The connectors' publications: `init source` makes them, and tables that come later and match ddl_settings.capture join them.
--
-- NOTES
--   No publication changes inside a transaction of the application: that would hold a lock which other sessions' CREATE TABLE
--   waits for. "*" is a publication FOR ALL TABLES, "shop.*" (PostgreSQL 15 and later) one of TABLES IN SCHEMA shop: new tables
--   are in it without a change; both need a superuser. Tables of other patterns are added afterwards by the daemon, with the
--   rights of source.dsn: they must own the publication and the tables.
--
--   A published table without a replica identity refuses UPDATE and DELETE. Of new tables the event trigger takes care; those
--   that are there need a decision (`init source --identity-full`).

-- Tables that the patterns name, with each publication that lacks them. One query: the daemon asks from time to time.
CREATE FUNCTION @schema@.uncaptured_tables() RETURNS TABLE (publication name, relation regclass)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  one record;
  schemas oid[];
BEGIN
  FOR one IN SELECT p.oid, p.pubname FROM pg_publication p JOIN @schema@.publication o ON o.name = p.pubname WHERE NOT p.puballtables LOOP
    schemas := '{}';
    IF current_setting('server_version_num')::int >= 150000 THEN
      schemas := array(SELECT pnnspid FROM pg_publication_namespace WHERE pnpubid = one.oid);
    END IF;
    RETURN QUERY
      SELECT one.pubname, c.oid::regclass
        FROM (SELECT DISTINCT t.oid, t.relispartition
                FROM pg_class t JOIN @schema@.application_schema n ON n.oid = t.relnamespace CROSS JOIN @schema@.ddl_settings s
                CROSS JOIN unnest(s.capture) pattern
               WHERE t.relkind IN ('r', 'p') AND t.relpersistence = 'p'
                 AND t.relnamespace <> ALL (schemas)
                 AND NOT EXISTS (SELECT FROM pg_publication_rel r WHERE r.prrelid = t.oid AND r.prpubid = one.oid)
                 AND n.nspname || '.' || t.relname LIKE replace(replace(replace(pattern, '\', '\\'), '_', '\_'), '*', '%')) c
       WHERE NOT c.relispartition
          OR NOT EXISTS (SELECT FROM pg_partition_ancestors(c.oid) a JOIN pg_class k ON k.oid = a.relid
                          WHERE k.relnamespace = ANY (schemas)
                             OR EXISTS (SELECT FROM pg_publication_rel r WHERE r.prrelid = k.oid AND r.prpubid = one.oid))
       ORDER BY c.relispartition, c.oid;
  END LOOP;
END
$$;

-- The table joins the publication, and the patterns, should none of them name it (`replicator table add`). Its rows so far do
-- not come as events: the event trigger marks it.
CREATE FUNCTION @schema@.capture_table(publication name, relation regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  part regclass;
BEGIN
  FOR part IN SELECT p.relid FROM pg_partition_tree(relation) p UNION SELECT relation LOOP
    IF @schema@.ddl_lacks_identity(part) THEN
      EXECUTE format('ALTER TABLE ONLY %s REPLICA IDENTITY FULL', part);
    END IF;
  END LOOP;
  EXECUTE format('ALTER PUBLICATION %I ADD TABLE %s', publication, relation);
  UPDATE @schema@.ddl_settings SET capture = capture || (n.nspname || '.' || c.relname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.oid = relation AND NOT @schema@.ddl_matches_capture(c.oid);
END
$$;

-- Tables that are there and refuse UPDATE and DELETE once they are published. hopeless: also with REPLICA IDENTITY FULL, which the
-- server does not accept with virtual generated columns (PostgreSQL 18).
CREATE FUNCTION @schema@.tables_without_identity() RETURNS TABLE (relation regclass, hopeless boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT c.oid::regclass, EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attgenerated = 'v' AND NOT a.attisdropped)
  FROM pg_class c JOIN @schema@.application_schema n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p')
   AND @schema@.ddl_matches_capture(c.oid) AND @schema@.ddl_lacks_identity(c.oid)
 ORDER BY n.nspname, c.relname
$$;

-- Makes the connector's publication, or adds what it lacks of ours and of the patterns; it never removes anything.
CREATE FUNCTION @schema@.make_publication(publication name, identity_full boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  superuser boolean := (SELECT rolsuper FROM pg_roles WHERE rolname = current_user);
  patterns text[] := (SELECT capture FROM @schema@.ddl_settings);
  found boolean := EXISTS (SELECT FROM pg_publication WHERE pubname = publication);
  bare regclass[] := array(SELECT t.relation FROM @schema@.tables_without_identity() t WHERE t.hopeless OR NOT identity_full);
  -- PostgreSQL 18 refuses updates of a table with REPLICA IDENTITY FULL whose generated columns are not published
  options text := 'publish_via_partition_root = true'
                  || CASE WHEN current_setting('server_version_num')::int >= 180000 THEN ', publish_generated_columns = stored' ELSE '' END;
  entry text;
  part regclass;
BEGIN
  IF bare <> '{}' THEN
    RAISE EXCEPTION 'tables without a replica identity would refuse UPDATE and DELETE once they are published: %',
      array_to_string(bare[1:20], ', ') || CASE WHEN cardinality(bare) > 20 THEN format(' and %s more', cardinality(bare) - 20) ELSE '' END
      USING HINT = 'Give them a primary key or REPLICA IDENTITY FULL; `replicator init source --identity-full` does the latter for those that have no virtual generated columns.';
  END IF;
  FOR part IN SELECT t.relation FROM @schema@.tables_without_identity() t LOOP
    EXECUTE format('ALTER TABLE ONLY %s REPLICA IDENTITY FULL', part);
  END LOOP;
  IF NOT found AND superuser AND patterns && ARRAY['*', '*.*'] THEN
    EXECUTE format('CREATE PUBLICATION %I FOR ALL TABLES WITH (%s)', publication, options);
  ELSIF NOT found THEN
    EXECUTE format('CREATE PUBLICATION %I WITH (%s)', publication, options);
  END IF;
  INSERT INTO @schema@.publication VALUES (publication, NOT found) ON CONFLICT DO NOTHING;
  IF (SELECT puballtables FROM pg_publication WHERE pubname = publication) THEN
    RETURN;
  END IF;
  FOR entry IN
    SELECT format('%I.%I', t.schemaname, t.tablename) FROM pg_tables t
     WHERE t.schemaname = trim(both '"' from '@schema@') AND t.tablename IN ('heartbeat', 'signal', 'ddl_log')
       AND NOT EXISTS (SELECT FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid AND p.pubname = publication
                        WHERE r.prrelid = format('%I.%I', t.schemaname, t.tablename)::regclass)
  LOOP
    EXECUTE format('ALTER PUBLICATION %I ADD TABLE %s', publication, entry);
  END LOOP;
  IF superuser AND current_setting('server_version_num')::int >= 150000 THEN
    FOR entry IN
      SELECT n.nspname FROM pg_namespace n
       WHERE n.nspname || '.*' = ANY (patterns)
         AND NOT EXISTS (SELECT FROM pg_publication_namespace s JOIN pg_publication p ON p.oid = s.pnpubid AND p.pubname = publication
                          WHERE s.pnnspid = n.oid)
    LOOP
      EXECUTE format('ALTER PUBLICATION %I ADD TABLES IN SCHEMA %I', publication, entry);
    END LOOP;
  END IF;
  FOR part IN SELECT t.relation FROM @schema@.uncaptured_tables() t WHERE t.publication = make_publication.publication LOOP
    PERFORM @schema@.capture_table(publication, part);
  END LOOP;
END
$$;

-- Drops the publications that make_publication made.
CREATE FUNCTION @schema@.drop_publications() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  publication name;
BEGIN
  FOR publication IN SELECT name FROM @schema@.publication WHERE made LOOP
    EXECUTE format('DROP PUBLICATION IF EXISTS %I', publication);
  END LOOP;
END
$$;

-- What the connector's role may do: read what is published, move the heartbeat, and open and close the windows of an incremental
-- snapshot. The objects stay their owner's: a trigger of another role on them would run with the owner's rights.
CREATE FUNCTION @schema@.grant_to_connector(role name) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  EXECUTE format('GRANT USAGE ON SCHEMA @schema@ TO %I', role);
  EXECUTE format('GRANT SELECT ON @schema@.heartbeat, @schema@.signal, @schema@.ddl_log TO %I', role);
  EXECUTE format('GRANT UPDATE (at) ON @schema@.heartbeat TO %I', role);
  EXECUTE format('GRANT INSERT, DELETE ON @schema@.signal TO %I', role);
END
$$;
