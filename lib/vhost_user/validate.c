/* SPDX-License-Identifier: MIT */
/*
 * The one validator: every message of the front-end passes here between the socket and its
 * handler.  A message that breaks its row's rules ends the session with one line in the log.
 * Owns nothing; the device's thread.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "vhost_user/messages.h"
#include "vhost_user/session.h"

enum { DESCRIBE_BYTES = 400 }; /* fits a log line with room for what is said about it */

static bool is_negotiated(const struct session *s, int need)
{
	switch (need) {
	case NEED_NOTHING:
		return true;
	case NEED_PROTOCOL_FEATURES:
		return session_has_protocol_features(s);
	case NEED_ACCESS_PLATFORM:
		return session_has_access_platform(s);
	case NEED_GPU:
		return session_has_gpu(s);
	default:
		return session_has(s, (unsigned int)need);
	}
}

static const char *need_name(int need)
{
	switch (need) {
	case NEED_PROTOCOL_FEATURES:
		return "VHOST_USER_F_PROTOCOL_FEATURES";
	case NEED_ACCESS_PLATFORM:
		return "VIRTIO_F_ACCESS_PLATFORM";
	case NEED_GPU:
		return "a gpu device";
	default:
		return wire_protocol_feature_name((unsigned int)need);
	}
}

/* For a log line; buf has DESCRIBE_BYTES. */
static const char *describe(const struct wire_msg *msg, char *buf)
{
	message_describe(msg, buf, DESCRIBE_BYTES);
	return buf;
}

/* The row's bounds, made exact where the payload (of a right size) says how many fds there are. */
static bool fds_fit(const struct message *m, const struct wire_msg *msg, uint32_t *min,
		    uint32_t *max)
{
	*min = m->min_fds;
	*max = m->max_fds;
	if (m->request == WIRE_L_VRING_FD) {
		uint64_t ring;

		memcpy(&ring, msg->payload, sizeof(ring));
		*min = *max = ring & WIRE_VRING_NOFD ? 0 : 1;
	} else if (m->request == WIRE_L_MEM_TABLE) {
		memcpy(min, msg->payload, sizeof(*min)); /* num_regions */
		*max = *min;
	}
	return msg->n_fds >= *min && msg->n_fds <= *max;
}

/* 0, or -EPROTO with a line in the log. */
static int message_check(struct session *s, const struct message *m, const struct wire_msg *msg)
{
	struct log *log = session_log(s);
	char text[DESCRIBE_BYTES];
	uint32_t min, max;
	const char *want;

	if (!m)
		log_peer_error(log, "%s is not known", describe(msg, text));
	else if (msg->hdr.flags & WIRE_REPLY)
		log_peer_error(log, "%s is a reply, but nothing was asked", describe(msg, text));
	else if (session_awaited(s) && session_is_awaited(s, msg))
		return 0;
	else if (session_awaited(s))
		log_peer_error(log, "%s came, but 8 zero bytes that acknowledge %s were due",
			       describe(msg, text), message_find(session_awaited(s))->name);
	else if (!m->handler)
		log_peer_error(log, "%s is not implemented and was not offered", m->name);
	else if (!is_negotiated(s, m->need))
		log_peer_error(log, "%s needs %s, which was not negotiated", describe(msg, text),
			       need_name(m->need));
	else if (!wire_layout_fits(m->request, msg->payload, msg->hdr.size, &want))
		log_peer_error(log, "%s: payload of %u bytes, want %s", m->name, msg->hdr.size,
			       want);
	else if (fds_fit(m, msg, &min, &max))
		return 0;
	else if (min == max)
		log_peer_error(log, "%s: %u fds, want %u", describe(msg, text), msg->n_fds, min);
	else
		log_peer_error(log, "%s: %u fds, want %u to %u", describe(msg, text), msg->n_fds,
			       min, max);
	return -EPROTO;
}

/* Answer for a handler as its result and its row say. */
static int message_answer(struct session *s, const struct message *m, const struct wire_msg *msg,
			  int rc)
{
	bool wants_ack;

	if (rc == MESSAGE_REPLIED)
		return 0;
	if (rc == -EPROTO)
		return rc;
	/* Only now: SET_PROTOCOL_FEATURES may itself negotiate REPLY_ACK and ask for an ack. */
	wants_ack = m->reply == REPLY_ALWAYS_ACK ||
		    ((msg->hdr.flags & WIRE_NEED_REPLY) && session_has(s, WIRE_PF_REPLY_ACK));
	if (rc >= 0)
		return wants_ack ? session_reply_u64(s, msg, 0) : 0;
	/* The handler logged why. */
	if (m->reply == REPLY_OWN || !wants_ack)
		return rc;
	return session_reply_u64(s, msg, 1);
}

int message_dispatch(struct session *s, struct wire_msg *msg)
{
	const struct message *m = message_find(msg->hdr.request);
	char text[DESCRIBE_BYTES];
	int rc;

	log_debug(session_log(s), "%s, %u fds%s", describe(msg, text), msg->n_fds,
		  msg->hdr.flags & WIRE_NEED_REPLY ? ", needs a reply" : "");
	rc = message_check(s, m, msg);
	if (rc) {
		wire_msg_close_fds(msg);
		return rc;
	}
	rc = m->handler(s, msg);
	/* The message stays as it is until message_finish(). */
	return rc == MESSAGE_LATER ? 0 : message_finish(s, msg, rc);
}

int message_finish(struct session *s, struct wire_msg *msg, int result)
{
	int rc = message_answer(s, message_find(msg->hdr.request), msg, result);

	wire_msg_close_fds(msg);
	return rc;
}
