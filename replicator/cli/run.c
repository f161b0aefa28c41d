/*
 * run.c - `replicator run`: the daemon.
 *
 * NOTES
 *   Two threads work: the consumer's (source_run) and the applier's (applier_run); the queue lies between them. The
 *   main thread waits for signals and for their ends. Signals are blocked in the workers and, while these run,
 *   everywhere but in the main thread's ppoll: no signal is lost between a look at a flag and the wait.
 *
 *   The thread that ends first decides the outcome. When it is the consumer, the applier still brings in what lies in
 *   the queue; when it is the applier, the consumer is stopped.
 */
#include "cli/command.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exit_code.h"
#include "base/lsn.h"
#include "base/signals.h"
#include "ops/server.h"
#include "ops/service.h"
#include "pg/retry.h"
#include "stream/source.h"
#include "target/applier.h"

#define PROGRESS_INTERVAL_US INT64_C(60000000)
#define CLOCK_STEP_US INT64_C(1000000) /* smaller ones only make a wait that much longer */
#define FIRST_WAIT_MS 500
#define LONGEST_WAIT_MS 30000

enum worker_number { CONSUMER, APPLIER, WORKER_COUNT };

struct worker {
	struct daemon *daemon;
	enum worker_number number;
	struct error *(*run)(struct daemon *daemon);
	pthread_t thread;
	bool started;
	bool ended;          /* the main thread has noticed */
	struct error *error; /* set before the end is announced */
};

/*
 * What outlives one life of the stream: the HTTP server and the supervision; the server's thread asks for the stream.
 */
struct window {
	const struct config *config;
	pthread_mutex_t lock;
	const struct daemon *shown; /* NULL: none is running */
	int64_t started_wall_us;
	struct watch *watch;
	struct ops_server *server;
	struct service *service;
	atomic_int_fast64_t beat_us; /* the last turn of the main thread's loop */
	struct ops_warned warned;
	struct config *reloaded; /* what the last SIGHUP read, or NULL */
};

struct daemon {
	struct config *config;
	struct window *window;
	uint64_t until_lsn; /* 0: none */
	struct partition_list *partitions;
	struct transaction_queue *queue;
	struct source *source;
	struct applier *applier;
	struct checkpoint start;
	int ends[2]; /* a pipe: each worker writes its number when it ends */
	struct worker workers[WORKER_COUNT];
	struct error *outcome; /* the first error that ended the stream */
	bool stopping;
	int64_t next_progress_us;
	int64_t clock_ahead_us; /* the wall clock, of the monotonic one, as last seen */
	struct applier_state last_progress;
};

static void window_show(struct window *window, const struct daemon *daemon)
{
	pthread_mutex_lock(&window->lock);
	window->shown = daemon;
	pthread_mutex_unlock(&window->lock);
	watch_set_active(window->watch, daemon != NULL);
}

/* The server's thread. */
static void fill_view(void *context, struct ops_view *view)
{
	struct window *window = context;

	view->started_wall_us = window->started_wall_us;
	view->beat_us = atomic_load(&window->beat_us);
	watch_read(window->watch, &view->watch);
	view->state = signals_stop_requested() ? OPS_STOPPING : OPS_WAITING;
	view->source.lag_messages = -1;
	pthread_mutex_lock(&window->lock);
	if (window->shown != NULL) {
		view->state = signals_stop_requested() ? OPS_STOPPING : OPS_RUNNING;
		view->applier = applier_state(window->shown->applier);
		view->source = source_state(window->shown->source);
		view->queue_rows = transaction_queue_rows(window->shown->queue);
		view->queue_bytes = transaction_queue_bytes(window->shown->queue);
		view->queue_oldest_us = transaction_queue_oldest_us(window->shown->queue);
		view->queue_transactions = transaction_queue_streamed(window->shown->queue);
	}
	pthread_mutex_unlock(&window->lock);
}

/*
 * The signals are blocked meanwhile, so that the threads made here never take one. That nothing can be served does not
 * keep the stream from running.
 */
static void window_open(struct window *window, const struct config *config)
{
	sigset_t blocked, previous;
	struct error *error;

	*window = (struct window){.config = config, .started_wall_us = clock_wall_us()};
	pthread_mutex_init(&window->lock, NULL);
	sigfillset(&blocked);
	pthread_sigmask(SIG_BLOCK, &blocked, &previous);
	window->watch = watch_start(config);
	error = ops_server_start(config, fill_view, window, &window->server);
	window->service = service_start(config, fill_view, window);
	pthread_sigmask(SIG_SETMASK, &previous, NULL);
	if (error != NULL)
		log_error("%s; the stream runs without it", error->message);
	else if (window->server != NULL)
		log_info("status at http://%s:%lld/", config->status.listen, (long long)config->status.port);
	error_free(error);
}

static void window_close(struct window *window)
{
	service_stop(window->service);
	ops_server_stop(window->server);
	watch_stop(window->watch);
	pthread_mutex_destroy(&window->lock);
	config_free(window->reloaded);
}

static struct error *run_consumer(struct daemon *daemon)
{
	return source_run(daemon->source);
}

static struct error *run_applier(struct daemon *daemon)
{
	return applier_run(daemon->applier);
}

static void *worker_main(void *argument)
{
	struct worker *worker = argument;
	char number = (char)worker->number;
	ssize_t written;

	worker->error = worker->run(worker->daemon);
	do
		written = write(worker->daemon->ends[1], &number, 1);
	while (written < 0 && errno == EINTR);
	return NULL;
}

/* Waits in short pieces, so that a signal that comes between a look and a wait is seen soon. */
static void wait_interruptibly(int wait_ms)
{
	int64_t until = clock_monotonic_us() + (int64_t)wait_ms * 1000;

	while (!signals_stop_requested() && clock_monotonic_us() < until)
		clock_sleep_ms(100);
}

/* The target may be away when we start: that heals. A refused login or a missing schema does not. */
static struct error *claim_stream(struct daemon *daemon)
{
	struct retry retry;

	retry_init(&retry, FIRST_WAIT_MS, LONGEST_WAIT_MS);
	for (;;) {
		struct error *error =
		    applier_new(daemon->config, daemon->partitions, daemon->queue, &daemon->applier, &daemon->start);
		int wait_ms;

		if (error == NULL || error->class != ERROR_TRANSIENT)
			return error;
		wait_ms = retry_next_ms(&retry);
		log_warning("attempt %u: %s; the next one in %.1f s", retry.attempts, error->message, wait_ms / 1000.0);
		error_free(error);
		wait_interruptibly(wait_ms);
		if (signals_stop_requested())
			return error_new(ERROR_INTERRUPTED, "asked to stop before the target answered");
	}
}

static void log_start(const struct daemon *daemon)
{
	char lsn[LSN_TEXT_SIZE];

	lsn_format(daemon->start.last_commit_lsn, lsn);
	if (daemon->start.exists)
		log_info("stream %s goes on after commit LSN %s, with %zu partitions known",
		         daemon->config->stream.name, lsn, daemon->start.offset_count);
	else
		log_info("stream %s starts for the first time: it reads its topics from the beginning",
		         daemon->config->stream.name);
	if (daemon->config->stream.transactions == TRANSACTIONS_OFF)
		log_warning(
		    "transactions = \"off\": only events of one transaction in one partition stay together; readers of "
		    "the target may see parts of a transaction");
}

/* The queue may hold half of memory_limit at most; what waits for its transaction in the source needs the rest. */
static struct transaction_queue *make_queue(const struct config *config)
{
	int64_t bytes = config->memory_limit / 4;

	if (bytes < 2 * config->target.batch_bytes)
		bytes = 2 * config->target.batch_bytes;
	if (bytes > config->memory_limit / 2)
		bytes = config->memory_limit / 2;
	return transaction_queue_new((size_t)config->target.batch_rows * 4, (size_t)bytes);
}

static struct error *show_life(void *context)
{
	return applier_show_life(context);
}

static struct error *prepare(struct daemon *daemon)
{
	struct source_meanwhile meanwhile = {show_life, NULL};

	daemon->partitions = partition_list_new();
	daemon->queue = make_queue(daemon->config);
	TRY(claim_stream(daemon));
	meanwhile.context = daemon->applier;
	TRY(source_new(daemon->config, &daemon->start, daemon->partitions, daemon->queue, meanwhile, &daemon->source));
	applier_set_cluster_id(daemon->applier, source_cluster_id(daemon->source));
	if (daemon->until_lsn != 0)
		applier_set_until_lsn(daemon->applier, daemon->until_lsn);
	log_start(daemon);
	return NULL;
}

static void stop_workers(struct daemon *daemon)
{
	if (daemon->stopping)
		return;
	daemon->stopping = true;
	source_stop(daemon->source);
	transaction_queue_close(daemon->queue);
}

/*
 * The first error is the outcome, said at the end; others, and one that leaves the applier working, are said at once.
 */
static void note_end(struct daemon *daemon, struct worker *worker)
{
	struct error *error = worker->error;
	bool matters = error != NULL && error->class != ERROR_INTERRUPTED;

	worker->ended = true;
	worker->error = NULL;
	if (matters && worker->number == CONSUMER && !daemon->workers[APPLIER].ended)
		log_error("%s; what was read before it is still being applied", error->message);
	else if (matters && daemon->outcome != NULL)
		log_error("%s", error->message);
	if (matters && daemon->outcome == NULL)
		daemon->outcome = error;
	else
		error_free(error);
	if (worker->number == APPLIER)
		stop_workers(daemon);
}

static void read_ends(struct daemon *daemon)
{
	char numbers[WORKER_COUNT];
	ssize_t count = read(daemon->ends[0], numbers, sizeof(numbers));

	for (ssize_t i = 0; i < count; i++)
		note_end(daemon, &daemon->workers[(int)numbers[i]]);
}

/* Compared with what is in use: what needs a restart is said at each reload until then. */
static void reload(struct window *window, const struct config *used)
{
	struct buffer reloaded = {0}, others = {0};
	struct config *config;
	struct error *error = config_load(used->file, &config);

	if (error != NULL) {
		log_error("reload: the configuration stays as it is: %s", error->message);
		error_free(error);
		return;
	}
	config_list_changes(window->reloaded != NULL ? window->reloaded : used, config, true, &reloaded);
	config_list_changes(used, config, false, &others);
	log_configure(config->log.level, config->log.json);
	log_info("reload: %s%s", reloaded.length > 0 ? "taken over: " : "nothing to take over",
	         reloaded.length > 0 ? reloaded.data : "");
	if (others.length > 0)
		log_warning("reload: changed in the file, but a restart is needed for: %s", others.data);
	buffer_free(&reloaded);
	buffer_free(&others);
	config_free(window->reloaded);
	window->reloaded = config;
}

static void log_progress(struct daemon *daemon)
{
	struct applier_state now = applier_state(daemon->applier);
	struct source_state source = source_state(daemon->source);
	char lsn[LSN_TEXT_SIZE];

	daemon->next_progress_us = clock_monotonic_us() + PROGRESS_INTERVAL_US;
	if (now.batches == daemon->last_progress.batches)
		return;
	lsn_format(now.last_commit_lsn, lsn);
	log_info(
	    "%llu transactions, %llu rows applied since the last report, up to commit LSN %s; %lld messages wait in "
	    "Kafka",
	    (unsigned long long)(now.transactions - daemon->last_progress.transactions),
	    (unsigned long long)(now.rows - daemon->last_progress.rows), lsn, (long long)source.lag_messages);
	daemon->last_progress = now;
}

static bool all_ended(const struct daemon *daemon)
{
	for (int i = 0; i < WORKER_COUNT; i++) {
		if (daemon->workers[i].started && !daemon->workers[i].ended)
			return false;
	}
	return true;
}

static void warn(struct window *window)
{
	struct ops_view view = {.config = window->config};

	fill_view(window, &view);
	ops_warn(&view, &window->warned);
}

/* Ours go by the monotonic clock. */
static void look_at_clock(struct daemon *daemon)
{
	int64_t ahead_us = clock_wall_us() - clock_monotonic_us();
	int64_t back_us = daemon->clock_ahead_us - ahead_us;

	daemon->clock_ahead_us = ahead_us;
	if (back_us < CLOCK_STEP_US)
		return;
	log_info("the clock was set back by %lld s", (long long)(back_us / 1000000));
	source_wake(daemon->source);
}

/* `waiting_mask` lets signals through while we wait. */
static void supervise(struct daemon *daemon, const sigset_t *waiting_mask)
{
	daemon->next_progress_us = clock_monotonic_us() + PROGRESS_INTERVAL_US;
	while (!all_ended(daemon)) {
		struct pollfd pipe_end = {.fd = daemon->ends[0], .events = POLLIN};
		const struct timespec wait = {1, 0};

		atomic_store(&daemon->window->beat_us, clock_monotonic_us());
		look_at_clock(daemon);
		if (ppoll(&pipe_end, 1, &wait, waiting_mask) > 0)
			read_ends(daemon);
		if (signals_stop_requested() && !daemon->stopping) {
			log_info("asked to stop: finishing the batch");
			stop_workers(daemon);
		}
		if (signals_take_reload())
			reload(daemon->window, daemon->config);
		warn(daemon->window);
		if (clock_monotonic_us() >= daemon->next_progress_us)
			log_progress(daemon);
	}
	for (int i = 0; i < WORKER_COUNT; i++) {
		if (daemon->workers[i].started)
			pthread_join(daemon->workers[i].thread, NULL);
	}
}

static void start_workers(struct daemon *daemon)
{
	static const char *const names[WORKER_COUNT] = {"consumer", "applier"};
	static struct error *(*const functions[WORKER_COUNT])(struct daemon *) = {run_consumer, run_applier};

	for (int i = 0; i < WORKER_COUNT; i++) {
		struct worker *worker = &daemon->workers[i];
		int failed;

		*worker = (struct worker){.daemon = daemon, .number = (enum worker_number)i, .run = functions[i]};
		failed = pthread_create(&worker->thread, NULL, worker_main, worker);
		worker->started = failed == 0;
		if (failed != 0) {
			daemon->outcome =
			    error_new(ERROR_SYSTEM, "no thread for the %s: %s", names[i], strerror(failed));
			stop_workers(daemon);
			return;
		}
	}
}

static struct error *run_workers(struct daemon *daemon)
{
	sigset_t blocked, previous;

	if (pipe(daemon->ends) != 0)
		return error_new(ERROR_SYSTEM, "no pipe: %s", strerror(errno));
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &blocked, &previous);
	start_workers(daemon);
	supervise(daemon, &previous);
	pthread_sigmask(SIG_SETMASK, &previous, NULL);
	close(daemon->ends[0]);
	close(daemon->ends[1]);
	return daemon->outcome;
}

/* The one line that says how it ended. */
static int log_outcome(const struct daemon *daemon, const struct error *error)
{
	int code = error == NULL ? EXIT_OK : (int)exit_code_of(error->class);
	uint64_t applied = daemon->applier == NULL ? 0 : applier_state(daemon->applier).last_commit_lsn;
	char lsn[LSN_TEXT_SIZE];

	lsn_format(applied == 0 ? daemon->start.last_commit_lsn : applied, lsn);
	if (error != NULL && error->class != ERROR_INTERRUPTED)
		log_error("stream %s stopped and keeps its place (exit code %d, %s): %s", daemon->config->stream.name,
		          code, error_class_name(error->class), error->message);
	else
		log_info("stream %s ended in good order (exit code 0), at commit LSN %s", daemon->config->stream.name,
		         lsn);
	return code;
}

/* The applier and the queue hold transactions in memory that the source accounts for: they go first. */
static void release(struct daemon *daemon)
{
	applier_free(daemon->applier);
	if (daemon->queue != NULL)
		transaction_queue_free(daemon->queue);
	source_free(daemon->source);
	checkpoint_free(&daemon->start);
	if (daemon->partitions != NULL)
		partition_list_free(daemon->partitions);
}

/* One life of the stream: from the place that the target holds, to its end. */
static struct error *run_stream(struct daemon *daemon)
{
	struct error *error = prepare(daemon);

	if (error == NULL) {
		atomic_store(&daemon->window->beat_us, clock_monotonic_us());
		window_show(daemon->window, daemon);
		error = run_workers(daemon);
		window_show(daemon->window, NULL);
	}
	if (daemon->applier != NULL)
		applier_write_end(daemon->applier, error);
	return error;
}

/* After an error that heals: without the stream's lock, so that a standby instance may work meanwhile. */
static void wait_for_next_life(const struct error *error, struct retry *retry)
{
	int wait_ms = retry_next_ms(retry);

	log_warning("%s; the stream begins anew in %.1f s", error->message, wait_ms / 1000.0);
	wait_interruptibly(wait_ms);
}

static int run_daemon(struct config *config, uint64_t until_lsn)
{
	struct retry retry;
	struct window window;
	struct error *error;
	int code;

	signals_install();
	retry_init(&retry, FIRST_WAIT_MS, LONGEST_WAIT_MS);
	log_info("replicator " REPLICATOR_VERSION ": stream %s, configuration %s", config->stream.name, config->file);
	window_open(&window, config);
	for (;;) {
		struct daemon daemon = {.config = config, .window = &window, .until_lsn = until_lsn};

		error = run_stream(&daemon);
		if (error == NULL || error->class != ERROR_TRANSIENT || signals_stop_requested()) {
			code = log_outcome(&daemon, error);
			error_free(error);
			release(&daemon);
			window_close(&window);
			return code;
		}
		release(&daemon);
		wait_for_next_life(error, &retry);
		error_free(error);
	}
}

int command_run(const struct invocation *invocation)
{
	const char *until = NULL;
	bool dry = false;
	const struct command_option options[] = {{"--until-lsn", NULL, &until}, {"--dry-run", &dry, NULL}, {0}};
	uint64_t until_lsn = 0;
	struct config *config;
	int code;

	if (!command_parse(invocation, options, NULL))
		return EXIT_UNCHECKED;
	if (until != NULL && (!lsn_parse(until, &until_lsn) || until_lsn == 0)) {
		command_usage_error(invocation->command, "--until-lsn takes a log position like 16/B374D848");
		return EXIT_UNCHECKED;
	}
	config = command_load_config(invocation);
	if (config == NULL)
		return EXIT_CONFIGURATION;
	if (until_lsn != 0 && config->stream.transactions == TRANSACTIONS_OFF)
		code = command_fail(
		    error_new(ERROR_CONFIGURATION,
		              "%s: --until-lsn needs transactions = \"on\": without transactions the stream "
		              "has no watermark that could reach a position",
		              config->file));
	else
		code = dry ? command_dry_run(config, until_lsn) : run_daemon(config, until_lsn);
	config_free(config);
	return code;
}
