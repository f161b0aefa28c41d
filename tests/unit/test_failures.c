/*
 * test_failures.c - each allocation, and each call of libpq that can fail, fails in turn while recorded events of the
 * real connector (tests/corpus), and one transaction behind them whose inserts go by COPY, go through decoder,
 * assembler, applier and checkpoint into a real server. What librdkafka's calls do: test_failures_kafka.c.
 *
 * NOTES
 *   The calls are wrapped at link time (WRAPPED in the Makefile); a countdown selects the one that fails:
 *     memory    an allocation gives NULL
 *     refused   libpq returns its failure; of PQgetResult, whose command the server has executed, an error without
 *               SQLSTATE
 *     cut       the connection is shut down just before the call: what was sent before still reaches the server, what
 *               would be sent now does not
 *     unsent, unanswered   the connection is shut down just before COMMIT is sent, or once its answer is there and
 *               unread
 *
 *   A run is a process of its own, as under a service manager: it goes through, or ends with a message and is started
 *   again. First every transaction is applied by itself, and a digest of the tables noted with each checkpoint.
 *   Whatever failed, the tables must then be those of the checkpoint that stands beside them, and in the end those of
 *   the last.
 *
 *   By default a few calls of each kind fail, chosen by the seed. FAILURES=all: all of them; FAILURES=N: that many of
 *   each kind.
 */
#include "base/exit_code.h"
#include "base/log.h"
#include "base/memory.h"
#include "corpus.h"
#include "postgres.h"
#include "stream/assembler.h"
#include "target/applier.h"
#include "target/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CORPUS "routed"
#define LONGEST_RUN_S 60
#define EXIT_OF_ERROR 100 /* plus its class */
#define FEW 3
#define COPIED_ROWS 200 /* the least that goes by COPY (batch.c), and less than spill_bytes */

enum kind { MEMORY, REFUSED, CUT, COMMIT_UNSENT, COMMIT_UNANSWERED, KINDS };

static const char *const kind_names[KINDS] = {"memory", "refused", "cut", "unsent", "unanswered"};

/* Of the run at hand; in memory that the runs and the test share. */
static struct shared {
	enum kind kind;
	long fails;       /* which call; 0: none */
	long calls;       /* of that kind so far */
	const char *only; /* calls of this name count; NULL: of all */
	bool committed;
	bool counting;
	bool applying; /* within applier_run */
	char what[64]; /* the name of the call that failed */
} * shared;

static bool fails(enum kind kind, const char *what)
{
	if (!shared->counting || kind != shared->kind || (shared->only != NULL && strcmp(shared->only, what) != 0))
		return false;
	if (++shared->calls != shared->fails)
		return false;
	snprintf(shared->what, sizeof(shared->what), "%s", what);
	return true;
}

/* Allocations of ours. */

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size);
int __real_vasprintf(char **text, const char *format, va_list arguments);
int __wrap_vasprintf(char **text, const char *format, va_list arguments);

void *__wrap_calloc(size_t count, size_t size)
{
	return fails(MEMORY, "calloc") ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
	return fails(MEMORY, "realloc") ? NULL : __real_realloc(block, size);
}

int __wrap_vasprintf(char **text, const char *format, va_list arguments)
{
	return fails(MEMORY, "vasprintf") ? -1 : __real_vasprintf(text, format, arguments);
}

/* libpq. True: the call is to be refused. */
static bool refuses(PGconn *handle, const char *what)
{
	if (fails(CUT, what))
		shutdown(PQsocket(handle), SHUT_RDWR);
	return fails(REFUSED, what);
}

#define WRAP(type, name, declared, given, refusal)                                                                     \
	type __real_##name declared;                                                                                   \
	type __wrap_##name declared;                                                                                   \
	type __wrap_##name declared                                                                                    \
	{                                                                                                              \
		return refuses(handle, #name) ? refusal : __real_##name given;                                         \
	}

/* The server has answered, so what it was asked for is done; nobody will know. */
static void lose_answer(PGconn *handle)
{
	struct pollfd socket = {.fd = PQsocket(handle), .events = POLLIN};
	char answer[4096];
	ssize_t length;

	while (PQflush(handle) > 0 || poll(&socket, 1, 100) <= 0)
		;
	length = recv(socket.fd, answer, sizeof(answer), MSG_DONTWAIT);
	shared->committed = length > 0 && memmem(answer, (size_t)length, "COMMIT", 6) != NULL;
	shutdown(socket.fd, SHUT_RDWR);
}

int __real_PQsendQuery(PGconn *handle, const char *sql);
int __wrap_PQsendQuery(PGconn *handle, const char *sql);
int __wrap_PQsendQuery(PGconn *handle, const char *sql)
{
	bool commit = shared->applying && strcmp(sql, "COMMIT") == 0;
	int sent;

	if (commit && fails(COMMIT_UNSENT, "COMMIT"))
		shutdown(PQsocket(handle), SHUT_RDWR);
	if (refuses(handle, "PQsendQuery"))
		return 0;
	sent = __real_PQsendQuery(handle, sql);
	if (commit && fails(COMMIT_UNANSWERED, "COMMIT"))
		lose_answer(handle);
	return sent;
}

WRAP(int, PQsendQueryParams,
     (PGconn * handle, const char *sql, int count, const Oid *types, const char *const *values, const int *lengths,
      const int *formats, int format),
     (handle, sql, count, types, values, lengths, formats, format), 0)
WRAP(int, PQsendQueryPrepared,
     (PGconn * handle, const char *name, int count, const char *const *values, const int *lengths, const int *formats,
      int format),
     (handle, name, count, values, lengths, formats, format), 0)
WRAP(int, PQsendPrepare, (PGconn * handle, const char *name, const char *sql, int count, const Oid *types),
     (handle, name, sql, count, types), 0)
WRAP(int, PQflush, (PGconn * handle), (handle), -1)
WRAP(int, PQconsumeInput, (PGconn * handle), (handle), 0)
WRAP(int, PQenterPipelineMode, (PGconn * handle), (handle), 0)
WRAP(int, PQexitPipelineMode, (PGconn * handle), (handle), 0)
WRAP(int, PQpipelineSync, (PGconn * handle), (handle), 0)
WRAP(int, PQputCopyData, (PGconn * handle, const char *data, int length), (handle, data, length), -1)
WRAP(int, PQputCopyEnd, (PGconn * handle, const char *error), (handle, error), -1)
WRAP(int, PQsetnonblocking, (PGconn * handle, int on), (handle, on), -1)
WRAP(PostgresPollingStatusType, PQconnectPoll, (PGconn * handle), (handle), PGRES_POLLING_FAILED)
WRAP(PQconninfoOption *, PQconninfo, (PGconn * handle), (handle), NULL)

PGresult *__real_PQgetResult(PGconn *handle);
PGresult *__wrap_PQgetResult(PGconn *handle);
PGresult *__wrap_PQgetResult(PGconn *handle)
{
	PGresult *result = __real_PQgetResult(handle);

	if (result == NULL || !refuses(handle, "PQgetResult"))
		return result;
	PQclear(result);
	return PQmakeEmptyPGresult(NULL, PGRES_FATAL_ERROR);
}

PGconn *__real_PQconnectStartParams(const char *const *names, const char *const *values, int expand);
PGconn *__wrap_PQconnectStartParams(const char *const *names, const char *const *values, int expand);
PGconn *__wrap_PQconnectStartParams(const char *const *names, const char *const *values, int expand)
{
	if (shared->kind == REFUSED && fails(REFUSED, "PQconnectStartParams"))
		return NULL;
	return __real_PQconnectStartParams(names, values, expand);
}

PQconninfoOption *__real_PQconninfoParse(const char *text, char **message);
PQconninfoOption *__wrap_PQconninfoParse(const char *text, char **message);
PQconninfoOption *__wrap_PQconninfoParse(const char *text, char **message)
{
	if (shared->kind == REFUSED && fails(REFUSED, "PQconninfoParse"))
		return NULL;
	return __real_PQconninfoParse(text, message);
}

/* Waits between attempts are not what is tested. */
void __wrap_clock_sleep_ms(int ms);
void __wrap_clock_sleep_ms(int ms)
{
	const struct timespec moment = {0, ms > 0 ? 1000000 : 0};

	nanosleep(&moment, NULL);
}

/* One run. */

static struct config config = {
    .stream = {.name = "failures", .holder_timeout_ms = 60000},
    .target = {.schema = "failures_state", .synchronous_commit = true, .batch_rows = 40, .batch_bytes = 1 << 18},
    .decoding = {.modes = {.decimal = DECIMAL_MODE_STRING,
                           .interval = INTERVAL_MODE_STRING,
                           .time = TIME_MODE_ISOSTRING,
                           .hstore = HSTORE_MODE_JSON}},
};
static struct corpus *corpus;
static char end_of_events[16]; /* the offset behind the last */
static struct pg_connection *side;

static void add_message(const char *key, const char *value)
{
	json_t *line = json_pack("{ss si sI si ss ss}", "topic", "routed.all", "partition", 0, "offset",
	                         (json_int_t)corpus->count, "timestamp", 1, "key", key, "value", value);

	ck_assert_ptr_nonnull(line);
	corpus_add(corpus, line);
}

static void add_mark(const char *status, const char *id, const char *counts)
{
	char *value = memory_format("{\"status\":\"%s\",\"id\":\"%s\",%s,\"ts_ms\":1}", status, id, counts);

	add_message("{}", value);
	free(value);
}

/* Behind all others. */
static void add_copied_transaction(void)
{
	char *counts = memory_format("\"event_count\":%d,\"data_collections\":[{\"data_collection\":"
	                             "\"public.truncated_t\",\"event_count\":%d}]",
	                             COPIED_ROWS, COPIED_ROWS);
	char key[32];

	add_mark("BEGIN", "171500:204500000", "\"event_count\":null,\"data_collections\":null");
	for (int i = 1; i <= COPIED_ROWS; i++) {
		char *value = memory_format(
		    "{\"before\":null,\"after\":{\"id\":%d,\"v\":\"x\"},\"source\":{\"version\":\"3.7.0.Final\","
		    "\"connector\":\"postgresql\",\"name\":\"routed\",\"ts_ms\":1,\"snapshot\":\"false\",\"db\":"
		    "\"corpus\","
		    "\"sequence\":\"[\\\"204497776\\\",\\\"204500000\\\"]\",\"schema\":\"public\",\"table\":"
		    "\"truncated_t\","
		    "\"txId\":171500,\"lsn\":204500000,\"xmin\":null},\"transaction\":{\"id\":\"171500:204500000\","
		    "\"total_order\":%d,\"data_collection_order\":%d},\"op\":\"c\",\"ts_ms\":1}",
		    1000 + i, i, i);

		snprintf(key, sizeof(key), "{\"id\":%d}", 1000 + i);
		add_message(key, value);
		free(value);
	}
	add_mark("END", "171500:204600000", counts);
	free(counts);
	snprintf(end_of_events, sizeof(end_of_events), "%zu", corpus->count);
}

static bool is_excluded(const struct collection *collection, void *context)
{
	(void)context;
	/* Its events cannot be applied without a log of schema changes (tests/golden/expected-failures.txt). */
	return strcmp(collection->name, "commerce.products") == 0;
}

static bool end_of_corpus(uint32_t partition, int64_t *high, void *context)
{
	(void)partition;
	(void)context;
	*high = (int64_t)corpus->count;
	return true;
}

struct feed {
	struct partition_list *names;
	struct slab_account account;
	struct slab_writer writer;
	struct decoder *decoder;
	struct assembler *assembler;
	struct transaction *first, *last;
};

static struct error *feed_message(struct feed *feed, const struct raw_message *message)
{
	struct decoded decoded = {0};

	TRY(decoder_decode(feed->decoder, message, &feed->writer, &decoded));
	if (decoded.kind == DECODED_CHANGE)
		return assembler_push_change(feed->assembler, decoded.change);
	if (decoded.kind == DECODED_MARK)
		return assembler_push_mark(feed->assembler, decoded.mark);
	assembler_push_nothing(feed->assembler, message->partition, message->offset);
	return NULL;
}

static void feed_add(struct feed *feed, struct transaction *transaction)
{
	if (feed->last == NULL)
		feed->first = transaction;
	else
		feed->last->next = transaction;
	feed->last = transaction;
}

/* All transactions behind the checkpoint, in feed->first. */
static struct error *feed_all(struct feed *feed, const struct checkpoint *start)
{
	int64_t from = start->offset_count > 0 ? start->offsets[0].next_offset : 0;
	struct transaction *transaction;

	assembler_add_partition(feed->assembler, 0, from);
	for (size_t i = (size_t)from; i < corpus->count; i++) {
		TRY(feed_message(feed, &corpus->messages[i].raw));
		do {
			TRY(assembler_next(feed->assembler, &transaction));
			if (transaction != NULL)
				feed_add(feed, transaction);
		} while (transaction != NULL);
	}
	transaction = assembler_progress(feed->assembler);
	if (transaction != NULL)
		feed_add(feed, transaction);
	return NULL;
}

static void feed_open(struct feed *feed, const struct checkpoint *start, struct partition_list *names)
{
	const struct decoder_options decoding = decoder_options(&config);
	const struct assembler_options options = {.transactions = true,
	                                          .excluded = is_excluded,
	                                          .high_watermark = end_of_corpus,
	                                          .snapshot_run_rows = 20,
	                                          .spill_bytes = 50000,
	                                          .spill_dir = "/tmp",
	                                          .spill_limit = 1 << 28};

	*feed = (struct feed){.names = names};
	slab_writer_init(&feed->writer, &feed->account);
	feed->decoder = decoder_new(&decoding);
	feed->assembler = assembler_new(&options, start, names);
}

static void feed_close(struct feed *feed)
{
	while (feed->first != NULL) {
		struct transaction *next = feed->first->next;

		transaction_free(feed->first);
		feed->first = next;
	}
	assembler_free(feed->assembler);
	decoder_free(feed->decoder);
	slab_writer_close(&feed->writer);
	if (slab_bytes_in_use(&feed->account) != 0) {
		fprintf(stderr, "%zu bytes of events were not given back\n", slab_bytes_in_use(&feed->account));
		abort();
	}
}

/* As the daemon does it, in one thread: claim the stream, read, apply. */
static struct error *stream(void)
{
	struct partition_list *names = partition_list_new();
	struct transaction_queue *queue = transaction_queue_new(1000000, (size_t)1 << 30);
	struct checkpoint start = {0};
	struct applier *applier = NULL;
	struct feed feed;
	struct error *error;

	partition_list_add(names, "routed.all", 0);
	error = applier_new(&config, names, queue, &applier, &start);
	feed_open(&feed, &start, names);
	if (error == NULL) {
		applier_set_cluster_id(applier, "cluster");
		error = feed_all(&feed, &start);
	}
	while (error == NULL && feed.first != NULL) {
		struct transaction *next = feed.first->next;

		feed.first->next = NULL;
		if (!transaction_queue_offer(queue, feed.first))
			abort();
		feed.first = next;
	}
	if (error == NULL) {
		transaction_queue_close(queue);
		shared->applying = true;
		error = applier_run(applier);
		shared->applying = false;
		applier_write_end(applier, error);
	}
	checkpoint_free(&start);
	applier_free(applier);
	transaction_queue_free(queue);
	feed_close(&feed);
	partition_list_free(names);
	return error;
}

static _Noreturn void run_child(int log)
{
	struct error *error;
	int code = 0;

	dup2(log, STDERR_FILENO);
	signal(SIGALRM, SIG_DFL);
	alarm(LONGEST_RUN_S);
	shared->counting = true;
	error = stream();
	shared->counting = false;
	if (error != NULL) {
		fprintf(stderr, "ended: %s: %s\n", error_class_name(error->class), error->message);
		code = EXIT_OF_ERROR + (int)error->class;
		error_free(error);
	}
	exit(code); /* a sanitizer looks for leaks now */
}

/* The longest run of a test. */
static struct {
	int64_t us;
	long number;
	char what[64];
} slowest;

static void note_time(int64_t began_us, long number)
{
	int64_t took_us = clock_monotonic_us() - began_us;

	if (took_us <= slowest.us)
		return;
	slowest.us = took_us;
	slowest.number = number;
	snprintf(slowest.what, sizeof(slowest.what), "%s", shared->what);
}

static char *log_text(int log)
{
	static char text[65536];
	ssize_t length = pread(log, text, sizeof(text) - 1, 0);

	text[length < 0 ? 0 : length] = '\0';
	return text;
}

/* Its exit code. Fails the test when it did not end by itself, or without a word. */
static int run(long number)
{
	int log = open("/tmp", O_TMPFILE | O_RDWR, 0600), status;
	int64_t began_us = clock_monotonic_us();
	pid_t child;

	ck_assert_int_ge(log, 0);
	shared->fails = number;
	shared->calls = 0;
	shared->committed = false;
	shared->counting = shared->applying = false;
	shared->what[0] = '\0';
	fflush(NULL);
	child = fork();
	if (child == 0)
		run_child(log);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	note_time(began_us, number);
	ck_assert_msg(WIFEXITED(status), "%s call %ld (%s): the process was ended by signal %d%s:\n%s",
	              kind_names[shared->kind], number, shared->what, WTERMSIG(status),
	              WTERMSIG(status) == SIGALRM ? " (it hung)" : "", log_text(log));
	status = WEXITSTATUS(status);
	if (status == EXIT_SYSTEM && shared->kind == MEMORY)
		ck_assert_msg(strstr(log_text(log), "out of memory: the program ends") != NULL,
		              "no word of the memory:\n%s", log_text(log));
	else
		ck_assert_msg(status == 0 || (status >= EXIT_OF_ERROR && strstr(log_text(log), "ended: ") != NULL),
		              "%s call %ld (%s): exit code %d:\n%s", kind_names[shared->kind], number, shared->what,
		              status, log_text(log));
	close(log);
	return status;
}

/*
 * What the tables must be at each checkpoint: a trigger notes it, at the end of each target transaction, while every
 * source transaction has one of its own.
 */
static const char known_sql[] =
    "SET search_path = pg_catalog; CREATE TABLE failures_state.known (place text, digest text);"
    " CREATE FUNCTION failures_state.digest() RETURNS text LANGUAGE plpgsql AS $f$DECLARE t regclass; d text; a text "
    ":= '';"
    "  BEGIN FOR t IN SELECT c.oid FROM pg_class c WHERE c.relkind = 'r'"
    "   AND c.relnamespace::regnamespace::text IN ('public', 'commerce', '\"Odd Schema\"') ORDER BY c.oid LOOP"
    "   EXECUTE format('SELECT count(*) || '' '' || coalesce(sum(hashtextextended(r::text, 0)::numeric), 0) FROM %s "
    "r', t)"
    "    INTO d; a := a || d || ', '; END LOOP; RETURN md5(a); END$f$;"
    " CREATE FUNCTION failures_state.place() RETURNS text LANGUAGE sql AS"
    "  $f$SELECT coalesce((SELECT next_offset || ' ' || coalesce(last_commit_lsn::text, '')"
    "   FROM failures_state.offsets, failures_state.stream), 'beginning')$f$;"
    " CREATE FUNCTION failures_state.note() RETURNS trigger LANGUAGE plpgsql AS $f$BEGIN"
    "  INSERT INTO failures_state.known SELECT failures_state.place(), failures_state.digest(); RETURN NULL; END$f$;"
    " CREATE CONSTRAINT TRIGGER note AFTER INSERT OR UPDATE ON failures_state.offsets DEFERRABLE INITIALLY DEFERRED"
    "  FOR EACH ROW EXECUTE FUNCTION failures_state.note();"
    " ALTER TABLE failures_state.offsets ENABLE ALWAYS TRIGGER note;"
    " INSERT INTO failures_state.known SELECT 'beginning', failures_state.digest()";

static void expect_value(const char *when, const char *sql, const char *expected)
{
	char *value = postgres_value(side, sql);

	ck_assert_msg(strcmp(value, expected) == 0, "%s: %s gives %s", when, sql, value);
	free(value);
}

static void expect_known_state(const char *when)
{
	expect_value(when,
	             "SELECT CASE WHEN EXISTS (SELECT FROM failures_state.known WHERE place = failures_state.place()"
	             " AND digest = failures_state.digest()) THEN 'known' ELSE 'other tables than at checkpoint ' ||"
	             " failures_state.place() END",
	             "known");
}

static void empty_target(void)
{
	postgres_execute(
	    side,
	    "DO $$DECLARE t regclass; BEGIN SET LOCAL session_replication_role = replica; FOR t IN SELECT oid FROM "
	    "pg_class"
	    " WHERE relkind = 'r' AND relnamespace::regnamespace::text IN ('public', 'commerce', '\"Odd Schema\"') LOOP"
	    " EXECUTE 'DELETE FROM ' || t; END LOOP; DELETE FROM failures_state.offsets;"
	    " DELETE FROM failures_state.snapshot_progress; DELETE FROM failures_state.captured_table;"
	    " DELETE FROM failures_state.stream; END$$");
}

/* Made once for all tests, in a database of its own. */
static void set_up(void)
{
	struct pg_connection *server = postgres_connect();
	FILE *file = fopen("tests/corpus/schema.sql", "r");
	struct buffer schema = {0};
	char part[4096];
	size_t length;

	ck_assert_ptr_nonnull(file);
	postgres_execute(server, "SET client_min_messages = warning");
	postgres_execute(server, "DROP DATABASE IF EXISTS failures WITH (FORCE)");
	postgres_execute(server, "CREATE DATABASE failures");
	pg_disconnect(server);
	config.target.dsn = memory_format("%s dbname=failures", postgres_dsn());
	side = postgres_connect_to(config.target.dsn);
	while ((length = fread(part, 1, sizeof(part), file)) > 0)
		buffer_append(&schema, part, length);
	fclose(file);
	postgres_execute(side, "SET client_min_messages = warning; SET search_path = public");
	postgres_execute(side, schema.data);
	buffer_free(&schema);
	expect_no_error(checkpoint_install_schema(side, config.target.schema));
	postgres_execute(side, known_sql);
	corpus = corpus_load(CORPUS);
	add_copied_transaction();
	log_configure(LOG_ERROR, false);
	config.target.batch_rows = 1;
	expect_no_error(stream());
	config.target.batch_rows = 40;
	postgres_execute(side, "DROP TRIGGER note ON failures_state.offsets;"
	                       " CREATE INDEX ON failures_state.known (place)");
	expect_value("set up", "SELECT (count(DISTINCT digest) > 100)::text FROM failures_state.known", "true");
	expect_value("set up", "SELECT split_part(failures_state.place(), ' ', 1)", end_of_events);
	log_configure(LOG_INFO, false);
}

static void tear_down(void)
{
	struct pg_connection *server = postgres_connect();

	pg_disconnect(side);
	postgres_execute(server, "DROP DATABASE failures WITH (FORCE)");
	pg_disconnect(server);
	corpus_free(corpus);
	free((char *)config.target.dsn);
}

static unsigned unreached; /* later calls that did not come this time */

/*
 * The call with that number fails in a run that begins with an empty target; then as often as it takes without a
 * failure.
 */
static void fail_one(long number, unsigned outcomes[2])
{
	char when[128];
	int code;

	empty_target();
	code = run(number);
	outcomes[code == 0 ? 0 : 1]++;
	snprintf(when, sizeof(when), "%s call %ld (%s)", kind_names[shared->kind], number, shared->what);
	if (shared->what[0] == '\0') { /* how often a socket is asked is not the same in each run */
		ck_assert_msg(number > 1 && code == 0, "%s: there was no such call", when);
		unreached++;
	}
	expect_known_state(when);
	if (code != 0)
		ck_assert_int_eq(run(0), 0);
	expect_known_state(when);
	expect_value(when, "SELECT split_part(failures_state.place(), ' ', 1)", end_of_events);
}

/* How many calls of the kind there are, and how many of them shall fail. */
static void choose(enum kind kind, long *total, long *count)
{
	const char *given = getenv("TEST_SEED"), *wanted = getenv("FAILURES");
	unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);

	shared->kind = kind;
	shared->only = NULL;
	srand(seed);
	empty_target();
	ck_assert_int_eq(run(0), 0);
	expect_known_state("no failure");
	*total = *count = shared->calls;
	if (wanted == NULL || strcmp(wanted, "all") != 0)
		*count = wanted != NULL ? strtol(wanted, NULL, 10) : FEW;
	if (*count > *total)
		*count = *total;
	ck_assert_int_gt(*count, 0);
	printf("%s: %ld of %ld calls fail, TEST_SEED=%u\n", kind_names[kind], *count, *total, seed);
}

/* One of each `count`th part of the calls. */
static long pick(long i, long total, long count)
{
	long from = i * total / count, to = (i + 1) * total / count;

	return from + 1 + rand() % (to - from);
}

START_TEST(every_call_fails_in_turn)
{
	unsigned outcomes[2] = {0};
	long total, count;

	choose((enum kind)_i, &total, &count);
	for (long i = 0; i < count; i++)
		fail_one(pick(i, total, count), outcomes);
	printf("%s: after %u failures the same process went on, after %u it ended with a message;"
	       " the longest run took %.1f s (call %ld, %s); %u calls did not come again\n",
	       kind_names[_i], outcomes[0], outcomes[1], (double)slowest.us / 1e6, slowest.number, slowest.what,
	       unreached);
	slowest.us = 0;
	unreached = 0;
}
END_TEST

START_TEST(every_function_is_refused)
{
	static const char *const names[] = {"PQconninfoParse",   "PQconnectStartParams", "PQconnectPoll",
	                                    "PQconninfo",        "PQsetnonblocking",     "PQsendQuery",
	                                    "PQsendQueryParams", "PQsendPrepare",        "PQsendQueryPrepared",
	                                    "PQpipelineSync",    "PQenterPipelineMode",  "PQexitPipelineMode",
	                                    "PQflush",           "PQconsumeInput",       "PQgetResult",
	                                    "PQputCopyData",     "PQputCopyEnd"};
	unsigned outcomes[2] = {0};

	shared->kind = REFUSED;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		shared->only = names[i];
		fail_one(1, outcomes);
	}
	shared->only = NULL;
}
END_TEST

/* The same process finds out which of the two it was. */
START_TEST(commit_is_lost_before_and_behind)
{
	unsigned outcomes[2] = {0};
	long total, count;

	choose(COMMIT_UNSENT, &total, &count);
	for (long i = 0; i < count; i++) {
		long number = pick(i, total, count);

		shared->kind = COMMIT_UNSENT;
		fail_one(number, outcomes);
		shared->kind = COMMIT_UNANSWERED;
		fail_one(number, outcomes);
		ck_assert(shared->committed);
	}
	ck_assert_uint_eq(outcomes[1], 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("failures");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return EXIT_FAILURE;
	tcase_set_timeout(tests, 0);
	tcase_add_unchecked_fixture(tests, set_up, tear_down);
	tcase_add_loop_test(tests, every_call_fails_in_turn, 0, COMMIT_UNSENT);
	tcase_add_test(tests, every_function_is_refused);
	tcase_add_test(tests, commit_is_lost_before_and_behind);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
