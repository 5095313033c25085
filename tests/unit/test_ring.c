/* SPDX-License-Identifier: MIT */
/* Rings of any layout: sizes, order, put-back, positions that wrap, restarts. */
#include "test_ring_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void sizes_up_to_32768_pass_a_full_ring_twice(struct rig *rig)
{
	for (uint32_t size = 1; size <= RING_MAX_SIZE; size *= 2) {
		struct vu_req **reqs = calloc(size, sizeof(*reqs));
		struct driver_used *used = calloc(size, sizeof(*used));
		uint32_t taken = 0;

		rig_start(rig, &(struct rig_options){.size = size});
		for (int round = 0; round < 2; round++, taken = 0) {
			for (uint32_t i = 0; i < size; i++)
				rig_offer_byte(rig);
			while (taken < size) {
				int n = ring_take(rig->ring, reqs + taken, 1000);

				assert_true(n > 0);
				taken += (uint32_t)n;
			}
			assert_int_equal(rig_take_nothing(rig), 0);
			assert_int_equal(ring_outstanding(rig->ring), size);
			for (uint32_t i = 0; i < size; i++)
				assert_int_equal(ring_complete(rig->ring, (struct req *)reqs[i], 0),
						 0);
			ring_publish(rig->ring);
			assert_int_equal(driver_collect(rig->drv, used, size), size);
		}
		rig_stop(rig);
		free(reqs);
		free(used);
	}
}

static void sizes_that_cannot_be_break_the_ring(struct rig *rig)
{
	static const uint32_t sizes[] = {0, 32769, 65536, UINT32_MAX};

	rig_prepare(rig, &(struct rig_options){0});
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		rig->config.size = sizes[i];
		rig_expect_flaw(rig, "1 to 32768 can be used");
	}
	rig->config.size = 256;
	rig->config.max_size = 128;
	rig_expect_flaw(rig, "its size is 256, and 1 to 128 can be used");
}

/* Bytes of this process that are in memory. */
static uint64_t resident(void)
{
	unsigned long long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*u %llu", &pages), 1);
	fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void a_large_ring_costs_what_is_used_of_it(struct rig *rig)
{
	const uint64_t room = UINT64_C(32768) * 4096, before = resident();
	const char *why;

	rig_prepare(rig, &(struct rig_options){.size = 32768, .priv_size = 4096});
	for (int start = 0; start < 3; start++) {
		struct req *held;

		ring_free(rig->ring);
		rig->config.base = rig->drv->base;
		assert_int_equal(rig_new_ring(rig, &why), 0);
		rig_offer_byte(rig);
		held = rig_take(rig);
		rig_offer_byte(rig);
		rig_finish(rig, rig_take(rig), 0);
		assert_int_equal(rig_switch_table(rig, 0), 0);
		rig_finish(rig, held, 0);
		rig->drv->base = ring_base(rig->ring);
		assert_true(resident() < before + room / 8);
	}
}

static void a_limit_of_no_segments_is_refused(struct rig *rig)
{
	const char *why = NULL;

	rig_prepare(rig, &(struct rig_options){0});
	rig->config.max_segs = 0;
	assert_int_equal(rig_new_ring(rig, &why), -EINVAL);
	assert_non_null(why);
}

static void areas_may_be_given_by_user_addresses(struct rig *rig)
{
	struct rig_chain chain;

	rig_start(rig, &(struct rig_options){.user_space = true});
	rig_make_chain(rig, &chain, 2, 1);
	rig_pass(rig, &chain, RIG_DIRECT);
}

static void areas_outside_of_memory_break_the_ring(struct rig *rig)
{
	rig_prepare(rig, &(struct rig_options){0});
	for (int area = 0; area < 3; area++) {
		struct ring_config good = rig->config;
		uint64_t *addr = area == 0   ? &rig->config.desc
				 : area == 1 ? &rig->config.driver
					     : &rig->config.device;
		/* Nowhere; its start alone is inside; its end alone would be; wrapping. */
		const uint64_t bad[] = {0x80000000, (4 << 20) - 2, RIG_DATA_GPA - 2,
					UINT64_MAX - 1};

		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			*addr = bad[i];
			rig_expect_flaw(rig, "outside guest memory");
		}
		/* Across a border of regions that is none of pages. */
		*addr = RIG_SMALL_GPA - 2;
		rig_expect_flaw(rig, "in pieces that are no whole pages");
		rig->config = good;
	}
}

static void requests_may_be_completed_in_any_order(struct rig *rig)
{
	enum { N = 8 };
	struct rig_chain chains[N];
	struct req *reqs[N];
	uint32_t ids[N];

	rig_start(rig, &(struct rig_options){.size = 64});
	for (uint32_t step = 1; step < N; step += 2) {
		for (uint32_t i = 0; i < N; i++) {
			rig_make_chain(rig, &chains[i], i % 3, 1 + i % 2);
			ids[i] = rig_add(rig, &chains[i], RIG_DIRECT);
		}
		driver_publish(rig->drv);
		for (uint32_t i = 0; i < N; i++)
			reqs[i] = rig_take(rig);
		for (uint32_t i = 0; i < N; i++) {
			uint32_t which = (N - 1 - i) * step % N;

			rig_check(rig, reqs[which], &chains[which]);
			rig_finish(rig, reqs[which], which);
			rig_expect_used(rig, ids[which], which);
		}
	}
}

static void a_batch_is_published_at_once_and_in_order(struct rig *rig)
{
	enum { N = 32 };
	struct vu_req *reqs[N];
	struct driver_used used[N];
	uint32_t ids[N];

	rig_start(rig, &(struct rig_options){0});
	for (uint32_t i = 0; i < N; i++)
		ids[i] = rig_offer_byte(rig);
	assert_int_equal(ring_take(rig->ring, reqs, 20), 20);
	assert_int_equal(ring_take(rig->ring, reqs + 20, N), N - 20);
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(ring_complete(rig->ring, (struct req *)reqs[i], 0), 0);
	rig_expect_nothing_used(rig);
	ring_publish(rig->ring);
	assert_int_equal(driver_collect(rig->drv, used, N), N);
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(used[i].id, ids[i]);
}

static void what_is_written_is_bounded_by_what_is_writable(struct rig *rig)
{
	const struct driver_seg seg = {RIG_DATA_GPA, 100, true};
	struct req *req;
	int id;

	rig_start(rig, &(struct rig_options){0});
	id = driver_add(rig->drv, &seg, 1, NULL);
	driver_publish(rig->drv);
	req = rig_take(rig);
	assert_int_equal(ring_complete(rig->ring, req, 101), -ERANGE);
	assert_int_equal(ring_complete(rig->ring, req, UINT64_MAX), -ERANGE);
	rig_finish(rig, req, 0);
	rig_expect_used(rig, (uint32_t)id, 0);
}

static void private_bytes_are_zero_for_each_request(struct rig *rig)
{
	static const unsigned char zeros[100];

	rig_start(rig, &(struct rig_options){.size = 2, .priv_size = sizeof(zeros)});
	for (int i = 0; i < 6; i++) {
		uint32_t id = rig_offer_byte(rig);
		struct req *req = rig_take(rig);

		assert_int_equal((uintptr_t)req->pub.priv % 16, 0);
		assert_memory_equal(req->pub.priv, zeros, sizeof(zeros));
		memset(req->pub.priv, 0xee, sizeof(zeros));
		rig_finish(rig, req, 0);
		rig_expect_used(rig, id, 0);
	}
}

static void without_private_bytes_there_is_no_pointer(struct rig *rig)
{
	rig_start(rig, &(struct rig_options){0});
	rig_offer_byte(rig);
	assert_null(rig_take(rig)->pub.priv);
}

static void the_newest_request_can_be_put_back(struct rig *rig)
{
	struct rig_chain chain;
	struct req *req;
	uint32_t id;

	rig_start(rig, &(struct rig_options){0});
	rig_make_chain(rig, &chain, 3, 9);
	id = rig_add(rig, &chain, RIG_DIRECT);
	driver_publish(rig->drv);
	for (int i = 0; i < 3; i++) {
		req = rig_take(rig);
		rig_check(rig, req, &chain);
		assert_int_equal(ring_put_back(rig->ring, req), 0);
		assert_int_equal(ring_put_back(rig->ring, req), -EINVAL);
		assert_int_equal(ring_outstanding(rig->ring), 0);
		assert_int_equal(ring_base(rig->ring), rig->config.base);
		assert_true(ring_is_available(rig->ring));
	}
	rig_expect_nothing_used(rig);
	req = rig_take(rig);
	rig_check(rig, req, &chain);
	rig_finish(rig, req, 5);
	rig_expect_used(rig, id, 5);
}

static void several_are_put_back_newest_first(struct rig *rig)
{
	struct req *a, *b, *c;
	uint32_t ids[3];

	rig_start(rig, &(struct rig_options){.base = rig->layout->base_before_wrap(256, 2)});
	for (int i = 0; i < 3; i++)
		ids[i] = rig_offer_byte(rig);
	a = rig_take(rig);
	b = rig_take(rig);
	c = rig_take(rig);
	assert_int_equal(ring_put_back(rig->ring, a), -EINVAL);
	assert_int_equal(ring_put_back(rig->ring, b), -EINVAL);
	assert_int_equal(ring_put_back(rig->ring, c), 0);
	assert_int_equal(ring_put_back(rig->ring, a), -EINVAL);
	assert_int_equal(ring_put_back(rig->ring, b), 0);
	assert_int_equal(ring_outstanding(rig->ring), 1);
	rig_finish(rig, a, 0);
	rig_expect_used(rig, ids[0], 0);
	b = rig_take(rig);
	c = rig_take(rig);
	assert_int_equal(b->id, ids[1]);
	assert_int_equal(c->id, ids[2]);
	rig_finish(rig, c, 0);
	rig_expect_used(rig, ids[2], 0);
	assert_int_equal(ring_put_back(rig->ring, b), -EINVAL);
	rig_finish(rig, b, 0);
	rig_expect_used(rig, ids[1], 0);
}

static void an_old_request_is_not_the_newest_when_positions_come_round(struct rig *rig)
{
	struct req *old;
	uint32_t id;

	rig_start(rig, &(struct rig_options){.size = 4});
	rig_offer_byte(rig);
	old = rig_take(rig);
	/* The last of these is where the old one was, 65536 positions later. */
	for (uint32_t i = 0; i < 65536; i++) {
		struct req *req;

		id = rig_offer_byte(rig);
		req = rig_take(rig);
		rig_finish(rig, req, 0);
		rig_expect_used(rig, id, 0);
		assert_int_equal(ring_put_back(rig->ring, old), -EINVAL);
	}
	assert_int_equal(ring_outstanding(rig->ring), 1);
	assert_int_equal(rig_take_nothing(rig), 0);
}

static void positions_wrap(struct rig *rig)
{
	static const enum rig_how hows[] = {RIG_DIRECT, RIG_INDIRECT, RIG_MIXED};
	struct rig_chain chain;

	for (uint32_t size = 4; size <= 64; size *= 4) {
		uint32_t base = rig->layout->base_before_wrap(size, 3);

		rig_start(rig,
			  &(struct rig_options){.size = size, .base = base, .event_idx = true});
		assert_int_equal(ring_base(rig->ring), base);
		for (uint32_t i = 0; i < 12; i++) {
			rig_make_chain(rig, &chain, 1 + i % 2, 2);
			rig_pass(rig, &chain, hows[i % 3]);
			base = rig->layout->add_to_base(base, size,
							rig_entries(rig, &chain, hows[i % 3]));
			assert_int_equal(ring_base(rig->ring), base);
		}
		rig_stop(rig);
	}
}

static void a_full_ring_crosses_the_wrap(struct rig *rig)
{
	struct vu_req *reqs[8];
	struct driver_used used[8];

	rig_start(rig,
		  &(struct rig_options){.size = 8, .base = rig->layout->base_before_wrap(8, 6)});
	for (int i = 0; i < 8; i++)
		rig_offer_byte(rig);
	assert_int_equal(ring_take(rig->ring, reqs, 100), 8);
	for (int i = 7; i >= 0; i--)
		assert_int_equal(ring_complete(rig->ring, (struct req *)reqs[i], 0), 0);
	ring_publish(rig->ring);
	assert_int_equal(driver_collect(rig->drv, used, 8), 8);
	assert_int_equal(rig_take_nothing(rig), 0);
}

static void a_restart_goes_on_at_its_base(struct rig *rig)
{
	const char *why;

	rig_start(rig,
		  &(struct rig_options){.size = 16, .base = rig->layout->base_before_wrap(16, 6)});
	for (int round = 0; round < 5; round++) {
		uint32_t ids[3];

		for (int i = 0; i < 3; i++)
			ids[i] = rig_offer_byte(rig);
		rig_finish(rig, rig_take(rig), 0);
		rig_expect_used(rig, ids[0], 0);
		/* The second goes back, the third was never taken. */
		assert_int_equal(ring_put_back(rig->ring, rig_take(rig)), 0);
		rig->config.base = ring_base(rig->ring);
		ring_free(rig->ring);
		assert_int_equal(rig_new_ring(rig, &why), 0);
		assert_int_equal(ring_base(rig->ring), rig->config.base);
		for (int i = 1; i < 3; i++) {
			rig_finish(rig, rig_take(rig), 0);
			rig_expect_used(rig, ids[i], 0);
		}
		assert_int_equal(rig_take_nothing(rig), 0);
	}
}

static void a_dead_ring_touches_nothing_shared(struct rig *rig)
{
	const struct guest_region *memory;
	unsigned char *before;
	struct req *a, *b;

	rig_start(rig, &(struct rig_options){.event_idx = true, .ring_bytes = 0x10000});
	rig_offer_byte(rig);
	rig_offer_byte(rig);
	a = rig_take(rig);
	b = rig_take(rig);
	memory = &rig->guest->regions[RIG_RING];
	before = malloc(memory->size);
	memcpy(before, memory->host, memory->size);
	ring_kill(rig->ring);
	rig_finish(rig, a, 0);
	assert_false(ring_wants_signal(rig->ring));
	assert_int_equal(rig_switch_table(rig, 1 << RIG_RING), 0);
	rig_finish(rig, b, 0);
	assert_int_equal(ring_outstanding(rig->ring), 0);
	assert_memory_equal(before, memory->host, memory->size);
	free(before);
}

static const struct rig_test tests[] = {
	RIG_TEST(sizes_up_to_32768_pass_a_full_ring_twice),
	RIG_TEST(sizes_that_cannot_be_break_the_ring),
	RIG_TEST(a_large_ring_costs_what_is_used_of_it),
	RIG_TEST(a_limit_of_no_segments_is_refused),
	RIG_TEST(areas_may_be_given_by_user_addresses),
	RIG_TEST(areas_outside_of_memory_break_the_ring),
	RIG_TEST(requests_may_be_completed_in_any_order),
	RIG_TEST(a_batch_is_published_at_once_and_in_order),
	RIG_TEST(what_is_written_is_bounded_by_what_is_writable),
	RIG_TEST(private_bytes_are_zero_for_each_request),
	RIG_TEST(without_private_bytes_there_is_no_pointer),
	RIG_TEST(the_newest_request_can_be_put_back),
	RIG_TEST(several_are_put_back_newest_first),
	RIG_TEST(an_old_request_is_not_the_newest_when_positions_come_round),
	RIG_TEST(positions_wrap),
	RIG_TEST(a_full_ring_crosses_the_wrap),
	RIG_TEST(a_restart_goes_on_at_its_base),
	RIG_TEST(a_dead_ring_touches_nothing_shared),
};

int main(void)
{
	return rig_main(tests, sizeof(tests) / sizeof(tests[0]));
}
