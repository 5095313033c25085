/* SPDX-License-Identifier: MIT */
/*
 * Handlers: the dirty log.  The front-end makes it, we mark in it; whether, SET_FEATURES and
 * SET_VRING_ADDR say.  Device thread.
 */
#include <errno.h>
#include <string.h>

#include "core/control.h"
#include "core/device.h"
#include "mem/region.h"
#include "vhost_user/messages.h"
#include "vhost_user/session.h"

static int log_is_used(struct session *s, struct wire_msg *msg)
{
	return session_reply_u64(s, msg, 0) ? -EPROTO : MESSAGE_REPLIED;
}

int on_set_log_base(struct session *s, struct wire_msg *msg)
{
	struct wire_log log;
	struct region_info info = {0};
	struct region *region;
	const char *why;
	int err;

	if (msg->hdr.size != sizeof(log)) {
		log_peer_error(&s->dev->log,
			       "SET_LOG_BASE without size and offset, though LOG_SHMFD "
			       "was negotiated");
		return -EPROTO;
	}
	memcpy(&log, msg->payload, sizeof(log));
	info.size = log.size;
	info.mmap_offset = log.offset;
	err = region_map(s->dev->mappings, &info, msg->fds[0], &region, &why);
	if (err) {
		/* Front-ends do not look at the reply (QEMU 11): nobody would know that a copy of
		 * this guest is bad. */
		log_peer_error(&s->dev->log, "SET_LOG_BASE: the dirty log of %llu bytes: %s (%s)",
			       (unsigned long long)log.size, why, strerror(-err));
		return -EPROTO;
	}
	return session_wait(s, msg, control_set_log(s->dev, region, &s->wait.waiter), log_is_used);
}

int on_set_log_fd(struct session *s, struct wire_msg *msg)
{
	int rc = control_set_log_fd(s->dev, wire_msg_take_fd(msg), &s->wait.waiter);

	return session_wait(s, msg, rc, NULL);
}
