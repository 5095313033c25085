/* SPDX-License-Identifier: MIT */
/*
 * Rules: behind an IOMMU.  What is not translated is asked for once and nothing is taken meanwhile;
 * what is not translated any more is let go of.
 */
#include <string.h>

#include "rules/iommu_rig.h"

static void a_ring_starts_when_its_areas_are_translated(void **state)
{
	struct rig rig;
	struct iommu *iommu = open_iommu(&rig, &behind);

	(void)state;
	assert_int_equal(rig.started, 1);
	rig_submit(&rig, 0, 3);
	rig_assert_idle(&rig);
	assert_int_equal(rig_collect(&rig, 0), 0);
	assert_true(serve(&rig, iommu) > 0);
	assert_int_equal(rig_collect(&rig, 0), 3);
	/* What is known is not asked for. */
	pass(&rig, iommu, 1, 5);
	assert_true(serve(&rig, iommu) == 0);
	pass(&rig, iommu, 0, 5);
	assert_int_equal(iommu->refused, 0);
	assert_ok(peer_stop(rig.peer));
	assert_int_equal(rig_stops(&rig), 2);
	done(&rig, iommu);
}

static void a_ring_that_never_got_its_areas_stops_where_it_was_to_begin(void **state)
{
	struct rig rig;
	struct iommu *iommu;
	uint32_t base = 7 | (on_packed_rings() ? 0x80078000 : 0), got = 0;

	(void)state;
	rig_make(&rig, &behind);
	assert_ok(iommu_new(rig.peer, IOMMU_RIG_OFFSET, &iommu));
	rig_connect(&rig);
	assert_ok(peer_negotiate(rig.peer));
	assert_ok(peer_set_driver(rig.peer));
	rig.peer->queues[0]->base = base;
	assert_ok(peer_start_rings(rig.peer));
	rig_pump(&rig);
	assert_ok(frontend_get_vring_base(&rig.peer->frontend, 0, &got));
	assert_int_equal(got, base);
	assert_int_equal(rig.queues[0].stops, 1);
	done(&rig, iommu);
}

static void each_page_is_asked_for_once(void **state)
{
	struct rig rig;
	struct iommu *iommu = open_iommu(&rig, &behind);

	(void)state;
	iommu->is_silent = true;
	for (int i = 0; i < 20; i++) {
		rig_submit(&rig, 0, 1);
		rig_submit(&rig, 1, 1);
		serve(&rig, iommu);
	}
	/* One a queue: the first page of its areas. */
	assert_in_range(iommu->asked, 1, 2);
	assert_ok(frontend_set_vring_enable(&rig.peer->frontend, 0, false));
	assert_ok(frontend_set_vring_enable(&rig.peer->frontend, 0, true));
	serve(&rig, iommu);
	assert_in_range(iommu->asked, 1, 2);
	done(&rig, iommu);
}

static void two_queues_that_miss_the_same_page_ask_once(void **state)
{
	struct rig rig;
	struct iommu *iommu = open_without_buffers(&rig, &behind_grouped);
	uint32_t before = iommu->asked;

	(void)state;
	rig.queues[1].buffers = rig.queues[0].buffers;
	iommu->is_silent = true;
	rig_submit(&rig, 0, 1);
	serve(&rig, iommu);
	rig_submit(&rig, 1, 1);
	serve(&rig, iommu);
	assert_int_equal(iommu->asked, before + 1);
	/* And the answer is one for both. */
	assert_ok(iommu_update(iommu, iommu->last.iova));
	rig_pump(&rig);
	assert_int_equal(rig_collect(&rig, 0), 1);
	assert_int_equal(rig_collect(&rig, 1), 1);
	done(&rig, iommu);
}

/* A page of each kind is taken away, and comes when it is asked for. */
static void whatever_of_a_request_is_missing_is_asked_for(void **state)
{
	struct rig rig;
	struct iommu *iommu = open_iommu(&rig, &behind);
	struct driver_ring *ring = rig.peer->queues[0];
	struct driver_used used;
	const uint64_t gpa = guest_alloc(rig.peer->guest, 4 * IOMMU_PAGE, IOMMU_PAGE);
	const struct driver_seg segs[] = {
		{gpa + IOMMU_PAGE - 10, 20, false},
		{gpa + 3 * IOMMU_PAGE - 40, 80, true},
	};

	(void)state;
	pass(&rig, iommu, 0, 1);
	for (int way = 0; way < 2; way++) {
		uint32_t before = iommu->asked;

		assert_ok(iommu_invalidate(iommu, 0, UINT64_MAX));
		memset(guest_ptr(rig.peer->guest, gpa, 4 * IOMMU_PAGE), 0x11, 4 * IOMMU_PAGE);
		if (way)
			assert_true(driver_add_indirect(ring, segs, 2, NULL) >= 0);
		else
			assert_true(driver_add(ring, segs, 2, NULL) >= 0);
		assert_true(driver_kick(ring) >= 0);
		assert_true(serve(&rig, iommu) >= 4);
		assert_int_equal(driver_collect(ring, &used, 1), 1);
		assert_int_equal(used.len, 20);
		assert_int_equal(
			*(unsigned char *)guest_ptr(rig.peer->guest, gpa + 3 * IOMMU_PAGE - 40, 1),
			0xee);
		/* At most the areas, the table, and the four pages. */
		assert_in_range(iommu->asked - before, 5, 10);
	}
	assert_int_equal(iommu->refused, 0);
	done(&rig, iommu);
}

static void pages_that_lie_elsewhere_are_found_there(void **state)
{
	struct rig rig;
	struct iommu *iommu = open_iommu(&rig, &behind);
	struct guest *guest = rig.peer->guest;
	const uint64_t gpa = guest_alloc(guest, 6 * IOMMU_PAGE, IOMMU_PAGE);
	const uint64_t out = guest_alloc(guest, RIG_BYTES, 64);
	const struct driver_seg segs[] = {
		{gpa + IOMMU_PAGE - 16, 32, false},
		{out, RIG_BYTES, true},
	};
	struct driver_used used;
	unsigned char *written = guest_ptr(guest, out, RIG_BYTES);

	(void)state;
	/* The first two pages are where the last two are, the other way round. */
	assert_ok(iommu_map(iommu, gpa + IOMMU_RIG_OFFSET, gpa + 5 * IOMMU_PAGE, 3));
	assert_ok(iommu_map(iommu, gpa + IOMMU_RIG_OFFSET + IOMMU_PAGE, gpa + 4 * IOMMU_PAGE, 3));
	memset(guest_ptr(guest, gpa, 6 * IOMMU_PAGE), 0, 6 * IOMMU_PAGE);
	memset(guest_ptr(guest, gpa + 6 * IOMMU_PAGE - 16, 16), 0x0f, 16);
	memset(guest_ptr(guest, gpa + 4 * IOMMU_PAGE, 16), 0x3c, 16);
	assert_true(driver_add(rig.peer->queues[0], segs, 2, NULL) >= 0);
	assert_true(driver_kick(rig.peer->queues[0]) >= 0);
	serve(&rig, iommu);
	assert_int_equal(driver_collect(rig.peer->queues[0], &used, 1), 1);
	assert_int_equal(used.len, 32);
	for (int i = 0; i < 32; i++)
		assert_int_equal(written[i], i < 16 ? 0xf0 : 0xc3);
	done(&rig, iommu);
}

/* What the device may do there is perm; the request wants to read (or write) it. */
static void refused(bool wants_write, uint8_t perm)
{
	struct rig rig;
	struct iommu *iommu = open_iommu(&rig, &behind);
	const uint64_t gpa = guest_alloc(rig.peer->guest, IOMMU_PAGE, IOMMU_PAGE);
	const struct driver_seg seg = {gpa, 16, wants_write};
	uint32_t before;

	pass(&rig, iommu, 0, 1);
	assert_ok(iommu_map(iommu, gpa + IOMMU_RIG_OFFSET, gpa, perm));
	before = iommu->asked;
	assert_true(driver_add(rig.peer->queues[0], &seg, 1, NULL) >= 0);
	assert_true(driver_kick(rig.peer->queues[0]) >= 0);
	serve(&rig, iommu);
	assert_int_equal(iommu->asked, before + 1);
	assert_int_equal(iommu->last.perm, wants_write ? IOMMU_WRITE : IOMMU_READ);
	rig_expect_errors(&rig,
			  wants_write ? "which the IOMMU does not let the device write"
				      : "which the IOMMU does not let the device read",
			  1);
	/* The other one lives, and a stop and a start mend this one. */
	pass(&rig, iommu, 1, 2);
	assert_ok(frontend_get_vring_base(&rig.peer->frontend, 0, &rig.peer->queues[0]->base));
	driver_reset(rig.peer->queues[0]);
	rig_start_queue(&rig, 0);
	pass(&rig, iommu, 0, 2);
	done(&rig, iommu);
}

static void what_may_only_be_read_is_not_written(void **state)
{
	(void)state;
	refused(true, IOMMU_READ);
}

static void what_may_only_be_written_is_not_read(void **state)
{
	(void)state;
	refused(false, IOMMU_WRITE);
}

static void what_is_not_mapped_breaks_the_queue_with_one_line(void **state)
{
	(void)state;
	refused(true, 0);
	refused(false, 0);
}

static void each_direction_alone_is_enough_for_it(void **state)
{
	struct rig rig;
	struct iommu *iommu = open_iommu(&rig, &behind);
	struct guest *guest = rig.peer->guest;
	const uint64_t in = guest_alloc(guest, IOMMU_PAGE, IOMMU_PAGE);
	const uint64_t out = guest_alloc(guest, IOMMU_PAGE, IOMMU_PAGE);
	const struct driver_seg segs[] = {{in, 16, false}, {out, 16, true}};
	struct driver_used used;

	(void)state;
	assert_ok(iommu_map(iommu, in + IOMMU_RIG_OFFSET, in, IOMMU_READ));
	assert_ok(iommu_map(iommu, out + IOMMU_RIG_OFFSET, out, IOMMU_WRITE));
	for (int i = 0; i < 3; i++) {
		assert_true(driver_add(rig.peer->queues[0], segs, 2, NULL) >= 0);
		assert_true(driver_kick(rig.peer->queues[0]) >= 0);
		serve(&rig, iommu);
		assert_int_equal(driver_collect(rig.peer->queues[0], &used, 1), 1);
	}
	done(&rig, iommu);
}

static void a_ring_whose_areas_are_not_mapped_is_broken(void **state)
{
	struct rig rig;
	struct iommu *iommu = open_iommu(&rig, &behind);

	(void)state;
	assert_ok(iommu_map(iommu, rig.peer->queues[0]->used_gpa + IOMMU_RIG_OFFSET, 0, 0));
	serve(&rig, iommu);
	rig_expect_errors(&rig, "its areas are at 0x", 1);
	pass(&rig, iommu, 1, 2);
	assert_ok(peer_stop(rig.peer));
	done(&rig, iommu);
}

static void a_running_ring_lets_go_of_areas_that_become_invalid(void **state)
{
	struct rig rig;
	struct iommu *iommu = open_iommu(&rig, &behind_grouped);

	(void)state;
	for (uint32_t i = 0; i < 20; i++) {
		uint32_t before;

		pass(&rig, iommu, i % 2, 3);
		before = iommu->asked;
		/* As a guest does that invalidates lazily. */
		assert_ok(iommu_invalidate(iommu, 0, 0xfee00000));
		assert_ok(iommu_invalidate(iommu, 0xfef00000, 0 - UINT64_C(0xfef00000)));
		serve(&rig, iommu);
		assert_true(iommu->asked > before);
	}
	pass(&rig, iommu, 0, 3);
	done(&rig, iommu);
}

static void nothing_is_taken_while_areas_are_invalid(void **state)
{
	struct rig rig;
	struct iommu *iommu = open_iommu(&rig, &behind);
	uint32_t served;

	(void)state;
	pass(&rig, iommu, 0, 3);
	served = rig.queues[0].served;
	assert_ok(iommu_invalidate(iommu, rig.peer->queues[0]->desc_gpa + IOMMU_RIG_OFFSET, 1));
	rig_submit(&rig, 0, 3);
	rig_assert_idle(&rig);
	assert_int_equal(rig.queues[0].served, served);
	assert_int_equal(vu_queue_available(rig.queues[0].queue), 0);
	serve(&rig, iommu);
	assert_int_equal(rig_collect(&rig, 0), 3);
	done(&rig, iommu);
}

static void requests_in_flight_are_completed_while_areas_are_invalid(void **state)
{
	struct rig rig;
	struct iommu *iommu = open_iommu(&rig, &behind);
	uint32_t base;

	(void)state;
	pass(&rig, iommu, 0, 3);
	rig_hold(&rig, 0, 2);
	assert_ok(iommu_invalidate(iommu, 0, UINT64_MAX));
	rig_complete_held(&rig, 0);
	rig_pump(&rig);
	assert_int_equal(rig_collect(&rig, 0), 1);
	/* And a stop has them all, though nobody translates any more. */
	rig_send_stop(&rig, 0);
	rig_assert_no_reply(&rig);
	rig_complete_held(&rig, 0);
	base = rig_recv_stop(&rig, 0);
	assert_int_equal(rig_collect(&rig, 0), 1);
	assert_int_equal(base, rig_base(&rig, 0, 5));
	done(&rig, iommu);
}

static void other_memory_is_looked_up_anew(void **state)
{
	struct rig rig;
	struct iommu *iommu = open_iommu(&rig, &behind_grouped);

	(void)state;
	pass(&rig, iommu, 0, 3);
	rig_hold(&rig, 1, 0);
	rig.mode = RIG_SERVE;
	assert_int_equal(guest_add(rig.peer->guest, &third_region), 1);
	assert_ok(frontend_add_mem_reg(&rig.peer->frontend, &rig.peer->guest->regions[1]));
	pass(&rig, iommu, 0, 3);
	/* Without the one that all of it was translated to, nothing is known any more. */
	assert_ok(frontend_rem_mem_reg(&rig.peer->frontend, &rig.peer->guest->regions[0]));
	iommu->is_silent = true;
	rig_submit(&rig, 0, 1);
	serve(&rig, iommu);
	rig_assert_idle(&rig);
	assert_int_equal(rig_collect(&rig, 0), 0);
	assert_ok(peer_stop(rig.peer));
	done(&rig, iommu);
}

static void the_cache_is_empty_after_the_last_ring_stopped(void **state)
{
	struct rig rig;
	struct iommu *iommu = open_iommu(&rig, &behind);
	uint32_t before;

	(void)state;
	pass(&rig, iommu, 0, 2);
	assert_ok(peer_stop(rig.peer));
	/* Its user before it says nothing of what became invalid. */
	for (uint32_t i = 0; i < rig.peer->n_queues; i++)
		driver_reset(rig.peer->queues[i]);
	before = iommu->asked;
	for (uint32_t i = 0; i < 2; i++)
		rig_start_queue(&rig, i);
	assert_true(serve(&rig, iommu) > 0);
	assert_true(iommu->asked > before);
	pass(&rig, iommu, 0, 2);
	done(&rig, iommu);
}

static void without_the_feature_addresses_are_the_front_ends(void **state)
{
	struct rig_config config = behind;
	struct rig rig;

	(void)state;
	config.peer.features &= ~RIG_BIT(VU_F_ACCESS_PLATFORM);
	rig_open(&rig, &config);
	rig_roundtrip(&rig, 0, 3);
	rig_close(&rig);
}

/* The feature counts from the next start on, and so do translations. */
static void translations_do_not_touch_a_ring_that_started_without_the_feature(void **state)
{
	struct rig_config config = behind;
	struct wire_iotlb msg = {.size = IOMMU_PAGE, .perm = IOMMU_READ | IOMMU_WRITE};
	struct frontend *f;
	struct rig rig;

	(void)state;
	config.peer.features &= ~RIG_BIT(VU_F_ACCESS_PLATFORM);
	rig_open(&rig, &config);
	rig_roundtrip(&rig, 0, 3);
	f = rig_front(&rig);
	assert_ok(frontend_set_features(f, f->features | RIG_BIT(VU_F_ACCESS_PLATFORM)));
	/* Where its descriptors are is told to be elsewhere, and then nowhere. */
	msg.iova = guest_uva(rig.peer->guest, rig.peer->queues[0]->desc_gpa) & ~0xfffull;
	msg.user_addr = msg.iova + IOMMU_PAGE;
	for (uint8_t type = WIRE_IOTLB_UPDATE; type <= WIRE_IOTLB_INVALIDATE; type++) {
		uint64_t ack;

		msg.type = type;
		assert_ok(frontend_ask(f, WIRE_IOTLB_MSG, &msg, sizeof(msg), &ack, sizeof(ack)));
		assert_int_equal(ack, 0);
		rig_roundtrip(&rig, 0, 3);
	}
	rig_close(&rig);
}

static void a_device_offers_it_only_if_it_is_told_to(void **state)
{
	struct rig rig;
	const struct rig_config never = {.device = {.forbidden = RIG_BIT(VU_F_ACCESS_PLATFORM)}};

	(void)state;
	rig_make(&rig, NULL);
	rig_connect(&rig);
	assert_int_equal(vu_device_offer_iommu(rig.dev), -EBUSY);
	assert_ok(peer_start(rig.peer));
	assert_false(rig.peer->frontend.offered_features & RIG_BIT(VU_F_ACCESS_PLATFORM));
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	assert_ok(vu_device_offer_iommu(rig.dev));
	rig_connect(&rig);
	assert_ok(peer_start(rig.peer));
	assert_true(rig.peer->frontend.offered_features & RIG_BIT(VU_F_ACCESS_PLATFORM));
	rig_close(&rig);
	rig_make(&rig, &never);
	assert_int_equal(vu_device_offer_iommu(rig.dev), -ENOTSUP);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ring_starts_when_its_areas_are_translated),
		cmocka_unit_test(a_ring_that_never_got_its_areas_stops_where_it_was_to_begin),
		cmocka_unit_test(each_page_is_asked_for_once),
		cmocka_unit_test(two_queues_that_miss_the_same_page_ask_once),
		cmocka_unit_test(whatever_of_a_request_is_missing_is_asked_for),
		cmocka_unit_test(pages_that_lie_elsewhere_are_found_there),
		cmocka_unit_test(what_may_only_be_read_is_not_written),
		cmocka_unit_test(what_may_only_be_written_is_not_read),
		cmocka_unit_test(what_is_not_mapped_breaks_the_queue_with_one_line),
		cmocka_unit_test(each_direction_alone_is_enough_for_it),
		cmocka_unit_test(a_ring_whose_areas_are_not_mapped_is_broken),
		cmocka_unit_test(a_running_ring_lets_go_of_areas_that_become_invalid),
		cmocka_unit_test(nothing_is_taken_while_areas_are_invalid),
		cmocka_unit_test(requests_in_flight_are_completed_while_areas_are_invalid),
		cmocka_unit_test(other_memory_is_looked_up_anew),
		cmocka_unit_test(the_cache_is_empty_after_the_last_ring_stopped),
		cmocka_unit_test(without_the_feature_addresses_are_the_front_ends),
		cmocka_unit_test(translations_do_not_touch_a_ring_that_started_without_the_feature),
		cmocka_unit_test(a_device_offers_it_only_if_it_is_told_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
