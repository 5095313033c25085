/* SPDX-License-Identifier: MIT */
/*
 * Another guest of this process, or the same one, as the far end: two connections, each the
 * other's partner.
 *
 * Between them it is as on a wire: what one guest says of its credit is what the other one is told,
 * so nothing piles up here but what the receiving guest has no buffers for at the moment.  What
 * each may have here is bounded by its own limit.
 */
#include "vsock_conn.h"

#include <errno.h>

/* The credit that a guest is told is its partner's. */
static void tell_credit(const struct conn *from, struct conn *to)
{
	uint32_t most = from->guest->buffer;
	uint32_t alloc = from->credit.peer_buf_alloc;

	to->credit.buf_alloc = alloc < most ? alloc : most;
	to->credit.fwd_cnt = from->credit.peer_fwd_cnt;
}

/*
 * Linux tells of what was read when little is left of its own buffer.  Where the other guest may
 * have less on its way than that, as this process holds no more or its own buffer is a smaller one,
 * it waits before.
 */
static bool pair_is_to_ask(const struct conn *c)
{
	const struct conn *from = c->partner;

	return from && from->state == CONN_OPEN &&
	       credit_window(&from->credit) < c->credit.peer_buf_alloc &&
	       credit_is_low(&from->credit);
}

static int pair_take(struct conn *c, const struct vu_req *req, uint64_t offset, uint32_t len,
		     uint32_t flags)
{
	struct conn *to = c->partner;
	bool asked;
	int ret;

	if (!to) /* it has gone, and its RST comes behind its data */
		return c->reset_after_data ? 0 : -EPIPE;
	ret = conn_is_seqpacket(c)
		      ? held_add_part(&to->in, req, offset, len, flags, to->guest->buffer)
		      : held_add(&to->in, req, offset, len, to->guest->buffer);
	if (ret)
		return ret;
	asked = pair_is_to_ask(to);
	c->credit.rx_cnt += len;
	if (!asked && pair_is_to_ask(to)) /* and again, should that be too early: conn_wake() */
		conn_owe(to, OWE_CREDIT_REQUEST);
	conn_wake(to);
	return 0;
}

static bool pair_has_data(const struct conn *c)
{
	const struct held_message *m = held_message(&c->in);

	return c->in.len || (m && m->flags & VIRTIO_VSOCK_SEQ_EOM);
}

static int pair_fill(struct conn *c, struct vu_req *const *reqs, uint32_t n, uint32_t room,
		     uint32_t *bytes, uint32_t *flags)
{
	uint32_t used;

	if (conn_is_seqpacket(c))
		return (int)held_fill_message(&c->in, reqs, n, room, bytes, flags);
	for (used = 0; used < n && c->in.len && room; used++) {
		uint32_t len = packet_room(reqs[used], c->in.len < room ? c->in.len : room);

		held_copy(&c->in, reqs[used], PACKET_HEAD, len);
		held_drop(&c->in, len);
		room -= len;
		bytes[used] = len;
	}
	return (int)used;
}

static void pair_accepted(struct conn *c)
{
	struct conn *asker = c->partner;

	if (!asker)
		return;
	tell_credit(c, asker);
	asker->state = CONN_OPEN;
	conn_wait(asker, 0);
	conn_owe(asker, OWE_RESPONSE);
}

static void pair_guest_shut(struct conn *c)
{
	if (!c->partner)
		return;
	c->partner->far_shut |= c->guest_shut;
	conn_wake(c->partner);
}

static bool pair_drop(struct conn *c, bool finish)
{
	struct conn *other = c->partner;

	c->partner = NULL;
	if (!other)
		return false;
	other->partner = NULL;
	if (finish && other->state == CONN_OPEN) {
		other->reset_after_data = true;
		conn_wake(other);
	} else {
		conn_abort(other);
	}
	return false;
}

static void pair_learned(struct conn *c, uint16_t op)
{
	struct conn *other = c->partner;

	if (!other)
		return;
	tell_credit(c, other);
	if (other->state != CONN_OPEN)
		return;
	if (op == VIRTIO_VSOCK_OP_CREDIT_UPDATE)
		conn_owe(other, OWE_UPDATE);
	else if (op == VIRTIO_VSOCK_OP_CREDIT_REQUEST)
		conn_owe(other, OWE_CREDIT_REQUEST);
}

static void pair_tick(struct conn *c)
{
	(void)c;
}

int far_guest_connect(struct conn *c, struct guest *other, uint32_t port)
{
	struct tuple tuple = {
		.peer_cid = other == c->guest ? VMADDR_CID_HOST : c->guest->cid,
		.peer_port = c->tuple.local_port,
		.local_port = port,
		.type = c->tuple.type,
	};
	bool is_from_other = other != c->guest;
	struct conn *asked;

	if (!other->running)
		return -ENOTCONN;
	if (is_from_other && other->n_from_others >= (other->max_conns + 1) / 2)
		return -EDQUOT;
	if (conn_find(other, &tuple))
		tuple.peer_port = conn_new_port(other, &tuple);
	asked = conn_new(other, &far_guest, tuple.type);
	if (!asked)
		return -ENOBUFS;
	conn_name(asked, &tuple);
	asked->state = CONN_ASKING;
	asked->is_from_other = is_from_other;
	other->n_from_others += is_from_other;
	asked->partner = c;
	c->partner = asked;
	tell_credit(c, asked);
	conn_owe(asked, OWE_REQUEST);
	conn_wait(asked, CONN_ANSWER_TICKS);
	return 0;
}

const struct far far_guest = {
	.take = pair_take,
	.has_data = pair_has_data,
	.fill = pair_fill,
	.accepted = pair_accepted,
	.guest_shut = pair_guest_shut,
	.drop = pair_drop,
	.learned = pair_learned,
	.is_to_ask = pair_is_to_ask,
	.tick = pair_tick,
};
