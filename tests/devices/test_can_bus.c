/* SPDX-License-Identifier: MIT */
/* vu-can's bus: three guests of one process, and what each of them hears. */
#include "can_guest.h"
#include "guests.h"

const char *const rig_program = "VU_CAN";

static void begin(struct rig *rig, struct guests *g, uint64_t features_of_last)
{
	guests_name(g, rig, CAN_CONTROL + 1);
	g->rigs[GUESTS - 1]->config.features = features_of_last;
	can_start(rig, g->options);
	guests_connect(g);
	for (int i = 0; i < GUESTS; i++)
		assert_int_equal(can_control(g->rigs[i], START), OK);
}

static void what_one_sends_all_others_hear(void **state)
{
	struct rig_buffer buffers[GUESTS];
	struct guests g;

	begin(*state, &g, 0);
	for (int i = 0; i < GUESTS; i++)
		can_give(g.rigs[i], &buffers[i], CAN_ROOM);
	for (uint32_t k = 0; k < 30; k++) {
		const struct frame frame = {k & 1 ? FD : EXTENDED, k, (uint16_t)(k % 9),
					    "\1\2\3\4\5\6\7\10"};
		uint32_t from = k % GUESTS;

		assert_int_equal(can_send(g.rigs[from], &frame), OK);
		rig_expect_nothing(g.rigs[from], CAN_RX);
		for (uint32_t i = 0; i < GUESTS; i++) {
			if (i == from)
				continue;
			can_expect(g.rigs[i], &buffers[i], &frame);
			can_give(g.rigs[i], &buffers[i], CAN_ROOM);
		}
	}
	can_stats(*state, "started sent 10 refused 0 lost 0 received 20 dropped 0");
	guests_end(&g);
}

/* It has no word for them; the others do. */
static void who_has_no_fd_hears_no_fd_frames(void **state)
{
	const struct frame fd = {FD, 1, 12, "0123456789ab"}, classic = {0, 2, 1, "x"};
	struct rig_buffer buffers[GUESTS];
	struct guests g;

	begin(*state, &g, F_VERSION_1 | F_CLASSIC);
	for (int i = 1; i < GUESTS; i++)
		can_give(g.rigs[i], &buffers[i], CAN_ROOM);
	assert_int_equal(can_send(g.rigs[0], &fd), OK);
	assert_int_equal(can_send(g.rigs[0], &classic), OK);
	can_expect(g.rigs[1], &buffers[1], &fd);
	can_expect(g.rigs[2], &buffers[2], &classic);
	guests_end(&g);
}

static void who_does_not_listen_holds_up_nobody(void **state)
{
	struct rig_buffer buffer;
	struct guests g;

	begin(*state, &g, 0);
	can_control(g.rigs[2], STOP);
	for (uint32_t k = 0; k < 200; k++) {
		const struct frame frame = {0, k, 0, NULL};

		can_give(g.rigs[0], &buffer, CAN_ROOM);
		assert_int_equal(can_send(g.rigs[1], &frame), OK);
		can_expect(g.rigs[0], &buffer, &frame);
	}
	rig_expect_nothing(g.rigs[2], CAN_RX);
	peer_free(g.own[1].peer); /* and who is not there at all */
	g.own[1].peer = NULL;
	{
		const struct frame frame = {0, 1, 0, NULL};

		can_give(g.rigs[0], &buffer, CAN_ROOM);
		assert_int_equal(can_send(g.rigs[1], &frame), OK);
		can_expect(g.rigs[0], &buffer, &frame);
	}
	guests_end(&g);
}

/* However many frames it hears, as long as they are sent in one turn. */
static void who_hears_is_called_once_a_turn(void **state)
{
	enum { FRAMES = 60 };
	struct rig_buffer buffers[FRAMES], out, result;
	struct driver_seg segs[2];
	struct guests g;
	struct rig *from;
	uint64_t calls;

	/* Without event indices all calls are wanted. */
	begin(*state, &g, F_VERSION_1 | F_CLASSIC);
	from = g.rigs[0];
	for (int i = 0; i < FRAMES; i++)
		can_give(g.rigs[2], &buffers[i], CAN_ROOM);
	rig_expect_nothing(g.rigs[2], CAN_RX);
	driver_take_calls(g.rigs[2]->peer->queues[CAN_RX]);
	rig_buffer(from, &out, CAN_HEADER);
	rig_buffer(from, &result, 1);
	memset(out.data, 0, CAN_HEADER);
	out.data[0] = 1;
	segs[0] = rig_read_seg(&out, CAN_HEADER);
	segs[1] = rig_write_seg(&result, 1);
	for (int i = 0; i < FRAMES; i++)
		assert_true(driver_add(from->peer->queues[CAN_TX], segs, 2, &result) >= 0);
	assert_true(driver_kick(from->peer->queues[CAN_TX]) >= 0);
	for (int i = 0; i < FRAMES; i++)
		rig_wait(from, CAN_TX, NULL);
	rig_expect_nothing(from, CAN_RX);
	for (int i = 0; i < FRAMES; i++)
		assert_ptr_equal(rig_wait(g.rigs[2], CAN_RX, NULL), &buffers[i]);
	calls = driver_take_calls(g.rigs[2]->peer->queues[CAN_RX]);
	assert_in_range(calls, 1, 3);
	guests_end(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_one_sends_all_others_hear),
		TEST(who_has_no_fd_hears_no_fd_frames),
		TEST(who_does_not_listen_holds_up_nobody),
		TEST(who_hears_is_called_once_a_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
