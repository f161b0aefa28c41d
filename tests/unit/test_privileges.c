/*
 * test_privileges.c - who can make a superuser's session run their code, by what `init` installs at the source and in the
 * target: roles "Pc connector" (the connector's), "Pm mallory" (owns captured tables, or a schema that was there before).
 * Each attempt that succeeded would make mallory a superuser.
 */
#include "following.h"

#include "ops/new_tables.h"

/*
 * Run as whoever calls them: at each place they try, and go on as if nothing were. What an immutable function may not do, a
 * volatile one that it calls may.
 */
#define EVIL_FUNCTIONS(schema)                                                                                         \
	"CREATE FUNCTION " schema ".act() RETURNS void LANGUAGE plpgsql AS $f$ BEGIN"                                  \
	"  IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN"                                       \
	"    ALTER ROLE \"Pm mallory\" SUPERUSER; END IF; END $f$;"                                                    \
	"CREATE FUNCTION " schema ".evil(anyelement) RETURNS anyelement LANGUAGE plpgsql IMMUTABLE AS $f$ BEGIN"       \
	"  PERFORM " schema ".act(); RETURN $1; END $f$;"                                                              \
	"CREATE FUNCTION " schema ".evil_trigger() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN"                      \
	"  PERFORM " schema ".act(); RETURN NEW; END $f$;"

static const struct config config = {.stream = {.name = "s"},
                                     .target = {.schema = "replicator"},
                                     .ddl = {.lock_timeout_ms = 2000}};

static void set_up(void)
{
	following_set_up("privileges", &config);
	postgres_execute(source, "DROP ROLE IF EXISTS \"Pc connector\", \"Pm mallory\"");
	postgres_execute(source, "CREATE ROLE \"Pc connector\"; CREATE ROLE \"Pm mallory\";"
	                         "CREATE SCHEMA app AUTHORIZATION \"Pm mallory\"");
	postgres_execute(source, "SELECT replicator.grant_to_connector('Pc connector')");
}

static void tear_down(void)
{
	postgres_expect(source, "SELECT rolsuper FROM pg_roles WHERE rolname = 'Pm mallory'", "f");
	postgres_execute(source, "RESET SESSION AUTHORIZATION; DROP OWNED BY \"Pc connector\", \"Pm mallory\" CASCADE");
	postgres_execute(target, "DROP OWNED BY \"Pc connector\", \"Pm mallory\" CASCADE");
	postgres_execute(source, "DROP ROLE \"Pc connector\", \"Pm mallory\"");
	following_tear_down();
}

static void expect_denied(struct pg_connection *connection, const char *sql)
{
	struct error *error = pg_execute(connection, sql);

	ck_assert_msg(error != NULL, "%s succeeds", sql);
	ck_assert_msg(strcmp(error->sqlstate, "42501") == 0, "%s: %s", sql, error->message);
	error_free(error);
}

/* Without that none of these tests could fail: where a superuser calls it, mallory becomes one. */
START_TEST(what_is_tried_would_succeed)
{
	set_up();
	postgres_execute(source, "SET SESSION AUTHORIZATION \"Pm mallory\"");
	postgres_execute(source, EVIL_FUNCTIONS("app"));
	postgres_execute(source, "RESET SESSION AUTHORIZATION; SELECT app.evil(1)");
	postgres_expect(source, "SELECT rolsuper FROM pg_roles WHERE rolname = 'Pm mallory'", "t");
	postgres_execute(source, "ALTER ROLE \"Pm mallory\" NOSUPERUSER");
	tear_down();
}
END_TEST

/* What it needs, and nothing that changes what others' rights do. */
START_TEST(connector_has_what_it_needs)
{
	static const char *const denied[] = {
	    "CREATE TRIGGER t BEFORE INSERT ON replicator.ddl_log FOR EACH ROW EXECUTE FUNCTION "
	    "suppress_redundant_updates_trigger()",
	    "CREATE TRIGGER t BEFORE INSERT ON replicator.signal FOR EACH ROW EXECUTE FUNCTION "
	    "suppress_redundant_updates_trigger()",
	    "CREATE TRIGGER t BEFORE UPDATE ON replicator.heartbeat FOR EACH ROW EXECUTE FUNCTION "
	    "suppress_redundant_updates_trigger()",
	    "ALTER TABLE replicator.ddl_log ADD CHECK (true)",
	    "CREATE RULE r AS ON INSERT TO replicator.signal DO ALSO NOTIFY x",
	    "CREATE INDEX ON replicator.signal ((lower(id)))",
	    "ALTER TABLE replicator.signal ENABLE ROW LEVEL SECURITY",
	    "CREATE FUNCTION replicator.ddl_objects(oid, oid, int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
	    "CREATE OR REPLACE FUNCTION replicator.ddl_depth(relation oid) RETURNS int LANGUAGE sql AS 'SELECT 1'",
	    "INSERT INTO replicator.ddl_log (event, kind, relid, schema_name, object_name, published, tag)"
	    " VALUES ('drop', 'table', 1, 'public', 't', true, 'DROP TABLE')",
	    "DELETE FROM replicator.ddl_log",
	    "TRUNCATE replicator.ddl_log",
	    "UPDATE replicator.ddl_settings SET capture = '{}'",
	    "SELECT * FROM replicator.ddl_settings",
	    "UPDATE replicator.heartbeat SET token = 'forged'",
	    "INSERT INTO replicator.publication VALUES ('p', true)",
	    "ALTER PUBLICATION p SET (publish = 'insert')",
	    "DROP PUBLICATION p",
	};

	set_up();
	postgres_execute(source, "SET SESSION AUTHORIZATION \"Pc connector\"");
	postgres_execute(source, "UPDATE replicator.heartbeat SET at = now();"
	                         "INSERT INTO replicator.signal VALUES ('1', 'snapshot-window-open', NULL);"
	                         "DELETE FROM replicator.signal WHERE id = '1';"
	                         "SELECT * FROM replicator.ddl_log; SELECT * FROM replicator.heartbeat");
	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++)
		expect_denied(source, denied[i]);
	postgres_execute(source, "RESET SESSION AUTHORIZATION");
	tear_down();
}
END_TEST

/* Everything that could run inside the superuser's functions: triggers, checks, defaults, domains, indexes, generated columns. */
START_TEST(owner_of_captured_tables_stays_what_it_is)
{
	set_up();
	postgres_execute(source, "SET SESSION AUTHORIZATION \"Pm mallory\"");
	postgres_execute(source, EVIL_FUNCTIONS("app"));
	postgres_execute(
	    source,
	    "CREATE DOMAIN app.d AS text DEFAULT app.evil('d'::text) CHECK (app.evil(VALUE) IS NOT NULL);"
	    "CREATE TABLE app.t (id int, a text CHECK (app.evil(a) IS NOT NULL), b app.d, c int DEFAULT app.evil(7),"
	    " g text GENERATED ALWAYS AS (app.evil(a)) STORED);"
	    "CREATE INDEX ON app.t (app.evil(a)) WHERE app.evil(id) > 0;"
	    "CREATE STATISTICS app.st ON (app.evil(a)), (app.evil(id)) FROM app.t;"
	    "CREATE TRIGGER always BEFORE INSERT OR UPDATE OR DELETE ON app.t FOR EACH ROW EXECUTE FUNCTION "
	    "app.evil_trigger();"
	    "ALTER TABLE app.t ENABLE ALWAYS TRIGGER always;"
	    "INSERT INTO app.t VALUES (1, 'a', 'b');"
	    "ALTER TABLE app.t ADD r float8 DEFAULT random(), ADD e text DEFAULT app.evil('x'::text);"
	    "ALTER TABLE app.t ALTER a DROP EXPRESSION IF EXISTS, ALTER c TYPE bigint USING app.evil(c);"
	    "CREATE TABLE app.filled AS SELECT app.evil(n) AS n FROM generate_series(1, 3) n;"
	    "CREATE TABLE app.parts (id int) PARTITION BY LIST (app.evil(id));"
	    "CREATE TABLE app.part PARTITION OF app.parts FOR VALUES IN (1);"
	    "UPDATE app.t SET id = 2; COMMENT ON TABLE app.t IS 'x'; ALTER TABLE app.t RENAME TO u; DROP TYPE app.d "
	    "CASCADE");
	postgres_execute(source, "RESET SESSION AUTHORIZATION");
	postgres_execute(source, "SELECT replicator.ddl_baseline(); SELECT replicator.make_publication('p', true)");
	expect_no_error(new_tables_look(source));
	postgres_expect(source, "SELECT count(*) FROM replicator.ddl_log WHERE event = 'error'", "0");
	tear_down();
}
END_TEST

/* Schema of ours that mallory made, whose version "table" is a view of hers: refused before anything of it is read. */
START_TEST(schema_that_was_there_before_is_refused)
{
	struct pg_connection *side;
	struct error *error;

	set_up();
	side = _i == 0 ? source : target;
	if (_i == 0)
		postgres_execute(source, "SELECT replicator.drop_publications()");
	postgres_execute(side, "DROP SCHEMA replicator CASCADE; CREATE SCHEMA replicator AUTHORIZATION \"Pm mallory\"");
	postgres_execute(side, "SET SESSION AUTHORIZATION \"Pm mallory\"");
	postgres_execute(side, EVIL_FUNCTIONS("replicator"));
	postgres_execute(
	    side,
	    "CREATE VIEW replicator.schema_version AS SELECT replicator.evil(1) AS version;"
	    "CREATE TABLE replicator.heartbeat (id int, at timestamptz, token text); INSERT INTO replicator.heartbeat "
	    "VALUES (1);"
	    "CREATE TRIGGER t BEFORE UPDATE ON replicator.heartbeat FOR EACH ROW EXECUTE FUNCTION "
	    "replicator.evil_trigger();"
	    "CREATE FUNCTION replicator.uncaptured_tables() RETURNS TABLE (publication name, relation regclass)"
	    " LANGUAGE plpgsql AS $f$ BEGIN PERFORM replicator.evil(1); END $f$;"
	    "CREATE FUNCTION replicator.drop_publications() RETURNS int LANGUAGE sql AS 'SELECT replicator.evil(1)'");
	postgres_execute(side, "RESET SESSION AUTHORIZATION");
	error = migration_install(side, _i == 0 ? MIGRATION_SOURCE : MIGRATION_TARGET, "replicator");
	ck_assert_ptr_nonnull(error);
	ck_assert_ptr_nonnull(strstr(error->message, "belongs to role \"Pm mallory\""));
	error_free(error);
	error = migration_remove(side, _i == 0 ? MIGRATION_SOURCE : MIGRATION_TARGET, "replicator");
	ck_assert_ptr_nonnull(error);
	ck_assert_ptr_nonnull(strstr(error->message, "belongs to role \"Pm mallory\""));
	error_free(error);
	if (_i == 0)
		error = new_tables_look(side);
	else
		error = checkpoint_check_schema(side, "replicator");
	ck_assert_ptr_nonnull(error);
	ck_assert_int_eq(error->class, ERROR_CONFIGURATION);
	error_free(error);
	tear_down();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("privileges");
	TCase *tests = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, what_is_tried_would_succeed);
	tcase_add_test(tests, connector_has_what_it_needs);
	tcase_add_test(tests, owner_of_captured_tables_stays_what_it_is);
	tcase_add_loop_test(tests, schema_that_was_there_before_is_refused, 0, 2);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
