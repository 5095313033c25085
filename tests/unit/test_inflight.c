/* SPDX-License-Identifier: MIT */
/* The in-flight log as it is kept, and what a new ring makes of it; on any layout. */
#include "inflight_rig.h"

#include <string.h>

enum { N = LOG_N, SIZE = LOG_SIZE };

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

	log_start(rig, &(struct rig_options){.size = SIZE, .base = base}, 0);
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

	log_start_with_n(rig, chains, reqs, ids);
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
	log_start_with_n(rig, chains, reqs, ids);
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

	log_start_with_n(rig, chains, reqs, ids);
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
	log_start_with_n(rig, chains, reqs, ids);
	for (uint32_t i = 0; i < 3; i++)
		ring_complete(rig->ring, reqs[i], 0);
	split_publish(rig->ring);
	log_crash(rig);
	log = log_split(rig);
	assert_int_equal(log->used_idx, rig->ring->used_pos);
	for (uint32_t i = 3; i < N; i++)
		assert_int_equal(log_take_again(rig, &chains[i])->id, ids[i]);
	assert_int_equal(rig_take_nothing(rig), 0);
	log_free(rig);
}

static void what_is_put_back_is_not_run_again(struct rig *rig)
{
	struct rig_chain chains[N];
	struct req *reqs[N];
	uint32_t ids[N];

	log_start_with_n(rig, chains, reqs, ids);
	for (uint32_t i = N; i-- > 3;)
		assert_int_equal(ring_put_back(rig->ring, reqs[i]), 0);
	assert_int_equal(log_count(rig), 3);
	reqs[3] = log_take(rig, false);
	rig_check(rig, reqs[3], &chains[3]);
	rig_finish(rig, reqs[1], 0);
	log_crash(rig);
	reqs[0] = log_take_again(rig, &chains[0]);
	reqs[2] = log_take_again(rig, &chains[2]);
	reqs[3] = log_take_again(rig, &chains[3]);
	for (uint32_t i = 4; i < N; i++) {
		reqs[i] = log_take(rig, false);
		rig_check(rig, reqs[i], &chains[i]);
	}
	log_free(rig);
}

static void a_log_may_have_more_entries_than_the_ring(struct rig *rig)
{
	struct rig_chain chains[N];
	struct req *reqs[N];
	uint32_t ids[N];

	log_start(rig, &(struct rig_options){.size = SIZE}, 3 * SIZE);
	log_take_n(rig, chains, reqs, ids, N);
	log_crash(rig);
	for (uint32_t i = 0; i < N; i++)
		rig_finish(rig, log_take_again(rig, &chains[i]), 0);
	for (uint32_t i = 0; i < N; i++) {
		struct driver_used used;

		assert_int_equal(driver_collect(rig->drv, &used, 1), 1);
		assert_int_equal(used.id, ids[i]);
	}
	log_serve_on(rig);
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

static void a_log_that_leads_just_beyond_the_ring_is_refused(struct rig *rig)
{
	rig_prepare(rig, &(struct rig_options){.size = SIZE});
	log_new(rig, 2 * SIZE);
	assert_int_equal(rig_new_ring(rig, &(const char *){NULL}), 0);
	ring_free(rig->ring);
	rig->ring = NULL;
	/* The log has such an entry, the ring has not. */
	if (rig->layout->packed)
		log_packed(rig)->used_idx = log_packed(rig)->old_used_idx = SIZE;
	else
		log_split(rig)->desc[SIZE].inflight = 1;
	refused(rig, "beyond the ring");
	log_free(rig);
}

static void a_size_above_that_of_the_log_breaks_the_ring(struct rig *rig)
{
	rig_prepare(rig, &(struct rig_options){.size = SIZE});
	log_new(rig, SIZE / 2);
	rig_expect_flaw(rig, "its in-flight log has");
	log_free(rig);
}

/* Only a reset mends it, and then nothing is in flight. */
static void a_ring_that_is_broken_when_it_starts_leaves_an_empty_log(struct rig *rig)
{
	struct rig_chain chains[N];
	struct req *reqs[N];
	uint32_t ids[N];
	uint64_t desc;

	log_start_with_n(rig, chains, reqs, ids);
	ring_free(rig->ring);
	rig->ring = NULL;
	desc = rig->config.desc;
	rig->config.desc = RIG_DATA_GPA - 16;
	rig_expect_flaw(rig, "outside guest memory");
	rig->config.desc = desc;
	assert_int_equal(rig_new_ring(rig, &(const char *){NULL}), 0);
	assert_int_equal(ring_waiting_again(rig->ring), 0);
}

static void a_used_index_that_the_log_does_not_know_breaks_the_ring(struct rig *rig)
{
	struct rig_chain chains[N];
	struct req *reqs[N];
	uint32_t ids[N];
	struct vu_req *req;

	if (rig->layout->packed)
		return;
	log_start_with_n(rig, chains, reqs, ids);
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
	RIG_TEST(a_log_may_have_more_entries_than_the_ring),
	RIG_TEST(a_log_that_does_not_fit_the_ring_is_refused),
	RIG_TEST(a_log_that_leads_just_beyond_the_ring_is_refused),
	RIG_TEST(a_size_above_that_of_the_log_breaks_the_ring),
	RIG_TEST(a_ring_that_is_broken_when_it_starts_leaves_an_empty_log),
	RIG_TEST(a_used_index_that_the_log_does_not_know_breaks_the_ring),
};

int main(void)
{
	return rig_main(tests, sizeof(tests) / sizeof(tests[0]));
}
