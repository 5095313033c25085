/* SPDX-License-Identifier: MIT */
/*
 * Handlers: the in-flight log.  We make the shared region, the front-end keeps it and gives it to
 * us again, or to our successor.  Each queue's part is used when its ring starts.  Device thread.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/control.h"
#include "core/device.h"
#include "vhost_user/messages.h"
#include "vhost_user/session.h"
#include "mem/region.h"
#include "ring/inflight.h"

/* The fields; QEMU's message is longer by its C struct's padding. */
static struct wire_inflight payload_inflight(const struct wire_msg *msg)
{
	struct wire_inflight info;

	memcpy(&info, msg->payload, offsetof(struct wire_inflight, queue_size) + sizeof(uint16_t));
	return info;
}

static int inflight_check(const struct session *s, const struct wire_inflight *info)
{
	if (info->n_queues && info->n_queues <= s->dev->info.n_queues && info->queue_size &&
	    info->queue_size <= RING_MAX_SIZE)
		return 0;
	log_peer_error(
		&s->dev->log,
		"an in-flight log for %u queues of %u entries; the device has %u queues of at most "
		"%u",
		info->n_queues, info->queue_size, s->dev->info.n_queues, RING_MAX_SIZE);
	return -EPROTO;
}

int on_get_inflight_fd(struct session *s, struct wire_msg *msg)
{
	struct wire_inflight info = payload_inflight(msg);
	int fd, err = inflight_check(s, &info);

	if (err)
		return err;
	/*
	 * Enough for either layout: the front-end may keep it while firmware's split rings are
	 * followed by a driver's packed ones.
	 */
	info.mmap_size = info.n_queues * inflight_bytes(true, info.queue_size);
	info.mmap_offset = 0;
	/* Zeroed: every queue's version 0 says that it is not in use yet. */
	fd = memfd_create("vhost-user in-flight", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, (off_t)info.mmap_size) < 0) {
		log_peer_error(&s->dev->log, "no memory for the in-flight log: %s",
			       strerror(errno));
		if (fd >= 0)
			close(fd);
		return -EPROTO;
	}
	memcpy(msg->payload, &info, offsetof(struct wire_inflight, queue_size) + sizeof(uint16_t));
	/* As long as the question was: QEMU insists on its own struct's size. */
	err = session_reply(s, msg, msg->payload, msg->hdr.size, &fd, 1);
	close(fd);
	return err ? -EPROTO : MESSAGE_REPLIED;
}

int on_set_inflight_fd(struct session *s, struct wire_msg *msg)
{
	struct wire_inflight info = payload_inflight(msg);
	const struct region_info what = {.size = info.mmap_size, .mmap_offset = info.mmap_offset};
	struct region *region;
	const char *why;
	int err = inflight_check(s, &info);

	if (err)
		return err;
	/* Of which layout it is will be seen when rings start with it. */
	if (info.mmap_size < info.n_queues * inflight_bytes(false, info.queue_size)) {
		log_peer_error(&s->dev->log,
			       "an in-flight log of %llu bytes is too short for %u queues of "
			       "%u entries",
			       (unsigned long long)info.mmap_size, info.n_queues, info.queue_size);
		return -EPROTO;
	}
	err = region_map(s->dev->mappings, &what, msg->fds[0], &region, &why);
	if (err) {
		log_peer_error(&s->dev->log, "the in-flight log of %llu bytes: %s (%s)",
			       (unsigned long long)info.mmap_size, why, strerror(-err));
		return err;
	}
	control_set_inflight(s->dev, region, info.n_queues, info.queue_size);
	return MESSAGE_DONE;
}
