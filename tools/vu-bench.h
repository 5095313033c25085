/* SPDX-License-Identifier: MIT */
/*
 * vu-bench: what its files share.
 *
 *   vu-bench.c            options, connecting, the order of things
 *   vu-bench-run.c        keeping queues full, one phase at a time
 *   vu-bench-verify.c     which block next; stamps in blocks
 *   vu-histogram.c        latencies, percentiles
 *   vu-bench-report.c     text, JSON, SVG
 *
 * One thread does everything.
 */
#ifndef VU_BENCH_H
#define VU_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "frontend/peer.h"
#include "vu-histogram.h"

enum {
	BENCH_SECTOR = 512,
	BENCH_MAX_QD = 4096,
	BENCH_SEGS = 3,
	BENCH_WINDOW_MS = 5,
};

enum bench_rw { BENCH_READ, BENCH_WRITE, BENCH_MIX };

struct bench_settings {
	const char *socket_path;
	const char *plot; /* file for the SVG, or NULL */
	uint32_t qd;	  /* of each queue */
	uint32_t n_queues;
	uint32_t bs;
	enum bench_rw rw;
	double seconds;
	uint64_t size; /* bytes of the disk to use; 0: all */
	uint64_t seed;
	int cpu; /* to run on, or -1 */
	bool json, blocking, packed, indirect, verify;
};

/* A request with its places in guest memory; one of qd in each queue. */
struct bench_io {
	struct driver_seg segs[BENCH_SEGS];
	struct virtio_blk_outhdr *header;
	unsigned char *data;
	uint8_t *status;
	uint64_t began; /* ns */
	uint64_t block;
	uint32_t stamp; /* what is written, or what a read must find; 0: not known */
	bool write;
};

struct bench_queue {
	struct driver_ring *ring;
	struct bench_io *ios;
};

enum bench_phase { PHASE_FILL, PHASE_RUN, PHASE_CHECK };

struct bench {
	const struct bench_settings *set;
	struct peer *peer;
	struct bench_queue *queues;
	int epoll;	   /* the call fds, when blocking */
	uint64_t n_blocks; /* of bs bytes */
	uint64_t disk;	   /* bytes */
	enum bench_phase phase;
	uint64_t next_block; /* of PHASE_FILL and PHASE_CHECK */
	uint64_t random;
	uint32_t *stamps; /* verify: of each block; STAMP_BUSY with a request on its way */
	uint32_t last_stamp;
	uint32_t outstanding;
	bool measure, stop;
	/* PHASE_RUN after the warm-up */
	uint64_t began, ended; /* ns */
	uint64_t reads, writes, kicks, waits;
	double best_iops; /* of any BENCH_WINDOW_MS */
	struct histogram latency;
	/* of all phases */
	uint64_t finished, errors, mismatches, verified;
};

uint64_t bench_now(void);

/* vu-bench-run.c: 0, or -errno with a message on stderr. */
int bench_make_queues(struct bench *b);
void bench_free_queues(struct bench *b);
/* Bytes of guest memory that bench_make_queues() takes, and entries of a ring. */
uint64_t bench_memory(const struct bench_settings *set);
uint32_t bench_ring_size(const struct bench_settings *set);
int bench_run_phase(struct bench *b, enum bench_phase phase);

/* vu-bench-verify.c */
int verify_init(struct bench *b);
/* What io does next; false: this phase has no more. */
bool verify_pick(struct bench *b, struct bench_io *io);
/* io ended well, or did not. */
void verify_done(struct bench *b, struct bench_io *io, bool ok);

/* vu-bench-report.c */
void report_text(const struct bench *b);
void report_json(const struct bench *b);
int report_plot(const struct bench *b, const char *path);

#endif
