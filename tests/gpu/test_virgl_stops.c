/* SPDX-License-Identifier: MIT */
/*
 * vu-gpu's 3D, and a machine that is to stop: it waits for what is drawn, a minute at most for each
 * answer.
 * VU_GPU_LONG: what takes a minute.
 */
#include "bad.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { TEN_MINUTES_MS = 600000 };

/* A renderer that takes its time (it is stopped) is waited for, and what it was asked is answered.
 */
static void a_machine_that_is_to_stop_waits_for_what_is_drawn(void **state)
{
	const struct wire_vring_state queue = {.index = GPU_CONTROL};
	struct rig *rig = *state;
	struct frontend *f;
	struct rig_buffer memory;
	struct frontend_msg msg;
	char byte;
	int pid;

	three_start(rig, NULL);
	bad_begin(rig, &memory);
	pid = three_renderer(rig, 0);
	f = &rig->peer->frontend;
	assert_return_code(kill(pid, SIGSTOP), errno);
	bad_offer(rig, BAD_NOTHING);
	rig_expect_nothing(rig, GPU_CONTROL);
	rig_check(rig, frontend_send(f, WIRE_GET_VRING_BASE, 0, &queue, sizeof(queue), NULL, 0));
	/* By the second answer the device has seen the message. */
	gpu_expect_state(0, "resource 0");
	gpu_expect_state(0, "resource 0");
	assert_int_equal(recv(f->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT), -1);
	assert_return_code(kill(pid, SIGCONT), errno);
	rig_check(rig, frontend_recv(f, &msg));
	assert_int_equal(msg.hdr.request, WIRE_GET_VRING_BASE);
	assert_true(driver_has_used(rig->peer->queues[GPU_CONTROL]));
	assert_int_equal(three_renderer(rig, 0), pid);
	rig_stop(rig);
}

/* VU_GPU_LONG: a minute, which the line names. */
static void a_machine_that_is_to_stop_waits_a_minute_at_most(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	int pid;

	three_start(rig, NULL);
	bad_begin(rig, &memory);
	pid = three_renderer(rig, 0);
	bad_offer(rig, BAD_BUSY);
	rig_expect_nothing(rig, GPU_CONTROL);
	rig->peer->frontend.timeout_ms = TEN_MINUTES_MS;
	assert_int_equal(peer_stop(rig->peer), -ECONNRESET);
	bad_begin_again(rig, &memory);
	assert_int_equal(kill(pid, 0), -1);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "renderer: it has not answered for 60 seconds"), 1);
}

/* It waits for the renderer's next word, and has read all that there was. */
static void wait_idle(pid_t pid)
{
	char path[64], what = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	while (what != 'S') {
		FILE *file = fopen(path, "r");

		assert_non_null(file);
		assert_int_equal(fscanf(file, "%*d %*s %c", &what), 1);
		fclose(file);
	}
}

/* The session goes on, for more than the minute that a stop has. */
static void expect_no_end(struct rig *rig)
{
	enum { MORE_THAN_A_MINUTE_MS = 65000 };
	struct pollfd ends = {.fd = rig->peer->frontend.fd, .events = POLLIN | POLLRDHUP};

	assert_int_equal(poll(&ends, 1, MORE_THAN_A_MINUTE_MS), 0);
}

static void offer_refused(struct rig *rig, uint32_t id)
{
	const struct virtio_gpu_resource_create_3d refused = {
		.hdr = {.type = htole32(VIRTIO_GPU_CMD_RESOURCE_CREATE_3D)},
		.resource_id = htole32(id),
		.target = htole32(TARGET_BUFFER),
		.bind = htole32(BIND_VERTEX),
		.format = htole32(FORMAT_R8),
		.width = htole32(64),
		.height = htole32(1),
		.depth = htole32(1),
		.array_size = htole32(1),
	};

	bad_offer_command(rig, &refused, sizeof(refused));
}

/*
 * VU_GPU_LONG: a minute.  What is refused while the machine stops is taken back, which nobody waits
 * for: with that the stop has its end, and what comes after it may take long.
 */
static void a_stop_that_is_over_ends_nobody_later(void **state)
{
	const struct wire_vring_state queue = {.index = GPU_CONTROL};
	struct rig *rig = *state;
	struct frontend *f;
	struct rig_buffer memory;
	struct frontend_msg msg;
	int pid;

	three_start(rig, NULL);
	bad_begin(rig, &memory);
	pid = three_renderer(rig, 0);
	f = &rig->peer->frontend;
	assert_return_code(kill(pid, SIGSTOP), errno);
	offer_refused(rig, BAD_RESOURCE);
	rig_expect_nothing(rig, GPU_CONTROL);
	rig_check(rig, frontend_send(f, WIRE_GET_VRING_BASE, 0, &queue, sizeof(queue), NULL, 0));
	gpu_expect_state(0, "resource 0");
	gpu_expect_state(0, "resource 0");
	assert_return_code(kill(pid, SIGCONT), errno);
	rig_check(rig, frontend_recv(f, &msg));
	assert_int_equal(msg.hdr.request, WIRE_GET_VRING_BASE);
	assert_null(rig_wait(rig, GPU_CONTROL, NULL));
	/* What is taken back was asked for by the second answer, and heard of by the fourth. */
	for (int i = 0; i < 4; i++) {
		gpu_expect_state(0, "resource 0");
		wait_idle(pid);
	}
	gpu_start_again(rig);
	assert_return_code(kill(pid, SIGSTOP), errno);
	bad_offer(rig, BAD_NOTHING);
	expect_no_end(rig);
	assert_return_code(kill(pid, SIGCONT), errno);
	rig_wait(rig, GPU_CONTROL, NULL);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "renderer: it has not answered"), 0);
}

/* VU_GPU_LONG: a minute.  Nothing of 3D is on the queue for the pointer. */
static void a_stop_of_the_pointers_queue_waits_for_no_3d(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	uint32_t base;
	int pid;

	three_start(rig, NULL);
	bad_begin(rig, &memory);
	pid = three_renderer(rig, 0);
	assert_return_code(kill(pid, SIGSTOP), errno);
	bad_offer(rig, BAD_NOTHING);
	rig_expect_nothing(rig, GPU_CONTROL);
	rig_check(rig, frontend_get_vring_base(&rig->peer->frontend, GPU_CURSOR, &base));
	expect_no_end(rig);
	assert_return_code(kill(pid, SIGCONT), errno);
	rig_wait(rig, GPU_CONTROL, NULL);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "renderer: it has not answered"), 0);
}

/* The stop of the control queue, which the device has seen; it is not answered. */
static void begin_stop(struct rig *rig)
{
	const struct wire_vring_state queue = {.index = GPU_CONTROL};

	rig_expect_nothing(rig, GPU_CONTROL);
	rig_check(rig, frontend_send(&rig->peer->frontend, WIRE_GET_VRING_BASE, 0, &queue,
				     sizeof(queue), NULL, 0));
	gpu_expect_state(0, "resource 0");
	gpu_expect_state(0, "resource 0");
}

/* What comes of it: its answer, or the session's end. */
static int end_stop(struct rig *rig)
{
	struct frontend_msg msg;

	rig->peer->frontend.timeout_ms = TEN_MINUTES_MS;
	return frontend_recv(&rig->peer->frontend, &msg);
}

/* VU_GPU_LONG: two times 40 seconds.  Each answer is in time. */
static void a_stop_waits_for_more_than_a_minute_while_answers_come(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;

	three_start(rig, NULL);
	bad_begin(rig, &memory);
	bad_offer(rig, BAD_SLOW);
	bad_offer(rig, BAD_SLOW);
	begin_stop(rig);
	rig_check(rig, end_stop(rig));
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "renderer: it has not answered"), 0);
}

/* VU_GPU_LONG: a minute.  One fence of two is done, and the other never is. */
static void a_stop_that_is_answered_in_part_waits_a_minute_for_the_rest(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	int pid;

	three_start(rig, NULL);
	bad_begin(rig, &memory);
	pid = three_renderer(rig, 0);
	assert_return_code(kill(pid, SIGSTOP), errno);
	bad_offer(rig, BAD_HALF);
	bad_offer(rig, BAD_HALF);
	begin_stop(rig);
	assert_return_code(kill(pid, SIGCONT), errno);
	assert_int_equal(end_stop(rig), -ECONNRESET);
	bad_begin_again(rig, &memory);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "renderer: it has not answered"), 1);
}

/* VU_GPU_LONG: more than a minute.  Nobody waits for the end of what was refused. */
static void a_queue_that_has_started_again_waits_for_no_stop(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	int pid;

	three_start(rig, NULL);
	bad_begin(rig, &memory);
	pid = three_renderer(rig, 0);
	assert_return_code(kill(pid, SIGSTOP), errno);
	offer_refused(rig, BAD_SLOW_RESOURCE);
	begin_stop(rig);
	assert_return_code(kill(pid, SIGCONT), errno);
	rig_check(rig, end_stop(rig));
	assert_null(rig_wait(rig, GPU_CONTROL, NULL));
	gpu_start_again(rig);
	bad_offer(rig, BAD_NOTHING);
	expect_no_end(rig);
	rig_wait(rig, GPU_CONTROL, NULL);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "renderer: it has not answered"), 0);
}

int main(void)
{
	const struct CMUnitTest waits[] = {
		GPU_TEST(a_machine_that_is_to_stop_waits_a_minute_at_most),
		GPU_TEST(a_stop_that_is_over_ends_nobody_later),
		GPU_TEST(a_stop_of_the_pointers_queue_waits_for_no_3d),
		GPU_TEST(a_stop_waits_for_more_than_a_minute_while_answers_come),
		GPU_TEST(a_stop_that_is_answered_in_part_waits_a_minute_for_the_rest),
		GPU_TEST(a_queue_that_has_started_again_waits_for_no_stop),
	};
	const struct CMUnitTest tests[] = {
		GPU_TEST(a_machine_that_is_to_stop_waits_for_what_is_drawn),
	};

	return getenv("VU_GPU_LONG") ? cmocka_run_group_tests(waits, NULL, NULL)
				     : cmocka_run_group_tests(tests, NULL, NULL);
}
