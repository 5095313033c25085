/* SPDX-License-Identifier: MIT */
/* Parts of the in-flight log for rings.  Device thread. */
#include "core/kept.h"

#include "core/device.h"
#include "mem/region.h"
#include "ring/inflight.h"

void kept_set(struct kept *kept, struct region *region, uint16_t n_queues, uint16_t entries)
{
	/* Rings that run keep the one that they started with. */
	region_unref(kept->region);
	kept->region = region;
	kept->n_queues = n_queues;
	kept->entries = entries;
	kept->is_told = false;
}

static void kept_tell(struct vu_queue *q, const struct ring_config *config, const char *unfit)
{
	struct kept *kept = &q->dev->kept;

	if (!kept->is_told)
		log_peer_warn(
			&q->dev->log,
			"queue %u, size %u: the in-flight log, for %u entries, is too short for "
			"%s: they run without, and a crash loses what is in flight",
			q->index, config->size, kept->entries, unfit);
	kept->is_told = true;
}

void kept_use(struct vu_queue *q, struct ring_config *config)
{
	const struct kept *kept = &q->dev->kept;
	const char *unfit;

	config->log = NULL;
	config->log_region = NULL;
	config->suspend = false;
	if (!kept->region || q->index >= kept->n_queues)
		return;
	unfit = inflight_use(config, kept->region, kept->n_queues, kept->entries, q->index);
	if (unfit)
		kept_tell(q, config, unfit);
	else
		config->suspend = kept->may_leave;
}
