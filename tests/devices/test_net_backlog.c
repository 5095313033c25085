/* SPDX-License-Identifier: MIT */
/* vu-net's switch: what waits for a guest that has no buffers, or too few, or is no longer there.
 */
#include "net_lan.h"
#include "net_packets.h"

const char *const rig_program = "VU_NET";

enum { WAITING = 3, LONG = 5000, FEW = 8 };

/* All buffers of the first guest are used, and some frames of the second one's wait for more. */
static void let_some_wait(struct lan *lan, uint32_t n)
{
	unsigned char frame[LAN_LEN];

	for (uint32_t i = 0; i < LAN_BUFFERS + n; i++) {
		lan_make(frame, LAN_ALL, 1, i);
		lan_says(lan, 1, frame);
		lan_hears(lan, 2, frame);
	}
}

static void hears_what_waited(struct lan *lan, uint32_t n)
{
	unsigned char frame[LAN_LEN];

	for (uint32_t i = 0; i < LAN_BUFFERS + n; i++) {
		lan_make(frame, LAN_ALL, 1, i);
		lan_hears(lan, 0, frame);
	}
}

static void what_is_sent_while_the_link_is_down_does_not_come_when_it_is_up(void **state)
{
	struct rig *rig = *state;
	unsigned char frame[LAN_LEN];
	struct lan lan;

	lan_begin(rig, &lan, NULL);
	let_some_wait(&lan, WAITING);
	rig_say(rig, "link down");
	for (uint32_t i = 0; i < WAITING; i++) {
		lan_make(frame, LAN_ALL, 1, 100 + i);
		lan_says(&lan, 1, frame);
		lan_hears(&lan, 2, frame);
	}
	assert_int_equal(net_stat(rig, "missed"), WAITING);
	rig_say(rig, "link up");
	lan_make(frame, LAN_ALL, 1, 200);
	lan_says(&lan, 1, frame);
	lan_hears(&lan, 2, frame);
	hears_what_waited(&lan, WAITING);
	lan_hears(&lan, 0, frame);
	lan_is_quiet(&lan);
	lan_end(&lan);
}

static void what_waits_goes_with_the_driver(void **state)
{
	struct rig *rig = *state;
	unsigned char frame[LAN_LEN];
	struct lan lan;

	lan_begin(rig, &lan, NULL);
	let_some_wait(&lan, WAITING);
	assert_int_not_equal(lan_count(rig, "port 0", "waiting"), 0);
	rig_connect(rig);
	assert_int_equal(lan_count(rig, "port 0", "waiting"), 0);
	net_give(rig, NET_RX, &lan.buffers[0][0], LAN_ROOM);
	lan_make(frame, LAN_ALL, 1, 100);
	lan_says(&lan, 1, frame);
	lan_hears(&lan, 2, frame);
	lan_hears(&lan, 0, frame);
	lan_is_quiet(&lan);
	lan_end(&lan);
}

/* Guests with this many descriptors, all of which the second one's buffers use. */
static void begin_few(struct rig *rig, struct lan *lan)
{
	guests_name(&lan->guests, rig, 2);
	net_start(rig, "switch", lan->guests.options);
	lan->guests.rigs[1]->config.queue_size = FEW;
	guests_connect(&lan->guests);
	for (int k = 0; k < FEW; k++)
		net_give(lan->guests.rigs[1], NET_RX, &lan->buffers[1][k], LAN_ROOM);
}

/* A packet for which a guest's ring has no room at all is not waited for without end. */
static void a_packet_longer_than_the_ring_does_not_keep_those_behind_it(void **state)
{
	static unsigned char large[LONG];
	struct rig *rig = *state, *to;
	unsigned char frame[LAN_LEN];
	struct lan lan;
	uint32_t n = 0;

	begin_few(rig, &lan);
	to = lan.guests.rigs[1];
	lan_make(frame, 2, 1, 1);
	lan_says(&lan, 1, frame);
	lan_make(large, 1, 0, 1);
	net_send(rig, NULL, large, LONG);
	lan_make(frame, 1, 2, 2);
	for (; !driver_has_used(to->peer->queues[NET_RX]); n++)
		lan_says(&lan, 2, frame);
	while (n--)
		lan_hears(&lan, 1, frame);
	assert_int_equal(lan_count(rig, "port 0", "missed"), 1);
	/* Nor is another one. */
	net_send(rig, NULL, large, LONG);
	assert_int_equal(lan_count(rig, "port 0", "missed"), 2);
	lan_end(&lan);
}

/* The ring of a receiver breaks while something is delivered to it, which took some of it. */
static void who_breaks_its_ring_is_a_loss_to_nobody(void **state)
{
	static unsigned char large[LAN_ROOM + LAN_LEN];
	struct rig *rig = *state, *bad;
	const struct driver_seg nowhere = {
		.gpa = UINT64_C(1) << 50, .len = LAN_ROOM, .write = true};
	unsigned char frame[LAN_LEN];
	struct lan lan;

	lan_begin_bare(rig, &lan, NULL);
	bad = lan.guests.rigs[1];
	net_give(rig, NET_RX, &lan.buffers[0][0], LAN_ROOM);
	net_give(lan.guests.rigs[2], NET_RX, &lan.buffers[2][0], 2 * LAN_ROOM);
	net_give(bad, NET_RX, &lan.buffers[1][0], LAN_ROOM);
	rig_check(bad, driver_add(bad->peer->queues[NET_RX], &nowhere, 1, bad));
	driver_publish(bad->peer->queues[NET_RX]);
	lan_make(large, LAN_ALL, 0, 1);
	net_send(rig, NULL, large, sizeof(large));
	net_expect(lan.guests.rigs[2], NET_RX, &lan.buffers[2][0], large, sizeof(large));
	for (uint32_t i = 0; i < WAITING; i++) {
		lan_make(frame, 0, 2, i);
		lan_says(&lan, 2, frame);
		lan_hears(&lan, 0, frame);
	}
	rig_connect(bad);
	net_give(bad, NET_RX, &lan.buffers[1][0], LAN_ROOM);
	lan_make(frame, 1, 0, 9);
	lan_says(&lan, 0, frame);
	lan_hears(&lan, 1, frame);
	lan_end(&lan);
}

/* Segments for which a guest has no room are counted, each of them. */
static void segments_that_nobody_has_room_for_are_missed(void **state)
{
	enum { PAYLOAD = 200, PACKETS = 250 };
	static struct net_made m;
	struct rig *rig = *state;
	unsigned char frame[LAN_LEN];
	struct lan lan;
	uint64_t missed;

	guests_name(&lan.guests, rig, 2);
	net_start(rig, "switch", lan.guests.options);
	lan.guests.rigs[1]->config.features = UINT64_C(1) << 32 | UINT64_C(1) << 30;
	guests_connect(&lan.guests);
	lan_make(frame, 0, 1, 1);
	lan_says(&lan, 1, frame);
	net_make(&m, PACKET_UDP, 1, 0, PAYLOAD, 1);
	/* Until there is a first packet of which nothing is kept. */
	do
		net_send(rig, &m.header, m.frame, m.len);
	while (!lan_count(rig, "port 0", "missed"));
	missed = lan_count(rig, "port 0", "missed");
	assert_in_range(missed, 1, PAYLOAD);
	for (uint32_t i = 0; i < PACKETS; i++)
		net_send(rig, &m.header, m.frame, m.len);
	assert_int_equal(lan_count(rig, "port 0", "missed"), missed + PACKETS * PAYLOAD);
	lan_end(&lan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_sent_while_the_link_is_down_does_not_come_when_it_is_up),
		TEST(what_waits_goes_with_the_driver),
		TEST(a_packet_longer_than_the_ring_does_not_keep_those_behind_it),
		TEST(who_breaks_its_ring_is_a_loss_to_nobody),
		TEST(segments_that_nobody_has_room_for_are_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
