/* SPDX-License-Identifier: MIT */
/* Rings whose memory is not all known, or not for both directions; and data paths that change. */
#include <string.h>

#include "test_ring_rig.h"

/* A space that knows a part of the rig's memory: what an IOMMU's translations would be. */
static struct {
	bool is_known;		  /* else everything is a miss */
	enum space_access access; /* what is allowed */
	uint32_t asked;
} part;

static int find_part(const struct space *s, uint64_t addr, enum space_access access,
		     struct space_run *run)
{
	struct space whole;
	int err;

	space_init(&whole, s->table, s->kind);
	part.asked++;
	if (!part.is_known)
		return SPACE_MISS;
	err = whole.find(&whole, addr, access, run);
	run->access = part.access;
	return err || access & ~part.access ? -EFAULT : 0;
}

static void start(struct rig *rig, bool is_known, enum space_access access)
{
	rig_start(rig, &(struct rig_options){0});
	memset(&part, 0, sizeof(part));
	part.is_known = is_known;
	part.access = access;
	rig->ring->space.find = find_part;
}

static void offer(struct rig *rig, struct rig_chain *chain, uint32_t n_readable,
		  uint32_t n_writable, enum rig_how how)
{
	rig_make_chain(rig, chain, n_readable, n_writable);
	rig_add(rig, chain, how);
	driver_publish(rig->drv);
}

static void expect_wait(struct rig *rig, enum rig_how how)
{
	struct rig_chain chain;
	struct req *req;

	start(rig, false, SPACE_BOTH);
	offer(rig, &chain, 2, 2, how);
	for (int i = 0; i < 3; i++)
		assert_int_equal(rig_take_nothing(rig), 0);
	assert_true(rig->ring->is_live);
	assert_true(rig->ring->waits);
	assert_int_equal(ring_outstanding(rig->ring), 0);
	part.is_known = true;
	assert_true(ring_memory_came(rig->ring));
	assert_false(ring_memory_came(rig->ring));
	req = rig_take(rig);
	rig_check(rig, req, &chain);
	rig_finish(rig, req, chain.writable_len);
}

static void a_chain_in_memory_that_is_not_known_is_not_taken_until_it_is(struct rig *rig)
{
	expect_wait(rig, RIG_DIRECT);
}

static void a_table_in_memory_that_is_not_known_waits_too(struct rig *rig)
{
	expect_wait(rig, RIG_INDIRECT);
}

static void other_memory_ends_the_wait(struct rig *rig)
{
	struct rig_chain chain;

	start(rig, false, SPACE_BOTH);
	offer(rig, &chain, 1, 1, RIG_DIRECT);
	assert_int_equal(rig_take_nothing(rig), 0);
	part.is_known = true;
	assert_int_equal(rig_switch_table(rig, 0), 0);
	assert_false(rig->ring->waits);
	rig_finish(rig, rig_take(rig), chain.writable_len);
}

static void what_may_only_be_read_is_not_written(struct rig *rig)
{
	struct rig_chain chain;

	start(rig, true, SPACE_READ);
	offer(rig, &chain, 3, 0, RIG_DIRECT);
	rig_finish(rig, rig_take(rig), 0);
	/* The same region: a readable buffer there says nothing about a writable one. */
	offer(rig, &chain, 1, 1, RIG_DIRECT);
	assert_int_equal(rig_take_nothing(rig), -EIO);
	assert_string_equal(rig->ring->why, "a buffer outside guest memory");
}

static void what_may_only_be_written_is_not_read(struct rig *rig)
{
	struct rig_chain chain;

	start(rig, true, SPACE_WRITE);
	offer(rig, &chain, 0, 3, RIG_DIRECT);
	rig_finish(rig, rig_take(rig), chain.writable_len);
	offer(rig, &chain, 1, 0, RIG_DIRECT);
	assert_int_equal(rig_take_nothing(rig), -EIO);
}

static void a_region_for_both_is_looked_up_once(struct rig *rig)
{
	struct driver_seg segs[2] = {{RIG_DATA_GPA, 8, false}, {RIG_DATA_GPA + 8, 8, true}};

	start(rig, true, SPACE_BOTH);
	for (int i = 0; i < 4; i++) {
		assert_true(driver_add(rig->drv, segs, 2, NULL) >= 0);
		driver_publish(rig->drv);
		rig_finish(rig, rig_take(rig), 8);
	}
	assert_int_equal(part.asked, 1);
}

static void a_ring_that_runs_changes_its_data_path(struct rig *rig)
{
	const enum ring_way fast = rig->layout->packed ? RING_PACKED : RING_SPLIT;
	struct rig_chain chain;

	rig_start(rig, &(struct rig_options){0});
	rig_make_chain(rig, &chain, 1, 2);
	rig_pass(rig, &chain, RIG_DIRECT);
	assert_true(ring_wants_signal(rig->ring));
	for (int i = 0; i < 6; i++) {
		rig->ring->config.debug = i % 2;
		ring_choose_way(rig->ring);
		assert_int_equal(rig->ring->way, i % 2 ? RING_SLOW : fast);
		rig_make_chain(rig, &chain, 1, 2);
		rig_pass(rig, &chain, RIG_DIRECT);
	}
}

int main(void)
{
	const struct rig_test tests[] = {
		RIG_TEST(a_chain_in_memory_that_is_not_known_is_not_taken_until_it_is),
		RIG_TEST(a_table_in_memory_that_is_not_known_waits_too),
		RIG_TEST(other_memory_ends_the_wait),
		RIG_TEST(what_may_only_be_read_is_not_written),
		RIG_TEST(what_may_only_be_written_is_not_read),
		RIG_TEST(a_region_for_both_is_looked_up_once),
		RIG_TEST(a_ring_that_runs_changes_its_data_path),
	};

	return rig_main(tests, sizeof(tests) / sizeof(tests[0]));
}
