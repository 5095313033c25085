/* SPDX-License-Identifier: MIT */
/*
 * A session: one front-end that is connected by a socket; a transport of its device.  Device
 * thread only.
 *
 * Messages are handled one after the other.  A handler whose verbs have to wait for queue threads
 * returns by session_wait(); the socket is not read until the answer is sent.
 */
#ifndef VHOST_USER_SESSION_H
#define VHOST_USER_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include <libvu/group.h>

#include "core/transport.h"
#include "core/waiter.h"
#include "vhost_user/channel.h"
#include "vhost_user/postcopy.h"
#include "vhost_user/device_state.h"
#include "wire/conn.h"

struct vu_device;
struct session;
struct log;
struct miss;

/* Runs when the verb is done; returns what a handler returns. */
typedef int session_resume_fn(struct session *s, struct wire_msg *msg);

/* The message that cannot be answered yet: what it waits for, and how it goes on. */
struct session_wait {
	struct waiter waiter;	   /* for the verb that its handler used */
	struct wire_msg *msg;	   /* NULL: none waits */
	session_resume_fn *resume; /* NULL: it is done when the verb is */
	int64_t answer;		   /* session_answer(): what the device said */
};

struct session {
	struct transport transport;
	struct vu_device *dev;
	struct wire_conn *conn;
	struct vu_source *socket; /* watches it */
	uint32_t events;	  /* ... for these */
	struct channel channel;	  /* the back-end channel */
	struct session_wait wait;
	struct device_state device_state;
	struct postcopy postcopy;
	uint64_t protocol;    /* acked protocol features */
	uint8_t status;	      /* virtio device status (virtio 1.3 §2.1) */
	bool heard;	      /* a whole message came */
	uint32_t added_again; /* regions that were there already, less what was removed as often */
	struct miss *misses;  /* on_iotlb.c: translations that the front-end was asked for */
	uint32_t n_misses;
	bool told_no_channel; /* ... and could not be */
};

/* The device's session; NULL: it has none, or a transport of another kind. */
struct session *session_of_device(struct vu_device *dev);

/* What the validator needs to know of a session. */
struct log *session_log(struct session *s);
/* Was this protocol feature acked?  (Both offered by us and acked by the front-end.) */
bool session_has(const struct session *s, unsigned int protocol_feature);
/* May protocol-feature messages be used: bit 30 was offered. */
bool session_has_protocol_features(const struct session *s);
/* VIRTIO_F_ACCESS_PLATFORM was acked. */
bool session_has_access_platform(const struct session *s);
/* It is a graphics device. */
bool session_has_gpu(const struct session *s);
/* The message whose acknowledgement is due, and nothing else (postcopy); 0: none. */
uint32_t session_awaited(const struct session *s);
bool session_is_awaited(const struct session *s, const struct wire_msg *msg);
/* The protocol features that the device offers. */
uint64_t session_offered_protocol(const struct session *s);

/* Answer msg with its own reply. 0 or -errno (the session must end). */
int session_reply(struct session *s, const struct wire_msg *msg, const void *payload, uint32_t size,
		  const int *fds, unsigned int n_fds);
/* Answer msg with a u64. */
int session_reply_u64(struct session *s, const struct wire_msg *msg, uint64_t value);

/*
 * For the end of a handler: rc is what its verb returned, which was given &s->wait.waiter.  resume
 * runs now if the verb is done, else later; NULL: the verb's result is the handler's.  Returns what
 * the handler is to return.
 */
int session_wait(struct session *s, struct wire_msg *msg, int rc, session_resume_fn *resume);

/*
 * The same for a callback of the device, which said this, or will say it by the answer that it was
 * given: resume finds it by session_said().
 */
int session_answer(struct session *s, struct wire_msg *msg, struct vu_answer *answer, int64_t said,
		   session_resume_fn *resume);
/* ... 0 for a value that is no error, or a -errno that may be a handler's result. */
int session_said(const struct session *s);
/* A resume for messages that are only acked. */
session_resume_fn session_ack;
/*
 * For a message that is only acked, refused for a reason of the device's; logs it.  Without an ack
 * it is left at that: the guest's doing is no reason to end the session.
 */
int session_refuse(struct session *s, const struct wire_msg *msg, int err);

#endif
