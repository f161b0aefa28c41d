/*
 * test_assembler_random.c - random connectors that restart, sources that fail over, and daemons that start again: every
 * transaction is handed over once, whole and in order, and the stream stops where another history of the source begins.
 *
 * A plan is made of a seed: what a connector writes into each partition. It restarts at random places and sends the rest
 * of an earlier transaction and all that follow it again. In half of the plans the source fails over: its last
 * transactions are lost, and the new ones have their transaction IDs and lower commit LSNs. Then the partitions are read in a
 * random order, with restarts of the daemon at the positions that were handed over.
 *
 * TEST_SEED=N runs one seed; RANDOM_RUNS=N (300) so many, from a random one on.
 */
#include "base/log.h"
#include "base/memory.h"
#include "stream/spill.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MARKS, WIDE, WIDE2, COUNTER, KEYLESS, PARTITIONS };

#include "assembling.h"
/* after it */
#include "sending.h"
#include "seeds.h"

enum { COMMITS = 14, MOST_EVENTS = 6, MOST_MESSAGES = 20000 };

struct commit {
	uint64_t tx, lsn, previous;
	int events;
	struct event {
		uint32_t partition;
		int id;
		uint64_t lsn;
	} event[MOST_EVENTS];
};

struct message {
	bool is_mark, is_end, without_sequence;
	struct sent event;
	uint64_t tx, lsn;
	struct counts counts;
};

static struct commit commits[2 * COMMITS]; /* in the order in which they must be handed over */
static int commit_count;
static int lost_from; /* the first commit of the new history; commit_count: there is none */
static struct message *messages[PARTITIONS];
static int message_count[PARTITIONS];
static int before_failover[PARTITIONS]; /* so many messages are written when the source fails over */
static bool failed_over;
static bool one_topic;
static int rows_made;

static int below(int limit)
{
	return rand() % limit;
}

/* The plan. */

static void make_commit(struct commit *commit, uint64_t tx, uint64_t previous)
{
	commit->tx = tx;
	commit->previous = previous;
	commit->lsn = (previous + 50 + (uint64_t)below(50)) / 2 * 2;
	commit->events = below(MOST_EVENTS + 1);
	for (int i = 0; i < commit->events; i++) {
		uint64_t least = i > 0            ? commit->event[i - 1].lsn
		                 : previous < 130 ? 1
		                                  : previous - (uint64_t)below(120);

		commit->event[i] =
		    (struct event){.partition = WIDE + (uint32_t)below(4), .id = ++rows_made, .lsn = least + 1};
	}
}

/* The last `lost` transactions of the old history are lost; the new one goes on after the others. */
static void make_commits(void)
{
	int lost = 1 + below(4);

	rows_made = 0;
	commit_count = COMMITS;
	for (int i = 0; i < COMMITS; i++)
		make_commit(&commits[i], 700 + (uint64_t)i, i == 0 ? 100 : commits[i - 1].lsn);
	lost_from = commit_count;
	if (below(2) == 0)
		return;
	for (int i = 0; i < 6; i++) {
		const struct commit *before = i == 0 ? &commits[COMMITS - lost - 1] : &commits[commit_count - 1];
		struct commit *commit = &commits[commit_count++];

		make_commit(commit, before->tx + 1, before->lsn);
		commit->lsn = i == 0 ? before->lsn + 41 : commit->lsn + 1; /* the old history has no odd ones */
	}
}

static void write(uint32_t partition, struct message message)
{
	uint32_t place = one_topic ? MARKS : partition;

	ck_assert_int_lt(message_count[place], MOST_MESSAGES);
	message.event.partition = partition;
	messages[place][message_count[place]++] = message;
}

/* Sends a transaction from one of its events on; false: the connector dies in it. */
static bool send_commit(const struct commit *commit, int from, bool dies, bool without)
{
	int until = dies ? below(commit->events + 1) : commit->events;
	struct counts counts = {0};

	if (from == 0)
		write(MARKS, (struct message){.is_mark = true, .tx = commit->tx, .lsn = commit->previous + 1});
	for (int i = from; i < until; i++)
		write(commit->event[i].partition, (struct message){.without_sequence = without,
		                                                   .event = {.op = 'c',
		                                                             .id = commit->event[i].id,
		                                                             .lsn = commit->event[i].lsn,
		                                                             .number = (uint64_t)i + 1,
		                                                             .previous = commit->previous,
		                                                             .tx = commit->tx}});
	if (dies)
		return false;
	for (int i = 0; i < commit->events; i++) {
		counts.wide += commit->event[i].partition == WIDE || commit->event[i].partition == WIDE2 ? 1 : 0;
		counts.counter += commit->event[i].partition == COUNTER ? 1 : 0;
		counts.keyless += commit->event[i].partition == KEYLESS ? 1 : 0;
	}
	write(MARKS, (struct message){.is_mark = true,
	                              .is_end = true,
	                              .tx = commit->tx,
	                              .lsn = commit->lsn,
	                              .counts = counts});
	return true;
}

static int parent_of(int number)
{
	for (int i = number - 1; i >= 0; i--)
		if (commits[i].lsn == commits[number].previous)
			return i;
	return -1;
}

/* An earlier transaction of the same history, up to four before. */
static int somewhere_before(int number)
{
	int steps = below(5);

	while (steps-- > 0 && parent_of(number) >= 0)
		number = parent_of(number);
	return number;
}

/* The transactions from `number` to `last` in the order of their history. */
static void send_again(int number, int last)
{
	int chain[2 * COMMITS], count = 0, from = commits[number].events == 0 ? 0 : below(commits[number].events);

	for (int i = last; i != number; i = parent_of(i))
		chain[count++] = i;
	send_commit(&commits[number], from, false, below(3) == 0);
	while (count-- > 0)
		send_commit(&commits[chain[count]], 0, false, false);
}

static void make_plan(void)
{
	one_topic = below(3) == 0;
	memset(message_count, 0, sizeof(message_count));
	make_commits();
	for (int i = 0; i < commit_count; i++) {
		if (i == COMMITS)
			memcpy(before_failover, message_count, sizeof(message_count));
		if (i > 0 && (i == lost_from || parent_of(i) != i - 1) && parent_of(i) >= 0)
			send_again(somewhere_before(parent_of(i)), parent_of(i));
		for (int restarts = 0; restarts < 2 && below(4) == 0; restarts++) {
			int again = somewhere_before(i);

			send_commit(&commits[i], 0, true, false);
			if (again != i)
				send_again(again, parent_of(i));
		}
		send_commit(&commits[i], 0, false, false);
		if (below(4) == 0)
			send_again(somewhere_before(i), i);
	}
	lost_from = COMMITS;
	if (commit_count == COMMITS)
		memcpy(before_failover, message_count, sizeof(message_count));
}

/* The reader. */

static struct checkpoint kept;
static int64_t positions[PARTITIONS];
static int handed_over;
static int stops;

static enum end_answer search(const struct end_query *query, uint64_t *commit_lsn, void *context)
{
	(void)context;
	if (below(3) == 0)
		return END_UNKNOWN;
	for (int64_t i = 0; i < query->before; i++) {
		const struct message *message = &messages[query->partition][i];

		if (!message->is_end || message->tx != query->tx_id || message->lsn < query->lowest_lsn ||
		    message->lsn > query->highest_lsn)
			continue;
		*commit_lsn = message->lsn;
		return END_FOUND;
	}
	return END_ABSENT;
}

static void start_daemon(void)
{
	kept.exists = true;
	assembler_free(assembler);
	assembler = assembler_new(&options, &kept, names);
	assembler_expect_marks(assembler, MARKS);
	for (uint32_t i = 0; i < PARTITIONS; i++) {
		offsets[i] = positions[i];
		if (i == MARKS || !one_topic)
			assembler_add_partition(assembler, i, positions[i]);
	}
}

static void expect_events(const struct transaction *transaction, const struct commit *commit)
{
	char text[512], expected[512] = "";
	struct transaction *piece = transaction_new(TRANSACTION_STREAMED);
	uint64_t place = 0;

	for (int i = 0; i < commit->events; i++)
		snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected), "%s%d", i > 0 ? " " : "",
		         commit->event[i].id);
	if (transaction->spill != NULL)
		GOOD(spill_read(transaction->spill, &place, 100, 1 << 20, piece));
	say_rows(transaction->spill != NULL ? piece : transaction, text, sizeof(text));
	ck_assert_str_eq(text, expected);
	transaction_free(piece);
}

static void keep(struct transaction *transaction)
{
	if (transaction->kind == TRANSACTION_STREAMED) {
		const struct commit *commit = &commits[handed_over];

		ck_assert_int_lt(handed_over, commit_count);
		ck_assert_msg(transaction->tx_id == commit->tx && transaction->commit_lsn == commit->lsn,
		              "transaction %llu at %llu came, not %llu at %llu", (unsigned long long)transaction->tx_id,
		              (unsigned long long)transaction->commit_lsn, (unsigned long long)commit->tx,
		              (unsigned long long)commit->lsn);
		expect_events(transaction, commit);
		handed_over++;
		kept.last_commit_lsn = transaction->commit_lsn;
		kept.last_tx_id = transaction->tx_id;
	}
	for (size_t i = 0; i < transaction->position_count; i++)
		positions[transaction->positions[i].partition] = transaction->positions[i].next_offset;
	if (transaction->accepted)
		kept.accepted_id = kept.accept_new_slot = 0;
	transaction_free(transaction);
}

/* The operator's acknowledgement, which must be asked for exactly where the new history begins. */
static void accept_new_history(struct error *error)
{
	ck_assert_msg(strstr(error->message, "accept new-slot") != NULL && handed_over == lost_from, "%d: %s",
	              handed_over, error->message);
	error_free(error);
	stops++;
	kept.accepted_id = 1;
	kept.accept_new_slot = true;
	start_daemon();
}

static void take_all(void)
{
	for (;;) {
		struct transaction *transaction = NULL;
		struct error *error = assembler_next(assembler, &transaction);

		if (error != NULL)
			accept_new_history(error);
		else if (transaction == NULL)
			return;
		else
			keep(transaction);
	}
}

/* The source fails over when the daemon has caught up. */
static int written(uint32_t place)
{
	return failed_over ? message_count[place] : before_failover[place];
}

static void fail_over_when_caught_up(void)
{
	bool caught_up = handed_over == lost_from && assembler_total_waiting_bytes(assembler) == 0;

	for (uint32_t i = 0; i < PARTITIONS; i++)
		caught_up = caught_up && positions[i] == before_failover[i];
	failed_over = failed_over || caught_up;
}

static void quiet_second(void)
{
	struct transaction *transaction = assembler_progress(assembler);

	if (transaction != NULL)
		keep(transaction);
	assembler_tick(assembler, written(MARKS));
}

static void read_one(uint32_t place)
{
	const struct message *message = &messages[place][offsets[place]];
	uint32_t partition = message->event.partition;

	if (message->is_mark) {
		mark(message->is_end, message->tx, message->lsn, message->counts);
		return;
	}
	without_sequence = message->without_sequence;
	sent_in(message->event, place);
	ck_assert_uint_lt(partition, PARTITIONS);
}

static bool read_some(void)
{
	uint32_t place = (uint32_t)below(PARTITIONS);
	bool more = false;

	for (uint32_t i = 0; i < PARTITIONS; i++)
		more = more || offsets[i] < written(i);
	if (!more)
		return false;
	while (offsets[place] >= written(place))
		place = (place + 1) % PARTITIONS;
	for (int i = below(below(8) == 0 ? 200 : 8); i >= 0 && offsets[place] < written(place); i--)
		read_one(place);
	return true;
}

static void run_seed(unsigned seed)
{
	int quiet = 0;

	srand(seed);
	make_plan();
	memset(positions, 0, sizeof(positions));
	kept = (struct checkpoint){.last_commit_lsn = 100, .last_tx_id = 699};
	handed_over = stops = 0;
	failed_over = false;
	options.spill_bytes = below(3) == 0 ? 2000 : 0;
	start_daemon();
	for (int rounds = 0; quiet < 100; rounds++) {
		for (uint32_t i = 0; i < PARTITIONS; i++)
			high[i] = written(i);
		if (read_some())
			quiet = 0;
		else
			quiet++;
		take_all();
		fail_over_when_caught_up();
		if (quiet > 0 || below(20) == 0)
			quiet_second();
		if (rounds < 1000 && below(40) == 0)
			start_daemon();
	}
	ck_assert_int_eq(handed_over, commit_count);
	ck_assert_int_eq(stops, commit_count > COMMITS ? 1 : 0);
	for (uint32_t i = 0; i < PARTITIONS; i++)
		ck_assert_int_eq(positions[i], message_count[i]);
	ck_assert_uint_eq(assembler_total_waiting_bytes(assembler), 0);
}

START_TEST(every_transaction_comes_once)
{
	run_seeds(run_seed, 300);
}
END_TEST

static void setup(void)
{
	assembling_set_up();
	options.find_end = search;
	for (uint32_t i = 0; i < PARTITIONS; i++) {
		partition_list_add(names,
		                   i == WIDE2     ? "p.public.wide"
		                   : i == MARKS   ? "p.transaction"
		                   : i == WIDE    ? "p.public.wide"
		                   : i == COUNTER ? "p.public.counter"
		                                  : "p.public.log",
		                   i == WIDE2 ? 1 : 0);
		messages[i] = memory_alloc(MOST_MESSAGES * sizeof(*messages[i]));
	}
	slab_writer_init(&writer, &account);
}

static void teardown(void)
{
	assembling_tear_down();
	slab_writer_close(&writer);
	for (uint32_t i = 0; i < PARTITIONS; i++)
		free(messages[i]);
	ck_assert_uint_eq(slab_bytes_in_use(&account), 0);
}

int main(void)
{
	Suite *suite = suite_create("assembler_random");
	TCase *tests = tcase_create("all");
	SRunner *runner;
	int failed;

	log_configure(getenv("TEST_LOG") != NULL ? LOG_DEBUG : LOG_ERROR, false);
	tcase_set_timeout(tests, 600);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, every_transaction_comes_once);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
