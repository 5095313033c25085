/* SPDX-License-Identifier: MIT */
/* Rings that run: requests of every form, and calls. */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "checks.h"

enum { LAPS = 3, WRAP_FROM = 65530, BATCH = 4 };

/* Requests that are in the ring at the same time. */
static int serve_batch(struct probe *p, uint32_t n)
{
	struct request r[BATCH];
	int ret = 0;

	for (uint32_t i = 0; !ret && i < n; i++)
		ret = probe_add(p, &r[i]);
	if (!ret)
		ret = probe_kick(p);
	for (uint32_t i = 0; !ret && i < n; i++)
		ret = probe_await(p);
	return ret;
}

static int serve_form(struct probe *p)
{
	struct request r;
	int ret;

	switch (p->check->variant) {
	case SERVED_LAPS:
		return probe_serve(p, LAPS * CHECK_QUEUE_SIZE);
	case SERVED_PIECES:
		ret = probe_add_in_pieces(p, &r);
		break;
	case SERVED_INDIRECT:
		ret = probe_add_indirect(p, &r);
		break;
	case SERVED_EVENT_IDX:
		return probe_serve(p, CHECK_QUEUE_SIZE + 1);
	default:
		ret = probe_add(p, &r);
	}
	return ret ? ret : probe_answer(p);
}

enum verdict check_served(struct probe *p)
{
	const struct peer_config config = {.max_indirect = 8};

	if (probe_start(p, &config) || serve_form(p))
		return probe_failed(p, "a request");
	switch (p->check->variant) {
	case SERVED_LAPS:
		return probe_pass(p, "%d requests through a ring of %d", LAPS * CHECK_QUEUE_SIZE,
				  CHECK_QUEUE_SIZE);
	case SERVED_EVENT_IDX:
		return probe_pass(p, "%d requests, with kicks where they are asked for",
				  CHECK_QUEUE_SIZE + 1);
	default:
		return probe_pass(p, "the answer is good");
	}
}

enum verdict check_batch(struct probe *p)
{
	const struct peer_config config = {.queue_size = 64};

	if (probe_start(p, &config) || serve_batch(p, BATCH))
		return probe_failed(p, "four requests with one kick");
	return probe_pass(p, "four answers");
}

enum verdict check_call(struct probe *p)
{
	if (probe_start(p, NULL))
		return probe_failed(p, "start");
	driver_take_calls(probe_ring(p));
	if (probe_serve(p, 1) || peer_wait_call(p->peer, probe_queue(p)))
		return probe_failed(p, "a call for a request");
	return probe_pass(p, "called");
}

enum verdict check_call_event(struct probe *p)
{
	struct driver_ring *ring;
	struct request r[2];

	if (probe_start(p, NULL))
		return probe_failed(p, "start");
	ring = probe_ring(p);
	if (probe_add(p, &r[0]) || probe_add(p, &r[1]))
		return probe_failed(p, "two requests");
	/* The second one is asked for: whether the first is told of, too, is the device's. */
	driver_call_after(ring, 1, r[0].n);
	driver_take_calls(ring);
	if (probe_kick(p) || peer_wait_call(p->peer, probe_queue(p)) || probe_await(p) ||
	    probe_await(p))
		return probe_failed(p, "the call for the event index");
	return probe_pass(p, "called when the event index was passed");
}

enum verdict check_wrap(struct probe *p)
{
	struct driver_ring *ring;

	if (probe_open(p, NULL) || peer_negotiate(p->peer) || peer_set_driver(p->peer))
		return probe_failed(p, "negotiation");
	ring = probe_ring(p);
	/* Packed: the last slot, so that even the first request goes over the end. */
	driver_set_base(ring, p->check->packed ? driver_base_after(ring, CHECK_QUEUE_SIZE - 1, 1)
					       : WRAP_FROM);
	if (peer_start_rings(p->peer) || probe_serve(p, 2 * CHECK_QUEUE_SIZE))
		return probe_failed(p, "a ring that does not begin at 0");
	return probe_pass(p, "%d requests from there", 2 * CHECK_QUEUE_SIZE);
}

enum verdict check_call_fd(struct probe *p)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), ret;
	uint64_t count;

	if (fd < 0)
		return probe_fail(p, "eventfd: %s", strerror(errno));
	ret = probe_start(p, NULL);
	if (!ret)
		ret = probe_serve(p, 1);
	if (!ret)
		ret = frontend_set_vring_call(probe_frontend(p), probe_queue(p), fd);
	/* Everything said before is done when this is answered. */
	if (!ret)
		ret = frontend_get_features(probe_frontend(p), &count);
	if (!ret && read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		ret = -errno;
	if (!ret)
		ret = probe_serve(p, 1);
	if (!ret)
		ret = frontend_wait_fd(probe_frontend(p), fd, 1);
	close(fd);
	return ret ? probe_failed(p, "a call on another descriptor")
		   : probe_pass(p, "called on the new descriptor");
}

enum verdict check_no_call_fd(struct probe *p)
{
	if (probe_start(p, NULL) ||
	    frontend_set_vring_call(probe_frontend(p), probe_queue(p), -1) || probe_serve(p, 2))
		return probe_failed(p, "requests without a call descriptor");
	return probe_pass(p, "two requests, which the driver looked for");
}
