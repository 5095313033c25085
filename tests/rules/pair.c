/* SPDX-License-Identifier: MIT */
/* Two devices in one group; see pair.h. */
#include "rules/pair.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "kit/counts.h"
#include "kit/patience.h"
#include "kit/variant.h"

enum { PAIR_PASSES = 1000 };

static uint32_t side_invert(const struct vu_req *req)
{
	unsigned char bytes[SIDE_BYTES];
	size_t n = vu_req_read(req, 0, bytes, sizeof(bytes));

	for (size_t i = 0; i < n; i++)
		bytes[i] = (unsigned char)~bytes[i];
	return (uint32_t)vu_req_write(req, 0, bytes, n);
}

static void side_ready(struct vu_queue *queue, void *opaque)
{
	struct side *side = opaque;
	void (*on_ready)(struct side * side) = atomic_load(&side->on_ready);
	struct vu_req *req;

	if (on_ready)
		on_ready(side);
	while (vu_queue_next(queue, &req) == 1) {
		if (atomic_load(&side->holds)) {
			side->held[side->n_held] = req;
			atomic_fetch_add(&side->n_held, 1);
		} else if (vu_req_complete(req, side_invert(req))) {
			log_book_write(&side->log, VU_LOG_ERROR, "a request is not completed");
		}
	}
}

static void side_stop(struct vu_queue *queue, void *opaque)
{
	struct side *side = opaque;

	(void)queue;
	atomic_fetch_add(&side->stops, 1);
}

static int side_begin(struct vu_device *dev, void *opaque)
{
	struct side *side = opaque;

	(void)dev;
	atomic_fetch_add(&side->begun, 1);
	return 0;
}

static void side_end(struct vu_device *dev, int why, void *opaque)
{
	struct side *side = opaque;

	(void)dev;
	(void)why;
	atomic_fetch_add(&side->ended, 1);
}

static void side_make(struct side *side, uint32_t flags)
{
	const struct vu_ops ops = {.size = sizeof(ops),
				   .queue_ready = side_ready,
				   .queue_stop = side_stop,
				   .session_begin = side_begin,
				   .session_end = side_end};
	const struct vu_device_info info = {.size = sizeof(info),
					    .name = "side",
					    .n_queues = 1,
					    .flags = flags,
					    .log_fn = log_book_write,
					    .log_opaque = &side->log};
	const struct peer_config peer = {.n_queues = 1,
					 .packed = on_packed_rings(),
					 .pump = pair_pump,
					 .pump_opaque = side->pair};

	log_book_open(&side->log);
	assert_ok(vu_device_new(&info, &ops, side, &side->dev));
	side->queue = vu_device_queue(side->dev, 0);
	assert_ok(vu_queue_set_group(side->queue, side->pair->group));
	assert_ok(peer_new(&peer, &side->peer));
	for (int i = 0; i < SIDE_SLOTS; i++) {
		struct side_slot *s = &side->slots[i];

		s->gpa = guest_alloc(side->peer->guest, 2 * SIDE_BYTES, 64);
		s->bytes = guest_ptr(side->peer->guest, s->gpa, 2 * SIDE_BYTES);
	}
}

void pair_make(struct pair *pair, bool with_worker, uint32_t flags)
{
	alarm(HANG_SECONDS);
	memset(pair, 0, sizeof(*pair));
	pair->fds = count_fds();
	pair->mappings = count_guest_mappings();
	assert_ok(vu_group_new(&pair->group));
	for (int i = 0; i < PAIR_SIDES; i++) {
		pair->sides[i].pair = pair;
		side_make(&pair->sides[i], i ? 0 : flags);
	}
	if (!with_worker)
		return;
	assert_ok(vu_worker_new(NULL, &pair->worker));
	assert_ok(vu_worker_add_group(pair->worker, pair->group));
}

void pair_open(struct pair *pair, bool with_worker)
{
	pair_make(pair, with_worker, 0);
	for (int i = 0; i < PAIR_SIDES; i++)
		side_start(&pair->sides[i]);
}

void pair_close(struct pair *pair, uint32_t errors)
{
	uint32_t logged = 0;

	for (int i = 0; i < PAIR_SIDES; i++) {
		side_free(&pair->sides[i]);
		peer_free(pair->sides[i].peer);
		logged += pair->sides[i].log.lines[VU_LOG_ERROR];
		assert_int_equal(pair->sides[i].begun, pair->sides[i].ended);
	}
	vu_worker_free(pair->worker);
	vu_group_free(pair->group);
	if (logged != errors)
		fail_msg("%u errors in the log, expected %u\n%s%s", logged, errors,
			 pair->sides[0].log.text, pair->sides[1].log.text);
	assert_int_equal(count_fds(), pair->fds);
	assert_int_equal(count_guest_mappings(), pair->mappings);
	alarm(0);
}

static bool pair_turn(struct pair *pair)
{
	bool more = false;

	for (int i = 0; i < PAIR_SIDES; i++)
		if (pair->sides[i].dev)
			more |= vu_device_process(pair->sides[i].dev) != 0;
	if (pair->group && !pair->worker && !pair->stands)
		more |= vu_group_process(pair->group, 0) > 0 || vu_group_arm(pair->group);
	return more;
}

void pair_pump(void *opaque)
{
	struct pair *pair = opaque;

	for (int i = 0; pair_turn(pair); i++)
		if (i == PAIR_PASSES && !pair->worker)
			fail_msg("there always is more to do");
}

void side_start(struct side *side)
{
	int fd;

	assert_ok(peer_open(side->peer, &fd));
	assert_ok(vu_device_attach(side->dev, fd));
	if (peer_start(side->peer))
		fail_msg("%s\n%s", side->peer->frontend.error, side->log.text);
}

void side_end_session(struct side *side)
{
	peer_disconnect(side->peer);
	while (vu_device_is_attached(side->dev)) {
		pair_pump(side->pair);
		poll(NULL, 0, 1);
	}
	/* A worker goes on until it hears of it. */
	driver_recover_base(side->peer->queues[0]);
}

void side_free(struct side *side)
{
	vu_device_free(side->dev);
	side->dev = NULL;
}

void side_submit(struct side *side, uint32_t n)
{
	struct driver_ring *ring = side->peer->queues[0];

	for (int i = 0; i < SIDE_SLOTS && n; i++) {
		struct side_slot *s = &side->slots[i];

		if (s->used)
			continue;
		memset(s->bytes, i, SIDE_BYTES);
		memset(s->bytes + SIDE_BYTES, i, SIDE_BYTES);
		assert_true(
			driver_add(ring,
				   (struct driver_seg[]){{s->gpa, SIDE_BYTES, false},
							 {s->gpa + SIDE_BYTES, SIDE_BYTES, true}},
				   2, s) >= 0);
		s->used = true;
		side->in_flight++;
		n--;
	}
	assert_int_equal(n, 0);
	assert_true(driver_kick(ring) >= 0);
}

void side_collect(struct side *side)
{
	struct driver_used used;
	int n;

	while ((n = driver_collect(side->peer->queues[0], &used, 1)) == 1) {
		struct side_slot *s = used.cookie;

		assert_true(s->used);
		assert_int_equal(used.len, SIDE_BYTES);
		for (int i = 0; i < SIDE_BYTES; i++)
			assert_int_equal(s->bytes[i] + s->bytes[SIDE_BYTES + i], 0xff);
		s->used = false;
		side->in_flight--;
		side->done++;
	}
	assert_int_equal(n, 0);
}

void side_wait(struct side *side)
{
	for (side_collect(side); side->in_flight; side_collect(side)) {
		pair_pump(side->pair);
		if (side->pair->worker)
			poll(NULL, 0, 1);
	}
}

void side_roundtrip(struct side *side, uint32_t n)
{
	side_submit(side, n);
	side_wait(side);
}

void side_hold(struct side *side, uint32_t n)
{
	atomic_store(&side->holds, true);
	side_submit(side, n);
	while (atomic_load(&side->n_held) < n) {
		pair_pump(side->pair);
		if (side->pair->worker)
			poll(NULL, 0, 1);
	}
}

void side_complete_held(struct side *side, bool remote)
{
	uint32_t n = atomic_exchange(&side->n_held, 0);

	atomic_store(&side->holds, false);
	for (uint32_t i = 0; i < n; i++) {
		struct vu_req *req = side->held[i];
		uint32_t written = side_invert(req);

		assert_ok(remote ? vu_req_complete_remote(req, written)
				 : vu_req_complete(req, written));
	}
}
