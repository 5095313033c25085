/* SPDX-License-Identifier: MIT */
/*
 * What the ring tests stand on: guest memory, the driver's side of a ring and the library's, on
 * any layout.  The library's mappings lie between pages that cannot be touched.
 */
#ifndef TEST_RING_RIG_H
#define TEST_RING_RIG_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "frontend/driver.h"
#include "frontend/guest.h"
#include "kit/counts.h"
#include "kit/test.h"
#include "mem/mappings.h"
#include "mem/table.h"
#include "ring/hot.h"
#include "ring/ring.h"

/* A ring layout: what the test bodies need to know beyond the two contracts. */
struct rig_layout {
	const char *name;
	bool packed;
	/* The base n entries before its positions wrap, n at most size. */
	uint32_t (*base_before_wrap)(uint32_t size, uint32_t n);
	/* Both sides have gone n entries on. */
	uint32_t (*add_to_base)(uint32_t base, uint32_t size, uint32_t n);
};

/* For what only one of them has. */
extern const struct rig_layout *const rig_layout_split;
extern const struct rig_layout *const rig_layout_packed;

/*
 * Guest memory: ring memory first, then three regions for data without a gap between their guest
 * addresses.  The middle one is small and starts in the middle of a page of its file.
 */
enum { RIG_RING, RIG_DATA, RIG_SMALL, RIG_TAIL, RIG_REGIONS, RIG_MAX_REGIONS = 8 };

#define RIG_DATA_GPA   UINT64_C(0x100000000)
#define RIG_DATA_SIZE  UINT64_C(0x20000)
#define RIG_SMALL_GPA  (RIG_DATA_GPA + RIG_DATA_SIZE)
#define RIG_SMALL_SIZE UINT64_C(0x2f0)
#define RIG_TAIL_GPA   (RIG_SMALL_GPA + RIG_SMALL_SIZE)
#define RIG_TAIL_SIZE  UINT64_C(0x1100)
#define RIG_END_GPA    (RIG_TAIL_GPA + RIG_TAIL_SIZE)
#define RIG_USER_GAP   UINT64_C(0x7f0000000000) /* user addresses are that much higher */

/* 0 means the usual: 256 entries, 1024 segments, the first base, 4 MiB, and no feature. */
struct rig_options {
	uint32_t size;
	uint32_t max_segs;
	uint32_t priv_size;
	uint32_t base;
	uint64_t ring_bytes; /* size of the region that the ring is in */
	bool event_idx;
	bool no_indirect;      /* neither accepted nor offered */
	bool indirect_offered; /* ... but not accepted */
	bool in_order;
	bool user_space; /* areas are given by user addresses */
};

/* A chain as a test describes it; segs of rig_make_chain() live as long as the rig. */
struct rig_chain {
	uint32_t n_readable;
	uint32_t n_writable;
	uint64_t readable_len;
	uint64_t writable_len;
	struct driver_seg *segs;
};

/* Mixed is direct ones and then a table; packed rings do not have that: the table has them all. */
enum rig_how { RIG_DIRECT, RIG_INDIRECT, RIG_MIXED };

struct rig_segs;

struct rig {
	const struct rig_layout *layout;
	struct rig_options options;
	struct guest *guest;
	struct mappings *mappings;
	struct table *table;
	struct driver_ring *drv;
	struct ring_config config;
	struct ring *ring;
	struct rig_segs *segs;
	uint64_t tables_gpa; /* room for the indirect tables of rig_add() */
	uint64_t tables_used;
	uint32_t n_segs; /* made so far */
};

/* A test body for every layout; its name is a sentence. */
struct rig_test {
	const char *name;
	void (*body)(struct rig *rig);
};

#define RIG_TEST(fn)                                                                               \
	{                                                                                          \
#fn, fn                                                                            \
	}

int rig_main(const struct rig_test *tests, size_t n);

/* Memory, driver and a started ring. */
void rig_start(struct rig *rig, const struct rig_options *options);
/* The same without a started ring: config is filled in. */
void rig_prepare(struct rig *rig, const struct rig_options *options);
void rig_stop(struct rig *rig);
/* ring_new() with the present config; nothing is expected of its result. */
int rig_new_ring(struct rig *rig, const char **why);
/* ring_new() makes a ring that is broken for that reason, and the ring is freed. */
void rig_expect_flaw(struct rig *rig, const char *why);

/* Map the guest's regions, but those with a bit set in without, once more: a new table. */
struct table *rig_map_table(struct rig *rig, unsigned int without);
/* Switch the ring to such a table; ring_set_table()'s result. */
int rig_switch_table(struct rig *rig, unsigned int without);

/* A chain of segments with lengths of their own. */
void rig_make_chain(struct rig *rig, struct rig_chain *chain, uint32_t n_readable,
		    uint32_t n_writable);
/* Give it to the driver's side, not published: its id. */
uint32_t rig_add(struct rig *rig, const struct rig_chain *chain, enum rig_how how);
/* Entries of the ring that it takes. */
uint32_t rig_entries(const struct rig *rig, const struct rig_chain *chain, enum rig_how how);
/* A chain of one readable byte, published. */
uint32_t rig_offer_byte(struct rig *rig);

/* The same, and its whole way. */
void rig_pass_byte(struct rig *rig);

/* The next request, which must be there. */
struct req *rig_take(struct rig *rig);
/* What ring_take() says for one request that is not handed out. */
int rig_take_nothing(struct rig *rig);
/* The request has the chain's buffers, and both sides see the same bytes in them. */
void rig_check(struct rig *rig, const struct req *req, const struct rig_chain *chain);
/* Complete and publish. */
void rig_finish(struct rig *rig, struct req *req, uint64_t written);
/* The driver finds just this. */
void rig_expect_used(struct rig *rig, uint32_t id, uint32_t len);
void rig_expect_nothing_used(struct rig *rig);
/* The whole way of a chain that is the only one in the ring. */
void rig_pass(struct rig *rig, const struct rig_chain *chain, enum rig_how how);

#endif
