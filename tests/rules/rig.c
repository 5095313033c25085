/* SPDX-License-Identifier: MIT */
/* The device of the tests, its life and its callbacks; see rig.h. */
#include "rig.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/device.h"
#include "kit/patience.h"

void rig_expect_errors(struct rig *rig, const char *text, uint32_t n)
{
	if (rig_logged(rig, text) != n)
		fail_msg("\"%s\" is not %u times in the log:\n%s", text, n, rig->log.text);
	rig->errors_expected += n;
}

uint32_t rig_logged(struct rig *rig, const char *text)
{
	return log_book_count(&rig->log, text);
}

uint32_t rig_invert(const struct vu_req *req)
{
	unsigned char bytes[RIG_BYTES];
	size_t n = vu_req_read(req, 0, bytes, sizeof(bytes));

	for (size_t i = 0; i < n; i++)
		bytes[i] = (unsigned char)~bytes[i];
	return (uint32_t)vu_req_write(req, 0, bytes, n);
}

static void rig_complete(struct rig *rig, struct vu_req *req)
{
	assert_ok(vu_req_complete(req, rig->serve(req)));
	rig->completed++;
}

void rig_complete_held(struct rig *rig, uint32_t q)
{
	struct rig_queue *rq = &rig->queues[q];
	struct vu_req *req = rq->held[0];

	assert_true(rq->n_held > 0);
	memmove(&rq->held[0], &rq->held[1], --rq->n_held * sizeof(rq->held[0]));
	rig_complete(rig, req);
}

void rig_complete_all_held(struct rig *rig, uint32_t q)
{
	while (rig->queues[q].n_held)
		rig_complete_held(rig, q);
}

void rig_lose_channel(struct rig *rig)
{
	struct frontend *f = rig_front(rig);

	if (f->channel_fd >= 0)
		close(f->channel_fd);
	f->channel_fd = -1;
}

void rig_lose_channel_when_ready(struct rig *rig, enum rig_callback which, struct rig_queue *q)
{
	(void)q;
	if (which == RIG_READY)
		rig_lose_channel(rig);
}

uint32_t rig_held(const struct rig *rig)
{
	uint32_t n = 0;

	for (int i = 0; i < RIG_QUEUES; i++)
		n += rig->queues[i].n_held;
	return n;
}

uint32_t rig_stops(const struct rig *rig)
{
	uint32_t n = 0;

	for (int i = 0; i < RIG_QUEUES; i++)
		n += rig->queues[i].stops;
	return n;
}

static void rig_in(struct rig *rig, enum rig_callback which, struct rig_queue *q)
{
	if (rig->on_callback)
		rig->on_callback(rig, which, q);
}

static void rig_serve(struct rig *rig, struct vu_queue *queue)
{
	struct rig_queue *rq = &rig->queues[vu_queue_index(queue)];
	struct vu_req *req;

	while (rig->mode != RIG_LEAVE && vu_queue_next(queue, &req) == 1) {
		if (rig->mode == RIG_HOLD) {
			assert_true(rq->n_held < RIG_HELD);
			rq->held[rq->n_held++] = req;
		} else {
			rq->served++;
			rig_complete(rig, req);
		}
	}
}

static void rig_queue_ready(struct vu_queue *queue, void *opaque)
{
	struct rig *rig = opaque;

	rig->queues[vu_queue_index(queue)].ready++;
	rig_in(rig, RIG_READY, &rig->queues[vu_queue_index(queue)]);
	for (uint32_t i = 0; rig->mode == RIG_SERVE_ALL && i < 2; i++)
		if (rig->queues[i].queue != queue)
			rig_serve(rig, rig->queues[i].queue);
	rig_serve(rig, queue);
}

static void rig_queue_stop(struct vu_queue *queue, void *opaque)
{
	struct rig *rig = opaque;
	struct rig_queue *rq = &rig->queues[vu_queue_index(queue)];
	struct vu_req *req;

	rq->stops++;
	assert_int_equal(vu_queue_next(queue, &req), -ESHUTDOWN);
	if (rig->on_stop)
		rig->on_stop(rig, rq);
	rig_in(rig, RIG_STOP, rq);
}

static int rig_session_begin(struct vu_device *dev, void *opaque)
{
	(void)dev;
	((struct rig *)opaque)->begun++;
	rig_in(opaque, RIG_BEGIN, NULL);
	return ((struct rig *)opaque)->begin_result;
}

static void rig_session_end(struct vu_device *dev, int why, void *opaque)
{
	(void)dev;
	((struct rig *)opaque)->ended++;
	((struct rig *)opaque)->why = why;
	rig_in(opaque, RIG_END, NULL);
}

static int rig_features_acked(struct vu_device *dev, uint64_t features, uint64_t high, void *opaque)
{
	struct rig *rig = opaque;

	rig->acked++;
	assert_true(high == 0);
	assert_true(features == vu_device_features(dev));
	rig_in(rig, RIG_ACKED, NULL);
	return rig->features_acked_result;
}

static int rig_started(struct vu_device *dev, void *opaque)
{
	struct rig *rig = opaque;

	(void)dev;
	rig->started++;
	rig_in(rig, RIG_STARTED, NULL);
	return rig->started_result;
}

static void rig_stopped(struct vu_device *dev, void *opaque)
{
	(void)dev;
	((struct rig *)opaque)->stopped++;
	rig_in(opaque, RIG_STOPPED, NULL);
}

static void rig_reset(struct vu_device *dev, void *opaque)
{
	struct rig *rig = opaque;

	(void)dev;
	rig->resets++;
	rig->resets_before_stop += rig->stopped != rig->started;
	rig_in(rig, RIG_RESET, NULL);
}

static int rig_config_read(struct vu_device *dev, uint32_t offset, void *buf, uint32_t len,
			   void *opaque)
{
	rig_in(opaque, RIG_CONFIG_READ, NULL);
	return ((struct rig *)opaque)->config_result;
}

static int rig_config_written(struct vu_device *dev, uint32_t offset, uint32_t len, void *opaque)
{
	((struct rig *)opaque)->written++;
	rig_in(opaque, RIG_CONFIG_WRITTEN, NULL);
	return ((struct rig *)opaque)->config_result;
}

static const struct vu_ops rig_ops = {
	.size = sizeof(struct vu_ops),
	.session_begin = rig_session_begin,
	.session_end = rig_session_end,
	.features_acked = rig_features_acked,
	.started = rig_started,
	.stopped = rig_stopped,
	.reset = rig_reset,
	.queue_ready = rig_queue_ready,
	.queue_stop = rig_queue_stop,
};

void rig_make_device(struct rig *rig, const struct rig_config *config)
{
	struct vu_device_info info = config->device;
	struct vu_ops ops = rig_ops;

	memset(rig, 0, sizeof(*rig));
	rig->once = processes_once();
	rig->serve = rig_invert;
	log_book_open(&rig->log);
	info.size = sizeof(info);
	info.name = "rig";
	info.n_queues = info.n_queues ? info.n_queues : 2;
	info.log_level = VU_LOG_INFO;
	info.log_fn = log_book_write;
	info.log_opaque = &rig->log;
	if (config->config_callbacks)
		ops.config_read = rig_config_read;
	if (config->config_callbacks || config->config_written)
		ops.config_written = rig_config_written;
	assert_ok(vu_device_new(&info, &ops, rig, &rig->dev));
	assert_ptr_equal(vu_device_opaque(rig->dev), rig);
	assert_true(info.n_queues <= RIG_QUEUES);
	rig->n_queues = info.n_queues;
	for (uint32_t i = 0; i < info.n_queues; i++)
		rig->queues[i].queue = vu_device_queue(rig->dev, i);
	if (config->groups) {
		assert_ok(vu_group_new(&rig->group));
		assert_ok(vu_queue_set_group(vu_device_queue(rig->dev, 1), rig->group));
	}
}

void rig_make(struct rig *rig, const struct rig_config *config)
{
	const struct rig_config usual = {.groups = false};
	int fds = count_fds(), mappings = count_guest_mappings();
	struct peer_config peer;

	alarm(HANG_SECONDS);
	config = config ? config : &usual;
	rig_make_device(rig, config);
	rig->fds = fds;
	rig->mappings = mappings;
	peer = config->peer;
	peer.packed |= on_packed_rings();
	peer.n_queues = rig->n_queues;
	peer.pump = rig_pump;
	peer.pump_opaque = rig;
	assert_ok(peer_new(&peer, &rig->peer));
}

void rig_connect(struct rig *rig)
{
	int fd;

	assert_ok(peer_open(rig->peer, &fd));
	assert_ok(vu_device_attach(rig->dev, fd));
}

void rig_start(struct rig *rig)
{
	rig_connect(rig);
	if (peer_start(rig->peer))
		fail_msg("%s\n%s", rig->peer->frontend.error, rig->log.text);
}

void rig_open(struct rig *rig, const struct rig_config *config)
{
	rig_make(rig, config);
	rig_start(rig);
}

void rig_open_grouped(struct rig *rig)
{
	const struct rig_config grouped = {.groups = true};

	rig_make(rig, &grouped);
	assert_ok(vu_queue_set_group(vu_device_queue(rig->dev, 0), rig->group));
	rig_connect(rig);
	assert_ok(peer_start(rig->peer));
	rig_assert_idle(rig);
}

uint32_t rig_wait_closed(const struct rig *rig)
{
	struct closer *closer = &rig->dev->closer;

	while (closer_open_ones(closer) != closer->kept)
		usleep(1000);
	return closer->kept;
}

void rig_close(struct rig *rig)
{
	peer_free(rig->peer);
	if (rig->dev) {
		rig->group_stands = false;
		rig_pump(rig);
		assert_int_equal(vu_device_is_attached(rig->dev), 0);
		assert_int_equal(rig->begun, rig->ended);
		assert_int_equal(rig->resets_before_stop, 0);
		rig->fds += (int)rig_wait_closed(rig);
	}
	vu_group_free(rig->group);
	vu_device_free(rig->dev);
	if (rig_errors(rig) != rig->errors_expected)
		fail_msg("errors in the log: %u, expected %u\n%s", rig_errors(rig),
			 rig->errors_expected, rig->log.text);
	assert_int_equal(count_fds(), rig->fds);
	assert_int_equal(count_guest_mappings(), rig->mappings);
	alarm(0);
}

static bool rig_readable(int fd)
{
	return poll(&(struct pollfd){fd, POLLIN, 0}, 1, 0) > 0;
}

/* One turn of the group; false: there was nothing to do. */
static bool rig_turn_group(struct rig *rig)
{
	if (!rig->group || rig->group_stands)
		return false;
	if (rig->once && !rig_readable(vu_group_fd(rig->group)))
		return false;
	return vu_group_process(rig->group, 0) > 0 || vu_group_arm(rig->group) || rig->once;
}

static bool rig_turn_device(struct rig *rig)
{
	int ret;

	if (rig->once && !rig_readable(vu_device_fd(rig->dev)))
		return false;
	ret = vu_device_process(rig->dev);
	assert_in_range(ret, 0, VU_PROCESS_MORE | VU_PROCESS_ENDED);
	rig->reported += (ret & VU_PROCESS_ENDED) != 0;
	return ret || rig->once;
}

/*
 * Two kinds of loops: one goes on calling as long as it is told so, and then looks at the
 * descriptor; the other (once) calls exactly once for each time that the descriptor is readable.
 */
void rig_pump(void *opaque)
{
	struct rig *rig = opaque;

	for (int i = 0; i < RIG_PASSES; i++) {
		bool more = rig_turn_device(rig);

		for (int j = 0; rig_turn_group(rig); j++, more = true)
			if (j == RIG_PASSES)
				fail_msg("the group always has more to do");
		if (!more && !rig_readable(vu_device_fd(rig->dev)))
			return;
	}
	fail_msg("the device always has more to do\n%s", rig->log.text);
}

void rig_assert_idle(struct rig *rig)
{
	struct pollfd ready[] = {
		{vu_device_fd(rig->dev), POLLIN, 0},
		{rig->group && !rig->group_stands ? vu_group_fd(rig->group) : -1, POLLIN, 0},
	};

	rig_pump(rig);
	assert_int_equal(poll(ready, 2, 0), 0);
	assert_int_equal(vu_device_process(rig->dev), 0);
	assert_int_equal(poll(ready, 2, 0), 0);
}
