/* test_change_json.c - every change of the recorded events as JSON and back. */
#include "corpus.h"

#include "event/change_json.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const char *const variants[] = {"json", "plain", "lossless", "routed"};

static const char *topic_of(void *context, uint32_t number, int32_t *partition)
{
	*partition = 7;
	return ((struct corpus *)context)->topics[number];
}

static uint32_t number_of(void *context, const char *topic, int32_t partition)
{
	const struct corpus *corpus = context;

	ck_assert(partition == 7 || corpus->topic_count == 1);
	for (uint32_t i = 0; i < corpus->topic_count; i++)
		if (strcmp(corpus->topics[i], topic) == 0)
			return i;
	ck_abort_msg("no topic %s", topic);
}

static void expect_same_row(const struct value *a, const struct value *b, uint32_t count)
{
	ck_assert((a == NULL) == (b == NULL));
	for (uint32_t i = 0; a != NULL && i < count; i++) {
		ck_assert_int_eq(a[i].kind, b[i].kind);
		ck_assert_uint_eq(a[i].length, b[i].length);
		ck_assert(a[i].length == 0 || memcmp(a[i].data, b[i].data, a[i].length) == 0);
	}
}

static void expect_same_column(const struct column *a, const struct column *b)
{
	ck_assert_int_eq(a->encoding, b->encoding);
	ck_assert_str_eq(a->schema_name, b->schema_name);
	ck_assert_int_eq(a->scale, b->scale);
	ck_assert_int_eq(a->length, b->length);
	ck_assert_int_eq(a->optional, b->optional);
	ck_assert((a->element == NULL) == (b->element == NULL));
	if (a->element != NULL)
		expect_same_column(a->element, b->element);
}

/* The key may be another shape: where it came from is not kept. */
static void expect_same_relation(const struct relation *a, const struct relation *b)
{
	ck_assert_ptr_eq(a->collection, b->collection);
	ck_assert_str_eq(a->schema, b->schema);
	ck_assert_str_eq(a->table, b->table);
	ck_assert_int_eq(a->typed, b->typed);
	ck_assert_uint_eq(a->column_count, b->column_count);
	for (uint32_t i = 0; i < a->column_count; i++) {
		ck_assert_str_eq(a->columns[i].name, b->columns[i].name);
		expect_same_column(&a->columns[i], &b->columns[i]);
	}
	ck_assert_uint_eq(a->key_count, b->key_count);
	for (uint32_t i = 0; i < a->key_count; i++)
		ck_assert_uint_eq(a->key_columns[i], b->key_columns[i]);
}

static void expect_same(const struct change *a, const struct change *b)
{
	expect_same_relation(a->relation, b->relation);
	ck_assert_int_eq(a->operation, b->operation);
	ck_assert_int_eq(a->offset, b->offset);
	ck_assert_uint_eq(a->partition, b->partition);
	ck_assert_uint_eq(a->tx_id, b->tx_id);
	ck_assert_uint_eq(a->lsn, b->lsn);
	expect_same_row(a->before, b->before, a->relation->column_count);
	expect_same_row(a->after, b->after, a->relation->column_count);
	expect_same_row(a->other_key, b->other_key, a->relation->key_count);
}

static size_t decode_all(struct corpus *corpus, struct decoder *decoder, struct slab_writer *writer,
                         struct change **changes)
{
	size_t count = 0;

	for (size_t i = 0; i < corpus->count; i++) {
		struct decoded decoded;
		struct error *error = decoder_decode(decoder, &corpus->messages[i].raw, writer, &decoded);

		ck_assert_msg(error == NULL, "%s", error != NULL ? error->message : "");
		if (decoded.kind == DECODED_CHANGE && decoded.change->operation == CHANGE_MESSAGE)
			change_release(decoded.change);
		else if (decoded.kind == DECODED_CHANGE)
			changes[count++] = decoded.change;
		else if (decoded.kind == DECODED_MARK)
			transaction_mark_release(decoded.mark);
	}
	return count;
}

START_TEST(changes_come_back_as_they_went)
{
	struct corpus *corpus = corpus_load(variants[_i]);
	struct decoder *decoder = decoder_new(&(struct decoder_options){0});
	const struct change_places places = {topic_of, number_of, corpus};
	struct change **changes = calloc(corpus->count, sizeof(*changes)), **again;
	struct slab_account account = {0};
	struct slab_writer writer, second;
	struct arena *arena = arena_new();
	size_t count, moves = 0, read = 0;
	struct error *error;
	char *json;

	slab_writer_init(&writer, &account);
	slab_writer_init(&second, &account);
	count = decode_all(corpus, decoder, &writer, changes);
	ck_assert_uint_gt(count, 60);
	error = change_json_write(changes, count, &places, &json);
	ck_assert_msg(error == NULL, "%s", error != NULL ? error->message : "");
	error = change_json_read(json, &places, arena, &second, &again, &read);
	ck_assert_msg(error == NULL, "%s", error != NULL ? error->message : "");
	ck_assert_uint_eq(read, count);
	for (size_t i = 0; i < count; i++) {
		moves += changes[i]->other_key != NULL ? 1 : 0;
		expect_same(changes[i], again[i]);
		change_release(changes[i]);
		change_release(again[i]);
	}
	ck_assert_uint_gt(moves, 0);
	free(json);
	free(changes);
	arena_free(arena);
	slab_writer_close(&writer);
	slab_writer_close(&second);
	ck_assert_uint_eq(slab_bytes_in_use(&account), 0);
	decoder_free(decoder);
	corpus_free(corpus);
}
END_TEST

START_TEST(damaged_text_is_an_error)
{
	static const char *const damaged[] = {
	    "",
	    "[]",
	    "{\"changes\": {}}",
	    "{\"relations\": [], \"changes\": [{\"relation\": 0}]}",
	    "{\"relations\": [{}], \"changes\": []}",
	    "{\"relations\": [{\"schema\":\"s\",\"table\":\"t\",\"key\":[],\"columns\":[{\"name\":\"a\","
	    "\"encoding\":\"no such\"}]}], \"changes\": []}",
	    "{\"relations\": [{\"schema\":\"s\",\"table\":\"t\",\"key\":[\"b\"],\"columns\":[{\"name\":\"a\","
	    "\"encoding\":\"text\"}]}], \"changes\": []}",
	    "{\"relations\": [{\"schema\":\"s\",\"table\":\"t\",\"key\":[],\"columns\":[{\"name\":\"a\","
	    "\"encoding\":\"text\"}]}], \"changes\": [{\"relation\":0,\"op\":\"c\",\"topic\":\"t\",\"after\":{}}]}",
	};
	const struct change_places places = {topic_of, number_of,
	                                     &(struct corpus){.topics = (const char *[]){"t"}, .topic_count = 1}};
	struct slab_account account = {0};
	struct slab_writer writer;

	slab_writer_init(&writer, &account);
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		struct arena *arena = arena_new();
		struct change **changes;
		size_t count;
		struct error *error = change_json_read(damaged[i], &places, arena, &writer, &changes, &count);

		ck_assert_msg(error != NULL && error->class == ERROR_EVENT, "%s is read", damaged[i]);
		error_free(error);
		arena_free(arena);
	}
	slab_writer_close(&writer);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("change_json");
	TCase *tests = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tests, changes_come_back_as_they_went, 0, 4);
	tcase_add_test(tests, damaged_text_is_an_error);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
