/*
 * test_silence.c - when the daemon concludes that events are missing, and when a source may just be quiet.
 */
#include "base/clock.h"
#include "ops/view.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000)

static struct config config;
static struct ops_view view;
static const char *why;

/* Running, everything read, the last event was 100 s ago, and the connector runs since 1,000 s. */
static void set_up(void)
{
	int64_t now = clock_monotonic_us();

	config = (struct config){.stream.name = "shop", .supervision.silence_ms = 60000, .status.ready_lag_ms = 60000};
	view = (struct ops_view){.config = &config,
	                         .state = OPS_RUNNING,
	                         .source = {.connected = true, .last_event_us = now - 100 * SECOND},
	                         .watch.connector = {.known = true,
	                                             .state = "RUNNING",
	                                             .running_since_us = now - 1000 * SECOND}};
	why = NULL;
}

static void expect_silent(const char *reason)
{
	ck_assert(ops_silent_seconds(&view, &why) >= 100);
	ck_assert_ptr_nonnull(strstr(why, reason));
	ck_assert(!ops_is_ready(&view, &why));
	ck_assert_ptr_nonnull(strstr(why, reason));
}

static void expect_ready(void)
{
	ck_assert(ops_silent_seconds(&view, &why) == 0);
	ck_assert(ops_is_ready(&view, &why));
}

START_TEST(a_quiet_source_is_no_finding)
{
	expect_ready();
}
END_TEST

START_TEST(a_connector_without_its_heartbeats_is_silent)
{
	view.watch.connector.heartbeat_ms = 10000;
	expect_silent("not even the connector's heartbeats");
	view.source.last_event_us = clock_monotonic_us() - 50 * SECOND;
	expect_ready();
}
END_TEST

/* Without Connect the heartbeat row at the source shows that there are heartbeats. */
START_TEST(heartbeats_seen_at_the_source_count)
{
	memset(&view.watch.connector, 0, sizeof(view.watch.connector));
	expect_ready();
	view.watch.heartbeat_us = clock_monotonic_us() - 90 * SECOND;
	expect_silent("not even the connector's heartbeats");
}
END_TEST

START_TEST(rare_heartbeats_may_take_their_time)
{
	view.watch.connector.heartbeat_ms = 60000;
	expect_ready();
	view.source.last_event_us = clock_monotonic_us() - 200 * SECOND;
	expect_silent("heartbeats");
}
END_TEST

START_TEST(a_connector_that_just_started_or_stopped_is_not_silent)
{
	view.watch.connector.heartbeat_ms = 10000;
	view.watch.connector.running_since_us = clock_monotonic_us() - 30 * SECOND;
	expect_ready();
	view.watch.connector.running_since_us = 0; /* it is paused: the connector's state says so */
	expect_ready();
}
END_TEST

/* The daemon does not read: what is missing lies in Kafka, and the lag tells. */
START_TEST(unread_messages_are_no_silence)
{
	view.watch.connector.heartbeat_ms = 10000;
	view.source.lag_messages = 5;
	ck_assert(ops_silent_seconds(&view, &why) == 0);
}
END_TEST

START_TEST(a_transaction_that_lacks_events_is_silent)
{
	view.source.waiting_since_us = clock_monotonic_us() - 100 * SECOND;
	expect_silent("the next transaction is not whole");
}
END_TEST

START_TEST(topics_with_other_names_are_silent)
{
	view.source.misnamed_topics = true;
	expect_silent("do not have the expected names");
	config.supervision.silence_ms = 0;
	expect_ready();
}
END_TEST

START_TEST(a_compacted_topic_is_not_ready)
{
	struct buffer text = {0};

	view.watch.policies = (struct probe_policies){.known = true, .compacted = 1, .compacted_names = "a.b.c"};
	ck_assert(!ops_is_ready(&view, &why));
	ck_assert_ptr_nonnull(strstr(why, "is compacted"));
	ops_print_metrics(&view, &text);
	ck_assert_ptr_nonnull(strstr(text.data, "replicator_compacted_topics 1\n"));
	buffer_free(&text);
	view.watch.policies.compacted = 0;
	expect_ready();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("silence");
	TCase *tests = tcase_create("silence");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, set_up, NULL);
	tcase_add_test(tests, a_quiet_source_is_no_finding);
	tcase_add_test(tests, a_connector_without_its_heartbeats_is_silent);
	tcase_add_test(tests, heartbeats_seen_at_the_source_count);
	tcase_add_test(tests, rare_heartbeats_may_take_their_time);
	tcase_add_test(tests, a_connector_that_just_started_or_stopped_is_not_silent);
	tcase_add_test(tests, unread_messages_are_no_silence);
	tcase_add_test(tests, a_transaction_that_lacks_events_is_silent);
	tcase_add_test(tests, topics_with_other_names_are_silent);
	tcase_add_test(tests, a_compacted_topic_is_not_ready);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
