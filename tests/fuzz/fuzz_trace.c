/* SPDX-License-Identifier: MIT */
/*
 * vu-trace's proxy with all that looks at what passes: both sides send anything, with any
 * descriptors, while the guest writes anything.  One of an input's steps starts a queue as a good
 * front-end does.  What arrives must be what was sent.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "proxy.h"
#include "stats.h"
#include "types.h"
#include "wire/spec.h"

enum {
	MEMORY = 0x10000,
	USER = 0x100000, /* user address of guest address 0 */
	MAX_FDS = 3,
	MAX_PAYLOAD = 300,
	LOG = 256 << 10,
	STEPS = 100,
	PASSES = 16,
};

struct stream {
	size_t sent, got;
	unsigned char bytes[LOG];
};

struct stand {
	int ends[2]; /* by enum side */
	int memory;
	unsigned char *guest;
	int kick, call;		  /* the back-end's of the last queue that was started */
	struct stream streams[2]; /* from that side */
	struct proxy *proxy;
	struct poller poller;
};

/* What comes out at that side: the other one's bytes.  Descriptors are kept for kicks and calls. */
static void drain(struct stand *s, enum side side)
{
	struct stream *from = &s->streams[side_other(side)];
	unsigned char bytes[4096];
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * 253)];
	} control;
	struct iovec iov = {bytes, sizeof(bytes)};
	ssize_t n;

	do {
		struct msghdr msg = {.msg_iov = &iov,
				     .msg_iovlen = 1,
				     .msg_control = control.room,
				     .msg_controllen = sizeof(control.room)};

		n = recvmsg(s->ends[side], &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n > 0 && (from->got + (size_t)n > from->sent ||
			      memcmp(from->bytes + from->got, bytes, (size_t)n)))
			abort();
		from->got += n > 0 ? (size_t)n : 0;
		for (struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL; c;
		     c = CMSG_NXTHDR(&msg, c)) {
			for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
				int *keep = i % 2 ? &s->kick : &s->call;

				if (*keep >= 0)
					close(*keep);
				memcpy(keep, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			}
		}
	} while (n > 0);
}

static void process(struct stand *s)
{
	for (int i = 0; i < PASSES; i++) {
		poller_reset(&s->poller);
		proxy_poll(s->proxy, &s->poller);
		s->poller.timeout = 0;
		poller_wait(&s->poller);
		proxy_tick(s->proxy);
		drain(s, FRONT_END);
		drain(s, BACK_END);
		if (!poll(s->poller.fds, s->poller.n, 0))
			break;
	}
}

static int make_fd(const struct stand *s, uint8_t kind)
{
	int pair[2];

	if (kind % 4 == 0)
		return dup(s->memory);
	if (kind % 4 == 1)
		return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (kind % 4 == 2 ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) : pipe(pair))
		abort();
	close(pair[0]);
	return pair[1];
}

static void send_bytes(struct stand *s, enum side side, const void *bytes, size_t n, uint8_t kind,
		       uint32_t n_fds)
{
	struct stream *to = &s->streams[side];
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * MAX_FDS)];
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)bytes, n};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[MAX_FDS];
	ssize_t sent;

	if (!n || to->sent + n > LOG)
		return;
	for (uint32_t i = 0; i < n_fds; i++)
		fds[i] = make_fd(s, (uint8_t)(kind >> 2 * i));
	if (n_fds) {
		msg.msg_control = control.room;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(&control.align), fds, sizeof(int) * n_fds);
	}
	sent = sendmsg(s->ends[side], &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent > 0)
		memcpy(to->bytes + to->sent, bytes, (size_t)sent);
	to->sent += sent > 0 ? (size_t)sent : 0;
	for (uint32_t i = 0; i < n_fds; i++)
		close(fds[i]);
	process(s);
}

static void send_message(struct stand *s, enum side side, uint32_t id, uint32_t flags,
			 const void *payload, uint32_t size, uint8_t kind, uint32_t n_fds)
{
	const struct wire_header hdr = {id, flags, size};
	unsigned char bytes[sizeof(hdr) + MAX_PAYLOAD];

	memcpy(bytes, &hdr, sizeof(hdr));
	memcpy(bytes + sizeof(hdr), payload, size);
	send_bytes(s, side, bytes, sizeof(hdr) + size, kind, n_fds);
}

static void send_u64(struct stand *s, uint32_t id, uint64_t value, uint8_t kind, uint32_t n_fds)
{
	send_message(s, FRONT_END, id, 1, &value, sizeof(value), kind, n_fds);
}

static void any_message(struct stand *s, struct fuzz_input *in)
{
	uint8_t id = fuzz_u8(in), flags = fuzz_u8(in), kind = fuzz_u8(in), size = fuzz_u8(in);
	unsigned char payload[MAX_PAYLOAD] = {0};

	for (uint32_t i = 0; i < size; i++)
		payload[i] = fuzz_u8(in);
	send_message(s, flags & 128 ? BACK_END : FRONT_END, id % 50, flags & 63, payload, size,
		     kind, (kind >> 6) % MAX_FDS);
}

static void start(struct stand *s, uint8_t how)
{
	const uint64_t features = UINT64_C(1) << 32 | UINT64_C(1) << 30 |
				  (how & 2 ? UINT64_C(1) << 34 : 0) |
				  (how & 4 ? UINT64_C(1) << 33 : 0);
	const struct {
		uint32_t n, padding;
		uint64_t gpa, size, uva, offset;
	} table = {1, 0, 0, MEMORY, USER, 0};
	const struct wire_vring_state num = {how & 1, 8},
				      base = {how & 1, how & 2 ? 0x80008000 : 0};
	const uint64_t at = (how & 4 ? 0 : USER) + 0x1000 * ((how & 1) + 1);
	const struct wire_vring_addr addr = {how & 1, 0, at, at + 0x800, at + 0x400, 0};
	const struct wire_iotlb all = {0, MEMORY, USER, 3, 2, {0}};

	send_u64(s, WIRE_SET_FEATURES, features, 0, 0);
	send_u64(s, WIRE_SET_PROTOCOL_FEATURES, UINT64_MAX, 0, 0);
	send_message(s, FRONT_END, WIRE_SET_MEM_TABLE, 1, &table, sizeof(table), 0, 1);
	send_message(s, FRONT_END, WIRE_IOTLB_MSG, 1, &all, sizeof(all), 0, 0);
	send_message(s, FRONT_END, WIRE_SET_VRING_NUM, 1, &num, sizeof(num), 0, 0);
	send_message(s, FRONT_END, WIRE_SET_VRING_BASE, 1, &base, sizeof(base), 0, 0);
	send_message(s, FRONT_END, WIRE_SET_VRING_ADDR, 1, &addr, sizeof(addr), 0, 0);
	send_u64(s, WIRE_SET_VRING_CALL, how & 1, 1, 1);
	send_u64(s, WIRE_SET_VRING_KICK, how & 1, 1, 1);
	if (how & 8)
		send_message(s, FRONT_END, WIRE_SET_BACKEND_REQ_FD, 1, "", 0, 2, 1);
}

/* Descriptors and indexes of a queue: bytes as they come. */
static void guest_writes(struct stand *s, struct fuzz_input *in)
{
	static const uint16_t areas[] = {0x1000, 0x1400, 0x1800, 0x2000, 0x2400, 0x2800, 0x4000};
	uint32_t at = areas[fuzz_u8(in) % 7] + fuzz_u8(in) % 0x90u, n = fuzz_u8(in) % 48;

	for (uint32_t i = 0; i < n; i++)
		s->guest[at + i] = fuzz_u8(in);
}

/* A chain of descriptors that is nearly right. */
static void guest_offers(struct stand *s, uint8_t how)
{
	unsigned char *ring = s->guest + 0x1000 * ((how & 1) + 1);
	uint16_t *avail = (uint16_t *)(void *)(ring + 0x400);
	uint32_t *used = (uint32_t *)(void *)(ring + 0x800);
	uint16_t *used_idx = (uint16_t *)(void *)(ring + 0x802);

	for (uint32_t i = 0; i < 8; i++) {
		const struct seen_desc d = {0x4000 + 0x100 * i, 16 + i, i % 2 ? 2 : 1,
					    (uint16_t)((i + 1) % 8)};

		memcpy(ring + i * sizeof(d), &d, sizeof(d));
	}
	avail[2 + avail[1] % 8] = how >> 4 & 6;
	avail[1]++;
	if (how & 2) {
		used[1 + *used_idx % 8 * 2] = how >> 4 & 6;
		used[2 + *used_idx % 8 * 2] = 64;
		(*used_idx)++;
	}
}

static void ring_bells(struct stand *s)
{
	static const uint64_t one = 1;

	if (s->kick >= 0)
		(void)!send(s->kick, &one, sizeof(one), MSG_DONTWAIT | MSG_NOSIGNAL);
	if (s->call >= 0 && poll(&(struct pollfd){s->call, POLLOUT, 0}, 1, 0) == 1)
		(void)!write(s->call, &one, sizeof(one));
	process(s);
}

static void step(struct stand *s, struct fuzz_input *in)
{
	uint8_t code = fuzz_u8(in);

	switch (code & 7) {
	case 0:
	case 1:
		any_message(s, in);
		break;
	case 2:
		start(s, fuzz_u8(in));
		break;
	case 3:
		guest_writes(s, in);
		break;
	case 4:
		guest_offers(s, fuzz_u8(in));
		break;
	case 5:
		ring_bells(s);
		break;
	case 6: /* bytes that are no message */
		send_bytes(s, code & 8 ? BACK_END : FRONT_END, in->at,
			   (size_t)(in->end - in->at) < 9u ? (size_t)(in->end - in->at) : 9,
			   code >> 4, code >> 7);
		break;
	default:
		if (ftruncate(s->memory, code & 8 ? MEMORY : 0x1200))
			abort();
		process(s);
		if (ftruncate(s->memory, MEMORY))
			abort();
		break;
	}
}

static void stand_open(struct stand *s, const struct proxy_config *config, struct report *report)
{
	int front[2], back[2];

	if (s->memory < 0) {
		s->memory = memfd_create("fuzz", MFD_CLOEXEC);
		if (s->memory < 0 || ftruncate(s->memory, MEMORY))
			abort();
		s->guest = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, s->memory, 0);
		if (s->guest == MAP_FAILED)
			abort();
	}
	memset(s->guest, 0, MEMORY);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, front) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, back))
		abort();
	s->ends[FRONT_END] = front[0];
	s->ends[BACK_END] = back[0];
	s->kick = s->call = -1;
	s->streams[FRONT_END].sent = s->streams[FRONT_END].got = 0;
	s->streams[BACK_END].sent = s->streams[BACK_END].got = 0;
	s->proxy = proxy_new(config, report, 1, front[1]);
	if (!s->proxy || !proxy_join(s->proxy, back[1]))
		abort();
}

static void stand_close(struct stand *s)
{
	close(s->ends[FRONT_END]);
	close(s->ends[BACK_END]);
	if (s->kick >= 0)
		close(s->kick);
	if (s->call >= 0)
		close(s->call);
	proxy_free(s->proxy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct stand s = {.memory = -1};
	static const char *const names[] = {"blk",  "scsi", "fs",  "rng", "console", "input",
					    "gpio", "i2c",  "snd", "net", "vsock",   "scmi",
					    "gpu",  "rtc",  "spi", "can"};
	static FILE *null;
	struct fuzz_input in = {data, data + size};
	uint8_t how = fuzz_u8(&in);
	struct proxy_config config = {.name = "fuzz",
				      .requests = true,
				      .type = names[how % (sizeof(names) / sizeof(*names))]};
	struct stats *stats = malloc(sizeof(*stats));
	struct report report = {.printer = how & 128 ? &print_json : &print_text, .stats = stats};

	if (!null)
		null = fopen("/dev/null", "we");
	signal(SIGPIPE, SIG_IGN);
	if (!stats || !null)
		abort();
	stats_init(stats);
	report.out = null;
	report.began = trace_now();
	stand_open(&s, &config, &report);
	for (int i = 0; i < STEPS && in.at < in.end; i++)
		step(&s, &in);
	stand_close(&s);
	report_summary(&report);
	stats_fini(stats);
	free(stats);
	return 0;
}
