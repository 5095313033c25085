/* SPDX-License-Identifier: MIT */
/* See inflight_rig.h. */
#include "inflight_rig.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

_Static_assert(sizeof(struct spec_split) == 16 && sizeof(struct spec_split_entry) == 16, "split");
_Static_assert(sizeof(struct spec_packed) == 32 && sizeof(struct spec_packed_entry) == 32,
	       "packed");

/* Whole pages that have room for it, and one that nobody may touch. */
static size_t log_pages(const struct rig *rig)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (log_bytes(rig) + page - 1) / page * page;
}

uint64_t log_bytes(const struct rig *rig)
{
	return inflight_bytes(rig->layout->packed, rig->config.log_entries);
}

void *log_new(struct rig *rig, uint32_t entries)
{
	/* Only its count is looked at; it never comes to 0. */
	static struct region region = {.refs = 1};
	size_t page = (size_t)sysconf(_SC_PAGESIZE), pages;
	unsigned char *map;

	rig->config.log_entries = entries ? entries : rig->config.size;
	rig->config.log_region = &region;
	rig->config.log_bytes = log_bytes(rig);
	pages = log_pages(rig);
	map = mmap(NULL, pages + page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(map != MAP_FAILED);
	assert_int_equal(mprotect(map + pages, page, PROT_NONE), 0);
	rig->config.log = map + pages - log_bytes(rig);
	return rig->config.log;
}

void log_free(struct rig *rig)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = log_pages(rig);
	unsigned char *end = (unsigned char *)rig->config.log + log_bytes(rig);

	ring_free(rig->ring);
	rig->ring = NULL;
	assert_int_equal(munmap(end - pages, pages + page), 0);
	rig->config.log = NULL;
}

struct spec_split *log_split(const struct rig *rig)
{
	return rig->config.log;
}

struct spec_packed *log_packed(const struct rig *rig)
{
	return rig->config.log;
}

bool log_is_marked(const struct rig *rig, const struct req *req)
{
	return rig->layout->packed ? log_packed(rig)->desc[req->log_entry].inflight
				   : log_split(rig)->desc[req->log_entry].inflight;
}

uint64_t log_counter(const struct rig *rig, const struct req *req)
{
	return rig->layout->packed ? log_packed(rig)->desc[req->log_entry].counter
				   : log_split(rig)->desc[req->log_entry].counter;
}

uint32_t log_count(const struct rig *rig)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < rig->config.log_entries; i++)
		n += rig->layout->packed ? log_packed(rig)->desc[i].inflight
					 : log_split(rig)->desc[i].inflight;
	return n;
}

void log_crash(struct rig *rig)
{
	const char *why = NULL;

	/* Nothing of this is written to shared memory. */
	ring_free(rig->ring);
	rig->ring = NULL;
	if (rig_new_ring(rig, &why))
		fail_msg("refused: %s", why);
	if (rig->ring->why)
		fail_msg("broken: %s", rig->ring->why);
}

struct req *log_take(struct rig *rig, bool again)
{
	struct req *req = rig_take(rig);

	assert_int_equal(req->pub.flags, again ? VU_REQ_RESUBMITTED : 0);
	return req;
}

void log_start(struct rig *rig, const struct rig_options *options, uint32_t entries)
{
	const char *why;

	rig_prepare(rig, options);
	log_new(rig, entries);
	assert_int_equal(rig_new_ring(rig, &why), 0);
	assert_false(rig->ring->has_again);
}

void log_take_n(struct rig *rig, struct rig_chain *chains, struct req **reqs, uint32_t *ids,
		uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		rig_make_chain(rig, &chains[i], 1 + i % 2, i % 3 == 1);
		ids[i] = rig_add(rig, &chains[i], i % 3 ? RIG_DIRECT : RIG_INDIRECT);
	}
	driver_publish(rig->drv);
	for (uint32_t i = 0; i < n; i++)
		reqs[i] = log_take(rig, false);
}

void log_start_with_n(struct rig *rig, struct rig_chain *chains, struct req **reqs, uint32_t *ids)
{
	log_start(rig,
		  &(struct rig_options){.size = LOG_SIZE,
					.base = rig->layout->base_before_wrap(LOG_SIZE, 5)},
		  0);
	log_take_n(rig, chains, reqs, ids, LOG_N);
}

struct req *log_take_again(struct rig *rig, const struct rig_chain *chain)
{
	struct req *req = log_take(rig, true);

	req->pub.flags = 0;
	rig_check(rig, req, chain);
	return req;
}

void log_serve_on(struct rig *rig)
{
	assert_int_equal(log_count(rig), 0);
	for (uint32_t i = 0; i < 2 * LOG_SIZE; i++) {
		struct rig_chain chain;

		rig_make_chain(rig, &chain, 1, 1);
		rig_pass(rig, &chain, i % 2 ? RIG_DIRECT : RIG_INDIRECT);
	}
	assert_int_equal(log_count(rig), 0);
}
