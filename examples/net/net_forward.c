/* SPDX-License-Identifier: MIT */
/*
 * A packet on its way out of the switch.  Who takes it as it is gets it from where it lies, copied
 * once; for others its checksum is completed, or it is cut into segments, in a copy of it.
 */
#include <errno.h>
#include <time.h>

#include "net_deliver.h"
#include "net_switch.h"

static const struct virtio_net_hdr_v1 plain;

static const uint64_t patience = 100 * 1000000; /* nanoseconds */

static void missed(struct net_switch *s, uint32_t from, uint32_t to, uint32_t n)
{
	net_count(&s->ports[to].pair->counts.missed, n);
	s->counts[from].missed += n;
}

/* Of either kind of place. */
static void not_taken(struct net_switch *s, uint32_t from, uint32_t to, uint32_t n)
{
	if (to == NET_UPLINK)
		s->counts[from].lost += n;
	else
		missed(s, from, to, n);
}

/* --- a guest with too few buffers --- */

static uint64_t clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static bool is_over(const struct net_port *port)
{
	return port->short_since && clock_now() - port->short_since >= patience;
}

/*
 * A frame of len bytes is more than it has buffers for.  It may be more than its ring can hold:
 * then nothing ever changes, so it is not waited for without end, and for others like it not at
 * all.
 */
static bool port_waits(struct net_port *port, size_t len)
{
	if (port->too_long && len >= port->too_long)
		return false;
	if (!port->short_since)
		port->short_since = clock_now();
	if (!is_over(port))
		return true;
	port->too_long = len;
	return false;
}

/* As net_deliver(), but -EAGAIN is whatever is waited for. */
static int port_deliver(struct net_port *port, const struct virtio_net_hdr_v1 *header,
			struct iovec *list, int n, size_t len)
{
	int ret = net_deliver(port->pair, header, list, n, len);

	if (ret == -ENOBUFS && port_waits(port, len))
		return -EAGAIN;
	if (ret != -EAGAIN)
		port->short_since = 0;
	if (!ret && len >= port->too_long)
		port->too_long = 0;
	port->to_signal |= !ret;
	return ret;
}

void net_forward_backlog(struct net_switch *s, uint32_t to)
{
	struct net_port *port = &s->ports[to];
	struct net_backlog_record record;
	struct iovec list[3];
	int n, ret;

	while ((n = net_backlog_first(&port->backlog, &record, list + 1)) != 0) {
		ret = port_deliver(port, &record.header, list, n + 1, record.len);
		if (ret == -EAGAIN)
			return;
		if (ret)
			missed(s, record.from, to, 1);
		net_backlog_pop(&port->backlog);
	}
}

void net_forward_forget(struct net_switch *s, uint32_t to)
{
	struct net_port *port = &s->ports[to];

	net_backlog_clear(&port->backlog);
	port->short_since = port->too_long = 0;
}

/* --- to one place; false: it is not taken --- */

static bool to_port(struct net_switch *s, uint32_t from, uint32_t to,
		    const struct virtio_net_hdr_v1 *header, struct iovec *list, int n, size_t len)
{
	struct net_port *port = &s->ports[to];
	int ret = -EAGAIN;

	/* Nobody overtakes what waits already, unless that is in vain. */
	if (is_over(port))
		net_forward_backlog(s, to);
	if (!port->backlog.used)
		ret = port_deliver(port, header, list, n, len);
	return !ret || (ret == -EAGAIN &&
			net_backlog_add(&port->backlog, from, header, list + 1, n - 1, len));
}

static bool to_place(struct net_switch *s, const struct net_packet *p, uint32_t to,
		     const struct virtio_net_hdr_v1 *header, struct iovec *list, int n, size_t len)
{
	if (p->from != NET_UPLINK)
		s->ports[p->from].work += 1 + (uint32_t)(len / NET_UNIT);
	if (to != NET_UPLINK)
		return to_port(s, p->from, to, header, list, n, len);
	return !net_uplink_send(s->uplink, header, list, n);
}

static void gather(struct net_switch *s, struct net_packet *p)
{
	if (!p->is_gathered)
		net_gather(p->list + 1, p->n - 1, 0, s->frame, p->len);
	p->is_gathered = true;
}

static void forward_as_it_is(struct net_switch *s, struct net_packet *p, uint32_t to)
{
	if (!to_place(s, p, to, &p->header, p->list, p->n, p->len))
		not_taken(s, p->from, to, 1);
}

static void forward_complete(struct net_switch *s, struct net_packet *p, uint32_t to)
{
	struct iovec list[] = {{NULL, 0}, {s->frame, p->len}};

	gather(s, p);
	if (!p->is_complete)
		net_complete_checksum(&p->header, s->frame, p->len);
	p->is_complete = true;
	if (!to_place(s, p, to, &plain, list, 2, p->len))
		not_taken(s, p->from, to, 1);
}

/* Where one is not taken those behind it are not even made: there can be many, for many places. */
static void forward_cut(struct net_switch *s, struct net_packet *p, uint32_t to)
{
	gather(s, p);
	for (uint32_t i = 0; i < p->cut.n; i++) {
		size_t len = net_cut_make(&p->cut, s->frame, p->len, i, s->segment);
		struct iovec list[] = {{NULL, 0}, {s->segment, len}};

		if (!to_place(s, p, to, &plain, list, 2, len)) {
			not_taken(s, p->from, to, p->cut.n - i);
			return;
		}
	}
}

static uint64_t features_of(const struct net_switch *s, uint32_t to)
{
	return to == NET_UPLINK ? net_uplink_features(s->uplink) : s->ports[to].pair->features;
}

void net_forward(struct net_switch *s, struct net_packet *p, uint32_t to)
{
	const struct net_pair *pair = to == NET_UPLINK ? NULL : s->ports[to].pair;

	/* Nor does it come when the link is up again. */
	if (pair && (pair->rests || pair_is_down(pair)))
		missed(s, p->from, to, 1);
	else if (net_is_taken(&p->header, features_of(s, to)))
		forward_as_it_is(s, p, to);
	else if (p->header.gso_type == VIRTIO_NET_HDR_GSO_NONE)
		forward_complete(s, p, to);
	else
		forward_cut(s, p, to);
}
