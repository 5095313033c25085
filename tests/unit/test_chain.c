/* SPDX-License-Identifier: MIT */
/* Chains of any layout: lengths, limits, blocks of segments, buffers across regions, tables. */
#include "test_ring_rig.h"

#include <stdlib.h>
#include <string.h>

enum { HOWS = 3 };

static const enum rig_how hows[HOWS] = {RIG_DIRECT, RIG_INDIRECT, RIG_MIXED};

static void chains_of_1_3_and_18_pass_in_every_form(struct rig *rig)
{
	static const uint32_t lengths[] = {1, 3, 18};
	struct rig_chain chain;

	rig_start(rig, &(struct rig_options){.size = 32});
	for (int l = 0; l < 3; l++) {
		for (int how = 0; how < HOWS; how++) {
			for (uint32_t readable = 0; readable <= lengths[l]; readable++) {
				rig_make_chain(rig, &chain, readable, lengths[l] - readable);
				rig_pass(rig, &chain, hows[how]);
			}
		}
	}
}

static void long_chains_move_from_block_to_block(struct rig *rig)
{
	static const uint32_t lengths[] = {5,	6,   31,  32,  33,   127, 128,
					   129, 511, 512, 513, 1023, 1024};
	struct rig_chain chain;

	for (int how = 0; how < HOWS; how++) {
		rig_start(rig, &(struct rig_options){.size = 2048});
		for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
			rig_make_chain(rig, &chain, lengths[l] / 3, lengths[l] - lengths[l] / 3);
			rig_pass(rig, &chain, hows[how]);
			rig_make_chain(rig, &chain, lengths[l], 0);
			rig_pass(rig, &chain, hows[how]);
			rig_make_chain(rig, &chain, 0, lengths[l]);
			rig_pass(rig, &chain, hows[how]);
		}
		rig_stop(rig);
	}
}

static void an_indirect_chain_may_be_longer_than_the_ring(struct rig *rig)
{
	struct rig_chain chain;

	rig_start(rig, &(struct rig_options){.size = 2});
	for (int i = 0; i < 5; i++) {
		rig_make_chain(rig, &chain, 100, 900);
		rig_pass(rig, &chain, RIG_INDIRECT);
	}
}

/* n chains over one table of many readable bytes. */
static void offer_long(struct rig *rig, uint32_t segs, uint32_t n)
{
	struct driver_seg *list = calloc(segs, sizeof(*list));
	uint64_t table = guest_alloc(rig->guest, segs * 16, 16);

	for (uint32_t i = 0; i < segs; i++)
		list[i] = (struct driver_seg){RIG_DATA_GPA + i, 1, false};
	assert_int_equal(driver_write_table(rig->drv, table, list, segs), 0);
	for (uint32_t i = 0; i < n; i++)
		assert_true(driver_add_table(rig->drv, NULL, 0, table, segs * 16, NULL) >= 0);
	driver_publish(rig->drv);
	free(list);
}

static void a_starved_ring_takes_nothing_until_a_completion(struct rig *rig)
{
	static const uint32_t segs[] = {20, 100, 400, 1000};
	struct vu_req **reqs = calloc(4096, sizeof(*reqs));

	for (int l = 0; l < 4; l++) {
		uint32_t base, more;
		int n;

		rig_start(rig, &(struct rig_options){.size = 4096});
		offer_long(rig, segs[l], 4096);
		n = ring_take(rig->ring, reqs, 4096);
		assert_in_range(n, 2, 4095);
		base = ring_base(rig->ring);
		assert_int_equal(ring_outstanding(rig->ring), n);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(rig_take_nothing(rig), 0);
			assert_null(rig->ring->why);
			assert_true(rig->ring->starved);
			/* Nothing came free: to look again now would be to spin. */
			assert_false(rig->ring->unstarved);
			assert_int_equal(ring_base(rig->ring), base);
		}
		assert_false(ring_arm(rig->ring));
		rig_finish(rig, (struct req *)reqs[--n], 0);
		assert_true(rig->ring->unstarved);
		reqs[n++] = &rig_take(rig)->pub;
		assert_int_equal(reqs[n - 1]->n_readable, segs[l]);
		assert_int_equal(rig_take_nothing(rig), 0);
		assert_false(rig->ring->unstarved);
		/* All blocks come back: as many pass a second time. */
		more = n == 2048 ? 2047 : (uint32_t)n; /* there are but 4096 in the ring */
		while (n)
			rig_finish(rig, (struct req *)reqs[--n], 0);
		assert_true(rig->ring->unstarved);
		n = ring_take(rig->ring, reqs, more);
		assert_int_equal(n, more);
		rig_stop(rig);
	}
	free(reqs);
}

static void the_longest_chain_passes_alone(struct rig *rig)
{
	enum { LONGEST = 65536 };

	/* There is one block of this size. */
	rig_start(rig, &(struct rig_options){.size = 4, .max_segs = LONGEST});
	offer_long(rig, LONGEST, 3);
	for (int i = 0; i < 3; i++) {
		struct req *req = rig_take(rig);

		assert_int_equal(req->pub.n_readable, LONGEST);
		assert_int_equal(rig_take_nothing(rig), 0);
		rig_finish(rig, req, 0);
	}
}

static void put_back_gives_the_block_back(struct rig *rig)
{
	rig_start(rig, &(struct rig_options){.size = 4096});
	offer_long(rig, 1000, 1);
	for (int i = 0; i < 4096; i++)
		assert_int_equal(ring_put_back(rig->ring, rig_take(rig)), 0);
	assert_int_equal(rig_take(rig)->pub.n_readable, 1000);
}

/* A chain of one segment anywhere in the data regions. */
static void pass_one(struct rig *rig, uint64_t gpa, uint64_t len, bool write, uint32_t pieces)
{
	struct driver_seg seg = {gpa, (uint32_t)len, write};
	struct rig_chain chain = {.n_readable = !write,
				  .n_writable = write,
				  .readable_len = write ? 0 : len,
				  .writable_len = write ? len : 0,
				  .segs = &seg};

	for (int how = 0; how < 2; how++) {
		struct req *req;
		uint32_t id = rig_add(rig, &chain, hows[how]);

		driver_publish(rig->drv);
		req = rig_take(rig);
		assert_int_equal(write ? req->pub.n_writable : req->pub.n_readable, pieces);
		rig_check(rig, req, &chain);
		rig_finish(rig, req, 0);
		rig_expect_used(rig, id, 0);
	}
}

static void a_buffer_across_regions_becomes_several_segments(struct rig *rig)
{
	rig_start(rig, &(struct rig_options){.size = 16});
	for (int write = 0; write < 2; write++) {
		pass_one(rig, RIG_SMALL_GPA - 10, 10, write, 1);
		pass_one(rig, RIG_SMALL_GPA - 10, 11, write, 2);
		pass_one(rig, RIG_SMALL_GPA - 1, 2, write, 2);
		pass_one(rig, RIG_SMALL_GPA, RIG_SMALL_SIZE, write, 1);
		pass_one(rig, RIG_SMALL_GPA, RIG_SMALL_SIZE + 1, write, 2);
		pass_one(rig, RIG_SMALL_GPA - 5, RIG_SMALL_SIZE + 10, write, 3);
		pass_one(rig, RIG_DATA_GPA, RIG_END_GPA - RIG_DATA_GPA, write, 3);
		pass_one(rig, RIG_END_GPA - 1, 1, write, 1);
		pass_one(rig, RIG_DATA_GPA, 1, write, 1);
	}
}

static void pieces_count_as_segments(struct rig *rig)
{
	struct req *req;

	rig_start(rig, &(struct rig_options){.size = 16, .max_segs = 3});
	pass_one(rig, RIG_SMALL_GPA - 5, RIG_SMALL_SIZE + 10, false, 3);
	rig_stop(rig);
	rig_start(rig, &(struct rig_options){.size = 16, .max_segs = 2});
	assert_true(driver_add(rig->drv,
			       &(struct driver_seg){RIG_SMALL_GPA - 5, RIG_SMALL_SIZE + 10, true},
			       1, NULL) >= 0);
	driver_publish(rig->drv);
	req = rig_take(rig);
	assert_int_equal(req->pub.flags, VU_REQ_TOO_LONG);
	assert_int_equal(req->pub.writable[0].iov_len, 5);
	assert_int_equal(req->pub.writable[1].iov_len, 5);
	assert_int_equal(req->pub.writable_len, 10);
}

static void a_long_chain_of_pieces_moves_from_block_to_block(struct rig *rig)
{
	enum { N = 300 };
	struct driver_seg segs[N];
	struct rig_chain chain = {.n_writable = N, .segs = segs};

	rig_start(rig, &(struct rig_options){.size = 512});
	for (int i = 0; i < N; i++) {
		segs[i] = (struct driver_seg){RIG_SMALL_GPA - 2, RIG_SMALL_SIZE + 4, true};
		chain.writable_len += RIG_SMALL_SIZE + 4;
	}
	for (int how = 0; how < HOWS; how++)
		rig_pass(rig, &chain, hows[how]);
}

/* The table itself at any place: the chain is the same. */
static void pass_table_at(struct rig *rig, uint64_t table, uint32_t n)
{
	struct rig_chain chain;
	struct driver_split_desc *copy = calloc(n, sizeof(*copy));
	struct req *req;
	int id;

	rig_make_chain(rig, &chain, n / 2, n - n / 2);
	rig->drv->layout->write_table(rig->drv, copy, chain.segs, n);
	for (uint32_t i = 0; i < n * sizeof(*copy); i++)
		*(unsigned char *)guest_ptr(rig->guest, table + i, 1) = ((unsigned char *)copy)[i];
	free(copy);
	id = driver_add_table(rig->drv, NULL, 0, table, n * 16, NULL);
	driver_publish(rig->drv);
	req = rig_take(rig);
	rig_check(rig, req, &chain);
	rig_finish(rig, req, 0);
	rig_expect_used(rig, (uint32_t)id, 0);
}

static void an_indirect_table_may_lie_across_regions(struct rig *rig)
{
	rig_start(rig, &(struct rig_options){.size = 16});
	rig->n_segs = 64; /* out of the way of the table */
	for (uint64_t before = 1; before < 64; before++)
		pass_table_at(rig, RIG_SMALL_GPA - before, 4);
	/* Over all of the small region. */
	pass_table_at(rig, RIG_SMALL_GPA - 40, (RIG_SMALL_SIZE + 80) / 16);
}

static void an_indirect_table_may_have_an_odd_address(struct rig *rig)
{
	rig_start(rig, &(struct rig_options){.size = 16});
	for (uint64_t offset = 0; offset < 16; offset++) {
		pass_table_at(rig, RIG_TAIL_GPA + offset, 3);
		pass_table_at(rig, RIG_TAIL_GPA + offset, 200);
	}
}

static const struct rig_test tests[] = {
	RIG_TEST(chains_of_1_3_and_18_pass_in_every_form),
	RIG_TEST(long_chains_move_from_block_to_block),
	RIG_TEST(an_indirect_chain_may_be_longer_than_the_ring),
	RIG_TEST(a_starved_ring_takes_nothing_until_a_completion),
	RIG_TEST(the_longest_chain_passes_alone),
	RIG_TEST(put_back_gives_the_block_back),
	RIG_TEST(a_buffer_across_regions_becomes_several_segments),
	RIG_TEST(pieces_count_as_segments),
	RIG_TEST(a_long_chain_of_pieces_moves_from_block_to_block),
	RIG_TEST(an_indirect_table_may_lie_across_regions),
	RIG_TEST(an_indirect_table_may_have_an_odd_address),
};

int main(void)
{
	return rig_main(tests, sizeof(tests) / sizeof(tests[0]));
}
