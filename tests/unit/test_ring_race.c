/* SPDX-License-Identifier: MIT */
/*
 * A driver in another process writes garbage into a ring while it is being walked.  Whatever
 * is handed out lies inside guest memory and within the limits.
 */
#include "kit/child.h"
#include "test_ring_rig.h"

#include <endian.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 16, MAX_SEGS = 48, TABLE_ENTRIES = 64, ROUNDS = 5000 };

static uint32_t pick(uint64_t *seed, uint32_t n)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (uint32_t)(*seed >> 33) % n;
}

/* Mostly almost right. */
static uint64_t bad_address(uint64_t *seed, uint64_t tables)
{
	switch (pick(seed, 64)) {
	case 0:
		return *seed;
	case 1:
		return RIG_END_GPA - pick(seed, 64);
	case 2:
		return RIG_DATA_GPA - pick(seed, 4);
	case 3:
	case 4:
		return RIG_SMALL_GPA - pick(seed, 64);
	case 5:
		return tables + pick(seed, 32);
	default:
		return RIG_DATA_GPA + pick(seed, RIG_DATA_SIZE - 256);
	}
}

/* What a descriptor has in its last 4 bytes. */
static uint64_t bad_tail(uint64_t *seed, bool packed, uint64_t flags, uint64_t next)
{
	if (!packed)
		return flags | next << 16;
	/* Of any lap, mostly available, with any id. */
	flags |= pick(seed, 2) ? DRIVER_PACKED_AVAIL : DRIVER_PACKED_USED;
	if (!pick(seed, 16))
		flags ^= DRIVER_PACKED_USED;
	return (*seed & UINT16_MAX) | flags << 16;
}

static void write_bad_desc(const struct rig *rig, void *table, uint64_t *seed, uint32_t entries,
			   uint64_t tables, bool may_be_table)
{
	uint32_t i = pick(seed, entries);
	_Atomic uint64_t *words = (_Atomic uint64_t *)table + 2 * i;
	uint64_t addr = bad_address(seed, tables);
	uint64_t len = pick(seed, 64) ? 1 + pick(seed, 200) : *seed & UINT32_MAX;
	uint64_t flags = pick(seed, 8) ? DRIVER_DESC_NEXT : 0;
	uint64_t next = pick(seed, 64) ? i + 1 : pick(seed, entries + 1);

	if (i + 1 == entries)
		flags = 0;
	/* The upper half is writable, nearly. */
	if (i >= entries / 2 || !pick(seed, 64))
		flags |= DRIVER_DESC_WRITE;
	if (may_be_table && !pick(seed, 6)) {
		flags = DRIVER_DESC_INDIRECT | (pick(seed, 32) ? 0 : DRIVER_DESC_NEXT);
		addr = pick(seed, 4) ? tables + 8 * pick(seed, 64)
				     : RIG_SMALL_GPA - 8 - pick(seed, 90);
		len = 16 * (1 + pick(seed, TABLE_ENTRIES / 2));
	}
	atomic_store_explicit(&words[0], htole64(addr), memory_order_relaxed);
	len |= bad_tail(seed, rig->layout->packed, flags, next) << 32;
	atomic_store_explicit(&words[1], htole64(len), memory_order_relaxed);
}

static void scribble_avail(struct driver_ring *drv, uint64_t *seed)
{
	struct driver_split *s = &drv->split;

	s->avail->ring[pick(seed, SIZE)] = htole16((uint16_t)pick(seed, SIZE + !pick(seed, 64)));
	if (!pick(seed, 4)) {
		s->avail_idx =
			(uint16_t)(le16toh(*(_Atomic uint16_t *)&s->used->idx) + 1 + pick(seed, 4));
		driver_publish(drv);
	}
	if (!pick(seed, 4096))
		*(_Atomic uint16_t *)&s->avail->idx = (uint16_t)*seed;
}

static void scribble_event(struct driver_ring *drv, uint64_t *seed)
{
	*(_Atomic uint32_t *)(void *)drv->packed.driver = (uint32_t)*seed;
}

/* The other process; killed from outside. */
/* Then the two only run in turns, and short turns are what makes many different rings. */
static bool has_one_cpu(void)
{
	cpu_set_t cpus;

	return !sched_getaffinity(0, sizeof(cpus), &cpus) && CPU_COUNT(&cpus) == 1;
}

static void scribble(struct rig *rig, uint64_t tables)
{
	void *ring = guest_ptr(rig->guest, rig->drv->desc_gpa, SIZE * 16);
	void *table = guest_ptr(rig->guest, tables, TABLE_ENTRIES * 16);
	void *odd = guest_ptr(rig->guest, RIG_SMALL_GPA, 16 * 16);
	uint64_t seed = 88172645463325252;
	bool is_alone = has_one_cpu();

	for (;;) {
		write_bad_desc(rig, ring, &seed, SIZE, tables, true);
		write_bad_desc(rig, table, &seed, TABLE_ENTRIES, tables, !pick(&seed, 64));
		write_bad_desc(rig, odd, &seed, 16, tables, false);
		if (rig->layout->packed)
			scribble_event(rig->drv, &seed);
		else
			scribble_avail(rig->drv, &seed);
		if (is_alone)
			sched_yield();
	}
}

/* Every segment inside one region, as this process has it mapped. */
static void check_request(const struct rig *rig, const struct vu_req *req)
{
	uint32_t n = req->n_readable + req->n_writable;
	uint64_t len = 0;

	/* Of one that is too long maybe none. */
	assert_in_range(n, req->flags & VU_REQ_TOO_LONG ? 0 : 1, MAX_SEGS);
	assert_ptr_equal(req->writable, req->readable + req->n_readable);
	for (uint32_t i = 0; i < n; i++) {
		const struct iovec *iov = &req->readable[i];
		bool is_inside = false;

		for (uint32_t r = 0; r < rig->guest->n_regions; r++) {
			const struct guest_region *g = &rig->guest->regions[r];
			uintptr_t start = (uintptr_t)table_translate(rig->table, TABLE_GUEST,
								     g->gpa, g->size);

			is_inside |= (uintptr_t)iov->iov_base >= start &&
				     (uintptr_t)iov->iov_base - start < g->size &&
				     iov->iov_len <= g->size - ((uintptr_t)iov->iov_base - start);
		}
		assert_true(is_inside);
		assert_true(iov->iov_len > 0);
		len += iov->iov_len;
	}
	assert_int_equal(len, req->readable_len + req->writable_len);
}

struct tally {
	uint32_t taken, broken, long_ones;
};

/* All of it happened, or this was no test; on a busy machine the other process may start late. */
static bool is_enough(const struct tally *tally)
{
	return tally->taken > 100 && tally->long_ones > 10 && tally->broken > 100;
}

static void restart(struct rig *rig)
{
	const char *why;

	assert_non_null(rig->ring->why);
	assert_int_equal(ring_outstanding(rig->ring), 0);
	if (rig->layout->packed) {
		/* It goes on where it was, or with the other wrap counters: one of them fits. */
		rig->config.base = ring_base(rig->ring) ^ 0x80008000;
	} else {
		rig->config.base = le16toh(*(_Atomic uint16_t *)&rig->drv->split.avail->idx);
		/* The driver catches up with what it used. */
		rig->drv->split.used->idx = htole16((uint16_t)rig->config.base);
	}
	ring_free(rig->ring);
	assert_int_equal(rig_new_ring(rig, &why), 0);
}

static void one_round(struct rig *rig, struct tally *tally)
{
	struct vu_req *reqs[8];
	int n = ring_take(rig->ring, reqs, 8);

	for (int i = 0; i < n; i++) {
		check_request(rig, reqs[i]);
		tally->taken++;
		tally->long_ones += ((struct req *)reqs[i])->block != 0;
	}
	/* What is out stays where it was found while the driver goes on. */
	for (int i = 0; i < n; i++) {
		check_request(rig, reqs[i]);
		assert_int_equal(
			ring_complete(rig->ring, (struct req *)reqs[i], reqs[i]->writable_len), 0);
	}
	ring_publish(rig->ring);
	ring_wants_signal(rig->ring);
	if (n < 0) {
		tally->broken++;
		restart(rig);
	}
}

static void descriptors_that_change_while_they_are_read_do_no_harm(struct rig *rig)
{
	struct tally tally = {0};
	bool is_alone;
	uint32_t round = 0;
	uint64_t tables;
	pid_t pid;

	rig_start(rig, &(struct rig_options){.size = SIZE,
					     .max_segs = MAX_SEGS,
					     .ring_bytes = 0x10000,
					     .event_idx = true});
	tables = guest_alloc_in(rig->guest, RIG_RING, TABLE_ENTRIES * 16 + 512, 16);
	pid = child_fork();
	assert_true(pid >= 0);
	if (!pid) {
		scribble(rig, tables);
	}
	is_alone = has_one_cpu();
	do {
		one_round(rig, &tally);
		if (is_alone)
			sched_yield();
		round++;
	} while (round < ROUNDS || !is_enough(&tally)); /* or the test takes too long */
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static const struct rig_test tests[] = {
	RIG_TEST(descriptors_that_change_while_they_are_read_do_no_harm),
};

int main(void)
{
	return rig_main(tests, sizeof(tests) / sizeof(tests[0]));
}
