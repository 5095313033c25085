/* SPDX-License-Identifier: MIT */
/* The back-end channel: sending, and whom a reply is for.  Device thread. */
#include "vhost_user/channel.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "core/device.h"
#include "core/patience.h"
#include "vhost_user/messages.h"
#include "vhost_user/session.h"

/* Of a front-end that answers nothing no more than this is remembered. */
enum { REPLIES_PER_PASS = 64, UNANSWERED_MAX = 1024 };

static void channel_ready(struct vu_source *source, int fd, uint32_t events, void *opaque);

int channel_open(struct session *s, int fd)
{
	struct channel *c = &s->channel;
	struct wire_conn *conn;
	int err = wire_conn_new(fd, &s->dev->closer, &conn);

	if (err) {
		closer_close(&s->dev->closer, fd);
		return err;
	}
	channel_close(s);
	err = vu_group_add_fd(&s->dev->own, fd, EPOLLIN, channel_ready, s, &c->source);
	if (err) {
		wire_conn_free(conn);
		return err;
	}
	c->conn = conn;
	c->waiting.end = &c->waiting.first;
	c->sent.end = &c->sent.first;
	/* A change of the configuration may wait for a channel. */
	device_wake(s->dev);
	return 0;
}

/* The oldest request without an answer is the next that is answered.  Misses have lines of their
 * own. */
static void channel_asks(struct session *s)
{
	const struct channel_request *r = s->channel.conn ? s->channel.sent.first : NULL;
	bool is_told = r && r->id != WIRE_BACKEND_IOTLB_MSG;

	patience_asks(s->dev, is_told ? message_find_backend(r->id)->name : NULL);
}

static void list_add(struct channel_list *list, struct channel_request *r)
{
	r->next = NULL;
	*list->end = r;
	list->end = &r->next;
}

static struct channel_request *list_take(struct channel_list *list)
{
	struct channel_request *r = list->first;

	list->first = r->next;
	if (!list->first)
		list->end = &list->first;
	return r;
}

static void list_lose(struct channel_list *list, struct session *s)
{
	while (list->first) {
		struct channel_request *r = list_take(list);

		r->done(s, r, NULL);
	}
}

void channel_close(struct session *s)
{
	struct channel *c = &s->channel;

	if (!c->conn)
		return;
	vu_source_remove(c->source);
	wire_conn_free(c->conn);
	c->conn = NULL;
	c->n_sent = 0;
	channel_asks(s);
	list_lose(&c->sent, s);
	list_lose(&c->waiting, s);
}

static void channel_lost(struct session *s, const char *why)
{
	log_peer_warn(&s->dev->log, "the back-end channel %s; no more requests to the front-end",
		      why);
	channel_close(s);
}

/* An ordinary end: front-ends close the channel first, and then the session. */
static void channel_closed(struct session *s)
{
	log_peer_info(&s->dev->log, "the back-end channel was closed");
	channel_close(s);
}

static void channel_watch(struct session *s)
{
	struct channel *c = &s->channel;
	int err = vu_source_set_events(c->source,
				       EPOLLIN | (wire_conn_is_sending(c->conn) ? EPOLLOUT : 0));

	if (err)
		channel_lost(s, "cannot be watched");
}

bool channel_is_ready(const struct session *s)
{
	const struct channel *c = &s->channel;

	/* One that is not read gets no more: what is asked for meanwhile is remembered, once. */
	return c->conn && !wire_conn_is_sending(c->conn);
}

int channel_send(struct session *s, struct channel_request *r)
{
	struct channel *c = &s->channel;
	const struct wire_header hdr = {r->id, WIRE_VERSION | (r->done ? WIRE_NEED_REPLY : 0),
					r->size};
	int err;

	if (!c->conn)
		return -ENOTCONN;
	err = wire_conn_send(c->conn, &hdr, r->payload, r->fds, r->n_fds);
	log_debug(&s->dev->log, "to the front-end: %s", message_find_backend(r->id)->name);
	if (err == -ENOBUFS)
		channel_lost(s, "is not read by the front-end and full");
	else if (err < 0)
		channel_closed(s);
	if (err < 0)
		return -ENOTCONN;
	if (r->done) {
		list_add(&c->sent, r);
		if (!c->n_sent++)
			channel_asks(s);
	}
	channel_watch(s);
	return 0;
}

/* Send what was posted, as far as the front-end reads. */
static void channel_go_on(struct session *s)
{
	while (channel_is_ready(s) && s->channel.waiting.first) {
		struct channel_request *r = list_take(&s->channel.waiting);

		if ((r->may_go && !r->may_go(s, r)) || channel_send(s, r))
			r->done(s, r, NULL);
	}
}

static void channel_posted(struct errand *errand, struct vu_device *dev)
{
	struct channel_request *r =
		(struct channel_request *)(void *)((char *)errand -
						   offsetof(struct channel_request, errand));
	struct session *s = session_of_device(dev);

	if (!s || !s->channel.conn) {
		r->done(s, r, NULL);
		return;
	}
	list_add(&s->channel.waiting, r);
	channel_go_on(s);
}

void channel_post(struct vu_device *dev, struct channel_request *r)
{
	r->errand.run = channel_posted;
	device_send(dev, &r->errand);
}

/* An ack is a 64-bit integer; others have a layout of their own. */
static bool channel_reply_fits(const struct channel_request *r, const struct wire_msg *msg)
{
	const struct message *m = message_find_backend(r->id);
	const char *want;

	return wire_layout_fits(m->reply == REPLY_OWN ? m->reply_layout : WIRE_L_U64, msg->payload,
				msg->hdr.size, &want) &&
	       msg->n_fds <= m->reply_fds;
}

uint64_t channel_answer(const struct wire_msg *reply)
{
	uint64_t value;

	memcpy(&value, reply->payload, sizeof(value));
	return value;
}

/* 0, or -EPROTO: it answers nothing that was asked. */
static int channel_take_reply(struct session *s, struct wire_msg *msg, const char **why)
{
	struct channel *c = &s->channel;
	struct channel_request *r;

	r = c->sent.first;
	if (!r || r->id != msg->hdr.request || !(msg->hdr.flags & WIRE_REPLY))
		*why = "brought what is no reply to the oldest request";
	else if (!channel_reply_fits(r, msg))
		*why = "brought a reply of another size than the request has";
	if (*why) {
		wire_msg_close_fds(msg);
		return -EPROTO;
	}
	list_take(&c->sent);
	c->n_sent--;
	channel_asks(s);
	r->done(s, r, msg);
	/* It may have asked for more, and found the channel closed: the message is gone with it. */
	if (c->conn)
		wire_msg_close_fds(msg);
	return 0;
}

static void channel_ready(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct session *s = opaque;
	struct wire_msg *msg;
	const char *why = NULL;
	int n = 0;

	(void)source;
	(void)fd;
	if (events & EPOLLOUT) {
		n = wire_conn_flush(s->channel.conn);
		device_wake(s->dev); /* for channel_tell() */
		if (n >= 0)
			channel_go_on(s);
		if (!s->channel.conn)
			return;
	}
	for (int i = 0; i < REPLIES_PER_PASS && n >= 0; i++) {
		n = wire_conn_recv(s->channel.conn, &msg, &why);
		if (n > 0)
			n = channel_take_reply(s, msg, &why);
		else if (!n)
			break;
		if (!s->channel.conn)
			return;
	}
	if (n == -ECONNRESET || n == -EPIPE)
		channel_closed(s);
	else if (n < 0)
		channel_lost(s, why ? why : strerror(-n));
	else
		channel_watch(s);
}

/* That it was processed is all there is to know. */
static void notification_done(struct session *s, struct channel_request *r, struct wire_msg *reply)
{
	(void)s;
	(void)reply;
	free(r);
}

/* vhost-user "In-band notifications": the front-end is to tell when it has processed them. */
static void channel_notify(struct session *s, uint32_t id, const struct vu_queue *q)
{
	const struct wire_vring_state state = {.index = q->index};
	struct channel_request plain = {.id = id, .payload = &state, .size = sizeof(state)};
	struct channel_request *r = NULL;

	if (s->channel.n_sent < UNANSWERED_MAX)
		r = malloc(sizeof(*r));
	/* Better one that nothing is heard of than none. */
	if (!r) {
		channel_send(s, &plain);
		return;
	}
	*r = plain;
	r->done = notification_done;
	if (channel_send(s, r))
		free(r);
}

void channel_tell(struct session *s)
{
	struct channel_request change = {.id = WIRE_BACKEND_CONFIG_CHANGE_MSG};
	struct vu_queue *q;
	uint32_t news;

	while (channel_is_ready(s) && (q = device_next_untold(s->dev, &news))) {
		if (news & NEWS_CALL)
			channel_notify(s, WIRE_BACKEND_VRING_CALL, q);
		if (news & NEWS_ERR)
			channel_notify(s, WIRE_BACKEND_VRING_ERR, q);
	}
	if (channel_is_ready(s) && session_has(s, WIRE_PF_CONFIG) &&
	    config_take_change(&s->dev->config))
		channel_send(s, &change);
}
