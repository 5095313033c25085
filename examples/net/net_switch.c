/* SPDX-License-Identifier: MIT */
/*
 * A switch between the guests of this process, one port each: a frame goes to the port where its
 * destination was last seen as a source, and to all others where that is not known.
 *
 * What is learned is bounded, for each port by itself: no guest makes another one's addresses be
 * forgotten.  An address that turns up at another port has moved.  Who has no buffers misses what
 * is sent meanwhile, as on a wire; nobody waits for anybody.
 *
 * Thread: the device thread, which is one for all devices of a process.
 */
#include "net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PORTS = 64, MAX_LEARNED = 32, ADDRESS = 6 };

struct port {
	struct net_pair *pair;
	bool to_signal;		  /* it has received something since the last signal */
	uint32_t n_learned, next; /* the oldest one makes room */
	unsigned char learned[MAX_LEARNED][ADDRESS];
};

struct net_switch {
	uint32_t n;
	struct port *ports[MAX_PORTS];
	const unsigned char *held; /* what is being received */
	size_t len;		   /* 0: nothing */
	unsigned char frame[NET_MAX_FRAME];
};

static struct net_switch *switch_of(const struct net_end *end)
{
	return *end->pair->net->settings->the_switch;
}

static bool is_for_many(const unsigned char *address)
{
	return address[0] & 1;
}

/* Where an address is in what a port learned, or n_learned. */
static uint32_t port_find(const struct port *p, const unsigned char *address)
{
	uint32_t i = 0;

	while (i < p->n_learned && memcmp(p->learned[i], address, ADDRESS) != 0)
		i++;
	return i;
}

static void port_forget(struct port *p, const unsigned char *address)
{
	uint32_t i = port_find(p, address);

	if (i < p->n_learned)
		memcpy(p->learned[i], p->learned[--p->n_learned], ADDRESS);
}

static void switch_learn(struct net_switch *s, struct port *from, const unsigned char *address)
{
	if (port_find(from, address) < from->n_learned)
		return;
	for (uint32_t i = 0; i < s->n; i++)
		port_forget(s->ports[i], address);
	if (from->n_learned < MAX_LEARNED)
		from->next = from->n_learned++;
	else
		from->next = (from->next + 1) % MAX_LEARNED;
	memcpy(from->learned[from->next], address, ADDRESS);
}

static void switch_deliver(struct net_switch *s, struct port *to, size_t len)
{
	s->held = s->frame;
	s->len = len;
	pair_receive(to->pair);
	if (s->len)
		net_count(&to->pair->counts.missed, 1);
	else
		to->to_signal = true;
	s->len = 0;
}

static int switch_send(struct net_end *end, const struct iovec *iov, int n)
{
	struct net_switch *s = switch_of(end);
	struct port *from = end->own, *to = NULL;
	size_t len = net_gather(iov, n, iov[0].iov_len, s->frame, sizeof(s->frame));

	/* A source that is a group's is no address of anybody's. */
	if (is_for_many(s->frame + ADDRESS))
		return -EINVAL;
	switch_learn(s, from, s->frame + ADDRESS);
	for (uint32_t i = 0; i < s->n && !to && !is_for_many(s->frame); i++)
		if (port_find(s->ports[i], s->frame) < s->ports[i]->n_learned)
			to = s->ports[i];
	for (uint32_t i = 0; i < s->n; i++)
		if (s->ports[i] != from && (!to || s->ports[i] == to))
			switch_deliver(s, s->ports[i], len);
	return 0;
}

/* Nobody else does, before the receivers' next events. */
static void switch_sent(struct net_end *end)
{
	struct net_switch *s = switch_of(end);

	for (uint32_t i = 0; i < s->n; i++) {
		if (s->ports[i]->to_signal)
			vu_queue_signal(s->ports[i]->pair->rx);
		s->ports[i]->to_signal = false;
	}
}

static ssize_t switch_receive(struct net_end *end, const struct iovec *iov, int n)
{
	static const struct virtio_net_hdr_v1 plain;
	struct net_switch *s = switch_of(end);
	size_t header = end->pair->header, len = s->len;

	if (!len)
		return -EAGAIN;
	s->len = 0;
	net_scatter(iov, n, 0, &plain, header);
	net_scatter(iov, n, header, s->held, len);
	return (ssize_t)(header + len);
}

static void switch_free(struct net_end *end)
{
	struct net_switch **the = end->pair->net->settings->the_switch, *s = *the;

	for (uint32_t i = 0; i < s->n; i++)
		if (s->ports[i] == end->own)
			s->ports[i] = s->ports[--s->n];
	free(end->own);
	if (s->n)
		return;
	free(s);
	*the = NULL;
}

static const struct net_end_ops switch_ops = {
	.announces = true,
	.send = switch_send,
	.sent = switch_sent,
	.receive = switch_receive,
	.free = switch_free,
};

int net_switch_open(struct net *net, const char *spec)
{
	struct net_switch **the = net->settings->the_switch;
	struct net_end *end = &net->pairs[0].end;
	struct port *port;

	(void)spec;
	if (!*the)
		*the = calloc(1, sizeof(**the));
	if (!*the)
		return -ENOMEM;
	port = calloc(1, sizeof(*port));
	if (port && (*the)->n < MAX_PORTS) {
		port->pair = &net->pairs[0];
		end->own = port;
		end->ops = &switch_ops;
		(*the)->ports[(*the)->n++] = port;
		return 0;
	}
	fprintf(stderr, "vu-net: a switch has %d ports\n", MAX_PORTS);
	if (!(*the)->n) {
		free(*the);
		*the = NULL;
	}
	free(port);
	return -E2BIG;
}
