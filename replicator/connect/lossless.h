/*
 * lossless.h - which settings of a Debezium PostgreSQL connector lose something, what, and what to set instead.
 *
 * NOTES
 *   One list for two users: check-config walks over a running connector's configuration with lossless_check;
 *   definition_generate, which `connector config` and `connector create` print and send, sets each name to its best.
 *
 * Source: Debezium documentation, "Debezium connector for PostgreSQL", "Data type mappings" and "Connector properties";
 * what is lost was measured (tests/golden/expected-failures.txt, tests/golden/matrix/known-losses.txt).
 *
 * Thread: any.
 */
#ifndef REPLICATOR_CONNECT_LOSSLESS_H
#define REPLICATOR_CONNECT_LOSSLESS_H

#include <jansson.h>

#include "config/config.h"
#include "connect/format.h"

struct lossless_setting {
	const char *name;        /* of the connector's property */
	const char *best;        /* the value that loses least */
	const char *fallback;    /* the connector's default, which counts where the property is not set */
	const char *const *good; /* the values that lose nothing, NULL-terminated */
	const char *loss;        /* what any other value does, for people */
	bool problem;            /* it breaks the stream or loses whole events; else single values suffer */
};

extern const struct lossless_setting lossless_settings[];
extern const size_t lossless_setting_count;

/*
 * Calls `tell` for each setting of the connector's configuration ({"name": "value", …}, as Connect gives it) that loses
 * something; with what format.h, transforms.h, session_options.h say of it. `worker_converter`: format_read_worker, or NULL; `format`: of its
 * events. `text` lives during the call.
 */
void lossless_check(const json_t *connector, const char *worker_converter, enum event_format format,
                    const struct config *config, void (*tell)(void *context, bool problem, const char *text),
                    void *context);

#endif
