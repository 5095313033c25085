/* SPDX-License-Identifier: MIT */
/* The device under test, see dut.h.  Failures are cmocka's. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "proto/dut.h"

enum { DUT_MAX_PASSES = 10000 };

static void dut_log(void *opaque, enum vu_log_level level, const char *line)
{
	struct dut *dut = opaque;

	if (level == VU_LOG_ERROR) {
		dut->errors++;
		snprintf(dut->last_error, sizeof(dut->last_error), "%s", line);
	} else if (level == VU_LOG_WARNING) {
		dut->warnings++;
	}
	if (getenv("DUT_VERBOSE"))
		fprintf(stderr, "  %u: %s\n", level, line);
}

static int on_begin(struct vu_device *dev, void *opaque)
{
	((struct dut *)opaque)->begun++;
	return 0;
}

static void on_end(struct vu_device *dev, int why, void *opaque)
{
	((struct dut *)opaque)->finished++;
}

static int on_features(struct vu_device *dev, uint64_t features, uint64_t high, void *opaque)
{
	struct dut *dut = opaque;

	dut->acked++;
	dut->features = features;
	return dut->features_result;
}

static int on_started(struct vu_device *dev, void *opaque)
{
	((struct dut *)opaque)->started++;
	return 0;
}

static void on_stopped(struct vu_device *dev, void *opaque)
{
	((struct dut *)opaque)->stopped++;
}

static void on_reset(struct vu_device *dev, void *opaque)
{
	((struct dut *)opaque)->reset++;
}

static int on_config_written(struct vu_device *dev, uint32_t offset, uint32_t len, void *opaque)
{
	((struct dut *)opaque)->written++;
	return 0;
}

static void dut_complete(struct dut *dut, struct vu_req *req)
{
	uint32_t i;

	for (i = 0; i < req->n_writable; i++)
		memset(req->writable[i].iov_base, DUT_BYTE, req->writable[i].iov_len);
	assert_int_equal(vu_req_complete(req, req->writable_len), 0);
	dut->completed++;
}

static void on_ready(struct vu_queue *queue, void *opaque)
{
	struct dut *dut = opaque;
	struct vu_req *req;

	dut->ready++;
	while (dut->n_held < DUT_MAX_HELD && vu_queue_next(queue, &req) > 0) {
		if (dut->config.hold)
			dut->held[dut->n_held++] = req;
		else
			dut_complete(dut, req);
	}
	if (dut->config.finish_across && vu_queue_index(queue) > 0)
		dut_finish(dut);
}

static void on_stop(struct vu_queue *queue, void *opaque)
{
	struct dut *dut = opaque;

	dut->stopping++;
	if (dut->config.finish_on_stop)
		dut_finish(dut);
}

void dut_finish(struct dut *dut)
{
	uint32_t i;

	for (i = 0; i < dut->n_held; i++)
		dut_complete(dut, dut->held[i]);
	dut->n_held = 0;
}

void dut_new(struct dut *dut, const struct dut_config *config)
{
	static const char space[DUT_CONFIG] = "configuration of a test";
	static const unsigned char writable[DUT_CONFIG] = {0xff, 0xff, 0xff, 0xff};
	static const struct vu_ops ops = {
		.size = sizeof(ops),
		.session_begin = on_begin,
		.session_end = on_end,
		.features_acked = on_features,
		.started = on_started,
		.stopped = on_stopped,
		.reset = on_reset,
		.queue_ready = on_ready,
		.queue_stop = on_stop,
		.config_written = on_config_written,
	};
	struct vu_device_info info = {
		.size = sizeof(info),
		.name = "dut",
		.device_id = 42,
		.n_queues = config->n_queues ? config->n_queues : 2,
		.features = config->features,
		.required = config->required,
		.forbidden = config->forbidden,
		.config = config->no_config ? NULL : space,
		.config_writable = config->no_config ? NULL : writable,
		.config_size = config->no_config ? 0 : sizeof(space),
		.flags = config->flags | VU_DEVICE_DEBUG,
		.log_level = getenv("DUT_VERBOSE") ? VU_LOG_DEBUG : VU_LOG_WARNING,
		.log_fn = dut_log,
		.log_opaque = dut,
	};

	memset(dut, 0, sizeof(*dut));
	dut->config = *config;
	dut->once = getenv("LIBVU_TEST_ONCE");
	assert_int_equal(vu_device_new(&info, &ops, dut, &dut->dev), 0);
}

void dut_free(struct dut *dut)
{
	vu_device_free(dut->dev);
}

void dut_pump(void *opaque)
{
	uint32_t passes = 0;
	struct dut *dut = opaque;
	int ret;

	do {
		if (++passes > DUT_MAX_PASSES)
			fail_msg("vu_device_process() never runs out of work");
		/* As loops do that call once for each wake. */
		if (dut->once && !poll(&(struct pollfd){vu_device_fd(dut->dev), POLLIN, 0}, 1, 0))
			return;
		ret = vu_device_process(dut->dev);
		assert_in_range(ret, 0, VU_PROCESS_MORE | VU_PROCESS_ENDED);
		dut->ended += (ret & VU_PROCESS_ENDED) != 0;
	} while (ret & VU_PROCESS_MORE || dut->once);
}

void dut_reattach(struct dut *dut, struct peer *peer)
{
	int fd;

	dut_ok(peer, peer_open(peer, &fd));
	assert_int_equal(vu_device_attach(dut->dev, fd), 0);
}

struct peer *dut_peer(struct dut *dut, const struct peer_config *config)
{
	struct peer_config own = config ? *config : (struct peer_config){0};
	struct peer *peer;

	if (!own.n_queues)
		own.n_queues = dut->config.n_queues ? dut->config.n_queues : 2;
	if (!own.queue_size)
		own.queue_size = 16;
	own.pump = dut_pump;
	own.pump_opaque = dut;
	assert_int_equal(peer_new(&own, &peer), 0);
	dut_reattach(dut, peer);
	return peer;
}

static bool dut_has_ended(void *opaque)
{
	return ((struct dut *)opaque)->ended;
}

void dut_hang_up(struct dut *dut, struct peer *peer)
{
	uint32_t i;

	peer_disconnect(peer);
	assert_int_equal(frontend_wait_until(&peer->frontend, dut_has_ended, dut), 0);
	for (i = 0; i < 3; i++)
		dut_pump(dut);
	assert_int_equal(dut->ended, 1);
	assert_int_equal(vu_device_is_attached(dut->dev), 0);
	dut->ended = 0;
}

void dut_expect_refusal(struct dut *dut, struct peer *peer)
{
	dut_ok(peer, frontend_wait_closed(&peer->frontend));
	if (dut->errors != 1)
		fail_msg("%u error lines, not 1; the last: %s", dut->errors, dut->last_error);
	dut_hang_up(dut, peer);
	dut->errors = 0;
}

void dut_expect_alive(struct dut *dut, struct peer *peer)
{
	uint64_t features;

	dut_ok(peer, frontend_get_features(&peer->frontend, &features));
	if (dut->errors)
		fail_msg("logged as an error: %s", dut->last_error);
	assert_int_equal(dut->ended, 0);
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

uint32_t dut_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint32_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

uint32_t dut_count_maps(void)
{
	FILE *file = fopen("/proc/self/maps", "r");
	char line[512];
	uint32_t n = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		n += strstr(line, "memfd:guest") != NULL;
	fclose(file);
	return n;
}
