/* SPDX-License-Identifier: MIT */
/*
 * What a disk costs through one protocol and the other: reads and writes of 4 KiB by a driver that
 * sleeps while none is answered.
 *
 *	bench-disk blk|scsi SOCKET PID [DEPTH [MILLISECONDS]]
 *
 * A line for each: requests a second, and the CPU time that PID spends on one.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_scsi.h>

#include "../clocks.h"
#include "frontend/peer.h"

enum { MAX_DEPTH = 128, DATA = 4096, SECTORS = DATA / 512, SPAN = 16384 /* blocks */ };

struct slot {
	unsigned char *out, *in;
	uint64_t out_gpa, in_gpa, data_gpa;
	uint32_t seed;
};

struct bench {
	struct peer *peer;
	struct guest_region memory;
	struct slot slots[MAX_DEPTH];
	bool scsi, writes, ending;
	uint32_t depth, queue, busy;
	uint64_t done;
};

__attribute__((noreturn)) static void fail(const struct bench *b, const char *what)
{
	const char *why = b->peer ? b->peer->frontend.error : "";

	fprintf(stderr, "bench-disk: %s: %s\n", what, *why ? why : strerror(errno));
	exit(1);
}

/* --- requests --- */

static uint32_t fill_blk(const struct bench *b, struct slot *s, uint64_t sector)
{
	const struct virtio_blk_outhdr hdr = {
		.type = b->writes ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, .sector = sector};

	memcpy(s->out, &hdr, sizeof(hdr));
	return sizeof(hdr);
}

static uint32_t fill_scsi(const struct bench *b, struct slot *s, uint64_t sector)
{
	struct virtio_scsi_cmd_req req = {.lun = {1, 0, 0x40}, .tag = (uint64_t)(uintptr_t)s};

	req.cdb[0] = b->writes ? 0x2a : 0x28;
	for (int i = 0; i < 4; i++)
		req.cdb[2 + i] = (uint8_t)(sector >> 8 * (3 - i));
	req.cdb[8] = SECTORS;
	memcpy(s->out, &req, sizeof(req));
	return sizeof(req);
}

/* blk: header, data, status.  scsi: header, answer, data; data written is behind the header. */
static void send(struct bench *b, struct slot *s)
{
	uint32_t head, answer = b->scsi ? sizeof(struct virtio_scsi_cmd_resp) : 1;
	struct driver_seg segs[3];
	uint64_t sector;

	s->seed = s->seed * 1103515245 + 12345;
	sector = (uint64_t)(s->seed >> 8) % SPAN * SECTORS;
	head = b->scsi ? fill_scsi(b, s, sector) : fill_blk(b, s, sector);
	segs[0] = (struct driver_seg){.gpa = s->out_gpa, .len = head};
	segs[1] = (struct driver_seg){.gpa = s->data_gpa, .len = DATA, .write = !b->writes};
	segs[2] = (struct driver_seg){.gpa = s->in_gpa, .len = answer, .write = true};
	if (b->scsi && !b->writes) {
		struct driver_seg data = segs[1];

		segs[1] = segs[2];
		segs[2] = data;
	}
	memset(s->in, 0xff, answer);
	if (driver_add(b->peer->queues[b->queue], segs, 3, s) < 0)
		fail(b, "no room in the ring");
	b->busy++;
}

static bool is_good(const struct bench *b, const struct slot *s)
{
	struct virtio_scsi_cmd_resp answer;

	if (!b->scsi)
		return s->in[0] == VIRTIO_BLK_S_OK;
	memcpy(&answer, s->in, sizeof(answer));
	/* The first answer says that the power is on. */
	return answer.response == VIRTIO_SCSI_S_OK && (!answer.status || !b->done);
}

static bool collect(struct bench *b)
{
	struct driver_used used[MAX_DEPTH];
	struct driver_ring *q = b->peer->queues[b->queue];
	int n = driver_collect(q, used, MAX_DEPTH);

	if (n < 0)
		fail(b, "used ring");
	for (int i = 0; i < n; i++) {
		if (!is_good(b, used[i].cookie))
			fail(b, "a request failed");
		b->busy--;
		b->done++;
		if (!b->ending)
			send(b, used[i].cookie);
	}
	if (n && driver_kick(q) < 0)
		fail(b, "kick");
	return n > 0;
}

static void wait_for_call(struct bench *b)
{
	struct pollfd pfd = {.fd = b->peer->queues[b->queue]->call.driver, .events = POLLIN};
	uint64_t value;

	if (poll(&pfd, 1, 60000) < 1)
		fail(b, "no answer for a minute");
	if (read(pfd.fd, &value, sizeof(value)) < 0 && errno != EAGAIN)
		fail(b, "call");
}

static void run(struct bench *b, bool writes, uint32_t depth, int pid, uint32_t ms)
{
	uint64_t began, cpu, done, ns;

	b->writes = writes;
	b->ending = false;
	for (uint32_t i = 0; i < depth; i++)
		send(b, &b->slots[i]);
	if (driver_kick(b->peer->queues[b->queue]) < 0)
		fail(b, "kick");
	began = clocks_now();
	cpu = clocks_of_process(pid);
	done = b->done;
	while (clocks_now() - began < (uint64_t)ms * 1000000)
		if (!collect(b))
			wait_for_call(b);
	ns = clocks_now() - began;
	cpu = clocks_of_process(pid) - cpu;
	done = b->done - done;
	printf("%-4s %-5s x %3u: %10.0f/s %8.3f us\n", b->scsi ? "scsi" : "blk",
	       writes ? "write" : "read", depth, (double)done * 1e9 / (double)ns,
	       done ? (double)cpu / 1000 / (double)done : 0);
	b->ending = true;
	while (b->busy)
		if (!collect(b))
			wait_for_call(b);
}

/* --- begin --- */

static void connect_to(struct bench *b, const char *path)
{
	struct peer_config config = {
		.n_queues = b->queue + 1, .n_regions = 1, .regions = &b->memory};

	b->memory.size = 64 << 20;
	config.features = UINT64_C(1) << 32 | UINT64_C(1) << 30;
	if (peer_new(&config, &b->peer) || peer_connect(b->peer, path) || peer_start(b->peer))
		fail(b, path);
	for (uint32_t i = 0; i < MAX_DEPTH; i++) {
		struct slot *s = &b->slots[i];
		struct guest *guest = b->peer->guest;

		s->seed = i * 7919 + 1;
		s->out_gpa = guest_alloc(guest, 512, 512);
		s->in_gpa = guest_alloc(guest, 512, 512);
		s->data_gpa = guest_alloc(guest, DATA, DATA);
		s->out = guest_ptr(guest, s->out_gpa, 512);
		s->in = guest_ptr(guest, s->in_gpa, 512);
		if (!s->out || !s->in)
			fail(b, "no guest memory");
	}
}

int main(int argc, char **argv)
{
	static struct bench b;
	uint32_t depth = argc > 4 ? (uint32_t)atoi(argv[4]) : 32;
	uint32_t ms = argc > 5 ? (uint32_t)atoi(argv[5]) : 1000;

	if (argc < 4 || depth < 1 || depth > MAX_DEPTH) {
		fprintf(stderr, "usage: bench-disk blk|scsi SOCKET PID [DEPTH [MILLISECONDS]]\n");
		return 2;
	}
	b.scsi = !strcmp(argv[1], "scsi");
	b.queue = b.scsi ? 2 : 0;
	connect_to(&b, argv[2]);
	run(&b, false, 1, atoi(argv[3]), 1); /* attentions, page faults */
	run(&b, false, depth, atoi(argv[3]), ms);
	run(&b, true, depth, atoi(argv[3]), ms);
	peer_free(b.peer);
	return 0;
}
