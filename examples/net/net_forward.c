/* SPDX-License-Identifier: MIT */
/*
 * A packet on its way out of the switch.  Who takes it as it is gets it from where it lies, copied
 * once; for others its checksum is completed, or it is cut into segments, in a copy of it.
 */
#include <errno.h>

#include "net_deliver.h"
#include "net_switch.h"

static const struct virtio_net_hdr_v1 plain;

static void missed(struct net_switch *s, uint32_t from, uint32_t to)
{
	net_count(&s->ports[to].pair->counts.missed, 1);
	s->counts[from].missed++;
}

static void to_port(struct net_switch *s, uint32_t from, uint32_t to,
		    const struct virtio_net_hdr_v1 *header, struct iovec *list, int n, size_t len)
{
	struct net_port *port = &s->ports[to];
	int ret = -EAGAIN;

	/* Nobody overtakes what waits already. */
	if (!port->backlog.used)
		ret = net_deliver(port->pair, header, list, n, len);
	if (!ret)
		port->to_signal = true;
	if (!ret ||
	    (ret == -EAGAIN && net_backlog_add(&port->backlog, from, header, list + 1, n - 1, len)))
		return;
	missed(s, from, to);
}

static void to_place(struct net_switch *s, const struct net_packet *p, uint32_t to,
		     const struct virtio_net_hdr_v1 *header, struct iovec *list, int n, size_t len)
{
	if (to != NET_UPLINK)
		to_port(s, p->from, to, header, list, n, len);
	else if (net_uplink_send(s->uplink, header, list, n))
		s->counts[p->from].lost++;
}

static void gather(struct net_switch *s, struct net_packet *p)
{
	if (!p->is_gathered)
		net_gather(p->list + 1, p->n - 1, 0, s->frame, p->len);
	p->is_gathered = true;
}

static void forward_complete(struct net_switch *s, struct net_packet *p, uint32_t to)
{
	struct iovec list[] = {{NULL, 0}, {s->frame, p->len}};

	gather(s, p);
	if (!p->is_complete)
		net_complete_checksum(&p->header, s->frame, p->len);
	p->is_complete = true;
	to_place(s, p, to, &plain, list, 2, p->len);
}

static void forward_cut(struct net_switch *s, struct net_packet *p, uint32_t to)
{
	gather(s, p);
	for (uint32_t i = 0; i < p->cut.n; i++) {
		size_t len = net_cut_make(&p->cut, s->frame, p->len, i, s->segment);
		struct iovec list[] = {{NULL, 0}, {s->segment, len}};

		to_place(s, p, to, &plain, list, 2, len);
	}
}

static uint64_t features_of(const struct net_switch *s, uint32_t to)
{
	return to == NET_UPLINK ? net_uplink_features(s->uplink) : s->ports[to].pair->features;
}

void net_forward(struct net_switch *s, struct net_packet *p, uint32_t to)
{
	if (to != NET_UPLINK && s->ports[to].pair->rests)
		missed(s, p->from, to);
	else if (net_is_taken(&p->header, features_of(s, to)))
		to_place(s, p, to, &p->header, p->list, p->n, p->len);
	else if (p->header.gso_type == VIRTIO_NET_HDR_GSO_NONE)
		forward_complete(s, p, to);
	else
		forward_cut(s, p, to);
}

void net_forward_backlog(struct net_switch *s, uint32_t to)
{
	struct net_port *port = &s->ports[to];
	struct net_backlog_record record;
	struct iovec list[3];
	int n, ret;

	while ((n = net_backlog_first(&port->backlog, &record, list + 1)) != 0) {
		ret = net_deliver(port->pair, &record.header, list, n + 1, record.len);
		if (ret == -EAGAIN)
			return;
		if (ret)
			missed(s, record.from, to);
		net_backlog_pop(&port->backlog);
	}
}
