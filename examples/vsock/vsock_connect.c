/* SPDX-License-Identifier: MIT */
/*
 * How connections with a socket begin: the guest asks for a place of the host's, or a client comes.
 */
#include "vsock_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vsock_spawn.h"

enum { SOCKET_LINE = 32 /* longer than any "CONNECT PORT\n" */ };

/* --- the guest asks --- */

static void socket_connected(struct conn *c)
{
	c->state = CONN_OPEN;
	c->readable = c->writable = true;
	c->guest->n_opened++;
	conn_wait(c, 0);
	conn_owe(c, OWE_RESPONSE);
}

void far_socket_look(struct conn *c)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (c->address || c->fd < 0)
		return; /* not begun yet */
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error)
		conn_reset(c, strerror(error));
	else
		socket_connected(c);
}

static int socket_connect(struct conn *c, const struct address *a)
{
	if (c->fd < 0)
		c->fd = socket(a->name.any.sa_family, a->socket_type | SOCK_CLOEXEC | SOCK_NONBLOCK,
			       0);
	if (c->fd < 0)
		return -errno;
	return connect(c->fd, &a->name.any, a->len) < 0 ? -errno : 0;
}

/* Its queue of clients, or that of programs, is full: it may have time in a moment. */
static int socket_connect_later(struct conn *c, const struct address *a)
{
	if (!c->address) {
		c->address = malloc(sizeof(*a));
		if (!c->address)
			return -ENOMEM;
		*c->address = *a;
	}
	return 0;
}

/* -EAGAIN: so many are to be started that one more has to wait. */
static int socket_connect_program(struct conn *c)
{
	int pair[2], ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	/* Ours alone: programs do not expect it of their standard input. */
	ret = fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
	if (!ret)
		ret = spawner_run(c->guest->vsock->rules, c->program, (uint32_t)c->guest->cid,
				  pair[1]);
	close(pair[1]);
	if (ret) {
		close(pair[0]);
		return ret;
	}
	c->fd = pair[0];
	ret = far_socket_watch(c);
	if (!ret)
		socket_connected(c);
	return ret;
}

static int socket_begin_program(struct conn *c, const struct far_place *place)
{
	int ret;

	c->program = place->program;
	ret = socket_connect_program(c);
	if (ret != -EAGAIN)
		return ret;
	ret = socket_connect_later(c, &place->address);
	if (!ret)
		conn_wait(c, CONN_CONNECT_TICKS);
	return ret;
}

int far_socket_connect(struct conn *c, const struct far_place *place)
{
	int ret, watched;

	if (place->address.kind == ADDRESS_EXEC)
		return socket_begin_program(c, place);
	ret = socket_connect(c, &place->address);
	if (ret == -EAGAIN)
		ret = socket_connect_later(c, &place->address);
	else if (ret && ret != -EINPROGRESS)
		return ret;
	watched = far_socket_watch(c);
	if (watched || (ret && ret != -EINPROGRESS))
		return watched ? watched : ret;
	if (!ret && !c->address)
		socket_connected(c);
	else
		conn_wait(c, CONN_CONNECT_TICKS);
	return 0;
}

void far_socket_tick(struct conn *c)
{
	int ret;

	if (c->state != CONN_CONNECTING || !c->address)
		return;
	ret = c->address->kind == ADDRESS_EXEC ? socket_connect_program(c)
					       : socket_connect(c, c->address);
	if (ret == -EAGAIN)
		return;
	free(c->address);
	c->address = NULL;
	if (ret && ret != -EINPROGRESS)
		conn_reset(c, strerror(-ret));
	else if (!ret && c->state == CONN_CONNECTING) /* a program is there at once */
		socket_connected(c);
}

/* --- clients --- */

static struct conn *socket_client(struct guest *g, int fd, uint16_t type)
{
	struct conn *c = g->running ? conn_new(g, &far_socket, type) : NULL;

	if (!c) {
		close(fd);
		return NULL;
	}
	c->fd = fd;
	if (!far_socket_watch(c))
		return c;
	conn_free(c);
	return NULL;
}

static void socket_ask(struct conn *c, uint32_t port)
{
	struct tuple tuple = {
		.peer_cid = VMADDR_CID_HOST, .local_port = port, .type = c->tuple.type};

	tuple.peer_port = conn_new_port(c->guest, &tuple);
	conn_name(c, &tuple);
	c->state = CONN_ASKING;
	conn_owe(c, OWE_REQUEST);
	conn_wait(c, CONN_ANSWER_TICKS);
}

void far_socket_accepted(struct guest *g, int fd, uint32_t port, uint16_t type)
{
	struct conn *c = socket_client(g, fd, type);

	if (c)
		socket_ask(c, port);
}

void far_socket_greeted(struct guest *g, int fd)
{
	struct conn *c = socket_client(g, fd, VIRTIO_VSOCK_TYPE_STREAM);

	if (!c)
		return;
	c->state = CONN_GREETING;
	conn_wait(c, CONN_ANSWER_TICKS);
}

/* "CONNECT PORT\n", and not a byte more is taken. */
void far_socket_hear(struct conn *c)
{
	char line[SOCKET_LINE + 1], *end;
	ssize_t n = recv(c->fd, line, SOCKET_LINE, MSG_PEEK | MSG_DONTWAIT);
	uint64_t port;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	line[n > 0 ? n : 0] = '\0';
	end = strchr(line, '\n');
	if (!end && n > 0 && n < SOCKET_LINE && !c->ending)
		return; /* the rest is yet to come */
	if (end)
		*end = '\0';
	if (!end || strncmp(line, "CONNECT ", 8) ||
	    vu_number_parse(line + 8, 0, UINT32_MAX, &port)) {
		if (n > 0)
			guest_complain(c->guest, "a client did not begin with CONNECT PORT");
		conn_free(c);
		return;
	}
	if (recv(c->fd, line, (size_t)(end - line) + 1, MSG_DONTWAIT) <= 0) {
		conn_free(c);
		return;
	}
	c->hybrid = true;
	socket_ask(c, (uint32_t)port);
}
