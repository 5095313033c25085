/* SPDX-License-Identifier: MIT */
/* vu-can's bus: three guests of one process, and what each of them hears. */
#include "can_guest.h"

#include <stdio.h>

const char *const rig_program = "VU_CAN";

enum { N = 3 };

/* The guests; the first one's rig is the test's, whose commands are the first one's. */
struct guests {
	struct rig *rigs[N];
	struct rig own[N - 1];
};

static void begin(struct rig *rig, struct guests *g, uint64_t features_of_last)
{
	char options[N - 1][RIG_PATH + 20];
	const char *more[N + 1] = {options[0], options[1], "--backend=bus", NULL};

	memset(g, 0, sizeof(*g));
	g->rigs[0] = rig;
	for (int i = 0; i < N - 1; i++) {
		struct rig *other = &g->own[i];

		snprintf(other->socket, sizeof(other->socket), "%.60s/guest%d", rig->dir, i);
		snprintf(options[i], sizeof(options[i]), "--socket-path=%s", other->socket);
		other->config.n_queues = 3;
		g->rigs[i + 1] = other;
	}
	g->rigs[N - 1]->config.features = features_of_last;
	can_start(rig, more);
	for (int i = 0; i < N; i++) {
		if (i) {
			spawn_wait_listening(g->rigs[i]->socket);
			rig_connect(g->rigs[i]);
		}
		assert_int_equal(can_control(g->rigs[i], START), OK);
	}
}

static void end(struct rig *rig, struct guests *g)
{
	for (int i = 0; i < N - 1; i++)
		peer_free(g->own[i].peer);
	rig_stop(rig);
}

static void what_one_sends_all_others_hear(void **state)
{
	struct rig_buffer buffers[N];
	struct guests g;

	begin(*state, &g, 0);
	for (int i = 0; i < N; i++)
		can_give(g.rigs[i], &buffers[i], CAN_ROOM);
	for (uint32_t k = 0; k < 30; k++) {
		const struct frame frame = {k & 1 ? FD : EXTENDED, k, (uint16_t)(k % 9),
					    "\1\2\3\4\5\6\7\10"};
		uint32_t from = k % N;

		assert_int_equal(can_send(g.rigs[from], &frame), OK);
		rig_expect_nothing(g.rigs[from], CAN_RX);
		for (uint32_t i = 0; i < N; i++) {
			if (i == from)
				continue;
			can_expect(g.rigs[i], &buffers[i], &frame);
			can_give(g.rigs[i], &buffers[i], CAN_ROOM);
		}
	}
	can_stats(*state, "started sent 10 refused 0 lost 0 received 20 dropped 0");
	end(*state, &g);
}

/* It has no word for them; the others do. */
static void who_has_no_fd_hears_no_fd_frames(void **state)
{
	const struct frame fd = {FD, 1, 12, "0123456789ab"}, classic = {0, 2, 1, "x"};
	struct rig_buffer buffers[N];
	struct guests g;

	begin(*state, &g, F_VERSION_1 | F_CLASSIC);
	for (int i = 1; i < N; i++)
		can_give(g.rigs[i], &buffers[i], CAN_ROOM);
	assert_int_equal(can_send(g.rigs[0], &fd), OK);
	assert_int_equal(can_send(g.rigs[0], &classic), OK);
	can_expect(g.rigs[1], &buffers[1], &fd);
	can_expect(g.rigs[2], &buffers[2], &classic);
	end(*state, &g);
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
	end(*state, &g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_one_sends_all_others_hear),
		TEST(who_has_no_fd_hears_no_fd_frames),
		TEST(who_does_not_listen_holds_up_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
