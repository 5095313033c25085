/* SPDX-License-Identifier: MIT */
/*
 * Handlers: the rings.  What is set on a started ring takes effect at its next SET_VRING_KICK,
 * which then means stop and start (User-mode Linux never stops one).  Device thread.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "vhost_user/backend.h"
#include "core/device.h"
#include "vhost_user/messages.h"
#include "core/patience.h"
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

static int vring_done(struct session *s, struct wire_msg *msg)
{
	(void)s;
	(void)msg;
	return MESSAGE_DONE;
}

int on_set_vring_num(struct session *s, struct wire_msg *msg)
{
	struct wire_vring_state state = payload_state(msg);
	struct vu_queue *q = named_queue(s, state.index);

	if (!q)
		return -EPROTO;
	/* The driver chose it; the ring checks it when it starts. */
	q->want.ring.size = state.num;
	q->want.has_size = true;
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
	q->want.ring.desc = addr.desc;
	q->want.ring.driver = addr.avail;
	q->want.ring.device = addr.used;
	q->want.has_addr = true;
	return MESSAGE_DONE;
}

int on_set_vring_base(struct session *s, struct wire_msg *msg)
{
	struct wire_vring_state state = payload_state(msg);
	struct vu_queue *q = named_queue(s, state.index);

	if (!q)
		return -EPROTO;
	/* What it means depends on the layout; the ring checks it when it starts. */
	q->want.ring.base = state.num;
	q->want.base_set = true;
	return MESSAGE_DONE;
}

/* Leave the suspended state: the driver's choice is final now. */
static int device_start(struct session *s)
{
	struct vu_device *dev = s->dev;
	int err = 0;

	if (!s->features_ok) {
		features_log_refusal(s);
		return -EPROTO;
	}
	if (!dev->suspended)
		return 0;
	if (dev->ops.started)
		err = dev->ops.started(dev, dev->opaque);
	if (err) {
		/* It has not started, so it does not stop. */
		log_peer_error(&dev->log, "the device refused to start: %s", strerror(-err));
		return -EPROTO;
	}
	dev->suspended = false;
	/* A change of the configuration made meanwhile is to be announced. */
	device_wake(dev);
	return 0;
}

static void device_stop(struct vu_device *dev)
{
	if (dev->n_started || dev->suspended)
		return;
	/* The last in-band call may be due. */
	backend_send_pending(dev);
	dev->suspended = true;
	if (dev->ops.stopped)
		dev->ops.stopped(dev, dev->opaque);
}

/* The queue that a waiting SET_VRING_KICK, GET_VRING_BASE or VRING_KICK named. */
static struct vu_queue *waiting_queue(struct session *s, const struct wire_msg *msg)
{
	uint32_t index;

	memcpy(&index, msg->payload, sizeof(index));
	return &s->dev->queues[index & WIRE_VRING_INDEX_MASK];
}

static int vring_started(struct session *s, struct wire_msg *msg)
{
	struct vu_queue *q = waiting_queue(s, msg);

	if (!q->result)
		return MESSAGE_DONE;
	log_peer_error(&s->dev->log, "queue %u: cannot start: %s", q->index, q->why);
	q->want.started = false;
	s->dev->n_started--;
	device_stop(s->dev);
	return q->result;
}

static int vring_start(struct session *s, struct wire_msg *msg, struct vu_queue *q)
{
	struct ring_config *c = &q->want.ring;
	int err;

	if (!q->want.has_size || !q->want.has_addr) {
		log_peer_error(&s->dev->log,
			       "queue %u: started before its size and addresses were set",
			       q->index);
		return -EPROTO;
	}
	err = device_start(s);
	if (err)
		return err;
	session_use_features(s, c);
	c->space = TABLE_USER;
	c->debug = s->dev->info.flags & VU_DEVICE_DEBUG;
	c->max_size = q->info.max_size;
	c->max_segs = q->info.max_segs;
	c->priv_size = q->info.priv_size;
	session_use_inflight(s, q->index, c);
	q->want.table = s->table;
	if (!q->want.started)
		s->dev->n_started++;
	q->want.started = true;
	queue_give(q, QUEUE_START);
	patience_stale(s->dev);
	return session_wait(s, msg, vring_started);
}

static int vring_stopped(struct session *s, struct wire_msg *msg)
{
	struct vu_queue *q = waiting_queue(s, msg);
	const struct wire_vring_state state = {q->index, q->want.ring.base};

	device_stop(s->dev);
	return session_reply(s, msg, &state, sizeof(state), NULL, 0) ? -EPROTO : MESSAGE_REPLIED;
}

int on_get_vring_base(struct session *s, struct wire_msg *msg)
{
	struct vu_queue *q = named_queue(s, payload_state(msg).index);

	if (!q)
		return -EPROTO;
	if (q->want.started) {
		q->want.started = false;
		s->dev->n_started--;
		queue_give(q, QUEUE_STOP);
	}
	return session_wait(s, msg, vring_stopped);
}

static const char *const fd_names[QUEUE_FDS] = {"kick", "call", "error"};

/* Take over fd; -EINVAL if it is of no use as what it is to be. */
static int vring_open_fd(struct vu_device *dev, struct notifier *n, enum queue_fd which, int fd)
{
	int err = notifier_open(n, fd);

	if (err)
		return err;
	if (which == QUEUE_KICK && n->kind != NOTIFIER_EVENTFD) {
		notifier_init(n);
		return -EINVAL;
	}
	/* Where there is no AIO the bell does without. */
	if (which != QUEUE_KICK && n->kind == NOTIFIER_EVENTFD)
		(void)bell_open(&dev->bell);
	return 0;
}

/* A kick, call or error descriptor, or that there is none. */
static int vring_take_fd(struct session *s, struct wire_msg *msg, enum queue_fd which,
			 struct vu_queue **out)
{
	struct vu_queue *q;
	uint64_t value;
	int fd;

	memcpy(&value, msg->payload, sizeof(value));
	q = named_queue(s, value & WIRE_VRING_INDEX_MASK);
	if (!q)
		return -EPROTO;
	notifier_close(&q->want.fds[which]);
	fd = wire_msg_take_fd(msg);
	if (fd >= 0 && vring_open_fd(s->dev, &q->want.fds[which], which, fd)) {
		log_peer_error(&s->dev->log, "queue %u: the %s descriptor is no eventfd%s",
			       q->index, fd_names[which],
			       which == QUEUE_KICK ? "" : " or connected Unix socket");
		closer_close(&s->dev->closer, fd);
		return -EPROTO;
	}
	q->want.changed[which] = true;
	*out = q;
	return 0;
}

int on_set_vring_kick(struct session *s, struct wire_msg *msg)
{
	struct vu_queue *q;
	int err = vring_take_fd(s, msg, QUEUE_KICK, &q);

	if (err)
		return err;
	if (q->want.fds[QUEUE_KICK].kind == NOTIFIER_NONE) {
		err = notifier_open_timer(&q->want.fds[QUEUE_KICK]);
		if (err) {
			log_peer_error(
				&s->dev->log,
				"queue %u: no kick descriptor, and no timer to poll with: %s",
				q->index, strerror(-err));
			return -EPROTO;
		}
	}
	return vring_start(s, msg, q);
}

static int vring_set_fd(struct session *s, struct wire_msg *msg, enum queue_fd which)
{
	struct vu_queue *q;
	int err = vring_take_fd(s, msg, which, &q);

	if (err)
		return err;
	queue_give(q, QUEUE_CONFIGURE);
	return session_wait(s, msg, vring_done);
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
	q->want.enabled = state.num;
	/* In-band, no SET_VRING_KICK may ever come, not even for another start: User-mode Linux
	 * sets up the ring, and that is all. */
	if (q->want.enabled && q->want.inband && q->want.has_addr &&
	    (!q->want.started || q->want.base_set))
		return vring_start(s, msg, q);
	queue_give(q, QUEUE_CONFIGURE);
	return session_wait(s, msg, vring_done);
}

/* A notification as a message: it also starts a ring. */
int on_vring_kick(struct session *s, struct wire_msg *msg)
{
	struct vu_queue *q = named_queue(s, payload_state(msg).index);

	if (!q)
		return -EPROTO;
	if (!q->want.started)
		return vring_start(s, msg, q);
	/* Makes the queue's thread look at the ring. */
	queue_give(q, QUEUE_CONFIGURE);
	return session_wait(s, msg, vring_done);
}
