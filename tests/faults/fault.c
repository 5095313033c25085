/* SPDX-License-Identifier: MIT */
/* Each wrapper: fails if it is its turn, else does what it is for.  Any thread may call. */
#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/vfs.h>
#include <unistd.h>

static struct {
	const char *name; /* NULL: any */
	uint32_t nth;
	bool all;
	atomic_uint calls;
	atomic_bool on;
	_Atomic(const char *) failed;
} order;

void fault_order(uint32_t nth, bool all)
{
	order.name = NULL;
	order.nth = nth;
	order.all = all;
	order.calls = 0;
	order.failed = NULL;
}

void fault_order_of(const char *name, uint32_t nth)
{
	fault_order(nth, false);
	order.name = name;
}

void fault_on(void)
{
	order.on = true;
}

void fault_off(void)
{
	order.on = false;
}

uint32_t fault_calls(void)
{
	return order.calls;
}

const char *fault_failed(void)
{
	return order.failed;
}

static bool fault_now(const char *name, int error)
{
	uint32_t call;

	if (!order.on || (order.name && strcmp(name, order.name)))
		return false;
	call = ++order.calls;
	if (!order.nth || (order.all ? call < order.nth : call != order.nth))
		return false;
	if (!order.failed)
		order.failed = name;
	errno = error;
	return true;
}

/* name, what it returns, its parameters, its arguments, error, what it returns then */
#define FAULT(type, name, params, args, error, failure)                                            \
	type __real_##name params;                                                                 \
	type __wrap_##name params;                                                                 \
	type __wrap_##name params                                                                  \
	{                                                                                          \
		return fault_now(#name, error) ? failure : __real_##name args;                     \
	}

FAULT(void *, malloc, (size_t size), (size), ENOMEM, NULL)
FAULT(void *, calloc, (size_t n, size_t size), (n, size), ENOMEM, NULL)
FAULT(void *, realloc, (void *p, size_t size), (p, size), ENOMEM, NULL)
FAULT(void *, reallocarray, (void *p, size_t n, size_t size), (p, n, size), ENOMEM, NULL)
FAULT(void *, mmap64, (void *at, size_t len, int prot, int flags, int fd, off_t offset),
      (at, len, prot, flags, fd, offset), ENOMEM, MAP_FAILED)
FAULT(int, memfd_create, (const char *name, unsigned int flags), (name, flags), EMFILE, -1)
FAULT(int, ftruncate64, (int fd, off_t size), (fd, size), EINVAL, -1)
FAULT(int, epoll_create1, (int flags), (flags), EMFILE, -1)
FAULT(int, epoll_ctl, (int epoll, int op, int fd, struct epoll_event *event),
      (epoll, op, fd, event), ENOMEM, -1)
FAULT(int, eventfd, (unsigned int value, int flags), (value, flags), EMFILE, -1)
FAULT(int, timerfd_create, (int clock, int flags), (clock, flags), EMFILE, -1)
FAULT(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags), (fd, msg, flags), ENOMEM, -1)
FAULT(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags), (fd, msg, flags), ENOBUFS,
      -1)
FAULT(int, accept4, (int fd, struct sockaddr *addr, socklen_t *len, int flags),
      (fd, addr, len, flags), EMFILE, -1)
FAULT(int, socket, (int domain, int type, int protocol), (domain, type, protocol), EMFILE, -1)
FAULT(int, bind, (int fd, const struct sockaddr *addr, socklen_t len), (fd, addr, len), ENOSPC, -1)
FAULT(int, listen, (int fd, int backlog), (fd, backlog), ENOBUFS, -1)
FAULT(int, connect, (int fd, const struct sockaddr *addr, socklen_t len), (fd, addr, len), EAGAIN,
      -1)
FAULT(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *len),
      (fd, level, name, value, len), ENOBUFS, -1)
FAULT(int, getsockname, (int fd, struct sockaddr *addr, socklen_t *len), (fd, addr, len), ENOBUFS,
      -1)
FAULT(int, fstat64, (int fd, struct stat *st), (fd, st), ENOMEM, -1)
FAULT(int, fstatfs64, (int fd, struct statfs *st), (fd, st), ENOMEM, -1)
FAULT(ssize_t, readlink, (const char *path, char *buf, size_t size), (path, buf, size), ENOMEM, -1)
FAULT(int, chmod, (const char *path, mode_t mode), (path, mode), EPERM, -1)
FAULT(int, fchmod, (int fd, mode_t mode), (fd, mode), EPERM, -1)
FAULT(int, flock, (int fd, int op), (fd, op), ENOLCK, -1)
FAULT(int, signalfd, (int fd, const sigset_t *set, int flags), (fd, set, flags), EMFILE, -1)
FAULT(int, sigaction, (int sig, const struct sigaction *new, struct sigaction *old),
      (sig, new, old), EINVAL, -1)
FAULT(int, pthread_create,
      (pthread_t * thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg),
      (thread, attr, fn, arg), EAGAIN, EAGAIN)

int __real_fcntl64(int fd, int op, ...);
int __wrap_fcntl64(int fd, int op, ...);
int __wrap_fcntl64(int fd, int op, ...)
{
	va_list args;
	long value;

	va_start(args, op);
	value = va_arg(args, long);
	va_end(args);
	return fault_now("fcntl64", EINVAL) ? -1 : __real_fcntl64(fd, op, value);
}
