/* SPDX-License-Identifier: MIT */
/*
 * A switch between the guests of this process, one port each, and an uplink: a frame goes to the
 * place where its destination was last seen as a source, and to all others where that is not known.
 *
 * Who may reach whom is net_rules.c's, what is learned net_table.c's.  An address that turns up
 * elsewhere has moved, unless addresses are pinned: then a guest speaks with its own one alone, and
 * nothing that is for another one gets there.  Nobody waits for anybody.
 */
#include "net_switch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct net_switch *switch_of(const struct net_end *end)
{
	return *end->pair->net->settings->the_switch;
}

static uint32_t port_of(const struct net_end *end)
{
	return end->pair->net->index;
}

static bool is_for_many(const unsigned char *address)
{
	return address[0] & 1;
}

/* What is for the next bridge itself goes on to nobody (IEEE 802.1Q §8.6.3): spanning trees, PAUSE.
 */
static bool is_for_us(const unsigned char *address)
{
	static const unsigned char reserved[NET_ADDRESS - 1] = {0x01, 0x80, 0xc2};

	return !memcmp(address, reserved, sizeof(reserved)) && address[NET_ADDRESS - 1] < 16;
}

static bool is_there(const struct net_switch *s, uint32_t place)
{
	return place == NET_UPLINK ? s->uplink != NULL : s->ports[place].pair != NULL;
}

/* --- where from --- */

/* The port whose own address this is. */
static uint32_t find_pinned(const struct net_switch *s, const unsigned char *address)
{
	for (uint32_t i = 0; s->pin && i < s->n; i++)
		if (s->ports[i].pair && !memcmp(s->ports[i].pair->net->mac, address, NET_ADDRESS))
			return i;
	return NET_NOBODY;
}

/* May who is there speak with this address?  Then that is where it is. */
static bool switch_learn(struct net_switch *s, uint32_t from, const unsigned char *address)
{
	uint32_t owner;

	if (!s->pin) {
		net_table_learn(&s->table, from, address);
		return true;
	}
	if (from != NET_UPLINK)
		return !memcmp(s->ports[from].pair->net->mac, address, NET_ADDRESS);
	owner = find_pinned(s, address);
	if (owner == NET_NOBODY)
		net_table_learn(&s->table, from, address);
	return owner == NET_NOBODY;
}

/* --- where to --- */

static uint32_t switch_find(const struct net_switch *s, const unsigned char *address)
{
	uint32_t to = find_pinned(s, address);

	return to == NET_NOBODY ? net_table_find(&s->table, address) : to;
}

static void switch_to_all(struct net_switch *s, struct net_packet *p)
{
	bool many = is_for_many(p->head);

	for (uint32_t to = 0; to < NET_PLACES; to++) {
		if (to == p->from || !is_there(s, to) || !s->rules.reach[p->from][to])
			continue;
		/* Whose address is known is not the one that this is for. */
		if (many || !s->pin || to == NET_UPLINK)
			net_forward(s, p, to);
	}
}

/* Why it does not pass at all; 0: it does. */
static int switch_check(struct net_switch *s, struct net_packet *p, const char **why)
{
	struct net_switch_counts *counts = &s->counts[p->from];

	*why = NULL;
	/* A source that is a group's is no address of anybody's. */
	if (is_for_many(p->head + NET_ADDRESS))
		*why = "a frame from the address of a group";
	else if (is_for_us(p->head))
		*why = "a frame that is for bridges";
	else if (p->header.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		*why = net_cut_look(&p->cut, &p->header, p->head, p->len);
	if (*why) {
		counts->refused++;
		return -EINVAL;
	}
	if (switch_learn(s, p->from, p->head + NET_ADDRESS))
		return 0;
	counts->spoofed++;
	*why = "a frame from the address of another one";
	return -EPERM;
}

static int switch_forward(struct net_switch *s, struct net_packet *p, const char **why)
{
	uint32_t to = NET_NOBODY;
	int ret = switch_check(s, p, why);

	if (ret)
		return ret;
	if (!is_for_many(p->head))
		to = switch_find(s, p->head);
	if (to == NET_NOBODY) {
		switch_to_all(s, p);
		return 0;
	}
	if (to == p->from)
		return 0;
	if (s->rules.reach[p->from][to] && is_there(s, to)) {
		net_forward(s, p, to);
		return 0;
	}
	*why = "a frame for whom it may not reach";
	s->counts[p->from].forbidden++;
	return -EACCES;
}

/* --- from guests --- */

/* A turn that is to come.  It has its own memory: a post outlives the port that it is for. */
struct net_turn {
	struct net_end *end; /* NULL: it is gone */
};

static void on_turn(void *opaque)
{
	struct net_turn *turn = opaque;
	struct net_end *end = turn->end;

	free(turn);
	if (!end)
		return;
	switch_of(end)->ports[port_of(end)].turn = NULL;
	switch_of(end)->ports[port_of(end)].work = 0;
	pair_go_on(end->pair);
}

/* Requests and their bytes are counted by the library; what becomes of them here is not. */
static bool switch_takes(struct net_end *end)
{
	struct net_switch *s = switch_of(end);
	struct net_port *port = &s->ports[port_of(end)];

	if (port->work < NET_MOST_WORK || port->turn)
		return !port->turn;
	port->turn = calloc(1, sizeof(*port->turn));
	if (port->turn) {
		port->turn->end = end;
		if (!vu_group_post(pair_group(end->pair), on_turn, port->turn)) {
			s->counts[port_of(end)].turns++;
			return false;
		}
	}
	free(port->turn);
	port->turn = NULL;
	return true;
}

/* What was checked is a copy of its first bytes, and that is what goes on. */
static int switch_send(struct net_end *end, const struct iovec *iov, int n)
{
	struct net_switch *s = switch_of(end);
	struct net_packet *p = &s->packet;
	size_t head = net_gather(iov + 1, n - 1, 0, s->head, NET_HEAD);
	const char *why;
	int pieces, ret;

	p->from = port_of(end);
	p->header = (struct virtio_net_hdr_v1){0};
	memcpy(&p->header, iov[0].iov_base, iov[0].iov_len);
	p->head = s->head;
	p->is_gathered = p->is_complete = false;
	p->len = 0;
	for (int i = 1; i < n; i++)
		p->len += iov[i].iov_len;
	p->list[1] = (struct iovec){s->head, head};
	pieces = vu_iov_slice(iov + 1, (uint32_t)n - 1, head, p->len - head, p->list + 2,
			      NET_MAX_SEGS);
	if (pieces < 0)
		return pieces;
	p->n = pieces + 2;
	ret = switch_forward(s, p, &why);
	if (ret)
		pair_complain(end->pair, why, ret);
	return ret;
}

/* Nobody else does, before the receivers' next events. */
static void switch_signal(struct net_switch *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if (s->ports[i].to_signal)
			vu_queue_signal(s->ports[i].pair->rx);
		s->ports[i].to_signal = false;
	}
}

static void switch_sent(struct net_end *end)
{
	switch_signal(switch_of(end));
}

/* --- to guests --- */

static void switch_room(struct net_end *end)
{
	struct net_switch *s = switch_of(end);

	net_forward_backlog(s, port_of(end));
	s->ports[port_of(end)].to_signal = false;
}

static ssize_t switch_receive(struct net_end *end, const struct iovec *iov, int n)
{
	(void)end;
	(void)iov;
	(void)n;
	return -EAGAIN;
}

/* Another driver, or the same one anew: what was for the one before is nothing for it. */
static int switch_configure(struct net_end *end, uint64_t features)
{
	struct net_switch *s = switch_of(end);
	uint32_t port = port_of(end);

	(void)features;
	net_forward_forget(s, port);
	net_table_forget(&s->table, port);
	return 0;
}

/* --- the uplink --- */

static void on_uplink_frame(void *opaque, const struct virtio_net_hdr_v1 *header,
			    unsigned char *frame, size_t len)
{
	struct net_switch *s = opaque;
	struct net_packet *p = &s->packet;
	const char *why;

	p->from = NET_UPLINK;
	p->header = *header;
	p->head = frame;
	p->is_gathered = p->is_complete = false;
	p->len = len;
	p->list[1] = (struct iovec){frame, len};
	p->n = 2;
	switch_forward(s, p, &why);
}

static void on_uplink_done(void *opaque)
{
	switch_signal(opaque);
}

/* Its descriptor is watched with the first port. */
static int switch_begin(struct net_end *end)
{
	struct net_switch *s = switch_of(end);

	if (!s->uplink || port_of(end) != 0)
		return 0;
	return net_uplink_begin(s->uplink, pair_group(end->pair), on_uplink_frame, on_uplink_done,
				s);
}

/* --- life --- */

static void switch_free_all(struct net_switch **the)
{
	net_uplink_free((*the)->uplink);
	free(*the);
	*the = NULL;
}

static void switch_free(struct net_end *end)
{
	struct net_switch *s = switch_of(end);
	struct net_port *port = &s->ports[port_of(end)];

	if (port_of(end) == 0) {
		net_uplink_free(s->uplink);
		s->uplink = NULL;
	}
	net_backlog_free(&port->backlog);
	if (port->turn)
		port->turn->end = NULL;
	port->pair = NULL;
	for (uint32_t i = 0; i < s->n; i++)
		if (s->ports[i].pair)
			return;
	switch_free_all(end->pair->net->settings->the_switch);
}

static const struct net_end_ops switch_ops = {
	.announces = true,
	.begin = switch_begin,
	.takes = switch_takes,
	.send = switch_send,
	.sent = switch_sent,
	.receive = switch_receive,
	.room = switch_room,
	.configure = switch_configure,
	.free = switch_free,
};

static int switch_new(struct net_switch **the, const struct net_settings *settings)
{
	struct net_switch *s = calloc(1, sizeof(*s));
	const char *bad;
	int ret = 0;

	if (!s)
		return -ENOMEM;
	*the = s;
	net_table_init(&s->table);
	s->pin = settings->pin;
	bad = net_rules_parse(&s->rules, settings->rules.values, settings->rules.n);
	if (bad) {
		fprintf(stderr,
			"vu-net: --switch-rule=%s: WHO+WHO, please, of a port (0 to %d), "
			"FIRST-LAST, all or uplink\n",
			bad, NET_MAX_PORTS - 1);
		ret = -EINVAL;
	} else if (s->pin && !settings->mac) {
		fprintf(stderr, "vu-net: --switch-pin: to which address?  --mac=ADDRESS, please\n");
		ret = -EINVAL;
	} else if (settings->uplink) {
		ret = net_uplink_open(&s->uplink, settings->uplink);
	}
	if (ret)
		switch_free_all(the);
	return ret;
}

int net_switch_open(struct net *net, const char *spec)
{
	struct net_switch **the = net->settings->the_switch;
	struct net_end *end = &net->pairs[0].end;
	int ret;

	(void)spec;
	if (net->index >= NET_MAX_PORTS) {
		fprintf(stderr, "vu-net: a switch has %d ports\n", NET_MAX_PORTS);
		return -E2BIG;
	}
	ret = *the ? 0 : switch_new(the, net->settings);
	if (ret)
		return ret;
	(*the)->ports[net->index].pair = &net->pairs[0];
	(*the)->n = net->index + 1;
	end->ops = &switch_ops;
	net->offloads = net_offloads;
	return net_backlog_init(&(*the)->ports[net->index].backlog);
}

int net_switch_check(const struct net_settings *settings)
{
	const struct net_switch *s = *settings->the_switch;

	if (!s && (settings->uplink || settings->rules.n || settings->pin)) {
		fprintf(stderr, "vu-net: --switch-... is for --backend=switch\n");
		return -EINVAL;
	}
	if (s && s->rules.ports > s->n) {
		fprintf(stderr, "vu-net: --switch-rule: there is no port %u: the last one is %u\n",
			s->rules.ports - 1, s->n - 1);
		return -EINVAL;
	}
	if (s && s->rules.uplink && !s->uplink) {
		fprintf(stderr,
			"vu-net: --switch-rule: there is no uplink; --switch-uplink=tap:NAME\n");
		return -EINVAL;
	}
	return 0;
}
