/* SPDX-License-Identifier: MIT */
/* An io_uring for one operation.  Owns the ring.  Thread: one at a time. */
#include "base/closer.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/descriptor.h"

enum { RING_ENTRIES = 16, END_LOOKS = 1024, END_MS = 500 };
/* SCM_MAX_FD of the kernel's: beyond that nobody can send any. */
enum { SCM_MOST_FDS = 253, UNREAD_BYTES = 4096 };
/* Messages that are looked through at the end of a connection. */
enum { UNREAD_MOST = 64 };

void closer_init(struct closer *c)
{
	memset(c, 0, sizeof(*c));
	c->ring_fd = -1;
}

/* The end of a ring calls off what no worker has begun: then nobody would ever close it. */
static void closer_let_finish(struct closer *c)
{
	struct pollfd pfd = {.fd = c->ring_fd, .events = POLLIN};

	if (c->owner != getpid())
		return;
	for (int i = 0; i < END_LOOKS && closer_open_ones(c) != c->kept; i++) {
		if (!poll(&pfd, 1, END_MS))
			return;
		/* There may be more of them than fit. */
		syscall(SYS_io_uring_enter, c->ring_fd, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0);
	}
}

void closer_fini(struct closer *c)
{
	if (c->ring_fd < 0)
		return;
	closer_let_finish(c);
	munmap(c->ring, c->ring_bytes);
	munmap(c->sqes, RING_ENTRIES * sizeof(*c->sqes));
	close(c->ring_fd);
	c->ring_fd = -1;
}

static void *closer_map(int fd, size_t len, off_t what)
{
	void *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);

	return map == MAP_FAILED ? NULL : map;
}

static uint32_t *closer_word(const struct closer *c, uint32_t offset)
{
	return (uint32_t *)(void *)(c->ring + offset);
}

/* Linux 5.6 has both the operation and one mapping for both queues. */
static int closer_open(struct closer *c)
{
	struct io_uring_params p = {0};
	int fd = (int)syscall(SYS_io_uring_setup, RING_ENTRIES, &p);

	if (fd < 0)
		return -errno;
	c->ring_bytes = p.sq_off.array + RING_ENTRIES * sizeof(uint32_t);
	if (c->ring_bytes < p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe))
		c->ring_bytes = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	if (p.features & IORING_FEAT_SINGLE_MMAP)
		c->ring = closer_map(fd, c->ring_bytes, IORING_OFF_SQ_RING);
	if (c->ring)
		c->sqes = closer_map(fd, RING_ENTRIES * sizeof(*c->sqes), IORING_OFF_SQES);
	if (!c->sqes) {
		if (c->ring)
			munmap(c->ring, c->ring_bytes);
		c->ring = NULL;
		close(fd);
		return -ENOMEM;
	}
	c->tail = closer_word(c, p.sq_off.tail);
	c->done_head = closer_word(c, p.cq_off.head);
	c->done_tail = closer_word(c, p.cq_off.tail);
	for (uint32_t i = 0; i < RING_ENTRIES; i++)
		closer_word(c, p.sq_off.array)[i] = i;
	c->ring_fd = fd;
	c->owner = getpid();
	return 0;
}

/* Every entry is taken within the call: the queue is empty before and after. */
static int closer_submit(struct closer *c, int fd)
{
	uint32_t tail = *c->tail;
	struct io_uring_sqe *sqe = &c->sqes[tail % RING_ENTRIES];

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_CLOSE;
	/* By a worker, not by us when it looks as if it would not block. */
	sqe->flags = IOSQE_ASYNC;
	sqe->fd = fd;
	__atomic_store_n(c->tail, tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, c->ring_fd, 1, 0, 0, NULL, 0) == 1)
		return 0;
	__atomic_store_n(c->tail, tail, __ATOMIC_RELEASE);
	return -EBUSY;
}

uint32_t closer_open_ones(struct closer *c)
{
	if (c->ring_fd >= 0) {
		uint32_t done = __atomic_load_n(c->done_tail, __ATOMIC_ACQUIRE);

		c->pending -= done - *c->done_head;
		__atomic_store_n(c->done_head, done, __ATOMIC_RELEASE);
	}
	return c->kept + c->pending;
}

void closer_put_aside(struct closer *c, int fd)
{
	if (c->ring_fd < 0 && closer_open(c)) {
		c->kept++;
		return;
	}
	/* Room for what gets done. */
	(void)closer_open_ones(c);
	if (c->owner == getpid() && !closer_submit(c, fd))
		c->pending++;
	else
		c->kept++;
}

void closer_close(struct closer *c, int fd)
{
	if (descriptor_is_unix_socket(fd) && !descriptor_deafen(fd))
		closer_put_aside(c, fd);
	else
		close(fd);
}

/* --- any kind --- */

static bool closer_is_slow(int fd)
{
	enum descriptor_kind kind = descriptor_kind(fd);

	return kind == DESCRIPTOR_SLOW_FILE || kind == DESCRIPTOR_SLOW_SOCKET;
}

static void closer_close_received(struct closer *c, const struct msghdr *mh)
{
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(mh); cmsg;
	     cmsg = CMSG_NXTHDR((struct msghdr *)(uintptr_t)mh, cmsg)) {
		size_t n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		for (size_t i = 0; cmsg->cmsg_type == SCM_RIGHTS && i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(fd), sizeof(fd));
			if (closer_is_slow(fd))
				closer_put_aside(c, fd);
			else
				closer_close(c, fd); /* and no further: see there */
		}
	}
}

static void closer_take_unread(struct closer *c, int fd)
{
	for (int i = 0; i < UNREAD_MOST; i++) {
		union {
			struct cmsghdr align;
			char buf[CMSG_SPACE(SCM_MOST_FDS * sizeof(int))];
		} control;
		char bytes[UNREAD_BYTES];
		struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
		struct msghdr mh = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control.buf,
			.msg_controllen = sizeof(control.buf),
		};

		if (recvmsg(fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0)
			return;
		closer_close_received(c, &mh);
	}
}

void closer_close_any(struct closer *c, int fd)
{
	if (closer_is_slow(fd)) {
		closer_put_aside(c, fd);
		return;
	}
	if (descriptor_is_unix_socket(fd) && !descriptor_deafen(fd))
		closer_take_unread(c, fd);
	closer_close(c, fd);
}
