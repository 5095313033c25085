/* SPDX-License-Identifier: MIT */
/* vu-net's switch: three guests of one process, what each of them hears, and what none may do. */
#include "net.h"

#include <stdio.h>

const char *const rig_program = "VU_NET";

enum { N = 3, LEN = 80, BUFFERS = 8, ROOM = 200, ALL = -1 };

/* The guests; the first one's rig is the test's, whose "stats" are the first one's. */
struct guests {
	struct rig *rigs[N];
	struct rig own[N - 1];
	struct rig_buffer buffers[N][BUFFERS];
};

static void begin(struct rig *rig, struct guests *g)
{
	char options[N - 1][RIG_PATH + 20];
	const char *more[N] = {options[0], options[1], NULL};

	memset(g, 0, sizeof(*g));
	g->rigs[0] = rig;
	for (int i = 0; i < N - 1; i++) {
		struct rig *other = &g->own[i];

		snprintf(other->socket, sizeof(other->socket), "%.60s/guest%d", rig->dir, i);
		snprintf(options[i], sizeof(options[i]), "--socket-path=%s", other->socket);
		other->config.n_queues = 2;
		g->rigs[i + 1] = other;
	}
	net_start(rig, "switch", more);
	for (int i = 0; i < N; i++) {
		if (i) {
			spawn_wait_listening(g->rigs[i]->socket);
			rig_connect(g->rigs[i]);
		}
		for (int k = 0; k < BUFFERS; k++)
			net_give(g->rigs[i], NET_RX, &g->buffers[i][k], ROOM);
	}
}

static void end(struct rig *rig, struct guests *g)
{
	for (int i = 0; i < N - 1; i++)
		peer_free(g->own[i].peer);
	rig_stop(rig);
}

static void make(unsigned char *frame, int to, int from, uint32_t seed)
{
	const unsigned char addresses[2][6] = {{2, 0, 0, 0, 0, (unsigned char)to},
					       {2, 0, 0, 0, 0, (unsigned char)from}};

	net_frame(frame, LEN, seed);
	memcpy(frame, addresses, sizeof(addresses));
	if (to == ALL)
		memset(frame, 0xff, 6);
}

/* A guest hears this, as the next thing; its buffer is given again. */
static void hears(struct guests *g, int who, const unsigned char *frame)
{
	struct rig *rig = g->rigs[who];
	struct rig_buffer *buffer;
	struct driver_seg seg;
	uint32_t len;

	buffer = rig_wait(rig, NET_RX, &len);
	assert_int_equal(len, 12 + LEN);
	assert_memory_equal(buffer->data + 12, frame, LEN);
	seg = rig_write_seg(buffer, ROOM);
	rig_offer(rig, NET_RX, &seg, 1, buffer);
}

static void says(struct guests *g, int who, const unsigned char *frame)
{
	net_send(g->rigs[who], NULL, frame, LEN);
}

static void what_is_for_nobody_known_is_for_all_others(void **state)
{
	unsigned char frame[LEN];
	struct guests g;

	begin(*state, &g);
	make(frame, 1, 0, 1);
	says(&g, 0, frame);
	hears(&g, 1, frame);
	hears(&g, 2, frame);
	make(frame, ALL, 1, 2);
	says(&g, 1, frame);
	hears(&g, 0, frame);
	hears(&g, 2, frame);
	for (int i = 0; i < N; i++)
		rig_expect_nothing(g.rigs[i], NET_RX);
	end(*state, &g);
}

static void what_is_for_one_is_heard_by_that_one_alone(void **state)
{
	unsigned char frame[LEN];
	struct guests g;

	begin(*state, &g);
	for (int i = 0; i < N; i++) {
		make(frame, ALL, i, (uint32_t)i);
		says(&g, i, frame);
		for (int k = 0; k < N; k++)
			if (k != i)
				hears(&g, k, frame);
	}
	for (uint32_t i = 0; i < 60; i++) {
		int from = (int)i % N, to = (int)(i + 1 + i / N % 2) % N;

		make(frame, to, from, i);
		says(&g, from, frame);
		hears(&g, to, frame);
	}
	/* Who talks to himself is heard by nobody. */
	make(frame, 1, 1, 1);
	says(&g, 1, frame);
	for (int i = 0; i < N; i++)
		rig_expect_nothing(g.rigs[i], NET_RX);
	end(*state, &g);
}

static void an_address_can_move(void **state)
{
	unsigned char frame[LEN];
	struct guests g;

	begin(*state, &g);
	for (int at = 1; at < N; at++) {
		make(frame, 0, 7, 1);
		says(&g, at, frame);
		hears(&g, 0, frame);
		if (at == 1) /* nobody knows yet where the first guest is */
			hears(&g, 2, frame);
		make(frame, 7, 0, 2);
		says(&g, 0, frame);
		hears(&g, at, frame);
	}
	for (int i = 0; i < N; i++)
		rig_expect_nothing(g.rigs[i], NET_RX);
	end(*state, &g);
}

/* A guest with ever new addresses makes its own be forgotten, not those of others. */
static void a_guest_with_many_addresses_harms_nobody(void **state)
{
	unsigned char frame[LEN];
	struct guests g;

	begin(*state, &g);
	make(frame, ALL, 1, 1);
	says(&g, 1, frame);
	hears(&g, 0, frame);
	hears(&g, 2, frame);
	for (int i = 0; i < 200; i++) {
		make(frame, 1, 20 + i, 3);
		says(&g, 2, frame);
		hears(&g, 1, frame);
	}
	make(frame, 1, 0, 4);
	says(&g, 0, frame);
	hears(&g, 1, frame);
	make(frame, 219, 0, 5); /* the latest is known, the first one is not */
	says(&g, 0, frame);
	hears(&g, 2, frame);
	make(frame, 20, 0, 6);
	says(&g, 0, frame);
	hears(&g, 1, frame);
	hears(&g, 2, frame);
	rig_expect_nothing(g.rigs[1], NET_RX);
	end(*state, &g);
}

static void nobody_speaks_with_the_address_of_a_group(void **state)
{
	struct rig *rig = *state;
	unsigned char frame[LEN];
	struct guests g;

	begin(rig, &g);
	make(frame, ALL, 0, 1);
	frame[6] = 3;
	says(&g, 0, frame);
	rig_expect_nothing(g.rigs[1], NET_RX);
	assert_int_equal(net_stat(rig, "lost"), 1);
	end(rig, &g);
}

static void who_has_no_buffers_misses_it_and_nobody_waits(void **state)
{
	struct rig *rig = *state;
	unsigned char frame[LEN];
	struct guests g;

	begin(rig, &g);
	for (uint32_t i = 0; i < 3 * BUFFERS; i++) {
		make(frame, ALL, 1, i);
		says(&g, 1, frame);
		hears(&g, 2, frame);
	}
	assert_int_equal(net_stat(rig, "missed"), 2 * BUFFERS);
	for (uint32_t i = 0; i < BUFFERS; i++) {
		make(frame, ALL, 1, i);
		hears(&g, 0, frame);
	}
	/* One that leaves misses it, too. */
	peer_disconnect(g.rigs[2]->peer);
	make(frame, ALL, 1, 99);
	says(&g, 1, frame);
	hears(&g, 0, frame);
	end(rig, &g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_for_nobody_known_is_for_all_others),
		TEST(what_is_for_one_is_heard_by_that_one_alone),
		TEST(an_address_can_move),
		TEST(a_guest_with_many_addresses_harms_nobody),
		TEST(nobody_speaks_with_the_address_of_a_group),
		TEST(who_has_no_buffers_misses_it_and_nobody_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
