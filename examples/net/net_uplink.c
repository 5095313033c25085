/* SPDX-License-Identifier: MIT */
/* See net_uplink.h.  Thread: the device thread. */
#include "net_uplink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "net_segment.h"

struct net_uplink {
	int fd;
	uint64_t features;
	struct vu_source *source;
	net_uplink_frame frame;
	net_uplink_done done;
	void *opaque;
	unsigned char bytes[NET_MAX_FRAME];
};

int net_uplink_open(struct net_uplink **uplink, const char *spec)
{
	struct net_uplink *u;

	*uplink = NULL;
	if (strncmp(spec, "tap:", strlen("tap:")) != 0) {
		fprintf(stderr, "vu-net: --switch-uplink=%s: tap:NAME, please\n", spec);
		return -EINVAL;
	}
	u = calloc(1, sizeof(*u));
	if (!u)
		return -ENOMEM;
	u->fd = net_tap_attach(spec + strlen("tap:"), false);
	if (u->fd < 0) {
		int ret = u->fd;

		net_tap_explain(spec + strlen("tap:"), ret);
		free(u);
		return ret;
	}
	u->features = net_tap_take_all(u->fd);
	*uplink = u;
	return 0;
}

void net_uplink_free(struct net_uplink *u)
{
	if (!u)
		return;
	vu_source_remove(u->source);
	close(u->fd);
	free(u);
}

uint64_t net_uplink_features(const struct net_uplink *u)
{
	return u->features;
}

/* The kernel's header is checked as a guest's is: what passes goes to drivers of any quality. */
static bool uplink_read(struct net_uplink *u)
{
	struct virtio_net_hdr_v1 header;
	const struct iovec iov[] = {{&header, sizeof(header)}, {u->bytes, sizeof(u->bytes)}};
	ssize_t got = readv(u->fd, iov, 2);

	if (got < 0)
		return errno == EINTR;
	if (got > (ssize_t)sizeof(header) &&
	    !net_header_check(&header, (size_t)got - sizeof(header), net_offloads, 0))
		u->frame(u->opaque, &header, u->bytes, (size_t)got - sizeof(header));
	return true;
}

static void on_uplink(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct net_uplink *u = opaque;
	int i = 0;

	(void)fd;
	while (i < NET_BATCH && uplink_read(u))
		i++;
	u->done(u->opaque);
	if (!i && events & (EPOLLERR | EPOLLHUP)) {
		vu_source_remove(source);
		u->source = NULL;
	}
}

int net_uplink_begin(struct net_uplink *u, struct vu_group *group, net_uplink_frame frame,
		     net_uplink_done done, void *opaque)
{
	u->frame = frame;
	u->done = done;
	u->opaque = opaque;
	return vu_group_add_fd(group, u->fd, EPOLLIN, on_uplink, u, &u->source);
}

int net_uplink_send(struct net_uplink *u, const struct virtio_net_hdr_v1 *header,
		    struct iovec *list, int n)
{
	struct virtio_net_hdr_v1 h = *header;

	list[0] = (struct iovec){&h, sizeof(h)};
	return writev(u->fd, list, n) < 0 ? -errno : 0;
}
