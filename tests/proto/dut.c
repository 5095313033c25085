/* SPDX-License-Identifier: MIT */
/* See dut.h.  Failures are cmocka's. */
#include "proto/dut.h"

#include <string.h>

#include <libvu/unstable.h>

static uint32_t dut_fill(const struct vu_req *req)
{
	for (uint32_t i = 0; i < req->n_writable; i++)
		memset(req->writable[i].iov_base, DUT_BYTE, req->writable[i].iov_len);
	return (uint32_t)req->writable_len;
}

void dut_finish(struct rig *dut)
{
	for (uint32_t i = 0; i < RIG_QUEUES; i++)
		while (dut->queues[i].n_held)
			rig_complete_held(dut, i);
}

void dut_finish_on_stop(struct rig *dut, struct rig_queue *queue)
{
	(void)queue;
	dut_finish(dut);
}

void dut_finish_across(struct rig *dut, enum rig_callback which, struct rig_queue *queue)
{
	struct vu_req *req;

	if (which != RIG_READY || queue == &dut->queues[0])
		return;
	while (vu_queue_next(queue->queue, &req) == 1)
		queue->held[queue->n_held++] = req;
	dut_finish(dut);
}

void dut_new(struct rig *dut, const struct dut_config *config)
{
	static const char space[DUT_CONFIG] = "configuration of a test";
	static const unsigned char writable[DUT_CONFIG] = {0xff, 0xff, 0xff, 0xff};
	struct rig_config rig_config = {
		.config_written = true,
		.device =
			{
				.device_id = 42,
				.n_queues = config->n_queues,
				.features = config->features,
				.required = config->required,
				.forbidden = config->forbidden,
				.flags = config->flags | VU_DEVICE_DEBUG,
			},
	};

	if (!config->no_config) {
		rig_config.device.config = space;
		rig_config.device.config_writable = writable;
		rig_config.device.config_size = sizeof(space);
	}
	rig_make_device(dut, &rig_config);
	dut->serve = dut_fill;
}

void dut_give_shmem(struct rig *dut)
{
	static const uint64_t len = 1 << 20;
	const struct vu_shmem_info info = {.size = sizeof(info), .lens = &len, .n_lens = 1};

	assert_ok(vu_device_set_shmem(dut->dev, &info));
}

void dut_free(struct rig *dut)
{
	vu_device_free(dut->dev);
}

void dut_reattach(struct rig *dut, struct peer *peer)
{
	int fd;

	dut_ok(peer, peer_open(peer, &fd));
	assert_int_equal(vu_device_attach(dut->dev, fd), 0);
}

struct peer *dut_peer(struct rig *dut, const struct peer_config *config)
{
	struct peer_config own = config ? *config : (struct peer_config){0};
	struct peer *peer;

	if (!own.n_queues)
		own.n_queues = dut->n_queues;
	if (!own.queue_size)
		own.queue_size = 16;
	own.packed |= on_packed_rings();
	own.pump = rig_pump;
	own.pump_opaque = dut;
	assert_int_equal(peer_new(&own, &peer), 0);
	dut_reattach(dut, peer);
	return peer;
}

static bool dut_has_ended(void *opaque)
{
	return ((struct rig *)opaque)->reported;
}

void dut_hang_up(struct rig *dut, struct peer *peer)
{
	uint32_t i;

	peer_disconnect(peer);
	assert_int_equal(frontend_wait_until(&peer->frontend, dut_has_ended, dut), 0);
	for (i = 0; i < 3; i++)
		rig_pump(dut);
	assert_int_equal(dut->reported, 1);
	assert_int_equal(vu_device_is_attached(dut->dev), 0);
	dut->reported = 0;
}

void dut_expect_refusal(struct rig *dut, struct peer *peer)
{
	dut_ok(peer, frontend_wait_closed(&peer->frontend));
	if (rig_errors(dut) != ++dut->errors_expected)
		fail_msg("%u error lines, not %u; the last: %s", rig_errors(dut),
			 dut->errors_expected, dut->log.last_error);
	dut_hang_up(dut, peer);
}

void dut_expect_alive(struct rig *dut, struct peer *peer)
{
	uint64_t features;

	dut_ok(peer, frontend_get_features(&peer->frontend, &features));
	if (rig_errors(dut) != dut->errors_expected)
		fail_msg("logged as an error: %s", dut->log.last_error);
	assert_int_equal(dut->reported, 0);
}

void dut_add_request(struct peer *peer, uint32_t queue)
{
	uint64_t readable = guest_alloc(peer->guest, 32, 16);
	uint64_t writable = guest_alloc(peer->guest, 64, 16);
	const struct driver_seg segs[] = {{readable, 32, false}, {writable, 64, true}};

	assert_true(writable != GUEST_NONE);
	assert_true(driver_add(peer->queues[queue], segs, 2,
			       guest_ptr(peer->guest, writable, 64)) >= 0);
}

void dut_expect_echo(struct peer *peer, uint32_t queue)
{
	const unsigned char *data;
	struct driver_used used;

	dut_add_request(peer, queue);
	dut_ok(peer, peer_wait_used(peer, queue, &used));
	data = used.cookie;
	assert_int_equal(used.len, 64);
	assert_int_equal(data[0], DUT_BYTE);
	assert_int_equal(data[63], DUT_BYTE);
}

void dut_ok(const struct peer *peer, int ret)
{
	if (ret < 0)
		fail_msg("%s (%s)", peer->frontend.error, strerror(-ret));
}
