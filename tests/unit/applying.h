/*
 * applying.h - an applier on a real server, fresh for each test, with the queue that it takes transactions from.
 * All static, as in decoding.h; a test includes it once.
 */
#ifndef TESTS_UNIT_APPLYING_H
#define TESTS_UNIT_APPLYING_H

#include "base/slab.h"
#include "postgres.h"
#include "target/applier.h"
#include "target/checkpoint.h"

#include <check.h>

static struct slab_account account;
static struct slab_writer writer;
static struct pg_connection *side; /* another session */
static struct partition_list *partitions;
static struct transaction_queue *queue;
static struct applier *applier;
static uint32_t partition;
static int64_t offset;

/* In the database of target.dsn, by default the server's own. `sql` makes the tables. Whatever a failed test left behind does not count. */
static inline void applying_set_up(struct config *config, const char *sql)
{
	struct checkpoint checkpoint;
	char *drop = memory_format("SET synchronous_commit = local; SET client_min_messages = warning;"
	                           " DROP SCHEMA IF EXISTS %s CASCADE",
	                           config->target.schema);

	if (config->target.dsn == NULL)
		config->target.dsn = postgres_dsn();
	side = postgres_connect_to(config->target.dsn);
	postgres_execute(side, drop);
	free(drop);
	postgres_execute(side, sql);
	expect_no_error(checkpoint_install_schema(side, config->target.schema));
	slab_writer_init(&writer, &account);
	partitions = partition_list_new();
	queue = transaction_queue_new(1000, 1 << 20);
	partition = partition_list_add(partitions, "p.all", 0);
	offset = 0;
	expect_no_error(applier_new(config, partitions, queue, &applier, &checkpoint));
	checkpoint_free(&checkpoint);
	applier_set_cluster_id(applier, "cluster");
}

static inline void applying_tear_down(void)
{
	applier_free(applier);
	transaction_queue_free(queue);
	partition_list_free(partitions);
	slab_writer_close(&writer);
	ck_assert_uint_eq(slab_bytes_in_use(&account), 0);
	pg_disconnect(side);
}

static inline void expect_value(const char *sql, const char *expected)
{
	postgres_expect(side, sql, expected);
}

#endif
