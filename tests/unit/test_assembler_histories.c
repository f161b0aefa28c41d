/*
 * test_assembler_histories.c - random histories in which the connector leaves transactions and snapshots unfinished:
 * whatever it leaves, the stream continues.
 *
 * A source commits, a connector writes to Kafka, a daemon reads, all in small random steps. The connector dies with a
 * random part of each partition's messages unwritten: BEGIN without END, END without all events, events without BEGIN, a
 * snapshot without its end. It then resumes at its stored offset, which repeats events, or loses its offsets and
 * makes a new snapshot, after which it never sends what was lost. It makes blocking snapshots inside transactions. Topics
 * are deleted and created again. The daemon restarts at any place, also with a checkpoint of some time before, and the
 * operator accepts each gap that it reports.
 *
 * Then the source is idle: everything that can be handed over must be. Then it commits some transactions more: they must be
 * handed over, and nothing may be left.
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

enum { MOST_COMMITS = 200, MOST_EVENTS = 4, MOST_MESSAGES = 4000, MOST_ROWS = 12, MOST_ACCEPTED = 30 };

/* The source. */

struct commit {
	uint64_t tx, lsn, previous;
	bool in_snapshot; /* the connector made a snapshot that contains it */
	int events;
	struct {
		uint32_t partition;
		int id;
		uint64_t lsn;
	} event[MOST_EVENTS];
};

static struct commit commits[MOST_COMMITS];
static int commit_count;
static uint64_t wal;
static uint64_t next_tx;
static int rows_made;

/* Kafka and the connector. */

struct message {
	enum { BEGIN, END, EVENT, ROW } kind;
	int commit;
	uint32_t partition; /* of its table */
	struct sent event;
	enum snapshot_mark mark;
};

struct messages {
	struct message *message;
	int count;
};

struct place {
	int commit, event; /* event -1: BEGIN is next */
	bool first;        /* sequence[0] is null */
};

static struct {
	bool alive;
	struct place place, stored;
	bool has_stored;
	struct sent row; /* of the current snapshot */
	int rows;        /* that it still sends */
	uint32_t row_partition[MOST_ROWS];
	bool initial, first_row;
} connector;

static struct messages kafka[PARTITIONS], pending[PARTITIONS];
static bool one_topic;

/* The daemon. */

static struct checkpoint kept;
static int64_t positions[PARTITIONS];
static bool gone[PARTITIONS];
static int last_commit; /* handed over; -1: none */
static int accepted, may_lack, deletions;
static struct {
	struct checkpoint kept;
	int64_t positions[PARTITIONS];
	int last_commit;
	bool valid;
} earlier;

static int below(int limit)
{
	return rand() % limit;
}

static void commit_source(void)
{
	struct commit *commit = &commits[commit_count];
	uint64_t previous = commit_count == 0 ? 100 : commits[commit_count - 1].lsn;

	ck_assert_int_lt(commit_count, MOST_COMMITS);
	*commit = (struct commit){.tx = next_tx++, .previous = previous, .events = below(MOST_EVENTS + 1)};
	for (int i = 0; i < commit->events; i++) {
		uint64_t least = i > 0 ? commit->event[i - 1].lsn : wal - (uint64_t)below(below(2) * 80 + 1);

		commit->event[i].partition = WIDE + (uint32_t)below(4);
		commit->event[i].id = ++rows_made;
		commit->event[i].lsn = least + 1 + (uint64_t)below(10);
		if (commit->event[i].lsn > wal)
			wal = commit->event[i].lsn;
	}
	wal += 1 + (uint64_t)below(50);
	commit->lsn = wal;
	commit_count++;
}

static void append(struct messages *messages, struct message message)
{
	ck_assert_int_lt(messages->count, MOST_MESSAGES);
	messages->message[messages->count++] = message;
}

static void produce(struct message message)
{
	append(&pending[one_topic ? MARKS : message.partition], message);
}

/* Writes the first messages that wait for a partition. */
static void flush_some(uint32_t place, int count)
{
	struct messages *queue = &pending[place];

	if (count > queue->count)
		count = queue->count;
	for (int i = 0; i < count; i++)
		append(&kafka[place], queue->message[i]);
	queue->count -= count;
	memmove(queue->message, queue->message + count, (size_t)queue->count * sizeof(*queue->message));
}

static void flush_all(void)
{
	for (uint32_t i = 0; i < PARTITIONS; i++)
		flush_some(i, pending[i].count);
}

static void send_row(void)
{
	struct sent row = connector.row;

	row.partition = connector.row_partition[--connector.rows];
	row.id = 10000 + ++rows_made;
	produce((struct message){.kind = ROW,
	                         .partition = row.partition,
	                         .event = row,
	                         .mark = connector.rows == 0 ? SNAPSHOT_LAST : SNAPSHOT_ROW});
	if (connector.initial && connector.first_row) /* without a row nothing shows the snapshot */
		flush_some(one_topic ? MARKS : row.partition, MOST_MESSAGES);
	connector.first_row = false;
}

/* Of each table some rows, in the order of the tables; of some none. */
static void begin_snapshot(struct sent row, bool initial)
{
	connector.row = row;
	connector.row.op = 'r';
	connector.initial = initial;
	connector.first_row = true;
	connector.rows = 0;
	for (uint32_t table = KEYLESS; table >= WIDE; table--)
		for (int i = below(3); i > 0 && connector.rows < MOST_ROWS; i--)
			connector.row_partition[connector.rows++] = table;
	if (initial && connector.rows == 0) /* without a row nothing shows it */
		connector.row_partition[connector.rows++] = WIDE + (uint32_t)below(4);
}

static void send_event(void)
{
	struct place *place = &connector.place;
	const struct commit *commit = &commits[place->commit];
	const uint64_t previous = place->first ? 0 : commit->previous;
	struct sent event = {.op = 'c',
	                     .partition = commit->event[place->event].partition,
	                     .id = commit->event[place->event].id,
	                     .lsn = commit->event[place->event].lsn,
	                     .number = (uint64_t)place->event + 1,
	                     .previous = previous,
	                     .tx = commit->tx};

	produce((struct message){.kind = EVENT, .commit = place->commit, .partition = event.partition, .event = event});
	place->event++;
	/*
	 * Not in the first transaction after a restart (sequence[0] is null): such a snapshot looks like a new one, and an event of its
	 * own transaction may be dismissed before END is read; the stream then stops at END (seed 1796070339 without this condition).
	 */
	if (below(12) == 0 && !place->first)
		begin_snapshot((struct sent){.tx = commit->tx, .lsn = event.lsn, .previous = previous}, false);
}

static void connector_step(void)
{
	struct place *place = &connector.place;

	if (!connector.alive)
		return;
	if (connector.rows > 0) {
		send_row();
		return;
	}
	if (place->commit == commit_count)
		return;
	if (place->event < 0) {
		produce((struct message){.kind = BEGIN, .commit = place->commit, .partition = MARKS});
		place->event = 0;
	} else if (place->event < commits[place->commit].events) {
		send_event();
	} else {
		produce((struct message){.kind = END, .commit = place->commit, .partition = MARKS});
		*place = (struct place){.commit = place->commit + 1, .event = -1};
	}
}

/* An initial snapshot that is not at its end has no offset. */
static void store_offset(void)
{
	if (!connector.alive || (connector.initial && connector.rows > 0))
		return;
	flush_all();
	connector.stored = connector.place;
	connector.has_stored = true;
}

static void connector_dies(void)
{
	log_debug("the connector dies in transaction %llu, event %d",
	          (unsigned long long)commits[connector.place.commit].tx, connector.place.event);
	connector.alive = false;
	for (uint32_t i = 0; i < PARTITIONS; i++)
		pending[i].count = 0;
}

static void connector_starts(void)
{
	connector.alive = true;
	if (connector.has_stored && below(2) == 0) {
		connector.place = connector.stored;
		log_debug("the connector resumes in transaction %llu, event %d",
		          (unsigned long long)commits[connector.place.commit].tx, connector.place.event);
		connector.place.first = connector.place.first || below(4) == 0;
		connector.rows = 0;
		return;
	}
	wal += (uint64_t)below(2) * 5;
	log_debug("a new snapshot: transaction %llu, LSN %llu", (unsigned long long)next_tx, (unsigned long long)wal);
	begin_snapshot((struct sent){.tx = next_tx++, .lsn = wal}, true);
	connector.has_stored = false;
	connector.place = (struct place){.commit = commit_count, .event = -1, .first = true};
	for (int i = 0; i < commit_count; i++)
		commits[i].in_snapshot = true;
}

/* The daemon. */

static enum end_answer search(const struct end_query *query, uint64_t *commit_lsn, void *context)
{
	(void)context;
	if (below(3) == 0)
		return END_UNKNOWN;
	for (int64_t i = 0; i < query->before && i < kafka[query->partition].count; i++) {
		const struct message *message = &kafka[query->partition].message[i];
		const struct commit *commit = &commits[message->commit];

		if (message->kind != END || commit->tx != query->tx_id || commit->lsn < query->lowest_lsn ||
		    commit->lsn > query->highest_lsn)
			continue;
		*commit_lsn = commit->lsn;
		return END_FOUND;
	}
	return END_ABSENT;
}

static bool is_place(uint32_t partition)
{
	return partition == MARKS || !one_topic;
}

/* A position that Kafka does not have: the topic was created again, which the operator accepted. */
static void start_daemon(void)
{
	bool again[PARTITIONS] = {false};

	log_debug("the daemon starts behind %llu%s", (unsigned long long)kept.last_commit_lsn,
	          kept.accept_gap ? ", gap accepted" : "");
	kept.exists = true;
	assembler_free(assembler);
	assembler = assembler_new(&options, &kept, names);
	assembler_expect_marks(assembler, MARKS);
	for (uint32_t i = 0; i < PARTITIONS; i++) {
		if (!is_place(i))
			continue;
		if (positions[i] < 0 || positions[i] > kafka[i].count) {
			ck_assert(kept.accept_gap);
			again[i] = true;
			positions[i] = 0;
		}
		offsets[i] = positions[i];
		assembler_add_partition(assembler, i, offsets[i]);
		gone[i] = false;
	}
	for (uint32_t i = 0; i < PARTITIONS && kept.accept_gap; i++) {
		if (!is_place(i))
			continue;
		assembler_accept_gap(assembler, i, kafka[i].count);
		if (again[i])
			assembler_read_again(assembler, i, kafka[i].count);
	}
}

static void accept_gap(void)
{
	ck_assert_msg(deletions > 0, "a gap without a reason");
	ck_assert_msg(accepted++ < MOST_ACCEPTED, "it stops again and again");
	kept.accepted_id = accepted;
	kept.accept_gap = true;
}

static bool is_of(const struct commit *commit, int id)
{
	for (int i = 0; i < commit->events; i++)
		if (commit->event[i].id == id)
			return true;
	return false;
}

static void check_events(const struct transaction *transaction, const struct commit *commit)
{
	struct transaction *piece = transaction_new(TRANSACTION_STREAMED);
	const struct transaction *all = transaction->spill != NULL ? piece : transaction;
	uint64_t place = 0, lsn = 0;

	if (transaction->spill != NULL)
		GOOD(spill_read(transaction->spill, &place, 100, 1 << 20, piece));
	for (size_t i = 0; i < all->change_count; i++) {
		const struct change *change = all->changes[i];

		ck_assert_uint_gt(change->lsn, lsn);
		lsn = change->lsn;
		ck_assert(is_of(commit, atoi(change->after[0].data)));
	}
	ck_assert_msg((int)all->change_count == commit->events || accepted > 0 || transaction->may_lack,
	              "transaction %llu came with %zu of %d events", (unsigned long long)transaction->tx_id,
	              all->change_count, commit->events);
	transaction_free(piece);
}

static void keep_streamed(const struct transaction *transaction)
{
	int number = last_commit + 1;

	log_debug("transaction %llu is handed over", (unsigned long long)transaction->tx_id);
	may_lack += transaction->may_lack;
	for (; number < commit_count && commits[number].lsn < transaction->commit_lsn; number++)
		ck_assert_msg(commits[number].in_snapshot || accepted > 0, "transaction %llu was left out before %llu",
		              (unsigned long long)commits[number].tx, (unsigned long long)transaction->tx_id);
	ck_assert_msg(number < commit_count && commits[number].lsn == transaction->commit_lsn,
	              "transaction %llu at %llu came after %d", (unsigned long long)transaction->tx_id,
	              (unsigned long long)transaction->commit_lsn, last_commit);
	check_events(transaction, &commits[number]);
	last_commit = number;
	kept.last_commit_lsn = transaction->commit_lsn;
	kept.last_tx_id = transaction->tx_id;
}

static void keep(struct transaction *transaction)
{
	if (transaction->kind == TRANSACTION_STREAMED)
		keep_streamed(transaction);
	if (transaction->kind == TRANSACTION_SNAPSHOT && !transaction->snapshot_late &&
	    transaction->snapshot.lsn != 0) {
		if (kept.snapshot.tx_id != transaction->snapshot.tx_id ||
		    kept.snapshot.lsn != transaction->snapshot.lsn)
			kept.snapshot_last_row = false;
		kept.snapshot = transaction->snapshot;
		kept.snapshot_open = !transaction->snapshot_ends;
		kept.snapshot_last_row |= transaction->snapshot_last_row;
	}
	for (size_t i = 0; i < transaction->position_count; i++)
		positions[transaction->positions[i].partition] = transaction->positions[i].next_offset;
	if (transaction->accepted) {
		kept.accepted_id = 0;
		kept.accept_gap = false;
	}
	transaction_free(transaction);
}

static void take_all(void)
{
	for (;;) {
		struct transaction *transaction = NULL;
		struct error *error = assembler_next(assembler, &transaction);

		if (error != NULL) {
			ck_assert_msg(error->class == ERROR_GAP && deletions > 0 &&
			                  strstr(error->message, "accept gap") != NULL,
			              "%s", error->message);
			error_free(error);
			accept_gap();
			start_daemon();
		} else if (transaction == NULL) {
			return;
		} else {
			keep(transaction);
		}
	}
}

static void read_one(uint32_t place)
{
	const struct message *message = &kafka[place].message[offsets[place]];
	const struct commit *commit = &commits[message->commit];
	struct counts counts = {0};

	log_debug("%u@%lld: %s of transaction %llu, LSN %llu after %llu, partition %u", place,
	          (long long)offsets[place],
	          message->kind == BEGIN   ? "BEGIN"
	          : message->kind == END   ? "END"
	          : message->kind == EVENT ? "event"
	                                   : "row",
	          (unsigned long long)(message->kind >= EVENT ? message->event.tx : commit->tx),
	          (unsigned long long)(message->kind >= EVENT ? message->event.lsn : commit->lsn),
	          (unsigned long long)message->event.previous, message->partition);
	if (message->kind == EVENT || message->kind == ROW) {
		without_sequence = message->event.previous == 0;
		row_mark = message->mark;
		sent_in(message->event, place);
		return;
	}
	for (int i = 0; message->kind == END && i < commit->events; i++) {
		counts.wide += commit->event[i].partition == WIDE || commit->event[i].partition == WIDE2;
		counts.counter += commit->event[i].partition == COUNTER;
		counts.keyless += commit->event[i].partition == KEYLESS;
	}
	mark(message->kind == END, commit->tx, message->kind == END ? commit->lsn : commit->previous + 1, counts);
}

/* A partition whose topic was deleted is read again once all of it was handed over. */
static bool is_readable(uint32_t place)
{
	if (gone[place] && kafka[place].count > 0 && assembler_partition_is_drained(assembler, place)) {
		gone[place] = false;
		offsets[place] = 0;
		assembler_add_partition(assembler, place, 0);
	}
	return is_place(place) && !gone[place] && offsets[place] < kafka[place].count;
}

static bool read_some(void)
{
	uint32_t place = (uint32_t)below(PARTITIONS);

	for (uint32_t i = 0; i < PARTITIONS && !is_readable(place); i++)
		place = (place + 1) % PARTITIONS;
	if (!is_readable(place))
		return false;
	for (int i = below(below(8) == 0 ? 50 : 6); i >= 0 && is_readable(place); i--)
		read_one(place);
	return true;
}

static void note_ends(void)
{
	for (uint32_t i = 0; i < PARTITIONS; i++)
		high[i] = is_place(i) && !gone[i] && kafka[i].count > 0 ? kafka[i].count : 0;
}

static void quiet_second(void)
{
	struct transaction *transaction = assembler_progress(assembler);

	if (transaction != NULL)
		keep(transaction);
	assembler_tick(assembler, kafka[MARKS].count);
	take_all();
}

static void read_all(void)
{
	do {
		note_ends();
		take_all();
	} while (read_some());
}

static void stay_idle(int seconds)
{
	for (int i = 0; i < seconds; i++) {
		read_all();
		quiet_second();
	}
	read_all();
}

/* Read to its end and without an open snapshot, the partition is dropped; else the stream stops, and the gap is accepted. */
static void delete_topic(void)
{
	uint32_t first = WIDE + (uint32_t)below(4), last = first;
	bool is_read = below(2) == 0 && !assembler_snapshot_is_open(assembler);

	if (one_topic || connector.place.event >= 0 || connector.stored.event >= 0 || connector.rows > 0)
		return;
	flush_all();
	if (first == WIDE || first == WIDE2)
		first = WIDE, last = WIDE2;
	for (uint32_t i = first; i <= last; i++)
		is_read = is_read && !gone[i] && offsets[i] == kafka[i].count;
	for (uint32_t i = first; i <= last; i++) {
		kafka[i].count = 0;
		if (is_read) {
			assembler_drop_partition(assembler, i);
			gone[i] = true;
		} else {
			positions[i] = -1;
		}
	}
	earlier.valid = false;
	deletions++;
	log_debug("topic of partition %u is deleted%s", first, is_read ? "" : ", unread");
	note_ends();
	if (is_read)
		return;
	accept_gap();
	start_daemon();
}

static void restart_daemon(void)
{
	for (uint32_t i = 0; i < PARTITIONS; i++)
		if (gone[i] && positions[i] != 0) { /* the position of the deleted topic is still stored: a gap */
			positions[i] = -1;
			if (!kept.accept_gap)
				accept_gap();
		}
	if (earlier.valid && below(4) == 0) { /* the target lost its last commits */
		kept = earlier.kept;
		last_commit = earlier.last_commit;
		memcpy(positions, earlier.positions, sizeof(positions));
	}
	start_daemon();
}

static void remember(void)
{
	for (uint32_t i = 0; i < PARTITIONS; i++)
		if (gone[i] || positions[i] < 0)
			return;
	earlier.valid = true;
	earlier.kept = kept;
	earlier.last_commit = last_commit;
	memcpy(earlier.positions, positions, sizeof(positions));
}

static void random_step(void)
{
	switch (below(60)) {
	case 0:
		connector_dies();
		break;
	case 1:
		if (below(4) == 0)
			delete_topic();
		break;
	case 2:
		restart_daemon();
		break;
	case 3:
		remember();
		break;
	case 4:
		if (below(3) == 0 && !connector.alive)
			stay_idle(below(15));
		break;
	case 5:
	case 6:
		store_offset();
		break;
	case 7:
	case 8:
	case 9:
		if (!connector.alive)
			connector_starts();
		break;
	default:
		if (below(8) == 0 && commit_count < MOST_COMMITS - 20)
			commit_source();
		connector_step();
		if (below(3) == 0)
			flush_some((uint32_t)below(PARTITIONS), 1 + below(6));
		if (below(3) == 0)
			(void)read_some();
	}
	note_ends();
	take_all();
}

static void connector_catches_up(void)
{
	if (!connector.alive)
		connector_starts();
	for (int i = 0; i < 2000; i++)
		connector_step();
	flush_all();
}

static void check_idle(void)
{
	char *wait = assembler_describe_wait(assembler);

	ck_assert_msg(wait == NULL || strcmp(wait, "the snapshot's last row") == 0 || strstr(wait, " its END") != NULL,
	              "an idle source, and the stream waits for %s", wait);
	free(wait);
}

static void run_seed(unsigned seed)
{
	char *wait;

	srand(seed);
	one_topic = below(4) == 0;
	commit_count = rows_made = accepted = may_lack = deletions = 0;
	wal = 110;
	next_tx = 700;
	last_commit = -1;
	earlier.valid = false;
	memset(&connector, 0, sizeof(connector));
	memset(positions, 0, sizeof(positions));
	memset(gone, 0, sizeof(gone));
	for (uint32_t i = 0; i < PARTITIONS; i++)
		kafka[i].count = pending[i].count = 0;
	kept = (struct checkpoint){0};
	options.spill_bytes = below(4) == 0 ? 2000 : 0;
	start_daemon();
	connector.alive = true;
	connector.place.event = -1;
	connector.place.first = true;
	if (below(2) == 0)
		connector_starts();
	for (int i = below(1500); i >= 0; i--)
		random_step();
	connector_catches_up();
	stay_idle(150);
	check_idle();
	for (int i = 0; i < 3; i++)
		commit_source();
	connector_catches_up();
	stay_idle(150);
	ck_assert_int_eq(last_commit, commit_count - 1);
	ck_assert_uint_eq(assembler_total_waiting_bytes(assembler), 0);
	wait = assembler_describe_wait(
	    assembler); /* rows of a partition that was read last may be those of a snapshot before */
	ck_assert_msg(wait == NULL || strcmp(wait, "the snapshot's last row") == 0, "the stream waits for %s", wait);
	free(wait);
	for (uint32_t i = 0; i < PARTITIONS; i++)
		if (is_place(i) && !gone[i])
			ck_assert_int_eq(positions[i], kafka[i].count);
}

START_TEST(nothing_waits_without_end)
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
		kafka[i].message = memory_alloc(MOST_MESSAGES * sizeof(struct message));
		pending[i].message = memory_alloc(MOST_MESSAGES * sizeof(struct message));
	}
	slab_writer_init(&writer, &account);
}

static void teardown(void)
{
	assembling_tear_down();
	slab_writer_close(&writer);
	for (uint32_t i = 0; i < PARTITIONS; i++) {
		free(kafka[i].message);
		free(pending[i].message);
	}
	ck_assert_uint_eq(slab_bytes_in_use(&account), 0);
}

int main(void)
{
	Suite *suite = suite_create("assembler_histories");
	TCase *tests = tcase_create("all");
	SRunner *runner;
	int failed;

	log_configure(getenv("TEST_LOG") != NULL ? LOG_DEBUG : LOG_ERROR, false);
	tcase_set_timeout(tests, 600);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, nothing_waits_without_end);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
