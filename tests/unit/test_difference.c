/* test_difference.c - from images to steps, and what is refused. */
#include "schema/difference.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct arena *arena;

static void setup(void)
{
	arena = arena_new();
}

static void teardown(void)
{
	arena_free(arena);
}

static const struct object_image *parse(const char *json)
{
	const struct object_image *image = NULL;
	struct error *error = object_image_parse(json, strlen(json), arena, &image);

	ck_assert_msg(error == NULL, "%s", error == NULL ? "" : error->message);
	return image;
}

/* A table s.NAME with the columns, constraints and indexes given as JSON lists without brackets. */
static const struct object_image *table(const char *name, const char *columns, const char *constraints,
                                        const char *indexes)
{
	char *json = memory_format("{\"version\":1,\"kind\":\"table\",\"oid\":9,\"schema\":\"s\",\"name\":\"%s\","
	                           "\"relkind\":\"r\",\"persistence\":\"p\",\"partition_key\":null,\"bound\":null,"
	                           "\"parents\":[],\"comment\":null,\"columns\":[%s],\"constraints\":[%s],"
	                           "\"indexes\":[%s]}",
	                           name, columns, constraints, indexes);
	const struct object_image *image = parse(json);

	free(json);
	return image;
}

#define COLUMN(number, name, type, more)                                                                               \
	"{\"attnum\":" #number ",\"name\":\"" name "\",\"type\":\"" type                                               \
	"\",\"generated\":\"\",\"identity\":\"\"" more "}"
#define ID COLUMN(1, "id", "integer", ",\"not_null\":true")
#define KEY(oid, name)                                                                                                 \
	"{\"oid\":" #oid ",\"name\":\"" name                                                                           \
	"\",\"type\":\"p\",\"definition\":\"PRIMARY KEY (id)\",\"inherited\":false,\"references\":null}"

/* The statements, one behind the other with `; `. */
static const char *steps_of(const struct difference *difference)
{
	struct step *step;
	struct buffer text = {0};
	const char *copy;
	enum difference_next next;
	struct error *error = difference_steps(difference, arena, &step, &next);

	ck_assert_msg(error == NULL, "%s", error == NULL ? "" : error->message);
	buffer_append_text(&text, "");
	for (; step != NULL; step = step->next) {
		buffer_append_text(&text, text.length > 0 ? "; " : "");
		buffer_append_text(&text, step->sql);
	}
	copy = arena_copy(arena, text.data == NULL ? "" : text.data, text.length);
	buffer_free(&text);
	return copy;
}

static const char *follow(const struct object_image *before, const struct object_image *after,
                          const struct object_image *target)
{
	return steps_of(
	    &(struct difference){.before = before, .after = after, .target = target, .target_version = 150000});
}

START_TEST(same_attnum_is_a_rename_and_new_attnum_an_add)
{
	const struct object_image *before = table("t", ID "," COLUMN(2, "a", "text", ""), "", "");
	const struct object_image *after =
	    table("t", ID "," COLUMN(2, "b", "text", "") "," COLUMN(3, "a", "integer", ""), "", "");

	const struct object_image *renamed = table("t", ID "," COLUMN(2, "b", "text", ""), "", "");

	ck_assert_str_eq(follow(before, after, before), "ALTER TABLE \"s\".\"t\" RENAME COLUMN \"a\" TO \"b\"");
	ck_assert_str_eq(steps_of(&(
	                     struct difference){.before = before, .after = after, .target = renamed, .renamed = true}),
	                 "ALTER TABLE \"s\".\"t\" ADD COLUMN \"a\" integer");
}
END_TEST

START_TEST(what_the_target_has_already_is_no_step)
{
	const struct object_image *before = table("t", ID, "", "");
	const struct object_image *after = table("t", ID "," COLUMN(2, "a", "text", ""), KEY(7, "k"), "");

	ck_assert_str_eq(follow(before, after, after), "");
	ck_assert_str_eq(follow(after, after, before), "ALTER TABLE \"s\".\"t\" ADD COLUMN \"a\" text");
}
END_TEST

START_TEST(columns_of_the_targets_own_stay)
{
	const struct object_image *before = table("t", ID "," COLUMN(2, "a", "text", ""), "", "");
	const struct object_image *after = table("t", ID, "", "");
	const struct object_image *target =
	    table("t", ID "," COLUMN(2, "synced_at", "timestamptz", "") "," COLUMN(3, "a", "text", ""), "", "");

	ck_assert_str_eq(follow(before, after, target), "ALTER TABLE \"s\".\"t\" DROP COLUMN IF EXISTS \"a\"");
	ck_assert_str_eq(follow(before, before, target), "");
}
END_TEST

START_TEST(old_rows_take_the_value_that_the_source_gave_them)
{
	const struct object_image *before = table("t", ID, "", "");
	const struct object_image *after =
	    table("t",
	          ID "," COLUMN(2, "at", "date", ",\"default\":\"now()\",\"missing\":\"2024-02-29\",\"not_null\":true"),
	          "", "");

	ck_assert_str_eq(follow(before, after, before),
	                 "ALTER TABLE \"s\".\"t\" ADD COLUMN \"at\" date DEFAULT '2024-02-29' NOT NULL; "
	                 "ALTER TABLE \"s\".\"t\" ALTER COLUMN \"at\" SET DEFAULT now()");
}
END_TEST

START_TEST(a_table_that_is_not_there_is_made_and_looked_at_again)
{
	const struct object_image *after = table("a\\\"b", ID, KEY(7, "k"), "");
	const struct difference difference = {.after = after, .target_version = 150000};
	struct step *step;
	enum difference_next next;

	ck_assert_ptr_null(difference_steps(&difference, arena, &step, &next));
	ck_assert_int_eq(next, DIFFERENCE_FRESH);
	ck_assert_str_eq(step->sql, "CREATE TABLE \"s\".\"a\"\"b\" (\"id\" integer NOT NULL)");
	ck_assert_ptr_null(step->next);
	ck_assert_str_eq(steps_of(&(struct difference){.after = after,
	                                               .target = table("a\\\"b", ID, "", ""),
	                                               .fresh = true,
	                                               .target_version = 150000}),
	                 "ALTER TABLE \"s\".\"a\"\"b\" ADD CONSTRAINT \"k\" PRIMARY KEY (id)");
}
END_TEST

START_TEST(a_type_changes_by_cast_and_gives_up_values_of_no_key)
{
	const struct object_image *before =
	    table("t", ID "," COLUMN(2, "a", "text", ",\"not_null\":true"), KEY(7, "k"), "");
	const struct object_image *after =
	    table("t", ID "," COLUMN(2, "a", "integer", ",\"not_null\":true"), KEY(7, "k"), "");
	const struct difference difference = {.before = before, .after = after, .target = before};
	struct step *step;
	enum difference_next next;

	ck_assert_ptr_null(difference_steps(&difference, arena, &step, &next));
	ck_assert_str_eq(step->sql, "ALTER TABLE \"s\".\"t\" ALTER COLUMN \"a\" TYPE integer USING \"a\"::integer");
	ck_assert_ptr_nonnull(step->otherwise);
	ck_assert_ptr_nonnull(step->otherwise->otherwise);
	ck_assert_str_eq(step->otherwise->otherwise->afterwards->table.name, "t");
	ck_assert_str_eq(step->otherwise->otherwise->afterwards->column, "a");
	ck_assert_str_eq(step->otherwise->otherwise->afterwards->action, "SET NOT NULL");
}
END_TEST

/* The key's text says the new name, too: it is no other key, and behind the rename there is nothing left to do. */
START_TEST(a_rename_is_no_change_of_what_names_the_column)
{
	const struct object_image *before = table("t", ID, KEY(7, "k"), "");
	const struct object_image *after =
	    table("t", COLUMN(1, "no", "integer", ",\"not_null\":true"),
	          "{\"oid\":7,\"name\":\"k\",\"type\":\"p\",\"definition\":\"PRIMARY KEY (no)\",\"inherited\":false,"
	          "\"references\":null}",
	          "");
	const struct difference difference = {.before = before, .after = after, .target = before};
	struct step *step;
	enum difference_next next;

	ck_assert_ptr_null(difference_steps(&difference, arena, &step, &next));
	ck_assert_int_eq(next, DIFFERENCE_RENAMED);
	ck_assert_str_eq(step->sql, "ALTER TABLE \"s\".\"t\" RENAME COLUMN \"id\" TO \"no\"");
	ck_assert_ptr_null(step->next);
	ck_assert_str_eq(steps_of(
	                     &(struct difference){.before = before, .after = after, .target = after, .renamed = true}),
	                 "");
}
END_TEST

START_TEST(a_key_under_a_new_name_is_made_behind_the_old_one)
{
	const struct object_image *before = table("t", ID, KEY(7, "k"), "");
	const struct object_image *after = table("t", ID, KEY(8, "t_pkey"), "");

	ck_assert_str_eq(follow(before, after, before), "ALTER TABLE \"s\".\"t\" DROP CONSTRAINT IF EXISTS \"k\"; "
	                                                "ALTER TABLE \"s\".\"t\" ADD CONSTRAINT \"t_pkey\" PRIMARY KEY "
	                                                "(id)");
	/* Under a name of the target's own it stays. */
	ck_assert_str_eq(follow(before, after, table("t", ID, KEY(7, "own"), "")), "");
}
END_TEST

START_TEST(a_name_of_the_targets_own_stops_the_stream)
{
	const struct difference difference = {
	    .before = table("t", ID, "", ""),
	    .after = table("t", ID "," COLUMN(2, "a", "text", ""), "", ""),
	    .target = table("t", ID "," COLUMN(2, "a", "integer", ""), "", ""),
	};
	struct step *step;
	enum difference_next next;
	struct error *error = difference_steps(&difference, arena, &step, &next);

	ck_assert_ptr_nonnull(error);
	ck_assert(error->class == ERROR_TARGET);
	ck_assert_ptr_nonnull(strstr(error->message, "rename that one"));
	error_free(error);
}
END_TEST

START_TEST(a_column_that_vanishes_over_a_gap_stops_the_stream)
{
	const struct object_image *before = table("t", ID "," COLUMN(2, "a", "text", ""), "", "");
	const struct difference difference = {.before = before,
	                                      .after = table("t", ID, "", ""),
	                                      .target = before,
	                                      .by_name = true};
	struct step *step;
	enum difference_next next;
	struct error *error = difference_steps(&difference, arena, &step, &next);

	ck_assert_ptr_nonnull(error);
	ck_assert_ptr_nonnull(strstr(error->message, "was made anew"));
	error_free(error);
}
END_TEST

#define TYPED(name, type, oid, more) COLUMN(2, name, type, ",\"ids\":{\"type\":\"" oid "\"" more)
#define CHECK_OVER(oid, type, refers, tree)                                                                            \
	"{\"oid\":" #oid ",\"name\":\"k\",\"type\":\"c\",\"definition\":\"CHECK (a <> 'x'::" type                      \
	")\",\"inherited\":false,\"references\":null,\"ids\":{\"refers\":\"" refers "\",\"tree\":\"" tree "\"}}"

/* The type s became s_old, and another one has its name. */
START_TEST(names_that_change_hands_are_changes)
{
	const struct object_image *before =
	    table("t", ID "," TYPED("a", "s", "10", "}"), CHECK_OVER(7, "s", "1247.10.0", "tree"), "");
	const struct object_image *after =
	    table("t", ID "," TYPED("a", "s", "11", "}"), CHECK_OVER(8, "s", "1247.11.0", "forest"), "");
	const struct object_image *target =
	    table("t", ID "," TYPED("a", "s_old", "50", "}"), CHECK_OVER(57, "s_old", "1247.50.0", "wood"), "");

	ck_assert_str_eq(follow(before, after, target),
	                 "ALTER TABLE \"s\".\"t\" DROP CONSTRAINT IF EXISTS \"k\"; "
	                 "ALTER TABLE \"s\".\"t\" ALTER COLUMN \"a\" TYPE s USING \"a\"::s; "
	                 "ALTER TABLE \"s\".\"t\" ADD CONSTRAINT \"k\" CHECK (a <> 'x'::s)");
	/* Of another server the oids say nothing. */
	ck_assert_str_eq(steps_of(
	                     &(struct difference){.before = before, .after = after, .target = target, .by_name = true}),
	                 "");
}
END_TEST

START_TEST(a_new_name_of_what_is_referred_to_is_no_change)
{
	const struct object_image *before =
	    table("t",
	          ID
	          "," TYPED("a", "s", "10", ",\"refers\":\"1259.20.0\",\"tree\":\"t\"},\"default\":\"nextval('q')\""),
	          CHECK_OVER(7, "s", "1247.10.0", "tree"), "");
	const struct object_image *after =
	    table("t",
	          ID
	          "," TYPED("a", "s2", "10", ",\"refers\":\"1259.20.0\",\"tree\":\"t\"},\"default\":\"nextval('q2')\""),
	          CHECK_OVER(7, "s2", "1247.10.0", "tree"), "");

	ck_assert_str_eq(follow(before, after, table("t", ID "," COLUMN(2, "a", "text", ""), "", "")), "");
	/* The same objects in another definition. */
	after = table("t",
	              ID "," TYPED("a", "s", "10",
	                           ",\"refers\":\"1259.20.0\",\"tree\":\"u\"},\"default\":\"nextval('q') + 1\""),
	              CHECK_OVER(7, "s", "1247.10.0", "tree"), "");
	ck_assert_str_eq(follow(before, after, before),
	                 "ALTER TABLE \"s\".\"t\" ALTER COLUMN \"a\" SET DEFAULT nextval('q') + 1");
}
END_TEST

static const struct object_image *mood(const char *labels)
{
	char *json = memory_format(
	    "{\"version\":1,\"kind\":\"type\",\"oid\":5,\"schema\":\"s\",\"name\":\"mood\",\"form\":\"e\","
	    "\"labels\":[%s],\"constraints\":[],\"attributes\":[]}",
	    labels);
	const struct object_image *image = parse(json);

	free(json);
	return image;
}

START_TEST(what_was_made_anew_as_it_was_stays)
{
	const struct object_image *before = table("t", ID, KEY(7, "k"),
	                                          "{\"oid\":8,\"name\":\"i\",\"unique\":false,\"inherited\":false,"
	                                          "\"definition\":\"USING btree (id)\"}");
	const struct object_image *after = table("t", COLUMN(1, "id", "bigint", ",\"not_null\":true"), KEY(17, "k"),
	                                         "{\"oid\":18,\"name\":\"i\",\"unique\":false,\"inherited\":false,"
	                                         "\"definition\":\"USING btree (id)\"}");

	ck_assert_str_eq(follow(before, after, before),
	                 "ALTER TABLE \"s\".\"t\" ALTER COLUMN \"id\" TYPE bigint USING \"id\"::bigint");
}
END_TEST

START_TEST(labels_are_renamed_by_oid_and_added_at_their_place)
{
	const struct object_image *before = mood("{\"oid\":1,\"name\":\"a\"},{\"oid\":2,\"name\":\"b\"}");
	const struct object_image *after = mood("{\"oid\":3,\"name\":\"0\"},{\"oid\":1,\"name\":\"A's\"},{\"oid\":4,"
	                                        "\"name\":\"x\"},{\"oid\":2,\"name\":\"b\"}");

	ck_assert_str_eq(follow(before, after, before), "ALTER TYPE \"s\".\"mood\" RENAME VALUE 'a' TO 'A''s'; "
	                                                "ALTER TYPE \"s\".\"mood\" ADD VALUE '0' BEFORE 'A''s'; "
	                                                "ALTER TYPE \"s\".\"mood\" ADD VALUE 'x' AFTER 'A''s'");
	ck_assert_str_eq(follow(before, after, after), "");
}
END_TEST

START_TEST(images_that_are_none_are_refused)
{
	static const struct {
		const char *json, *part;
	} REFUSED[] = {
	    {"{", "not JSON"},
	    {"{}", "no image"},
	    {"{\"version\":99,\"kind\":\"table\"}", "newer replicator"},
	    {"{\"version\":1,\"kind\":\"table\",\"schema\":\"s\"}", "no field name"},
	    {"{\"version\":1,\"kind\":\"table\",\"schema\":\"s\",\"name\":\"t\",\"columns\":[{\"name\":\"a\"}]}",
	     "no field type"},
	};

	for (size_t i = 0; i < sizeof(REFUSED) / sizeof(*REFUSED); i++) {
		const struct object_image *image;
		struct error *error = object_image_parse(REFUSED[i].json, strlen(REFUSED[i].json), arena, &image);

		ck_assert_ptr_nonnull(error);
		ck_assert_msg(strstr(error->message, REFUSED[i].part) != NULL, "%s", error->message);
		error_free(error);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("difference");
	TCase *tests = tcase_create("difference");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, same_attnum_is_a_rename_and_new_attnum_an_add);
	tcase_add_test(tests, what_the_target_has_already_is_no_step);
	tcase_add_test(tests, columns_of_the_targets_own_stay);
	tcase_add_test(tests, old_rows_take_the_value_that_the_source_gave_them);
	tcase_add_test(tests, a_table_that_is_not_there_is_made_and_looked_at_again);
	tcase_add_test(tests, a_type_changes_by_cast_and_gives_up_values_of_no_key);
	tcase_add_test(tests, names_that_change_hands_are_changes);
	tcase_add_test(tests, a_new_name_of_what_is_referred_to_is_no_change);
	tcase_add_test(tests, a_name_of_the_targets_own_stops_the_stream);
	tcase_add_test(tests, a_key_under_a_new_name_is_made_behind_the_old_one);
	tcase_add_test(tests, a_column_that_vanishes_over_a_gap_stops_the_stream);
	tcase_add_test(tests, a_rename_is_no_change_of_what_names_the_column);
	tcase_add_test(tests, what_was_made_anew_as_it_was_stays);
	tcase_add_test(tests, labels_are_renamed_by_oid_and_added_at_their_place);
	tcase_add_test(tests, images_that_are_none_are_refused);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
