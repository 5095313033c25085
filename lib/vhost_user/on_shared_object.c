/* SPDX-License-Identifier: MIT */
/*
 * Shared objects: the handler for who asks us, and our requests to the front-end.  Device thread,
 * but for vu_device_share() and its like.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/device.h"
#include "vhost_user/channel.h"
#include "vhost_user/messages.h"
#include "vhost_user/session.h"

/* --- from the front-end --- */

/* A descriptor that nobody gets. */
static void drop_object(void *opaque, int64_t fd)
{
	(void)opaque;
	if (fd >= 0)
		close((int)fd);
}

static int reply_object(struct session *s, struct wire_msg *msg, int fd)
{
	int err = session_reply(s, msg, NULL, 0, &fd, fd >= 0);

	drop_object(NULL, fd);
	return err ? -EPROTO : MESSAGE_REPLIED;
}

static int object_found(struct session *s, struct wire_msg *msg)
{
	int64_t fd = s->wait.answer;

	return reply_object(s, msg, fd >= 0 && fd <= INT32_MAX ? (int)fd : -1);
}

int on_get_shared_object(struct session *s, struct wire_msg *msg)
{
	struct vu_device *dev = s->dev;
	struct vu_answer *answer;

	if (!msg->hdr.size) {
		log_peer_warn(&dev->log, "GET_SHARED_OBJECT says not which one (QEMU 10 and 11 "
					 "leave the UUID out): it gets none");
		return reply_object(s, msg, -1);
	}
	answer = answer_new(dev, "the device's answer to GET_SHARED_OBJECT", drop_object, NULL);
	if (!answer)
		return reply_object(s, msg, -1);
	return session_answer(s, msg, answer,
			      dev->class.shared_object.get(dev, msg->payload, answer, dev->opaque),
			      object_found);
}

/* --- to the front-end --- */

struct object_request {
	struct channel_request request; /* first */
	struct vu_device *dev;
	struct wire_shared_object object;
	vu_shared_object_fn fn;
	void *opaque;
	int refused; /* why it was not sent; 0: it was, or there is no channel */
};

static bool object_may_go(struct session *s, struct channel_request *r)
{
	struct object_request *o = (struct object_request *)(void *)r;

	if (!session_has(s, WIRE_PF_SHARED_OBJECT) || !session_has(s, WIRE_PF_REPLY_ACK))
		o->refused = -EOPNOTSUPP;
	else if (!running_is_on(s->dev))
		o->refused = -ESHUTDOWN;
	return !o->refused;
}

/* What came back, as vu_shared_object_fn has it. */
static int object_result(const struct object_request *o, struct wire_msg *reply)
{
	int fd;

	if (!reply)
		return o->refused ? o->refused : -ENOTCONN;
	if (channel_answer(reply))
		return -ENOENT;
	if (o->request.id != WIRE_BACKEND_SHARED_OBJECT_LOOKUP)
		return 0;
	/* QEMU says so of objects that it cannot hand out. */
	fd = wire_msg_take_fd(reply);
	return fd >= 0 ? fd : -ENOENT;
}

static void object_done(struct session *s, struct channel_request *r, struct wire_msg *reply)
{
	struct object_request *o = (struct object_request *)(void *)r;
	int result = object_result(o, reply);

	(void)s;
	if (o->fn)
		o->fn(o->dev, result, o->opaque);
	free(o);
}

static int object_post(struct vu_device *dev, uint32_t id, const uint8_t *uuid,
		       vu_shared_object_fn fn, void *opaque)
{
	struct object_request *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	memcpy(o->object.uuid, uuid, sizeof(o->object.uuid));
	o->dev = dev;
	o->fn = fn;
	o->opaque = opaque;
	o->request.id = id;
	o->request.payload = &o->object;
	o->request.size = sizeof(o->object);
	o->request.may_go = object_may_go;
	o->request.done = object_done;
	channel_post(dev, &o->request);
	return 0;
}

int vu_device_share(struct vu_device *dev, const uint8_t *uuid, vu_shared_object_fn fn,
		    void *opaque)
{
	return object_post(dev, WIRE_BACKEND_SHARED_OBJECT_ADD, uuid, fn, opaque);
}

int vu_device_unshare(struct vu_device *dev, const uint8_t *uuid, vu_shared_object_fn fn,
		      void *opaque)
{
	return object_post(dev, WIRE_BACKEND_SHARED_OBJECT_REMOVE, uuid, fn, opaque);
}

int vu_device_lookup(struct vu_device *dev, const uint8_t *uuid, vu_shared_object_fn fn,
		     void *opaque)
{
	return fn ? object_post(dev, WIRE_BACKEND_SHARED_OBJECT_LOOKUP, uuid, fn, opaque) : -EINVAL;
}
