/* SPDX-License-Identifier: MIT */
/* The dirty log: bits and bounds, and when a ring marks in it.  What it marks: test_dirty_model.c.
 */
#include <string.h>
#include <unistd.h>

#include "dirty_rig.h"
#include "inflight_rig.h"

enum { PAGES = 64 * 8 };

static bool mark(struct dirty_log *log, uint64_t addr, uint64_t len)
{
	return dirty_mark(log->region, addr, len);
}

static void a_page_is_marked_with_its_first_byte_and_with_its_last(struct rig *rig)
{
	struct dirty_log log;

	rig_prepare(rig, &(struct rig_options){0});
	dirty_log_new(rig, &log, PAGES / 8, 0);
	for (uint64_t page = 0; page < PAGES; page++) {
		assert_true(mark(&log, page * DIRTY_PAGE, 1));
		dirty_log_expect(&log, &(uint64_t){page * DIRTY_PAGE}, 1);
		assert_true(mark(&log, page * DIRTY_PAGE + DIRTY_PAGE - 1, 1));
		dirty_log_expect(&log, &(uint64_t){page * DIRTY_PAGE}, 1);
	}
	assert_true(mark(&log, 5 * DIRTY_PAGE, 0));
	assert_int_equal(dirty_log_count(&log), 0);
	dirty_log_free(&log);
}

static void every_range_of_pages_is_marked_and_no_page_more(struct rig *rig)
{
	struct dirty_log log;

	rig_prepare(rig, &(struct rig_options){0});
	dirty_log_new(rig, &log, PAGES / 8, 8);
	for (uint64_t first = 0; first < 20; first++) {
		for (uint64_t n = 2; n < PAGES - 20; n += n < 40 ? 1 : 7) {
			uint64_t from = first * DIRTY_PAGE + DIRTY_PAGE - 1;

			assert_true(mark(&log, from, (n - 2) * DIRTY_PAGE + 2));
			for (uint64_t page = 0; page < PAGES; page++)
				assert_int_equal(dirty_log_has(&log, page * DIRTY_PAGE),
						 page >= first && page < first + n);
			dirty_log_clear(&log);
		}
	}
	dirty_log_free(&log);
}

static void what_is_past_its_end_is_told_and_what_is_in_it_marked(struct rig *rig)
{
	const uint64_t end = PAGES * (uint64_t)DIRTY_PAGE;
	struct dirty_log log;

	rig_prepare(rig, &(struct rig_options){0});
	/* The rig's mappings have guards: a byte too far is a fault. */
	dirty_log_new(rig, &log, PAGES / 8, 4096 - PAGES / 8);
	assert_false(mark(&log, end, 1));
	assert_false(mark(&log, UINT64_MAX, 1));
	assert_false(mark(&log, end + (UINT64_C(1) << 40), UINT64_C(1) << 40));
	assert_int_equal(dirty_log_count(&log), 0);
	assert_true(mark(&log, end - 1, 1));
	assert_false(mark(&log, end - 1, 2));
	dirty_log_expect(&log, &(uint64_t){end - 1}, 1);
	assert_false(mark(&log, end - 1, UINT64_MAX));
	assert_false(mark(&log, end - 1, UINT64_MAX - 5));
	dirty_log_expect(&log, &(uint64_t){end - 1}, 1);
	assert_false(mark(&log, 0, UINT64_MAX));
	assert_int_equal(dirty_log_count(&log), PAGES);
	dirty_log_free(&log);
}

static void start(struct rig *rig, struct dirty_log *log)
{
	rig_start(rig, &(struct rig_options){.ring_bytes = 1 << 20});
	dirty_log_new(rig, log, DIRTY_BYTES, 0);
	(void)driver_set_interrupts(rig->drv, true);
}

/* A request with one writable buffer there, that was taken. */
static struct req *take_at(struct rig *rig, uint64_t gpa, uint32_t len)
{
	const struct driver_seg seg = {gpa, len, true};

	assert_true(driver_add(rig->drv, &seg, 1, NULL) >= 0);
	driver_publish(rig->drv);
	return rig_take(rig);
}

static void without_a_log_nothing_is_marked_and_the_short_way_is_taken(struct rig *rig)
{
	struct dirty_log log;

	start(rig, &log);
	rig_finish(rig, take_at(rig, RIG_DATA_GPA, 1), 1);
	assert_true(ring_wants_signal(rig->ring));
	assert_int_not_equal(rig->ring->way, RING_SLOW);
	dirty_on(rig, &log);
	assert_int_equal(rig->ring->way, RING_SLOW);
	dirty_off(rig);
	assert_int_not_equal(rig->ring->way, RING_SLOW);
	dirty_log_clear(&log);
	rig->ring->marks.has_news = false;
	rig_finish(rig, take_at(rig, RIG_DATA_GPA, 5000), 5000);
	ring_disarm(rig->ring);
	(void)ring_arm(rig->ring);
	assert_int_equal(dirty_log_count(&log), 0);
	assert_false(rig->ring->marks.has_news);
	dirty_log_free(&log);
}

/* The pages of its ring that it writes to. */
static uint32_t pages_of_ring(const struct rig *rig, uint64_t *pages)
{
	const struct driver_ring *d = rig->drv;
	uint64_t end = d->used_gpa + (rig->layout->packed ? 4 : 6 + 8 * 256);
	uint32_t n = 0;

	if (rig->layout->packed) {
		pages[n++] = d->desc_gpa;
		if (d->desc_gpa / DIRTY_PAGE != d->used_gpa / DIRTY_PAGE)
			pages[n++] = d->used_gpa;
		return n;
	}
	for (uint64_t at = d->used_gpa; at < end; at = (at / DIRTY_PAGE + 1) * DIRTY_PAGE)
		pages[n++] = at;
	return n;
}

static void a_ring_that_begins_to_mark_marks_its_own_area(struct rig *rig)
{
	struct dirty_log log, other;
	uint64_t pages[8];
	uint32_t n;

	start(rig, &log);
	dirty_log_new(rig, &other, DIRTY_BYTES, 0);
	n = pages_of_ring(rig, pages);
	dirty_on(rig, &log);
	dirty_log_expect(&log, pages, n);
	/* Once more the same is nothing new. */
	dirty_on(rig, &log);
	assert_int_equal(dirty_log_count(&log), 0);
	dirty_on(rig, &other);
	dirty_log_expect(&other, pages, n);
	assert_int_equal(dirty_log_count(&log), 0);
	dirty_log_free(&log);
	rig_finish(rig, take_at(rig, RIG_DATA_GPA, 1), 1);
	assert_true(dirty_log_has(&other, RIG_DATA_GPA));
	dirty_log_free(&other);
}

static void a_request_is_marked_when_it_ends_whenever_it_was_taken(struct rig *rig)
{
	struct dirty_log log;
	struct req *before, *within;

	start(rig, &log);
	before = take_at(rig, RIG_DATA_GPA, 4096);
	dirty_on(rig, &log);
	within = take_at(rig, RIG_DATA_GPA + 4096, 4096);
	dirty_log_clear(&log);
	rig_finish(rig, before, 1);
	assert_true(dirty_log_has(&log, RIG_DATA_GPA));
	assert_false(dirty_log_has(&log, RIG_DATA_GPA + 4096));
	dirty_off(rig);
	dirty_log_clear(&log);
	rig_finish(rig, within, 1);
	assert_int_equal(dirty_log_count(&log), 0);
	dirty_log_free(&log);
}

/* data 2 bytes before a page's end, so that 3 are two pages */
static void what_is_written_counts_and_not_what_could_be(struct rig *rig)
{
	const uint64_t at = RIG_DATA_GPA + 2 * DIRTY_PAGE - 2;
	struct dirty_log log;

	start(rig, &log);
	for (uint64_t written = 0; written < 4; written++) {
		struct req *req = take_at(rig, at, 9000);

		dirty_on(rig, &log);
		dirty_log_clear(&log);
		rig_finish(rig, req, written);
		assert_int_equal(dirty_log_has(&log, at), written > 0);
		assert_int_equal(dirty_log_has(&log, at + 2), written > 2);
		assert_false(dirty_log_has(&log, at + 2 + DIRTY_PAGE));
	}
	dirty_log_free(&log);
}

static void without_f_log_only_data_is_marked(struct rig *rig)
{
	struct dirty_log log;

	start(rig, &log);
	marks_set(rig->ring, &(struct marks_config){.log = log.region, .is_on = true});
	(void)ring_arm(rig->ring);
	rig_finish(rig, take_at(rig, RIG_DATA_GPA, 10), 10);
	dirty_log_expect(&log, &(uint64_t){RIG_DATA_GPA}, 1);
	dirty_log_free(&log);
}

static void a_device_area_is_marked_where_the_front_end_says(struct rig *rig)
{
	const uint64_t elsewhere = RIG_DATA_GPA + 8 * DIRTY_PAGE;
	struct dirty_log log;

	start(rig, &log);
	marks_set(rig->ring, &(struct marks_config){.log = log.region,
						    .is_on = true,
						    .is_used_on = true,
						    .used_at = elsewhere});
	dirty_log_clear(&log);
	(void)ring_arm(rig->ring);
	dirty_log_expect(&log, &elsewhere, 1);
	/* An address of the driver's own is where the area is. */
	marks_set(rig->ring, &(struct marks_config){.log = log.region,
						    .is_on = true,
						    .is_used_on = true,
						    .used_at = elsewhere,
						    .is_in_place = true});
	dirty_log_clear(&log);
	ring_disarm(rig->ring);
	assert_true(dirty_log_has(&log, rig->drv->used_gpa));
	assert_false(dirty_log_has(&log, elsewhere));
	dirty_log_free(&log);
}

static uint32_t n_told;

static void tell(void *queue, uint64_t addr, uint64_t len)
{
	(void)queue;
	(void)addr;
	(void)len;
	n_told++;
}

static void pages_past_the_logs_end_are_told_once_for_each_log(struct rig *rig)
{
	struct dirty_log log, other;

	rig_prepare(rig, &(struct rig_options){.ring_bytes = 1 << 20});
	rig->config.unmarked = tell;
	n_told = 0;
	assert_int_equal(rig_new_ring(rig, &(const char *){NULL}), 0);
	/* Enough for the ring's region. */
	dirty_log_new(rig, &log, 1 << 8, 0);
	dirty_log_new(rig, &other, 1 << 8, 0);
	for (int i = 0; i < 2; i++) {
		dirty_on(rig, i ? &other : &log);
		for (int j = 0; j < 5; j++)
			rig_finish(rig, take_at(rig, RIG_DATA_GPA, 100), 100);
		assert_int_equal(n_told, i + 1);
	}
	/* A log address of the front-end's that wraps around is none. */
	marks_set(rig->ring, &(struct marks_config){.log = log.region,
						    .is_on = true,
						    .is_used_on = true,
						    .used_at = UINT64_MAX - 1});
	rig_finish(rig, take_at(rig, RIG_DATA_GPA, 100), 100);
	dirty_log_free(&log);
	dirty_log_free(&other);
}

static void what_was_written_before_there_was_a_log_is_marked_when_it_comes(struct rig *rig)
{
	struct dirty_log log;
	struct req *req;

	start(rig, &log);
	req = take_at(rig, RIG_DATA_GPA + 3 * DIRTY_PAGE, 10);
	dirty_on(rig, NULL);
	/* Nothing but the ring was written to: that is all there is to mark. */
	(void)ring_arm(rig->ring);
	dirty_on(rig, &log);
	assert_true(dirty_log_has(&log, rig->drv->used_gpa));
	assert_false(dirty_log_has(&log, RIG_DATA_GPA + 3 * DIRTY_PAGE));
	dirty_on(rig, NULL);
	rig_finish(rig, req, 10);
	dirty_log_clear(&log);
	dirty_on(rig, &log);
	for (uint32_t i = 0; i < rig->guest->n_regions; i++) {
		const struct guest_region *r = &rig->guest->regions[i];

		for (uint64_t at = 0; at < r->size; at += DIRTY_PAGE)
			assert_true(dirty_log_has(&log, r->gpa + at));
	}
	/* Nobody wants it any more. */
	dirty_on(rig, NULL);
	rig_finish(rig, take_at(rig, RIG_DATA_GPA, 10), 10);
	dirty_off(rig);
	dirty_log_clear(&log);
	dirty_on(rig, &log);
	assert_false(dirty_log_has(&log, RIG_DATA_GPA));
	dirty_log_free(&log);
}

static void a_request_that_is_put_back_is_marked_whole(struct rig *rig)
{
	struct dirty_log log;
	struct req *req;

	start(rig, &log);
	dirty_on(rig, &log);
	req = take_at(rig, RIG_DATA_GPA, 3 * DIRTY_PAGE);
	dirty_log_clear(&log);
	assert_int_equal(ring_put_back(rig->ring, req), 0);
	dirty_log_expect(&log,
			 (const uint64_t[]){RIG_DATA_GPA, RIG_DATA_GPA + DIRTY_PAGE,
					    RIG_DATA_GPA + 2 * DIRTY_PAGE},
			 3);
	dirty_log_free(&log);
}

static void a_request_that_is_left_in_the_in_flight_log_is_marked_whole(struct rig *rig)
{
	struct dirty_log log;
	struct req *req;

	log_start(rig, &(struct rig_options){.size = 16}, 0);
	dirty_log_new(rig, &log, DIRTY_BYTES, 0);
	rig->ring->config.suspend = true;
	dirty_on(rig, &log);
	req = take_at(rig, RIG_DATA_GPA, DIRTY_PAGE);
	dirty_log_clear(&log);
	assert_int_equal(ring_suspend(rig->ring, req), 0);
	dirty_log_expect(&log, &(uint64_t){RIG_DATA_GPA}, 1);
	log_free(rig);
	dirty_log_free(&log);
}

static void a_broken_ring_marks_what_its_requests_wrote(struct rig *rig)
{
	struct dirty_log log;
	struct req *req;

	start(rig, &log);
	dirty_on(rig, &log);
	req = take_at(rig, RIG_DATA_GPA, 10);
	assert_true(driver_add(rig->drv, &(struct driver_seg){RIG_END_GPA, 10, true}, 1, NULL) >=
		    0);
	driver_publish(rig->drv);
	assert_int_equal(rig_take_nothing(rig), -EIO);
	dirty_log_clear(&log);
	assert_int_equal(ring_complete(rig->ring, req, 10), 0);
	ring_publish(rig->ring);
	dirty_log_expect(&log, &(uint64_t){RIG_DATA_GPA}, 1);
	dirty_log_free(&log);
}

static void a_ring_whose_session_is_gone_marks_nothing(struct rig *rig)
{
	struct dirty_log log;
	struct req *req;

	start(rig, &log);
	dirty_on(rig, &log);
	req = take_at(rig, RIG_DATA_GPA, 10);
	dirty_log_clear(&log);
	ring_kill(rig->ring);
	assert_int_equal(ring_complete(rig->ring, req, 10), 0);
	ring_publish(rig->ring);
	ring_disarm(rig->ring);
	assert_int_equal(dirty_log_count(&log), 0);
	dirty_log_free(&log);
}

static void a_request_of_memory_that_is_gone_is_marked_as_it_was(struct rig *rig)
{
	struct dirty_log log;
	struct req *req;

	start(rig, &log);
	dirty_on(rig, &log);
	req = take_at(rig, RIG_DATA_GPA + DIRTY_PAGE, 10);
	assert_int_equal(rig_switch_table(rig, 1u << RIG_DATA), 0);
	dirty_log_clear(&log);
	rig_finish(rig, req, 10);
	assert_true(dirty_log_has(&log, RIG_DATA_GPA + DIRTY_PAGE));
	dirty_log_free(&log);
}

static void of_a_request_that_is_too_long_what_was_written_is_marked(struct rig *rig)
{
	struct dirty_log log;
	struct driver_seg segs[8];
	struct req *req;

	rig_start(rig, &(struct rig_options){.max_segs = 4, .size = 16});
	dirty_log_new(rig, &log, DIRTY_BYTES, 0);
	dirty_on(rig, &log);
	for (uint32_t i = 0; i < 8; i++)
		segs[i] = (struct driver_seg){RIG_DATA_GPA + i * DIRTY_PAGE, 10, true};
	assert_true(driver_add(rig->drv, segs, 8, NULL) >= 0);
	driver_publish(rig->drv);
	req = rig_take(rig);
	assert_true(req->pub.flags & VU_REQ_TOO_LONG);
	dirty_log_clear(&log);
	assert_int_equal(ring_complete(rig->ring, req, req->pub.writable_len), 0);
	ring_publish(rig->ring);
	assert_true(dirty_log_has(&log, segs[0].gpa));
	assert_true(dirty_log_has(&log, segs[7].gpa));
	dirty_log_free(&log);
}

static const struct rig_test tests[] = {
	RIG_TEST(a_page_is_marked_with_its_first_byte_and_with_its_last),
	RIG_TEST(every_range_of_pages_is_marked_and_no_page_more),
	RIG_TEST(what_is_past_its_end_is_told_and_what_is_in_it_marked),
	RIG_TEST(without_a_log_nothing_is_marked_and_the_short_way_is_taken),
	RIG_TEST(a_ring_that_begins_to_mark_marks_its_own_area),
	RIG_TEST(a_request_is_marked_when_it_ends_whenever_it_was_taken),
	RIG_TEST(what_is_written_counts_and_not_what_could_be),
	RIG_TEST(without_f_log_only_data_is_marked),
	RIG_TEST(a_device_area_is_marked_where_the_front_end_says),
	RIG_TEST(pages_past_the_logs_end_are_told_once_for_each_log),
	RIG_TEST(what_was_written_before_there_was_a_log_is_marked_when_it_comes),
	RIG_TEST(a_request_that_is_put_back_is_marked_whole),
	RIG_TEST(a_request_that_is_left_in_the_in_flight_log_is_marked_whole),
	RIG_TEST(a_broken_ring_marks_what_its_requests_wrote),
	RIG_TEST(a_ring_whose_session_is_gone_marks_nothing),
	RIG_TEST(a_request_of_memory_that_is_gone_is_marked_as_it_was),
	RIG_TEST(of_a_request_that_is_too_long_what_was_written_is_marked),
};

int main(void)
{
	return rig_main(tests, sizeof(tests) / sizeof(tests[0]));
}
