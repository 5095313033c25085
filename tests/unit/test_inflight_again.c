/* SPDX-License-Identifier: MIT */
/* What was in flight is run again: in order, put back, suspended, short of memory; on any layout.
 */
#include "inflight_rig.h"

enum { N = LOG_N, SIZE = LOG_SIZE };

static void requests_in_flight_are_run_again_in_order(struct rig *rig)
{
	struct rig_chain chains[N];
	struct req *reqs[N];
	struct driver_used used[N + 1];
	uint32_t ids[N], late;

	log_start_with_n(rig, chains, reqs, ids);
	rig_finish(rig, reqs[4], 0);
	rig_finish(rig, reqs[1], 0);
	late = rig_offer_byte(rig);
	for (int crash = 0; crash < 3; crash++) {
		log_crash(rig);
		assert_true(ring_is_available(rig->ring));
		assert_int_equal(ring_waiting_again(rig->ring), 4);
		for (uint32_t i = 0; i < N; i++)
			if (i != 1 && i != 4)
				reqs[i] = log_take_again(rig, &chains[i]);
		assert_int_equal(ring_waiting_again(rig->ring), 0);
	}
	rig_finish(rig, log_take(rig, false), 0);
	assert_int_equal(rig_take_nothing(rig), 0);
	for (uint32_t i = N; i-- > 0;)
		if (i != 1 && i != 4)
			rig_finish(rig, reqs[i], 0);
	assert_int_equal(driver_collect(rig->drv, used, N + 1), N + 1);
	assert_int_equal(used[0].id, ids[4]);
	assert_int_equal(used[1].id, ids[1]);
	assert_int_equal(used[2].id, late);
	assert_int_equal(used[N].id, ids[0]);
	log_serve_on(rig);
	log_free(rig);
}

static void with_in_order_what_is_held_stays_in_flight(struct rig *rig)
{
	struct rig_chain chains[N];
	struct req *reqs[N];
	struct driver_used used[N];
	uint32_t ids[N];

	log_start(rig, &(struct rig_options){.size = SIZE, .in_order = true}, 0);
	log_take_n(rig, chains, reqs, ids, N);
	rig_finish(rig, reqs[0], 0);
	rig_finish(rig, reqs[2], 0);
	rig_finish(rig, reqs[3], 0);
	assert_int_equal(log_count(rig), N - 1);
	log_crash(rig);
	for (uint32_t i = 1; i < N; i++)
		reqs[i] = log_take_again(rig, &chains[i]);
	for (uint32_t i = N; i-- > 1;)
		rig_finish(rig, reqs[i], 0);
	assert_int_equal(driver_collect(rig->drv, used, N), N);
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(used[i].id, ids[i]);
	log_serve_on(rig);
	log_free(rig);
}

static void a_request_that_is_too_long_is_so_when_it_is_run_again(struct rig *rig)
{
	struct rig_chain chain;
	struct req *req;
	uint32_t id;

	log_start(rig, &(struct rig_options){.size = SIZE, .max_segs = 2}, 0);
	rig_make_chain(rig, &chain, 2, 3);
	id = rig_add(rig, &chain, RIG_DIRECT);
	driver_publish(rig->drv);
	assert_int_equal(rig_take(rig)->pub.flags, VU_REQ_TOO_LONG);
	log_crash(rig);
	req = rig_take(rig);
	assert_int_equal(req->pub.flags, VU_REQ_TOO_LONG | VU_REQ_RESUBMITTED);
	rig_finish(rig, req, req->pub.writable_len);
	rig_expect_used(rig, id, 0);
	log_serve_on(rig);
	log_free(rig);
}

static void what_is_run_again_can_be_put_back_if_it_is_the_newest(struct rig *rig)
{
	struct rig_chain chains[N];
	struct req *reqs[N];
	uint32_t ids[N];

	log_start_with_n(rig, chains, reqs, ids);
	rig_offer_byte(rig);
	log_crash(rig);
	reqs[0] = log_take_again(rig, &chains[0]);
	reqs[1] = log_take_again(rig, &chains[1]);
	assert_int_equal(ring_put_back(rig->ring, reqs[0]), -EINVAL);
	assert_int_equal(ring_put_back(rig->ring, reqs[1]), 0);
	assert_int_equal(ring_put_back(rig->ring, reqs[0]), 0);
	assert_int_equal(ring_outstanding(rig->ring), 0);
	assert_int_equal(log_count(rig), N);
	for (uint32_t i = 0; i < N; i++)
		reqs[i] = log_take_again(rig, &chains[i]);
	/* Completed: those before it are not the newest for that. */
	rig_finish(rig, reqs[N - 1], 0);
	assert_int_equal(ring_put_back(rig->ring, reqs[N - 2]), -EINVAL);
	log_take(rig, false);
	assert_int_equal(ring_put_back(rig->ring, reqs[N - 2]), -EINVAL);
	/* Once more, after a crash that finds one put back. */
	log_crash(rig);
	reqs[0] = log_take_again(rig, &chains[0]);
	assert_int_equal(ring_put_back(rig->ring, reqs[0]), 0);
	log_crash(rig);
	for (uint32_t i = 0; i < N - 1; i++)
		rig_finish(rig, log_take_again(rig, &chains[i]), 0);
	rig_finish(rig, log_take(rig, true), 0);
	for (uint32_t i = 0; i < N + 1; i++)
		assert_int_equal(driver_collect(rig->drv, &(struct driver_used){0}, 1), 1);
	log_serve_on(rig);
	log_free(rig);
}

enum { LONG = 600, MANY = 40 };

/* The new ring has room for fewer long chains at a time than the one that died. */
static void long_chains_that_are_run_again_wait_for_room(struct rig *rig)
{
	struct rig_chain chains[MANY];
	struct req *reqs[MANY];
	uint32_t n;

	log_start(rig, &(struct rig_options){.size = 64, .max_segs = 1024}, 0);
	for (uint32_t i = 0; i < MANY; i++) {
		rig_make_chain(rig, &chains[i], LONG / 2, LONG / 2);
		rig_add(rig, &chains[i], RIG_INDIRECT);
	}
	driver_publish(rig->drv);
	for (uint32_t i = 0; i < MANY; i++)
		log_take(rig, false);
	rig->config.max_segs = 65536;
	rig_offer_byte(rig);
	log_crash(rig);
	for (n = 0; n < MANY; n++) {
		struct vu_req *req;

		if (ring_take(rig->ring, &req, 1) != 1)
			break;
		reqs[n] = (struct req *)req;
	}
	assert_true(n > 0 && n < MANY);
	assert_int_equal(rig_take_nothing(rig), 0);
	assert_true(rig->ring->starved);
	for (uint32_t i = 0; i < MANY; i++) {
		rig_finish(rig, reqs[i], 0);
		if (n < MANY) {
			assert_true(rig->ring->unstarved);
			reqs[n] = log_take_again(rig, &chains[n]);
			n++;
		}
	}
	rig_finish(rig, log_take(rig, false), 0);
	assert_int_equal(log_count(rig), 0);
	assert_int_equal(ring_outstanding(rig->ring), 0);
	log_free(rig);
}

static void what_is_suspended_is_run_again(struct rig *rig)
{
	struct rig_chain chains[N];
	struct req *reqs[N];
	uint32_t ids[N], base;

	log_start_with_n(rig, chains, reqs, ids);
	assert_int_equal(ring_suspend(rig->ring, reqs[0]), -ENOTSUP);
	rig->config.suspend = true;
	log_crash(rig);
	for (uint32_t i = 0; i < N; i++)
		reqs[i] = log_take_again(rig, &chains[i]);
	rig_finish(rig, reqs[2], 0);
	base = ring_base(rig->ring);
	for (uint32_t i = 0; i < N; i++)
		if (i != 2)
			assert_int_equal(ring_suspend(rig->ring, reqs[i]), 0);
	assert_int_equal(ring_outstanding(rig->ring), 0);
	assert_int_equal(log_count(rig), N - 1);
	rig_expect_used(rig, ids[2], 0);
	rig->config.base = ring_base(rig->ring);
	assert_int_equal(rig->config.base, base);
	log_crash(rig);
	for (uint32_t i = 0; i < N; i++)
		if (i != 2)
			rig_finish(rig, log_take_again(rig, &chains[i]), 0);
	assert_int_equal(ring_outstanding(rig->ring), 0);
	log_free(rig);
}

static void in_order_nothing_behind_a_suspended_one_is_used(struct rig *rig)
{
	struct rig_chain chains[N];
	struct req *reqs[N];
	struct driver_used used[N];
	uint32_t ids[N];

	rig_prepare(rig, &(struct rig_options){.size = SIZE, .in_order = true});
	log_new(rig, 0);
	rig->config.suspend = true;
	assert_int_equal(rig_new_ring(rig, &(const char *){NULL}), 0);
	log_take_n(rig, chains, reqs, ids, N);
	rig_finish(rig, reqs[4], 0);
	rig_finish(rig, reqs[1], 0);
	assert_int_equal(ring_suspend(rig->ring, reqs[2]), 0);
	rig_finish(rig, reqs[5], 0);
	assert_int_equal(ring_suspend(rig->ring, reqs[3]), 0);
	assert_int_equal(ring_outstanding(rig->ring), 2);
	rig_finish(rig, reqs[0], 0);
	assert_int_equal(ring_outstanding(rig->ring), 0);
	assert_int_equal(driver_collect(rig->drv, used, N), 2);
	assert_int_equal(used[0].id, ids[0]);
	assert_int_equal(used[1].id, ids[1]);
	log_crash(rig);
	for (uint32_t i = 2; i < N; i++)
		rig_finish(rig, log_take_again(rig, &chains[i]), 0);
	log_free(rig);
}

static void the_driver_is_told_of_what_was_published_before_a_crash(struct rig *rig)
{
	struct rig_chain chains[N];
	struct req *reqs[N];
	uint32_t ids[N];

	log_start_with_n(rig, chains, reqs, ids);
	ring_signal_again(rig->ring);
	assert_false(ring_is_unsignalled(rig->ring));
	rig_finish(rig, reqs[0], 0);
	log_crash(rig);
	assert_false(ring_is_unsignalled(rig->ring));
	ring_signal_again(rig->ring);
	assert_true(ring_wants_signal(rig->ring));
	assert_false(ring_wants_signal(rig->ring));
	/* Also if the driver asks for none. */
	driver_set_interrupts(rig->drv, false);
	ring_signal_again(rig->ring);
	assert_true(ring_wants_signal(rig->ring));
	log_free(rig);
}

static const struct rig_test tests[] = {
	RIG_TEST(requests_in_flight_are_run_again_in_order),
	RIG_TEST(with_in_order_what_is_held_stays_in_flight),
	RIG_TEST(a_request_that_is_too_long_is_so_when_it_is_run_again),
	RIG_TEST(what_is_run_again_can_be_put_back_if_it_is_the_newest),
	RIG_TEST(long_chains_that_are_run_again_wait_for_room),
	RIG_TEST(what_is_suspended_is_run_again),
	RIG_TEST(in_order_nothing_behind_a_suspended_one_is_used),
	RIG_TEST(the_driver_is_told_of_what_was_published_before_a_crash),
};

int main(void)
{
	return rig_main(tests, sizeof(tests) / sizeof(tests[0]));
}
