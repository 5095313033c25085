/* SPDX-License-Identifier: MIT */
/* IN_ORDER on any layout: what is completed before its turn is held until then. */
#include "test_ring_rig.h"

#include <stdlib.h>
#include <string.h>

enum { N = 6 };

/* N chains of different lengths, taken. */
static void take_n(struct rig *rig, struct req **reqs, uint32_t *ids)
{
	for (uint32_t i = 0; i < N; i++) {
		struct rig_chain chain;

		rig_make_chain(rig, &chain, 1 + i % 2, 1);
		ids[i] = rig_add(rig, &chain, i % 3 ? RIG_DIRECT : RIG_INDIRECT);
	}
	driver_publish(rig->drv);
	for (uint32_t i = 0; i < N; i++)
		reqs[i] = rig_take(rig);
}

static void start_with_n(struct rig *rig, uint32_t before_wrap, struct req **reqs, uint32_t *ids)
{
	rig_start(rig, &(struct rig_options){.size = 32,
					     .base = rig->layout->base_before_wrap(32, before_wrap),
					     .in_order = true});
	take_n(rig, reqs, ids);
}

/* The driver finds those from first up to (not including) end, in order. */
static void expect_run(struct rig *rig, const uint32_t *ids, uint32_t first, uint32_t end)
{
	struct driver_used used[N];

	assert_int_equal(driver_collect(rig->drv, used, N), end - first);
	for (uint32_t i = first; i < end; i++) {
		assert_int_equal(used[i - first].id, ids[i]);
		assert_int_equal(used[i - first].len, i % 2);
	}
}

/* Complete in the order that a permutation's number says; what is used is always a prefix. */
static void run_permutation(struct rig *rig, uint32_t number, struct req **reqs,
			    const uint32_t *ids)
{
	bool is_done[N] = {false};
	uint32_t turn = 0;

	for (uint32_t left = N; left; left--) {
		uint32_t skip = number % left, i, before = turn;

		number /= left;
		for (i = 0; is_done[i] || skip--; i++)
			;
		is_done[i] = true;
		rig_finish(rig, reqs[i], i % 2);
		while (turn < N && is_done[turn])
			turn++;
		expect_run(rig, ids, before, turn);
		assert_int_equal(ring_outstanding(rig->ring), N - turn);
	}
}

static void completions_in_any_order_are_used_in_order(struct rig *rig)
{
	struct req *reqs[N];
	uint32_t ids[N];

	rig_start(rig, &(struct rig_options){.size = 16,
					     .base = rig->layout->base_before_wrap(16, 7),
					     .in_order = true});
	for (uint32_t number = 0; number < 720; number++) {
		take_n(rig, reqs, ids);
		run_permutation(rig, number, reqs, ids);
		assert_int_equal(rig_take_nothing(rig), 0);
	}
}

static void the_ring_goes_round_with_requests_held(struct rig *rig)
{
	struct req *reqs[8];
	uint32_t ids[8];

	rig_start(rig, &(struct rig_options){.size = 8, .in_order = true, .event_idx = true});
	for (int round = 0; round < 100; round++) {
		struct driver_used used[8];

		for (int i = 0; i < 8; i++)
			ids[i] = rig_offer_byte(rig);
		for (int i = 0; i < 8; i++)
			reqs[i] = rig_take(rig);
		for (int i = 7; i > 0; i--) {
			rig_finish(rig, reqs[i], 0);
			assert_false(ring_is_unsignalled(rig->ring));
			rig_expect_nothing_used(rig);
		}
		rig_finish(rig, reqs[0], 0);
		assert_true(ring_is_unsignalled(rig->ring));
		ring_wants_signal(rig->ring);
		assert_int_equal(driver_collect(rig->drv, used, 8), 8);
		for (int i = 0; i < 8; i++)
			assert_int_equal(used[i].id, ids[i]);
	}
}

static void lengths_are_bounded_before_a_request_is_held(struct rig *rig)
{
	struct req *reqs[N];
	uint32_t ids[N];

	start_with_n(rig, 32, reqs, ids);
	assert_int_equal(ring_complete(rig->ring, reqs[1], reqs[1]->pub.writable_len + 1), -ERANGE);
	assert_int_equal(reqs[1]->state, REQ_OUT);
	rig_finish(rig, reqs[1], reqs[1]->pub.writable_len);
	assert_int_equal(reqs[1]->state, REQ_HELD);
	rig_finish(rig, reqs[0], 0);
	assert_int_equal(reqs[1]->state, REQ_FREE);
}

static void the_newest_can_be_put_back_but_not_once_it_is_held(struct rig *rig)
{
	struct req *reqs[N];
	uint32_t ids[N];

	start_with_n(rig, 5, reqs, ids);
	rig_finish(rig, reqs[N - 1], (N - 1) % 2);
	assert_int_equal(ring_put_back(rig->ring, reqs[N - 1]), -EINVAL);
	assert_int_equal(ring_put_back(rig->ring, reqs[N - 2]), -EINVAL);
	for (uint32_t i = 0; i < N - 1; i++)
		rig_finish(rig, reqs[i], i % 2);
	expect_run(rig, ids, 0, N);
	rig_stop(rig);

	start_with_n(rig, 32, reqs, ids);
	rig_finish(rig, reqs[1], 1);
	for (uint32_t i = N - 1; i > 1; i--)
		assert_int_equal(ring_put_back(rig->ring, reqs[i]), 0);
	assert_int_equal(ring_outstanding(rig->ring), 2);
	/* They come again, and their turn is still after those before. */
	for (uint32_t i = 2; i < N; i++)
		reqs[i] = rig_take(rig);
	for (uint32_t i = N - 1; i > 1; i--)
		rig_finish(rig, reqs[i], i % 2);
	rig_expect_nothing_used(rig);
	rig_finish(rig, reqs[0], 0);
	expect_run(rig, ids, 0, N);
	/* Nobody waits for the turn of one that was put back. */
	take_n(rig, reqs, ids);
	run_permutation(rig, 321, reqs, ids);
}

static void a_restart_goes_on_after_those_that_were_put_back(struct rig *rig)
{
	struct req *reqs[N];
	uint32_t ids[N];
	const char *why;

	start_with_n(rig, 4, reqs, ids);
	rig_finish(rig, reqs[1], 1);
	for (uint32_t i = N - 1; i > 1; i--)
		assert_int_equal(ring_put_back(rig->ring, reqs[i]), 0);
	rig_finish(rig, reqs[0], 0);
	expect_run(rig, ids, 0, 2);
	assert_int_equal(ring_outstanding(rig->ring), 0);
	rig->config.base = ring_base(rig->ring);
	ring_free(rig->ring);
	assert_int_equal(rig_new_ring(rig, &why), 0);
	for (uint32_t i = 2; i < N; i++)
		reqs[i] = rig_take(rig);
	for (uint32_t i = N - 1; i > 1; i--)
		rig_finish(rig, reqs[i], i % 2);
	expect_run(rig, ids, 2, N);
}

/* The end of a ring's life: held ones are let go of, the others end without a trace. */
static void end_with_held(struct rig *rig, void (*end)(struct rig *rig))
{
	struct req *reqs[N];
	uint32_t ids[N];
	struct guest_region *memory;
	unsigned char *before;

	start_with_n(rig, 32, reqs, ids);
	rig_finish(rig, reqs[1], 1);
	rig_finish(rig, reqs[3], 1);
	assert_int_equal(ring_outstanding(rig->ring), N);
	memory = &rig->guest->regions[RIG_RING];
	end(rig);
	before = malloc(memory->size);
	memcpy(before, memory->host, memory->size);
	assert_int_equal(ring_outstanding(rig->ring), N - 2);
	assert_int_equal(ring_put_back(rig->ring, reqs[5]), 0);
	rig_finish(rig, reqs[0], 0);
	rig_finish(rig, reqs[4], 0);
	rig_finish(rig, reqs[2], 0);
	assert_int_equal(ring_outstanding(rig->ring), 0);
	assert_memory_equal(before, memory->host, memory->size);
	rig_expect_nothing_used(rig);
	free(before);
}

static void end_by_death(struct rig *rig)
{
	ring_kill(rig->ring);
}

static void end_by_garbage(struct rig *rig)
{
	const struct driver_seg seg = {0x80000000, 1, false};
	struct vu_req *req;

	assert_true(driver_add(rig->drv, &seg, 1, NULL) >= 0);
	driver_publish(rig->drv);
	/* What breaks it drops what is held: not what rig_take_nothing() is for. */
	assert_int_equal(ring_take(rig->ring, &req, 1), -EIO);
}

static void end_by_removal(struct rig *rig)
{
	assert_int_equal(rig_switch_table(rig, 1 << RIG_RING), -EIO);
}

static void a_dead_ring_lets_go_of_what_is_held(struct rig *rig)
{
	end_with_held(rig, end_by_death);
}

static void a_broken_ring_lets_go_of_what_is_held(struct rig *rig)
{
	end_with_held(rig, end_by_garbage);
}

static void a_ring_without_memory_lets_go_of_what_is_held(struct rig *rig)
{
	end_with_held(rig, end_by_removal);
}

static void what_is_held_keeps_its_memory(struct rig *rig)
{
	struct req *reqs[N];
	uint32_t ids[N];
	int before;

	start_with_n(rig, 32, reqs, ids);
	before = count_guest_mappings();
	for (uint32_t i = 1; i < N; i++)
		rig_finish(rig, reqs[i], i % 2);
	assert_int_equal(rig_switch_table(rig, 0), 0);
	assert_int_equal(count_guest_mappings(), before + RIG_REGIONS);
	rig_finish(rig, reqs[0], 0);
	assert_int_equal(count_guest_mappings(), before);
	expect_run(rig, ids, 0, N);
}

static const struct rig_test tests[] = {
	RIG_TEST(completions_in_any_order_are_used_in_order),
	RIG_TEST(the_ring_goes_round_with_requests_held),
	RIG_TEST(lengths_are_bounded_before_a_request_is_held),
	RIG_TEST(the_newest_can_be_put_back_but_not_once_it_is_held),
	RIG_TEST(a_restart_goes_on_after_those_that_were_put_back),
	RIG_TEST(a_dead_ring_lets_go_of_what_is_held),
	RIG_TEST(a_broken_ring_lets_go_of_what_is_held),
	RIG_TEST(a_ring_without_memory_lets_go_of_what_is_held),
	RIG_TEST(what_is_held_keeps_its_memory),
};

int main(void)
{
	return rig_main(tests, sizeof(tests) / sizeof(tests[0]));
}
