/* SPDX-License-Identifier: MIT */
/* A ring whose memory table is switched while requests are out. */
#include "test_ring_rig.h"

#include <string.h>

enum { TABLE_MAPPINGS = RIG_REGIONS }; /* of one table */

/* Linked in malloc()'s place (see meson.build). */
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

static size_t failing_size; /* of the allocations that fail; 0: none */

void *__wrap_malloc(size_t size)
{
	return size && size == failing_size ? NULL : __real_malloc(size);
}

static void a_request_keeps_its_memory_until_it_is_completed(struct rig *rig)
{
	struct rig_chain chain;
	struct req *req;
	uint32_t id;
	int before;

	rig_start(rig, &(struct rig_options){0});
	before = count_guest_mappings();
	rig_make_chain(rig, &chain, 2, 20);
	id = rig_add(rig, &chain, RIG_DIRECT);
	driver_publish(rig->drv);
	req = rig_take(rig);
	assert_int_equal(rig_switch_table(rig, 0), 0);
	assert_int_equal(count_guest_mappings(), before + TABLE_MAPPINGS);
	rig_check(rig, req, &chain);
	rig_finish(rig, req, 9);
	assert_int_equal(count_guest_mappings(), before);
	rig_expect_used(rig, id, 9);
	rig_make_chain(rig, &chain, 2, 20);
	rig_pass(rig, &chain, RIG_DIRECT);
}

/* Whether it was out or free when the table was switched. */
static void a_request_used_again_is_of_the_new_memory(struct rig *rig)
{
	struct driver_used used[2];
	struct req *reqs[2];

	rig_start(rig, &(struct rig_options){0});
	for (int lap = 0; lap < 200; lap++) {
		for (int i = 0; i < 2; i++) {
			rig_offer_byte(rig);
			reqs[i] = rig_take(rig);
			assert_ptr_equal(reqs[i]->table, rig->ring->table);
		}
		rig_finish(rig, reqs[0], 0);
		assert_int_equal(rig_switch_table(rig, 0), 0);
		assert_ptr_not_equal(reqs[1]->table, rig->ring->table);
		rig_finish(rig, reqs[1], 0);
		assert_int_equal(driver_collect(rig->drv, used, 2), 2);
	}
}

static void without_requests_the_old_memory_goes_at_once(struct rig *rig)
{
	struct rig_chain chain;
	int before;

	rig_start(rig, &(struct rig_options){.event_idx = true});
	before = count_guest_mappings();
	for (int i = 0; i < 5; i++) {
		assert_int_equal(rig_switch_table(rig, 0), 0);
		assert_int_equal(count_guest_mappings(), before);
		rig_make_chain(rig, &chain, 1, 1);
		rig_pass(rig, &chain, RIG_INDIRECT);
	}
}

static void each_of_several_old_tables_goes_with_its_last_request(struct rig *rig)
{
	enum { N = 4 };
	static const int order[2 * N] = {5, 0, 1, 7, 2, 3, 6, 4};
	struct rig_chain chains[2 * N];
	struct req *reqs[2 * N];
	int before, left[N];

	rig_start(rig, &(struct rig_options){0});
	before = count_guest_mappings();
	for (int i = 0; i < 2 * N; i++) {
		rig_make_chain(rig, &chains[i], 1, 1);
		rig_add(rig, &chains[i], RIG_DIRECT);
		driver_publish(rig->drv);
		reqs[i] = rig_take(rig);
		left[i / 2] = 2;
		if (i % 2)
			assert_int_equal(rig_switch_table(rig, 0), 0);
	}
	for (int i = 0; i < 2 * N; i++) {
		int tables = 0;

		rig_check(rig, reqs[order[i]], &chains[order[i]]);
		rig_finish(rig, reqs[order[i]], 0);
		left[order[i] / 2]--;
		for (int t = 0; t < N; t++)
			tables += left[t] > 0;
		assert_int_equal(count_guest_mappings(), before + tables * TABLE_MAPPINGS);
	}
}

static void a_request_put_back_is_taken_from_the_new_memory(struct rig *rig)
{
	struct rig_chain chain;
	struct req *req;
	void *old;
	int before;

	rig_start(rig, &(struct rig_options){0});
	before = count_guest_mappings();
	rig_make_chain(rig, &chain, 1, 0);
	rig_add(rig, &chain, RIG_DIRECT);
	driver_publish(rig->drv);
	req = rig_take(rig);
	old = req->pub.readable->iov_base;
	assert_int_equal(rig_switch_table(rig, 0), 0);
	assert_int_equal(ring_put_back(rig->ring, req), 0);
	assert_int_equal(count_guest_mappings(), before);
	req = rig_take(rig);
	assert_ptr_not_equal(req->pub.readable->iov_base, old);
	rig_check(rig, req, &chain);
}

static void memory_removed_under_the_ring_breaks_it(struct rig *rig)
{
	struct rig_chain chain;
	struct req *req;
	int before;

	rig_start(rig, &(struct rig_options){0});
	before = count_guest_mappings();
	rig_make_chain(rig, &chain, 1, 7);
	rig_add(rig, &chain, RIG_DIRECT);
	rig_offer_byte(rig);
	req = rig_take(rig);
	assert_int_equal(rig_switch_table(rig, 1 << RIG_RING), -EIO);
	assert_non_null(strstr(rig->ring->why, "removed"));
	assert_int_equal(rig_take_nothing(rig), -EIO);
	assert_int_equal(ring_look(rig->ring), -EIO);
	ring_disarm(rig->ring);
	assert_false(ring_is_available(rig->ring));
	/* Its data is still there; its end touches no ring. */
	rig_check(rig, req, &chain);
	rig_finish(rig, req, 7);
	assert_int_equal(count_guest_mappings(), before - 1);
	rig_expect_nothing_used(rig);
	assert_int_equal(rig_take_nothing(rig), -EIO);
	/* That it comes back changes nothing. */
	assert_int_equal(rig_switch_table(rig, 0), 0);
	assert_int_equal(rig_take_nothing(rig), -EIO);
	rig_expect_nothing_used(rig);
}

static void memory_removed_with_a_ring_that_has_nothing_out_breaks_it(struct rig *rig)
{
	rig_start(rig, &(struct rig_options){.user_space = true, .event_idx = true});
	rig_offer_byte(rig);
	assert_int_equal(ring_put_back(rig->ring, rig_take(rig)), 0);
	assert_int_equal(rig_switch_table(rig, 1 << RIG_RING), -EIO);
	assert_int_equal(rig_take_nothing(rig), -EIO);
	assert_false(ring_wants_signal(rig->ring));
}

static void a_buffer_in_memory_that_was_removed_breaks_the_ring(struct rig *rig)
{
	struct rig_chain chain;
	struct req *req;

	rig_start(rig, &(struct rig_options){0});
	rig_make_chain(rig, &chain, 1, 1);
	rig_add(rig, &chain, RIG_DIRECT);
	driver_publish(rig->drv);
	req = rig_take(rig);
	assert_int_equal(rig_switch_table(rig, 1 << RIG_DATA), 0);
	rig_check(rig, req, &chain);
	rig_finish(rig, req, 0);
	/* Nothing remembers where the last buffer was. */
	rig_make_chain(rig, &chain, 1, 1);
	rig_add(rig, &chain, RIG_DIRECT);
	driver_publish(rig->drv);
	assert_int_equal(rig_take_nothing(rig), -EIO);
	assert_non_null(strstr(rig->ring->why, "outside guest memory"));
}

static void the_same_table_again_changes_nothing(struct rig *rig)
{
	struct rig_chain chain;

	rig_start(rig, &(struct rig_options){0});
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ring_set_table(rig->ring, rig->table), 0);
		rig_make_chain(rig, &chain, 1, 1);
		rig_pass(rig, &chain, RIG_DIRECT);
	}
}

static void no_memory_for_an_old_table_breaks_the_ring_and_blames_nobody(struct rig *rig)
{
	struct table *other;
	struct req *req;

	rig_start(rig, &(struct rig_options){0});
	other = table_ref(rig->table);
	assert_int_equal(rig_switch_table(rig, 0), 0);
	rig_offer_byte(rig);
	req = rig_take(rig);
	failing_size = sizeof(struct ring_old_table);
	assert_int_equal(ring_set_table(rig->ring, other), -EIO);
	failing_size = 0;
	table_unref(other);
	assert_non_null(strstr(rig->ring->why, "no memory"));
	assert_true(rig->ring->blameless);
	assert_int_equal(rig_take_nothing(rig), -EIO);
	rig_finish(rig, req, 0);
	rig_expect_nothing_used(rig);
}

static const struct rig_test tests[] = {
	RIG_TEST(a_request_keeps_its_memory_until_it_is_completed),
	RIG_TEST(without_requests_the_old_memory_goes_at_once),
	RIG_TEST(a_request_used_again_is_of_the_new_memory),
	RIG_TEST(each_of_several_old_tables_goes_with_its_last_request),
	RIG_TEST(a_request_put_back_is_taken_from_the_new_memory),
	RIG_TEST(memory_removed_under_the_ring_breaks_it),
	RIG_TEST(memory_removed_with_a_ring_that_has_nothing_out_breaks_it),
	RIG_TEST(a_buffer_in_memory_that_was_removed_breaks_the_ring),
	RIG_TEST(the_same_table_again_changes_nothing),
	RIG_TEST(no_memory_for_an_old_table_breaks_the_ring_and_blames_nobody),
};

int main(void)
{
	return rig_main(tests, sizeof(tests) / sizeof(tests[0]));
}
