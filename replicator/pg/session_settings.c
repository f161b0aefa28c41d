/*
 * session_settings.c - the settings that every session of ours has, whatever the role, the database, the DSN's options
 * or PGOPTIONS say.
 *
 * NOTES
 *   All settings of PostgreSQL 14 to 18 that a session may change (pg_settings, context `user`) were gone through.
 *   Pinned is what changes how a value is read or written, which rows a statement sees, how a transaction behaves, what a
 *   statement accepts, and what ends a session or a statement; and of the plans, what makes each of many short statements
 *   slow: compiling it, starting a worker for it. Sessions that need something else (a time-out, read only) set it
 *   afterwards.
 *
 *   Not pinned, because they do not change a value:
 *   - other plans and resources: enable_*, *_cost, work_mem and the like. target/session.c sets those of the applier.
 *   - where and how new tables are stored: default_tablespace, temp_tablespaces, default_table_access_method,
 *     default_toast_compression. A default of the role is how a user says that for tables of replicated DDL.
 *   - what only functions read, and so the user's own triggers in the target: default_text_search_config, lc_numeric,
 *     lc_time. The input and output of types do not read them.
 *   - what is logged, and notices.
 *   Settings of context `superuser` (session_replication_role, zero_damaged_pages, …) cannot be pinned by a role with
 *   the least privileges. Only a superuser can make them a default of the role.
 *
 * Source: PostgreSQL documentation, "Server Configuration".
 */
#include "base/buffer.h"
#include "pg/internal.h"
#include "pg/sql.h"

struct setting {
	const char *name;
	const char *value;
};

/* A setting that the server does not know is left out. */
static const struct setting SETTINGS[] = {
    /* Text on its way in and out, and constants in statements (pg/sql.h). */
    {"client_encoding", "UTF8"},
    {"standard_conforming_strings", "on"}, /* off: a backslash in '…' is an escape */
    {"backslash_quote", "safe_encoding"},  /* of E'…' in the source's expressions */
    {"escape_string_warning", "off"},
    {"quote_all_identifiers", "off"}, /* names and expressions of both sides are compared as texts */

    /* Values on their way in and out. */
    {"DateStyle", "ISO, MDY"},
    {"IntervalStyle", "iso_8601"}, /* sql_standard reads and writes signs in another way */
    {"TimeZone", "UTC"},
    {"timezone_abbreviations", "Default"},
    {"extra_float_digits", "3"}, /* less than 1 rounds */
    {"bytea_output", "hex"},
    {"lc_monetary", "C"},     /* money: 1.50 may read as 150 */
    {"array_nulls", "on"},    /* off: NULL in an array is the text "NULL" */
    {"xmloption", "content"}, /* document refuses fragments */
    {"xmlbinary", "base64"},
    {"transform_null_equals", "off"},

    /* Which rows and objects a statement sees. pg_temp last: else its tables hide those of pg_catalog. */
    {"row_security", "off"}, /* a policy that would hide rows is an error */
    {"restrict_nonsystem_relation_kind", ""},
    {"gin_fuzzy_search_limit", "0"}, /* else an index scan leaves out rows at random */
    {"synchronize_seqscans", "off"},

    /* Transactions. read committed: the checkpoint must see what the holder before us committed. */
    {"default_transaction_isolation", "read committed"},
    {"default_transaction_read_only", "off"}, /* on: how a target is closed to everybody but the daemon */
    {"default_transaction_deferrable", "off"},
    {"check_function_bodies", "on"},
    {"icu_validation_level", "warning"}, /* error refuses a collation that the source accepted */

    /* Plans. */
    {"jit", "off"},
    {"plan_cache_mode", "auto"},
    {"force_parallel_mode", "off"}, /* before 16 */
    {"debug_parallel_query", "off"},

    /* What ends statements, transactions and sessions; exit_on_error ends one at a statement under a savepoint. */
    {"exit_on_error", "off"},
    {"statement_timeout", "0"},
    {"lock_timeout", "0"},
    {"idle_in_transaction_session_timeout", "0"},
    {"idle_session_timeout", "0"},
    {"transaction_timeout", "0"},

    /* Last: nothing before it may depend on it. */
    {"search_path", "pg_catalog, pg_temp"},
};

struct error *pg_pin_settings(struct pg_connection *connection)
{
	struct buffer sql = {0};
	struct error *error;

	/* Qualified and without operators: the search_path is still the user's. */
	buffer_append_text(&sql, "SELECT CASE WHEN pg_catalog.current_setting(s.name, true) IS NOT NULL"
	                         " THEN pg_catalog.set_config(s.name, s.value, false) END FROM (VALUES ");
	for (size_t i = 0; i < sizeof(SETTINGS) / sizeof(SETTINGS[0]); i++) {
		buffer_append_text(&sql, i == 0 ? "(" : ", (");
		sql_append_literal(&sql, SETTINGS[i].name);
		buffer_append_text(&sql, ", ");
		sql_append_literal(&sql, SETTINGS[i].value);
		buffer_append_text(&sql, ")");
	}
	buffer_append_text(&sql, ") AS s (name, value)");
	error = pg_execute(connection, sql.data);
	buffer_free(&sql);
	return error;
}
