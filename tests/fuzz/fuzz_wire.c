/* SPDX-License-Identifier: MIT */
/*
 * The whole wire: a device with two queues, and a front-end that sends anything, with any
 * descriptors, while the guest writes anything.  An input is a list of steps; one of them starts a
 * queue as a good front-end does, so that the others find something that runs.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libvu/vu.h>

#include "fuzz.h"
#include "wire/spec.h"

enum {
	QUEUES = 2,
	HELD = 64,
	MEMORY = 0x10000,
	USER = 0x100000, /* user address of guest address 0 */
	MAX_FDS = 9,
	MAX_PAYLOAD = 512,
	PASSES = 64,
	STEPS = 200,
};

enum fd_kind { FD_MEMORY, FD_EVENT, FD_SOCKET, FD_PIPE };

struct stand {
	struct vu_device *dev;
	int socket; /* the front-end's end; -1: closed */
	int memory;
	unsigned char *guest; /* the memory mapped */
	struct vu_req *held[HELD];
	uint32_t n_held;
	bool holds;
	bool packed;
};

static void ignore_log(void *opaque, enum vu_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	if (!strlen(line))
		abort();
}

static void release(struct stand *s, uint32_t i)
{
	struct vu_req *req = s->held[i];

	s->held[i] = s->held[--s->n_held];
	if (vu_req_complete(req, req->writable_len))
		abort();
}

static void queue_ready(struct vu_queue *queue, void *opaque)
{
	struct stand *s = opaque;
	struct vu_req *req;

	while (s->n_held < HELD && vu_queue_next(queue, &req) == 1) {
		unsigned char bytes[64];
		size_t n = vu_req_read(req, 0, bytes, sizeof(bytes));

		vu_req_write(req, 0, bytes, n);
		s->held[s->n_held++] = req;
		if (!s->holds)
			release(s, s->n_held - 1);
	}
}

/* Every other one is left in the log, where that can be done. */
static void queue_stop(struct vu_queue *queue, void *opaque)
{
	struct stand *s = opaque;

	for (uint32_t i = s->n_held; i-- > 0;) {
		if (vu_req_queue(s->held[i]) != queue)
			continue;
		if (i % 2 == 0 && !vu_req_leave(s->held[i]))
			s->held[i] = s->held[--s->n_held];
		else if (i % 3 == 0)
			release(s, i);
	}
}

static const struct vu_ops ops = {
	.size = sizeof(struct vu_ops),
	.queue_ready = queue_ready,
	.queue_stop = queue_stop,
};

/* Take what was answered, and close what came with it. */
static void drain(struct stand *s)
{
	char bytes[4096];
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * MAX_FDS)];
	} control;
	struct iovec iov = {bytes, sizeof(bytes)};

	while (s->socket >= 0) {
		struct msghdr msg = {.msg_iov = &iov,
				     .msg_iovlen = 1,
				     .msg_control = control.room,
				     .msg_controllen = sizeof(control.room)};
		struct cmsghdr *c;

		if (recvmsg(s->socket, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0)
			break;
		for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
			for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
				int fd;

				memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
				close(fd);
			}
		}
	}
}

static void process(struct stand *s)
{
	for (int i = 0; i < PASSES; i++) {
		/* Once per wake: what is to be done has to be told. */
		if (!poll(&(struct pollfd){vu_device_fd(s->dev), POLLIN, 0}, 1, 0))
			return;
		vu_device_process(s->dev);
		drain(s);
	}
	/* It always has more to do. */
	abort();
}

static void connect_again(struct stand *s)
{
	int fds[2];

	if (s->socket >= 0)
		close(s->socket);
	s->socket = -1;
	process(s);
	while (vu_device_is_attached(s->dev) && s->n_held) {
		release(s, 0);
		process(s);
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		abort();
	if (vu_device_attach(s->dev, fds[1]))
		abort();
	s->socket = fds[0];
}

static int make_fd(struct stand *s, enum fd_kind kind)
{
	int fds[2];

	switch (kind) {
	case FD_MEMORY:
		return dup(s->memory);
	case FD_EVENT:
		return eventfd(0, EFD_CLOEXEC);
	case FD_SOCKET:
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
			abort();
		break;
	default:
		if (pipe(fds))
			abort();
		break;
	}
	close(fds[0]);
	return fds[1];
}

static void send_bytes(struct stand *s, const void *bytes, size_t n, enum fd_kind kind,
		       uint32_t n_fds)
{
	struct iovec iov = {(void *)(uintptr_t)bytes, n};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * MAX_FDS)];
	} control = {0};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[MAX_FDS];

	for (uint32_t i = 0; i < n_fds; i++)
		fds[i] = make_fd(s, kind);
	if (n_fds) {
		msg.msg_control = control.room;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(&control.align), fds, sizeof(int) * n_fds);
	}
	/* A device that does not read now is no failure. */
	(void)!sendmsg(s->socket, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	for (uint32_t i = 0; i < n_fds; i++)
		close(fds[i]);
	process(s);
}

static void send_message(struct stand *s, uint32_t id, uint32_t flags, const void *payload,
			 uint32_t size, enum fd_kind kind, uint32_t n_fds)
{
	const struct wire_header hdr = {id, flags | 1, size};
	unsigned char bytes[sizeof(hdr) + MAX_PAYLOAD];

	memcpy(bytes, &hdr, sizeof(hdr));
	if (size > MAX_PAYLOAD)
		size = MAX_PAYLOAD;
	memcpy(bytes + sizeof(hdr), payload, size);
	send_bytes(s, bytes, sizeof(hdr) + size, kind, n_fds);
}

static void send_u64(struct stand *s, uint32_t id, uint64_t value, uint32_t n_fds)
{
	send_message(s, id, 0, &value, sizeof(value), FD_EVENT, n_fds);
}

static void send_state(struct stand *s, uint32_t id, uint32_t index, uint32_t num)
{
	const struct wire_vring_state state = {index, num};

	send_message(s, id, 0, &state, sizeof(state), FD_EVENT, 0);
}

static void negotiate(struct stand *s, uint8_t how)
{
	const uint64_t features = UINT64_C(1) << 32 | UINT64_C(1) << 30 | UINT64_C(1) << 28 |
				  (how & 2 ? UINT64_C(1) << 29 : 0) |
				  (how & 4 ? UINT64_C(1) << 35 : 0) |
				  (s->packed ? UINT64_C(1) << 34 : 0);
	struct {
		uint32_t n, padding;
		uint64_t gpa, size, uva, offset;
	} table = {1, 0, 0, MEMORY, USER, 0};
	const struct wire_inflight log = {MEMORY / 2, MEMORY / 2, QUEUES, 8};

	send_u64(s, WIRE_SET_FEATURES, features, 0);
	send_u64(s, WIRE_SET_PROTOCOL_FEATURES, UINT64_MAX & ~(UINT64_C(1) << 14), 0);
	send_message(s, WIRE_SET_MEM_TABLE, 0, &table, sizeof(table), FD_MEMORY, 1);
	/* It lies in guest memory: so it is as hostile as can be. */
	if (how & 8)
		send_message(s, WIRE_SET_INFLIGHT_FD, 0, &log, sizeof(log), FD_MEMORY, 1);
}

/* As a good front-end does it: areas of queue 0 and 1 at 0x1000 and 0x2000. */
static void start(struct stand *s, uint8_t how)
{
	uint32_t q = how & 1;
	uint64_t at = USER + 0x1000 * (q + 1);
	const struct wire_vring_addr addr = {q, 0, at, at + 0x800, at + 0x400, 0};

	s->packed = how & 16;
	if (how & 32)
		negotiate(s, how);
	send_state(s, WIRE_SET_VRING_NUM, q, 8);
	send_state(s, WIRE_SET_VRING_BASE, q, s->packed ? 0x80008000 : 0);
	send_message(s, WIRE_SET_VRING_ADDR, 0, &addr, sizeof(addr), FD_EVENT, 0);
	send_u64(s, WIRE_SET_VRING_KICK, q, 1);
	send_u64(s, WIRE_SET_VRING_CALL, q, 1);
	send_state(s, WIRE_SET_VRING_ENABLE, q, 1);
}

static void any_message(struct stand *s, struct fuzz_input *in)
{
	uint8_t id = fuzz_u8(in), flags = fuzz_u8(in), fds = fuzz_u8(in), size = fuzz_u8(in);
	unsigned char payload[MAX_PAYLOAD] = {0};
	struct fuzz_input part = {in->at, in->at};

	part.end += size < in->end - in->at ? size : in->end - in->at;
	in->at = part.end;
	fuzz_rest(&part, payload, sizeof(payload));
	send_message(s, id % (WIRE_REQUEST_END + 1), flags & 14, payload,
		     flags & 64 ? size + 1u : size, fds >> 4 & 3, (fds & 15) % (MAX_FDS + 1));
}

/* A descriptor of the ring, made available on both layouts. */
static void guest_offers(struct stand *s, struct fuzz_input *in)
{
	uint8_t q = fuzz_u8(in), flags = fuzz_u8(in);
	unsigned char *area = s->guest + 0x1000 * (1 + (q & 1));
	uint64_t addr = 0x4000 + fuzz_u8(in) * 64u;
	uint32_t len = fuzz_u8(in), i = q >> 1 & 7;
	/* Split: flags, next.  Packed: id, flags. */
	uint16_t third = s->packed ? i : flags & 7,
		 fourth = s->packed ? (uint16_t)((flags & 7) | (flags & 8 ? 0x80 : 0) |
						 (flags & 16 ? 0x8000 : 0))
				    : (flags >> 3 & 7),
		 idx;

	memcpy(area + i * 16, &addr, 8);
	memcpy(area + i * 16 + 8, &len, 4);
	memcpy(area + i * 16 + 12, &third, 2);
	memcpy(area + i * 16 + 14, &fourth, 2);
	if (!s->packed && !(flags & 128)) {
		memcpy(&idx, area + 0x402, 2);
		memcpy(area + 0x404 + idx % 8 * 2, &i, 2);
		idx++;
		memcpy(area + 0x402, &idx, 2);
	}
}

static void guest_writes(struct stand *s, struct fuzz_input *in)
{
	uint32_t at = fuzz_u16(in), n = fuzz_u8(in) % 32;

	for (uint32_t i = 0; i < n; i++)
		s->guest[(at + i) % MEMORY] = fuzz_u8(in);
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
		guest_offers(s, in);
		/* SET_VRING_CALL makes a queue look. */
		if (code & 8)
			send_u64(s, WIRE_SET_VRING_CALL, code >> 4 & 1, 1);
		break;
	case 4:
		guest_writes(s, in);
		break;
	case 5:
		if (s->n_held && code & 8)
			release(s, (code >> 4) % s->n_held);
		else
			s->holds = code & 16;
		process(s);
		break;
	case 6:
		/* Bytes that are no message. */
		send_bytes(s, in->at,
			   (size_t)(in->end - in->at) < 7u ? (size_t)(in->end - in->at) : 7,
			   FD_MEMORY, code >> 7);
		break;
	default:
		if (code & 8)
			send_state(s, WIRE_GET_VRING_BASE, code >> 4 & 1, 0);
		else
			connect_again(s);
		break;
	}
}

static void stand_open(struct stand *s, uint8_t flags)
{
	static int memory = -1;
	static unsigned char *guest;
	const struct vu_device_info info = {
		.size = sizeof(info),
		.name = "fuzz",
		.n_queues = QUEUES,
		.max_queue_size = 64,
		.max_segs = 16,
		.priv_size = 8,
		.config_size = 24,
		.flags = (flags & 1 ? VU_DEVICE_INBAND : 0) | (flags & 2 ? VU_DEVICE_DEBUG : 0),
		.log_level = VU_LOG_DEBUG,
		.log_fn = ignore_log,
	};

	if (memory < 0) {
		memory = memfd_create("fuzz", MFD_CLOEXEC);
		if (memory < 0 || ftruncate(memory, MEMORY))
			abort();
		guest = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
		if (guest == MAP_FAILED)
			abort();
	}
	memset(guest, 0, MEMORY);
	*s = (struct stand){.socket = -1, .memory = memory, .guest = guest};
	if (vu_device_new(&info, &ops, s, &s->dev))
		abort();
	connect_again(s);
}

static void stand_close(struct stand *s)
{
	close(s->socket);
	s->socket = -1;
	process(s);
	while (s->n_held)
		release(s, s->n_held - 1);
	process(s);
	if (vu_device_is_attached(s->dev))
		abort();
	vu_device_free(s->dev);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};
	struct stand s;

	stand_open(&s, fuzz_u8(&in));
	for (int i = 0; i < STEPS && in.at < in.end; i++) {
		step(&s, &in);
		if (!vu_device_is_attached(s.dev))
			connect_again(&s);
	}
	stand_close(&s);
	return 0;
}
