/* SPDX-License-Identifier: MIT */
/* Rule: notifying never blocks and never signals, whatever the descriptor is. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rules/rig.h"

static struct frontend *front(struct rig *rig)
{
	return &rig->peer->frontend;
}

/* The call descriptor of queue 0 is fd; a request's end is told by it, or not at all. */
static void call_by(struct rig *rig, int fd)
{
	rig_open(rig, NULL);
	assert_ok(frontend_set_vring_call(front(rig), 0, fd));
	for (int i = 0; i < 5; i++)
		rig_roundtrip(rig, 0, 1);
	rig_assert_idle(rig);
	rig_roundtrip(rig, 1, 1);
}

static void a_full_eventfd_does_not_block(void **state)
{
	uint64_t most = UINT64_MAX - 1, value;
	int fd = eventfd(0, EFD_CLOEXEC); /* blocking */
	struct rig rig;

	(void)state;
	assert_int_equal(write(fd, &most, sizeof(most)), sizeof(most));
	call_by(&rig, fd);
	assert_int_equal(read(fd, &value, sizeof(value)), sizeof(value));
	assert_true(value == most);
	/* Taken: the next one arrives. */
	rig_roundtrip(&rig, 0, 1);
	assert_int_equal(read(fd, &value, sizeof(value)), sizeof(value));
	rig_close(&rig);
	close(fd);
}

static void a_socket_whose_reader_is_gone_raises_no_signal(void **state)
{
	struct rig rig;
	int pair[2];

	(void)state;
	assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	close(pair[0]);
	call_by(&rig, pair[1]);
	rig_close(&rig);
	close(pair[1]);
}

static void a_full_socket_does_not_block(void **state)
{
	static const char block[4096];
	struct rig rig;
	int pair[2];

	(void)state;
	assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	while (send(pair[1], block, sizeof(block), MSG_DONTWAIT) > 0)
		;
	call_by(&rig, pair[1]);
	/* Its flags are not ours to change: the other side may share them. */
	assert_false(fcntl(pair[1], F_GETFL) & O_NONBLOCK);
	rig_close(&rig);
	close(pair[0]);
	close(pair[1]);
}

static void a_call_by_socket_arrives(void **state)
{
	char bytes[64];
	struct rig rig;
	int pair[2];

	(void)state;
	assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	call_by(&rig, pair[1]);
	assert_true(recv(pair[0], bytes, sizeof(bytes), MSG_DONTWAIT) > 0);
	rig_close(&rig);
	close(pair[0]);
	close(pair[1]);
}

static volatile sig_atomic_t pipes;

static void on_sigpipe(int number)
{
	(void)number;
	pipes++;
}

static void a_fifo_without_a_reader_raises_no_signal(void **state)
{
	struct sigaction action = {.sa_handler = on_sigpipe}, old;
	sigset_t pending;
	struct rig rig;
	int pair[2];

	(void)state;
	assert_ok(pipe2(pair, O_CLOEXEC));
	close(pair[0]);
	assert_ok(sigaction(SIGPIPE, &action, &old));
	call_by(&rig, pair[1]);
	assert_int_equal(pipes, 0);
	assert_ok(sigpending(&pending));
	assert_int_equal(sigismember(&pending, SIGPIPE), 0);
	/* One that somebody else is waiting for stays. */
	sigemptyset(&pending);
	sigaddset(&pending, SIGPIPE);
	assert_ok(sigprocmask(SIG_BLOCK, &pending, NULL));
	raise(SIGPIPE);
	rig_roundtrip(&rig, 0, 1);
	assert_int_equal(pipes, 0);
	assert_ok(sigprocmask(SIG_UNBLOCK, &pending, NULL));
	assert_int_equal(pipes, 1);
	assert_ok(sigaction(SIGPIPE, &old, NULL));
	rig_close(&rig);
	close(pair[1]);
}

static void a_full_fifo_does_not_block(void **state)
{
	static const char block[4096];
	struct rig rig;
	int pair[2];

	(void)state;
	assert_ok(pipe2(pair, O_CLOEXEC | O_NONBLOCK));
	while (write(pair[1], block, sizeof(block)) > 0)
		;
	assert_ok(fcntl(pair[1], F_SETFL, 0));
	call_by(&rig, pair[1]);
	rig_close(&rig);
	close(pair[0]);
	close(pair[1]);
}

static void without_a_call_descriptor_nobody_is_told(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	assert_ok(frontend_set_vring_call(front(&rig), 0, -1));
	driver_take_calls(rig.peer->queues[0]);
	rig_roundtrip(&rig, 0, 3);
	assert_int_equal(driver_take_calls(rig.peer->queues[0]), 0);
	rig_close(&rig);
}

static int make_file(void)
{
	return memfd_create("no notifier", MFD_CLOEXEC);
}

static int make_epoll(void)
{
	return epoll_create1(EPOLL_CLOEXEC);
}

static int make_device(void)
{
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

/* *state makes the descriptor. */
static void other_descriptors_are_refused(void **state)
{
	static int (*const set[])(struct frontend * f, uint32_t index, int fd) = {
		frontend_set_vring_kick,
		frontend_set_vring_call,
		frontend_set_vring_err,
	};

	for (int i = 0; i < 3; i++) {
		int fd = ((int (*const *)(void)) * state)[0]();
		struct rig rig;

		rig_open(&rig, NULL);
		assert_int_equal(set[i](front(&rig), 0, fd), -ECONNRESET);
		rig_expect_errors(&rig, "is no eventfd, socket or pipe", 1);
		assert_int_equal(rig.ended, 1);
		rig_close(&rig);
		close(fd);
	}
}

/* A kick socket or (*state) FIFO. */
static void kicks_arrive_and_their_end_keeps_nobody_busy(void **state)
{
	struct rig rig;
	int pair[2];

	rig_open(&rig, NULL);
	if (*state)
		assert_ok(pipe2(pair, O_CLOEXEC));
	else
		assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	assert_ok(frontend_set_vring_kick(front(&rig), 0, pair[0]));
	for (int i = 0; i < 3; i++) {
		rig_add(&rig, 0);
		driver_publish(rig.peer->queues[0]);
		rig_assert_idle(&rig);
		assert_int_equal(rig_collect(&rig, 0), 0);
		assert_int_equal(write(pair[1], "kicks!!", 8), 8);
		assert_int_equal(write(pair[1], "kicks!!", 8), 8);
		rig_wait_used(&rig, 0, 1);
		rig_assert_idle(&rig);
	}
	close(pair[1]);
	rig_assert_idle(&rig);
	rig_roundtrip(&rig, 1, 2);
	/* Nor when it is watched again. */
	rig_stop_queue(&rig, 0);
	assert_ok(frontend_setup_ring(front(&rig), rig.peer->queues[0], 0));
	assert_ok(frontend_set_vring_kick(front(&rig), 0, pair[0]));
	rig_assert_idle(&rig);
	assert_ok(frontend_set_vring_kick(front(&rig), 0, rig.peer->queues[0]->kick.device));
	rig_roundtrip(&rig, 0, 2);
	close(pair[0]);
	rig_close(&rig);
}

static void one_descriptor_may_kick_two_queues(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	assert_ok(frontend_set_vring_kick(front(&rig), 1, rig.peer->queues[0]->kick.device));
	rig_pump(&rig);
	for (int i = 0; i < 3; i++) {
		for (uint32_t q = 0; q < 2; q++) {
			rig_add(&rig, q);
			driver_publish(rig.peer->queues[q]);
		}
		assert_ok(driver_kick_always(rig.peer->queues[0]));
		rig_wait_used(&rig, 0, 1);
		rig_wait_used(&rig, 1, 1);
	}
	rig_close(&rig);
}

int main(void)
{
	static int (*makers[])(void) = {make_file, make_epoll, make_device};
	static bool by_fifo = true;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_eventfd_does_not_block),
		cmocka_unit_test(a_socket_whose_reader_is_gone_raises_no_signal),
		cmocka_unit_test(a_full_socket_does_not_block),
		cmocka_unit_test(a_call_by_socket_arrives),
		cmocka_unit_test(a_fifo_without_a_reader_raises_no_signal),
		cmocka_unit_test(a_full_fifo_does_not_block),
		cmocka_unit_test(without_a_call_descriptor_nobody_is_told),
		{"a_regular_file_is_refused", other_descriptors_are_refused, NULL, NULL,
		 &makers[0]},
		{"an_epoll_is_refused", other_descriptors_are_refused, NULL, NULL, &makers[1]},
		{"a_character_device_is_refused", other_descriptors_are_refused, NULL, NULL,
		 &makers[2]},
		{"kicks_by_socket_arrive_and_their_end_keeps_nobody_busy",
		 kicks_arrive_and_their_end_keeps_nobody_busy, NULL, NULL, NULL},
		{"kicks_by_fifo_arrive_and_their_end_keeps_nobody_busy",
		 kicks_arrive_and_their_end_keeps_nobody_busy, NULL, NULL, &by_fifo},
		cmocka_unit_test(one_descriptor_may_kick_two_queues),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
