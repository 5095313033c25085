/* SPDX-License-Identifier: MIT */
/*
 * An in-flight log that others write while a ring is opened with it and used.  What was checked is
 * not read again: the ring's positions lie in the ring, and whatever is handed out lies in guest
 * memory.  Log and ring end where nothing is mapped.
 *
 * Between any two accesses something is written: the log's pages cannot be touched, so that each
 * access faults; the handler writes what it wants, lets the one instruction through, and closes
 * the pages again.
 */
#include "inflight_rig.h"

#include <endian.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { SIZE = 8, TAKEN = 5, ROUNDS = 250 };

static uint32_t pick(uint64_t *seed, uint32_t n)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (uint32_t)(*seed >> 33) % n;
}

/* Right as often as not: so that it gets past a check, and is wrong a moment later. */
static uint16_t nearly(uint64_t *seed, uint16_t right)
{
	static const uint16_t wrong[] = {SIZE - 1, SIZE, 0x7fff, 0xffff};

	return pick(seed, 2) ? right : wrong[pick(seed, 4)];
}

/* The packed log's positions. */
static void scribble_used(struct spec_packed *log, uint64_t *seed)
{
	uint16_t at = nearly(seed, 0);
	const uint16_t idx[2] = {at, pick(seed, 2) ? at : nearly(seed, 0)};
	uint64_t word = 0;

	memcpy(&word, idx, sizeof(idx));
	/* Wrap counters of the first lap. */
	word |= (uint64_t)0x0101 << (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 32 : 16);
	memcpy(&log->used_idx, &word, sizeof(word));
}

static void scribble_packed(struct spec_packed *log, uint64_t *seed)
{
	struct spec_packed_entry *e = &log->desc[pick(seed, SIZE)];

	scribble_used(log, seed);
	if (pick(seed, 32))
		return;
	e->inflight = (uint8_t)pick(seed, 2);
	e->next = nearly(seed, (uint16_t)pick(seed, SIZE));
	e->last = nearly(seed, (uint16_t)pick(seed, SIZE));
	e->num = nearly(seed, 1);
	e->flags = (uint16_t)pick(seed, 8);
	*(pick(seed, 2) ? &log->free_head : &log->old_free_head) = nearly(seed, 0);
}

static void scribble_split(struct spec_split *log, uint64_t *seed)
{
	struct spec_split_entry *e = &log->desc[pick(seed, SIZE)];

	log->used_idx = nearly(seed, (uint16_t)-pick(seed, 3));
	log->last_batch_head = nearly(seed, (uint16_t)pick(seed, SIZE));
	if (pick(seed, 32))
		return;
	e->inflight = (uint8_t)pick(seed, 2);
	e->next = nearly(seed, (uint16_t)pick(seed, SIZE));
}

/* The log's pages, as the ring has them and as we write them. */
static struct trap {
	struct rig *rig;
	void *pages, *alias;
	size_t len;
	uint64_t seed, accesses;
} trap;

static void scribble(void)
{
	const struct rig *rig = trap.rig;
	unsigned char *log = (unsigned char *)trap.alias +
			     ((unsigned char *)rig->config.log - (unsigned char *)trap.pages);

	trap.accesses++;
	if (rig->layout->packed)
		scribble_packed((void *)log, &trap.seed);
	else
		scribble_split((void *)log, &trap.seed);
}

#ifdef __x86_64__
enum { SINGLE_STEP = 0x100 };

static void on_fault(int sig, siginfo_t *info, void *context)
{
	const uintptr_t at = (uintptr_t)info->si_addr, start = (uintptr_t)trap.pages;

	if (at - start >= trap.len) {
		/* Somewhere else: that is what the test is about. */
		signal(sig, SIG_DFL);
		return;
	}
	scribble();
	mprotect(trap.pages, trap.len, PROT_READ | PROT_WRITE);
	((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] |= SINGLE_STEP;
}

static void on_step(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	mprotect(trap.pages, trap.len, PROT_NONE);
	((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)SINGLE_STEP;
}

static void trap_set(struct rig *rig)
{
	const struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	const struct sigaction step = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const uintptr_t start = (uintptr_t)rig->config.log / page * page;

	trap = (struct trap){.rig = rig, .pages = (void *)start, .seed = 88172645463325252};
	trap.len = ((uintptr_t)rig->config.log + log_bytes(rig) - start + page - 1) / page * page;
	/* Of size 0: the same pages once more. */
	trap.alias = mremap(trap.pages, 0, trap.len, MREMAP_MAYMOVE);
	assert_true(trap.alias != MAP_FAILED);
	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGTRAP, &step, NULL);
}
#else
static void trap_set(struct rig *rig)
{
	(void)rig;
	print_message("[  SKIP  ] no way to step over one instruction here\n");
	skip();
}
#endif

static void trap_end(void)
{
	signal(SIGSEGV, SIG_DFL);
	signal(SIGTRAP, SIG_DFL);
	assert_int_equal(munmap(trap.alias, trap.len), 0);
}

struct tally {
	uint32_t refused, accepted, again;
};

static void check_positions(const struct rig *rig)
{
	const struct ring *r = rig->ring;

	assert_true(ring_waiting_again(r) <= SIZE);
	if (!rig->layout->packed)
		return;
	if (r->used.slot >= SIZE || r->avail.slot >= SIZE || r->outstanding_slots > SIZE)
		fail_msg("used %u, available %u, %u slots outstanding in a ring of %u",
			 r->used.slot, r->avail.slot, r->outstanding_slots, SIZE);
}

/* Take what is to be taken, touch the segments, complete. */
static void use(struct rig *rig, struct tally *tally)
{
	struct vu_req *reqs[SIZE];
	int n = ring_take(rig->ring, reqs, SIZE);

	for (int i = 0; i < n; i++) {
		const struct vu_req *req = reqs[i];

		tally->again += req->flags == VU_REQ_RESUBMITTED;
		for (uint32_t seg = 0; seg < req->n_readable + req->n_writable; seg++) {
			const volatile unsigned char *bytes = req->readable[seg].iov_base;

			(void)bytes[0];
			(void)bytes[req->readable[seg].iov_len - 1];
		}
	}
	for (int i = 0; i < n; i++)
		assert_int_equal(ring_complete(rig->ring, (struct req *)reqs[i], 0), 0);
	ring_publish(rig->ring);
	(void)ring_wants_signal(rig->ring);
	check_positions(rig);
}

/* What a crash left, for every round. */
struct left {
	unsigned char *memory, *log;
};

static void *copy_of(const void *bytes, size_t n)
{
	void *copy = malloc(n);

	assert_non_null(copy);
	return memcpy(copy, bytes, n);
}

static void one_round(struct rig *rig, struct tally *tally, const struct left *left)
{
	const struct guest_region *ring = &rig->guest->regions[RIG_RING];
	const char *why;
	int err;

	memcpy(ring->host, left->memory, ring->used);
	memcpy(rig->config.log, left->log, log_bytes(rig));
	assert_int_equal(mprotect(trap.pages, trap.len, PROT_NONE), 0);
	err = rig_new_ring(rig, &why);
	if (err) {
		assert_int_equal(err, -EINVAL);
		tally->refused++;
	} else {
		tally->accepted++;
		check_positions(rig);
		use(rig, tally);
		ring_stop(rig->ring);
	}
	ring_free(rig->ring);
	rig->ring = NULL;
	assert_int_equal(mprotect(trap.pages, trap.len, PROT_READ | PROT_WRITE), 0);
}

static void a_log_that_changes_while_it_is_read_does_no_harm(struct rig *rig)
{
	struct tally tally = {0};
	struct rig_chain chains[TAKEN];
	struct req *reqs[TAKEN];
	uint32_t ids[TAKEN];
	struct left left;

	log_start(rig, &(struct rig_options){.size = SIZE, .max_segs = 8}, 0);
	for (uint32_t i = 0; i < TAKEN; i++)
		log_take_n(rig, &chains[i], &reqs[i], &ids[i], 1);
	ring_free(rig->ring);
	rig->ring = NULL;
	left.memory =
		copy_of(rig->guest->regions[RIG_RING].host, rig->guest->regions[RIG_RING].used);
	left.log = copy_of(rig->config.log, log_bytes(rig));
	trap_set(rig);
	for (int i = 0; i < ROUNDS; i++)
		one_round(rig, &tally, &left);
	trap_end();
	print_message("%s: %u refused, %u accepted, %u run again, %llu accesses\n",
		      rig->layout->name, tally.refused, tally.accepted, tally.again,
		      (unsigned long long)trap.accesses);
	/* All of it happened, or this was no test. */
	assert_true(tally.refused > ROUNDS / 20 && tally.accepted > ROUNDS / 20 &&
		    tally.again > ROUNDS / 20 && trap.accesses > 20 * ROUNDS);
	free(left.memory);
	free(left.log);
	log_free(rig);
}

static const struct rig_test tests[] = {
	RIG_TEST(a_log_that_changes_while_it_is_read_does_no_harm),
};

int main(void)
{
	const char *preload = getenv("LD_PRELOAD");

	if (preload && strstr(preload, "vgpreload")) {
		puts("not under valgrind: it does not step over single instructions");
		return 77;
	}
	return rig_main(tests, sizeof(tests) / sizeof(tests[0]));
}
