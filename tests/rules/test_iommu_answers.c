/* SPDX-License-Identifier: MIT */
/*
 * Rules: behind an IOMMU, a front-end that answers nothing, too much or something else harms
 * nobody.
 */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "rules/iommu_rig.h"

static void a_front_end_that_never_answers_can_do_anything_else(void **state)
{
	struct rig rig;
	struct iommu *iommu = open_without_buffers(&rig, &behind_grouped);

	(void)state;
	iommu->is_silent = true;
	rig_submit(&rig, 0, 2);
	serve(&rig, iommu);
	rig_assert_idle(&rig);
	pass(&rig, iommu, 1, 2);
	assert_ok(
		frontend_set_vring_call(&rig.peer->frontend, 0, rig.peer->queues[0]->call.device));
	assert_int_equal(guest_add(rig.peer->guest, &third_region), 1);
	assert_ok(frontend_add_mem_reg(&rig.peer->frontend, &rig.peer->guest->regions[1]));
	assert_ok(peer_stop(rig.peer));
	assert_int_equal(rig.stopped, 1);
	/* Started again, it asks again. */
	iommu->is_silent = false;
	for (uint32_t i = 0; i < 2; i++)
		rig_start_queue(&rig, i);
	serve(&rig, iommu);
	pass(&rig, iommu, 1, 2);
	done(&rig, iommu);
}

static void a_session_ends_while_misses_are_unanswered(void **state)
{
	struct rig rig;
	struct iommu *iommu = open_without_buffers(&rig, &behind_grouped);

	(void)state;
	iommu->is_silent = true;
	rig_submit(&rig, 0, 2);
	serve(&rig, iommu);
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	assert_int_equal(rig.ended, 1);
	done(&rig, iommu);
}

static void without_a_back_end_channel_a_ring_waits_and_a_line_says_so(void **state)
{
	struct rig_config alone = behind;
	struct rig rig;
	struct iommu *iommu;

	(void)state;
	alone.peer.protocol_features =
		~RIG_BIT(WIRE_PF_BACKEND_REQ) & ~RIG_BIT(WIRE_PF_GPA_ADDRESSES);
	iommu = open_iommu(&rig, &alone);
	rig_submit(&rig, 0, 1);
	rig_assert_idle(&rig);
	rig_expect_errors(&rig, "gave no back-end channel", 1);
	assert_ok(peer_stop(rig.peer));
	done(&rig, iommu);
}

/* Nobody knows that it is closed until something is asked. */
static void a_question_that_cannot_be_sent_is_asked_on_the_next_channel(void **state)
{
	struct rig rig;
	struct iommu *iommu = open_without_buffers(&rig, &behind);

	(void)state;
	rig.on_callback = rig_lose_channel_when_ready;
	rig_submit(&rig, 0, 1);
	rig_pump(&rig);
	assert_int_equal(rig_front(&rig)->channel_fd, -1);
	assert_int_equal(rig_logged(&rig, "the back-end channel was closed"), 1);
	rig.on_callback = NULL;
	assert_ok(frontend_open_channel(rig_front(&rig)));
	serve(&rig, iommu);
	assert_int_equal(rig_collect(&rig, 0), 1);
	done(&rig, iommu);
}

static void a_channel_that_closes_leaves_rings_waiting_for_another(void **state)
{
	struct rig rig;
	struct iommu *iommu = open_without_buffers(&rig, &behind);

	(void)state;
	iommu->is_silent = true;
	rig_submit(&rig, 0, 1);
	serve(&rig, iommu);
	assert_ok(frontend_open_channel(&rig.peer->frontend));
	iommu->is_silent = false;
	serve(&rig, iommu);
	assert_int_equal(rig_collect(&rig, 0), 1);
	done(&rig, iommu);
}

/* The oldest miss that is not answered. */
static struct frontend_msg take_miss(struct rig *rig)
{
	struct frontend_msg msg;

	rig_pump(rig);
	assert_ok(frontend_recv_backend(&rig->peer->frontend, &msg, 0));
	assert_int_equal(msg.hdr.request, WIRE_BACKEND_IOTLB_MSG);
	return msg;
}

static struct wire_iotlb miss_of(const struct frontend_msg *msg)
{
	struct wire_iotlb miss;

	memcpy(&miss, msg->payload, sizeof(miss));
	return miss;
}

static void an_answer_without_a_translation_is_not_asked_for_again(void **state)
{
	struct rig rig;
	struct iommu *iommu = open_without_buffers(&rig, &behind);
	struct frontend_msg msg;

	(void)state;
	rig_submit(&rig, 0, 1);
	msg = take_miss(&rig);
	/* It may be on its way on the other socket. */
	assert_ok(frontend_answer_backend(&rig.peer->frontend, &msg, 0));
	rig_assert_idle(&rig);
	assert_int_equal(frontend_recv_backend(&rig.peer->frontend, &msg, 0), -EAGAIN);
	assert_ok(iommu_update(iommu, rig.queues[0].buffers + IOMMU_RIG_OFFSET));
	serve(&rig, iommu);
	assert_int_equal(rig_collect(&rig, 0), 1);
	done(&rig, iommu);
}

/* Sleep until the device says so, however long its timer takes. */
static void wait_for_line(struct rig *rig, const char *line)
{
	while (!rig_logged(rig, line)) {
		poll(&(struct pollfd){vu_device_fd(rig->dev), POLLIN, 0}, 1, -1);
		rig_pump(rig);
	}
}

static void a_ring_that_waits_for_a_translation_is_named(void **state)
{
	struct rig rig;
	struct iommu *iommu = open_without_buffers(&rig, &behind);
	struct frontend_msg msg;

	(void)state;
	rig_submit(&rig, 0, 1);
	msg = take_miss(&rig);
	wait_for_line(&rig, "waiting for a translation of 0x50");
	assert_int_equal(rig_logged(&rig, "the front-end does not answer"), 1);
	/* Stopped, it waits for nothing; started again, it does. */
	assert_ok(frontend_answer_backend(&rig.peer->frontend, &msg, 0));
	assert_ok(peer_stop(rig.peer));
	iommu->is_silent = false;
	for (uint32_t i = 0; i < rig.n_queues; i++)
		rig_start_queue(&rig, i);
	serve(&rig, iommu);
	assert_int_equal(rig_collect(&rig, 0), 1);
	done(&rig, iommu);
}

static void a_translation_that_was_promised_and_does_not_come_is_named(void **state)
{
	struct rig rig;
	struct iommu *iommu = open_without_buffers(&rig, &behind);
	struct frontend_msg msg;

	(void)state;
	rig_submit(&rig, 0, 1);
	msg = take_miss(&rig);
	assert_ok(frontend_answer_backend(&rig.peer->frontend, &msg, 0));
	rig_pump(&rig);
	wait_for_line(&rig, "the front-end answered without one");
	assert_ok(iommu_update(iommu, rig.queues[0].buffers + IOMMU_RIG_OFFSET));
	serve(&rig, iommu);
	assert_int_equal(rig_collect(&rig, 0), 1);
	done(&rig, iommu);
}

static void an_answer_for_another_page_is_none(void **state)
{
	struct rig rig;
	struct iommu *iommu = open_without_buffers(&rig, &behind);
	struct frontend_msg msg;

	(void)state;
	rig_submit(&rig, 0, 1);
	msg = take_miss(&rig);
	assert_ok(iommu_update(iommu, IOMMU_RIG_OFFSET + (8 << 20)));
	assert_ok(frontend_answer_backend(&rig.peer->frontend, &msg, 1));
	rig_pump(&rig);
	rig_expect_errors(&rig, "which the IOMMU does not let the device read", 1);
	done(&rig, iommu);
}

static void an_answer_that_still_does_not_permit_it_breaks_the_queue(void **state)
{
	struct rig rig;
	struct iommu *iommu = open_without_buffers(&rig, &behind);
	struct frontend_msg msg;

	(void)state;
	rig_submit(&rig, 0, 1);
	msg = take_miss(&rig);
	assert_ok(iommu_map(iommu, miss_of(&msg).iova, miss_of(&msg).iova - IOMMU_RIG_OFFSET,
			    IOMMU_WRITE));
	for (int i = 0; i < 2; i++)
		assert_ok(iommu_update(iommu, miss_of(&msg).iova));
	assert_ok(frontend_answer_backend(&rig.peer->frontend, &msg, 0));
	rig_pump(&rig);
	rig_expect_errors(&rig, "which the IOMMU does not let the device read", 1);
	done(&rig, iommu);
}

static void the_same_answer_twice_is_one(void **state)
{
	struct rig rig;
	struct iommu *iommu = open_without_buffers(&rig, &behind);
	struct frontend_msg msg;

	(void)state;
	rig_submit(&rig, 0, 1);
	msg = take_miss(&rig);
	for (int i = 0; i < 3; i++)
		assert_ok(iommu_update(iommu, miss_of(&msg).iova));
	assert_ok(frontend_answer_backend(&rig.peer->frontend, &msg, 0));
	serve(&rig, iommu);
	assert_int_equal(rig_collect(&rig, 0), 1);
	/* A reply to nothing is no answer: the channel is given up, the session lives. */
	assert_ok(frontend_answer_backend(&rig.peer->frontend, &msg, 0));
	rig_pump(&rig);
	assert_int_equal(rig_logged(&rig, "no reply to the oldest request"), 1);
	assert_ok(frontend_open_channel(&rig.peer->frontend));
	pass(&rig, iommu, 0, 1);
	done(&rig, iommu);
}

static void what_is_invalid_before_its_reply_comes_is_asked_for_again(void **state)
{
	struct rig rig;
	struct iommu *iommu = open_without_buffers(&rig, &behind);
	struct frontend_msg msg;
	uint64_t iova;

	(void)state;
	rig.mode = RIG_LEAVE;
	rig_submit(&rig, 0, 1);
	rig.mode = RIG_SERVE;
	msg = take_miss(&rig);
	iova = miss_of(&msg).iova;
	/* It is known for a moment in which the device takes nothing. */
	rig.mode = RIG_LEAVE;
	assert_ok(iommu_update(iommu, iova));
	assert_ok(iommu_invalidate(iommu, iova, 1));
	rig.mode = RIG_SERVE;
	assert_true(driver_kick(rig.peer->queues[0]) >= 0);
	rig_submit(&rig, 0, 1);
	rig_pump(&rig);
	assert_ok(frontend_answer_backend(&rig.peer->frontend, &msg, 0));
	serve(&rig, iommu);
	assert_int_equal(rig_collect(&rig, 0), 2);
	done(&rig, iommu);
}

static void a_translation_to_no_memory_is_refused(void **state)
{
	const struct wire_iotlb wrong[] = {
		{.iova = 0x1000, .size = 0x1000, .user_addr = 0x1000, .perm = 3, .type = 2},
		{.iova = 0x1000, .size = UINT64_C(1) << 40, .perm = 3, .type = 2},
		{.iova = 0x1000, .size = 0, .perm = 3, .type = 2},
		{.iova = 0x1000, .size = 0, .type = 3},
		{.iova = 0x1000, .size = UINT64_MAX, .perm = 3, .type = 2},
		{.iova = 0x1000, .size = 0x1000, .perm = 4, .type = 2},
		{.iova = 0x1000, .size = 0x1000, .perm = 3, .type = 1},
		{.iova = 0x1000, .size = 0x1000, .perm = 3, .type = 4},
		{.iova = 0x1000, .size = 0x1000, .perm = 3, .type = 9},
	};
	struct rig rig;
	struct iommu *iommu = open_iommu(&rig, &behind);
	uint32_t n = sizeof(wrong) / sizeof(wrong[0]);
	uint64_t ack;

	(void)state;
	for (uint32_t i = 0; i < n; i++) {
		struct wire_iotlb msg = wrong[i];

		if (i)
			msg.user_addr = guest_uva(rig.peer->guest, 0);
		assert_ok(iommu_tell(iommu, &msg, &ack));
		assert_int_equal(ack, 1);
		assert_int_equal(rig_errors(&rig), i + 1);
	}
	rig.errors_expected += n;
	pass(&rig, iommu, 0, 2);
	done(&rig, iommu);
}

static void updates_for_more_than_is_remembered_cost_nothing_but_questions(void **state)
{
	struct rig rig;
	struct iommu *iommu = open_iommu(&rig, &behind_grouped);
	struct wire_iotlb msg = {.size = 64, .perm = 3, .type = WIRE_IOTLB_UPDATE};
	uint64_t ack;

	(void)state;
	pass(&rig, iommu, 0, 1);
	rig_hold(&rig, 1, 0);
	rig.mode = RIG_SERVE;
	msg.user_addr = guest_uva(rig.peer->guest, 0);
	for (uint64_t i = 0; i < 10000; i++) {
		msg.iova = i * 128;
		assert_ok(iommu_tell(iommu, &msg, &ack));
		assert_int_equal(ack, 0);
	}
	pass(&rig, iommu, 0, 3);
	pass(&rig, iommu, 1, 3);
	done(&rig, iommu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_front_end_that_never_answers_can_do_anything_else),
		cmocka_unit_test(a_session_ends_while_misses_are_unanswered),
		cmocka_unit_test(without_a_back_end_channel_a_ring_waits_and_a_line_says_so),
		cmocka_unit_test(a_question_that_cannot_be_sent_is_asked_on_the_next_channel),
		cmocka_unit_test(a_channel_that_closes_leaves_rings_waiting_for_another),
		cmocka_unit_test(an_answer_without_a_translation_is_not_asked_for_again),
		cmocka_unit_test(a_ring_that_waits_for_a_translation_is_named),
		cmocka_unit_test(a_translation_that_was_promised_and_does_not_come_is_named),
		cmocka_unit_test(an_answer_for_another_page_is_none),
		cmocka_unit_test(an_answer_that_still_does_not_permit_it_breaks_the_queue),
		cmocka_unit_test(the_same_answer_twice_is_one),
		cmocka_unit_test(what_is_invalid_before_its_reply_comes_is_asked_for_again),
		cmocka_unit_test(a_translation_to_no_memory_is_refused),
		cmocka_unit_test(updates_for_more_than_is_remembered_cost_nothing_but_questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
