/* SPDX-License-Identifier: MIT */
/* See postcopy.h.  Device thread. */
#include "vhost_user/postcopy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libvu/unstable.h>

#include "core/control.h"
#include "core/device.h"
#include "mem/table.h"
#include "mem/userfault.h"
#include "vhost_user/messages.h"
#include "vhost_user/session.h"

int vu_device_allow_postcopy(struct vu_device *dev)
{
	int fd;

	if (vu_device_is_attached(dev))
		return -EBUSY;
	if (dev->userfault < 0)
		dev->userfault = userfault_device();
	fd = userfault_open(dev->userfault);
	if (fd < 0) {
		log_error(&dev->log,
			  "postcopy needs userfaultfd(2) for the kernel's faults, too: %s (run as "
			  "root, with CAP_SYS_PTRACE or access to /dev/userfaultfd, or set "
			  "vm.unprivileged_userfaultfd to 1)",
			  strerror(-fd));
		return fd;
	}
	close(fd);
	dev->postcopy = true;
	return 0;
}

void postcopy_init(struct postcopy *p)
{
	memset(p, 0, sizeof(*p));
	p->fd = -1;
}

/* Nobody waits any more for what is not there. */
static void postcopy_unwatch(struct postcopy *p)
{
	for (uint32_t i = 0; i < p->n_regions; i++) {
		if (p->fd >= 0 && i < p->n_watched)
			(void)userfault_unwatch(p->fd, p->regions[i]);
		region_unref(p->regions[i]);
	}
	free(p->regions);
	p->regions = NULL;
	p->n_regions = p->n_watched = 0;
}

void postcopy_fini(struct postcopy *p)
{
	postcopy_unwatch(p);
	table_unref(p->table);
	if (p->fd >= 0)
		close(p->fd);
	postcopy_init(p);
}

static int wrong_time(struct session *s, const char *what)
{
	log_peer_error(&s->dev->log, "%s", what);
	return -EPROTO;
}

int on_postcopy_advise(struct session *s, struct wire_msg *msg)
{
	struct postcopy *p = &s->postcopy;
	int err;

	if (p->listening)
		return wrong_time(s, "POSTCOPY_ADVISE between POSTCOPY_LISTEN and POSTCOPY_END");
	postcopy_fini(p);
	p->fd = userfault_open(s->dev->userfault);
	if (p->fd < 0)
		log_peer_error(&s->dev->log, "POSTCOPY_ADVISE: userfaultfd: %s", strerror(-p->fd));
	p->advised = p->fd >= 0;
	/* Without a descriptor the front-end knows that this migration cannot be. */
	err = session_reply(s, msg, NULL, 0, &p->fd, p->advised);
	return err ? -EPROTO : MESSAGE_REPLIED;
}

int on_postcopy_listen(struct session *s, struct wire_msg *msg)
{
	struct postcopy *p = &s->postcopy;

	(void)msg;
	if (!p->advised || p->listening)
		return wrong_time(s, p->listening ? "POSTCOPY_LISTEN came twice"
						  : "POSTCOPY_LISTEN without POSTCOPY_ADVISE");
	/* It was not told where that is mapped, and could answer no fault. */
	if (table_regions(control_memory(s->dev)))
		return wrong_time(s, "POSTCOPY_LISTEN when there was guest memory already");
	p->listening = true;
	return MESSAGE_DONE;
}

int on_postcopy_end(struct session *s, struct wire_msg *msg)
{
	if (!s->postcopy.advised)
		return wrong_time(s, "POSTCOPY_END without POSTCOPY_ADVISE");
	postcopy_fini(&s->postcopy);
	return session_reply_u64(s, msg, 0) ? -EPROTO : MESSAGE_REPLIED;
}

void postcopy_ring_starts(struct session *s)
{
	struct postcopy *p = &s->postcopy;

	if (!p->listening || p->fd < 0)
		return;
	close(p->fd);
	p->fd = -1;
}

bool postcopy_is_ack(const struct postcopy *p, const struct wire_msg *msg)
{
	static const unsigned char nothing[8];

	return msg->hdr.request == p->awaited && msg->hdr.size == sizeof(nothing) && !msg->n_fds &&
	       !memcmp(msg->payload, nothing, sizeof(nothing));
}

/* References to regions that will be watched. */
static int postcopy_add(struct postcopy *p, struct region *const *regions, uint32_t n)
{
	struct region **all = reallocarray(p->regions, p->n_regions + n + 1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	p->regions = all;
	for (uint32_t i = 0; i < n; i++)
		all[p->n_regions++] = region_ref(regions[i]);
	return 0;
}

int postcopy_propose(struct session *s, struct wire_msg *msg, struct table *table,
		     struct region *const *regions, uint32_t n, uint32_t at)
{
	struct postcopy *p = &s->postcopy;

	if (p->fd < 0 || postcopy_add(p, regions, n)) {
		table_unref(table);
		return wrong_time(s, p->fd < 0
					     ? "guest memory that comes in postcopy after a ring "
					       "was started: its faults cannot be watched any more"
					     : "out of memory for postcopy");
	}
	p->table = table;
	p->awaited = msg->hdr.request;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t host = (uintptr_t)regions[i]->host;

		memcpy(msg->payload + at + i * sizeof(struct wire_region) +
			       offsetof(struct wire_region, user_addr),
		       &host, sizeof(host));
	}
	return session_reply(s, msg, msg->payload, msg->hdr.size, NULL, 0) ? -EPROTO
									   : MESSAGE_REPLIED;
}

struct table *postcopy_accept(struct session *s)
{
	struct postcopy *p = &s->postcopy;
	struct table *table = p->table;

	p->awaited = 0;
	for (; p->n_watched < p->n_regions; p->n_watched++) {
		const struct region *r = p->regions[p->n_watched];
		int err = userfault_watch(p->fd, r);

		if (err) {
			log_peer_error(&s->dev->log,
				       "postcopy: the faults of memory at %#llx, %#llx bytes, "
				       "cannot be watched: %s",
				       (unsigned long long)r->info.guest_addr,
				       (unsigned long long)r->info.size, strerror(-err));
			return NULL;
		}
	}
	p->table = NULL;
	return table;
}
