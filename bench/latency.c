/*
 * latency.c - how long a committed row takes from the source to the target.
 *
 * Usage: latency SOURCE-DSN TARGET-DSN RATE SECONDS FIRST-ID
 *
 * NOTES
 *   One thread inserts orders with rising ids into the source, each a transaction of its own, at a steady rate; the
 *   time of a commit is when the source has confirmed it. The other asks the target for the highest id, five thousand
 *   times a second at most; transactions arrive in their order, so every id up to it is visible then. The rows of the
 *   first two seconds are a warm-up. Prints a line for each other row: id, commit, visible (microseconds since the
 *   epoch).
 *
 *   Leaves with 1 when not all rows are visible ten seconds after the last commit.
 */
#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WARM_UP_S 2
#define PATIENCE_US INT64_C(10000000)
#define LOOK_INTERVAL_NS 200000

struct run {
	const char *target_dsn;
	int64_t first_id;
	int64_t count;
	int64_t *committed_us; /* by id - first_id */
	int64_t *visible_us;
	_Atomic int64_t written_at_us; /* all is committed since; 0: not yet */
	_Atomic bool failed;
};

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static PGconn *connect_to(const char *dsn)
{
	PGconn *connection = PQconnectdb(dsn);

	if (PQstatus(connection) != CONNECTION_OK) {
		fprintf(stderr, "latency: %s", PQerrorMessage(connection));
		exit(1);
	}
	return connection;
}

static PGresult *require(PGconn *connection, PGresult *result, ExecStatusType wanted)
{
	if (PQresultStatus(result) != wanted) {
		fprintf(stderr, "latency: %s", PQerrorMessage(connection));
		exit(1);
	}
	return result;
}

static int64_t highest_id(PGconn *connection)
{
	PGresult *result =
	    require(connection, PQexecPrepared(connection, "look", 0, NULL, NULL, NULL, 0), PGRES_TUPLES_OK);
	int64_t id = strtoll(PQgetvalue(result, 0, 0), NULL, 10);

	PQclear(result);
	return id;
}

static bool out_of_patience(struct run *run)
{
	int64_t written_at = atomic_load(&run->written_at_us);

	return written_at != 0 && now_us() - written_at > PATIENCE_US;
}

static void *look(void *argument)
{
	const struct timespec pause = {0, LOOK_INTERVAL_NS};
	struct run *run = argument;
	PGconn *connection = connect_to(run->target_dsn);
	int64_t seen = 0;

	PQclear(require(connection, PQprepare(connection, "look", "SELECT coalesce(max(id), 0) FROM orders", 0, NULL),
	                PGRES_COMMAND_OK));
	while (seen < run->count && !out_of_patience(run)) {
		int64_t highest = highest_id(connection);
		int64_t at = now_us();

		for (; run->first_id + seen <= highest && seen < run->count; seen++)
			run->visible_us[seen] = at;
		nanosleep(&pause, NULL);
	}
	atomic_store(&run->failed, seen < run->count);
	PQfinish(connection);
	return NULL;
}

static void insert_order(PGconn *connection, int64_t id)
{
	char id_text[24], user_text[24];
	const char *const parameters[] = {id_text, user_text};

	snprintf(id_text, sizeof(id_text), "%lld", (long long)id);
	snprintf(user_text, sizeof(user_text), "%lld", (long long)(id % 100000 + 1));
	PQclear(
	    require(connection, PQexecPrepared(connection, "insert", 2, parameters, NULL, NULL, 0), PGRES_COMMAND_OK));
}

/* Each has its own time to go out; one that is late does not move the others. */
static void write_all(struct run *run, const char *dsn, int rate)
{
	PGconn *connection = connect_to(dsn);
	struct timespec next;

	PQclear(require(connection,
	                PQprepare(connection, "insert",
	                          "INSERT INTO orders (id, user_id, status, total, note)"
	                          " VALUES ($1, $2, 'new', 10.50, 'latency')",
	                          0, NULL),
	                PGRES_COMMAND_OK));
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (int64_t i = 0; i < run->count; i++) {
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
		insert_order(connection, run->first_id + i);
		run->committed_us[i] = now_us();
		next.tv_nsec += 1000000000 / rate;
		next.tv_sec += next.tv_nsec / 1000000000;
		next.tv_nsec %= 1000000000;
	}
	atomic_store(&run->written_at_us, now_us());
	PQfinish(connection);
}

int main(int argc, char **argv)
{
	struct run run = {0};
	pthread_t looker;
	int rate, seconds;

	if (argc != 6 || (rate = atoi(argv[3])) < 1 || (seconds = atoi(argv[4])) < 1) {
		fputs("usage: latency SOURCE-DSN TARGET-DSN RATE SECONDS FIRST-ID\n", stderr);
		return 2;
	}
	run.target_dsn = argv[2];
	run.first_id = strtoll(argv[5], NULL, 10);
	run.count = (int64_t)rate * (seconds + WARM_UP_S);
	run.committed_us = calloc((size_t)run.count, sizeof(int64_t));
	run.visible_us = calloc((size_t)run.count, sizeof(int64_t));
	if (run.committed_us == NULL || run.visible_us == NULL || pthread_create(&looker, NULL, look, &run) != 0) {
		fputs("latency: no memory or no thread\n", stderr);
		return 1;
	}
	write_all(&run, argv[1], rate);
	pthread_join(looker, NULL);
	for (int64_t i = (int64_t)rate * WARM_UP_S; i < run.count && !atomic_load(&run.failed); i++)
		printf("%lld %lld %lld\n", (long long)(run.first_id + i), (long long)run.committed_us[i],
		       (long long)run.visible_us[i]);
	if (atomic_load(&run.failed))
		fputs("latency: rows are missing in the target ten seconds after the last commit\n", stderr);
	free(run.committed_us);
	free(run.visible_us);
	return atomic_load(&run.failed) ? 1 : 0;
}
