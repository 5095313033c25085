/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the in-flight log share: a region behind a ring of the ring rig, and the
 * specification's view of it ("Inflight I/O tracking"), written down once more.
 */
#ifndef INFLIGHT_RIG_H
#define INFLIGHT_RIG_H

#include "test_ring_rig.h"

#include "ring/inflight.h"

struct spec_split_entry {
	uint8_t inflight;
	uint8_t padding[5];
	uint16_t next;
	uint64_t counter;
};

struct spec_split {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
	uint16_t last_batch_head;
	uint16_t used_idx;
	struct spec_split_entry desc[];
};

struct spec_packed_entry {
	uint8_t inflight;
	uint8_t padding;
	uint16_t next;
	uint16_t last;
	uint16_t num;
	uint64_t counter;
	uint16_t id;
	uint16_t flags;
	uint32_t len;
	uint64_t addr;
};

struct spec_packed {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
	uint16_t free_head;
	uint16_t old_free_head;
	uint16_t used_idx;
	uint16_t old_used_idx;
	uint8_t used_wrap_counter;
	uint8_t old_used_wrap_counter;
	uint8_t padding[7];
	struct spec_packed_entry desc[];
};

/*
 * Zeroed memory, shared with children, that ends where nothing is mapped: the rig's config uses it
 * as a log of so many entries (0: as many as the ring has).  Freed by log_free().
 */
void *log_new(struct rig *rig, uint32_t entries);
void log_free(struct rig *rig);
uint64_t log_bytes(const struct rig *rig);
struct spec_split *log_split(const struct rig *rig);
struct spec_packed *log_packed(const struct rig *rig);

/* Of a request that was taken: is it marked; its place in the order. */
bool log_is_marked(const struct rig *rig, const struct req *req);
uint64_t log_counter(const struct rig *rig, const struct req *req);
/* Marked entries in all. */
uint32_t log_count(const struct rig *rig);

/* The process died: a new ring on the same memory and log; it must start. */
void log_crash(struct rig *rig);
/* The next request, which must be one that is run again (or must not). */
struct req *log_take(struct rig *rig, bool again);

/* A ring of LOG_SIZE entries or other options, with a log. */
enum { LOG_N = 6, LOG_SIZE = 16 };
void log_start(struct rig *rig, const struct rig_options *options, uint32_t entries);
/* Chains of one to three descriptors, taken; and LOG_N of them, on a ring about to wrap. */
void log_take_n(struct rig *rig, struct rig_chain *chains, struct req **reqs, uint32_t *ids,
		uint32_t n);
void log_start_with_n(struct rig *rig, struct rig_chain *chains, struct req **reqs, uint32_t *ids);
/* It comes again, as it was. */
struct req *log_take_again(struct rig *rig, const struct rig_chain *chain);
/* Nothing is in flight; and two laps more. */
void log_serve_on(struct rig *rig);

#endif
