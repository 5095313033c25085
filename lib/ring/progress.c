/* SPDX-License-Identifier: MIT */
/*
 * How far a device got with a request that it puts back and will take again.  Queue thread.
 *
 * What is put back is the newest request, so a stack remembers it: the next one to be taken is on
 * top.  A request is known by its id, which no other one has until the driver gets it back.  A
 * hostile driver may put something else into its place, and gives itself away or gains nothing:
 * a progress is never more than there are bytes.
 */
#include <errno.h>
#include <stdlib.h>

#include "ring/ring.h"

uint64_t ring_progress(const struct req *req)
{
	return req->odd & REQ_PROGRESS ? req->written : 0;
}

static void progress_set(struct req *req, uint64_t progress)
{
	req->written = progress;
	req->odd |= REQ_PROGRESS;
}

/* The room is made here, so that a put-back cannot fail for want of it. */
int ring_set_progress(struct ring *r, struct req *req, uint64_t progress)
{
	if (!r->kept) {
		r->kept = calloc(r->size, sizeof(*r->kept));
		if (!r->kept)
			return -ENOMEM;
	}
	progress_set(req, progress);
	return 0;
}

void progress_put_back(struct ring *r, const struct req *req)
{
	if (!ring_progress(req) || !r->is_live || r->n_kept == r->size)
		return;
	r->kept[r->n_kept++] = (struct ring_kept){ring_progress(req), req->id};
	r->has_extras = true;
}

void progress_taken(struct ring *r, struct req *req)
{
	const struct ring_kept *kept = &r->kept[r->n_kept - 1];

	if (kept->id != req->id)
		return;
	if (kept->progress <= req->pub.readable_len + req->pub.writable_len)
		progress_set(req, kept->progress);
	r->n_kept--;
	r->has_extras = ring_needs_extras(r);
}
