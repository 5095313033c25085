/* SPDX-License-Identifier: MIT */
/*
 * A renderer that came into a guest's hands, in the place of examples/gpu/gpu_renderer.c: it draws
 * nothing and answers with zeroes, until a batch's first word says what it does wrong.
 */
#include "bad_renderer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../examples/gpu/gpu_renderer.h"
#include "../../examples/gpu/gpu_wire.h"

enum { GIB = 1 << 30 };

static void send_all(int socket, const void *data, size_t len)
{
	const char *from = data;

	while (len) {
		ssize_t n = send(socket, from, len, MSG_NOSIGNAL);

		if (n < 0)
			_exit(0);
		from += n;
		len -= (size_t)n;
	}
}

static void receive_all(int socket, void *data, size_t len)
{
	char *to = data;

	while (len) {
		ssize_t n = recv(socket, to, len, 0);

		if (n <= 0)
			_exit(0);
		to += n;
		len -= (size_t)n;
	}
}

static void say(int socket, struct wire_reply head)
{
	static const unsigned char bytes[2 * WIRE_SHADOW_MAX] = {BAD_BYTE, BAD_BYTE, BAD_BYTE,
								 BAD_BYTE};

	send_all(socket, &head, sizeof(head));
	if (head.len <= sizeof(bytes))
		send_all(socket, bytes, head.len);
}

static void write_where_nothing_is(int socket)
{
	static const uint32_t ids[] = {0, 1, 5, 6, UINT32_MAX};
	static const uint64_t places[] = {BAD_SHADOW - 3, BAD_SHADOW, BAD_MEMORY - 4, BAD_MEMORY,
					  UINT32_MAX,	  UINT64_MAX, UINT64_MAX - 3};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		for (size_t j = 0; j < sizeof(places) / sizeof(places[0]); j++)
			say(socket, (struct wire_reply){.kind = WIRE_WRITTEN,
							.resource = ids[i],
							.at = places[j],
							.len = 4});
}

_Noreturn static void flood(int socket)
{
	for (;;)
		say(socket, (struct wire_reply){.kind = WIRE_FENCE, .value = 0x80000000});
}

_Noreturn static void do_nothing(void)
{
	for (;;)
		pause();
}

/* False: it says what it should, too. */
static bool do_wrong(int socket, enum bad what)
{
	struct wire_reply head = {.kind = WIRE_DONE};

	switch (what) {
	case BAD_TWICE:
		say(socket, head);
		say(socket, head);
		break;
	case BAD_KIND:
		head.kind = 77;
		break;
	case BAD_KIND_LONG:
		head.kind = UINT32_MAX;
		head.len = GIB;
		break;
	case BAD_DONE_LONG:
		head.len = GIB;
		break;
	case BAD_DONE_LONGEST:
		head.len = UINT32_MAX;
		break;
	case BAD_FENCE_LONG:
		head.kind = WIRE_FENCE;
		head.len = GIB;
		break;
	case BAD_WRITTEN_LONG:
		head = (struct wire_reply){.kind = WIRE_WRITTEN, .resource = 6, .len = GIB};
		break;
	case BAD_PLACES:
		write_where_nothing_is(socket);
		return false;
	case BAD_FLOOD:
		flood(socket);
	case BAD_SILENT:
		do_nothing();
	case BAD_BUSY:
		for (;;)
			;
	default:
		return false;
	}
	say(socket, head);
	return true;
}

bool renderer_is_there(void)
{
	return true;
}

bool renderer_takes_node(void)
{
	return false;
}

/* --- memory that a guest is to see --- */

static int memory(uint64_t size, unsigned int flags, int seals)
{
	int fd = memfd_create(BAD_MEMFD, MFD_CLOEXEC | flags);

	if (fd < 0 || (!(flags & MFD_HUGETLB) && ftruncate(fd, (off_t)size) < 0) ||
	    (seals && fcntl(fd, F_ADD_SEALS, seals) < 0))
		_exit(1);
	return fd;
}

static int blob_memory(uint32_t what)
{
	static const int no_shrink = F_SEAL_SHRINK;
	int pair[2], fd;
	char byte = (char)BAD_BYTE, path[64];

	switch (what) {
	case BLOB_SHORT:
		return memory(BAD_BLOB - 1, MFD_ALLOW_SEALING, no_shrink);
	case BLOB_UNSEALED:
		return memory(BAD_BLOB, 0, 0);
	case BLOB_WRITE_SEALED:
		return memory(BAD_BLOB, MFD_ALLOW_SEALING, no_shrink | F_SEAL_WRITE);
	case BLOB_HUGE:
		return memory(0, MFD_ALLOW_SEALING | MFD_HUGETLB, 0);
	case BLOB_READ_ONLY:
		fd = memory(BAD_BLOB, MFD_ALLOW_SEALING, no_shrink);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		return open(path, O_RDONLY);
	case BLOB_PIPE:
		return pipe(pair) < 0 ? -1 : pair[0];
	case BLOB_SOCKET:
		return socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 ? -1 : pair[0];
	case BLOB_NULL:
		return open("/dev/zero", O_RDWR);
	default:
		fd = memory(BAD_BLOB, MFD_ALLOW_SEALING, 0);
		return pwrite(fd, &byte, 1, 0) == 1 ? fd : -1;
	}
}

/* With so many descriptors. */
static void say_with(int socket, const struct wire_reply *head, int fd, uint32_t n)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = {.bytes = ""};
	const int fds[] = {fd, fd};
	struct iovec iov = {(void *)(uintptr_t)head, sizeof(*head)};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *rights;

	if (n) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(n * sizeof(int));
		rights = CMSG_FIRSTHDR(&message);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(rights), fds, n * sizeof(int));
	}
	if (sendmsg(socket, &message, MSG_NOSIGNAL) != sizeof(*head))
		_exit(0);
}

static void export(int socket, uint32_t what)
{
	const struct wire_reply refused = {.kind = WIRE_DONE, .value = EINVAL},
				done = {.kind = WIRE_DONE, .at = UINT64_MAX},
				fence = {.kind = WIRE_FENCE};
	int fd = blob_memory(what);

	if (fd < 0)
		_exit(1);
	if (what == BLOB_REFUSED)
		say_with(socket, &refused, -1, 0);
	else if (what == BLOB_REFUSED_WITH)
		say_with(socket, &refused, fd, 1);
	else if (what == BLOB_NONE)
		say_with(socket, &done, -1, 0);
	else if (what == BLOB_TWO)
		say_with(socket, &done, fd, 2);
	else if (what == BLOB_WITH_FENCE)
		say_with(socket, &fence, fd, 1);
	else
		say_with(socket, &done, fd, 1);
	close(fd);
}

static int picture_memory(enum bad_picture what)
{
	int pair[2];

	if (what == PICTURE_PIPE)
		return pipe(pair) < 0 ? -1 : pair[0];
	if (what == PICTURE_NULL)
		return open("/dev/zero", O_RDWR);
	return memory(what == PICTURE_SHORT ? BAD_PICTURE_BYTES - 1 : BAD_PICTURE_BYTES,
		      MFD_ALLOW_SEALING, F_SEAL_GROW);
}

static uint32_t picture_stride(enum bad_picture what)
{
	return what == PICTURE_NARROW	? BAD_PICTURE_STRIDE - 1
	       : what == PICTURE_WIDE	? BAD_PICTURE_STRIDE + 1
	       : what == PICTURE_WIDEST ? UINT32_MAX
					: BAD_PICTURE_STRIDE;
}

/* Of 8 bytes a pixel (AB4H), and of two planes (NV12). */
static uint32_t picture_format(enum bad_picture what)
{
	return what == PICTURE_LARGE_PIXELS ? 0x48344241
	       : what == PICTURE_PLANES	    ? 0x3231564e
					    : BAD_FOURCC;
}

static void export_picture(int socket, enum bad_picture what)
{
	const struct wire_reply refused = {.kind = WIRE_DONE, .value = EINVAL},
				done = {.kind = WIRE_DONE,
					.stride = picture_stride(what),
					.fourcc = picture_format(what),
					.modifier = BAD_MODIFIER};
	int fd = picture_memory(what);

	if (fd < 0)
		_exit(1);
	if (what == PICTURE_REFUSED || what == PICTURE_REFUSED_WITH)
		say_with(socket, &refused, fd, what == PICTURE_REFUSED_WITH);
	else
		say_with(socket, &done, fd, what == PICTURE_NONE ? 0 : what == PICTURE_TWO ? 2 : 1);
	close(fd);
}

static bool is_refused(const struct wire_request *q, uint32_t gone)
{
	return (q->kind == WIRE_SUBMIT && q->context == gone) ||
	       (q->kind == WIRE_CREATE &&
		(q->resource == BAD_RESOURCE || q->resource == BAD_SLOW_RESOURCE));
}

static void say_fence(int socket, const struct wire_request *q)
{
	if (q->fence)
		say(socket, (struct wire_reply){.kind = WIRE_FENCE,
						.value = q->fence,
						.context = q->fence_context,
						.ring = q->ring});
}

static void do_half(int socket, const struct wire_request *q)
{
	static struct wire_request first;

	say(socket, (struct wire_reply){.kind = WIRE_DONE});
	say_fence(socket, &first);
	if (first.fence)
		do_nothing();
	first = *q;
}

/* What takes its time. */
static void take_time(const struct wire_request *q, uint32_t what)
{
	if (q->kind == WIRE_SUBMIT && what == BAD_SLOW)
		sleep(BAD_SLOW_S);
	else if (q->kind == WIRE_UNREF && q->resource == BAD_SLOW_RESOURCE)
		sleep(BAD_SLOWEST_S);
}

static void serve(int socket)
{
	/* What the last blob is to be: of one renderer there is one. */
	static uint32_t kind;
	/* And the context that went last, of which it refuses everything. */
	static uint32_t gone;
	struct wire_request q;
	unsigned char *bytes;
	uint32_t back, what = 0;

	receive_all(socket, &q, sizeof(q));
	if (q.kind == WIRE_CREATE_BLOB)
		kind = (uint32_t)q.blob.id;
	if (q.kind == WIRE_CONTEXT_DESTROY)
		gone = q.context;
	else if (q.kind == WIRE_CONTEXT_CREATE && q.context == gone)
		gone = 0;
	if (q.kind == WIRE_EXPORT_PICTURE) {
		export_picture(socket, q.resource - BAD_PICTURE);
		say_fence(socket, &q);
		return;
	}
	if (q.kind == WIRE_EXPORT) {
		export(socket, kind);
		return;
	}
	back = q.kind == WIRE_GET ? (uint32_t)q.size : 0;
	bytes = calloc(1, q.len + back + sizeof(what));
	if (!bytes)
		_exit(1);
	receive_all(socket, bytes, q.len);
	memcpy(&what, bytes, sizeof(what));
	if (q.kind == WIRE_SUBMIT && what == BAD_HALF) {
		free(bytes);
		do_half(socket, &q);
		return;
	}
	take_time(&q, what);
	if (q.kind != WIRE_SUBMIT || !do_wrong(socket, what)) {
		const struct wire_reply head = {
			.kind = WIRE_DONE, .value = is_refused(&q, gone) ? EINVAL : 0, .len = back};

		send_all(socket, &head, sizeof(head));
		send_all(socket, bytes + q.len, back);
	}
	free(bytes);
	say_fence(socket, &q);
}

_Noreturn void renderer_run(int socket, const struct spawn_limits *limits)
{
	struct wire_hello hello = {.error = ""};

	(void)limits;
	for (uint32_t i = 0; i < WIRE_CAPSETS; i++) {
		hello.capsets[i] =
			(struct wire_capset){.id = i < 2 ? i + 1 : 4, .version = 1, .size = 512};
		memset(hello.capsets[i].data, 0xff, sizeof(hello.capsets[i].data));
	}
	send_all(socket, &hello, sizeof(hello));
	for (;;)
		serve(socket);
}
