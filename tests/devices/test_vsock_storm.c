/* SPDX-License-Identifier: MIT */
/*
 * vu-vsock between a guest that sends anything at any time, in batches, and hosts that come, write,
 * read little, close half or reset: nothing breaks, and nothing is left of it.
 */
#include "kit/counts.h"
#include "vsock.h"

#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

const char *const rig_program = "VU_VSOCK";

enum {
	ROUNDS = 1500,
	PACKETS = 64,
	BUFFERS = 64,
	PACKET = 2048,
	HOSTS = 24,
	DOORS = 5,
	PORTS = 6,		  /* of the guest's that connections come from */
	FIRST_CLIENT = 0x40000000 /* the port that clients seem to come from at first */
};

struct storm {
	struct rig *rig;
	uint32_t seed;
	struct rig_buffer packets[PACKETS], buffers[BUFFERS];
	struct rig_buffer *free_packets[PACKETS], *free_buffers[BUFFERS];
	uint32_t n_packets, n_buffers;
	int hosts[HOSTS];
	const char *doors[DOORS]; /* paths: the first two we listen at, the device at the others */
	int listeners[2];
	uint32_t clients; /* ports that were seen */
};

static uint32_t any(struct storm *s, uint32_t n)
{
	s->seed ^= s->seed << 13;
	s->seed ^= s->seed >> 17;
	s->seed ^= s->seed << 5;
	return s->seed % n;
}

static bool is_of_type(uint32_t door)
{
	return door == 1 || door == 3;
}

/* --- the guest --- */

static uint32_t any_credit(struct storm *s)
{
	static const uint32_t credits[] = {0, 1, 500, 70000, 1 << 20, UINT32_MAX, 0, 1 << 16};

	return credits[any(s, 8)];
}

static struct virtio_vsock_hdr any_header(struct storm *s, uint32_t len)
{
	static const uint16_t ops[] = {
		REQUEST, REQUEST,  REQUEST, RESPONSE,	   RESPONSE,	   RW, RW, RW, RW,
		RW,	 SHUTDOWN, RST,	    CREDIT_UPDATE, CREDIT_REQUEST, RW};
	static const uint32_t services[] = {22, 23, 24};
	bool asks = any(s, 2);
	uint16_t op = ops[any(s, 15)];
	uint32_t port = asks ? 1000 + any(s, PORTS) : services[any(s, 3)];
	uint32_t peer = asks ? 1 + any(s, 5) : FIRST_CLIENT + s->clients - any(s, 8);

	uint16_t type = peer == 2 || port == 23 ? SEQPACKET : STREAM;

	return (struct virtio_vsock_hdr){
		.src_cid = htole64(any(s, 100) ? (uint32_t)GUEST_CID : any(s, 5)),
		.dst_cid = htole64(any(s, 50) ? (uint32_t)HOST_CID : (uint32_t)GUEST_CID),
		.src_port = htole32(any(s, 8) ? port : peer), /* the other end of a hairpin */
		.dst_port = htole32(any(s, 8) ? peer : port),
		.type = htole16((uint16_t)(any(s, 50) ? type : any(s, 4))),
		.op = htole16(any(s, 60) ? op : any(s, 12)),
		.len = htole32(any(s, 40) ? (op == RW ? len : 0) : any(s, 9000)),
		.flags = htole32(any(s, 4)),
		.buf_alloc = htole32(any_credit(s)),
		.fwd_cnt = htole32(any(s, 2) ? 0 : any_credit(s)),
	};
}

static void send_some(struct storm *s)
{
	struct driver_ring *ring = s->rig->peer->queues[VSOCK_TX];

	for (uint32_t n = 1 + any(s, 24); n && s->n_packets; n--) {
		struct rig_buffer *b = s->free_packets[s->n_packets - 1];
		uint32_t len = any(s, any(s, 4) ? 100 : PACKET - VSOCK_HEAD);
		const struct virtio_vsock_hdr header = any_header(s, len);
		uint32_t all = VSOCK_HEAD + (header.op == htole16(RW) ? len : any(s, 3));
		uint32_t cut = 1 + any(s, all);
		const struct driver_seg segs[] = {
			{.gpa = b->gpa, .len = cut},
			{.gpa = b->gpa + cut, .len = all - cut},
		};

		memcpy(b->data, &header, VSOCK_HEAD);
		if (driver_add(ring, segs, cut < all ? 2 : 1, b) < 0)
			break;
		s->n_packets--;
	}
	assert_true(driver_kick(ring) >= 0);
}

static void give_some(struct storm *s)
{
	struct driver_ring *ring = s->rig->peer->queues[VSOCK_RX];

	for (uint32_t n = any(s, 32); n && s->n_buffers; n--) {
		struct rig_buffer *b = s->free_buffers[s->n_buffers - 1];
		uint32_t all = any(s, 4) ? PACKET : 1 + any(s, 2 * VSOCK_HEAD);
		const struct driver_seg seg = {.gpa = b->gpa, .len = all, .write = true};

		if (driver_add(ring, &seg, 1, b) < 0)
			break;
		s->n_buffers--;
	}
	assert_true(driver_kick(ring) >= 0);
}

static void collect(struct storm *s)
{
	struct driver_used used;

	while (driver_collect(s->rig->peer->queues[VSOCK_TX], &used, 1) == 1)
		s->free_packets[s->n_packets++] = used.cookie;
	while (driver_collect(s->rig->peer->queues[VSOCK_RX], &used, 1) == 1) {
		struct rig_buffer *b = used.cookie;
		uint32_t port = le32toh(((struct virtio_vsock_hdr *)b->data)->src_port);

		if (used.len >= VSOCK_HEAD && port - FIRST_CLIENT < 1 << 20 &&
		    port - FIRST_CLIENT >= s->clients)
			s->clients = port - FIRST_CLIENT + 1;
		s->free_buffers[s->n_buffers++] = b;
	}
}

/* --- hosts --- */

static int host_comes(struct storm *s)
{
	uint32_t door = any(s, DOORS);
	int fd;

	if (door < 2)
		return accept(s->listeners[door], NULL, NULL);
	fd = client_connect_as(s->doors[door], is_of_type(door) ? SOCK_SEQPACKET : SOCK_STREAM);
	if (door == 4)
		send(fd, "CONNECT 24\nmore", any(s, 16), MSG_NOSIGNAL);
	return fd;
}

static void host_acts(struct storm *s)
{
	static char bytes[20000];
	int *host = &s->hosts[any(s, HOSTS)];

	if (*host < 0) {
		*host = host_comes(s);
		return;
	}
	switch (any(s, 8)) {
	case 0:
		shutdown(*host, (int)any(s, 3));
		break;
	case 1:
		close(*host);
		*host = -1;
		break;
	case 2:
	case 3:
		recv(*host, bytes, any(s, sizeof(bytes)), MSG_DONTWAIT);
		break;
	default:
		send(*host, bytes, any(s, any(s, 2) ? 300 : sizeof(bytes)),
		     MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

/* --- all of it --- */

static void storm_begin(struct storm *s, struct rig *rig)
{
	static const char *const options[] = {"--forward=1=unix:%s", "--forward=2=seqpacket:%s",
					      "--listen=22=unix:%s", "--listen=23=seqpacket:%s",
					      "--uds-path=%s"};
	char texts[DOORS][RIG_PATH + 32];
	const char *args[DOORS + 8] = {"--forward=3=exec:cat", "--forward=4=hairpin",
				       "--max-connections=48", "--buffer-size=8K",
				       "--coalesce-us=20",     "--linger=1"};

	*s = (struct storm){.rig = rig, .seed = 4711};
	if (getenv("VU_STORM_SEED"))
		s->seed = (uint32_t)atoi(getenv("VU_STORM_SEED"));
	for (uint32_t i = 0; i < DOORS; i++) {
		char name[8] = {'d', (char)('0' + i)};

		s->doors[i] = rig_file(rig, name, NULL);
		snprintf(texts[i], sizeof(texts[i]), options[i], s->doors[i]);
		args[6 + i] = texts[i];
		if (i < 2)
			s->listeners[i] = client_listen_as(
				s->doors[i],
				(is_of_type(i) ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_NONBLOCK, 4);
	}
	for (uint32_t i = 0; i < HOSTS; i++)
		s->hosts[i] = -1;
	rig->config.queue_size = PACKETS * 2;
	vsock_spawn(rig, args);
}

static void storm_connect(struct storm *s)
{
	rig_connect(s->rig);
	s->n_packets = s->n_buffers = 0;
	for (uint32_t i = 0; i < PACKETS; i++) {
		rig_buffer(s->rig, &s->packets[i], PACKET);
		s->free_packets[s->n_packets++] = &s->packets[i];
	}
	for (uint32_t i = 0; i < BUFFERS; i++) {
		rig_buffer(s->rig, &s->buffers[i], PACKET);
		s->free_buffers[s->n_buffers++] = &s->buffers[i];
	}
}

static void storm_blows(struct storm *s, uint32_t rounds)
{
	while (rounds--) {
		send_some(s);
		if (any(s, 3))
			give_some(s);
		for (uint32_t n = any(s, 8); n; n--)
			host_acts(s);
		if (!any(s, 4))
			rig_say(s->rig, any(s, 30) ? "counters" : "reset");
		collect(s);
		/* Not much faster than the device: it has to have taken most of them. */
		while (s->n_packets < PACKETS / 2) {
			give_some(s);
			sched_yield();
			collect(s);
		}
	}
}

static void storm_ends(struct storm *s)
{
	for (uint32_t i = 0; i < HOSTS; i++)
		if (s->hosts[i] >= 0)
			close(s->hosts[i]);
	close(s->listeners[0]);
	close(s->listeners[1]);
}

static void whatever_a_guest_and_its_hosts_do_together_leaves_nothing(void **state)
{
	const char *rounds = getenv("VU_STORM_ROUNDS");
	struct rig *rig = *state;
	struct storm s;
	int before;

	storm_begin(&s, rig);
	storm_connect(&s);
	rig_say(rig, "list");
	before = count_fds_of(rig->program.pid);
	for (uint32_t i = 0; i < 3; i++) {
		storm_blows(&s, (rounds ? (uint32_t)atoi(rounds) : ROUNDS) / 3);
		if (i < 2)
			storm_connect(&s);
	}
	storm_ends(&s);
	storm_connect(&s);
	while (*rig_say(rig, "list"))
		sched_yield();
	assert_int_equal(count_fds_of(rig->program.pid), before);
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(whatever_a_guest_and_its_hosts_do_together_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
