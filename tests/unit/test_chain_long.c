/* SPDX-License-Identifier: MIT */
/* What a driver does that is no reason to break a ring: chains too long, tables not agreed on. */
#include "test_ring_rig.h"

#include <string.h>

enum { HOWS = 3 };

static const enum rig_how hows[HOWS] = {RIG_DIRECT, RIG_INDIRECT, RIG_MIXED};

/* A request of a chain that is too long: its first and its last writable segment. */
static void check_too_long(const struct rig *rig, const struct req *req,
			   const struct rig_chain *chain)
{
	const struct driver_seg *segs = chain->segs + chain->n_readable;
	uint32_t most = rig->options.max_segs < 2 ? 1 : 2;
	uint32_t n = chain->n_writable < most ? chain->n_writable : most;
	uint64_t len = 0;

	assert_int_equal(req->pub.flags, VU_REQ_TOO_LONG);
	assert_int_equal(req->pub.n_readable, 0);
	assert_int_equal(req->pub.readable_len, 0);
	assert_int_equal(req->pub.n_writable, n);
	for (uint32_t i = 0; i < n; i++) {
		const struct driver_seg *seg = &segs[i + 1 == n ? chain->n_writable - 1 : 0];
		const struct iovec *iov = &req->pub.writable[i];
		volatile unsigned char *host = iov->iov_base;

		assert_int_equal(iov->iov_len, seg->len);
		len += seg->len;
		host[iov->iov_len - 1] = (unsigned char)(0xa0 + i);
		assert_int_equal(*(volatile unsigned char *)guest_ptr(rig->guest,
								      seg->gpa + seg->len - 1, 1),
				 0xa0 + i);
	}
	assert_int_equal(req->pub.writable_len, len);
}

/* It fails alone: one in front of it and one behind it are what they always are. */
static void pass_too_long(struct rig *rig, uint32_t n_readable, uint32_t n_writable,
			  enum rig_how how)
{
	struct rig_chain chain, small;
	struct vu_req *reqs[3];
	uint64_t written[3];
	uint32_t ids[3];

	rig_make_chain(rig, &chain, n_readable, n_writable);
	rig_make_chain(rig, &small, 0, 1);
	ids[0] = rig_add(rig, &small, RIG_DIRECT);
	ids[1] = rig_add(rig, &chain, how);
	ids[2] = rig_add(rig, &small, RIG_DIRECT);
	driver_publish(rig->drv);
	assert_int_equal(ring_take(rig->ring, reqs, 3), 3);
	check_too_long(rig, (struct req *)reqs[1], &chain);
	for (int i = 0; i < 3; i++) {
		struct ring_sums sums;

		written[i] = reqs[i]->writable_len;
		if (!ring_complete_plain(rig->ring, &reqs[i], &written[i], 1, &sums) &&
		    !ring_complete_one(rig->ring, (struct req *)reqs[i], written[i]))
			rig_finish(rig, (struct req *)reqs[i], written[i]);
		rig_expect_used(rig, ids[i], i == 1 ? 0 : (uint32_t)written[i]);
	}
	assert_int_equal(reqs[1]->flags, 0);
	assert_ptr_equal(reqs[1]->readable, ((struct req *)reqs[1])->segs);
	assert_null(rig->ring->why);
}

static void max_segs_pass_and_one_more_fails_alone(struct rig *rig)
{
	static const uint32_t limits[] = {1, 2, 4, 5, 6, 7, 32, 33, 128, 129, 512, 1000, 1024};
	struct rig_chain chain;

	for (size_t l = 0; l < sizeof(limits) / sizeof(limits[0]); l++) {
		for (int how = 0; how < HOWS; how++) {
			const struct rig_options options = {.size = 2048, .max_segs = limits[l]};

			rig_start(rig, &options);
			rig_make_chain(rig, &chain, limits[l] / 2, limits[l] - limits[l] / 2);
			rig_pass(rig, &chain, hows[how]);
			pass_too_long(rig, 1, limits[l], hows[how]);
			pass_too_long(rig, limits[l], 1, hows[how]);
			pass_too_long(rig, limits[l] + 1, 0, hows[how]);
			pass_too_long(rig, limits[l] + 3, 1, hows[how]);
			pass_too_long(rig, limits[l] + 3, 700, hows[how]);
			pass_too_long(rig, 0, limits[l] + 1, hows[how]);
			pass_too_long(rig, 2, limits[l] + 700, hows[how]);
			rig_make_chain(rig, &chain, limits[l] / 2, limits[l] - limits[l] / 2);
			rig_pass(rig, &chain, hows[how]);
			rig_stop(rig);
		}
	}
}

static void a_chain_far_longer_than_max_segs_breaks_the_ring(struct rig *rig)
{
	struct rig_chain chain;

	for (int more = 0; more < 2; more++) {
		rig_start(rig, &(struct rig_options){.max_segs = 7});
		if (!more) {
			pass_too_long(rig, 0, 7 + RING_LONG_SEGS, RIG_INDIRECT);
			pass_too_long(rig, 7 + RING_LONG_SEGS - 1, 1, RIG_INDIRECT);
		} else {
			rig_make_chain(rig, &chain, 0, 7 + RING_LONG_SEGS + 1);
			rig_add(rig, &chain, RIG_INDIRECT);
			driver_publish(rig->drv);
			assert_int_equal(rig_take_nothing(rig), -EIO);
			assert_non_null(strstr(rig->ring->why, "max_segs"));
		}
		rig_stop(rig);
	}
}

static void a_request_that_is_too_long_can_be_put_back(struct rig *rig)
{
	struct rig_chain chain;

	rig_start(rig, &(struct rig_options){.max_segs = 40});
	rig_make_chain(rig, &chain, 1, 50);
	rig_add(rig, &chain, RIG_INDIRECT);
	driver_publish(rig->drv);
	for (int i = 0; i < 3; i++) {
		struct req *req = rig_take(rig);

		check_too_long(rig, req, &chain);
		assert_int_equal(ring_put_back(rig->ring, req), 0);
	}
}

/* In order, its turn is that of any other; the one behind it is held until then. */
static void a_request_that_is_too_long_keeps_the_order(struct rig *rig)
{
	struct driver_used used[2];
	struct rig_chain chain, small;
	struct req *first, *second;
	uint32_t id, other;

	rig_start(rig, &(struct rig_options){.max_segs = 2, .in_order = true});
	rig_make_chain(rig, &chain, 1, 5);
	rig_make_chain(rig, &small, 0, 1);
	id = rig_add(rig, &chain, RIG_INDIRECT);
	other = rig_add(rig, &small, RIG_DIRECT);
	driver_publish(rig->drv);
	first = rig_take(rig);
	second = rig_take(rig);
	rig_finish(rig, second, 1);
	rig_expect_nothing_used(rig);
	assert_int_equal(ring_complete(rig->ring, first, 1), 0);
	ring_publish(rig->ring);
	assert_int_equal(driver_collect(rig->drv, used, 2), 2);
	assert_int_equal(used[0].id, id);
	assert_int_equal(used[0].len, 0);
	assert_int_equal(used[1].id, other);
	assert_int_equal(used[1].len, 1);
}

static int warnings;

static void count_warning(void *queue, const char *what)
{
	(void)queue;
	assert_non_null(what);
	warnings++;
}

static void a_table_is_served_with_one_warning_if_the_feature_was_offered(struct rig *rig)
{
	struct rig_chain chain;
	const char *why;

	warnings = 0;
	rig_prepare(rig, &(struct rig_options){.indirect_offered = true});
	rig->config.warn = count_warning;
	assert_int_equal(rig_new_ring(rig, &why), 0);
	rig_make_chain(rig, &chain, 3, 4);
	rig_pass(rig, &chain, RIG_DIRECT);
	assert_int_equal(warnings, 0);
	for (int i = 0; i < 3; i++) {
		rig_pass(rig, &chain, RIG_INDIRECT);
		assert_int_equal(warnings, 1);
	}
}

static void requests_that_are_too_long_get_one_warning(struct rig *rig)
{
	const char *why;

	warnings = 0;
	rig_prepare(rig, &(struct rig_options){.max_segs = 10});
	rig->config.warn = count_warning;
	assert_int_equal(rig_new_ring(rig, &why), 0);
	for (int i = 0; i < 3; i++)
		pass_too_long(rig, 1, 515, RIG_INDIRECT);
	assert_int_equal(warnings, 1);
}

static const struct rig_test tests[] = {
	RIG_TEST(max_segs_pass_and_one_more_fails_alone),
	RIG_TEST(a_chain_far_longer_than_max_segs_breaks_the_ring),
	RIG_TEST(a_request_that_is_too_long_can_be_put_back),
	RIG_TEST(a_request_that_is_too_long_keeps_the_order),
	RIG_TEST(a_table_is_served_with_one_warning_if_the_feature_was_offered),
	RIG_TEST(requests_that_are_too_long_get_one_warning),
};

int main(void)
{
	return rig_main(tests, sizeof(tests) / sizeof(tests[0]));
}
