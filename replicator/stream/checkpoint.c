/* checkpoint.c - see checkpoint.h; the target room reads and writes checkpoints. */
#include "stream/checkpoint.h"

#include <stdlib.h>

void checkpoint_free(struct checkpoint *checkpoint)
{
	for (size_t i = 0; i < checkpoint->offset_count; i++) {
		free(checkpoint->offsets[i].topic);
	}
	free(checkpoint->offsets);
	free(checkpoint->cluster_id);
	*checkpoint = (struct checkpoint){0};
}
