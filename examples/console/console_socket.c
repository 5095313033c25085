/* SPDX-License-Identifier: MIT */
/*
 * socket:PATH: listens on a Unix socket and serves one client after the other.
 *
 * The next one waits in the socket's backlog until the one before is gone and what it sent has been
 * read.  A client that is gone but can't be read to its end, because nobody in the guest takes it,
 * makes way for the next.
 */
#include "console_backend.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../common/door.h"
#include "../common/own_socket.h"

struct socket {
	struct own_socket listening;
	struct door door;
};

static void socket_disconnect(struct backend *b)
{
	backend_unwatch(b);
	close(b->fd_in);
	b->fd_in = b->fd_out = -1;
	b->connected = b->hung_up = false;
	b->error = 0;
}

/* Has everything been read that will ever come? */
static bool socket_ended(const struct backend *b)
{
	char byte;
	ssize_t n = recv(b->fd_in, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return !n || (n < 0 && errno != EAGAIN);
}

static bool socket_next_waits(const struct socket *s)
{
	struct pollfd pfd = {.fd = s->listening.fd, .events = POLLIN};

	return poll(&pfd, 1, 0) == 1;
}

static void socket_look(struct backend *b, uint32_t events)
{
	if (!b->connected)
		return;
	if (events & (EPOLLHUP | EPOLLERR))
		b->hung_up = true;
	if (!b->hung_up)
		return;
	if (socket_ended(b)) {
		socket_disconnect(b);
	} else if (!b->wanted && socket_next_waits(b->state)) {
		backend_warn(b, "what the last client sent was never read", 0);
		socket_disconnect(b);
	}
}

static void socket_accept(struct backend *b)
{
	struct socket *s = b->state;
	int fd = door_accept(&s->door);

	if (fd < 0)
		return;
	b->fd_in = b->fd_out = fd;
	if (backend_watch(b)) {
		backend_warn(b, "client refused", ENOMEM);
		socket_disconnect(b);
		return;
	}
	b->connected = true;
}

static void socket_on_client(void *opaque)
{
	struct backend *b = opaque;

	socket_look(b, 0);
	b->changed(b->opaque);
}

static int socket_open(struct backend *b)
{
	struct socket *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	b->state = s;
	s->listening.fd = -1;
	err = backend_path(b, b->argument, strlen(b->argument), b->where);
	if (!err)
		err = own_socket_listen(&s->listening, b->where, SOCK_STREAM);
	if (err)
		return err;
	return door_open(&s->door, b->dev, b->group, s->listening.fd, true, socket_on_client, b);
}

static void socket_close(struct backend *b)
{
	struct socket *s = b->state;

	if (!s)
		return;
	if (b->fd_in >= 0)
		socket_disconnect(b);
	door_close(&s->door);
	own_socket_close(&s->listening);
	free(s);
}

static ssize_t socket_write(struct backend *b, const struct iovec *iov, int n)
{
	const struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)iov,
				       .msg_iovlen = (size_t)n};
	ssize_t put;

	do
		put = sendmsg(b->fd_out, &message, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	return put >= 0 ? put : errno == ECONNRESET ? -EPIPE : -errno;
}

const struct backend_kind backend_socket = {
	.name = "socket",
	.argument = BACKEND_ARGUMENT,
	.open = socket_open,
	.close = socket_close,
	.write = socket_write,
	.look = socket_look,
	.accept = socket_accept,
	.disconnect = socket_disconnect,
};
