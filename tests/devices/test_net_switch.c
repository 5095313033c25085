/* SPDX-License-Identifier: MIT */
/* vu-net's switch: three guests of one process, what each of them hears, and what none may do. */
#include "guests.h"
#include "net.h"

const char *const rig_program = "VU_NET";

enum { LEN = 80, BUFFERS = 8, ROOM = 200, ALL = -1 };

struct lan {
	struct guests guests;
	struct rig_buffer buffers[GUESTS][BUFFERS];
};

static void begin(struct rig *rig, struct lan *lan)
{
	guests_name(&lan->guests, rig, 2);
	net_start(rig, "switch", lan->guests.options);
	guests_connect(&lan->guests);
	for (int i = 0; i < GUESTS; i++)
		for (int k = 0; k < BUFFERS; k++)
			net_give(lan->guests.rigs[i], NET_RX, &lan->buffers[i][k], ROOM);
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
static void hears(struct lan *lan, int who, const unsigned char *frame)
{
	struct rig *rig = lan->guests.rigs[who];
	struct rig_buffer *buffer;
	struct driver_seg seg;
	uint32_t len;

	buffer = rig_wait(rig, NET_RX, &len);
	assert_int_equal(len, 12 + LEN);
	assert_memory_equal(buffer->data + 12, frame, LEN);
	seg = rig_write_seg(buffer, ROOM);
	rig_offer(rig, NET_RX, &seg, 1, buffer);
}

static void says(struct lan *lan, int who, const unsigned char *frame)
{
	net_send(lan->guests.rigs[who], NULL, frame, LEN);
}

static void what_is_for_nobody_known_is_for_all_others(void **state)
{
	unsigned char frame[LEN];
	struct lan lan;

	begin(*state, &lan);
	make(frame, 1, 0, 1);
	says(&lan, 0, frame);
	hears(&lan, 1, frame);
	hears(&lan, 2, frame);
	make(frame, ALL, 1, 2);
	says(&lan, 1, frame);
	hears(&lan, 0, frame);
	hears(&lan, 2, frame);
	for (int i = 0; i < GUESTS; i++)
		rig_expect_nothing(lan.guests.rigs[i], NET_RX);
	guests_end(&lan.guests);
}

static void what_is_for_one_is_heard_by_that_one_alone(void **state)
{
	unsigned char frame[LEN];
	struct lan lan;

	begin(*state, &lan);
	for (int i = 0; i < GUESTS; i++) {
		make(frame, ALL, i, (uint32_t)i);
		says(&lan, i, frame);
		for (int k = 0; k < GUESTS; k++)
			if (k != i)
				hears(&lan, k, frame);
	}
	for (uint32_t i = 0; i < 60; i++) {
		int from = (int)i % GUESTS, to = (int)(i + 1 + i / GUESTS % 2) % GUESTS;

		make(frame, to, from, i);
		says(&lan, from, frame);
		hears(&lan, to, frame);
	}
	/* Who talks to himself is heard by nobody. */
	make(frame, 1, 1, 1);
	says(&lan, 1, frame);
	for (int i = 0; i < GUESTS; i++)
		rig_expect_nothing(lan.guests.rigs[i], NET_RX);
	guests_end(&lan.guests);
}

static void an_address_can_move(void **state)
{
	unsigned char frame[LEN];
	struct lan lan;

	begin(*state, &lan);
	for (int at = 1; at < GUESTS; at++) {
		make(frame, 0, 7, 1);
		says(&lan, at, frame);
		hears(&lan, 0, frame);
		if (at == 1) /* nobody knows yet where the first guest is */
			hears(&lan, 2, frame);
		make(frame, 7, 0, 2);
		says(&lan, 0, frame);
		hears(&lan, at, frame);
	}
	for (int i = 0; i < GUESTS; i++)
		rig_expect_nothing(lan.guests.rigs[i], NET_RX);
	guests_end(&lan.guests);
}

/* A guest with ever new addresses makes its own be forgotten, not those of others. */
static void a_guest_with_many_addresses_harms_nobody(void **state)
{
	unsigned char frame[LEN];
	struct lan lan;

	begin(*state, &lan);
	make(frame, ALL, 1, 1);
	says(&lan, 1, frame);
	hears(&lan, 0, frame);
	hears(&lan, 2, frame);
	for (int i = 0; i < 200; i++) {
		make(frame, 1, 20 + i, 3);
		says(&lan, 2, frame);
		hears(&lan, 1, frame);
	}
	make(frame, 1, 0, 4);
	says(&lan, 0, frame);
	hears(&lan, 1, frame);
	make(frame, 219, 0, 5); /* the latest is known, the first one is not */
	says(&lan, 0, frame);
	hears(&lan, 2, frame);
	make(frame, 20, 0, 6);
	says(&lan, 0, frame);
	hears(&lan, 1, frame);
	hears(&lan, 2, frame);
	rig_expect_nothing(lan.guests.rigs[1], NET_RX);
	guests_end(&lan.guests);
}

static void nobody_speaks_with_the_address_of_a_group(void **state)
{
	struct rig *rig = *state;
	unsigned char frame[LEN];
	struct lan lan;

	begin(rig, &lan);
	make(frame, ALL, 0, 1);
	frame[6] = 3;
	says(&lan, 0, frame);
	rig_expect_nothing(lan.guests.rigs[1], NET_RX);
	assert_int_equal(net_stat(rig, "lost"), 1);
	guests_end(&lan.guests);
}

static void who_has_no_buffers_misses_it_and_nobody_waits(void **state)
{
	struct rig *rig = *state;
	unsigned char frame[LEN];
	struct lan lan;

	begin(rig, &lan);
	for (uint32_t i = 0; i < 3 * BUFFERS; i++) {
		make(frame, ALL, 1, i);
		says(&lan, 1, frame);
		hears(&lan, 2, frame);
	}
	assert_int_equal(net_stat(rig, "missed"), 2 * BUFFERS);
	for (uint32_t i = 0; i < BUFFERS; i++) {
		make(frame, ALL, 1, i);
		hears(&lan, 0, frame);
	}
	/* One that leaves misses it, too. */
	peer_disconnect(lan.guests.rigs[2]->peer);
	make(frame, ALL, 1, 99);
	says(&lan, 1, frame);
	hears(&lan, 0, frame);
	guests_end(&lan.guests);
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
