/* SPDX-License-Identifier: MIT */
/*
 * Packets to the guest: what is owed, and data, into buffers that it gave.
 *
 * Connections take turns, each with up to GUEST_BATCH packets.  Data goes into as few packets as
 * the buffers allow.  In a connection the order is: REQUEST or RESPONSE, news of credit, data,
 * SHUTDOWN, RST.
 */
#include "vsock_conn.h"

#include <errno.h>
#include <string.h>

uint32_t guest_wants(const struct guest *g)
{
	if (!g->running)
		return 0;
	if (g->n_strays)
		return 1;
	return g->ready ? g->ready->batch : 0;
}

static uint64_t put_packet(const struct conn *c, const struct vu_req *req, struct packet *p)
{
	p->src_cid = c->tuple.peer_cid;
	p->src_port = c->tuple.peer_port;
	p->dst_cid = c->guest->cid;
	p->dst_port = c->tuple.local_port;
	p->type = c->tuple.type;
	packet_write(req, p);
	return PACKET_HEAD + p->len;
}

static uint64_t put_control(struct conn *c, const struct vu_req *req, uint16_t op, uint32_t flags)
{
	struct packet p = {.op = op, .flags = flags};

	credit_tell(&c->credit, &p);
	return put_packet(c, req, &p);
}

/* RST for a packet that belongs to no connection. */
static uint64_t put_stray(struct guest *g, const struct vu_req *req)
{
	const struct tuple *t = &g->strays[g->first_stray];
	const struct packet p = {
		.src_cid = t->peer_cid,
		.src_port = t->peer_port,
		.dst_cid = g->cid,
		.dst_port = t->local_port,
		.type = t->type,
		.op = VIRTIO_VSOCK_OP_RST,
	};

	g->first_stray = (g->first_stray + 1) % GUEST_MAX_STRAYS;
	g->n_strays--;
	packet_write(req, &p);
	return PACKET_HEAD;
}

/* What is owed, the first of it: its packet's bytes, or 0 when nothing is. */
static uint64_t put_owed(struct conn *c, const struct vu_req *req)
{
	static const struct {
		uint32_t bit;
		uint16_t op;
	} order[] = {
		{OWE_REQUEST, VIRTIO_VSOCK_OP_REQUEST},
		{OWE_RESPONSE, VIRTIO_VSOCK_OP_RESPONSE},
		{OWE_UPDATE, VIRTIO_VSOCK_OP_CREDIT_UPDATE},
		{OWE_CREDIT_REQUEST, VIRTIO_VSOCK_OP_CREDIT_REQUEST},
		{OWE_RST, VIRTIO_VSOCK_OP_RST},
	};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (!(c->owed & order[i].bit))
			continue;
		c->owed &= ~order[i].bit;
		/* Any packet tells of credit. */
		if (order[i].bit != OWE_CREDIT_REQUEST)
			c->owed &= ~(uint32_t)OWE_UPDATE;
		return put_control(c, req, order[i].op, 0);
	}
	return 0;
}

/* Data into up to n buffers: how many were used, or -errno. */
static int put_data(struct conn *c, struct vu_req *const *reqs, uint32_t n, uint64_t *written)
{
	uint32_t bytes[GUEST_BATCH] = {0}, flags[GUEST_BATCH] = {0};
	uint32_t room = credit_room(&c->credit);
	int used = c->far->fill(c, reqs, n, room, bytes, flags);

	for (int i = 0; i < used; i++) {
		struct packet p = {.op = VIRTIO_VSOCK_OP_RW, .len = bytes[i], .flags = flags[i]};

		credit_tell(&c->credit, &p);
		credit_sent(&c->credit, bytes[i]);
		written[i] = put_packet(c, reqs[i], &p);
		c->owed &= ~(uint32_t)OWE_UPDATE;
	}
	if (used > 0) {
		coalesce_answered(&c->guest->coalesce);
		c->batch = (uint32_t)used < n ? (uint32_t)used + 1 : 2 * n;
	}
	if (c->batch > GUEST_BATCH)
		c->batch = GUEST_BATCH;
	return used;
}

/* One turn of a connection, which may be gone then: how many buffers were used. */
static uint32_t conn_fill(struct conn *c, struct vu_req *const *reqs, uint32_t n, uint64_t *written)
{
	bool had_reset = c->owed & OWE_RST;
	uint32_t shut, used = 0;
	int ret;

	written[0] = put_owed(c, reqs[0]);
	if (written[0]) {
		if (had_reset && !(c->owed & OWE_RST))
			conn_leave(c, c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND);
		else
			conn_wake(c);
		return 1;
	}
	if (c->state == CONN_OPEN && credit_room(&c->credit) && c->far->has_data(c)) {
		ret = put_data(c, reqs, n, written);
		if (ret < 0) {
			conn_reset(c, ret == -EPIPE || ret == -ECONNRESET ? NULL : strerror(-ret));
			return 0;
		}
		used = (uint32_t)ret;
	}
	shut = used ? 0 : conn_shut_due(c);
	if (shut) {
		c->told_shut |= shut;
		if (c->told_shut == VSOCK_SHUTDOWN_BOTH && !c->partner)
			conn_wait(c, CONN_CLOSE_TICKS);
		written[used++] = put_control(c, reqs[0], VIRTIO_VSOCK_OP_SHUTDOWN, c->told_shut);
	} else if (!used && c->reset_after_data && !c->far->has_data(c)) {
		conn_owe(c, OWE_RST);
	}
	conn_wake(c); /* behind the others */
	return used;
}

/* A buffer that not even one byte fits into behind a header is of no use. */
static bool too_small(struct guest *g, const struct vu_req *req)
{
	if (req->writable_len > PACKET_HEAD)
		return false;
	guest_complain(g, "a receive buffer of %llu bytes is of no use",
		       (unsigned long long)req->writable_len);
	return true;
}

uint32_t guest_fill(struct guest *g, struct vu_req *const *reqs, uint32_t n, uint64_t *written)
{
	if (n > GUEST_BATCH)
		n = GUEST_BATCH;
	for (uint32_t i = 0; i < n; i++) {
		if (!too_small(g, reqs[i]))
			continue;
		n = i;
		written[i] = 0;
		if (!i)
			return 1;
	}
	if (g->n_strays) {
		written[0] = put_stray(g, reqs[0]);
		return 1;
	}
	return g->ready ? conn_fill(g->ready, reqs, n, written) : 0;
}
