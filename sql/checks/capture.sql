-- What makes a connector read other values or rows than the tables have, also while it runs: one row a finding (problem or warning,
-- text, remedy).
-- $1 the connector's database user, $2 publication, $3 OIDs of the tables that the connector's lists let through (NULL: not known, the
-- tables of the publication count), $4 whether there is a list.
--
-- The server sends values as text under the settings of the connector's session. Those of its role and of the database count, unless the
-- session says something else. This session pins its own (pg/session_settings.c): what the server has without a role is what this
-- session began with, and not known where this session's role has a setting of its own.
WITH role AS (
    SELECT oid, rolname, rolsuper OR rolbypassrls AS sees_all FROM pg_roles WHERE rolname = $1
), wanted (name, value, effect) AS (
    VALUES ('intervalstyle', 'postgres', 'values of type interval arrive as others (sql_standard: 1 mon as PT0S)'),
           ('extra_float_digits', '1', 'values of type real and double precision are rounded'),
           ('bytea_output', 'hex', 'the connector fails at a value of type bytea'),
           ('lc_monetary', 'C', 'the connector fails at a value of type money')
), own AS (
    SELECT s.setrole, s.setdatabase, lower(split_part(c, '=', 1)) AS name, substr(c, strpos(c, '=') + 1) AS value
      FROM pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) c
     WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
), effective AS (
    SELECT w.*, COALESCE(
               (SELECT o.value FROM own o
                 WHERE o.name = w.name AND o.setrole IN (0, COALESCE((SELECT oid FROM role), 0))
                 ORDER BY o.setrole <> 0 DESC, o.setdatabase <> 0 DESC LIMIT 1),
               (SELECT s.reset_val FROM pg_settings s
                 WHERE lower(s.name) = w.name
                   AND NOT EXISTS (SELECT FROM own o JOIN pg_roles r ON r.oid = o.setrole
                                    WHERE o.name = w.name AND r.rolname = session_user))) AS actual
      FROM wanted w
), matched AS (
    SELECT c.oid, c.relpersistence, c.relowner, c.relrowsecurity, c.relforcerowsecurity,
           format('%I.%I', n.nspname, c.relname) AS name,
           EXISTS (SELECT FROM pg_publication_tables t
                    WHERE t.pubname = $2 AND t.schemaname = n.nspname AND t.tablename = c.relname) AS published
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT c.relispartition
       AND ($3::oid[] IS NULL OR c.oid = ANY ($3))
)
SELECT 'warning', format('the connector''s role is not known: database.user is %s, which only the Connect worker resolves; its '
                         'settings and rights were not checked', $1),
       'name the role in database.user, and leave the password as a reference'
 WHERE strpos($1, '${') > 0
UNION ALL
SELECT 'problem', format('%s is %s for role %s: %s', name, actual, $1, effect),
       format('ALTER ROLE %I IN DATABASE %I SET %s = %L; then restart the connector (`init source --role %s` does it)',
              $1, current_database(), name, value, $1)
  FROM effective
 WHERE actual IS NOT NULL
   AND CASE name WHEN 'extra_float_digits' THEN actual::int < 1
                 WHEN 'lc_monetary'
                 THEN actual !~* '^(C|POSIX|en_US)(\.|$)' AND EXISTS (SELECT FROM matched m JOIN pg_attribute a ON a.attrelid = m.oid
                                                                   WHERE a.atttypid = 'money'::regtype AND NOT a.attisdropped)
                 ELSE lower(actual) <> value END
UNION ALL
SELECT 'problem', format('table %s is UNLOGGED: the connector fails at it, or its changes never arrive', name),
       format('ALTER TABLE %s SET LOGGED; or leave it out of the connector''s lists of tables', name)
  FROM matched WHERE relpersistence = 'u' AND $3 IS NOT NULL AND $4::bool
UNION ALL
SELECT 'problem', format('row-level security of table %s applies to role %s: a snapshot has only the rows that a policy lets it see',
                         m.name, r.rolname),
       format('ALTER ROLE %I BYPASSRLS', r.rolname)
  FROM matched m, role r
 WHERE (m.published OR $3 IS NOT NULL AND $4) AND m.relrowsecurity AND NOT r.sees_all
   AND (m.relforcerowsecurity OR NOT pg_has_role(r.oid, m.relowner, 'USAGE'))
