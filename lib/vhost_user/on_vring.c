/* SPDX-License-Identifier: MIT */
/*
 * Handlers: the rings.  What is set on a started ring takes effect at its next SET_VRING_KICK,
 * which then means stop and start (User-mode Linux never stops one).  Device thread.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/control.h"
#include "core/device.h"
#include "vhost_user/messages.h"
#include "vhost_user/session.h"

static struct wire_vring_state payload_state(const struct wire_msg *msg)
{
	struct wire_vring_state state;

	memcpy(&state, msg->payload, sizeof(state));
	return state;
}

/* The queue that a message names, or NULL after a log line. */
static struct vu_queue *named_queue(struct session *s, uint32_t index)
{
	if (index < s->dev->info.n_queues)
		return &s->dev->queues[index];
	log_peer_error(&s->dev->log, "queue %u: the device has only %u", index,
		       s->dev->info.n_queues);
	return NULL;
}

static int vring_configure(struct session *s, struct wire_msg *msg, struct vu_queue *q)
{
	return session_wait(s, msg, control_configure(q, &s->wait.waiter), NULL);
}

int on_set_vring_num(struct session *s, struct wire_msg *msg)
{
	struct wire_vring_state state = payload_state(msg);
	struct vu_queue *q = named_queue(s, state.index);

	if (!q)
		return -EPROTO;
	/* The driver chose it; the ring checks it when it starts. */
	control_set_size(q, state.num);
	return MESSAGE_DONE;
}

int on_set_vring_addr(struct session *s, struct wire_msg *msg)
{
	struct wire_vring_addr addr;
	struct vu_queue *q;

	memcpy(&addr, msg->payload, sizeof(addr));
	q = named_queue(s, addr.index);
	if (!q)
		return -EPROTO;
	control_set_areas(q, addr.desc, addr.avail, addr.used);
	/* A ring that runs goes on: that takes effect at once, new addresses at its next start. */
	if (control_set_logged(q, addr.flags & WIRE_VRING_F_LOG, addr.log))
		return vring_configure(s, msg, q);
	return MESSAGE_DONE;
}

int on_set_vring_base(struct session *s, struct wire_msg *msg)
{
	struct wire_vring_state state = payload_state(msg);
	struct vu_queue *q = named_queue(s, state.index);

	if (!q)
		return -EPROTO;
	/* What it means depends on the layout; the ring checks it when it starts. */
	control_set_base(q, state.num);
	return MESSAGE_DONE;
}

int on_set_vring_endian(struct session *s, struct wire_msg *msg)
{
	struct wire_vring_state state = payload_state(msg);
	struct vu_queue *q = named_queue(s, state.index);

	if (!q)
		return -EPROTO;
	if (state.num > 1) {
		log_peer_error(&s->dev->log,
			       "queue %u: its byte order is 0 (little-endian) or 1, not %u",
			       q->index, state.num);
		return -EPROTO;
	}
	/* As its size, of its next start. */
	control_set_big_endian(q, state.num);
	return MESSAGE_DONE;
}

static int vring_start(struct session *s, struct wire_msg *msg, struct vu_queue *q)
{
	postcopy_ring_starts(s);
	return session_wait(s, msg, control_start(q, &s->wait.waiter), NULL);
}

static int vring_stopped(struct session *s, struct wire_msg *msg)
{
	const struct vu_queue *q = s->wait.waiter.q;
	const struct wire_vring_state state = {q->index, control_base(q)};

	return session_reply(s, msg, &state, sizeof(state), NULL, 0) ? -EPROTO : MESSAGE_REPLIED;
}

int on_get_vring_base(struct session *s, struct wire_msg *msg)
{
	struct vu_queue *q = named_queue(s, payload_state(msg).index);

	if (!q)
		return -EPROTO;
	return session_wait(s, msg, control_stop(q, &s->wait.waiter), vring_stopped);
}

/* A kick, call or error descriptor, or that there is none. */
static int vring_take_fd(struct session *s, struct wire_msg *msg, enum queue_fd which,
			 struct vu_queue **out)
{
	uint64_t value;

	memcpy(&value, msg->payload, sizeof(value));
	*out = named_queue(s, value & WIRE_VRING_INDEX_MASK);
	return *out ? control_set_fd(*out, which, wire_msg_take_fd(msg)) : -EPROTO;
}

int on_set_vring_kick(struct session *s, struct wire_msg *msg)
{
	struct vu_queue *q;
	int err = vring_take_fd(s, msg, QUEUE_KICK, &q);

	return err ? err : vring_start(s, msg, q);
}

static int vring_set_fd(struct session *s, struct wire_msg *msg, enum queue_fd which)
{
	struct vu_queue *q;
	int err = vring_take_fd(s, msg, which, &q);

	return err ? err : vring_configure(s, msg, q);
}

int on_set_vring_call(struct session *s, struct wire_msg *msg)
{
	return vring_set_fd(s, msg, QUEUE_CALL);
}

int on_set_vring_err(struct session *s, struct wire_msg *msg)
{
	return vring_set_fd(s, msg, QUEUE_ERR);
}

int on_set_vring_enable(struct session *s, struct wire_msg *msg)
{
	struct wire_vring_state state = payload_state(msg);
	struct vu_queue *q = named_queue(s, state.index);

	if (!q)
		return -EPROTO;
	if (state.num > 1) {
		log_peer_error(&s->dev->log, "queue %u: enable is 0 or 1, not %u", q->index,
			       state.num);
		return -EPROTO;
	}
	control_set_enabled(q, state.num);
	/* In-band, no SET_VRING_KICK may ever come, not even for another start: User-mode Linux
	 * sets up the ring, and that is all. */
	if (state.num && session_has(s, WIRE_PF_INBAND_NOTIFICATIONS) && control_is_anew(q))
		return vring_start(s, msg, q);
	return vring_configure(s, msg, q);
}

/* A notification as a message: it also starts a ring. */
int on_vring_kick(struct session *s, struct wire_msg *msg)
{
	struct vu_queue *q = named_queue(s, payload_state(msg).index);

	if (!q)
		return -EPROTO;
	/* Configuring has the queue's thread look at the ring. */
	return control_is_started(q) ? vring_configure(s, msg, q) : vring_start(s, msg, q);
}
