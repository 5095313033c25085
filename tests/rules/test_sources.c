/* SPDX-License-Identifier: MIT */
/* Rules of a group's descriptors and timers. */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "rules/rig.h"

/* A device that takes buffers at the moment of an event: input, vsock, console. */
struct event {
	struct rig *rig;
	int calls;
	uint32_t count;
	struct vu_source *remove; /* in the callback */
};

static void on_event(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct event *e = opaque;
	struct vu_req *req;
	uint64_t value;

	(void)source;
	e->calls++;
	e->count = events;
	if (fd >= 0)
		assert_int_equal(read(fd, &value, sizeof(value)), sizeof(value));
	if (vu_queue_next(e->rig->queues[0].queue, &req) == 1)
		assert_ok(vu_req_complete(req, rig_invert(req)));
	vu_source_remove(e->remove);
	e->remove = NULL;
}

static void a_request_is_taken_when_a_descriptor_is_ready(void **state)
{
	struct vu_source *source;
	uint64_t one = 1;
	int fd = eventfd(0, EFD_CLOEXEC);
	struct rig rig;
	struct event e = {.rig = &rig};

	(void)state;
	rig_open(&rig, NULL);
	rig_leave(&rig, 0, 3);
	rig_assert_idle(&rig);
	assert_int_equal(vu_group_add_fd(vu_device_group(rig.dev), fd, EPOLLIN, NULL, &e, &source),
			 -EINVAL);
	assert_ok(vu_group_add_fd(vu_device_group(rig.dev), fd, EPOLLIN, on_event, &e, &source));
	assert_int_equal(vu_source_set_timer(source, 1, 0), -EINVAL);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
		rig_assert_idle(&rig);
		assert_int_equal(e.calls, i);
		assert_int_equal(e.count, EPOLLIN);
		assert_int_equal(rig_collect(&rig, 0), 1);
		assert_ok(peer_wait_call(rig.peer, 0));
	}
	/* Paused, and on again. */
	assert_ok(vu_source_set_events(source, 0));
	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
	rig_assert_idle(&rig);
	assert_int_equal(e.calls, 3);
	assert_ok(vu_source_set_events(source, EPOLLIN));
	rig_assert_idle(&rig);
	assert_int_equal(e.calls, 4);
	vu_source_remove(source);
	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
	rig_assert_idle(&rig);
	assert_int_equal(e.calls, 4);
	rig_close(&rig);
	close(fd);
}

static void a_request_is_taken_when_a_timer_expires(void **state)
{
	struct vu_source *timer;
	struct rig rig;
	struct event e = {.rig = &rig};

	(void)state;
	rig_open(&rig, NULL);
	rig_leave(&rig, 0, 1);
	rig_assert_idle(&rig);
	assert_ok(vu_group_add_timer(vu_device_group(rig.dev), on_event, &e, &timer));
	assert_int_equal(vu_source_set_events(timer, EPOLLIN), -EINVAL);
	rig_assert_idle(&rig);
	assert_int_equal(e.calls, 0);
	assert_ok(vu_source_set_timer(timer, 1000000, 0));
	rig_wait_used(&rig, 0, 1);
	assert_int_equal(e.calls, 1);
	assert_int_equal(e.count, 1);
	/* Expirations that nobody looked at are added up. */
	assert_ok(vu_source_set_timer(timer, 1000000, 1000000));
	do {
		usleep(2000);
		rig_pump(&rig);
	} while (e.count == 1);
	assert_ok(vu_source_set_timer(timer, 0, 0));
	rig_pump(&rig);
	e.calls = 0;
	usleep(3000);
	rig_assert_idle(&rig);
	assert_int_equal(e.calls, 0);
	/* The rest goes with the device. */
	rig_close(&rig);
}

static void an_event_after_the_budget_is_used_up_has_queue_ready_called_for_it(void **state)
{
	struct vu_source *source;
	uint64_t one = 1;
	int fd = eventfd(0, EFD_CLOEXEC);
	struct rig rig;
	struct event e = {.rig = &rig};

	(void)state;
	rig_open_grouped(&rig);
	rig.group_stands = true;
	assert_ok(vu_group_add_fd(rig.group, fd, EPOLLIN, on_event, &e, &source));
	rig_submit(&rig, 0, 4);
	assert_int_equal(vu_group_process(rig.group, 2), 1);
	assert_int_equal(rig.queues[0].served, 2);
	rig.mode = RIG_LEAVE;
	rig.queues[0].ready = 0;
	assert_int_equal(vu_group_arm(rig.group), 1);
	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
	/* Budgets hold for whoever takes: it comes before the queue's next turn. */
	vu_group_process(rig.group, 2);
	assert_int_equal(e.calls, 1);
	assert_int_equal(rig_collect(&rig, 0), 2);
	assert_int_equal(rig.queues[0].ready, 1);
	/* In the turn after that there is one again. */
	assert_in_range(vu_group_arm(rig.group), 0, 1);
	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
	vu_group_process(rig.group, 2);
	assert_int_equal(rig_collect(&rig, 0), 1);
	/* Whoever sleeps arms before. */
	assert_in_range(vu_group_arm(rig.group), 0, 1);
	rig.group_stands = false;
	rig.mode = RIG_SERVE;
	rig_add(&rig, 0);
	rig_roundtrip(&rig, 0, 0);
	rig_wait_used(&rig, 0, 2);
	vu_source_remove(source);
	rig_close(&rig);
	close(fd);
}

static void a_source_is_removed_in_its_own_callback_and_in_anothers(void **state)
{
	struct vu_source *sources[3];
	uint64_t one = 1;
	int fds[3];
	struct rig rig;
	struct event e[3] = {{.rig = &rig}, {.rig = &rig}, {.rig = &rig}};

	(void)state;
	rig_open(&rig, NULL);
	rig_assert_idle(&rig);
	for (int i = 0; i < 3; i++) {
		fds[i] = eventfd(1, EFD_CLOEXEC);
		assert_ok(vu_group_add_fd(vu_device_group(rig.dev), fds[i], EPOLLIN, on_event,
					  &e[i], &sources[i]));
	}
	/* All three are ready in one pass; whichever of the first two comes first removes the
	 * other one, and the third itself. */
	e[0].remove = sources[1];
	e[1].remove = sources[0];
	e[2].remove = sources[2];
	assert_int_equal(vu_device_process(rig.dev), 0);
	assert_int_equal(e[0].calls + e[1].calls, 1);
	assert_int_equal(e[2].calls, 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(write(fds[i], &one, sizeof(one)), sizeof(one));
	rig_assert_idle(&rig);
	assert_int_equal(e[0].calls + e[1].calls, 2);
	assert_int_equal(e[2].calls, 1);
	vu_source_remove(e[0].calls ? sources[0] : sources[1]);
	vu_source_remove(NULL);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	rig_close(&rig);
}

static void count_event(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	uint64_t value;

	++*(int *)opaque;
	if (fd >= 0)
		assert_int_equal(read(fd, &value, sizeof(value)), sizeof(value));
	(void)source;
	(void)events;
}

static void a_thread_that_waits_gets_what_is_ready_and_is_woken(void **state)
{
	const struct vu_device_info info = {.size = sizeof(info), .device_id = 4, .n_queues = 1};
	struct vu_source *source, *timer;
	struct vu_device *dev;
	struct vu_group *group;
	int fd = eventfd(0, EFD_CLOEXEC), calls = 0;
	uint64_t one = 1;

	(void)state;
	assert_ok(vu_device_new(&info, NULL, NULL, &dev));
	assert_ok(vu_group_new(&group));
	assert_ok(vu_group_add_fd(group, fd, EPOLLIN, count_event, &calls, &source));
	assert_ok(vu_group_add_timer(group, count_event, &calls, &timer));
	assert_int_equal(vu_group_process(group, 0), 0);
	assert_int_equal(vu_group_arm(group), 0);
	assert_int_equal(vu_group_wait(group, -2), -EINVAL);
	assert_int_equal(vu_group_wait(group, 0), 0);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
		assert_int_equal(vu_group_wait(group, -1), 1);
		assert_int_equal(calls, i);
		assert_int_equal(vu_group_process(group, 0), 0);
		assert_int_equal(vu_group_arm(group), 0);
		assert_int_equal(calls, i);
	}
	assert_ok(vu_source_set_timer(timer, 1000000, 0));
	assert_int_equal(vu_group_wait(group, -1), 1);
	assert_int_equal(calls, 4);
	/* What comes between a wait and the pass is there for the next wait. */
	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
	assert_int_equal(vu_group_process(group, 0), 0);
	assert_int_equal(vu_group_arm(group), 0);
	assert_int_equal(vu_group_wait(group, -1), 1);
	assert_int_equal(calls, 5);
	/* A wake is not forgotten, and told once. */
	vu_group_wake(group);
	assert_int_equal(vu_group_wait(group, -1), 1);
	assert_int_equal(vu_group_arm(group), 1);
	assert_int_equal(vu_group_process(group, 0), 0);
	assert_int_equal(vu_group_arm(group), 0);
	assert_int_equal(vu_group_wait(group, 0), 0);
	vu_group_free(group);
	vu_device_free(dev);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_that_waits_gets_what_is_ready_and_is_woken),
		cmocka_unit_test(a_request_is_taken_when_a_descriptor_is_ready),
		cmocka_unit_test(a_request_is_taken_when_a_timer_expires),
		cmocka_unit_test(
			an_event_after_the_budget_is_used_up_has_queue_ready_called_for_it),
		cmocka_unit_test(a_source_is_removed_in_its_own_callback_and_in_anothers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
