/*
 * ddl_rules.h - the source's images as the rules of the configuration have them in the target.
 *
 * NOTES
 *   Both images of a change are turned before they are compared, so that each step comes out with the target's names,
 *   and none for what a rule leaves out. Definitions (constraints, indexes, defaults) are SQL text: names of renamed
 *   columns in them are replaced; one that needs an excluded or masked column is left out, as are foreign keys of
 *   tables with rules.
 *
 * Thread: the applier's. Memory lies in the given arena.
 */
#ifndef REPLICATOR_TARGET_DDL_RULES_H
#define REPLICATOR_TARGET_DDL_RULES_H

#include "config/config.h"
#include "schema/object_image.h"

/* NULL stays NULL. The image itself where no rule changes anything. */
const struct object_image *ddl_ruled_image(const struct config *config, const struct object_image *image,
                                           struct arena *arena);

struct object_name ddl_ruled_name(const struct config *config, const struct object_name *table, struct arena *arena);

#endif
