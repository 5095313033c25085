/* SPDX-License-Identifier: MIT */
/* Network cards: buffers for packets that nobody sends, and packets that are none. */
#include <string.h>

#include "checks.h"

enum { RECEIVE, HEADER = 12, ETHERNET = 14, ROOM = 2048, BUFFERS = 4 };

static int give_buffers(struct probe *p)
{
	struct driver_ring *ring = p->peer->queues[RECEIVE];
	int ret = 0;

	for (int i = 0; ret >= 0 && i < BUFFERS; i++) {
		const struct driver_seg seg = {guest_alloc(p->peer->guest, ROOM, 16), ROOM, true};

		ret = seg.gpa == GUEST_NONE ? -1 : driver_add(ring, &seg, 1, ring);
	}
	return ret < 0 || driver_kick(ring) < 0 ? -1 : 0;
}

/* A used one has a packet; from a network there may be some. */
static const char *packets_flaw(struct driver_ring *ring, uint32_t *n)
{
	struct driver_used used;
	int ret;

	for (*n = 0; (ret = driver_collect(ring, &used, 1)) == 1; (*n)++)
		if (used.len < HEADER + ETHERNET || used.len > ROOM)
			return "a buffer came back with no packet in it";
	return ret < 0 ? "a buffer came back that was not given" : NULL;
}

/* Buffers wait while packets are sent, and are no reason to put off a stop. */
enum verdict check_net_receive(struct probe *p)
{
	struct driver_ring *ring;
	const char *flaw;
	uint32_t n, base;

	if (probe_start(p, NULL))
		return probe_failed(p, "start");
	ring = p->peer->queues[RECEIVE];
	if (give_buffers(p))
		return probe_fail(p, "buffers do not fit");
	if (probe_serve(p, 1))
		return probe_failed(p, "a packet that is sent");
	probe_let_look(p);
	if (frontend_get_vring_base(probe_frontend(p), RECEIVE, &base))
		return probe_failed(p, "a stop with buffers for packets");
	flaw = packets_flaw(ring, &n);
	if (flaw)
		return probe_fail(p, "%s", flaw);
	if (probe_serve(p, 1))
		return probe_failed(p, "afterwards, a packet that is sent");
	return probe_pass(p, "%u of %d were used, with packets", n, BUFFERS);
}

/* --- packets that are none --- */

struct packet {
	uint32_t len; /* of the header and what follows */
	unsigned char header[HEADER];
};

/* virtio_net_hdr_v1: flags, gso_type, hdr_len, gso_size, csum_start, csum_offset, num_buffers. */
static const struct packet packets[] = {
	{1, {0}},
	{HEADER - 1, {0}},
	{HEADER, {0}},
	{HEADER + 1, {0}},
	{ROOM, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
	{ROOM, {1, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0}},
	{HEADER + 20, {1, 0, 0, 0, 0, 0, 19, 0, 0, 0, 0, 0}},
	{ROOM, {0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
	{ROOM, {1, 1, 0xff, 0xff, 1, 0, 34, 0, 16, 0, 0, 0}},
	{ROOM, {1, 0x84, 54, 0, 0xff, 0xff, 34, 0, 16, 0, 1, 0}},
	{ROOM, {0, 3, 42, 0, 1, 0, 0, 0, 0, 0, 0xff, 0xff}},
	{65535 + HEADER, {0}},
};

/* Every one of them may be refused, or what is wrong with it done without. */
static int send_packet(struct probe *p, const struct packet *packet)
{
	uint64_t gpa = guest_alloc(p->peer->guest, packet->len, 16);
	struct driver_seg seg = {gpa, packet->len, false};
	unsigned char *host = gpa == GUEST_NONE ? NULL : guest_ptr(p->peer->guest, gpa, seg.len);
	uint32_t header = packet->len < HEADER ? packet->len : HEADER;

	if (!host)
		return -1;
	memset(host, 0, packet->len);
	memcpy(host, packet->header, header);
	return driver_add(probe_ring(p), &seg, 1, NULL) < 0 ? -1 : 0;
}

static enum verdict send_packets(struct probe *p, uint64_t features)
{
	const struct peer_config config = {.queue_size = 64, .features = features};

	if (probe_start(p, &config))
		return probe_failed(p, "start");
	for (size_t i = 0; i < sizeof(packets) / sizeof(*packets); i++)
		if (send_packet(p, &packets[i]))
			return probe_fail(p, "packets do not fit");
	driver_publish(probe_ring(p));
	driver_kick_always(probe_ring(p));
	probe_let_look(p);
	return probe_survived(p);
}

/* With nothing that a driver may leave out, and with all that a card can do for it. */
enum verdict check_hostile_net(struct probe *p)
{
	uint64_t all = p->features & ~(BIT(F_LOG_ALL) | BIT(F_IOMMU) | BIT(F_PACKED));
	enum verdict verdict = send_packets(p, 0);

	return verdict == CHECK_PASS ? send_packets(p, all) : verdict;
}
