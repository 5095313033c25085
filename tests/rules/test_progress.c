/* SPDX-License-Identifier: MIT */
/* Rules of what the library remembers for a device: of a request, of a queue. */
#include "rules/rig.h"

static struct vu_req *take(struct rig *rig)
{
	struct vu_req *req = NULL;

	assert_int_equal(vu_queue_next(rig->queues[0].queue, &req), 1);
	return req;
}

static void finish(struct vu_req *req)
{
	assert_ok(vu_req_complete(req, rig_invert(req)));
}

static void open_with(struct rig *rig, uint32_t n)
{
	rig_open(rig, NULL);
	rig_leave(rig, 0, n);
}

static void progress_survives_a_put_back(void **state)
{
	struct vu_req *req;
	struct rig rig;

	(void)state;
	open_with(&rig, 2);
	for (uint64_t at = 0; at < RIG_BYTES; at++) {
		req = take(&rig);
		assert_int_equal(vu_req_progress(req), at);
		assert_ok(vu_req_set_progress(req, at + 1));
		assert_int_equal(vu_req_progress(req), at + 1);
		assert_ok(vu_req_put_back(req));
	}
	req = take(&rig);
	assert_int_equal(vu_req_progress(req), RIG_BYTES);
	finish(req);
	req = take(&rig);
	assert_int_equal(vu_req_progress(req), 0);
	finish(req);
	rig_wait_used(&rig, 0, 2);
	/* Nor has the next one, in the same place. */
	for (int i = 0; i < 300; i++) {
		rig_submit(&rig, 0, 1);
		rig_pump(&rig);
		req = take(&rig);
		assert_int_equal(vu_req_progress(req), 0);
		finish(req);
		rig_wait_used(&rig, 0, 1);
	}
	rig_close(&rig);
}

/* Others end meanwhile, so that the library uses its own memory in another order. */
static void each_of_many_that_are_put_back_keeps_its_own(void **state)
{
	struct vu_req *reqs[8];
	struct rig rig;

	(void)state;
	open_with(&rig, 8);
	for (uint32_t i = 0; i < 8; i++) {
		reqs[i] = take(&rig);
		if (i != 6)
			assert_ok(vu_req_set_progress(reqs[i], 10 + i));
	}
	for (uint32_t i = 8; i-- > 3;)
		assert_ok(vu_req_put_back(reqs[i]));
	finish(reqs[1]);
	finish(reqs[0]);
	finish(reqs[2]);
	for (uint32_t i = 3; i < 8; i++) {
		reqs[i] = take(&rig);
		assert_int_equal(vu_req_progress(reqs[i]), i == 6 ? 0 : 10 + i);
	}
	for (uint32_t i = 3; i < 8; i++)
		finish(reqs[i]);
	rig_wait_used(&rig, 0, 8);
	rig_close(&rig);
}

static void progress_ends_with_the_ring(void **state)
{
	struct vu_req *req;
	struct rig rig;

	(void)state;
	open_with(&rig, 1);
	req = take(&rig);
	assert_ok(vu_req_set_progress(req, 5));
	assert_ok(vu_req_put_back(req));
	rig_stop_queue(&rig, 0);
	rig_start_queue(&rig, 0);
	rig_pump(&rig);
	req = take(&rig);
	assert_int_equal(vu_req_progress(req), 0);
	finish(req);
	rig_wait_used(&rig, 0, 1);
	rig_close(&rig);
}

static void progress_is_never_more_than_there_are_bytes(void **state)
{
	struct vu_req *req;
	struct rig rig;

	(void)state;
	open_with(&rig, 1);
	req = take(&rig);
	assert_ok(vu_req_set_progress(req, UINT64_C(2) * RIG_BYTES));
	assert_int_equal(vu_req_set_progress(req, UINT64_C(2) * RIG_BYTES + 1), -ERANGE);
	assert_int_equal(vu_req_progress(req), 2 * RIG_BYTES);
	finish(req);
	rig_wait_used(&rig, 0, 1);
	assert_int_equal(vu_req_set_progress(req, 1), -EINVAL);
	rig_expect_errors(&rig, "vu_req_set_progress() on a request that is not outstanding", 1);
	rig_close(&rig);
}

static void a_queue_has_a_pointer_of_the_device_s_own(void **state)
{
	struct vu_queue *queue;
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	queue = vu_device_queue(rig.dev, 1);
	assert_null(vu_queue_opaque(queue));
	vu_queue_set_opaque(queue, &queue);
	rig_connect(&rig);
	assert_ptr_equal(vu_queue_opaque(queue), &queue);
	assert_null(vu_queue_opaque(vu_device_queue(rig.dev, 0)));
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(progress_survives_a_put_back),
		cmocka_unit_test(each_of_many_that_are_put_back_keeps_its_own),
		cmocka_unit_test(progress_ends_with_the_ring),
		cmocka_unit_test(progress_is_never_more_than_there_are_bytes),
		cmocka_unit_test(a_queue_has_a_pointer_of_the_device_s_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
