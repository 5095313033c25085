/* SPDX-License-Identifier: MIT */
/* What a callback may call, and what is refused there: every callback, own group and another. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rules/rig.h"

static const char *const callback_names[RIG_CALLBACKS] = {
	"session_begin", "session_end",	   "features_acked", "started",
	"stopped",	 "reset",	   "queue_ready",    "queue_stop",
	"config_read",	 "config_written", "a timer",	     "a group's timer",
};

enum act { ACT_DETACH, ACT_CLOSE, ACT_FREE, ACT_PROCESS, ACT_GROUP_FREE, ACTS };

static struct {
	enum act act;
	enum rig_callback in;
	uint32_t queue;
	bool armed;
	uint32_t done;
} plan;

static void act(struct rig *rig, enum rig_callback which, struct rig_queue *q)
{
	bool in_group =
		rig->group && ((q && q->queue == rig->queues[1].queue) || which == RIG_GROUP_TIMER);

	if (!plan.armed || which != plan.in || (q && q != &rig->queues[plan.queue]))
		return;
	plan.done++;
	switch (plan.act) {
	case ACT_DETACH:
		vu_device_detach(rig->dev);
		break;
	case ACT_CLOSE:
		vu_device_drain(rig->dev);
		break;
	case ACT_FREE:
		vu_device_free(rig->dev);
		break;
	case ACT_PROCESS:
		if (in_group) {
			assert_int_equal(vu_group_process(rig->group, 0), -EDEADLK);
			assert_int_equal(vu_group_wait(rig->group, 0), -EDEADLK);
		} else {
			assert_int_equal(vu_device_process(rig->dev), -EDEADLK);
			assert_int_equal(vu_group_process(vu_device_group(rig->dev), 0), -EDEADLK);
		}
		break;
	default:
		vu_group_free(in_group ? rig->group : vu_device_group(rig->dev));
		break;
	}
	if (plan.act == ACT_DETACH || plan.act == ACT_CLOSE)
		plan.armed = false;
}

static void timer_expired(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct rig *rig = opaque;

	act(rig, RIG_TIMER, NULL);
	vu_source_remove(source);
}

static void group_timer_expired(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	act(opaque, RIG_GROUP_TIMER, NULL);
	vu_source_remove(source);
}

/* All that a session has; any of it may fail once the session is gone. */
static void live(struct rig *rig)
{
	struct frontend *f = &rig->peer->frontend;
	struct vu_source *timer;
	unsigned char byte = 1;

	assert_ok(vu_group_add_timer(vu_device_group(rig->dev), timer_expired, rig, &timer));
	assert_ok(vu_source_set_timer(timer, 1, 0));
	if (rig->group) {
		assert_ok(vu_group_add_timer(rig->group, group_timer_expired, rig, &timer));
		assert_ok(vu_source_set_timer(timer, 1, 0));
	}
	rig_connect(rig);
	if (peer_start(rig->peer) == 0 && frontend_get_config(f, 0, &byte, 1) == 0 &&
	    frontend_set_config(f, 0, &byte, 1, 0) == 0) {
		rig_submit(rig, 0, 1);
		rig_submit(rig, 1, 1);
		rig_pump(rig);
		rig_collect(rig, 0);
		rig_collect(rig, 1);
		if (peer_stop(rig->peer) == 0 && frontend_reset_device(f) == 0)
			peer_disconnect(rig->peer);
	}
	rig_pump(rig);
}

static void make(struct rig *rig, bool grouped, uint32_t flags)
{
	static const unsigned char writable = 0xff;
	const struct rig_config config = {
		.device = {.config_size = 1, .config_writable = &writable, .flags = flags},
		.groups = grouped,
		.config_callbacks = true,
	};

	rig_make(rig, &config);
	rig->on_callback = act;
}

/* Does this callback come in a device like this? */
static bool comes(enum rig_callback in, bool grouped)
{
	return in != RIG_GROUP_TIMER || grouped;
}

static void each(enum act what, void (*check)(struct rig *rig))
{
	for (uint32_t i = 0; i < RIG_CALLBACKS * 4; i++) {
		struct rig rig;

		memset(&plan, 0, sizeof(plan));
		plan.act = what;
		plan.in = i / 4;
		plan.queue = i / 2 % 2;
		if (!comes(plan.in, i % 2))
			continue;
		make(&rig, i % 2, what == ACT_DETACH || what == ACT_CLOSE ? 0 : VU_DEVICE_DEBUG);
		plan.armed = true;
		live(&rig);
		if (!plan.done)
			fail_msg("%s did not come (queue %u, %u groups)", callback_names[plan.in],
				 plan.queue, i % 2);
		check(&rig);
		rig_pump(&rig);
		plan.armed = false;
		assert_int_equal(rig.started, rig.stopped);
		assert_int_equal(rig.begun, rig.ended);
		assert_int_equal(vu_device_features(rig.dev), 0);
		/* Nothing is left behind: the next one is served. */
		rig_start(&rig);
		rig_pump(&rig);
		for (uint32_t q = 0; q < 2; q++) {
			/* What the one before left in the ring. */
			rig_collect(&rig, q);
			rig_roundtrip(&rig, q, 1);
		}
		peer_disconnect(rig.peer);
		rig_close(&rig);
	}
}

static void check_ended(struct rig *rig)
{
	/* In session_begin nothing is attached yet, and a timer may come before. */
	if (plan.in != RIG_BEGIN && plan.in != RIG_TIMER && plan.in != RIG_GROUP_TIMER)
		assert_int_equal(vu_device_is_attached(rig->dev), 0);
	peer_disconnect(rig->peer);
	rig_pump(rig);
	assert_int_equal(vu_device_is_attached(rig->dev), 0);
	assert_int_equal(rig->reported, 1);
}

static void a_session_is_detached_in_any_callback(void **state)
{
	(void)state;
	each(ACT_DETACH, check_ended);
}

static void a_session_is_closed_in_any_callback(void **state)
{
	(void)state;
	each(ACT_CLOSE, check_ended);
}

static void check_free_refused(struct rig *rig)
{
	rig_expect_errors(rig, "vu_device_free() inside a callback", plan.done);
}

static void a_device_is_not_freed_in_a_callback(void **state)
{
	(void)state;
	each(ACT_FREE, check_free_refused);
}

static void check_process_refused(struct rig *rig)
{
	rig_expect_errors(rig, "was called inside a callback", 2 * plan.done);
}

static void nothing_is_processed_in_a_callback(void **state)
{
	(void)state;
	each(ACT_PROCESS, check_process_refused);
}

static void check_group_free_refused(struct rig *rig)
{
	rig_expect_errors(rig, "vu_group_free()", plan.done);
}

static void a_group_is_not_freed_in_its_callback(void **state)
{
	(void)state;
	each(ACT_GROUP_FREE, check_group_free_refused);
}

static void a_session_that_is_ended_while_a_stop_waits_is_not_answered(void **state)
{
	struct rig rig;

	(void)state;
	memset(&plan, 0, sizeof(plan));
	rig_open(&rig, &(struct rig_config){.groups = true});
	rig.group_stands = true;
	rig_send_stop(&rig, 1);
	vu_device_detach(rig.dev);
	rig.group_stands = false;
	rig_pump(&rig);
	assert_int_equal(rig.reported, 1);
	assert_ok(frontend_wait_closed(&rig.peer->frontend));
	rig_close(&rig);
}

static void attach_again(struct rig *rig, enum rig_callback which, struct rig_queue *q)
{
	int fd;

	if (which != RIG_END || rig->ended != 1)
		return;
	assert_ok(peer_open(rig->peer, &fd));
	assert_ok(vu_device_attach(rig->dev, fd));
}

static void the_next_front_end_is_attached_in_session_end(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	rig.on_callback = attach_again;
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	assert_int_equal(rig.begun, 2);
	assert_ok(peer_start(rig.peer));
	rig_roundtrip(&rig, 0, 2);
	rig_close(&rig);
}

static void attach_inside(struct rig *rig, enum rig_callback which, struct rig_queue *q)
{
	int fd;

	if (which != RIG_BEGIN)
		return;
	assert_ok(peer_open(rig->peer, &fd));
	assert_int_equal(vu_device_attach(rig->dev, fd), -EBUSY);
	close(fd);
}

static void no_front_end_is_attached_in_session_begin(void **state)
{
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	rig.on_callback = attach_inside;
	rig_connect(&rig);
	assert_int_equal(rig.begun, 1);
	rig_close(&rig);
}

static void watched(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
}

static void a_session_begins_only_if_nothing_else_fails(void **state)
{
	struct vu_source *source;
	struct rig rig;
	int fd;

	(void)state;
	rig_make(&rig, NULL);
	assert_ok(peer_open(rig.peer, &fd));
	/* Of two ways to fail, one comes before the callback: the descriptor is watched already. */
	assert_ok(vu_group_add_fd(vu_device_group(rig.dev), fd, POLLIN, watched, NULL, &source));
	assert_int_equal(vu_device_attach(rig.dev, fd), -EEXIST);
	assert_int_equal(rig.begun, 0);
	vu_source_remove(source);
	rig.begin_result = -EACCES;
	assert_int_equal(vu_device_attach(rig.dev, fd), -EACCES);
	assert_int_equal(rig.begun, 1);
	assert_int_equal(rig.ended, 0);
	rig.begun = rig.begin_result = 0;
	/* It stayed the caller's. */
	assert_ok(vu_device_attach(rig.dev, fd));
	assert_ok(peer_start(rig.peer));
	rig_roundtrip(&rig, 0, 1);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_is_detached_in_any_callback),
		cmocka_unit_test(a_session_is_closed_in_any_callback),
		cmocka_unit_test(a_device_is_not_freed_in_a_callback),
		cmocka_unit_test(nothing_is_processed_in_a_callback),
		cmocka_unit_test(a_group_is_not_freed_in_its_callback),
		cmocka_unit_test(a_session_that_is_ended_while_a_stop_waits_is_not_answered),
		cmocka_unit_test(the_next_front_end_is_attached_in_session_end),
		cmocka_unit_test(no_front_end_is_attached_in_session_begin),
		cmocka_unit_test(a_session_begins_only_if_nothing_else_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
