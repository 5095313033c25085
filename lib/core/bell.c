/* SPDX-License-Identifier: MIT */
/* Eventfds signalled by completions of Linux AIO.  Owns the AIO context.  Thread: see bell.h. */
#include "core/bell.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Completions that the context has room for; what all processes ask for is limited to
 * fs.aio-max-nr, 65536 unless changed. */
enum { CONTEXT_EVENTS = 64 };

void bell_init(struct bell *bell, int ready_fd)
{
	bell->context = 0;
	bell->ready_fd = ready_fd;
}

int bell_open(struct bell *bell)
{
	aio_context_t context = 0;

	if (bell->context)
		return 0;
	if (syscall(SYS_io_setup, CONTEXT_EVENTS, &context) < 0)
		return -errno;
	bell->context = context;
	return 0;
}

void bell_close(struct bell *bell)
{
	if (bell->context)
		syscall(SYS_io_destroy, (aio_context_t)bell->context);
	bell->context = 0;
}

/* Is our descriptor writable?  It is, so the poll completes within the call: -errno if not begun.
 */
static int bell_submit(const struct bell *bell, int eventfd)
{
	struct iocb poll = {
		.aio_lio_opcode = IOCB_CMD_POLL,
		.aio_fildes = (uint32_t)bell->ready_fd,
		.aio_buf = POLLOUT,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = (uint32_t)eventfd,
	};
	struct iocb *list = &poll;

	return syscall(SYS_io_submit, (aio_context_t)bell->context, 1, &list) == 1 ? 0 : -errno;
}

/* Make room for completions: that they came is all there is to know. */
static void bell_reap(const struct bell *bell)
{
	struct io_event events[CONTEXT_EVENTS];

	/* At least 0 events: it does not wait. */
	(void)syscall(SYS_io_getevents, (aio_context_t)bell->context, 0, CONTEXT_EVENTS, events,
		      NULL);
}

/* The second best: between the check and the write the flag may still be cleared. */
static int bell_write(int eventfd)
{
	static const uint64_t one = 1;
	int flags = fcntl(eventfd, F_GETFL);

	if (flags < 0 || !(flags & O_NONBLOCK))
		return -EPERM;
	if (write(eventfd, &one, sizeof(one)) < 0)
		return 0; /* EAGAIN: signalled already */
	return 0;
}

int bell_ring(const struct bell *bell, int eventfd)
{
	int err;

	if (!bell->context)
		return bell_write(eventfd);
	err = bell_submit(bell, eventfd);
	if (err == -EAGAIN) {
		bell_reap(bell);
		err = bell_submit(bell, eventfd);
	}
	/* A forked child has no context, and kernels before 4.19 no such poll. */
	return err ? bell_write(eventfd) : 0;
}
