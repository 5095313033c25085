/* SPDX-License-Identifier: MIT */
/*
 * The back-end channel: our requests to the front-end (vhost-user "Back-end communication").  They
 * are sent when the socket takes them and never waited for (QEMU may be waiting for us meanwhile):
 * a reply finds the request that it answers, as they come in the order of the requests.  Device
 * thread, but for channel_post().
 */
#ifndef VHOST_USER_CHANNEL_H
#define VHOST_USER_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/device.h"

struct session;
struct vu_source;
struct wire_conn;
struct wire_msg;

/* A request of ours; belongs to who sends it until done() is called, once for each that was sent.
 */
struct channel_request {
	uint32_t id;
	const void *payload; /* needed while it is sent only, as the fds */
	uint32_t size;
	const int *fds; /* they stay the sender's */
	unsigned int n_fds;
	/*
	 * Device thread.  Answered: reply is the front-end's (its fds may be taken); or NULL: the
	 * channel is gone, and nobody will answer.  May free the request.  NULL: no reply is asked
	 * for, and the request is not needed any more when it is sent.
	 */
	void (*done)(struct session *s, struct channel_request *r, struct wire_msg *reply);
	/*
	 * Of channel_post(): asked just before it is sent, which may be late; false: it is not, and
	 * done() is called without a reply.  NULL: it may be.
	 */
	bool (*may_go)(struct session *s, struct channel_request *r);
	struct channel_request *next; /* of those that wait to be sent, or are not answered */
	struct errand errand;	      /* channel_post() */
};

/* Oldest first. */
struct channel_list {
	struct channel_request *first, **end;
};

/* A part of the session. */
struct channel {
	struct wire_conn *conn; /* NULL: none */
	struct vu_source *source;
	struct channel_list waiting; /* posted, until the front-end reads */
	struct channel_list sent;    /* not answered */
	uint32_t n_sent;
};

/* Use this socket from now on; taken over in any case.  -errno. */
int channel_open(struct session *s, int fd);
void channel_close(struct session *s);
/* Can a request be sent now: there is a channel, and the front-end reads it. */
bool channel_is_ready(const struct session *s);
/* Send a request.  -ENOTCONN: the channel is gone, and done() is not called. */
int channel_send(struct session *s, struct channel_request *r);
/*
 * Any thread: send a request in the device's next pass, or when the front-end has read what was
 * sent before; what it points to is needed until then.  done() is called in any case, also without
 * a session.
 */
void channel_post(struct vu_device *dev, struct channel_request *r);
/* What the front-end answered to a request without a reply of its own; 0 is good. */
uint64_t channel_answer(const struct wire_msg *reply);
/* Tell what other threads noted: a changed configuration, in-band notifications. */
void channel_tell(struct session *s);

#endif
