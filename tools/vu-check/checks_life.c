/* SPDX-License-Identifier: MIT */
/* Starts, stops and ends of rings and sessions. */
#include <errno.h>

#include "checks.h"

enum { SOME_REQUESTS = 3, DRIVER_OK = 4 /* virtio 1.3 §2.1 */ };

/* Negotiated, and memory known; no ring yet. */
static int open_for_rings(struct probe *p)
{
	int ret = probe_open(p, NULL);

	if (!ret)
		ret = peer_negotiate(p->peer);
	if (!ret)
		ret = peer_set_driver(p->peer);
	if (!ret)
		ret = frontend_set_memory(probe_frontend(p), p->peer->guest);
	return ret;
}

static int enable(struct probe *p, bool on)
{
	int ret = 0;

	if (!p->protocol_features)
		return 0;
	for (uint32_t i = 0; !ret && i < p->peer->n_queues; i++)
		ret = frontend_set_vring_enable(probe_frontend(p), i, on);
	return ret;
}

static int start_queues(struct probe *p)
{
	int ret = 0;

	for (uint32_t i = 0; !ret && i < p->peer->n_queues; i++)
		ret = peer_start_queue(p->peer, i);
	return ret;
}

enum verdict check_start_without_kick(struct probe *p)
{
	struct request r;
	uint64_t count;

	if (open_for_rings(p) || probe_add(p, &r))
		return probe_failed(p, "negotiation");
	driver_publish(probe_ring(p));
	driver_wants_kick(probe_ring(p));
	if (start_queues(p) || enable(p, true) || frontend_get_features(probe_frontend(p), &count))
		return probe_failed(p, "start");
	for (unsigned int ms = 0; !driver_has_used(probe_ring(p)); ms += CHECK_QUIET_MS) {
		if (ms >= p->timeout_ms)
			return probe_fail(p, "a request that was there before the ring started "
					     "is not served without a kick");
		probe_is_quiet(p);
	}
	if (probe_await(p))
		return probe_failed(p, "the request that was there before");
	return probe_pass(p, "a request that was there before the start, without a kick");
}

enum verdict check_enable_late(struct probe *p)
{
	struct request r;

	if (open_for_rings(p) || start_queues(p) || probe_add(p, &r) || probe_kick(p))
		return probe_failed(p, "a disabled ring");
	probe_is_quiet(p);
	if (enable(p, true) || probe_await(p))
		return probe_failed(p, "a request of before SET_VRING_ENABLE");
	if (probe_serve(p, 1))
		return probe_failed(p, "the next request");
	return probe_pass(p, "a request that was kicked while the ring was disabled, and the next");
}

enum verdict check_stop_index(struct probe *p)
{
	struct driver_ring *ring;
	struct request r;
	uint32_t expected;

	if (probe_start(p, NULL) || probe_serve(p, SOME_REQUESTS - 1) || probe_add(p, &r) ||
	    probe_answer(p))
		return probe_failed(p, "requests");
	ring = probe_ring(p);
	expected = driver_base_after(ring, SOME_REQUESTS, r.n);
	if (peer_stop(p->peer))
		return probe_failed(p, "GET_VRING_BASE");
	if (ring->base != expected)
		return probe_fail(p, "%#x after %d requests of %u descriptors, not %#x", ring->base,
				  SOME_REQUESTS, r.n, expected);
	return probe_pass(p, "%#x after %d requests", ring->base, SOME_REQUESTS);
}

enum verdict check_stopped_is_still(struct probe *p)
{
	struct request r;

	if (probe_start(p, NULL) || probe_serve(p, 1) || peer_stop(p->peer) || probe_add(p, &r))
		return probe_failed(p, "stop");
	driver_publish(probe_ring(p));
	driver_kick_always(probe_ring(p));
	if (!probe_is_quiet(p))
		return probe_fail(p, "a stopped ring was served");
	if (start_queues(p) || enable(p, true) || probe_answer(p))
		return probe_failed(p, "started again");
	return probe_pass(p, "a request waited until the ring was started again");
}

enum verdict check_restart(struct probe *p)
{
	for (int i = 0; i < 3; i++) {
		if (i ? start_queues(p) || enable(p, true) : probe_start(p, NULL))
			return probe_failed(p, "start");
		if (probe_serve(p, SOME_REQUESTS) || peer_stop(p->peer))
			return probe_failed(p, "a request, or a stop");
	}
	return probe_pass(p, "three times, from where it stopped");
}

enum verdict check_reconnect(struct probe *p)
{
	for (int i = 0; i < 3; i++) {
		if (p->type ? probe_start(p, NULL) || probe_serve(p, 1)
			    : probe_open(p, NULL) ||
				      frontend_get_features(probe_frontend(p), &p->features))
			return probe_failed(p, "a new connection");
		/* Without a stop: a front-end that was killed. */
		peer_disconnect(p->peer);
	}
	return probe_pass(p, "three sessions, each ended in the middle");
}

/* The driver says that it is there. */
static int drive(struct probe *p)
{
	struct frontend *f = probe_frontend(p);
	uint64_t status;
	int ret;

	if (!frontend_has(f, WIRE_PF_STATUS))
		return 0;
	ret = frontend_get_status(f, &status);
	return ret ? ret : frontend_set_status(f, status | DRIVER_OK);
}

enum verdict check_reset_device(struct probe *p)
{
	if (probe_start(p, NULL) || probe_serve(p, 1) || frontend_reset_device(probe_frontend(p)))
		return probe_failed(p, "RESET_DEVICE");
	for (uint32_t i = 0; i < p->peer->n_queues; i++)
		driver_reset(p->peer->queues[i]);
	/* Memory stays as it is. */
	if (peer_set_driver(p->peer) || start_queues(p) || enable(p, true) || drive(p) ||
	    probe_serve(p, 1))
		return probe_failed(p, "after RESET_DEVICE");
	return probe_pass(p, "a request before and one after it");
}

enum verdict check_queues_apart(struct probe *p)
{
	uint32_t base;

	if (probe_start(p, NULL) || probe_serve(p, 1))
		return probe_failed(p, "start");
	if (p->peer->n_queues < 2)
		return probe_lacks(p, "a second queue");
	if (frontend_get_vring_base(probe_frontend(p), !probe_queue(p), &base) || probe_serve(p, 2))
		return probe_failed(p, "with another queue stopped");
	return probe_pass(p, "one queue stopped, the other serves");
}
