/* SPDX-License-Identifier: MIT */
/*
 * vu-bench: what to do next, and with --verify what blocks hold.
 *
 * Every write of a block gets a new stamp, from which all its bytes follow.  stamps[] has the stamp
 * of each block's last write, 0 for none yet.  At most one request is on its way for each
 * block (STAMP_BUSY), so what a read must find is known.
 */
#include "vu-bench.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STAMP_BUSY UINT32_C(0x80000000)

enum { READS_OF_TEN = 7, TOLD_MAX = 5 };

int verify_init(struct bench *b)
{
	const struct bench_settings *set = b->set;

	b->random = set->seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	if (!set->verify)
		return 0;
	/* Some block must be free for the next request. */
	if (b->n_blocks <= (uint64_t)set->qd * set->n_queues) {
		fprintf(stderr, "vu-bench: --verify needs more blocks than requests at once\n");
		return -EINVAL;
	}
	b->stamps = calloc(b->n_blocks, sizeof(*b->stamps));
	return b->stamps ? 0 : -ENOMEM;
}

/* xorshift64* */
static uint64_t verify_random(struct bench *b)
{
	uint64_t x = b->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	b->random = x;
	return x * UINT64_C(0x2545f4914f6cdd1d);
}

static uint64_t verify_word(const struct bench *b, uint64_t block, uint32_t stamp, uint64_t word)
{
	uint64_t x = b->set->seed ^ block << 32 ^ stamp;

	return (x + word) * UINT64_C(0x9e3779b97f4a7c15);
}

static void verify_fill(const struct bench *b, struct bench_io *io)
{
	for (uint64_t i = 0; i < b->set->bs / sizeof(uint64_t); i++) {
		uint64_t word = verify_word(b, io->block, io->stamp, i);

		memcpy(io->data + i * sizeof(word), &word, sizeof(word));
	}
}

static void verify_check(struct bench *b, const struct bench_io *io)
{
	for (uint64_t i = 0; i < b->set->bs / sizeof(uint64_t); i++) {
		uint64_t word, wanted = verify_word(b, io->block, io->stamp, i);

		memcpy(&word, io->data + i * sizeof(word), sizeof(word));
		if (word == wanted)
			continue;
		if (b->mismatches++ < TOLD_MAX)
			fprintf(stderr,
				"vu-bench: wrong data: offset %" PRIu64 " has %016" PRIx64
				" instead of %016" PRIx64 " (write %" PRIu32 ")\n",
				io->block * b->set->bs + i * sizeof(word), word, wanted, io->stamp);
		return;
	}
	b->verified++;
}

static bool verify_wants_write(struct bench *b)
{
	switch (b->set->rw) {
	case BENCH_READ:
		return false;
	case BENCH_WRITE:
		return true;
	default:
		return verify_random(b) % 10 >= READS_OF_TEN;
	}
}

/* In order: all blocks to be filled, or those that were written to be read back. */
static bool verify_pick_next(struct bench *b, struct bench_io *io)
{
	if (b->phase == PHASE_CHECK)
		while (b->next_block < b->n_blocks && !b->stamps[b->next_block])
			b->next_block++;
	if (b->next_block == b->n_blocks)
		return false;
	io->block = b->next_block++;
	io->write = b->phase == PHASE_FILL;
	return true;
}

static void verify_pick_random(struct bench *b, struct bench_io *io)
{
	io->block = verify_random(b) % b->n_blocks;
	while (b->stamps && b->stamps[io->block] & STAMP_BUSY)
		io->block = (io->block + 1) % b->n_blocks;
	io->write = verify_wants_write(b);
}

bool verify_pick(struct bench *b, struct bench_io *io)
{
	if (b->stop)
		return false;
	if (b->phase == PHASE_RUN)
		verify_pick_random(b, io);
	else if (!verify_pick_next(b, io))
		return false;
	if (!b->stamps)
		return true;
	if (io->write) {
		b->last_stamp = (b->last_stamp + 1) & ~STAMP_BUSY;
		b->last_stamp += !b->last_stamp;
		io->stamp = b->last_stamp;
		verify_fill(b, io);
	} else {
		io->stamp = b->stamps[io->block];
		/* What the last read left there must not pass for an answer. */
		memset(io->data, 0xee, b->set->bs);
	}
	b->stamps[io->block] |= STAMP_BUSY;
	return true;
}

void verify_done(struct bench *b, struct bench_io *io, bool ok)
{
	if (!b->stamps)
		return;
	if (io->write)
		b->stamps[io->block] = ok ? io->stamp : 0; /* after an error: anything */
	else
		b->stamps[io->block] &= ~STAMP_BUSY;
	if (ok && !io->write && io->stamp)
		verify_check(b, io);
}
