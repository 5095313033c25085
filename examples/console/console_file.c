/* SPDX-License-Identifier: MIT */
/*
 * file:OUT[,in=IN]: what the guest writes is appended to OUT, and it reads IN once, from beginning
 * to end.  Both may also be FIFOs or devices.
 * echo: what the guest writes comes back to it: the simulated back-end.
 */
#include "console_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/own_file.h"

/* --- file --- */

static int file_open_out(const char *path)
{
	int fd = own_file_open(path, O_WRONLY | O_APPEND | O_NONBLOCK);

	/* A FIFO that nobody reads yet keeps what fits into it. */
	return fd == -ENXIO ? own_file_open(path, O_RDWR | O_APPEND | O_NONBLOCK) : fd;
}

static int file_open(struct backend *b)
{
	const char *in = strstr(b->argument, ",in=");
	size_t len = in ? (size_t)(in - b->argument) : strlen(b->argument);
	char path[BACKEND_PATH];
	int err;

	if (in) {
		in += strlen(",in=");
		err = backend_path(b, in, strlen(in), path);
		if (err)
			return err;
		b->fd_in = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (b->fd_in < 0)
			return -errno;
	}
	err = backend_path(b, b->argument, len, b->where);
	if (err)
		return err;
	b->fd_out = file_open_out(b->where);
	if (b->fd_out < 0)
		return b->fd_out;
	b->connected = true;
	err = backend_watch(b);
	b->readable = b->fd_in >= 0;
	return err;
}

static void file_close(struct backend *b)
{
	if (b->fd_in >= 0)
		close(b->fd_in);
	if (b->fd_out >= 0)
		close(b->fd_out);
}

static ssize_t file_read(struct backend *b, const struct iovec *iov, int n)
{
	ssize_t got;

	if (b->fd_in < 0) /* a retry after an error in writing */
		return -EAGAIN;
	do
		got = readv(b->fd_in, iov, n);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

const struct backend_kind backend_file = {
	.name = "file",
	.argument = BACKEND_ARGUMENT,
	.open = file_open,
	.close = file_close,
	.read = file_read,
};

/* --- echo --- */

enum { ECHO_SIZE = 65536 };

struct echo {
	uint32_t head, tail; /* free-running: written and read bytes */
	unsigned char bytes[ECHO_SIZE];
};

static int echo_open(struct backend *b)
{
	b->state = calloc(1, sizeof(struct echo));
	b->connected = b->readable = b->writable = true;
	return b->state ? 0 : -ENOMEM;
}

static void echo_close(struct backend *b)
{
	free(b->state);
}

/* The largest piece from a position on that does not wrap, of len bytes. */
static uint32_t echo_piece(uint32_t at, size_t len)
{
	uint32_t to_end = ECHO_SIZE - at % ECHO_SIZE;

	return len < to_end ? (uint32_t)len : to_end;
}

static ssize_t echo_read(struct backend *b, const struct iovec *iov, int n)
{
	struct echo *echo = b->state;
	ssize_t done = 0;

	for (int i = 0; i < n; i++) {
		for (size_t at = 0; at < iov[i].iov_len && echo->tail != echo->head;) {
			uint32_t held = echo->head - echo->tail;
			size_t room = iov[i].iov_len - at;
			uint32_t len = echo_piece(echo->tail, room < held ? room : held);

			memcpy((char *)iov[i].iov_base + at, echo->bytes + echo->tail % ECHO_SIZE,
			       len);
			echo->tail += len;
			at += len;
			done += len;
		}
	}
	b->writable |= done > 0;
	return done ? done : -EAGAIN;
}

static ssize_t echo_write(struct backend *b, const struct iovec *iov, int n)
{
	struct echo *echo = b->state;
	ssize_t done = 0;

	for (int i = 0; i < n; i++) {
		for (size_t at = 0; at < iov[i].iov_len;) {
			size_t room = ECHO_SIZE - (echo->head - echo->tail);
			size_t left = iov[i].iov_len - at;
			uint32_t len = echo_piece(echo->head, left < room ? left : room);

			if (!len)
				break;
			memcpy(echo->bytes + echo->head % ECHO_SIZE, (char *)iov[i].iov_base + at,
			       len);
			echo->head += len;
			at += len;
			done += len;
		}
	}
	b->readable |= done > 0;
	return done ? done : -EAGAIN;
}

const struct backend_kind backend_echo = {
	.name = "echo",
	.argument = BACKEND_NO_ARGUMENT,
	.open = echo_open,
	.close = echo_close,
	.read = echo_read,
	.write = echo_write,
};
