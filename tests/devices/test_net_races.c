/* SPDX-License-Identifier: MIT */
/* A guest of vu-net's switch that changes what it sends while that is read, and others that hear of
 * it. */
#include <pthread.h>
#include <stdatomic.h>

#include "net_lan.h"
#include "net_packets.h"

const char *const rig_program = "VU_NET";

enum {
	HEADER = sizeof(struct virtio_net_hdr_v1),
	PAYLOAD = 2800,
	ROOM = 4096,
	N = 64,
	ROUNDS = 100,
	EVERY = 10,
	BATCH = 20
};

#define BIT(number) (UINT64_C(1) << (number))

/* What it changes, and back again: bytes of the header and of the frame behind it. */
static const struct change {
	uint8_t at, wrong;
} changes[] = {
	{0, 0}, /* no checksum, */
	{1, 0},
	{1, 4},
	{1, 3}, /* other segments, or none */
	{1, 5},
	{1, 0x81}, /* or of another kind */
	{2, 255},
	{3, 255}, /* longer headers */
	{4, 1},
	{5, 0},
	{5, 255}, /* other sizes */
	{6, 0},
	{6, 255},
	{7, 255}, /* a checksum that begins elsewhere */
	{8, 6},
	{9, 255},	     /* and is elsewhere */
	{HEADER + 5, 2},     /* for another guest */
	{HEADER + 6, 255},   /* from a group */
	{HEADER + 12, 0x86}, /* no IP */
	{HEADER + 14, 0x4f},
	{HEADER + 14, 0x40}, /* longer and shorter headers of IP */
	{HEADER + 20, 0x20}, /* a fragment */
	{HEADER + 46, 0xf0},
	{HEADER + 46, 0}, /* the same of TCP */
};

struct racer {
	pthread_t thread;
	atomic_bool ends;
	unsigned char *data;
};

static void *race(void *opaque)
{
	struct racer *r = opaque;

	for (size_t i = 0; !atomic_load(&r->ends);
	     i = (i + 1) % (sizeof(changes) / sizeof(*changes))) {
		unsigned char *at = r->data + changes[i].at;
		unsigned char right = __atomic_load_n(at, __ATOMIC_RELAXED);

		for (int k = 0; k < 200; k++) {
			__atomic_store_n(at, changes[i].wrong, __ATOMIC_RELAXED);
			__atomic_store_n(at, right, __ATOMIC_RELAXED);
		}
	}
	return NULL;
}

static struct rig_buffer buffers[GUESTS][N];

/* What a driver may be told: nothing that reaches beyond the packet, or that it did not take. */
static void expect_sound(const struct virtio_net_hdr_v1 *h, uint32_t len, bool plain,
			 uint32_t longest)
{
	uint32_t start = le16toh(h->csum_start);

	assert_in_range(len, 14, longest);
	assert_int_equal(le16toh(h->num_buffers), 1);
	if (plain)
		assert_int_equal(h->flags | h->gso_type, 0);
	if (!h->flags) {
		assert_int_equal(h->gso_type, 0);
		return;
	}
	assert_int_equal(h->flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_in_range(start, 14, len - 2);
	assert_in_range(start + le16toh(h->csum_offset) + 2, 16, len);
	if (h->gso_type) {
		assert_true(h->gso_type == VIRTIO_NET_HDR_GSO_TCPV4 || h->gso_type == PACKET_USO ||
			    h->gso_type == (VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN));
		assert_int_not_equal(h->gso_size, 0);
		assert_in_range(le16toh(h->hdr_len), start + 8, len);
	}
}

static void drain(struct lan *lan, int who, uint32_t longest)
{
	struct rig *rig = lan->guests.rigs[who];

	while (driver_has_used(rig->peer->queues[NET_RX])) {
		struct virtio_net_hdr_v1 h;
		struct driver_seg seg;
		uint32_t len;
		struct rig_buffer *buffer = rig_wait(rig, NET_RX, &len);

		memcpy(&h, buffer->data, HEADER);
		expect_sound(&h, len - HEADER, who == 2, longest);
		seg = rig_write_seg(buffer, ROOM);
		rig_offer(rig, NET_RX, &seg, 1, buffer);
	}
}

/* Its receive queue is off for a moment, whatever is on its way. */
static void turn_off_and_on(struct rig *rig)
{
	rig_check(rig, frontend_set_vring_enable(&rig->peer->frontend, NET_RX, false));
	rig_check(rig, frontend_set_vring_enable(&rig->peer->frontend, NET_RX, true));
}

/* The header in single bytes, or in one piece with the frame, or in three; and descriptors of the
 * least length. */
static uint32_t describe(const struct rig_buffer *buffer, struct driver_seg *segs, uint32_t round)
{
	const uint32_t parts[3][3] = {{HEADER, 1, 40}, {5, 7, 1}, {HEADER + 20, 1, 30}};
	uint32_t at = 0, n = 0;

	for (; n < 3; n++) {
		segs[n] = (struct driver_seg){.gpa = buffer->gpa + at, .len = parts[round % 3][n]};
		at += segs[n].len;
	}
	segs[n++] = (struct driver_seg){.gpa = buffer->gpa + at, .len = buffer->len - at};
	return n;
}

static void what_changes_while_it_is_read_harms_nobody(void **state)
{
	static struct net_made m;
	struct racer racer = {.ends = false};
	struct rig *rig = *state;
	struct rig_buffer buffer;
	struct driver_seg segs[4];
	struct lan lan;

	guests_name(&lan.guests, rig, 2);
	net_start(rig, "switch", lan.guests.options);
	lan.guests.rigs[2]->config.features = BIT(32) | BIT(30) | BIT(VIRTIO_NET_F_MRG_RXBUF);
	guests_connect(&lan.guests);
	for (int i = 1; i < GUESTS; i++)
		for (int k = 0; k < N; k++)
			net_give(lan.guests.rigs[i], NET_RX, &buffers[i][k], ROOM);
	net_make(&m, 0, 1, 0, PAYLOAD, 1400);
	rig_buffer(rig, &buffer, HEADER + m.len);
	memcpy(buffer.data, &m.header, HEADER);
	memcpy(buffer.data + HEADER, m.frame, m.len);
	racer.data = buffer.data;
	assert_int_equal(pthread_create(&racer.thread, NULL, race, &racer), 0);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		for (uint32_t k = 0; k < BATCH; k++)
			rig_offer(rig, NET_TX, segs, describe(&buffer, segs, i + k), rig);
		if (i % EVERY == 0)
			turn_off_and_on(lan.guests.rigs[1 + i / EVERY % 2]);
		for (uint32_t k = 0; k < BATCH; k++)
			assert_ptr_equal(rig_wait(rig, NET_TX, NULL), rig);
		drain(&lan, 1, m.len);
		drain(&lan, 2, m.len);
	}
	atomic_store(&racer.ends, true);
	pthread_join(racer.thread, NULL);
	assert_int_equal(net_stat(rig, "sent") + net_stat(rig, "refused") + net_stat(rig, "lost"),
			 ROUNDS * BATCH);
	lan_end(&lan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_changes_while_it_is_read_harms_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
