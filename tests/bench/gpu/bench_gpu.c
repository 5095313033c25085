/* SPDX-License-Identifier: MIT */
/*
 * What a vhost-user-gpu back-end costs: bench-gpu SOCKET PID [MILLISECONDS].
 *
 * A driver on the test peer does what Linux's console does for a frame of 1280x800: it transfers
 * all of it, flushes all of it, and goes on when the flush is answered.  A thread is the
 * front-end's display: it answers questions and reads what it is told, as fast as it can.  For each
 * kind of frame: frames a second, counted until the display has the last one; CPU time of PID for
 * one, in microseconds; bytes on the display's socket for one.
 */
#include <endian.h>
#include <linux/virtio_gpu.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../clocks.h"
#include "frontend/peer.h"

enum { W = 1280, H = 800, STRIDE = W * 4, FRAME = STRIDE * H, GLYPH_W = 8, GLYPH_H = 16 };
enum { MEMORY = 16 << 20, REPLY = 4, GET_FEATURES = 1, GET_INFO = 3, GET_EDID = 11, F_EDID = 1 };
enum { PLACE = 2048 };
#define GIVE_UP_NS UINT64_C(60000000000)

struct bench {
	struct peer *peer;
	uint32_t *frame;
	uint64_t frame_gpa, command_gpa;
	int pid, display;
	pthread_t reader;
	atomic_ullong bytes;
	atomic_bool reading;
};

__attribute__((noreturn)) static void fail(const struct bench *b, const char *what)
{
	fprintf(stderr, "bench-gpu: %s: %s\n", what, b->peer ? b->peer->frontend.error : "");
	exit(1);
}

/* --- the display --- */

static bool read_exactly(struct bench *b, void *to, size_t len)
{
	static unsigned char drop[1 << 16];

	while (len) {
		size_t part = to || len < sizeof(drop) ? len : sizeof(drop);
		ssize_t n = recv(b->display, to ? to : drop, part, 0);

		if (n <= 0)
			return false;
		b->bytes += (uint64_t)n;
		len -= (size_t)n;
		if (to)
			to = (char *)to + n;
	}
	return true;
}

static void answer(struct bench *b, uint32_t request)
{
	static const uint32_t sizes[] = {[GET_FEATURES] = 8,
					 [GET_INFO] = sizeof(struct virtio_gpu_resp_display_info),
					 [GET_EDID] = sizeof(struct virtio_gpu_resp_edid)};
	static unsigned char message[12 + 1056];
	const uint32_t header[3] = {request, REPLY, sizes[request]};

	memset(message, 0, sizeof(message));
	memcpy(message, header, sizeof(header));
	/* QEMU's ends where its driver has EDID and its display has not. */
	if (request == GET_FEATURES)
		message[12] = F_EDID;
	if (send(b->display, message, 12 + sizes[request], MSG_NOSIGNAL) < 0)
		perror("bench-gpu: display");
}

static void *display_main(void *opaque)
{
	struct bench *b = opaque;
	uint32_t header[3];

	while (read_exactly(b, header, sizeof(header)) && read_exactly(b, NULL, header[2]))
		if (header[0] == GET_FEATURES || header[0] == GET_INFO || header[0] == GET_EDID)
			answer(b, header[0]);
	return NULL;
}

/* Nothing has come for a while. */
static void wait_still(struct bench *b)
{
	unsigned long long before;

	do {
		before = b->bytes;
		usleep(100000);
	} while (b->bytes != before);
}

/* --- commands --- */

/* Several can be on their way, each in a place of its own. */
static void send_command(struct bench *b, uint32_t place, const void *command, uint32_t len,
			 const void *more, uint32_t more_len)
{
	uint64_t at = b->command_gpa + place * PLACE, answer_at = at + PLACE / 2;
	struct driver_seg segs[2] = {{.gpa = at, .len = len + more_len},
				     {.gpa = answer_at, .len = 24, .write = true}};
	unsigned char *to = guest_ptr(b->peer->guest, at, PLACE);

	memcpy(to, command, len);
	if (more_len)
		memcpy(to + len, more, more_len);
	memset(to + PLACE / 2, 0, 4);
	if (driver_add(b->peer->queues[0], segs, 2, NULL) < 0)
		fail(b, "command");
}

/* Without a nap: it is the back-end that is to be waited for, and nothing else. */
static void wait_for_answers(struct bench *b, uint32_t n)
{
	uint64_t end = clocks_now() + GIVE_UP_NS;
	struct driver_used used;
	uint32_t type;

	if (driver_kick(b->peer->queues[0]) < 0)
		fail(b, "kick");
	for (uint32_t got = 0; got < n;) {
		int ret = driver_collect(b->peer->queues[0], &used, 1);

		if (ret < 0 || clocks_now() > end)
			fail(b, "no answer");
		got += (uint32_t)ret;
		if (!ret)
			sched_yield();
	}
	for (uint32_t i = 0; i < n; i++) {
		memcpy(&type, guest_ptr(b->peer->guest, b->command_gpa + i * PLACE + PLACE / 2, 4),
		       4);
		if (le32toh(type) != VIRTIO_GPU_RESP_OK_NODATA)
			fail(b, "the back-end refuses a command");
	}
}

static void command(struct bench *b, const void *command, uint32_t len, const void *more,
		    uint32_t more_len)
{
	send_command(b, 0, command, len, more, more_len);
	wait_for_answers(b, 1);
}

static void begin(struct bench *b)
{
	const struct virtio_gpu_resource_create_2d create = {
		.hdr.type = htole32(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D),
		.resource_id = htole32(1),
		.format = htole32(VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM),
		.width = htole32(W),
		.height = htole32(H)};
	const struct virtio_gpu_resource_attach_backing attach = {
		.hdr.type = htole32(VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING),
		.resource_id = htole32(1),
		.nr_entries = htole32(1)};
	const struct virtio_gpu_mem_entry entry = {htole64(b->frame_gpa), htole32(FRAME), 0};
	const struct virtio_gpu_set_scanout show = {.hdr.type = htole32(VIRTIO_GPU_CMD_SET_SCANOUT),
						    .r = {0, 0, htole32(W), htole32(H)},
						    .resource_id = htole32(1)};

	command(b, &create, sizeof(create), NULL, 0);
	command(b, &attach, sizeof(attach), &entry, sizeof(entry));
	command(b, &show, sizeof(show), NULL, 0);
}

static void update(struct bench *b)
{
	const struct virtio_gpu_transfer_to_host_2d transfer = {
		.hdr.type = htole32(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D),
		.r = {0, 0, htole32(W), htole32(H)},
		.resource_id = htole32(1)};
	const struct virtio_gpu_resource_flush flush = {
		.hdr.type = htole32(VIRTIO_GPU_CMD_RESOURCE_FLUSH),
		.r = {0, 0, htole32(W), htole32(H)},
		.resource_id = htole32(1)};

	/* As Linux does: both at once. */
	send_command(b, 0, &transfer, sizeof(transfer), NULL, 0);
	send_command(b, 1, &flush, sizeof(flush), NULL, 0);
	wait_for_answers(b, 2);
}

/* --- frames --- */

/* Some letter: rows of bits that no font has. */
static void glyph(struct bench *b, uint32_t column, uint32_t line, uint32_t letter)
{
	for (uint32_t y = 0; y < GLYPH_H; y++)
		for (uint32_t x = 0; x < GLYPH_W; x++)
			b->frame[(line * GLYPH_H + y) * W + column * GLYPH_W + x] =
				(letter * 2654435761u >> (y + x) % 29 & 1) && letter ? 0xaaaaaa : 0;
}

static void still(struct bench *b, uint32_t n)
{
	(void)b;
	(void)n;
}

static void letter(struct bench *b, uint32_t n)
{
	glyph(b, n % (W / GLYPH_W), n / (W / GLYPH_W) % (H / GLYPH_H), n + 1);
}

/* A line of up to 80 letters more, as a build or a boot has them. */
static void scroll(struct bench *b, uint32_t n)
{
	memmove(b->frame, b->frame + GLYPH_H * W, FRAME - GLYPH_H * STRIDE);
	for (uint32_t i = 0; i < W / GLYPH_W; i++)
		glyph(b, i, H / GLYPH_H - 1, i < 30 + n * 7 % 50 ? n * 31 + i + 1 : 0);
}

static void everything(struct bench *b, uint32_t n)
{
	for (uint32_t i = 0; i < W * H; i++)
		b->frame[i] = (i + n) * 2654435761u >> 8;
}

static const struct kind {
	const char *name;
	void (*draw)(struct bench *b, uint32_t n);
} kinds[] = {
	{"nothing changes", still},
	{"a letter", letter},
	{"a line more", scroll},
	{"everything", everything},
};

static void measure(struct bench *b, const struct kind *kind, uint64_t ms)
{
	uint64_t begin_ns, end, cpu, drawing = 0, bytes, ns;
	uint32_t n = 0;

	for (uint32_t i = 0; i < H / GLYPH_H; i++)
		scroll(b, i);
	update(b);
	wait_still(b);
	cpu = clocks_of_process(b->pid);
	bytes = b->bytes;
	begin_ns = clocks_now();
	end = begin_ns + ms * 1000000;
	do {
		uint64_t before = clocks_now();

		kind->draw(b, n);
		drawing += clocks_now() - before;
		update(b);
		n++;
	} while (clocks_now() < end);
	ns = clocks_now() - begin_ns - drawing;
	wait_still(b);
	printf("%-16s %8.0f frames/s %8.0f us CPU %10.0f bytes\n", kind->name, n * 1e9 / (double)ns,
	       (double)(clocks_of_process(b->pid) - cpu) / 1000 / n,
	       (double)(b->bytes - bytes) / n);
	fflush(stdout);
}

/* --- life --- */

static void connect_to(struct bench *b, const char *socket_path)
{
	static struct guest_region memory = {.size = MEMORY, .uva = UINT64_C(0x100000000)};
	const struct peer_config config = {.n_queues = 2, .n_regions = 1, .regions = &memory};
	struct guest *guest;
	int pair[2];

	if (peer_new(&config, &b->peer) || peer_connect(b->peer, socket_path) ||
	    peer_negotiate(b->peer) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		fail(b, "connect");
	b->display = pair[0];
	pthread_create(&b->reader, NULL, display_main, b);
	if (frontend_tell(&b->peer->frontend, WIRE_GPU_SET_SOCKET, NULL, 0, &pair[1], 1))
		fail(b, "GPU_SET_SOCKET");
	close(pair[1]);
	if (peer_set_driver(b->peer) || peer_start_rings(b->peer))
		fail(b, "start");
	guest = b->peer->guest;
	b->command_gpa = guest_alloc(guest, 4096, 4096);
	b->frame_gpa = guest_alloc(guest, FRAME, 4096);
	b->frame = guest_ptr(guest, b->frame_gpa, FRAME);
}

int main(int argc, char **argv)
{
	static struct bench b;
	uint64_t ms = argc > 3 ? strtoull(argv[3], NULL, 10) : 1000;

	if (argc < 3) {
		fprintf(stderr, "usage: bench-gpu SOCKET PID [MILLISECONDS]\n");
		return 2;
	}
	b.pid = atoi(argv[2]);
	connect_to(&b, argv[1]);
	begin(&b);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		measure(&b, &kinds[i], ms);
	peer_free(b.peer);
	shutdown(b.display, SHUT_RDWR);
	pthread_join(b.reader, NULL);
	close(b.display);
	return 0;
}
