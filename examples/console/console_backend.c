/* SPDX-License-Identifier: MIT */
/* See console_backend.h: what all kinds have in common. */
#include "console_backend.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "../common/own_file.h"

static const uint64_t retry_ns = 500 * 1000000ULL;

static const struct backend_kind *const backend_kinds[] = {
	&backend_pty, &backend_socket, &backend_stdio, &backend_file, &backend_echo,
};

/* The kind that a description names, and its argument, which may be "". */
static const struct backend_kind *backend_find(const char *description, const char **argument)
{
	size_t len = strcspn(description, ":");

	*argument = description[len] ? description + len + 1 : "";
	for (size_t i = 0; i < sizeof(backend_kinds) / sizeof(backend_kinds[0]); i++) {
		const struct backend_kind *kind = backend_kinds[i];

		if (strlen(kind->name) != len || strncmp(kind->name, description, len))
			continue;
		if (kind->argument == BACKEND_ARGUMENT && !**argument)
			return NULL;
		if (kind->argument == BACKEND_NO_ARGUMENT && description[len])
			return NULL;
		return kind;
	}
	return NULL;
}

int backend_check(const char *description)
{
	const char *argument;

	return backend_find(description, &argument) ? 0 : -EINVAL;
}

void backend_warn(struct backend *b, const char *text, int error)
{
	vu_device_log_peerf(b->dev, VU_LOG_WARNING, "port %s: %s: %s%s%s", b->label, b->kind->name,
			    text, error ? ": " : "", error ? own_file_error(error) : "");
}

int backend_path(const struct backend *b, const char *text, size_t len, char path[BACKEND_PATH])
{
	char first[BACKEND_PATH];

	if (len >= sizeof(first))
		return -ENAMETOOLONG;
	snprintf(first, sizeof(first), "%.*s", (int)len, text);
	return vu_program_path(first, b->index, path, BACKEND_PATH);
}

/* --- events --- */

static void backend_on_retry(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct backend *b = opaque;

	if (b->failed)
		b->readable = b->writable = true;
	b->failed = false;
	b->allowance = BACKEND_ALLOWANCE;
	b->changed(b->opaque);
}

static void backend_on_fd(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct backend *b = opaque;
	const uint32_t gone = EPOLLHUP | EPOLLERR;

	if (source == b->source_in && events & (EPOLLIN | EPOLLRDHUP | gone))
		b->readable = true;
	if (fd == b->fd_out && events & (EPOLLOUT | gone))
		b->writable = true;
	if (b->kind->look)
		b->kind->look(b, events);
	b->changed(b->opaque);
}

static int backend_watch_fd(struct backend *b, int fd, uint32_t events, struct vu_source **source)
{
	int err = vu_group_add_fd(b->group, fd, events | EPOLLET, backend_on_fd, b, source);

	return err == -EPERM ? 0 : err; /* a regular file is always ready, and can't be watched */
}

int backend_watch(struct backend *b)
{
	uint32_t both = b->fd_in == b->fd_out ? EPOLLOUT : 0;
	int err = 0;

	if (b->fd_in >= 0)
		err = backend_watch_fd(b, b->fd_in, EPOLLIN | EPOLLRDHUP | both, &b->source_in);
	if (!err && b->fd_out >= 0 && !both)
		err = backend_watch_fd(b, b->fd_out, EPOLLOUT, &b->source_out);
	b->readable = b->writable = true;
	return err;
}

void backend_unwatch(struct backend *b)
{
	vu_source_remove(b->source_in);
	vu_source_remove(b->source_out);
	b->source_in = b->source_out = NULL;
}

/* --- data --- */

/* It is not to be expected that this goes on: say so once, and see later. */
static ssize_t backend_fail(struct backend *b, const char *what, int error)
{
	if (error != b->error)
		backend_warn(b, what, error);
	b->error = error;
	if (b->kind->disconnect) {
		b->kind->disconnect(b);
	} else {
		b->failed = true;
		vu_source_set_timer(b->retry, retry_ns, 0);
	}
	return -EAGAIN;
}

/* As much of it as is allowed in this turn. */
static int backend_clip(const struct backend *b, const struct iovec *iov, int n, struct iovec *out)
{
	size_t left = b->allowance;
	int used = 0;

	for (; used < n && used < BACKEND_SEGS && left; used++) {
		out[used] = iov[used];
		if (out[used].iov_len > left)
			out[used].iov_len = left;
		left -= out[used].iov_len;
	}
	return used;
}

/* Bytes went to or fro.  The next turn comes as soon as everybody else had one. */
static void backend_spend(struct backend *b, ssize_t bytes)
{
	b->allowance -= (uint32_t)bytes;
	if (!b->allowance)
		vu_source_set_timer(b->retry, 1, 0);
}

static ssize_t backend_readv(int fd, const struct iovec *iov, int n)
{
	ssize_t got;

	do
		got = readv(fd, iov, n);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

static ssize_t backend_writev(int fd, const struct iovec *iov, int n)
{
	ssize_t put;

	do
		put = writev(fd, iov, n);
	while (put < 0 && errno == EINTR);
	return put < 0 ? -errno : put;
}

ssize_t backend_read(struct backend *b, const struct iovec *iov, int n)
{
	struct iovec some[BACKEND_SEGS];
	ssize_t got;

	if (!b->connected || !b->readable || !b->allowance)
		return -EAGAIN;
	n = backend_clip(b, iov, n, some);
	got = b->kind->read ? b->kind->read(b, some, n) : backend_readv(b->fd_in, some, n);
	if (got > 0)
		backend_spend(b, got);
	if (got > 0 && b->hung_up && b->kind->look) /* was that all? */
		b->kind->look(b, 0);
	if (got > 0 || got == -EFAULT)
		return got;
	b->readable = false;
	if (!got && b->hung_up && b->kind->disconnect)
		b->kind->disconnect(b);
	return !got || got == -EAGAIN ? -EAGAIN : backend_fail(b, "read", (int)-got);
}

ssize_t backend_write(struct backend *b, const struct iovec *iov, int n)
{
	struct iovec some[BACKEND_SEGS];
	ssize_t put;

	if (!b->writable || !b->allowance)
		return -EAGAIN;
	n = backend_clip(b, iov, n, some);
	put = b->kind->write ? b->kind->write(b, some, n) : backend_writev(b->fd_out, some, n);
	if (put > 0)
		backend_spend(b, put);
	if (put > 0 || put == -EFAULT) {
		b->error = 0;
		return put;
	}
	b->writable = false;
	if (put == -EPIPE) {
		b->hung_up = true;
		if (b->kind->look)
			b->kind->look(b, 0);
		return -EAGAIN;
	}
	return !put || put == -EAGAIN ? -EAGAIN : backend_fail(b, "write", (int)-put);
}

void backend_set_wanted(struct backend *b, bool wanted)
{
	if (b->wanted == wanted)
		return;
	b->wanted = wanted;
	if (b->kind->look)
		b->kind->look(b, 0);
}

bool backend_accept(struct backend *b)
{
	if (!b->connected && b->kind->accept)
		b->kind->accept(b);
	return b->connected;
}

/* --- life --- */

int backend_open(struct vu_device *dev, uint32_t index, const char *label, const char *description,
		 void (*changed)(void *opaque), void *opaque, struct backend **backend)
{
	struct backend *b = calloc(1, sizeof(*b));
	const char *argument;
	int err;

	if (!b)
		return -ENOMEM;
	b->kind = backend_find(description, &argument);
	if (!b->kind) {
		free(b);
		return -EINVAL;
	}
	b->dev = dev;
	b->group = vu_device_group(dev);
	b->index = index;
	b->label = label;
	b->changed = changed;
	b->opaque = opaque;
	b->fd_in = b->fd_out = -1;
	b->allowance = BACKEND_ALLOWANCE;
	b->argument = argument;
	snprintf(b->where, sizeof(b->where), "%s", argument);
	err = vu_group_add_timer(b->group, backend_on_retry, b, &b->retry);
	if (!err)
		err = b->kind->open(b);
	if (err) {
		vu_device_logf(b->dev, VU_LOG_ERROR, "port %s: %s: %s: %s", label, b->kind->name,
			       *argument ? argument : "open", own_file_error(-err));
		backend_close(b);
		return err;
	}
	*backend = b;
	return 0;
}

void backend_close(struct backend *b)
{
	if (!b)
		return;
	backend_unwatch(b);
	vu_source_remove(b->retry);
	b->kind->close(b);
	free(b);
}
