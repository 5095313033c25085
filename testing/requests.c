/* SPDX-License-Identifier: MIT */
/* The driver's side of a peer's queues. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"

static int testing_fail(struct vut_peer *peer, uint32_t queue, int ret, const char *what)
{
	return frontend_fail(&peer->inner->frontend, ret, "queue %u: %s: %s", queue, what,
			     strerror(-ret));
}

static int testing_add(struct vut_peer *peer, uint32_t queue, const struct vut_buffer *buffers,
		       uint32_t n, bool indirect, void *cookie)
{
	struct driver_ring *ring = testing_ring(peer, queue);
	struct driver_seg *segs;
	int ret;

	if (!ring)
		return -EINVAL;
	if (!n)
		return testing_fail(peer, queue, -EINVAL, "a chain of nothing");
	segs = calloc(n, sizeof(*segs));
	if (!segs)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		segs[i] = (struct driver_seg){buffers[i].at, buffers[i].len, buffers[i].writable};
	ret = indirect ? driver_add_indirect(ring, segs, n, cookie)
		       : driver_add(ring, segs, n, cookie);
	free(segs);
	return ret < 0 ? testing_fail(peer, queue, ret, "adding a chain") : ret;
}

int vut_add(struct vut_peer *peer, uint32_t queue, const struct vut_buffer *buffers, uint32_t n,
	    void *cookie)
{
	return testing_add(peer, queue, buffers, n, false, cookie);
}

int vut_add_indirect(struct vut_peer *peer, uint32_t queue, const struct vut_buffer *buffers,
		     uint32_t n, void *cookie)
{
	return testing_add(peer, queue, buffers, n, true, cookie);
}

int vut_publish(struct vut_peer *peer, uint32_t queue)
{
	struct driver_ring *ring = testing_ring(peer, queue);

	if (!ring)
		return -EINVAL;
	driver_publish(ring);
	return 0;
}

int vut_kick(struct vut_peer *peer, uint32_t queue)
{
	struct driver_ring *ring = testing_ring(peer, queue);
	int ret = ring ? driver_kick(ring) : -EINVAL;

	return ring && ret < 0 ? testing_fail(peer, queue, ret, "kick") : ret;
}

int vut_kick_anyway(struct vut_peer *peer, uint32_t queue)
{
	struct driver_ring *ring = testing_ring(peer, queue);
	int ret = ring ? driver_kick_always(ring) : -EINVAL;

	return ring && ret < 0 ? testing_fail(peer, queue, ret, "kick") : ret;
}

static struct vut_used testing_used(const struct driver_used *used)
{
	return (struct vut_used){used->id, used->len, used->cookie};
}

int vut_collect(struct vut_peer *peer, uint32_t queue, struct vut_used *used, uint32_t max)
{
	struct driver_ring *ring = testing_ring(peer, queue);
	struct driver_used one;
	uint32_t n = 0;
	int ret = 1;

	if (!ring)
		return -EINVAL;
	while (n < max && n < INT_MAX) {
		ret = driver_collect(ring, &one, 1);
		if (ret <= 0)
			break;
		used[n++] = testing_used(&one);
	}
	/* What was taken is told; the error comes again. */
	return ret < 0 && !n ? testing_fail(peer, queue, ret, "used entry of no chain") : (int)n;
}

int vut_wait(struct vut_peer *peer, uint32_t queue, struct vut_used *used)
{
	struct driver_used one;
	int ret;

	if (!testing_ring(peer, queue))
		return -EINVAL;
	ret = peer_wait_used(peer->inner, queue, &one);
	if (ret == 0)
		*used = testing_used(&one);
	return ret;
}

int vut_request(struct vut_peer *peer, uint32_t queue, const void *in, uint32_t n_in, void *out,
		uint32_t n_out)
{
	struct guest *guest = peer->inner->guest;
	struct vut_buffer buffers[2];
	struct vut_used used = {.len = 0};
	uint64_t from, to, mark;
	uint32_t n = 0;
	int id, ret;

	if (!guest->n_regions)
		return testing_fail(peer, queue, -ENOMEM, "the guest has no memory");
	mark = guest->regions[0].used;
	from = guest_alloc_in(guest, 0, n_in, 16);
	to = guest_alloc_in(guest, 0, n_out, 16);
	if (from == GUEST_NONE || to == GUEST_NONE) {
		guest->regions[0].used = mark;
		return testing_fail(peer, queue, -ENOMEM, "guest memory for a request");
	}
	if (n_in) {
		memcpy(guest_ptr(guest, from, n_in), in, n_in);
		buffers[n++] = (struct vut_buffer){from, n_in, false};
	}
	if (n_out)
		buffers[n++] = (struct vut_buffer){to, n_out, true};
	id = vut_add(peer, queue, buffers, n, NULL);
	if (id < 0)
		return id;
	/* Where it fails its memory stays taken: the device may still write there. */
	ret = vut_wait(peer, queue, &used);
	if (ret < 0)
		return ret;
	if (used.id != (uint32_t)id)
		return testing_fail(peer, queue, -EPROTO, "another request was used");
	if (used.len > n_out)
		return testing_fail(peer, queue, -EPROTO, "more was written than there is room");
	if (used.len)
		memcpy(out, guest_ptr(guest, to, n_out), used.len);
	guest->regions[0].used = mark;
	return (int)used.len;
}

int vut_wait_call(struct vut_peer *peer, uint32_t queue)
{
	return testing_ring(peer, queue) ? peer_wait_call(peer->inner, queue) : -EINVAL;
}

uint64_t vut_take_calls(struct vut_peer *peer, uint32_t queue)
{
	struct driver_ring *ring = testing_ring(peer, queue);

	return ring ? driver_take_calls(ring) : 0;
}

uint64_t vut_take_errors(struct vut_peer *peer, uint32_t queue)
{
	struct driver_ring *ring = testing_ring(peer, queue);

	return ring ? driver_take_errs(ring) : 0;
}

int vut_want_calls(struct vut_peer *peer, uint32_t queue, bool want)
{
	struct driver_ring *ring = testing_ring(peer, queue);

	return ring ? driver_set_interrupts(ring, want) : -EINVAL;
}

int vut_call_after(struct vut_peer *peer, uint32_t queue, uint32_t chains, uint32_t n)
{
	struct driver_ring *ring = testing_ring(peer, queue);

	if (!ring)
		return -EINVAL;
	if (!ring->event_idx)
		return testing_fail(peer, queue, -EOPNOTSUPP, "EVENT_IDX was not negotiated");
	driver_call_after(ring, chains, n);
	return 0;
}

int vut_kick_fd(const struct vut_peer *peer, uint32_t queue)
{
	return queue < peer->inner->n_queues ? peer->inner->queues[queue]->kick.driver : -EINVAL;
}

int vut_call_fd(const struct vut_peer *peer, uint32_t queue)
{
	return queue < peer->inner->n_queues ? peer->inner->queues[queue]->call.driver : -EINVAL;
}

int vut_offer_nonsense(struct vut_peer *peer, uint32_t queue)
{
	struct driver_ring *ring = testing_ring(peer, queue);

	if (!ring)
		return -EINVAL;
	if (peer->options.packed) /* a table that ends within an entry */
		driver_packed_offer(ring, 0, 15, 0, DRIVER_DESC_INDIRECT);
	else
		driver_split_offer(ring, (uint16_t)ring->size);
	driver_publish(ring);
	return 0;
}
