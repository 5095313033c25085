/* SPDX-License-Identifier: MIT */
/* What a started virtqueue does whatever its layout.  Queue thread. */
#include "ring/ring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ring/chain.h"
#include "ring/hot.h"
#include "ring/indirect.h"
#include "ring/inflight.h"
#include "ring/packed.h"
#include "ring/split.h"
#include "ring/split_big.h"

void ring_choose_way(struct ring *r)
{
	const struct ring_config *c = &r->config;
	/* Completions of a request that is too long have to look at its flag. */
	bool is_plain = r->is_live && r->signal_valid && !r->watched && !c->debug && !c->in_order &&
			!c->log && !c->big_endian && !r->marks.config.is_on &&
			!(r->warned & RING_WARN_LONG);

	r->way = !is_plain ? RING_SLOW : r->packed ? RING_PACKED : RING_SPLIT;
}

/* Nothing more is to be taken: nothing is left of what was seen, and nobody looks any more. */
static void ring_end(struct ring *r)
{
	r->is_live = false;
	ring_choose_way(r);
	r->avail_idx = (uint16_t)r->next_pos;
	order_forget(r);
}

int ring_break(struct ring *r, const char *why)
{
	if (!r->why)
		r->why = why;
	ring_end(r);
	return -EIO;
}

int ring_lose(struct ring *r, const char *why)
{
	r->blameless |= !r->why;
	return ring_break(r, why);
}

void ring_warn(struct ring *r, enum ring_warning warning, const char *what)
{
	if (r->warned & warning)
		return;
	r->warned |= (uint8_t)warning;
	if (r->config.warn)
		r->config.warn(r->config.queue, what);
}

/* Front-ends pass on what the driver chose; what of it cannot be breaks the ring, and no more. */
static const char *ring_find_flaw(struct ring *r)
{
	const struct ring_config *c = &r->config;
	uint32_t max = c->max_size ? c->max_size : RING_MAX_SIZE;

	if (!c->size || c->size > max) {
		snprintf(r->flaw, sizeof(r->flaw), "its size is %u, and 1 to %u can be used",
			 c->size, max);
		return r->flaw;
	}
	if (!c->packed && c->size & (c->size - 1)) {
		snprintf(r->flaw, sizeof(r->flaw), "its size is %u, which is no power of two",
			 c->size);
		return r->flaw;
	}
	if (c->log && c->log_entries < c->size) {
		snprintf(r->flaw, sizeof(r->flaw),
			 "its size is %u, and its in-flight log has %u entries", c->size,
			 c->log_entries);
		return r->flaw;
	}
	if (c->packed && !packed_base_fits(c->base, c->size))
		return "its base is beyond its size";
	if (!c->packed && c->base > UINT16_MAX)
		return "its base does not fit into 16 bits";
	return ring_resolve(r);
}

/* Nothing of it is written here: a start costs what is used, whatever there is room for. */
static int ring_alloc(struct ring *r)
{
	const struct ring_config *c = &r->config;

	r->scratch = malloc((size_t)ring_walk_limit(r) * DESC_BYTES);
	if (c->in_order)
		r->order = malloc(c->size * sizeof(*r->order));
	if (!r->scratch || (c->in_order && !r->order) || pool_new(r))
		return -ENOMEM;
	return arena_init(&r->arena, c->size, c->max_segs);
}

/* What cannot be, whatever the driver does. */
static int ring_check(const struct ring_config *c, const struct table *table, const char **why)
{
	if (!c->max_segs) {
		*why = "its requests may have no segments";
		return -EINVAL;
	}
	if (!table_regions(table)) {
		*why = "the front-end sent no guest memory, as QEMU does unless it can be shared "
		       "(share=on)";
		return -EFAULT;
	}
	return 0;
}

bool ring_needs_extras(const struct ring *r)
{
	return r->config.in_order || r->config.log || r->config.priv_size || r->n_kept;
}

int ring_begin(struct ring *r, const char **why)
{
	const struct ring_config *c = &r->config;
	int err;

	ring_choose_way(r);
	r->has_extras = ring_needs_extras(r);
	if (r->packed)
		packed_begin(r);
	else if (c->big_endian)
		split_big_begin(r);
	else
		split_begin(r);
	if (!c->log || r->seeks_areas)
		return 0;
	err = inflight_open(r, why);
	r->has_again = inflight_waiting(r);
	r->log_start_pos = r->next_pos;
	return err;
}

int ring_new(const struct ring_config *config, struct table *table, struct ring **out,
	     const char **why)
{
	const char *flaw;
	struct ring *r;
	int err;

	err = ring_check(config, table, why);
	if (err)
		return err;
	*why = "out of memory";
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->config = *config;
	r->size = config->size;
	r->mask = config->size - 1;
	r->max_segs = config->max_segs;
	r->inline_end =
		(uint32_t)offsetof(struct req, segs) +
		(uint32_t)sizeof(struct iovec) *
			(config->max_segs < RING_INLINE_SEGS ? config->max_segs : RING_INLINE_SEGS);
	r->packed = config->packed;
	r->big_endian = config->big_endian && !config->packed;
	r->event_idx = config->event_idx;
	r->indirect = config->indirect;
	r->table = table_ref(table);
	/* Also a ring that seeks its areas and opens the log later keeps this one. */
	if (config->log_region)
		(void)region_ref(config->log_region);
	if (config->is_translated)
		space_init_translated(&r->space, table, config->space, config->iotlb);
	else
		space_init(&r->space, table, TABLE_GUEST);
	flaw = ring_find_flaw(r);
	r->is_live = !flaw && !r->seeks_areas;
	err = flaw ? 0 : ring_alloc(r);
	if (!err)
		err = ring_begin(r, why);
	if (err) {
		ring_free(r);
		return err;
	}
	if (flaw)
		ring_lose(r, flaw);
	*why = NULL;
	*out = r;
	return 0;
}

void ring_free(struct ring *r)
{
	if (!r)
		return;
	while (r->old_tables) {
		struct ring_old_table *old = r->old_tables;

		r->old_tables = old->next;
		table_unref(old->table);
		free(old);
	}
	inflight_close(r);
	region_unref(r->config.log_region);
	region_unref(r->marks.config.log);
	areas_drop(r);
	table_unref(r->table);
	arena_fini(&r->arena);
	free(r->scratch);
	free(r->order);
	free(r->kept);
	pool_free(r);
	free(r);
}

void ring_drop_odd(struct ring *r, struct req *req)
{
	if (req->block) {
		r->unstarved |= r->starved;
		r->starved = false;
	}
	chain_release(r, req);
	if (req->table != r->table)
		ring_release_old_table(r, req);
}

void ring_stop(struct ring *r)
{
	const char *why;

	if (!r->config.log || r->dead)
		return;
	/* What broke is only mended by a reset, after which nothing is in flight. */
	if (r->log && (r->why || !(r->log->is_kept || inflight_waiting(r))))
		inflight_clear(r);
	/* ... also if it never had its areas, and so has not looked at its log. */
	if (!r->log && r->why)
		(void)inflight_open(r, &why);
}

void ring_kill(struct ring *r)
{
	r->dead = true;
	marks_end(r);
	ring_end(r);
}

void ring_watch(struct ring *r)
{
	r->watched = true;
	ring_choose_way(r);
}

void ring_took(struct ring *r, struct req *req)
{
	if (r->config.priv_size)
		memset(req->pub.priv, 0, r->config.priv_size);
	if (r->order)
		order_taken(r, req);
	if (r->log && !r->is_again)
		inflight_taken(r, req);
	if (r->n_kept)
		progress_taken(r, req);
}

uint32_t ring_waiting_again(const struct ring *r)
{
	return r->log ? inflight_waiting(r) : 0;
}

/* It ends without a word about what was written for it. */
static void ring_gave_up(struct ring *r, const struct req *req)
{
	if (r->marks.config.is_on)
		marks_request(r, req, req->pub.writable_len);
}

int ring_put_back(struct ring *r, struct req *req)
{
	bool again = req->again_at;
	bool newest =
		again ? inflight_is_newest_again(r, req) : req->pos + req->slots == r->next_pos;

	if (req->state != REQ_OUT || !newest)
		return -EINVAL;
	if (r->log && r->is_live)
		inflight_put_back(r, req);
	if (again)
		r->has_again = true;
	else if (r->packed)
		packed_put_back(r, req);
	else
		r->next_pos--;
	/* The newest one taken is the last in order. */
	if (r->order_n)
		r->order_n--;
	if (!r->is_live)
		ring_end(r);
	progress_put_back(r, req);
	ring_gave_up(r, req);
	ring_drop(r, req);
	r->taken--;
	r->done--;
	return 0;
}

int ring_suspend(struct ring *r, struct req *req)
{
	if (!r->log || !r->config.suspend)
		return -ENOTSUP;
	r->log->is_kept = true;
	ring_gave_up(r, req);
	if (r->order)
		order_suspend(r, req);
	else
		ring_drop(r, req);
	return 0;
}

void ring_signal_again(struct ring *r)
{
	if (!r->log || !r->log->is_resumed || !r->is_live)
		return;
	ring_signal_surely(r);
	r->signal_pos = r->used_pos - 1;
}

void ring_signal_surely(struct ring *r)
{
	r->signal_valid = false;
	ring_choose_way(r);
}

int ring_take_slow(struct ring *r, struct vu_req **reqs, uint32_t max)
{
	if (!r->is_live)
		return -EIO;
	if (r->has_again)
		return inflight_take(r, reqs, max);
	if (r->big_endian)
		return split_big_take(r, reqs, max);
	if (!r->packed)
		return split_take(r, reqs, max);
	return r->log ? packed_take_logged(r, reqs, max) : packed_take(r, reqs, max);
}

void ring_decide_again(struct ring *r)
{
	if (r->signal_valid)
		r->signal_pos = r->used_pos - (r->packed ? r->size - 1 : r->size);
}

bool ring_arm_slow(struct ring *r)
{
	bool is_news;

	if (!r->is_live)
		return true;
	if (r->big_endian)
		is_news = split_big_arm(r);
	else
		is_news = r->packed ? packed_arm(r) : split_arm(r);
	if (r->marks.config.is_on)
		marks_armed(r);
	return is_news;
}

void ring_disarm_slow(struct ring *r)
{
	if (!r->is_live)
		return;
	if (r->packed)
		packed_disarm(r);
	else if (r->big_endian)
		split_big_disarm(r);
	else
		split_disarm(r);
	if (r->marks.config.is_on)
		marks_armed(r);
}

bool ring_is_available(struct ring *r)
{
	uint16_t told = r->avail_idx;
	bool is_new;

	if (!r->is_live)
		return false;
	if (r->has_again)
		return true;
	if (r->packed)
		return packed_is_available(r, r->avail);
	if ((uint16_t)r->next_pos != told)
		return true;
	is_new = (r->big_endian ? split_big_refresh(r) : split_refresh(r)) > 0;
	/* Whoever asks may leave it: it stays news, as no kick need come for it. */
	r->avail_idx = told;
	return is_new;
}

uint32_t ring_base(const struct ring *r)
{
	return r->packed ? packed_base(r) : split_base(r);
}
