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

/* A region that was made for other rings: what is wrong with it, or NULL. */
static const char *kept_unfit(const struct kept *kept, const struct ring_config *config,
			      uint64_t part)
{
	/* QEMU's virtio-mmio has rings of up to 1024 entries, whatever the device's queue-size. */
	if (config->size > kept->entries)
		return "rings of this size (set the front-end's queue size to it)";
	if ((uint64_t)kept->n_queues * part > kept->region->info.size)
		return "packed rings (it was made for split ones)";
	return NULL;
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
	uint64_t part;

	config->log = NULL;
	config->log_region = NULL;
	config->suspend = false;
	if (!kept->region || q->index >= kept->n_queues)
		return;
	part = inflight_bytes(config->packed, kept->entries);
	unfit = kept_unfit(kept, config, part);
	if (unfit) {
		kept_tell(q, config, unfit);
		return;
	}
	config->log_bytes = part;
	config->log = kept->region->host + q->index * part;
	config->log_region = kept->region;
	config->log_entries = kept->entries;
	config->suspend = kept->may_leave;
}
