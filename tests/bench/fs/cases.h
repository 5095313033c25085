/* SPDX-License-Identifier: MIT */
/* What bench-fs asks for: each case is a row of requests that are asked again and again. */
#ifndef BENCH_FS_CASES_H
#define BENCH_FS_CASES_H

#include <linux/fuse.h>
#include <stdbool.h>
#include <stdint.h>

/* tree/0/0 to tree/99/999; the files of the first folder are opened by turns. */
enum { TREE_FOLDERS = 100, TREE_FILES = 1000 };
enum { HEAD = 4096, DATA = 1 << 20, FILE_BYTES = 16 << 20 };

/*
 * The place of one request at a time, and what its case remembers.  As Linux has it, headers are
 * apart, and data are whole pages: both are HEAD bytes behind the header.
 */
struct slot {
	unsigned char *out, *in;
	uint64_t out_gpa, in_gpa;
	uint32_t index; /* of all slots */
	uint32_t queue; /* where its requests go */
	uint32_t step;	/* of the case */
	uint32_t kind;	/* of a mixed turn */
	uint64_t node, fh, offset;
	uint32_t seed;
};

/* A request as it is to be sent. */
struct request {
	uint32_t opcode;
	uint64_t nodeid;
	uint32_t args_len; /* behind the header, in slot->out already */
	uint32_t in_len;   /* room behind the reply's header */
	bool forgets;	   /* on queue 0, without a reply */
	uint32_t data_len; /* of slot's data, which are what they are */
};

struct targets {
	uint64_t file, dir, tree; /* inodes */
	uint64_t file_fh;
	uint64_t others[TREE_FILES];
};

struct bench_case {
	const char *name;
	uint32_t bytes; /* that one turn moves; 0: it is counted */
	/* The request of slot->step; false: the turn is over, and step is 0 again. */
	bool (*ask)(struct slot *slot, const struct targets *t, struct request *r);
	/* What it said. */
	void (*take)(struct slot *slot, const void *reply, uint32_t len);
};

extern const struct bench_case bench_fs_cases[];

#endif
