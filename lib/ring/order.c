/* SPDX-License-Identifier: MIT */
/*
 * VIRTIO_F_IN_ORDER (virtio 1.3 §2.7.9, §2.8.9): requests are used in the order in which they were
 * made available, whatever the order in which the device completes them.  Queue thread.
 */
#include "ring/hot.h"

void order_taken(struct ring *r, struct req *req)
{
	/* Never more than size requests: fits by construction. */
	r->order[(r->order_first + r->order_n++) % r->size] = req;
}

void order_forget(struct ring *r)
{
	for (; r->order_n; r->order_n--) {
		struct req *req = r->order[r->order_first];

		r->order_first = (r->order_first + 1) % r->size;
		if (req->state == REQ_HELD)
			ring_drop(r, req);
	}
}

/* Its place among what is waited for; order_n if it is not. */
static uint32_t order_find(const struct ring *r, const struct req *req)
{
	uint32_t i;

	for (i = 0; i < r->order_n; i++)
		if (r->order[(r->order_first + i) % r->size] == req)
			break;
	return i;
}

void order_suspend(struct ring *r, struct req *req)
{
	uint32_t at = order_find(r, req), n = r->order_n;

	/* Those behind it can have no turn: what is held is run again, like the others. */
	for (uint32_t i = at + 1; i < n; i++) {
		struct req *later = r->order[(r->order_first + i) % r->size];

		if (later->state == REQ_HELD)
			ring_drop(r, later);
	}
	r->order_n = at;
	r->order_is_cut = true;
	ring_drop(r, req);
}

void order_complete(struct ring *r, struct req *req, uint32_t written)
{
	if (unlikely(r->order_is_cut) && order_find(r, req) == r->order_n) {
		ring_drop(r, req);
		return;
	}
	req->state = REQ_HELD;
	req->written = written;
	while (r->order_n && r->order[r->order_first]->state == REQ_HELD) {
		req = r->order[r->order_first];
		r->order_first = (r->order_first + 1) % r->size;
		r->order_n--;
		ring_push(r, req, (uint32_t)req->written);
		ring_drop(r, req);
	}
}
