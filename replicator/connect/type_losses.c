/* type_losses.c - see type_losses.h */
#include "connect/type_losses.h"

#include <string.h>

#define LEFT_OUT "the connector leaves such columns out of every event, so that the target never gets their values"
#define WORKER_ZONE                                                                                                    \
	"elements before 1582-10-15 arrive some days off, and those before the standard time of the time zone of the " \
	"Connect worker by its local mean time; run the worker with -Duser.timezone=UTC"

static const struct type_loss losses[] = {
    {"money", true, true, LEFT_OUT},
    {"varbit", true, true, LEFT_OUT},
    {"varbit", false, false, "leading zeros of a value are lost, the connector does not send its length; use bit(n)"},
    {"xml", true, true, LEFT_OUT},
    {"point", true, true, LEFT_OUT},
    {"interval", true, true, LEFT_OUT},
    {"bit", true, true, "the connector sends NULL in the place of such values"},
    {"timetz", false, false, "the connector moves such values to UTC, their offset is lost"},
    {"timetz", true, false, "the connector moves such values to UTC, their offset is lost"},
    {"time", true, false, "the connector cuts the elements to milliseconds"},
    {"timestamp", true, false, WORKER_ZONE},
    {"timestamptz", true, false, "elements before 1582-10-15 arrive some days off"},
    {"date", true, false, "elements of the ten days before 1582-10-15 arrive as other days"},
    {"sparsevec", false, true, "the connector's events of it stop the stream"},
};

/* Their placeholder for an unchanged value is missing: NULL comes, unless the old row has the value. */
static const struct type_loss places[] = {
    {"geometry", false, false,
     "an unchanged value that is stored out of line arrives as NULL; set REPLICA IDENTITY FULL"},
    {"geography", false, false,
     "an unchanged value that is stored out of line arrives as NULL; set REPLICA IDENTITY FULL"},
};

static const struct type_loss *find(const struct type_loss *list, size_t count, const struct target_type *type)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i].type, type->name) == 0 && list[i].array == type->array)
			return &list[i];
	return NULL;
}

const struct type_loss *type_loss_of(const struct target_type *type, bool old_rows)
{
	const struct type_loss *loss = find(losses, sizeof(losses) / sizeof(*losses), type);

	if (loss == NULL && !old_rows)
		loss = find(places, sizeof(places) / sizeof(*places), type);
	return loss;
}
