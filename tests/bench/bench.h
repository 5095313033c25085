/* SPDX-License-Identifier: MIT */
/*
 * Cost of a request through a library's data path: the test peer's driver side makes requests
 * available, the library under test takes and completes them.  What all programs here share:
 *
 *   bench_cases.c   shapes of requests, and ways to run them
 *   bench_run.c     one case, in one thread or two
 *   bench_count.c   instructions of all cases, under callgrind
 *   bench_main.c    the command line
 *   ring.c, peer_dpdk.c, peer_dpdk_net.c, peer_libvhost.c    the libraries
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#include "frontend/peer.h"

enum { BATCH_MAX = 64, SEGS_MAX = 18 };

struct shape {
	const char *name;
	const char *what;
	bool indirect;
	uint32_t n;
	struct driver_seg segs[SEGS_MAX]; /* lengths and directions; addresses come later */
};

/* One way to run a shape. */
struct way {
	uint32_t batch;
	bool packed;
	bool no_event_idx;
	bool block;    /* with a kick and an interrupt for each batch, instead of polling */
	bool two_cpus; /* the library polls on a thread of its own */
	bool log;      /* it marks what it writes in a dirty log */
	bool iommu;    /* behind an IOMMU, all of whose translations are known */
	bool asked;    /* ... which are those alone that it asked for */
	bool use;      /* something is done with each request: bench_use() */
	bool loop;     /* polling, with a loop of the device's own: docs/threads.md */
};

/* A library under test. */
struct target {
	const char *name;
	/* Functions that callgrind counts: the whole of them, with what they call. */
	const char *process_symbol, *block_symbol;
	bool packed, blocks, logs, loops, translates; /* can it? */
	uint32_t n_queues;			      /* 0: one; the first is used */
	/* Connect the peer to a new device. */
	int (*open)(struct peer *peer, const struct way *way, void **state);
	/* Handle messages, without waiting; NULL if a thread does. */
	void (*pump)(void *state);
	/* The peer was started. */
	int (*start)(void *state);
	/* Take and complete what is there; polling. */
	void (*process)(void *state);
	/* The same after a kick. */
	void (*block)(void *state);
	/* The peer is gone. */
	void (*close)(void *state);
};

extern const struct shape bench_shapes[];
extern const uint32_t bench_n_shapes;
const struct shape *bench_find_shape(const char *name);

struct run;

/* A device and a driver, ready.  Ends the program if anything fails. */
struct run *run_start(const struct target *target, const struct shape *shape,
		      const struct way *way);
/* So many requests more. */
void run_requests(struct run *r, uint64_t requests);
void run_stop(struct run *r);

struct run_times {
	double device_ns; /* of a request, in the library; 0 with two CPUs */
	double total_ns;  /* of a request, all in all */
};

/* The best of several rounds of this length. */
struct run_times run_time(struct run *r, double seconds, uint32_t rounds);

/* Start this program under callgrind, and print what its count_cases() found. */
int count_all(const struct target *target, const char *self, bool json);
/* Under callgrind: all cases, polling or blocking. */
int count_cases(const struct target *target, bool block);

/*
 * What a device does at the least, the same for all libraries: it uses every segment, reads the
 * first 8 bytes of a header and writes a status.
 */
static inline void bench_use(const struct iovec *readable, size_t n_readable,
			     const struct iovec *writable, size_t n_writable)
{
	uint64_t used = 0;

	if (n_readable && readable[0].iov_len >= sizeof(used))
		memcpy(&used, readable[0].iov_base, sizeof(used));
	for (size_t i = 0; i < n_readable; i++)
		used += (uintptr_t)readable[i].iov_base ^ readable[i].iov_len;
	for (size_t i = 0; i < n_writable; i++)
		used += (uintptr_t)writable[i].iov_base ^ writable[i].iov_len;
	if (n_writable) {
		const struct iovec *last = &writable[n_writable - 1];

		((volatile unsigned char *)last->iov_base)[last->iov_len - 1] = 0;
	}
	/* It is for somebody. */
	__asm__ volatile("" : : "r"(used));
}

_Noreturn void bench_die(const char *what, int err);
int bench_main(int argc, char **argv, const struct target *target);

#endif
