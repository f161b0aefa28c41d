/*
 * source_health.c - what librdkafka reports while it works.
 *
 * NOTES
 *   Most of it heals: brokers come back, leaders move, librdkafka tries for ever. That is said in the log, at rising
 *   intervals. Three kinds do not heal: a login that was wrong from the start, offsets that Kafka no longer has, and
 *   records that cannot be read. librdkafka would skip the last kind; the stream stops instead (law 4).
 *
 * Thread: log_line and log_quietly are called from librdkafka's own threads, the rest from the thread that serves it:
 * the consumer's.
 */
#include "stream/source_internal.h"

#define FIRST_INTERVAL_US 1000000
#define LAST_INTERVAL_US 60000000

bool repeat_allowed(struct repeat_limit *limit, int64_t now_us)
{
	if (now_us < limit->next_us)
		return false;
	if (limit->interval_us == 0 || now_us > limit->next_us + LAST_INTERVAL_US)
		limit->interval_us = FIRST_INTERVAL_US;
	else if (limit->interval_us * 2 <= LAST_INTERVAL_US)
		limit->interval_us *= 2;
	else
		limit->interval_us = LAST_INTERVAL_US;
	limit->next_us = now_us + limit->interval_us;
	return true;
}

void health_lost(struct source *source, const char *reason)
{
	int64_t now = clock_monotonic_us();

	atomic_store(&source->connected, false);
	if (source->disconnected_since_us == 0) {
		source->disconnected_since_us = now;
		source->trouble = (struct repeat_limit){0};
	}
	if (repeat_allowed(&source->trouble, now))
		log_warning("Kafka at %s does not answer since %lld s: %s%s%s; trying again",
		            source->config->kafka.brokers, (long long)(now - source->disconnected_since_us) / 1000000,
		            reason, source->last_reason[0] == '\0' ? "" : "; ", source->last_reason);
}

void health_good(struct source *source)
{
	if (source->disconnected_since_us != 0) {
		if (source->trouble.interval_us != 0) /* the loss was said */
			log_info("Kafka answers again after %lld s",
			         (long long)(clock_monotonic_us() - source->disconnected_since_us) / 1000000);
		source->disconnected_since_us = 0;
		source->last_reason[0] = '\0';
		source->trouble = (struct repeat_limit){0};
	}
	if (!atomic_load_explicit(&source->connected, memory_order_relaxed))
		atomic_store(&source->connected, true);
}

static void fail(struct source *source, struct error *error)
{
	if (source->failure == NULL)
		source->failure = error;
	else
		error_free(error);
}

static void trouble(struct source *source, const char *reason)
{
	snprintf(source->last_reason, sizeof(source->last_reason), "%s", reason);
	if (source->disconnected_since_us == 0 && repeat_allowed(&source->trouble, clock_monotonic_us()))
		log_warning("Kafka: %s; trying again", reason);
}

/*
 * Before 2.6.1 librdkafka sent its own nonce twice; brokers take that no more (since 3.8.1 as the fix of
 * CVE-2024-56128, since 4.0 strictly), and the refusal looks like a wrong password.
 * Source: https://github.com/confluentinc/librdkafka/pull/4895
 */
static const char *scram_hint(const char *reason)
{
	if (rd_kafka_version() >= 0x02060100 || strstr(reason, "SCRAM") == NULL)
		return "";
	return ". Unless user or password are wrong: this librdkafka is older than 2.6.1 and cannot do SCRAM with "
	       "Kafka 4; "
	       "install a newer one, or use sasl.mechanism=PLAIN over TLS";
}

/* rd_kafka_conf_set_error_cb: errors of the client as a whole, mostly of its connections. */
static void report_error(rd_kafka_t *kafka, int code, const char *reason, void *context)
{
	struct source *source = context;
	char text[512];

	switch ((rd_kafka_resp_err_t)code) {
	case RD_KAFKA_RESP_ERR__FATAL:
		rd_kafka_fatal_error(kafka, text, sizeof(text));
		fail(source, error_new(ERROR_SYSTEM, "Kafka's client cannot go on: %s", text));
		break;
	case RD_KAFKA_RESP_ERR__AUTHENTICATION:
	case RD_KAFKA_RESP_ERR__SSL:
	case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
		if (source->had_data)
			trouble(source, reason);
		else
			fail(source,
			     error_new(ERROR_AUTHENTICATION, "Kafka refuses the login: %s; see kafka.properties%s",
			               reason, scram_hint(reason)));
		break;
	case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
		health_lost(source, reason);
		break;
	default:
		trouble(source, reason);
	}
}

/* rd_kafka_conf_set_log_cb. What matters of these comes through report_error as well, once and not from each thread. */
static void log_line(const rd_kafka_t *kafka, int level, const char *facility, const char *text)
{
	(void)kafka;
	if (level <= 4 && strcmp(facility, "FAIL") != 0 && strcmp(facility, "ERROR") != 0)
		log_warning("librdkafka %s: %s", facility, text);
	else
		log_debug("librdkafka %s: %s", facility, text);
}

void health_set_callbacks(rd_kafka_conf_t *conf, struct source *source)
{
	rd_kafka_conf_set_opaque(conf, source);
	rd_kafka_conf_set_error_cb(conf, report_error);
	rd_kafka_conf_set_log_cb(conf, log_line);
}

static void log_quietly(const rd_kafka_t *kafka, int level, const char *facility, const char *text)
{
	(void)kafka;
	(void)level;
	log_debug("librdkafka %s: %s", facility, text);
}

void health_keep_quiet(rd_kafka_conf_t *conf)
{
	rd_kafka_conf_set_log_cb(conf, log_quietly);
}

static bool concerns_group_only(rd_kafka_resp_err_t code)
{
	switch (code) {
	case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
	case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
	case RD_KAFKA_RESP_ERR_INVALID_GROUP_ID:
	case RD_KAFKA_RESP_ERR__WAIT_COORD:
		return true;
	default:
		return false;
	}
}

static bool record_is_unreadable(rd_kafka_resp_err_t code)
{
	switch (code) {
	case RD_KAFKA_RESP_ERR__BAD_MSG:
	case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
	case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED:
	case RD_KAFKA_RESP_ERR_INVALID_MSG:
	case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
		return true;
	default:
		return false;
	}
}

/* The topic was deleted, which was said; perhaps another has its name now, which is not read yet. */
static bool concerns_dropped(struct source *source, const char *topic, int32_t id)
{
	return source_partition(source, partition_list_add(source->names, topic, id))->dropped;
}

/* The cluster did not know the partition: perhaps it was made again meanwhile (source_prove.c). */
static bool says_it_was_away(rd_kafka_resp_err_t code)
{
	return code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
	       code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
}

struct error *health_message_error(struct source *source, const rd_kafka_message_t *message)
{
	const char *topic = message->rkt != NULL ? rd_kafka_topic_name(message->rkt) : NULL;
	const char *text = rd_kafka_message_errstr(message);

	if (topic != NULL && concerns_dropped(source, topic, message->partition))
		return NULL;
	if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET && topic != NULL)
		return source_offset_refused(source, topic, message->partition, message->offset);
	if (record_is_unreadable(message->err) && topic != NULL)
		return error_new(ERROR_EVENT, "%s[%d]@%lld: the record cannot be read: %s; nothing was skipped", topic,
		                 (int)message->partition, (long long)message->offset, text);
	if (message->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED && !source->had_data)
		return error_new(ERROR_AUTHENTICATION,
		                 "Kafka does not allow this user to read topic %s (%s); grant READ and DESCRIBE on it",
		                 topic != NULL ? topic : "?", text);
	if (topic != NULL && says_it_was_away(message->err))
		source_partition(source, partition_list_add(source->names, topic, message->partition))->doubted = true;
	if (message->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && source->next_discovery_us != 0)
		source->next_discovery_us = 1; /* was it deleted? source_missing.c finds out */
	if (concerns_group_only(message->err))
		log_debug("Kafka, group %s: %s", source->config->stream.name, text);
	else if (repeat_allowed(&source->trouble, clock_monotonic_us()))
		log_warning("Kafka, %s[%d]: %s; trying again", topic != NULL ? topic : "all topics",
		            (int)message->partition, text);
	return NULL;
}
