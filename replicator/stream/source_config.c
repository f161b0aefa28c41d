/*
 * source_config.c - librdkafka's properties: ours first, then the user's.
 *
 * NOTES
 *   Position and order are ours alone: what the user may not change is refused with its name. Everything else, all of
 *   security above all, goes through `kafka.properties` under librdkafka's own names.
 *
 *   Small fetches (1 MB a partition, 4 MB in all) were faster than large ones, and a message larger than that still
 *   comes: librdkafka and the broker both make room for one. fetch.wait.max.ms is short because other requests to the
 *   same broker queue up behind a waiting fetch.
 *
 *   A connection whose other end is gone without a word. librdkafka gives up a request after socket.timeout.ms (60 s),
 *   and shortening that would end a large record on a slow line, again and again: it is the time of the whole answer.
 *   So the kernel is asked: what a live host does not acknowledge for a while, or a probe that it does not answer, ends
 *   the connection, however long an answer takes. librdkafka itself can only switch the probes on, at the system's two
 *   hours (librdkafka #3851).
 *
 *   The committer's times are its own. While a commit waits for its coordinator or for its answer, rd_kafka_destroy waits
 *   with it, on a whole core: session.timeout.ms (45 s) and socket.timeout.ms (60 s); seen with 2.0.2 and 2.16.1.
 *
 * Source: librdkafka's CONFIGURATION.md; tcp(7).
 */
#include "stream/source_internal.h"

#include "base/memory.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

struct property {
	const char *name;
	const char *value; /* NULL: computed; only here to be refused to the user */
};

/* Correctness hangs on these. */
static const struct property fixed[] = {
    {"bootstrap.servers", NULL},
    {"metadata.broker.list", NULL},
    {"group.id", NULL},
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"auto.offset.reset", "error"},
    {"isolation.level", "read_committed"},
    {"enable.partition.eof", "true"}, /* shows how far control records reach */
    {"check.crcs", "true"},
    {"allow.auto.create.topics", "false"},
};

static const struct property defaults[] = {
    {"client.id", "replicator"},
    {"fetch.message.max.bytes", "1048576"},
    {"fetch.max.bytes", "4194304"},
    {"receive.message.max.bytes", "1200000000"}, /* a value of PostgreSQL has up to 1 GB */
    {"queued.min.messages", "1000000"},          /* bounded by bytes */
    {"fetch.min.bytes", "1"},
    {"fetch.wait.max.ms", "100"},
    {"fetch.error.backoff.ms", "50"},
    {"socket.nagle.disable", "true"},
    {"socket.keepalive.enable", "true"},
    {"reconnect.backoff.ms", "100"},
    {"reconnect.backoff.max.ms", "2000"},
    {"log.connection.close", "false"},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FETCH_BYTES_MOST ((size_t)64 << 20)
#define SEARCH_QUEUE_KBYTES (4 * 1024)
#define UNACKNOWLEDGED_MOST_MS 15000
#define PROBE_AFTER_S 10
#define PROBE_INTERVAL_S 5
#define COORDINATOR_WAIT_MS 2000
#define COMMIT_WAIT_MS 5000

static struct error *set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char text[512];

	if (rd_kafka_conf_set(conf, name, value, text, sizeof(text)) == RD_KAFKA_CONF_OK)
		return NULL;
	return error_new(ERROR_CONFIGURATION, "Kafka property %s: %s", name, text);
}

static struct error *set_number(rd_kafka_conf_t *conf, const char *name, int64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	return set(conf, name, text);
}

size_t source_fetch_bytes(const struct config *config)
{
	size_t quarter = (size_t)config->memory_limit / 4;

	return quarter < FETCH_BYTES_MOST ? quarter : FETCH_BYTES_MOST;
}

static struct error *set_ours(rd_kafka_conf_t *conf, const struct config *config)
{
	for (size_t i = 0; i < COUNT(fixed); i++)
		if (fixed[i].value != NULL)
			TRY(set(conf, fixed[i].name, fixed[i].value));
	for (size_t i = 0; i < COUNT(defaults); i++)
		TRY(set(conf, defaults[i].name, defaults[i].value));
	TRY(set(conf, "bootstrap.servers", config->kafka.brokers));
	TRY(set(conf, "group.id", config->stream.name));
	/* Its limit counts the bytes of the messages, and each small one needs as much again. */
	TRY(set_number(conf, "queued.max.messages.kbytes", (int64_t)(source_fetch_bytes(config) / 2 / 1024)));
	if (rd_kafka_version() >= FETCH_QUEUE_BACKOFF_VERSION)
		TRY(set(conf, "fetch.queue.backoff.ms", "5"));
	return NULL;
}

static char *trimmed(const char *from, size_t length)
{
	while (length > 0 && (*from == ' ' || *from == '\t')) {
		from++;
		length--;
	}
	while (length > 0 && (from[length - 1] == ' ' || from[length - 1] == '\t'))
		length--;
	return memory_copy_bytes(from, length);
}

static struct error *set_user_property(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	for (size_t i = 0; i < COUNT(fixed); i++)
		if (strcmp(fixed[i].name, name) == 0)
			return error_new(ERROR_CONFIGURATION,
			                 "kafka.properties: %s is decided by the replicator; remove it there", name);
	return error_wrap(set(conf, name, value), "kafka.properties");
}

static struct error *set_users(rd_kafka_conf_t *conf, const struct config *config)
{
	for (size_t i = 0; i < config->kafka.property_count; i++) {
		const char *pair = config->kafka.properties[i];
		const char *equals = strchr(pair, '=');
		struct error *error;
		char *name, *value;

		if (equals == NULL) /* the text may be a secret: its place is enough */
			return error_new(ERROR_CONFIGURATION,
			                 "kafka.properties: entry %zu is not of the form key=value", i + 1);
		name = trimmed(pair, (size_t)(equals - pair));
		value = trimmed(equals + 1, strlen(equals + 1));
		error = set_user_property(conf, name, value);
		free(name);
		free(value);
		TRY(error);
	}
	return NULL;
}

/* Where an option is refused the connection is noticed late, as without it. Thread: librdkafka's. */
static int open_socket(int domain, int type, int protocol, void *context)
{
	static const int unacknowledged = UNACKNOWLEDGED_MOST_MS, idle = PROBE_AFTER_S, interval = PROBE_INTERVAL_S;
	int handle = socket(domain, type | SOCK_CLOEXEC, protocol);

	(void)context;
	if (handle < 0)
		return handle;
	(void)setsockopt(handle, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged, sizeof(unacknowledged));
	(void)setsockopt(handle, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(handle, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	return handle;
}

/* The value of a property of text; "" where it has none. */
static char *value_of(const rd_kafka_conf_t *conf, const char *name)
{
	size_t size = 0;
	char *value;

	if (rd_kafka_conf_get(conf, name, NULL, &size) != RD_KAFKA_CONF_OK)
		return memory_copy_text("");
	value = memory_alloc(size + 1);
	rd_kafka_conf_get(conf, name, value, &size);
	return value;
}

/* Takes conf. */
static struct error *make_client(rd_kafka_conf_t *conf, rd_kafka_t **client)
{
	char text[512];

	*client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof(text)); /* takes conf when it succeeds */
	if (*client != NULL)
		return NULL;
	rd_kafka_conf_destroy(conf);
	return error_new(ERROR_CONFIGURATION, "Kafka's client refuses its settings: %s; see kafka.properties", text);
}

static struct error *make_conf(const struct config *config, rd_kafka_conf_t **conf)
{
	struct error *error;

	*conf = rd_kafka_conf_new();
	rd_kafka_conf_set_socket_cb(*conf, open_socket);
	error = set_ours(*conf, config);
	if (error == NULL)
		error = set_users(*conf, config);
	if (error != NULL)
		rd_kafka_conf_destroy(*conf);
	return error;
}

struct error *source_make_consumer(struct source *source)
{
	rd_kafka_conf_t *conf;

	TRY(make_conf(source->config, &conf));
	source->sasl_username = value_of(conf, "sasl.username");
	source->sasl_password = value_of(conf, "sasl.password");
	health_set_callbacks(conf, source);
	return make_client(conf, &source->kafka);
}

struct error *source_make_committer(struct source *source)
{
	rd_kafka_conf_t *conf;
	struct error *error;

	TRY(make_conf(source->config, &conf));
	health_keep_quiet(conf);
	error = set_number(conf, "session.timeout.ms", COORDINATOR_WAIT_MS);
	if (error == NULL)
		error = set_number(conf, "socket.timeout.ms", COMMIT_WAIT_MS);
	if (error == NULL)
		return make_client(conf, &source->committer);
	rd_kafka_conf_destroy(conf);
	return error;
}

static void *destroy(void *kafka)
{
	rd_kafka_destroy_flags(kafka, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	return NULL;
}

/*
 * librdkafka (2.0.2) may never end its thread for a broker that led a partition whose topic was deleted, or that was given up a
 * moment ago: a start of the daemon was seen to wait for that without end. Its threads call nothing of ours that needs the
 * source, and they end with the process.
 */
void client_end(rd_kafka_t *kafka)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, destroy, kafka) == 0)
		pthread_detach(thread);
	else
		log_warning("no thread for the end of a Kafka client: it continues until the process ends");
}

/* Its queue is small: it reads one partition and adds to the memory of the consumer. */
struct error *source_make_searcher(const struct source *source, rd_kafka_t **client)
{
	rd_kafka_conf_t *conf;
	struct error *error;

	TRY(make_conf(source->config, &conf));
	health_keep_quiet(conf);
	error = set_number(conf, "queued.max.messages.kbytes", SEARCH_QUEUE_KBYTES);
	if (error == NULL)
		return make_client(conf, client);
	rd_kafka_conf_destroy(conf);
	return error;
}
