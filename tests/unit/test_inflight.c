/* SPDX-License-Identifier: MIT */
/* The in-flight log as it is kept, and what a new ring makes of it; on any layout. */
#include "inflight_rig.h"

#include <string.h>

enum { N = 6, SIZE = 16 };

static void start(struct rig *rig, const struct rig_options *options, uint32_t entries)
{
	const char *why;

	rig_prepare(rig, options);
	log_new(rig, entries);
	assert_int_equal(rig_new_ring(rig, &why), 0);
	assert_false(rig->ring->has_again);
}

/* Chains of one to three descriptors, taken. */
static void take_n(struct rig *rig, struct rig_chain *chains, struct req **reqs, uint32_t *ids,
		   uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		rig_make_chain(rig, &chains[i], 1 + i % 2, i % 3 == 1);
		ids[i] = rig_add(rig, &chains[i], i % 3 ? RIG_DIRECT : RIG_INDIRECT);
	}
	driver_publish(rig->drv);
	for (uint32_t i = 0; i < n; i++)
		reqs[i] = log_take(rig, false);
}

static void start_with_n(struct rig *rig, struct rig_chain *chains, struct req **reqs,
			 uint32_t *ids)
{
	start(rig,
	      &(struct rig_options){.size = SIZE, .base = rig->layout->base_before_wrap(SIZE, 5)},
	      0);
	take_n(rig, chains, reqs, ids, N);
}

/* It comes again, as it was. */
static struct req *take_again(struct rig *rig, const struct rig_chain *chain)
{
	struct req *req = log_take(rig, true);

	req->pub.flags = 0;
	rig_check(rig, req, chain);
	return req;
}

static void the_region_is_as_large_as_other_back_ends_have_it(struct rig *rig)
{
	(void)rig;
	assert_int_equal(inflight_bytes(false, 128), 2112);
	assert_int_equal(inflight_bytes(false, 1), 64);
	assert_int_equal(inflight_bytes(false, 3), 64);
	assert_int_equal(inflight_bytes(false, 4), 128);
	assert_int_equal(inflight_bytes(true, 128), 4160);
	assert_int_equal(inflight_bytes(true, 1), 64);
	assert_int_equal(inflight_bytes(true, 32768), 32 + 32768 * 32 + 32);
}

static void an_empty_region_is_initialised(struct rig *rig)
{
	uint32_t base = rig->layout->base_before_wrap(SIZE, 3);

	start(rig, &(struct rig_options){.size = SIZE, .base = base}, 0);
	if (rig->layout->packed) {
		const struct spec_packed *log = log_packed(rig);
		uint32_t at = log->free_head, n;

		assert_int_equal(log->features, 0);
		assert_int_equal(log->version, 1);
		assert_int_equal(log->desc_num, SIZE);
		assert_int_equal(log->old_free_head, at);
		assert_int_equal(log->used_idx, base >> 16 & 0x7fff);
		assert_int_equal(log->old_used_idx, log->used_idx);
		assert_int_equal(log->used_wrap_counter, base >> 31);
		assert_int_equal(log->old_used_wrap_counter, base >> 31);
		for (n = 0; n < SIZE && at < SIZE; n++)
			at = log->desc[at].next;
		assert_int_equal(n, SIZE);
	} else {
		assert_int_equal(log_split(rig)->features, 0);
		assert_int_equal(log_split(rig)->version, 1);
		assert_int_equal(log_split(rig)->desc_num, SIZE);
		assert_int_equal(log_split(rig)->used_idx, (uint16_t)base);
	}
	assert_int_equal(log_count(rig), 0);
	log_free(rig);
}

static void what_is_taken_is_marked_in_order_until_it_is_used(struct rig *rig)
{
	struct rig_chain chains[N];
	struct req *reqs[N];
	uint32_t ids[N];

	start_with_n(rig, chains, reqs, ids);
	for (uint32_t i = 0; i < N; i++) {
		assert_true(log_is_marked(rig, reqs[i]));
		assert_int_equal(log_counter(rig, reqs[i]), i);
	}
	assert_int_equal(log_count(rig), N);
	rig_finish(rig, reqs[3], 0);
	rig_finish(rig, reqs[0], 0);
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(log_is_marked(rig, reqs[i]), i != 0 && i != 3);
	assert_int_equal(log_count(rig), N - 2);
	log_free(rig);
}

/* Packed: used descriptors overwrite those of others, so the log has copies. */
static void check_copies(struct rig *rig, const struct rig_chain *chain, const struct req *req)
{
	const struct spec_packed *log = log_packed(rig);
	uint32_t at = req->log_entry;

	assert_int_equal(log->desc[at].num, chain->n_readable + chain->n_writable);
	for (uint32_t i = 0; i < log->desc[req->log_entry].num; i++) {
		const struct spec_packed_entry *e = &log->desc[at];
		bool last = i + 1 == log->desc[req->log_entry].num;

		assert_true(e->addr == chain->segs[i].gpa);
		assert_int_equal(e->len, chain->segs[i].len);
		assert_int_equal(e->id, req->id);
		assert_int_equal(e->flags & 7, (last ? 0 : 1) | (chain->segs[i].write ? 2 : 0));
		if (last)
			assert_int_equal(at, log->desc[req->log_entry].last);
		at = e->next;
	}
}

static void descriptors_of_a_packed_ring_are_copied(struct rig *rig)
{
	struct rig_chain chains[N];
	struct req *reqs[N];
	uint32_t ids[N];

	if (!rig->layout->packed)
		return;
	start_with_n(rig, chains, reqs, ids);
	for (uint32_t i = 0; i < N; i++)
		if (i % 3)
			check_copies(rig, &chains[i], reqs[i]);
		else
			assert_int_equal(log_packed(rig)->desc[reqs[i]->log_entry].flags & 4, 4);
	log_free(rig);
}

static void check_split_batch(struct rig *rig, struct req **reqs)
{
	const struct spec_split *log = log_split(rig);
	uint16_t used_idx = log->used_idx;

	for (uint32_t i = 0; i < 3; i++)
		ring_complete(rig->ring, reqs[2 * i], 0);
	assert_int_equal(log->last_batch_head, reqs[4]->id);
	assert_int_equal(log->desc[reqs[4]->id].next, reqs[2]->id);
	assert_int_equal(log->desc[reqs[2]->id].next, reqs[0]->id);
	assert_int_equal(log->used_idx, used_idx);
	assert_int_equal(log_count(rig), N);
	ring_publish(rig->ring);
	assert_int_equal(log->used_idx, (uint16_t)(used_idx + 3));
}

static void check_packed_batch(struct rig *rig, struct req **reqs)
{
	const struct spec_packed *log = log_packed(rig);
	uint16_t old_free = log->old_free_head, old_used = log->old_used_idx;
	uint32_t slots = reqs[0]->slots + reqs[2]->slots + reqs[4]->slots;

	for (uint32_t i = 0; i < 3; i++)
		ring_complete(rig->ring, reqs[2 * i], 0);
	assert_int_equal(log->free_head, reqs[4]->log_entry);
	assert_int_equal(log->desc[reqs[4]->log_last].next, reqs[2]->log_entry);
	assert_int_equal(log->desc[reqs[0]->log_last].next, old_free);
	assert_int_equal(log->old_free_head, old_free);
	assert_int_equal(log->used_idx, (old_used + slots) % SIZE);
	assert_int_equal(log->old_used_idx, old_used);
	assert_int_equal(log_count(rig), N);
	ring_publish(rig->ring);
	assert_int_equal(log->old_free_head, log->free_head);
	assert_int_equal(log->old_used_idx, log->used_idx);
	assert_int_equal(log->old_used_wrap_counter, log->used_wrap_counter);
}

static void a_batch_is_noted_before_the_driver_can_see_it(struct rig *rig)
{
	struct rig_chain chains[N];
	struct req *reqs[N];
	uint32_t ids[N];

	start_with_n(rig, chains, reqs, ids);
	if (rig->layout->packed)
		check_packed_batch(rig, reqs);
	else
		check_split_batch(rig, reqs);
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(log_is_marked(rig, reqs[i]), i % 2);
	log_free(rig);
}

/* The specification's hole: published, and the log does not know yet. */
static void a_batch_of_another_back_end_that_was_published_is_not_run_again(struct rig *rig)
{
	struct rig_chain chains[N];
	struct req *reqs[N];
	uint32_t ids[N];
	struct spec_split *log;

	if (rig->layout->packed)
		return;
	start_with_n(rig, chains, reqs, ids);
	for (uint32_t i = 0; i < 3; i++)
		ring_complete(rig->ring, reqs[i], 0);
	split_publish(rig->ring);
	log_crash(rig);
	log = log_split(rig);
	assert_int_equal(log->used_idx, rig->ring->used_pos);
	for (uint32_t i = 3; i < N; i++)
		assert_int_equal(take_again(rig, &chains[i])->id, ids[i]);
	assert_int_equal(rig_take_nothing(rig), 0);
	log_free(rig);
}

static void what_is_put_back_is_not_run_again(struct rig *rig)
{
	struct rig_chain chains[N];
	struct req *reqs[N];
	uint32_t ids[N];

	start_with_n(rig, chains, reqs, ids);
	for (uint32_t i = N; i-- > 3;)
		assert_int_equal(ring_put_back(rig->ring, reqs[i]), 0);
	assert_int_equal(log_count(rig), 3);
	reqs[3] = log_take(rig, false);
	rig_check(rig, reqs[3], &chains[3]);
	rig_finish(rig, reqs[1], 0);
	log_crash(rig);
	reqs[0] = take_again(rig, &chains[0]);
	reqs[2] = take_again(rig, &chains[2]);
	reqs[3] = take_again(rig, &chains[3]);
	for (uint32_t i = 4; i < N; i++) {
		reqs[i] = log_take(rig, false);
		rig_check(rig, reqs[i], &chains[i]);
	}
	log_free(rig);
}

/* All is served, and two laps more. */
static void serve_on(struct rig *rig)
{
	assert_int_equal(log_count(rig), 0);
	for (uint32_t i = 0; i < 2 * SIZE; i++) {
		struct rig_chain chain;

		rig_make_chain(rig, &chain, 1, 1);
		rig_pass(rig, &chain, i % 2 ? RIG_DIRECT : RIG_INDIRECT);
	}
	assert_int_equal(log_count(rig), 0);
}

static void requests_in_flight_are_run_again_in_order(struct rig *rig)
{
	struct rig_chain chains[N];
	struct req *reqs[N];
	struct driver_used used[N + 1];
	uint32_t ids[N], late;

	start_with_n(rig, chains, reqs, ids);
	rig_finish(rig, reqs[4], 0);
	rig_finish(rig, reqs[1], 0);
	late = rig_offer_byte(rig);
	for (int crash = 0; crash < 3; crash++) {
		log_crash(rig);
		assert_true(ring_is_available(rig->ring));
		assert_int_equal(ring_waiting_again(rig->ring), 4);
		for (uint32_t i = 0; i < N; i++)
			if (i != 1 && i != 4)
				reqs[i] = take_again(rig, &chains[i]);
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
	serve_on(rig);
	log_free(rig);
}

static void a_log_may_have_more_entries_than_the_ring(struct rig *rig)
{
	struct rig_chain chains[N];
	struct req *reqs[N];
	uint32_t ids[N];

	start(rig, &(struct rig_options){.size = SIZE}, 3 * SIZE);
	take_n(rig, chains, reqs, ids, N);
	log_crash(rig);
	for (uint32_t i = 0; i < N; i++)
		rig_finish(rig, take_again(rig, &chains[i]), 0);
	for (uint32_t i = 0; i < N; i++) {
		struct driver_used used;

		assert_int_equal(driver_collect(rig->drv, &used, 1), 1);
		assert_int_equal(used.id, ids[i]);
	}
	serve_on(rig);
	log_free(rig);
}

static void refused(struct rig *rig, const char *text)
{
	const char *why = NULL;

	assert_int_equal(rig_new_ring(rig, &why), -EINVAL);
	assert_non_null(strstr(why, text));
}

static void a_log_that_does_not_fit_the_ring_is_refused(struct rig *rig)
{
	unsigned char *log;

	rig_prepare(rig, &(struct rig_options){.size = SIZE});
	log = log_new(rig, SIZE / 2);
	refused(rig, "fewer entries");
	log_free(rig);
	log = log_new(rig, 0);
	rig->config.log = log - 4;
	refused(rig, "aligned");
	rig->config.log = log;
	/* Made for another number of entries; the field is at the same place in both. */
	assert_int_equal(rig_new_ring(rig, &(const char *){NULL}), 0);
	ring_free(rig->ring);
	rig->ring = NULL;
	log_split(rig)->desc_num = 2 * SIZE;
	refused(rig, "another version or size");
	log_free(rig);
}

static void with_in_order_what_is_held_stays_in_flight(struct rig *rig)
{
	struct rig_chain chains[N];
	struct req *reqs[N];
	struct driver_used used[N];
	uint32_t ids[N];

	start(rig, &(struct rig_options){.size = SIZE, .in_order = true}, 0);
	take_n(rig, chains, reqs, ids, N);
	rig_finish(rig, reqs[0], 0);
	rig_finish(rig, reqs[2], 0);
	rig_finish(rig, reqs[3], 0);
	assert_int_equal(log_count(rig), N - 1);
	log_crash(rig);
	for (uint32_t i = 1; i < N; i++)
		reqs[i] = take_again(rig, &chains[i]);
	for (uint32_t i = N; i-- > 1;)
		rig_finish(rig, reqs[i], 0);
	assert_int_equal(driver_collect(rig->drv, used, N), N);
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(used[i].id, ids[i]);
	serve_on(rig);
	log_free(rig);
}

static void what_is_run_again_can_be_put_back_if_it_is_the_newest(struct rig *rig)
{
	struct rig_chain chains[N];
	struct req *reqs[N];
	uint32_t ids[N];

	start_with_n(rig, chains, reqs, ids);
	rig_offer_byte(rig);
	log_crash(rig);
	reqs[0] = take_again(rig, &chains[0]);
	reqs[1] = take_again(rig, &chains[1]);
	assert_int_equal(ring_put_back(rig->ring, reqs[0]), -EINVAL);
	assert_int_equal(ring_put_back(rig->ring, reqs[1]), 0);
	assert_int_equal(ring_put_back(rig->ring, reqs[0]), 0);
	assert_int_equal(rig->ring->outstanding, 0);
	assert_int_equal(log_count(rig), N);
	for (uint32_t i = 0; i < N; i++)
		reqs[i] = take_again(rig, &chains[i]);
	/* Completed: those before it are not the newest for that. */
	rig_finish(rig, reqs[N - 1], 0);
	assert_int_equal(ring_put_back(rig->ring, reqs[N - 2]), -EINVAL);
	log_take(rig, false);
	assert_int_equal(ring_put_back(rig->ring, reqs[N - 2]), -EINVAL);
	/* Once more, after a crash that finds one put back. */
	log_crash(rig);
	reqs[0] = take_again(rig, &chains[0]);
	assert_int_equal(ring_put_back(rig->ring, reqs[0]), 0);
	log_crash(rig);
	for (uint32_t i = 0; i < N - 1; i++)
		rig_finish(rig, take_again(rig, &chains[i]), 0);
	rig_finish(rig, log_take(rig, true), 0);
	for (uint32_t i = 0; i < N + 1; i++)
		assert_int_equal(driver_collect(rig->drv, &(struct driver_used){0}, 1), 1);
	serve_on(rig);
	log_free(rig);
}

enum { LONG = 600, MANY = 40 };

/* The new ring has room for fewer long chains at a time than the one that died. */
static void long_chains_that_are_run_again_wait_for_room(struct rig *rig)
{
	struct rig_chain chains[MANY];
	struct req *reqs[MANY];
	uint32_t n;

	start(rig, &(struct rig_options){.size = 64, .max_segs = 1024}, 0);
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
			reqs[n] = take_again(rig, &chains[n]);
			n++;
		}
	}
	rig_finish(rig, log_take(rig, false), 0);
	assert_int_equal(log_count(rig), 0);
	assert_int_equal(rig->ring->outstanding, 0);
	log_free(rig);
}

static void what_is_suspended_is_run_again(struct rig *rig)
{
	struct rig_chain chains[N];
	struct req *reqs[N];
	uint32_t ids[N], base;

	start_with_n(rig, chains, reqs, ids);
	assert_int_equal(ring_suspend(rig->ring, reqs[0]), -ENOTSUP);
	rig->config.suspend = true;
	log_crash(rig);
	for (uint32_t i = 0; i < N; i++)
		reqs[i] = take_again(rig, &chains[i]);
	rig_finish(rig, reqs[2], 0);
	base = ring_base(rig->ring);
	for (uint32_t i = 0; i < N; i++)
		if (i != 2)
			assert_int_equal(ring_suspend(rig->ring, reqs[i]), 0);
	assert_int_equal(rig->ring->outstanding, 0);
	assert_int_equal(log_count(rig), N - 1);
	rig_expect_used(rig, ids[2], 0);
	rig->config.base = ring_base(rig->ring);
	assert_int_equal(rig->config.base, base);
	log_crash(rig);
	for (uint32_t i = 0; i < N; i++)
		if (i != 2)
			rig_finish(rig, take_again(rig, &chains[i]), 0);
	assert_int_equal(rig->ring->outstanding, 0);
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
	take_n(rig, chains, reqs, ids, N);
	rig_finish(rig, reqs[4], 0);
	rig_finish(rig, reqs[1], 0);
	assert_int_equal(ring_suspend(rig->ring, reqs[2]), 0);
	rig_finish(rig, reqs[5], 0);
	assert_int_equal(ring_suspend(rig->ring, reqs[3]), 0);
	assert_int_equal(rig->ring->outstanding, 2);
	rig_finish(rig, reqs[0], 0);
	assert_int_equal(rig->ring->outstanding, 0);
	assert_int_equal(driver_collect(rig->drv, used, N), 2);
	assert_int_equal(used[0].id, ids[0]);
	assert_int_equal(used[1].id, ids[1]);
	log_crash(rig);
	for (uint32_t i = 2; i < N; i++)
		rig_finish(rig, take_again(rig, &chains[i]), 0);
	log_free(rig);
}

static void the_driver_is_told_of_what_was_published_before_a_crash(struct rig *rig)
{
	struct rig_chain chains[N];
	struct req *reqs[N];
	uint32_t ids[N];

	start_with_n(rig, chains, reqs, ids);
	ring_signal_again(rig->ring);
	assert_false(ring_is_unsignalled(rig->ring));
	rig_finish(rig, reqs[0], 0);
	log_crash(rig);
	assert_false(ring_is_unsignalled(rig->ring));
	ring_signal_again(rig->ring);
	assert_true(ring_wants_signal(rig->ring));
	assert_false(ring_wants_signal(rig->ring));
	log_free(rig);
}

static void a_used_index_that_the_log_does_not_know_breaks_the_ring(struct rig *rig)
{
	struct rig_chain chains[N];
	struct req *reqs[N];
	uint32_t ids[N];
	struct vu_req *req;

	if (rig->layout->packed)
		return;
	start_with_n(rig, chains, reqs, ids);
	ring_free(rig->ring);
	rig->ring = NULL;
	rig->drv->split.used->idx = (uint16_t)(rig->drv->split.used->idx + SIZE + 1);
	assert_int_equal(rig_new_ring(rig, &(const char *){NULL}), 0);
	assert_int_equal(ring_look(rig->ring), -EIO);
	assert_int_equal(ring_take(rig->ring, &req, 1), -EIO);
	assert_non_null(strstr(rig->ring->why, "in-flight log"));
	log_free(rig);
}

static const struct rig_test tests[] = {
	RIG_TEST(the_region_is_as_large_as_other_back_ends_have_it),
	RIG_TEST(an_empty_region_is_initialised),
	RIG_TEST(what_is_taken_is_marked_in_order_until_it_is_used),
	RIG_TEST(descriptors_of_a_packed_ring_are_copied),
	RIG_TEST(a_batch_is_noted_before_the_driver_can_see_it),
	RIG_TEST(a_batch_of_another_back_end_that_was_published_is_not_run_again),
	RIG_TEST(what_is_put_back_is_not_run_again),
	RIG_TEST(requests_in_flight_are_run_again_in_order),
	RIG_TEST(a_log_may_have_more_entries_than_the_ring),
	RIG_TEST(a_log_that_does_not_fit_the_ring_is_refused),
	RIG_TEST(with_in_order_what_is_held_stays_in_flight),
	RIG_TEST(what_is_run_again_can_be_put_back_if_it_is_the_newest),
	RIG_TEST(long_chains_that_are_run_again_wait_for_room),
	RIG_TEST(what_is_suspended_is_run_again),
	RIG_TEST(in_order_nothing_behind_a_suspended_one_is_used),
	RIG_TEST(the_driver_is_told_of_what_was_published_before_a_crash),
	RIG_TEST(a_used_index_that_the_log_does_not_know_breaks_the_ring),
};

int main(void)
{
	return rig_main(tests, sizeof(tests) / sizeof(tests[0]));
}
