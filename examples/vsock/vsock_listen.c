/* SPDX-License-Identifier: MIT */
/*
 * Where clients on the host come in: --listen and --uds-path.
 *
 * While there is no driver in the guest, or no room for one more connection, a client is accepted
 * and closed at once: it then knows, which it would not if it waited in a queue.
 */
#include "vsock.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "vsock_far_socket.h"

enum { LISTEN_BACKLOG = 128, LISTEN_TURN = 16 };

static void listener_ready(void *opaque)
{
	struct listener *l = opaque;
	struct guest *g = l->guest;

	for (int i = 0; i < LISTEN_TURN; i++) {
		int client = door_accept(&l->door);

		if (client < 0)
			break;
		if (l->hybrid)
			far_socket_greeted(g, client);
		else
			far_socket_accepted(g, client, l->port, l->type);
	}
	vsock_pump(g->vsock, g);
}

static int listen_elsewhere(struct listener *l, const struct address *a)
{
	const int on = 1;

	l->fd = socket(a->name.any.sa_family, a->socket_type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return -errno;
	if (a->kind == ADDRESS_TCP)
		setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(l->fd, &a->name.any, a->len) < 0 || listen(l->fd, LISTEN_BACKLOG) < 0)
		return -errno;
	return 0;
}

/* path: of a Unix socket, else NULL. */
static int listener_open(struct vsock_device *d, const struct address *a, const char *path,
			 struct listener **listener)
{
	struct listener *l = &d->listeners[d->n_listeners++];
	int ret;

	*listener = l;
	l->guest = &d->guest;
	l->fd = l->file.fd = -1;
	if (path) {
		ret = own_socket_listen(&l->file, path, a ? a->socket_type : SOCK_STREAM);
		l->fd = l->file.fd;
	} else {
		ret = listen_elsewhere(l, a);
	}
	if (!ret)
		ret = door_open(&l->door, d->dev, vu_device_group(d->dev), l->fd, false,
				listener_ready, l);
	if (ret)
		vu_device_logf(d->dev, VU_LOG_ERROR, "cannot listen at %s: %s",
			       path ? path : a->text, strerror(-ret));
	return ret;
}

/* Unix sockets of the second guest have ".1" behind their names, and so on. */
static int listener_of_rule(struct vsock_device *d, const struct rule *rule)
{
	char path[sizeof(rule->address.name.un.sun_path)];
	const char *at = rule->address.kind == ADDRESS_UNIX ? path : NULL;
	uint32_t index = rule->cid ? 0 : d->settings->vsock.n_guests - 1;
	struct listener *l;
	int ret;

	if (rule->cid && rule->cid != d->guest.cid)
		return 0;
	if (at && vu_program_path(rule->address.name.un.sun_path, index, path, sizeof(path))) {
		vu_device_logf(d->dev, VU_LOG_ERROR, "%s: too long", rule->address.text);
		return -ENAMETOOLONG;
	}
	ret = listener_open(d, &rule->address, at, &l);
	l->port = rule->first_port;
	l->type = rule->address.socket_type == SOCK_SEQPACKET ? VIRTIO_VSOCK_TYPE_SEQPACKET
							      : VIRTIO_VSOCK_TYPE_STREAM;
	return ret;
}

int listeners_open(struct vsock_device *d)
{
	const struct rules *r = &d->settings->rules;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct listener *l;
	int ret = 0;

	for (uint32_t i = 0; i < r->n_listen && !ret; i++)
		ret = listener_of_rule(d, &r->listen[i]);
	if (ret || !r->uds_path)
		return ret;
	ret = rules_uds_path(&d->guest, path, sizeof(path));
	if (ret) {
		vu_device_logf(d->dev, VU_LOG_ERROR, "%s: too long", r->uds_path);
		return ret;
	}
	ret = listener_open(d, NULL, path, &l);
	l->hybrid = true;
	return ret;
}

void listeners_close(struct vsock_device *d)
{
	for (uint32_t i = 0; i < d->n_listeners; i++) {
		struct listener *l = &d->listeners[i];

		door_close(&l->door);
		if (l->file.fd >= 0)
			own_socket_close(&l->file);
		else if (l->fd >= 0)
			close(l->fd);
	}
	d->n_listeners = 0;
}
