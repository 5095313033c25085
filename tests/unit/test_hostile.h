/* SPDX-License-Identifier: MIT */
/*
 * What a hostile driver can write into a ring of either layout.  Each row is a poke and what the
 * ring says of it; afterwards no byte of guest memory has changed, and the ring stays broken
 * whatever the driver does.  Mappings lie between untouchable pages (test_ring_rig.c).
 *
 * The rows that both layouts have are test_hostile.c's; a layout adds those of its own.
 */
#ifndef TEST_HOSTILE_H
#define TEST_HOSTILE_H

#include "test_ring_rig.h"

enum { SIZE = 8, TABLE = 0x8000, MAX_SEGS = 40, RING_BYTES = 0x10000, POKES = 4 };
enum { FAR_TOO_LONG = MAX_SEGS + RING_LONG_SEGS + 1 };
enum { NEXT = DRIVER_DESC_NEXT, WRITE = DRIVER_DESC_WRITE, INDIRECT = DRIVER_DESC_INDIRECT };

#define DATA (RIG_DATA_GPA + 0x1000)

/* A descriptor; packed ones have no next. */
struct poke {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

/* Requests that a row leaves in flight. */
struct held {
	struct req *reqs[SIZE];
	uint32_t n;
};

struct hostile {
	const char *name;
	const char *why;
	struct poke ring[POKES], table[POKES]; /* of the ring, and of a table at TABLE */
	uint16_t head;			       /* split */
	uint16_t jump; /* split: added to the available index beyond the one entry */
	bool no_indirect;
	void (*prepare)(struct rig *rig, struct held *held);
};

/* What the shared bodies need to know of a layout. */
struct hostile_layout {
	bool packed;
	/* Make the row's pokes available. */
	void (*write)(struct rig *rig, const struct hostile *row);
	/* The driver repairs everything and offers what would be right. */
	void (*repair)(struct rig *rig);
	/* One descriptor of one byte into slot i, in turn; and another address for it. */
	void (*offer)(struct rig *rig, uint16_t i, uint64_t addr);
	void (*mend)(struct rig *rig, uint16_t i, uint64_t addr);
	/* The device wrote nothing into the ring. */
	void (*expect_untouched)(struct rig *rig);
	/* What is too little alignment for ring, driver's area and device's; 0: no more of them. */
	uint64_t odd[2][3];
};

/* Requests of one byte, until n are in flight. */
void hostile_hold(struct rig *rig, const struct hostile_layout *layout, struct held *held,
		  uint32_t n);
/* The tests of the layout alone, those of both, and each row as a test. */
int hostile_main(const struct hostile_layout *layout, const struct hostile *rows, size_t n_rows,
		 const struct CMUnitTest *others, size_t n_others);

#endif
