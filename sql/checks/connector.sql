-- What keeps a Debezium connector from working on this source: one row a finding (problem or warning, text, remedy).
-- $1 the connector's database user, $2 slot, $3 publication, $4 publication.autocreate.mode, $5 OIDs of the tables
-- that the connector's lists let through (NULL: not known, the tables of the publication count).
WITH settings AS (
    SELECT current_setting('wal_level') AS wal_level,
           current_setting('max_replication_slots')::int AS slots,
           current_setting('max_wal_senders')::int AS senders
), role AS (
    SELECT r.oid, r.rolname, r.rolsuper,
           r.rolsuper OR r.rolreplication
           OR EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
                       WHERE m.member = r.oid AND g.rolname IN ('rds_replication', 'cloudsqlsuperuser')) AS replicates
      FROM pg_roles r WHERE r.rolname = $1
), captured AS (
    SELECT c.oid, c.relreplident, c.relowner, n.nspname, format('%I.%I', n.nspname, c.relname) AS name,
           EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) AS has_key
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND NOT c.relispartition
       AND CASE WHEN $5::oid[] IS NOT NULL THEN c.oid = ANY ($5)
                ELSE EXISTS (SELECT FROM pg_publication_tables t
                              WHERE t.pubname = $3 AND t.schemaname = n.nspname AND t.tablename = c.relname) END
), published AS (
    SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = $3) AS exists
)
SELECT 'problem', 'wal_level is ' || wal_level,
       'ALTER SYSTEM SET wal_level = ''logical''; then restart the server'
  FROM settings WHERE wal_level <> 'logical'
UNION ALL
SELECT 'problem', format('all %s replication slots are in use', slots),
       format('ALTER SYSTEM SET max_replication_slots = %s; then restart the server; or drop a slot that nobody reads: '
              'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active', slots + 4)
  FROM settings
 WHERE (SELECT count(*) FROM pg_replication_slots) >= slots
   AND NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $2)
UNION ALL
SELECT 'problem', format('all %s WAL senders are in use', senders),
       format('ALTER SYSTEM SET max_wal_senders = %s; then restart the server', senders + 4)
  FROM settings
 WHERE (SELECT count(*) FROM pg_stat_replication) >= senders
UNION ALL
SELECT 'problem', format('slot %s is in use by another connection (pid %s)', slot_name, active_pid),
       'choose another slot.name, or stop the connector that reads it'
  FROM pg_replication_slots WHERE slot_name = $2 AND active
UNION ALL
SELECT 'problem', format('slot %s belongs to database %s', slot_name, database), 'choose another slot.name'
  FROM pg_replication_slots WHERE slot_name = $2 AND database <> current_database()
UNION ALL
SELECT 'problem', format('slot %s has lost WAL that it needs (wal_status lost)', slot_name),
       format('SELECT pg_drop_replication_slot(%L); the connector then makes a new snapshot', slot_name)
  FROM pg_replication_slots WHERE slot_name = $2 AND wal_status = 'lost'
UNION ALL
SELECT 'problem', format('there is no role %s', $1), format('CREATE ROLE %I LOGIN REPLICATION PASSWORD ''...''', $1)
 WHERE NOT EXISTS (SELECT FROM role) AND strpos($1, '${') = 0 -- capture.sql has those
UNION ALL
SELECT 'problem', format('role %s may not replicate', rolname), format('ALTER ROLE %I REPLICATION', rolname)
  FROM role WHERE NOT replicates
UNION ALL
SELECT 'problem', format('role %s may not read table %s', r.rolname, c.name),
       format('GRANT USAGE ON SCHEMA %I TO %I; GRANT SELECT ON %s TO %I', c.nspname, r.rolname, c.name, r.rolname)
  FROM role r, captured c
 WHERE NOT has_table_privilege(r.oid, c.oid, 'SELECT')
    OR NOT has_schema_privilege(r.oid, c.nspname, 'USAGE')
UNION ALL
SELECT 'problem', format('publication %s is not there, and role %s may not make it', $3, r.rolname),
       format('GRANT CREATE ON DATABASE %I TO %I', current_database(), r.rolname)
  FROM role r, published p
 WHERE NOT p.exists AND $4 <> 'disabled'
   AND NOT has_database_privilege(r.oid, current_database(), 'CREATE')
UNION ALL
SELECT 'problem', format('publication %s is not there, and publication.autocreate.mode is disabled', $3),
       format('`replicator init source --capture LIST` makes it, or CREATE PUBLICATION %I FOR TABLE %s', $3,
              COALESCE((SELECT string_agg(name, ', ') FROM captured), '...'))
  FROM published p WHERE NOT p.exists AND $4 = 'disabled'
UNION ALL
SELECT 'problem', format('publication.autocreate.mode=filtered has role %s change publication %s, which belongs to role %s',
                         r.rolname, $3, o.rolname),
       'set publication.autocreate.mode=disabled'
  FROM role r, pg_publication p JOIN pg_roles o ON o.oid = p.pubowner
 WHERE p.pubname = $3 AND $4 = 'filtered' AND NOT pg_has_role(r.oid, o.oid, 'USAGE')
UNION ALL
SELECT 'problem', format('role %s does not own table %s, so it cannot add it to a publication', r.rolname, c.name),
       format('as superuser CREATE PUBLICATION %I FOR TABLE ... and set publication.autocreate.mode=disabled; '
              'or make the owner a role that %I is a member of', $3, r.rolname)
  FROM role r, captured c, published p
 WHERE $4 = 'filtered' AND NOT p.exists AND NOT pg_has_role(r.oid, c.relowner, 'USAGE')
UNION ALL
SELECT 'problem', format('role %s is no superuser, and a publication for all tables needs one', r.rolname),
       format('set publication.autocreate.mode=filtered; or as superuser CREATE PUBLICATION %I FOR ALL TABLES', $3)
  FROM role r, published p
 WHERE $4 = 'all_tables' AND NOT p.exists AND NOT r.rolsuper
UNION ALL
SELECT 'warning', format('table %s has no primary key and replica identity %s: its updates and deletes would fail or carry no old row',
                         name, CASE relreplident WHEN 'n' THEN 'nothing' ELSE 'default' END),
       format('ALTER TABLE %s REPLICA IDENTITY FULL', name)
  FROM captured WHERE NOT has_key AND relreplident IN ('d', 'n')
UNION ALL
SELECT 'warning', format('table %s has replica identity nothing: its updates and deletes fail once it is published', name),
       format('ALTER TABLE %s REPLICA IDENTITY DEFAULT', name)
  FROM captured WHERE has_key AND relreplident = 'n'
UNION ALL
SELECT 'warning', format('table %s has generated columns and a column of the enum %s: at a label that was added or renamed while the '
                         'connector runs, it gives values to wrong columns', c.name, e.name),
       'ALTER TYPE ... ADD VALUE or RENAME VALUE, then `replicator connector restart`, before rows have the label (docs/ddl.md)'
  FROM captured c
  CROSS JOIN LATERAL (SELECT DISTINCT format_type(t.oid, NULL) AS name
                        FROM pg_attribute a JOIN pg_type o ON o.oid = a.atttypid JOIN pg_type t ON t.oid IN (o.oid, o.typelem, o.typbasetype)
                       WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND t.typtype = 'e') e
 WHERE EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attgenerated <> '' AND NOT a.attisdropped)
   AND NOT EXISTS (SELECT FROM pg_publication p WHERE p.pubname = $3 AND to_jsonb(p) ->> 'pubgencols' = 's')
