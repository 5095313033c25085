/* SPDX-License-Identifier: MIT */
/* Rule: notifying never blocks and never signals, whatever the descriptor is. */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rules/rig.h"

/* The call descriptor of queue 0 is fd; a request's end is told by it, or not at all. */
static void call_by(struct rig *rig, int fd)
{
	rig_open(rig, NULL);
	assert_ok(frontend_set_vring_call(rig_front(rig), 0, fd));
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
	assert_true(value >= most); /* the kernel itself may add the last one */
	/* Taken: the next one arrives. */
	rig_roundtrip(&rig, 0, 1);
	assert_int_equal(read(fd, &value, sizeof(value)), sizeof(value));
	rig_close(&rig);
	close(fd);
}

/* The front-end shares the description, and its flags. */
static void a_full_eventfd_made_blocking_does_not_block(void **state)
{
	uint64_t most = UINT64_MAX - 1, value;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	assert_ok(frontend_set_vring_call(rig_front(&rig), 0, fd));
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	rig_roundtrip(&rig, 0, 1);
	assert_int_equal(read(fd, &value, sizeof(value)), sizeof(value));
	assert_int_equal(write(fd, &most, sizeof(most)), sizeof(most));
	assert_ok(fcntl(fd, F_SETFL, 0));
	rig_add(&rig, 0);
	driver_publish(rig.peer->queues[0]);
	assert_ok(driver_kick_always(rig.peer->queues[0]));
	rig_pump(&rig);
	if (getenv("LIBVU_TEST_NO_AIO")) {
		rig_expect_errors(&rig, "cannot be signalled safely", 1);
		assert_int_equal(rig.ended, 1);
	} else {
		assert_int_equal(rig_collect(&rig, 0), 1);
		rig_roundtrip(&rig, 0, 3);
		rig_roundtrip(&rig, 1, 1);
	}
	rig_close(&rig);
	close(fd);
}

/* Found out in the very pass in which its session ends. */
static void a_blocking_descriptor_of_an_old_session_does_not_end_the_next(void **state)
{
	uint64_t most = UINT64_MAX - 1;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	assert_ok(frontend_set_vring_call(rig_front(&rig), 0, fd));
	rig_hold(&rig, 0, 1);
	assert_int_equal(write(fd, &most, sizeof(most)), sizeof(most));
	assert_ok(fcntl(fd, F_SETFL, 0));
	rig_complete_held(&rig, 0);
	vu_queue_signal(rig.queues[0].queue);
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	assert_int_equal(rig.ended, 1);
	rig.mode = RIG_SERVE;
	rig_start(&rig);
	rig_roundtrip(&rig, 1, 1);
	assert_int_equal(rig.ended, 1);
	rig_close(&rig);
	close(fd);
}

/* More than the kernel has room to remember. */
static void every_one_of_many_calls_counts(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t value;
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	assert_ok(frontend_set_vring_call(rig_front(&rig), 0, fd));
	rig_roundtrip(&rig, 0, 1);
	assert_int_equal(read(fd, &value, sizeof(value)), sizeof(value));
	for (uint64_t i = 1; i <= 5000; i++)
		rig_roundtrip(&rig, 0, 1);
	assert_int_equal(read(fd, &value, sizeof(value)), sizeof(value));
	assert_int_equal(value, 5000);
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

static void without_a_call_descriptor_nobody_is_told(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	assert_ok(frontend_set_vring_call(rig_front(&rig), 0, -1));
	driver_take_calls(rig.peer->queues[0]);
	rig_roundtrip(&rig, 0, 3);
	assert_int_equal(driver_take_calls(rig.peer->queues[0]), 0);
	rig_close(&rig);
}

/* virtio: what the driver asked for may be older than the descriptor. */
static void a_new_call_descriptor_hears_of_the_next_one_unasked(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t value;
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	rig_roundtrip(&rig, 0, 1);
	driver_set_interrupts(rig.peer->queues[0], false);
	driver_take_calls(rig.peer->queues[0]);
	rig_roundtrip(&rig, 0, 1);
	assert_int_equal(driver_take_calls(rig.peer->queues[0]), 0);
	assert_ok(frontend_set_vring_call(rig_front(&rig), 0, fd));
	rig_pump(&rig);
	assert_int_equal(read(fd, &value, sizeof(value)), -1);
	rig_roundtrip(&rig, 0, 1);
	assert_int_equal(read(fd, &value, sizeof(value)), sizeof(value));
	assert_int_equal(value, 1);
	rig_roundtrip(&rig, 0, 1);
	assert_int_equal(read(fd, &value, sizeof(value)), -1);
	rig_close(&rig);
	close(fd);
}

/* Front-ends change it while the driver works already: QEMU does after each start. */
static void a_new_call_descriptor_hears_of_what_the_driver_still_waits_for(void **state)
{
	int old = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t value;
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	assert_ok(frontend_set_vring_call(rig_front(&rig), 0, old));
	/* What it is told of is nobody's: the driver goes on waiting. */
	rig_submit(&rig, 0, 1);
	rig_pump(&rig);
	assert_int_equal(read(old, &value, sizeof(value)), sizeof(value));
	assert_ok(frontend_set_vring_call(rig_front(&rig), 0, fd));
	rig_pump(&rig);
	assert_int_equal(read(fd, &value, sizeof(value)), sizeof(value));
	assert_int_equal(value, 1);
	rig_close(&rig);
	close(old);
	close(fd);
}

static void a_new_call_descriptor_hears_nothing_of_what_the_driver_has_seen(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t value;
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	rig_roundtrip(&rig, 0, 5);
	driver_set_interrupts(rig.peer->queues[0], true);
	assert_ok(frontend_set_vring_call(rig_front(&rig), 0, fd));
	rig_pump(&rig);
	assert_int_equal(read(fd, &value, sizeof(value)), -1);
	rig_close(&rig);
	close(fd);
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

/* Even opening one by its name in /proc waits for a lock that a writer may hold for ever. */
static int make_pipe(void)
{
	int pair[2];

	assert_ok(pipe2(pair, O_CLOEXEC));
	close(pair[0]);
	return pair[1];
}

static int make_signalfd(void)
{
	sigset_t none;

	sigemptyset(&none);
	return signalfd(-1, &none, SFD_CLOEXEC);
}

static int make_path(void)
{
	return open("/", O_PATH | O_CLOEXEC);
}

static int make_directory(void)
{
	return open("/dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int make_listener(void)
{
	const struct sockaddr some_name = {.sa_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_ok(bind(fd, &some_name, sizeof(some_name.sa_family)));
	assert_ok(listen(fd, 1));
	return fd;
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
		assert_int_equal(set[i](rig_front(&rig), 0, fd), -ECONNRESET);
		rig_expect_errors(&rig, "descriptor is no eventfd", 1);
		assert_int_equal(rig.ended, 1);
		rig_close(&rig);
		close(fd);
	}
}

/* Reading it could wait for who reads it, too, and sleeps in that. */
static void a_socket_is_no_kick(void **state)
{
	struct rig rig;
	int pair[2];

	(void)state;
	assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	rig_open(&rig, NULL);
	assert_int_equal(frontend_set_vring_kick(rig_front(&rig), 0, pair[0]), -ECONNRESET);
	rig_expect_errors(&rig, "queue 0: the kick descriptor is no eventfd", 1);
	rig_close(&rig);
	close(pair[0]);
	close(pair[1]);
}

static void one_descriptor_may_kick_two_queues(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	assert_ok(frontend_set_vring_kick(rig_front(&rig), 1, rig.peer->queues[0]->kick.device));
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

/* As on a kernel without AIO, or where it is used up: io_setup() fails. */
static int take_aio_away(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* vhost-user, SET_VRING_KICK: "polling should be used instead of waiting for the kick". */
static void a_ring_without_a_kick_descriptor_is_polled(void **state)
{
	const struct rig_config config = {.groups = true};
	struct rig rig;

	(void)state;
	rig_open(&rig, &config);
	for (uint32_t q = 0; q < 2; q++) {
		assert_ok(frontend_set_vring_kick(rig_front(&rig), q, -1));
		for (int round = 0; round < 3; round++) {
			uint32_t done = 0;

			rig_add(&rig, q);
			driver_publish(rig.peer->queues[q]);
			while (done < 1) {
				poll(NULL, 0, 1);
				rig_pump(&rig);
				done += rig_collect(&rig, q);
			}
		}
	}
	/* A descriptor ends it. */
	for (uint32_t q = 0; q < 2; q++) {
		rig_stop_queue(&rig, q);
		rig_start_queue(&rig, q);
		rig_roundtrip(&rig, q, 2);
	}
	rig_assert_idle(&rig);
	rig_close(&rig);
}

int main(void)
{
	static int (*makers[])(void) = {make_file, make_epoll,	   make_device,	  make_pipe,
					make_path, make_directory, make_signalfd, make_listener};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ring_without_a_kick_descriptor_is_polled),
		cmocka_unit_test(a_full_eventfd_does_not_block),
		cmocka_unit_test(a_full_eventfd_made_blocking_does_not_block),
		cmocka_unit_test(a_blocking_descriptor_of_an_old_session_does_not_end_the_next),
		cmocka_unit_test(every_one_of_many_calls_counts),
		cmocka_unit_test(a_socket_whose_reader_is_gone_raises_no_signal),
		cmocka_unit_test(a_full_socket_does_not_block),
		cmocka_unit_test(a_call_by_socket_arrives),
		cmocka_unit_test(without_a_call_descriptor_nobody_is_told),
		cmocka_unit_test(a_new_call_descriptor_hears_of_the_next_one_unasked),
		cmocka_unit_test(a_new_call_descriptor_hears_of_what_the_driver_still_waits_for),
		cmocka_unit_test(a_new_call_descriptor_hears_nothing_of_what_the_driver_has_seen),
		{"a_regular_file_is_refused", other_descriptors_are_refused, NULL, NULL,
		 &makers[0]},
		{"an_epoll_is_refused", other_descriptors_are_refused, NULL, NULL, &makers[1]},
		{"a_character_device_is_refused", other_descriptors_are_refused, NULL, NULL,
		 &makers[2]},
		{"a_pipe_is_refused", other_descriptors_are_refused, NULL, NULL, &makers[3]},
		{"a_path_is_refused", other_descriptors_are_refused, NULL, NULL, &makers[4]},
		{"a_directory_is_refused", other_descriptors_are_refused, NULL, NULL, &makers[5]},
		{"a_signalfd_is_refused", other_descriptors_are_refused, NULL, NULL, &makers[6]},
		{"a_listening_socket_is_refused", other_descriptors_are_refused, NULL, NULL,
		 &makers[7]},
		cmocka_unit_test(a_socket_is_no_kick),
		cmocka_unit_test(one_descriptor_may_kick_two_queues),
	};

	if (getenv("LIBVU_TEST_NO_AIO") && take_aio_away()) {
		puts("skipped: no seccomp filter can be set");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
