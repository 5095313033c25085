/* SPDX-License-Identifier: MIT */
/*
 * What a socket device costs: bytes each way through one connection, and the round trip of one
 *byte, by a driver that sleeps while there is nothing to do.
 *
 *	bench-vsock SOCKET PID PATH [MILLISECONDS]
 *
 * PATH is the Unix socket that port 1000 of the host leads to; this program listens there.  A line
 * for each: MiB or round trips a second, and the CPU time that PID spends on one.
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/virtio_vsock.h>

#include "../clocks.h"
#include "frontend/peer.h"

enum { RXQ, TXQ, QUEUES = 3, TX = 32, RX = 256, HEAD = sizeof(struct virtio_vsock_hdr) };
enum { RX_BYTES = 4096, MOST = 65536, WINDOW = 256 << 10, PORT = 1000 };

enum mode { SINK, SOURCE, ECHO };

struct slot {
	unsigned char *at;
	uint64_t gpa;
};

struct bench {
	struct peer *peer;
	struct guest_region memory;
	struct slot tx[TX], rx[RX];
	uint32_t free_tx[TX], n_free;
	int listener, pid;
	uint32_t port; /* the guest's */
	/* The connection: */
	uint32_t tx_cnt, peer_fwd, peer_alloc, rx_cnt, told;
	bool is_open, is_over;
	uint64_t bytes; /* that arrived */
};

__attribute__((noreturn)) static void fail(const struct bench *b, const char *what)
{
	fprintf(stderr, "bench-vsock: %s: %s\n", what, b->peer ? b->peer->frontend.error : "");
	exit(1);
}

/* --- the host's program: one connection after the other --- */

struct host {
	int fd;
	enum mode mode;
	_Atomic uint64_t bytes;
};

static void *host_run(void *opaque)
{
	static char data[MOST];
	struct host *h = opaque;
	ssize_t n = 1;

	while (n > 0) {
		if (h->mode == SOURCE)
			n = send(h->fd, data, sizeof(data), MSG_NOSIGNAL);
		else
			n = recv(h->fd, data, sizeof(data), 0);
		if (n > 0 && h->mode == ECHO)
			n = send(h->fd, data, (size_t)n, MSG_NOSIGNAL);
		if (n > 0)
			atomic_fetch_add(&h->bytes, (uint64_t)n);
	}
	close(h->fd);
	return NULL;
}

/* --- packets --- */

static void send_packet(struct bench *b, uint16_t op, uint32_t len)
{
	struct slot *s = &b->tx[b->free_tx[--b->n_free]];
	const struct virtio_vsock_hdr hdr = {
		.src_cid = htole64(3),
		.dst_cid = htole64(2),
		.src_port = htole32(b->port),
		.dst_port = htole32(PORT),
		.len = htole32(len),
		.type = htole16(VIRTIO_VSOCK_TYPE_STREAM),
		.op = htole16(op),
		.flags = htole32(op == VIRTIO_VSOCK_OP_SHUTDOWN ? 3 : 0),
		.buf_alloc = htole32(WINDOW),
		.fwd_cnt = htole32(b->rx_cnt),
	};
	struct driver_seg segs[2] = {{.gpa = s->gpa, .len = HEAD},
				     {.gpa = s->gpa + HEAD, .len = len}};

	memcpy(s->at, &hdr, HEAD);
	if (driver_add(b->peer->queues[TXQ], segs, len ? 2 : 1, s) < 0 ||
	    driver_kick(b->peer->queues[TXQ]) < 0)
		fail(b, "sending");
	b->tx_cnt += len;
	b->told = b->rx_cnt;
}

static void offer(struct bench *b, struct slot *s)
{
	const struct driver_seg seg = {.gpa = s->gpa, .len = RX_BYTES, .write = true};

	if (driver_add(b->peer->queues[RXQ], &seg, 1, s) < 0)
		fail(b, "offering");
}

static void hear(struct bench *b, const struct slot *s)
{
	struct virtio_vsock_hdr hdr;

	memcpy(&hdr, s->at, HEAD);
	if (le32toh(hdr.dst_port) != b->port)
		return; /* what is left of the one before */
	b->peer_fwd = le32toh(hdr.fwd_cnt);
	b->peer_alloc = le32toh(hdr.buf_alloc);
	b->rx_cnt += le32toh(hdr.len);
	b->bytes += le32toh(hdr.len);
	b->is_open |= le16toh(hdr.op) == VIRTIO_VSOCK_OP_RESPONSE;
	b->is_over |= le16toh(hdr.op) == VIRTIO_VSOCK_OP_RST;
}

static bool collect(struct bench *b)
{
	struct driver_used used[RX];
	int n = driver_collect(b->peer->queues[TXQ], used, RX), m;

	for (int i = 0; i < n; i++)
		b->free_tx[b->n_free++] = (uint32_t)((struct slot *)used[i].cookie - b->tx);
	m = driver_collect(b->peer->queues[RXQ], used, RX);
	if (n < 0 || m < 0)
		fail(b, "used ring");
	for (int i = 0; i < m; i++) {
		hear(b, used[i].cookie);
		offer(b, used[i].cookie);
	}
	if (m > 0 && driver_kick(b->peer->queues[RXQ]) < 0)
		fail(b, "kick");
	if (b->rx_cnt - b->told > WINDOW / 2 && b->n_free)
		send_packet(b, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
	return n || m;
}

static void wait_for_calls(struct bench *b)
{
	struct pollfd fds[2];
	uint64_t value;

	for (uint32_t i = 0; i < 2; i++)
		fds[i] = (struct pollfd){.fd = b->peer->queues[i]->call.driver, .events = POLLIN};
	if (poll(fds, 2, 60000) < 1)
		fail(b, "nothing came for a minute");
	for (uint32_t i = 0; i < 2; i++)
		if (fds[i].revents && read(fds[i].fd, &value, sizeof(value)) < 0 && errno != EAGAIN)
			fail(b, "call");
}

static void go_on(struct bench *b)
{
	if (!collect(b))
		wait_for_calls(b);
}

/* --- cases --- */

static uint32_t room(const struct bench *b)
{
	return b->peer_alloc - (b->tx_cnt - b->peer_fwd);
}

static void measure(struct bench *b, struct host *h, uint32_t size, uint32_t ms)
{
	uint64_t began = clocks_now(), sent = 0, *turns = h->mode == SINK ? &sent : &b->bytes;

	b->bytes = 0;
	if (h->mode == ECHO)
		send_packet(b, VIRTIO_VSOCK_OP_RW, 1);
	while (clocks_now() - began < (uint64_t)ms * 1000000) {
		uint64_t before = b->bytes;

		while (h->mode == SINK && b->n_free && room(b) >= size) {
			send_packet(b, VIRTIO_VSOCK_OP_RW, size);
			sent += size;
		}
		go_on(b);
		if (h->mode == ECHO && b->bytes != before)
			send_packet(b, VIRTIO_VSOCK_OP_RW, 1);
	}
	if (h->mode != ECHO)
		b->bytes = *turns;
}

static void run(struct bench *b, const char *name, enum mode mode, uint32_t size, uint32_t ms)
{
	struct host h = {.mode = mode};
	uint64_t began, cpu, ns;
	pthread_t thread;
	double turns;

	b->port++;
	b->tx_cnt = b->peer_fwd = b->peer_alloc = b->rx_cnt = b->told = 0;
	b->is_open = b->is_over = false;
	send_packet(b, VIRTIO_VSOCK_OP_REQUEST, 0);
	while (!b->is_open)
		go_on(b);
	h.fd = accept(b->listener, NULL, NULL);
	if (h.fd < 0 || pthread_create(&thread, NULL, host_run, &h))
		fail(b, "the host's program");
	began = clocks_now();
	cpu = clocks_of_process(b->pid);
	measure(b, &h, size, ms);
	ns = clocks_now() - began;
	cpu = clocks_of_process(b->pid) - cpu;
	turns = (double)b->bytes / (mode == ECHO ? 1 : 1 << 20);
	printf("%-22s %10.0f/s %8.2f us\n", name, turns * 1e9 / (double)ns,
	       turns > 0 ? (double)cpu / 1000 / turns : 0);
	while (!b->n_free)
		go_on(b);
	send_packet(b, VIRTIO_VSOCK_OP_SHUTDOWN, 0);
	while (!b->is_over)
		go_on(b);
	pthread_join(thread, NULL);
}

/* --- begin --- */

static void begin(struct bench *b, const char *socket_path, const char *path)
{
	struct peer_config config = {.n_queues = QUEUES, .n_regions = 1, .regions = &b->memory};
	struct sockaddr_un name = {.sun_family = AF_UNIX};

	b->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
	unlink(path);
	if (b->listener < 0 || bind(b->listener, (struct sockaddr *)&name, sizeof(name)) ||
	    listen(b->listener, 8))
		fail(b, path);
	b->memory.size = 32 << 20;
	config.features = UINT64_C(1) << 32 | UINT64_C(1) << 30 | 1;
	if (peer_new(&config, &b->peer) || peer_connect(b->peer, socket_path) ||
	    peer_start(b->peer))
		fail(b, socket_path);
	for (uint32_t i = 0; i < TX + RX; i++) {
		struct slot *s = i < TX ? &b->tx[i] : &b->rx[i - TX];
		uint32_t size = i < TX ? HEAD + MOST : RX_BYTES;

		s->gpa = guest_alloc(b->peer->guest, size, 4096);
		s->at = guest_ptr(b->peer->guest, s->gpa, size);
		if (!s->at)
			fail(b, "no guest memory");
		if (i < TX)
			b->free_tx[b->n_free++] = i;
		else
			offer(b, s);
	}
	if (driver_kick(b->peer->queues[RXQ]) < 0)
		fail(b, "kick");
}

int main(int argc, char **argv)
{
	static struct bench b;
	uint32_t ms = argc > 4 ? (uint32_t)atoi(argv[4]) : 1000;

	if (argc < 4) {
		fprintf(stderr, "usage: bench-vsock SOCKET PID PATH [MILLISECONDS]\n");
		return 2;
	}
	b.pid = atoi(argv[2]);
	b.port = 4999;
	begin(&b, argv[1], argv[3]);
	run(&b, "to the host, 4 KiB", SINK, 4096, ms);
	run(&b, "to the host, 64 KiB", SINK, MOST, ms);
	run(&b, "to the guest", SOURCE, 0, ms);
	run(&b, "round trip of 1 byte", ECHO, 1, ms);
	peer_free(b.peer);
	unlink(argv[3]);
	return 0;
}
