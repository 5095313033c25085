/* SPDX-License-Identifier: MIT */
/* The in-flight log: what does not depend on the layout.  See inflight.h. */
#include "ring/inflight.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/probe.h"
#include "ring/hot.h"

enum { SPLIT_HEADER = 16, SPLIT_ENTRY = 16, PACKED_HEADER = 32, PACKED_ENTRY = 32, ALIGN = 64 };

uint64_t inflight_bytes(bool packed, uint32_t entries)
{
	uint64_t bytes = packed ? PACKED_HEADER + (uint64_t)PACKED_ENTRY * entries
				: SPLIT_HEADER + (uint64_t)SPLIT_ENTRY * entries;

	return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

const char *inflight_use(struct ring_config *config, struct region *region, uint16_t n_parts,
			 uint16_t entries, uint32_t index)
{
	uint64_t part = inflight_bytes(config->packed, entries);

	/* QEMU's virtio-mmio has rings of up to 1024 entries, whatever the device's queue-size. */
	if (config->size > entries)
		return "rings of this size (set the front-end's queue size to it)";
	if (n_parts * part > region->info.size)
		return "packed rings (it was made for split ones)";
	config->log_bytes = part;
	config->log = region->host + index * part;
	config->log_region = region;
	config->log_entries = entries;
	return NULL;
}

static int found_compare(const void *a, const void *b)
{
	const struct inflight_found *x = a, *y = b;

	return x->counter < y->counter ? -1 : x->counter > y->counter;
}

static int inflight_alloc(struct ring *r, struct inflight_found **found)
{
	struct inflight *log = calloc(1, sizeof(*log));

	if (!log)
		return -ENOMEM;
	r->log = log;
	log->base = r->config.log;
	log->entries = r->config.log_entries;
	log->batch = calloc(r->size, sizeof(*log->batch));
	log->again = calloc(log->entries, sizeof(*log->again));
	log->next = calloc(log->entries, sizeof(*log->next));
	log->num = calloc(log->entries, sizeof(*log->num));
	log->taken = calloc(log->entries, sizeof(*log->taken));
	log->noted = calloc(r->size, sizeof(*log->noted));
	*found = calloc(log->entries, sizeof(**found));
	return log->batch && log->again && log->next && log->num && log->taken && log->noted &&
			       *found
		       ? 0
		       : -ENOMEM;
}

int inflight_open(struct ring *r, const char **why)
{
	struct inflight_found *found = NULL;
	uint32_t n = 0;
	int err;

	/* Whoever found the part may have thought of another layout. */
	if (r->config.log_bytes < inflight_bytes(r->packed, r->config.log_entries)) {
		*why = "its in-flight log is too short for the ring's layout";
		return -EINVAL;
	}
	if ((uintptr_t)r->config.log % sizeof(uint64_t)) {
		*why = "its in-flight log is not aligned";
		return -EINVAL;
	}
	if (!r->is_live) {
		/* As ring_stop(): nothing is in flight after the reset that mends it. */
		inflight_clear(r);
		return 0;
	}
	*why = "out of memory";
	err = inflight_alloc(r, &found);
	if (!err)
		err = r->packed ? inflight_packed_open(r, found, &n, why)
				: inflight_split_open(r, found, &n, why);
	if (!err) {
		qsort(found, n, sizeof(*found), found_compare);
		for (uint32_t i = 0; i < n; i++) {
			r->log->again[i] = found[i].entry;
			r->log->counter = found[i].counter + 1;
		}
		r->log->n_again = n;
	}
	free(found);
	return err;
}

void inflight_close(struct ring *r)
{
	struct inflight *log = r->log;

	if (!log)
		return;
	free(log->batch);
	free(log->again);
	free(log->next);
	free(log->taken);
	free(log->num);
	free(log->noted);
	free(log);
	r->log = NULL;
}

void inflight_clear(struct ring *r)
{
	const struct ring_config *c = &r->config;
	uint64_t n = inflight_bytes(r->packed, c->log_entries) / sizeof(uint64_t);
	struct inflight_header *header = c->log;
	uint64_t *words = c->log;

	/* First: a crash from here on leaves a log that is not in use. */
	log_set16(&header->version, 0);
	for (uint64_t i = 0; i < n; i++)
		log_set64(&words[i], 0);
}

uint32_t inflight_waiting(const struct ring *r)
{
	return r->log ? r->log->n_again - r->log->at_again : 0;
}

int inflight_take(struct ring *r, struct vu_req **reqs, uint32_t max)
{
	struct inflight *log = r->log;
	uint32_t n = 0;
	int err = 0;

	r->is_again = true;
	for (; n < max && log->at_again < log->n_again; n++) {
		uint16_t entry = log->again[log->at_again];
		struct req *req;

		err = r->packed ? inflight_packed_walk(r, entry, &req)
				: inflight_split_walk(r, entry, &req);
		if (err)
			break;
		req->again_at = ++log->at_again;
		req->pub.flags |= VU_REQ_RESUBMITTED;
		req->odd |= REQ_ODD;
		reqs[n] = &req->pub;
		RING_PROBE(take, r, req, req->pub.readable_len);
	}
	r->is_again = false;
	r->has_again = log->at_again < log->n_again;
	return n ? (int)n : err < 0 ? err : 0;
}

bool inflight_is_newest_again(const struct ring *r, const struct req *req)
{
	return req->again_at && req->again_at == r->log->at_again &&
	       r->next_pos == r->log_start_pos;
}

void inflight_taken(struct ring *r, struct req *req)
{
	req->again_at = 0;
	if (r->packed)
		inflight_packed_taken(r, req);
	else
		inflight_split_taken(r, req);
}

void inflight_pushed(struct ring *r, const struct req *req)
{
	r->log->batch[r->log->n_batch++] = req->log_entry;
	if (r->packed)
		inflight_packed_pushed(r, req);
	else
		inflight_split_pushed(r, req);
}

void inflight_published(struct ring *r)
{
	if (!r->log->n_batch)
		return;
	if (r->packed)
		inflight_packed_published(r);
	else
		inflight_split_published(r);
	r->log->n_batch = 0;
}

void inflight_put_back(struct ring *r, const struct req *req)
{
	if (req->again_at) {
		/* It stays in the log and in the ring: it is handed out again. */
		r->log->at_again--;
		r->outstanding_slots += r->packed ? req->slots : 0;
	} else if (r->packed) {
		inflight_packed_put_back(r, req);
	} else {
		inflight_split_put_back(r, req);
	}
}
