/* SPDX-License-Identifier: MIT */
/*
 * In-flight logs with garbage in them: refused with a reason, or harmless.  The region ends where
 * nothing is mapped, and everything that a ring makes of it is used.
 */
#include "kit/patience.h"
#include "inflight_rig.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIZE = 8, ENTRIES = 12, TAKEN = 5, SEEDS = 3000 };

struct stand {
	struct rig *rig;
	unsigned char *log, *memory;
	uint64_t log_bytes, memory_bytes;
	unsigned char *good_log, *good_memory; /* with requests in flight and some used */
	uint32_t refused, broken, harmless;
};

static uint32_t random_next(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* Requests in flight, some used: a log as a crash leaves it. */
static void stand_start(struct stand *s, struct rig *rig)
{
	struct req *reqs[TAKEN];
	const char *why;

	alarm(HANG_SECONDS);
	*s = (struct stand){.rig = rig};
	rig_prepare(rig, &(struct rig_options){.size = SIZE, .max_segs = 8});
	s->log = log_new(rig, ENTRIES);
	s->log_bytes = log_bytes(rig);
	assert_int_equal(rig_new_ring(rig, &why), 0);
	for (uint32_t i = 0; i < TAKEN; i++) {
		struct rig_chain chain;

		rig_make_chain(rig, &chain, 1 + i % 2, 0);
		rig_add(rig, &chain, RIG_DIRECT);
	}
	driver_publish(rig->drv);
	for (uint32_t i = 0; i < TAKEN; i++)
		reqs[i] = log_take(rig, false);
	rig_finish(rig, reqs[1], 0);
	rig_finish(rig, reqs[2], 0);
	ring_free(rig->ring);
	rig->ring = NULL;
	s->memory = rig->guest->regions[RIG_RING].host;
	s->memory_bytes = rig->guest->regions[RIG_RING].used;
	s->good_log = malloc(s->log_bytes);
	s->good_memory = malloc(s->memory_bytes);
	memcpy(s->good_log, s->log, s->log_bytes);
	memcpy(s->good_memory, s->memory, s->memory_bytes);
}

static void stand_end(struct stand *s)
{
	print_message("%s: %u refused, %u broken, %u harmless\n", s->rig->layout->name, s->refused,
		      s->broken, s->harmless);
	free(s->good_log);
	free(s->good_memory);
	log_free(s->rig);
	alarm(0);
}

static void stand_restore(struct stand *s)
{
	memcpy(s->log, s->good_log, s->log_bytes);
	memcpy(s->memory, s->good_memory, s->memory_bytes);
}

/* Every way to use what there is, segments included; at most SIZE requests can be out. */
static void use(struct rig *rig)
{
	struct vu_req *reqs[SIZE + 1];
	int n = 0, one;

	while (n <= SIZE && (one = ring_take(rig->ring, &reqs[n], 1)) == 1) {
		for (uint32_t i = 0; i < reqs[n]->n_readable; i++) {
			const struct iovec *iov = &reqs[n]->readable[i];
			volatile unsigned char *bytes = iov->iov_base;

			assert_true(iov->iov_len > 0);
			(void)bytes[0];
			(void)bytes[iov->iov_len - 1];
		}
		n++;
	}
	assert_true(n <= SIZE);
	if (n && !ring_put_back(rig->ring, (struct req *)reqs[n - 1]))
		n--;
	for (int i = n; i-- > 0;) {
		assert_int_equal(ring_complete(rig->ring, (struct req *)reqs[i], 0), 0);
		if (i % 2)
			ring_publish(rig->ring);
	}
	ring_publish(rig->ring);
	assert_int_equal(ring_outstanding(rig->ring), 0);
	(void)ring_look(rig->ring);
	(void)ring_arm(rig->ring);
	(void)ring_base(rig->ring);
}

/* A ring on the memory as it is. */
static void try(struct stand *s)
{
	struct rig *rig = s->rig;
	const char *why = NULL;
	int err = rig_new_ring(rig, &why);

	if (err) {
		assert_int_equal(err, -EINVAL);
		assert_non_null(why);
		assert_string_not_equal(why, "out of memory");
		s->refused++;
		rig->ring = NULL;
		return;
	}
	use(rig);
	*(rig->ring->why ? &s->broken : &s->harmless) += 1;
	ring_free(rig->ring);
	rig->ring = NULL;
}

static void every_field_may_hold_anything(struct rig *rig)
{
	static const uint16_t values[] = {
		0,	 1,	      2,      TAKEN,  SIZE - 1, SIZE,	SIZE + 1, ENTRIES - 1,
		ENTRIES, ENTRIES + 1, 0x7fff, 0x8000, 0xff,	0xff00, 0x8001,	  0xffff};
	struct stand s;

	stand_start(&s, rig);
	for (uint64_t at = 0; at < s.log_bytes; at += 2) {
		for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			stand_restore(&s);
			memcpy(s.log + at, &values[i], 2);
			try(&s);
		}
	}
	assert_true(s.refused > 20 && s.harmless > 100);
	stand_end(&s);
}

/* Some words, with values that are nearly right. */
static void words_at_random_do_no_harm(struct rig *rig)
{
	struct stand s;

	stand_start(&s, rig);
	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		uint32_t state = seed * 2654435761u, n = 1 + random_next(&state) % 12;

		stand_restore(&s);
		while (n--) {
			uint16_t value = (uint16_t)(random_next(&state) % (ENTRIES + 4));
			uint64_t at = 12 + random_next(&state) % (s.log_bytes - 14);

			memcpy(s.log + at / 2 * 2, &value, 2);
		}
		try(&s);
	}
	assert_true(s.refused > 20 && s.harmless > 100);
	stand_end(&s);
}

static void bytes_at_random_do_no_harm(struct rig *rig)
{
	struct stand s;

	stand_start(&s, rig);
	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		uint32_t state = seed * 2654435761u;

		stand_restore(&s);
		for (uint64_t at = 12; at < s.log_bytes; at++)
			s.log[at] = (unsigned char)(random_next(&state) % (seed % 3   ? 3
									   : seed % 2 ? 16
										      : 256));
		/* And the ring that it is compared with. */
		for (uint64_t at = 0; seed % 5 == 0 && at < s.memory_bytes; at++)
			s.memory[at] = (unsigned char)random_next(&state);
		try(&s);
	}
	stand_end(&s);
}

static void garbage_in_a_log_in_use_does_no_harm(struct rig *rig)
{
	struct stand s;

	stand_start(&s, rig);
	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		uint32_t state = seed * 2654435761u;
		const char *why;
		struct vu_req *req;

		stand_restore(&s);
		assert_int_equal(rig_new_ring(rig, &why), 0);
		if (seed % 2)
			assert_int_equal(ring_take(rig->ring, &req, 1), 1);
		for (uint64_t at = 0; at < s.log_bytes; at++)
			s.log[at] = (unsigned char)random_next(&state);
		if (seed % 2)
			ring_complete(rig->ring, (struct req *)req, 0);
		use(rig);
		ring_free(rig->ring);
		rig->ring = NULL;
	}
	stand_end(&s);
}

/* What a driver writes is copied into the log before it is walked. */
static void a_chain_without_an_end_breaks_a_ring_that_has_a_log(struct rig *rig)
{
	struct vu_req *req;
	const char *why;

	alarm(HANG_SECONDS);
	rig_prepare(rig, &(struct rig_options){.size = SIZE, .max_segs = 8});
	log_new(rig, SIZE);
	assert_int_equal(rig_new_ring(rig, &why), 0);
	for (uint32_t i = 0; i < SIZE; i++) {
		if (rig->layout->packed)
			driver_packed_offer(rig->drv, RIG_DATA_GPA, 1, 0, DRIVER_DESC_NEXT);
		else
			rig->drv->split.desc[i] = (struct driver_split_desc){
				htole64(RIG_DATA_GPA), htole32(1), htole16(DRIVER_DESC_NEXT),
				htole16((uint16_t)((i + 1) % SIZE))};
	}
	if (!rig->layout->packed)
		driver_split_offer(rig->drv, 0);
	driver_publish(rig->drv);
	assert_int_equal(ring_take(rig->ring, &req, 1), -EIO);
	assert_non_null(rig->ring->why);
	assert_int_equal(log_count(rig), 0);
	log_free(rig);
	alarm(0);
}

static const struct rig_test tests[] = {
	RIG_TEST(every_field_may_hold_anything),
	RIG_TEST(words_at_random_do_no_harm),
	RIG_TEST(bytes_at_random_do_no_harm),
	RIG_TEST(garbage_in_a_log_in_use_does_no_harm),
	RIG_TEST(a_chain_without_an_end_breaks_a_ring_that_has_a_log),
};

int main(void)
{
	return rig_main(tests, sizeof(tests) / sizeof(tests[0]));
}
