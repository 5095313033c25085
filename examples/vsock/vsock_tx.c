/* SPDX-License-Identifier: MIT */
/*
 * Packets from the guest: what each means for its connection.
 *
 * What is wrong is answered with RST (virtio 1.3 §5.10.6), but never an RST: on the same two ports
 * a new connection may have begun.  Packets in another guest's name are dropped.
 */
#include "vsock_conn.h"

#include <errno.h>
#include <string.h>

#include "vsock_socket.h"

/* --- answers where there is no connection --- */

static void refuse(struct guest *g, const struct packet *p)
{
	if (p->op == VIRTIO_VSOCK_OP_RST || g->n_strays == GUEST_MAX_STRAYS)
		return; /* the caller stops taking packets before there are that many */
	g->strays[(g->first_stray + g->n_strays++) % GUEST_MAX_STRAYS] = (struct tuple){
		.peer_cid = p->dst_cid,
		.peer_port = p->dst_port,
		.local_port = p->src_port,
		.type = p->type,
	};
	guest_is_to_pump(g);
}

static void refuse_request(struct guest *g, const struct packet *p)
{
	g->n_refused++;
	refuse(g, p);
}

/* --- a new connection --- */

static void on_new_request(struct guest *g, const struct packet *p)
{
	const struct tuple tuple = {p->dst_cid, p->dst_port, p->src_port, p->type};
	struct far_place place;
	struct conn *c;
	int ret;

	/* Told now that what was before is forgotten, Linux would forget this one, too. */
	g->owes_event = false;
	if (!rules_find(g, &tuple, &place)) {
		refuse_request(g, p);
		return;
	}
	c = conn_new(g, place.guest ? &far_guest : &far_socket, p->type);
	if (!c) {
		refuse_request(g, p);
		return;
	}
	conn_name(c, &tuple);
	c->state = CONN_CONNECTING;
	credit_learn(&c->credit, p);
	ret = place.guest ? far_guest_connect(c, place.guest, p->dst_port)
			  : far_socket_connect(c, &place);
	if (ret) {
		if (!place.guest)
			guest_complain(g, "port %u of the host, %s: %s", p->dst_port, place.text,
				       strerror(-ret));
		conn_free(c);
		refuse_request(g, p);
	}
}

/* --- packets of a connection --- */

static void on_request(struct conn *c, const struct packet *p, const struct vu_req *req)
{
	struct guest *g = c->guest;

	/* The guest has forgotten the old one; an RST for that would end the new one. */
	(void)req;
	conn_leave(c, false);
	on_new_request(g, p);
}

static void on_response(struct conn *c, const struct packet *p, const struct vu_req *req)
{
	(void)p;
	(void)req;
	if (c->state != CONN_ASKING) {
		conn_reset(c, "accepted without being asked");
		return;
	}
	c->state = CONN_OPEN;
	conn_wait(c, 0);
	c->guest->n_opened++;
	c->far->accepted(c);
}

static void on_rst(struct conn *c, const struct packet *p, const struct vu_req *req)
{
	(void)p;
	(void)req;
	conn_leave(c, c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND);
}

static void on_shutdown(struct conn *c, const struct packet *p, const struct vu_req *req)
{
	(void)req;
	if (c->state != CONN_OPEN) {
		conn_reset(c, NULL);
		return;
	}
	c->guest_shut |= p->flags & VSOCK_SHUTDOWN_BOTH;
	c->far->guest_shut(c);
}

static void rw_failed(struct conn *c, int ret)
{
	conn_reset(c, ret == -EPIPE || ret == -ECONNRESET ? NULL
		      : ret == -ENOBUFS			  ? "it ignores its credit"
							  : strerror(-ret));
}

static void on_rw(struct conn *c, const struct packet *p, const struct vu_req *req)
{
	int ret;

	if (c->state != CONN_OPEN || c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) {
		conn_reset(c, "data where none can be");
		return;
	}
	coalesce_sent(&c->guest->coalesce, p->len, !c->writable);
	ret = c->far->take(c, req, PACKET_HEAD, p->len, p->flags);
	if (ret)
		rw_failed(c, ret);
}

void guest_settle(struct guest *g)
{
	struct conn *c = g->gather.conn;
	int ret = far_socket_settle(g);

	if (ret)
		rw_failed(c, ret);
}

static void on_credit_update(struct conn *c, const struct packet *p, const struct vu_req *req)
{
	(void)c;
	(void)p;
	(void)req;
}

static void on_credit_request(struct conn *c, const struct packet *p, const struct vu_req *req)
{
	(void)p;
	(void)req;
	if (c->state == CONN_OPEN)
		conn_owe(c, OWE_UPDATE);
}

/* --- all of them --- */

enum { N_OPS = VIRTIO_VSOCK_OP_CREDIT_REQUEST + 1 };

static void (*const ops[N_OPS])(struct conn *c, const struct packet *p,
				const struct vu_req *req) = {
	[VIRTIO_VSOCK_OP_REQUEST] = on_request,
	[VIRTIO_VSOCK_OP_RESPONSE] = on_response,
	[VIRTIO_VSOCK_OP_RST] = on_rst,
	[VIRTIO_VSOCK_OP_SHUTDOWN] = on_shutdown,
	[VIRTIO_VSOCK_OP_RW] = on_rw,
	[VIRTIO_VSOCK_OP_CREDIT_UPDATE] = on_credit_update,
	[VIRTIO_VSOCK_OP_CREDIT_REQUEST] = on_credit_request,
};

static bool type_is_known(const struct guest *g, uint16_t type)
{
	return (type == VIRTIO_VSOCK_TYPE_STREAM && g->stream) ||
	       (type == VIRTIO_VSOCK_TYPE_SEQPACKET && g->seqpacket);
}

static void receive_for(struct conn *c, const struct packet *p, const struct vu_req *req)
{
	bool news;

	if (c->state == CONN_RESET) {
		/* It will hear of that; and may have begun a new one already. */
		if (p->op == VIRTIO_VSOCK_OP_RST)
			conn_free(c);
		else if (p->op == VIRTIO_VSOCK_OP_REQUEST)
			on_request(c, p, req);
		return;
	}
	if (p->type != c->tuple.type && p->op != VIRTIO_VSOCK_OP_REQUEST &&
	    p->op != VIRTIO_VSOCK_OP_RST) {
		conn_reset(c, "a packet of the other type");
		return;
	}
	news = p->op != VIRTIO_VSOCK_OP_REQUEST && credit_learn(&c->credit, p);
	if (news || p->op == VIRTIO_VSOCK_OP_CREDIT_UPDATE ||
	    p->op == VIRTIO_VSOCK_OP_CREDIT_REQUEST)
		c->far->learned(c, p->op);
	if (news)
		conn_wake(c);
	ops[p->op](c, p, req);
}

void guest_receive(struct guest *g, const struct vu_req *req)
{
	struct tuple tuple;
	struct packet p;
	struct conn *c;
	bool whole;

	if (!packet_read(req, &p)) {
		guest_complain(g, "a packet of %llu bytes is shorter than its header",
			       (unsigned long long)req->readable_len);
		return;
	}
	if (p.src_cid != g->cid) {
		guest_complain(g, "a packet says that it is from %llu",
			       (unsigned long long)p.src_cid);
		return;
	}
	tuple = (struct tuple){p.dst_cid, p.dst_port, p.src_port, p.type};
	c = conn_find(g, &tuple);
	if (c != g->gather.conn || p.op != VIRTIO_VSOCK_OP_RW)
		guest_settle(g);
	whole = p.len <= req->readable_len - PACKET_HEAD && (p.op == VIRTIO_VSOCK_OP_RW || !p.len);
	if (!whole || p.op >= N_OPS || !ops[p.op] ||
	    (!type_is_known(g, p.type) && p.op != VIRTIO_VSOCK_OP_RST)) {
		if (c && c->state != CONN_RESET)
			conn_reset(c, "a packet that cannot be");
		else if (!c)
			refuse(g, &p);
	} else if (c) {
		receive_for(c, &p, req);
	} else if (p.op == VIRTIO_VSOCK_OP_REQUEST) {
		on_new_request(g, &p);
	} else {
		refuse(g, &p);
	}
}
