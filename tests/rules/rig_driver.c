/* SPDX-License-Identifier: MIT */
/* The peer's side of a rig: chains with contents, messages in two halves; see rig.h. */
#include "rig.h"

#include <poll.h>
#include <string.h>

void rig_add(struct rig *rig, uint32_t q)
{
	struct driver_ring *ring = rig->peer->queues[q];
	struct rig_queue *rq = &rig->queues[q];
	unsigned char *bytes;
	uint64_t at;

	if (!rq->buffers) {
		at = guest_alloc_in(rig->peer->guest, rq->region, ring->size * 2 * RIG_BYTES, 64);
		assert_true(at != GUEST_NONE);
		rq->buffers = at;
	}
	at = rq->buffers + rq->serial % ring->size * 2 * RIG_BYTES;
	bytes = guest_ptr(rig->peer->guest, at, 2 * RIG_BYTES);
	assert_non_null(bytes);
	memset(bytes, (int)(rq->serial * 7 + q), RIG_BYTES);
	memset(bytes + RIG_BYTES, (int)(rq->serial * 7 + q), RIG_BYTES);
	rq->serial++;
	assert_true(driver_add(ring,
			       (struct driver_seg[]){{at, RIG_BYTES, false},
						     {at + RIG_BYTES, RIG_BYTES, true}},
			       2, bytes) >= 0);
}

void rig_submit(struct rig *rig, uint32_t q, uint32_t n)
{
	while (n--)
		rig_add(rig, q);
	assert_true(driver_kick(rig->peer->queues[q]) >= 0);
}

uint32_t rig_collect(struct rig *rig, uint32_t q)
{
	struct driver_used used;
	uint32_t n = 0;

	while (driver_collect(rig->peer->queues[q], &used, 1) == 1) {
		const unsigned char *bytes = used.cookie;

		assert_int_equal(used.len, RIG_BYTES);
		for (int i = 0; i < RIG_BYTES; i++)
			if (bytes[i] + bytes[RIG_BYTES + i] != 0xff)
				fail_msg("queue %u: byte %d was %#x and came back as %#x", q, i,
					 bytes[i], bytes[RIG_BYTES + i]);
		n++;
	}
	assert_int_equal(driver_collect(rig->peer->queues[q], &used, 1), 0);
	return n;
}

void rig_wait_used(struct rig *rig, uint32_t q, uint32_t n)
{
	uint64_t deadline = frontend_deadline(FRONTEND_TIMEOUT_MS);
	uint32_t got = 0;

	while (got < n && frontend_deadline(0) < deadline) {
		rig_pump(rig);
		got += rig_collect(rig, q);
		if (got < n)
			poll(&(struct pollfd){vu_device_fd(rig->dev), POLLIN, 0}, 1, 10);
	}
	assert_int_equal(got, n);
}

void rig_roundtrip(struct rig *rig, uint32_t q, uint32_t n)
{
	rig_submit(rig, q, n);
	rig_wait_used(rig, q, n);
}

void rig_hold(struct rig *rig, uint32_t q, uint32_t n)
{
	uint32_t before = rig->queues[q].n_held;

	rig->mode = RIG_HOLD;
	rig_submit(rig, q, n);
	rig_pump(rig);
	assert_int_equal(rig->queues[q].n_held, before + n);
}

void rig_leave(struct rig *rig, uint32_t q, uint32_t n)
{
	rig->mode = RIG_LEAVE;
	rig_submit(rig, q, n);
	rig_pump(rig);
}

void rig_assert_no_reply(struct rig *rig)
{
	rig_pump(rig);
	assert_int_equal(poll(&(struct pollfd){rig->peer->frontend.fd, POLLIN, 0}, 1, 0), 0);
}

void rig_send(struct rig *rig, uint32_t request, const void *payload, uint32_t size, const int *fds,
	      unsigned int n_fds)
{
	assert_ok(frontend_send(&rig->peer->frontend, request, WIRE_NEED_REPLY, payload, size, fds,
				n_fds));
	rig_pump(rig);
}

uint64_t rig_recv_ack(struct rig *rig, uint32_t request)
{
	struct frontend_msg msg;
	uint64_t value;

	if (frontend_recv(&rig->peer->frontend, &msg))
		fail_msg("%s\n%s", rig->peer->frontend.error, rig->log.text);
	assert_int_equal(msg.hdr.request, request);
	assert_int_equal(msg.hdr.size, sizeof(value));
	memcpy(&value, msg.payload, sizeof(value));
	return value;
}

void rig_send_stop(struct rig *rig, uint32_t q)
{
	const struct wire_vring_state state = {.index = q};

	assert_ok(frontend_send(&rig->peer->frontend, WIRE_GET_VRING_BASE, 0, &state, sizeof(state),
				NULL, 0));
	rig_pump(rig);
}

uint32_t rig_recv_stop(struct rig *rig, uint32_t q)
{
	struct wire_vring_state state;
	struct frontend_msg msg;

	if (frontend_recv(&rig->peer->frontend, &msg))
		fail_msg("%s\n%s", rig->peer->frontend.error, rig->log.text);
	assert_int_equal(msg.hdr.request, WIRE_GET_VRING_BASE);
	assert_int_equal(msg.hdr.size, sizeof(state));
	memcpy(&state, msg.payload, sizeof(state));
	assert_int_equal(state.index, q);
	return state.num;
}

uint32_t rig_base(const struct rig *rig, uint32_t q, uint32_t n)
{
	return driver_base_after(rig->peer->queues[q], n, 2);
}

void rig_stop_queue(struct rig *rig, uint32_t q)
{
	assert_ok(frontend_get_vring_base(&rig->peer->frontend, q, &rig->peer->queues[q]->base));
}

void rig_start_queue(struct rig *rig, uint32_t q)
{
	assert_ok(peer_start_queue(rig->peer, q));
	assert_ok(frontend_set_vring_enable(&rig->peer->frontend, q, true));
}
