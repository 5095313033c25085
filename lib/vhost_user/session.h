/* SPDX-License-Identifier: MIT */
/*
 * A session: one connected front-end.  Owned by its device; device thread only.
 *
 * Messages are handled one after the other.  A handler that has to wait for queue threads gives
 * its commands and calls session_wait(); the socket is not read until the answer is sent.
 */
#ifndef VHOST_USER_SESSION_H
#define VHOST_USER_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/conn.h"

struct vu_device;
struct session;
struct log;
struct table;
struct region;
struct ring_config;

/* Runs when every command is answered; returns what a handler returns, but never MESSAGE_LATER. */
typedef int session_resume_fn(struct session *s, struct wire_msg *msg);

struct session {
	struct vu_device *dev;
	struct wire_conn *conn;
	struct wire_conn *backend; /* the back-end channel, or NULL */
	struct region *inflight;   /* the in-flight log, or NULL */
	uint16_t inflight_queues;  /* that it has a part for */
	uint16_t inflight_entries; /* of each part */
	bool inflight_told;	   /* ... and that it is too short */
	struct table *table;	   /* guest memory, or NULL */
	uint64_t features;	   /* acked */
	uint64_t protocol;	   /* acked protocol features */
	uint8_t status;		   /* virtio device status (virtio 1.3 §2.1) */
	bool features_set;	   /* SET_FEATURES came */
	bool features_ok;	   /* ... and we can run with them */
	bool heard;		   /* a whole message came */
	bool closing;		   /* vu_device_drain(): it ends when all rings have stopped */
	bool dead;		   /* to be ended at the next opportunity */
	uint32_t events;	   /* what is watched on the socket */
	session_resume_fn *resume; /* waiting: what to do when the commands are answered */
	struct wire_msg *msg;	   /* ... and the message that waits */
};

/* What the validator needs to know of a session. */
struct log *session_log(struct session *s);
/* Was this protocol feature acked?  (Both offered by us and acked by the front-end.) */
bool session_has(const struct session *s, unsigned int protocol_feature);
/* May protocol-feature messages be used: bit 30 was offered. */
bool session_has_protocol_features(const struct session *s);
/* VIRTIO_F_ACCESS_PLATFORM was acked. */
bool session_has_access_platform(const struct session *s);

/* Answer msg with its own reply. 0 or -errno (the session must end). */
int session_reply(struct session *s, const struct wire_msg *msg, const void *payload, uint32_t size,
		  const int *fds, unsigned int n_fds);
/* Answer msg with a u64. */
int session_reply_u64(struct session *s, const struct wire_msg *msg, uint64_t value);

/*
 * For the end of a handler that gave commands: run resume now if they are all answered, else
 * later.  Returns what the handler is to return.
 */
int session_wait(struct session *s, struct wire_msg *msg, session_resume_fn *resume);

/* on_features.c: why the device cannot start with what the driver chose; an error line. */
void features_log_refusal(const struct session *s);
/* on_features.c: what the driver's choice means for a ring. */
void session_use_features(const struct session *s, struct ring_config *config);
/* on_inflight.c: the queue's part of the in-flight log, if there is one. */
void session_use_inflight(struct session *s, uint32_t index, struct ring_config *config);

/* device.c: once, at vu_device_new(). */
void session_setup(struct vu_device *dev);
/* Each pass: go on with what waited, end what is to end. */
void session_continue(struct vu_device *dev);
/* patience.c: the front-end was silent for too long. */
void session_silent(struct vu_device *dev);
/* vu_device_free(): the commands of an ended session are all answered. */
void session_finish_ending(struct vu_device *dev);

#endif
