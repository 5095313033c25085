/* SPDX-License-Identifier: MIT */
/* vu-net's switch: three guests of one process, what each of them hears, and what none may do. */
#include "net_lan.h"

const char *const rig_program = "VU_NET";

static void what_is_for_nobody_known_is_for_all_others(void **state)
{
	unsigned char frame[LAN_LEN];
	struct lan lan;

	lan_begin(*state, &lan, NULL);
	lan_make(frame, 1, 0, 1);
	lan_says(&lan, 0, frame);
	lan_hears(&lan, 1, frame);
	lan_hears(&lan, 2, frame);
	lan_make(frame, LAN_ALL, 1, 2);
	lan_says(&lan, 1, frame);
	lan_hears(&lan, 0, frame);
	lan_hears(&lan, 2, frame);
	lan_is_quiet(&lan);
	lan_end(&lan);
}

static void what_is_for_one_is_heard_by_that_one_alone(void **state)
{
	unsigned char frame[LAN_LEN];
	struct lan lan;

	lan_begin(*state, &lan, NULL);
	for (int i = 0; i < GUESTS; i++) {
		lan_make(frame, LAN_ALL, i, (uint32_t)i);
		lan_says(&lan, i, frame);
		for (int k = 0; k < GUESTS; k++)
			if (k != i)
				lan_hears(&lan, k, frame);
	}
	for (uint32_t i = 0; i < 60; i++) {
		int from = (int)i % GUESTS, to = (int)(i + 1 + i / GUESTS % 2) % GUESTS;

		lan_make(frame, to, from, i);
		lan_says(&lan, from, frame);
		lan_hears(&lan, to, frame);
	}
	/* Who talks to himself is heard by nobody. */
	lan_make(frame, 1, 1, 1);
	lan_says(&lan, 1, frame);
	lan_is_quiet(&lan);
	lan_end(&lan);
}

static void an_address_can_move(void **state)
{
	unsigned char frame[LAN_LEN];
	struct lan lan;

	lan_begin(*state, &lan, NULL);
	for (int at = 1; at < GUESTS; at++) {
		lan_make(frame, 0, 7, 1);
		lan_says(&lan, at, frame);
		lan_hears(&lan, 0, frame);
		if (at == 1) /* nobody knows yet where the first guest is */
			lan_hears(&lan, 2, frame);
		lan_make(frame, 7, 0, 2);
		lan_says(&lan, 0, frame);
		lan_hears(&lan, at, frame);
	}
	lan_is_quiet(&lan);
	lan_end(&lan);
}

/* A guest with ever new addresses makes its own be forgotten, not those of others. */
static void a_guest_with_many_addresses_harms_nobody(void **state)
{
	unsigned char frame[LAN_LEN];
	struct lan lan;

	lan_begin(*state, &lan, NULL);
	lan_make(frame, LAN_ALL, 1, 1);
	lan_says(&lan, 1, frame);
	lan_hears(&lan, 0, frame);
	lan_hears(&lan, 2, frame);
	for (int i = 0; i < 200; i++) {
		lan_make(frame, 1, 20 + i, 3);
		lan_says(&lan, 2, frame);
		lan_hears(&lan, 1, frame);
	}
	lan_make(frame, 1, 0, 4);
	lan_says(&lan, 0, frame);
	lan_hears(&lan, 1, frame);
	lan_make(frame, 219, 0, 5); /* the latest is known, the first one is not */
	lan_says(&lan, 0, frame);
	lan_hears(&lan, 2, frame);
	lan_make(frame, 20, 0, 6);
	lan_says(&lan, 0, frame);
	lan_hears(&lan, 1, frame);
	lan_hears(&lan, 2, frame);
	rig_expect_nothing(lan.guests.rigs[1], NET_RX);
	lan_end(&lan);
}

static void nobody_speaks_with_the_address_of_a_group(void **state)
{
	struct rig *rig = *state;
	unsigned char frame[LAN_LEN];
	struct lan lan;

	lan_begin(rig, &lan, NULL);
	lan_make(frame, LAN_ALL, 0, 1);
	frame[6] = 3;
	lan_says(&lan, 0, frame);
	rig_expect_nothing(lan.guests.rigs[1], NET_RX);
	assert_int_equal(net_stat(rig, "lost"), 1);
	lan_end(&lan);
}

/* A guest that gives no buffers gets later what there was room for. */
static void who_has_no_buffers_misses_it_and_nobody_waits(void **state)
{
	static unsigned char large[60000];
	struct rig *rig = *state;
	unsigned char frame[LAN_LEN];
	struct lan lan;

	lan_begin(rig, &lan, NULL);
	for (uint32_t i = 0; i < 3 * LAN_BUFFERS; i++) {
		lan_make(frame, LAN_ALL, 1, i);
		lan_says(&lan, 1, frame);
		lan_hears(&lan, 2, frame);
	}
	assert_int_equal(net_stat(rig, "missed"), 0);
	for (uint32_t i = 0; i < 3 * LAN_BUFFERS; i++) {
		lan_make(frame, LAN_ALL, 1, i);
		lan_hears(&lan, 0, frame);
	}
	/* Without end it is not kept, and nobody waits. */
	lan_make(frame, 1, 2, 1);
	lan_says(&lan, 2, frame);
	for (uint32_t i = 0; i < 40; i++) {
		lan_make(large, LAN_ALL, 1, i);
		net_send(lan.guests.rigs[1], NULL, large, sizeof(large));
		lan_make(frame, 2, 1, i);
		lan_says(&lan, 1, frame);
	}
	assert_in_range(net_stat(rig, "missed"), 40 - 16, 40);
	/* One that leaves misses it, too. */
	peer_disconnect(lan.guests.rigs[2]->peer);
	lan_make(frame, 2, 1, 99);
	lan_says(&lan, 1, frame);
	lan_end(&lan);
}

/* More for one guest than it takes, from another one: a third one that speaks to it is heard. */
static void a_flood_from_one_leaves_room_for_another(void **state)
{
	enum { ROUNDS = 60, EACH = 200 };
	static struct rig_buffer flood;
	struct rig *rig = *state, *from;
	struct driver_seg seg;
	unsigned char frame[LAN_LEN];
	struct lan lan;
	uint32_t heard = 0;

	lan_begin(rig, &lan, NULL);
	lan_make(frame, 1, 0, 1);
	lan_says(&lan, 0, frame);
	from = lan.guests.rigs[1];
	rig_buffer(from, &flood, 12 + 1500);
	memset(flood.data, 0, flood.len);
	lan_make(flood.data + 12, 0, 1, 1);
	seg = rig_read_seg(&flood, flood.len);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		for (int k = 1; k < EACH; k++)
			rig_check(from, driver_add(from->peer->queues[NET_TX], &seg, 1, from));
		rig_offer(from, NET_TX, &seg, 1, from);
		lan_make(frame, 0, 2, i);
		lan_says(&lan, 2, frame);
		for (int k = 0; k < EACH; k++)
			rig_wait(from, NET_TX, NULL);
	}
	assert_in_range(lan_count(rig, "port 1", "missed"), 1, ROUNDS * EACH);
	assert_int_equal(lan_count(rig, "port 2", "missed"), 0);
	while (heard < ROUNDS) {
		struct rig_buffer *buffer = rig_wait(rig, NET_RX, NULL);
		struct driver_seg again = rig_write_seg(buffer, LAN_ROOM);

		lan_make(frame, 0, 2, heard);
		if (!memcmp(buffer->data + 12, frame, LAN_LEN))
			heard++;
		rig_offer(rig, NET_RX, &again, 1, buffer);
	}
	lan_end(&lan);
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
		TEST(a_flood_from_one_leaves_room_for_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
