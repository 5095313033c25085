/* SPDX-License-Identifier: MIT */
/*
 * Rules: behind an IOMMU a ring's areas are in one piece only for the driver.  Here no two pages of
 * them are neighbours in guest memory, as in a guest that has been running for long.
 */
#include <string.h>
#include <sys/mman.h>

#include "frontend/peer_log.h"
#include "kit/variant.h"
#include "rules/iommu_rig.h"

enum { SIZE = 1024, PAGES = 64 };

static const struct rig_config apart = {
	.device = {.features = RIG_BIT(VU_F_ACCESS_PLATFORM)},
	.peer = {.features = ~RIG_BIT(VU_F_LOG_ALL), .queue_size = SIZE},
};

/* The rings of all queues, and where their pages are. */
struct scattered {
	uint64_t first; /* guest address, as the driver sees them */
	uint32_t n;
	uint64_t places[PAGES];
};

/* A page of the driver's is at another place from now on, with what is in it. */
static void move_page(struct rig *rig, struct iommu *iommu, struct scattered *s, uint32_t i,
		      uint64_t place)
{
	const struct guest_region *region = &rig->peer->guest->regions[0];
	void *page = guest_ptr(rig->peer->guest, s->first + i * IOMMU_PAGE, IOMMU_PAGE);

	memcpy(guest_ptr(rig->peer->guest, place, IOMMU_PAGE), page, IOMMU_PAGE);
	assert_ptr_equal(mmap(page, IOMMU_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			      region->fd, (off_t)(region->mmap_offset + place - region->gpa)),
			 page);
	s->places[i] = place;
	assert_ok(iommu_map(iommu, s->first + i * IOMMU_PAGE + IOMMU_RIG_OFFSET, place,
			    IOMMU_READ | IOMMU_WRITE));
}

/* Each page goes somewhere else, in the other order, with a page between each two. */
static void scatter(struct rig *rig, struct iommu *iommu, struct scattered *s)
{
	struct driver_ring *const *q = rig->peer->queues;
	uint64_t end = q[1]->used_gpa + (on_packed_rings() ? 4 : 6 + 8 * SIZE), room;

	s->first = q[0]->desc_gpa / IOMMU_PAGE * IOMMU_PAGE;
	s->n = (uint32_t)((end - s->first + IOMMU_PAGE - 1) / IOMMU_PAGE);
	assert_in_range(s->n, 8, PAGES);
	room = guest_alloc(rig->peer->guest, 2ull * s->n * IOMMU_PAGE, IOMMU_PAGE);
	for (uint32_t i = 0; i < s->n; i++)
		move_page(rig, iommu, s, i, room + 2ull * (s->n - 1 - i) * IOMMU_PAGE);
}

static struct iommu *open_scattered(struct rig *rig, struct scattered *s)
{
	struct iommu *iommu;

	needs_second_mappings();
	rig_make(rig, &apart);
	assert_ok(iommu_new(rig->peer, IOMMU_RIG_OFFSET, &iommu));
	rig_connect(rig);
	assert_ok(peer_negotiate(rig->peer));
	assert_ok(peer_set_driver(rig->peer));
	scatter(rig, iommu, s);
	assert_ok(peer_start_rings(rig->peer));
	return iommu;
}

/* The page of the driver's that the middle of the area of descriptors is in. */
static uint32_t middle(const struct rig *rig, const struct scattered *s)
{
	return (uint32_t)((rig->peer->queues[0]->desc_gpa + SIZE * 8 - s->first) / IOMMU_PAGE);
}

static void a_ring_whose_pages_are_apart_serves_all_of_its_entries(void **state)
{
	struct scattered s;
	struct rig rig;
	struct iommu *iommu = open_scattered(&rig, &s);

	(void)state;
	for (int i = 0; i < 30; i++) {
		pass(&rig, iommu, 0, 200);
		pass(&rig, iommu, 1, 77);
	}
	assert_int_equal(iommu->refused, 0);
	assert_ok(peer_stop(rig.peer));
	done(&rig, iommu);
}

static void what_is_asked_for_again_is_where_it_was(void **state)
{
	struct scattered s;
	struct rig rig;
	struct iommu *iommu = open_scattered(&rig, &s);
	int mappings;

	(void)state;
	pass(&rig, iommu, 0, 3);
	pass(&rig, iommu, 1, 3);
	mappings = count_guest_mappings();
	for (uint32_t i = 0; i < 20; i++) {
		assert_ok(iommu_invalidate(iommu, 0, UINT64_MAX));
		pass(&rig, iommu, i % 2, 3);
	}
	assert_int_equal(count_guest_mappings(), mappings);
	done(&rig, iommu);
}

static void pages_may_move_while_they_are_not_translated(void **state)
{
	struct scattered s;
	struct rig rig;
	struct iommu *iommu = open_scattered(&rig, &s);
	uint64_t spare = guest_alloc(rig.peer->guest, IOMMU_PAGE, IOMMU_PAGE);

	(void)state;
	pass(&rig, iommu, 0, 3);
	for (uint32_t i = 0; i < 3 * s.n; i++) {
		uint32_t page = i * 5 % s.n;
		uint64_t before = s.places[page];

		assert_ok(iommu_invalidate(iommu, s.first + page * IOMMU_PAGE + IOMMU_RIG_OFFSET,
					   IOMMU_PAGE));
		move_page(&rig, iommu, &s, page, spare);
		spare = before;
		pass(&rig, iommu, i % 2, 5);
	}
	done(&rig, iommu);
}

/* Each answer is taken back before the next question is answered, for a while. */
static void an_invalidation_between_the_answers_is_asked_for_again(void **state)
{
	struct scattered s;
	struct rig rig;
	struct iommu *iommu = open_scattered(&rig, &s);

	(void)state;
	rig_submit(&rig, 0, 1);
	for (int i = 0; i < 40; i++) {
		rig_pump(&rig);
		assert_true(iommu_serve(iommu) >= 0);
		rig_pump(&rig);
		assert_ok(iommu_invalidate(
			iommu, s.first + IOMMU_RIG_OFFSET + (uint64_t)(i % 4) * IOMMU_PAGE,
			IOMMU_PAGE));
	}
	serve(&rig, iommu);
	assert_int_equal(rig_collect(&rig, 0), 1);
	pass(&rig, iommu, 1, 2);
	done(&rig, iommu);
}

static void requests_in_flight_are_completed_in_areas_that_are_apart_and_invalid(void **state)
{
	struct scattered s;
	struct rig rig;
	struct iommu *iommu = open_scattered(&rig, &s);

	(void)state;
	for (int i = 0; i < 6; i++)
		pass(&rig, iommu, 0, 200);
	rig_hold(&rig, 0, 40);
	assert_ok(iommu_invalidate(iommu, 0, UINT64_MAX));
	rig_complete_all_held(&rig, 0);
	rig_pump(&rig);
	assert_int_equal(rig_collect(&rig, 0), 40);
	rig.mode = RIG_SERVE;
	pass(&rig, iommu, 0, 3);
	done(&rig, iommu);
}

/* Everything is known anew; then queue 0 is broken with that line, and queue 1 is not. */
static void expect_broken(struct rig *rig, struct iommu *iommu, const char *line)
{
	assert_ok(iommu_invalidate(iommu, rig->peer->queues[0]->desc_gpa + IOMMU_RIG_OFFSET,
				   UINT64_C(16) * SIZE));
	serve(rig, iommu);
	rig_expect_errors(rig, line, 1);
	pass(rig, iommu, 1, 2);
	assert_ok(peer_stop(rig->peer));
	done(rig, iommu);
}

static void a_page_amid_them_that_may_not_be_read_breaks_the_queue(void **state)
{
	struct scattered s;
	struct rig rig;
	struct iommu *iommu = open_scattered(&rig, &s);
	uint32_t page = middle(&rig, &s);

	(void)state;
	pass(&rig, iommu, 0, 3);
	assert_ok(iommu_map(iommu, s.first + page * IOMMU_PAGE + IOMMU_RIG_OFFSET, s.places[page],
			    IOMMU_WRITE));
	expect_broken(&rig, iommu, "its areas are at 0x");
}

static void pieces_that_are_no_whole_pages_break_the_queue(void **state)
{
	struct scattered s;
	struct rig rig;
	struct iommu *iommu = open_scattered(&rig, &s);
	uint64_t at = s.first + middle(&rig, &s) * IOMMU_PAGE;
	struct wire_iotlb msg = {
		.iova = at + IOMMU_RIG_OFFSET,
		.size = IOMMU_PAGE / 2,
		.user_addr = guest_uva(rig.peer->guest, s.places[0] + IOMMU_PAGE),
		.perm = IOMMU_READ | IOMMU_WRITE,
		.type = WIRE_IOTLB_UPDATE,
	};
	uint64_t ack;

	(void)state;
	pass(&rig, iommu, 0, 3);
	pass(&rig, iommu, 1, 3);
	assert_ok(iommu_tell(iommu, &msg, &ack));
	assert_int_equal(ack, 0);
	serve(&rig, iommu);
	rig_expect_errors(&rig, "its descriptors are in pieces that are no whole pages", 1);
	pass(&rig, iommu, 1, 2);
	assert_ok(peer_stop(rig.peer));
	done(&rig, iommu);
}

static void several_pages_of_a_ring_may_be_one(void **state)
{
	struct scattered s;
	struct rig rig;
	struct iommu *iommu = open_scattered(&rig, &s);

	(void)state;
	pass(&rig, iommu, 0, 3);
	/* Its first descriptors are what they were; the others are the first ones again. */
	for (uint32_t i = middle(&rig, &s); i < middle(&rig, &s) + 2; i++)
		assert_ok(iommu_map(iommu, s.first + i * IOMMU_PAGE + IOMMU_RIG_OFFSET, s.places[0],
				    IOMMU_READ | IOMMU_WRITE));
	assert_ok(iommu_invalidate(iommu, 0, UINT64_MAX));
	pass(&rig, iommu, 0, 3);
	pass(&rig, iommu, 1, 3);
	done(&rig, iommu);
}

static void memory_that_a_ring_lies_apart_in_may_go(void **state)
{
	struct scattered s;
	struct rig rig;
	struct iommu *iommu = open_scattered(&rig, &s);
	int mappings = count_guest_mappings();

	(void)state;
	pass(&rig, iommu, 0, 3);
	assert_int_equal(guest_add(rig.peer->guest, &third_region), 1);
	assert_ok(frontend_add_mem_reg(&rig.peer->frontend, &rig.peer->guest->regions[1]));
	assert_ok(frontend_rem_mem_reg(&rig.peer->frontend, &rig.peer->guest->regions[0]));
	rig_submit(&rig, 0, 1);
	iommu->is_silent = true;
	serve(&rig, iommu);
	rig_assert_idle(&rig);
	assert_int_equal(rig_collect(&rig, 0), 0);
	assert_ok(peer_stop(rig.peer));
	/* Of the first region, and of what was mapped of it once more, nothing is left. */
	assert_in_range(count_guest_mappings(), 1, mappings + 1);
	done(&rig, iommu);
}

/* All pages of what the device writes to, where they really are. */
static void expect_marked(const struct peer_log *log, const struct scattered *s, uint64_t written)
{
	for (uint64_t at = written; at < written + 8 * SIZE; at += IOMMU_PAGE)
		assert_true(peer_log_has(log, s->places[(at - s->first) / IOMMU_PAGE]));
}

static void expect_no_mark_where_the_driver_sees_them(const struct peer_log *log,
						      const struct scattered *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		assert_false(peer_log_has(log, s->first + i * IOMMU_PAGE));
}

static void marks_in_the_dirty_log_are_where_the_pages_are(void **state)
{
	struct scattered s;
	struct peer_log log;
	struct rig rig;
	struct iommu *iommu = open_scattered(&rig, &s);
	const struct driver_ring *ring = rig.peer->queues[0];
	uint64_t written = on_packed_rings() ? ring->desc_gpa : ring->used_gpa;

	(void)state;
	pass(&rig, iommu, 0, 3);
	pass(&rig, iommu, 1, 3);
	assert_ok(peer_log_new(&log, rig.peer->guest));
	assert_ok(peer_log_begin(rig.peer, &log));
	/* All of what the device writes to is marked when it begins. */
	expect_marked(&log, &s, written);
	expect_no_mark_where_the_driver_sees_them(&log, &s);
	peer_log_copy_all(&log);
	assert_int_equal(peer_log_count(&log), 0);
	/* Then each page again that is written to. */
	for (int i = 0; i < 6; i++)
		pass(&rig, iommu, 0, 200);
	expect_marked(&log, &s, written);
	expect_no_mark_where_the_driver_sees_them(&log, &s);
	assert_ok(peer_log_end(rig.peer));
	peer_log_free(&log);
	done(&rig, iommu);
}

/* Nobody knows what of it was written to in the place where it is now. */
static void areas_that_move_while_the_guest_does_are_marked_whole(void **state)
{
	struct scattered s;
	struct peer_log log;
	struct rig rig;
	struct iommu *iommu = open_scattered(&rig, &s);
	const struct driver_ring *ring = rig.peer->queues[0];
	uint64_t written = on_packed_rings() ? ring->desc_gpa : ring->used_gpa;
	uint64_t spare = guest_alloc(rig.peer->guest, IOMMU_PAGE, IOMMU_PAGE);

	(void)state;
	pass(&rig, iommu, 0, 3);
	pass(&rig, iommu, 1, 3);
	assert_ok(peer_log_new(&log, rig.peer->guest));
	assert_ok(peer_log_begin(rig.peer, &log));
	peer_log_copy_all(&log);
	assert_ok(iommu_invalidate(iommu, written / IOMMU_PAGE * IOMMU_PAGE + IOMMU_RIG_OFFSET,
				   IOMMU_PAGE));
	move_page(&rig, iommu, &s, (uint32_t)((written - s.first) / IOMMU_PAGE), spare);
	pass(&rig, iommu, 0, 1);
	expect_marked(&log, &s, written);
	peer_log_free(&log);
	done(&rig, iommu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ring_whose_pages_are_apart_serves_all_of_its_entries),
		cmocka_unit_test(what_is_asked_for_again_is_where_it_was),
		cmocka_unit_test(pages_may_move_while_they_are_not_translated),
		cmocka_unit_test(an_invalidation_between_the_answers_is_asked_for_again),
		cmocka_unit_test(
			requests_in_flight_are_completed_in_areas_that_are_apart_and_invalid),
		cmocka_unit_test(a_page_amid_them_that_may_not_be_read_breaks_the_queue),
		cmocka_unit_test(pieces_that_are_no_whole_pages_break_the_queue),
		cmocka_unit_test(several_pages_of_a_ring_may_be_one),
		cmocka_unit_test(memory_that_a_ring_lies_apart_in_may_go),
		cmocka_unit_test(marks_in_the_dirty_log_are_where_the_pages_are),
		cmocka_unit_test(areas_that_move_while_the_guest_does_are_marked_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
