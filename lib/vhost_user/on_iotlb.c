/* SPDX-License-Identifier: MIT */
/*
 * IOTLB messages, both ways (vhost-user "IOMMU support"): the front-end tells what is translated
 * and what is not any more; it is asked for what queues miss.  An answer comes twice: as a
 * translation here, and as the reply on the back-end channel.  Device thread.
 */
#include "vhost_user/on_iotlb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/control.h"
#include "core/device.h"
#include "mem/iotlb.h"
#include "vhost_user/messages.h"
#include "vhost_user/session.h"

enum { ASKED_MAX = 1024 };

#define PAGE_OF(addr) ((addr) >> 12)

/* A request of ours that is not answered. */
struct miss {
	struct channel_request request;
	struct miss *next;
	uint64_t addr;
	enum space_access access;
};

static int iotlb_refuse(const struct session *s, const struct wire_iotlb *m, const char *why)
{
	log_peer_error(&s->dev->log, "IOTLB_MSG of type %u for %#llx, %#llx bytes: %s", m->type,
		       (unsigned long long)m->iova, (unsigned long long)m->size, why);
	return -EINVAL;
}

int on_iotlb_msg(struct session *s, struct wire_msg *msg)
{
	struct iotlb_range range;
	struct wire_iotlb m;
	int rc;

	memcpy(&m, msg->payload, sizeof(m));
	if (m.type != WIRE_IOTLB_UPDATE && m.type != WIRE_IOTLB_INVALIDATE)
		return iotlb_refuse(s, &m, "not an update or an invalidation");
	/* The last one may end at 2^64. */
	range.first = m.iova;
	range.last = m.iova + (m.size - 1);
	range.target = m.user_addr;
	range.access = m.perm;
	if (!m.size || range.last < range.first)
		return iotlb_refuse(s, &m, "its size cannot be");
	if (m.type == WIRE_IOTLB_INVALIDATE) {
		rc = control_untranslate(s->dev, range.first, range.last, &s->wait.waiter);
	} else {
		if (m.perm > SPACE_BOTH)
			return iotlb_refuse(s, &m, "its permissions are not known");
		rc = control_translate(s->dev, &range, &s->wait.waiter);
	}
	return session_wait(s, msg, rc, NULL);
}

static void miss_remove(struct session *s, struct miss *miss)
{
	struct miss **link = &s->misses;

	while (*link != miss)
		link = &(*link)->next;
	*link = miss->next;
	s->n_misses--;
}

/* struct channel_request.done */
static void miss_answered(struct session *s, struct channel_request *r, struct wire_msg *reply)
{
	struct miss *miss = (struct miss *)(void *)r;
	enum miss_answer answer = MISS_LOST;

	if (reply)
		answer = channel_answer(reply) ? MISS_REFUSED : MISS_TRANSLATED;
	miss_remove(s, miss);
	control_miss_answered(s->dev, miss->addr, miss->access, answer);
	free(miss);
}

/* Was the front-end asked for the page, and has not answered? */
static bool miss_is_asked(const struct session *s, uint64_t addr, enum space_access access)
{
	for (const struct miss *miss = s->misses; miss; miss = miss->next)
		if (PAGE_OF(miss->addr) == PAGE_OF(addr) && (miss->access & access) == access)
			return true;
	return false;
}

/* False: not now. */
static bool miss_send(struct session *s, uint64_t addr, enum space_access access)
{
	const struct wire_iotlb m = {
		.iova = addr,
		.perm = (uint8_t)access,
		.type = WIRE_IOTLB_MISS,
	};
	struct miss *miss = calloc(1, sizeof(*miss));

	if (!miss)
		return false;
	miss->addr = addr;
	miss->access = access;
	miss->request = (struct channel_request){
		.id = WIRE_BACKEND_IOTLB_MSG,
		.payload = &m,
		.size = sizeof(m),
		.done = miss_answered,
	};
	miss->next = s->misses;
	s->misses = miss;
	s->n_misses++;
	if (!channel_send(s, &miss->request))
		return true;
	miss_remove(s, miss);
	free(miss);
	return false;
}

void iotlb_tell(struct session *s)
{
	enum space_access access;
	struct vu_queue *q;
	uint64_t addr;

	while (s->n_misses < ASKED_MAX && (q = control_next_miss(s->dev, &addr, &access))) {
		bool is_asked = miss_is_asked(s, addr, access);

		if (!is_asked && !s->channel.conn && !s->told_no_channel) {
			s->told_no_channel = true;
			log_peer_error(&s->dev->log,
				       "queue %u: VIRTIO_F_ACCESS_PLATFORM was accepted, but the "
				       "front-end gave no back-end channel: nobody can be asked "
				       "where %#llx is, and the queue waits",
				       vu_queue_index(q), (unsigned long long)addr);
		}
		if (!is_asked && (!channel_is_ready(s) || !miss_send(s, addr, access)))
			return;
		control_miss_asked(q, is_asked);
	}
}
