/* test_base_memory.c - arena, buffer, slab and map: what they promise about memory. */
#include "base/arena.h"
#include "base/buffer.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/slab.h"

#include <check.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(test_arena_keeps_what_it_gave)
{
	struct arena *arena = arena_new();
	uint64_t *blocks[2000];

	for (size_t i = 0; i < 2000; i++) {
		blocks[i] = arena_alloc(arena, i + 8);
		ck_assert_uint_eq((uintptr_t)blocks[i] % 8, 0);
		memset(blocks[i], (int)(i & 0xff), i + 8);
	}
	for (size_t i = 0; i < 2000; i++) {
		ck_assert_uint_eq(((unsigned char *)blocks[i])[0], i & 0xff);
		ck_assert_uint_eq(((unsigned char *)blocks[i])[i + 7], i & 0xff);
	}
	arena_free(arena);
	arena_free(NULL);
}
END_TEST

START_TEST(test_arena_reset_frees_all_but_one_block)
{
	struct arena *arena = arena_new();
	size_t after_first;

	arena_alloc(arena, 64 << 20);
	ck_assert_uint_ge(arena_bytes(arena), 64 << 20);
	for (int i = 0; i < 1000; i++)
		arena_alloc(arena, 10000);
	arena_reset(arena);
	after_first = arena_bytes(arena);
	ck_assert_uint_le(after_first, (1 << 20) + 1024); /* the large block is gone */
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 100; i++)
			arena_alloc(arena, 10000);
		arena_reset(arena);
	}
	ck_assert_uint_eq(arena_bytes(arena), after_first); /* a steady load does not make it grow */
	arena_free(arena);
}
END_TEST

START_TEST(test_arena_text)
{
	struct arena *arena = arena_new();
	char zeroes[100] = {0};

	ck_assert_str_eq(arena_copy(arena, "abcdef", 3), "abc");
	ck_assert_str_eq(arena_copy(arena, NULL, 0), "");
	ck_assert_str_eq(arena_format(arena, "%s=%d", "rows", 42), "rows=42");
	memset(arena_alloc(arena, 100), 1, 100);
	arena_reset(arena);
	ck_assert_mem_eq(arena_alloc_zeroed(arena, 100), zeroes, 100);
	arena_free(arena);
}
END_TEST

START_TEST(test_buffer_grows_and_stays_terminated)
{
	struct buffer buffer = {0};
	char *text;

	for (int i = 0; i < 1000; i++) {
		buffer_append_byte(&buffer, 'x');
		ck_assert_uint_eq(strlen(buffer.data), (size_t)i + 1);
	}
	buffer_reset(&buffer);
	ck_assert_str_eq(buffer.data, "");
	buffer_append(&buffer, "a\0b", 3);
	ck_assert_uint_eq(buffer.length, 3);
	ck_assert_mem_eq(buffer.data, "a\0b", 4);
	buffer_reset(&buffer);
	buffer_append_text(&buffer, "offset ");
	buffer_append_format(&buffer, "%05d%s", 17, "!");
	text = buffer_steal(&buffer);
	ck_assert_str_eq(text, "offset 00017!");
	ck_assert_ptr_null(buffer.data);
	free(text);
	text = buffer_steal(&buffer); /* of an empty one: still a text */
	ck_assert_str_eq(text, "");
	free(text);
	buffer_append_format(&buffer, "%*s", 5000, "end");
	ck_assert_uint_eq(buffer.length, 5000);
	buffer_free(&buffer);
	ck_assert_uint_eq(buffer.capacity, 0);
}
END_TEST

START_TEST(test_slab_goes_back_with_its_last_event)
{
	struct slab_account account = {0};
	struct slab_writer writer;
	struct slab *slabs[100];
	char *first;

	slab_writer_init(&writer, &account);
	ck_assert_uint_eq(slab_bytes_in_use(&account), 0);
	first = slab_reserve(&writer, 100);
	ck_assert_uint_eq((uintptr_t)first % 8, 0);
	slabs[0] = slab_commit(&writer, 13);
	ck_assert_ptr_eq(slab_reserve(&writer, 100), first + 16); /* only what was kept counts, rounded up */
	for (int i = 1; i < 100; i++) {
		memset(slab_reserve(&writer, 1000), i, 1000);
		slabs[i] = slab_commit(&writer, 1000);
	}
	ck_assert_uint_eq(slab_bytes_in_use(&account), 2 * 65536); /* 99,016 bytes in slabs of 64 kB */
	ck_assert_ptr_eq(slabs[0], slabs[1]);
	ck_assert_ptr_ne(slabs[0], slabs[99]);
	for (int i = 0; i < 99; i++)
		slab_release(slabs[i]);
	ck_assert_uint_eq(slab_bytes_in_use(&account), 65536);
	slab_writer_close(&writer);
	ck_assert_uint_eq(slab_bytes_in_use(&account), 65536); /* one event still holds it */
	slab_release(slabs[99]);
	ck_assert_uint_eq(slab_bytes_in_use(&account), 0);
}
END_TEST

START_TEST(test_slab_takes_large_events)
{
	struct slab_account account = {0};
	struct slab_writer writer;
	struct slab *slab;
	char *room;

	slab_writer_init(&writer, &account);
	room = slab_reserve(&writer, 3000001);
	memset(room, 7, 3000001);
	slab = slab_commit(&writer, 3000001);
	ck_assert_uint_ge(slab_bytes_in_use(&account), 3000001);
	slab_release(slab);
	ck_assert_uint_ge(slab_bytes_in_use(&account), 3000001); /* the writer still holds it */
	memset(slab_reserve(&writer, 64), 1, 64);
	ck_assert_uint_eq(slab_bytes_in_use(&account), 65536);
	slab_writer_close(&writer);
	slab_writer_close(&writer);
	ck_assert_uint_eq(slab_bytes_in_use(&account), 0);
}
END_TEST

static void *release_all(void *argument)
{
	struct slab **slabs = argument;

	for (size_t i = 0; slabs[i] != NULL; i++)
		slab_release(slabs[i]);
	return NULL;
}

START_TEST(test_slab_events_die_in_another_thread)
{
	enum { COUNT = 20000 };
	struct slab **halves[2] = {calloc(COUNT + 1, sizeof(struct slab *)), calloc(COUNT + 1, sizeof(struct slab *))};
	struct slab_account account = {0};
	struct slab_writer writer;
	pthread_t threads[2];

	slab_writer_init(&writer, &account);
	for (int i = 0; i < 2 * COUNT; i++) {
		memset(slab_reserve(&writer, 200), i & 0xff, 200);
		halves[i % 2][i / 2] = slab_commit(&writer, 200);
	}
	slab_writer_close(&writer);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, release_all, halves[i]), 0);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		free(halves[i]);
	}
	ck_assert_uint_eq(slab_bytes_in_use(&account), 0);
}
END_TEST

static void sum_values(struct slice key, void *value, void *context)
{
	ck_assert_uint_gt(key.length, 0);
	*(int *)context += *(int *)value;
}

START_TEST(test_map)
{
	struct map *map = map_new();
	char name[32];
	int sum = 0;

	for (int i = 0; i < 5000; i++) {
		int *value = memory_alloc(sizeof(*value));

		*value = i;
		snprintf(name, sizeof(name), "topic-%d", i);
		map_put(map, slice_from(name), value);
	}
	snprintf(name, sizeof(name), "scribbled"); /* keys are copies */
	ck_assert_uint_eq(map_count(map), 5000);
	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "topic-%d", i);
		ck_assert_int_eq(*(int *)map_get(map, slice_from(name)), i);
	}
	ck_assert_ptr_null(map_get(map, slice_from("topic-5000")));
	ck_assert_ptr_null(map_get(map, (struct slice){NULL, 0}));
	map_each(map, sum_values, &sum);
	ck_assert_int_eq(sum, 4999 * 5000 / 2);
	map_free(map, free);
	map_free(NULL, NULL);
}
END_TEST

START_TEST(test_map_replaces_and_takes_any_bytes)
{
	struct map *map = map_new();
	char one = 1;
	char two = 2;

	map_put(map, (struct slice){"a\0b", 3}, &one);
	map_put(map, (struct slice){"a\0c", 3}, &two);
	map_put(map, (struct slice){NULL, 0}, &one);
	ck_assert_ptr_eq(map_get(map, (struct slice){"a\0b", 3}), &one);
	map_put(map, (struct slice){"a\0b", 3}, &two);
	ck_assert_ptr_eq(map_get(map, (struct slice){"a\0b", 3}), &two);
	ck_assert_ptr_eq(map_get(map, (struct slice){"", 0}), &one);
	ck_assert_ptr_null(map_get(map, (struct slice){"a", 1}));
	ck_assert_uint_eq(map_count(map), 3);
	map_free(map, NULL);
}
END_TEST

START_TEST(test_memory)
{
	char *text = memory_copy_bytes("a\0b", 3);
	int *numbers = NULL;

	ck_assert_mem_eq(text, "a\0b", 4);
	free(text);
	ck_assert_ptr_null(memory_copy_text(NULL));
	text = memory_format("%d rows", 3);
	ck_assert_str_eq(text, "3 rows");
	free(text);
	numbers = memory_grow(numbers, 1, sizeof(*numbers));
	numbers[0] = 5;
	numbers = memory_grow(numbers, 100000, sizeof(*numbers));
	ck_assert_int_eq(numbers[0], 5);
	free(numbers);
}
END_TEST

/* Runs in a process of its own: it must end with EXIT_SYSTEM (8), not return NULL or a block that is too small. */
START_TEST(test_memory_overflow_ends_the_process)
{
	free(memory_grow(NULL, SIZE_MAX / 2, 4));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("base: memory");
	TCase *tests = tcase_create("base");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, test_arena_keeps_what_it_gave);
	tcase_add_test(tests, test_arena_reset_frees_all_but_one_block);
	tcase_add_test(tests, test_arena_text);
	tcase_add_test(tests, test_buffer_grows_and_stays_terminated);
	tcase_add_test(tests, test_slab_goes_back_with_its_last_event);
	tcase_add_test(tests, test_slab_takes_large_events);
	tcase_add_test(tests, test_slab_events_die_in_another_thread);
	tcase_add_test(tests, test_map);
	tcase_add_test(tests, test_map_replaces_and_takes_any_bytes);
	tcase_add_test(tests, test_memory);
	tcase_add_exit_test(tests, test_memory_overflow_ends_the_process, 8);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
