/* SPDX-License-Identifier: MIT */
/* vu_runner: where front-ends come from, reconnection, many devices, starting and stopping. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit/child.h"
#include "kit/test.h"
#include "fixture.h"
#include "sockets.h"
#include "spawn.h"

enum { MANY = 200, MANY_FILES = 4096 };

/* --- where front-ends come from --- */

static void front_ends_are_served_one_after_another(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	fixture_start(f);
	for (int i = 0; i < 20; i++)
		ask_once(connect_to(f->path));
	fixture_stop(f);
}

static void a_second_front_end_waits_for_the_first_to_leave(void **state)
{
	struct fixture *f = *state;
	struct frontend first, second;
	struct pollfd pfd = {.events = POLLIN};

	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	fixture_start(f);
	ask(&first, connect_to(f->path));
	frontend_init(&second, connect_to(f->path));
	assert_int_equal(frontend_send(&second, WIRE_GET_FEATURES, 0, NULL, 0, NULL, 0), 0);
	pfd.fd = second.fd;
	assert_int_equal(poll(&pfd, 1, 50), 0);
	frontend_close(&first);
	assert_int_equal(poll(&pfd, 1, HANG_MS), 1);
	assert_false(pfd.revents & POLLHUP);
	frontend_close(&second);
	fixture_stop(f);
}

static void a_connected_socket_is_one_session_and_then_the_run_ends(void **state)
{
	struct fixture *f = *state;

	/* A broker may hand over one connection after the other. */
	for (int i = 0; i < 3; i++) {
		int pair[2];

		assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), errno);
		assert_int_equal(vu_runner_adopt(f->runner, f->dev, pair[1]), 0);
		fixture_start(f);
		ask_once(pair[0]);
		fixture_join(f);
	}
}

static void a_listening_socket_is_served_and_its_file_left_alone(void **state)
{
	struct fixture *f = *state;
	int fd = socket_at(f->path, SOCK_STREAM, 4);

	assert_int_equal(vu_runner_adopt(f->runner, f->dev, fd), 0);
	fixture_start(f);
	ask_once(connect_to(f->path));
	ask_once(connect_to(f->path));
	fixture_stop(f);
	vu_runner_free(f->runner);
	f->runner = NULL;
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_return_code(unlink(f->path), errno);
}

static void other_kinds_of_fds_stay_the_callers(void **state)
{
	struct fixture *f = *state;
	int pipes[2], pair[2], inet = socket(AF_INET, SOCK_STREAM, 0);
	int packets = socket_at(f->path, SOCK_SEQPACKET, 4);

	assert_return_code(pipe(pipes), errno);
	assert_return_code(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), errno);
	assert_int_equal(vu_runner_adopt(f->runner, f->dev, pipes[0]), -ENOTSOCK);
	assert_int_equal(vu_runner_adopt(f->runner, f->dev, pair[0]), -EINVAL);
	assert_int_equal(vu_runner_adopt(f->runner, f->dev, inet), -EINVAL);
	assert_int_equal(vu_runner_adopt(f->runner, f->dev, packets), -EINVAL);
	assert_int_equal(vu_runner_adopt(f->runner, f->dev, -1), -EBADF);
	assert_int_equal(close(pipes[0]) | close(pipes[1]) | close(pair[0]) | close(pair[1]), 0);
	assert_int_equal(close(inet) | close(packets), 0);
	assert_return_code(unlink(f->path), errno);
}

static void connecting_goes_on_until_somebody_listens(void **state)
{
	struct fixture *f = *state;
	int fd;

	assert_int_equal(vu_runner_connect(f->runner, f->dev, f->path), 0);
	fixture_start(f);
	usleep(150000);
	fd = socket_at(f->path, SOCK_STREAM, 1);
	ask_once(accept(fd, NULL, NULL));
	ask_once(accept(fd, NULL, NULL));
	/* The front-end restarts. */
	close(fd);
	assert_return_code(unlink(f->path), errno);
	fd = socket_at(f->path, SOCK_STREAM, 1);
	ask_once(accept(fd, NULL, NULL));
	fixture_stop(f);
	close(fd);
	assert_return_code(unlink(f->path), errno);
}

static void a_device_has_one_source_of_front_ends(void **state)
{
	struct fixture *f = *state;
	const struct sockaddr_un anywhere = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), -EBUSY);
	assert_int_equal(vu_runner_connect(f->runner, f->dev, f->path), -EBUSY);
	assert_int_equal(bind(listener, (const struct sockaddr *)&anywhere, sizeof(sa_family_t)),
			 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(vu_runner_adopt(f->runner, f->dev, listener), -EBUSY);
	close(listener);
}

/* Not by the runner; and it can have it when that is over. */
static void a_device_that_somebody_attached_is_not_adopted(void **state)
{
	struct fixture *f = *state;
	int first[2], second[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, first), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, second), 0);
	assert_int_equal(vu_device_attach(f->dev, first[0]), 0);
	assert_true(vu_runner_adopt(f->runner, f->dev, second[0]) < 0);
	vu_device_detach(f->dev);
	assert_int_equal(vu_runner_adopt(f->runner, f->dev, second[0]), 0);
	fixture_start(f);
	ask_once(second[1]);
	fixture_join(f);
	close(first[1]);
}

/* --- running --- */

static void once_ends_with_the_first_session_and_a_silent_visitor_is_none(void **state)
{
	struct fixture *f = *state;
	int pair[2];

	vu_runner_free(f->runner);
	f->runner = new_runner(f, 1);
	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	fixture_start(f);
	close(connect_to(f->path));
	close(connect_to(f->path));
	ask_once(connect_to(f->path));
	fixture_join(f);
	assert_int_equal(access(f->path, F_OK), -1);
	/* The device has had its source of front-ends. */
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), errno);
	assert_int_equal(vu_runner_adopt(f->runner, f->dev, pair[0]), -EBUSY);
	assert_int_equal(close(pair[0]) | close(pair[1]), 0);
}

static void a_visitor_that_stays_and_says_nothing_makes_room(void **state)
{
	struct fixture *f = *state;
	char byte;
	int fd;

	vu_device_set_message_timeout(f->dev, 5000000);
	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	fixture_start(f);
	fd = connect_to(f->path);
	assert_int_equal(read(fd, &byte, 1), 0);
	close(fd);
	/* Or by half a message: that is for the device to see. */
	fd = connect_to(f->path);
	assert_int_equal(write(fd, "\1\0\0\0", 4), 4);
	assert_int_equal(read(fd, &byte, 1), 0);
	close(fd);
	fixture_stop(f);
}

static void a_visitor_that_says_nothing_hears_of_the_end(void **state)
{
	struct fixture *f = *state;
	char byte;
	int fd;

	vu_device_set_message_timeout(f->dev, 0);
	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	fd = connect_to(f->path);
	/* It is accepted, and there is nothing else to do. */
	for (int i = 0; i < 10; i++)
		assert_true(vu_runner_process(f->runner) >= 0);
	vu_runner_free(f->runner);
	f->runner = new_runner(f, 0);
	assert_int_equal(read(fd, &byte, 1), 0);
	close(fd);
}

static void a_visitor_has_all_the_time_that_there_is(void **state)
{
	struct fixture *f = *state;

	vu_device_set_message_timeout(f->dev, UINT64_MAX);
	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	fixture_start(f);
	ask_once(connect_to(f->path));
	fixture_stop(f);
}

/* Its time is over when it has spoken. */
static void a_visitor_that_spoke_is_not_told_of_as_silent(void **state)
{
	struct fixture *f = *state;
	const struct vu_runner_info info = {.size = sizeof(info),
					    .log_level = VU_LOG_WARNING,
					    .log_fn = log_book_write,
					    .log_opaque = &f->log};
	uint32_t timeout_ms = 125;
	uint64_t features;
	struct frontend fe;
	int told, ret;

	vu_runner_free(f->runner);
	assert_int_equal(vu_runner_new(&info, &f->runner), 0);
	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	do { /* a busy machine may not let it speak in time */
		timeout_ms *= 4;
		told = log_book_count(&f->log, "sends nothing");
		vu_device_set_message_timeout(f->dev, timeout_ms * UINT64_C(1000000));
		fixture_start(f);
		frontend_init(&fe, connect_to(f->path));
		ret = frontend_get_features(&fe, &features);
		if (!ret)
			usleep((timeout_ms + 100) * 1000);
		fixture_stop(f);
		frontend_close(&fe);
	} while (ret);
	assert_int_equal(log_book_count(&f->log, "sends nothing"), told);
}

static void a_stop_before_the_run_ends_it_and_only_that_one(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vu_runner_run(f->runner), 0); /* nothing to serve */
	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	vu_runner_stop(f->runner);
	vu_runner_stop(f->runner);
	assert_int_equal(vu_runner_run(f->runner), 0);
	fixture_start(f);
	ask_once(connect_to(f->path));
	fixture_stop(f);
}

static void the_end_of_a_run_closes_its_sessions_and_the_devices_stay(void **state)
{
	struct fixture *f = *state;
	struct frontend fe;

	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	fixture_start(f);
	ask(&fe, connect_to(f->path));
	fixture_stop(f);
	assert_int_equal(vu_device_is_attached(f->dev), 0);
	assert_int_equal(frontend_wait_closed(&fe), 0);
	frontend_close(&fe);
	/* The socket is still there for the next run ... */
	fixture_start(f);
	ask_once(connect_to(f->path));
	fixture_stop(f);
	/* ... and the device for the next runner. */
	vu_runner_free(f->runner);
	f->runner = new_runner(f, 0);
	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	fixture_start(f);
	ask_once(connect_to(f->path));
	fixture_stop(f);
}

struct ending {
	struct vu_runner *runner;
	int result;
};

static void remove_at_end(struct vu_device *dev, int why, void *opaque)
{
	struct ending *e = opaque;

	(void)why;
	e->result = vu_runner_remove(e->runner, dev);
}

static void nothing_is_removed_while_a_run_ends(void **state)
{
	const struct vu_device_info info = {.size = sizeof(info), .device_id = 4, .n_queues = 1};
	const struct vu_ops ops = {.size = sizeof(ops), .session_end = remove_at_end};
	struct fixture *f = *state;
	struct ending e = {f->runner, 0};
	struct vu_device *dev;
	struct frontend fe;
	int pair[2];

	assert_int_equal(vu_device_new(&info, &ops, &e, &dev), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(vu_runner_adopt(f->runner, dev, pair[0]), 0);
	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	fixture_start(f);
	ask(&fe, pair[1]);
	fixture_stop(f);
	assert_int_equal(e.result, -EBUSY);
	frontend_close(&fe);
	assert_int_equal(vu_runner_remove(f->runner, dev), 0);
	vu_device_free(dev);
}

static void what_is_in_use_is_not_freed_and_goes_on(void **state)
{
	struct fixture *f = *state;
	struct frontend fe;

	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	vu_device_free(f->dev);
	assert_int_equal(log_book_count(&f->log, "of a device that a runner serves is ignored"), 1);
	fixture_start(f);
	ask(&fe, connect_to(f->path)); /* the run has begun */
	vu_runner_free(f->runner);
	assert_int_equal(log_book_count(&f->log, "vu_runner_free() while it runs is ignored"), 1);
	frontend_close(&fe);
	ask_once(connect_to(f->path));
	fixture_stop(f);
}

static void a_child_of_fork_does_not_stop_its_parents_runner(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	fixture_start(f);
	ask_once(connect_to(f->path));
	pid = child_fork();
	if (!pid) {
		vu_runner_stop(f->runner); /* as its parent's signal handler would */
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	ask_once(connect_to(f->path));
	fixture_stop(f);
}

static void the_end_is_heard_though_a_child_of_fork_lives_on(void **state)
{
	struct fixture *f = *state;
	struct frontend fe;
	struct pollfd pfd = {.events = POLLIN};
	char other[sizeof(f->path) + 8];
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	char byte;
	int waiting, late;
	pid_t pid;

	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	snprintf(other, sizeof(other), "%s-2", f->path);
	assert_int_equal(link(f->path, other), 0);
	fixture_start(f);
	ask(&fe, connect_to(f->path));
	waiting = connect_to(f->path); /* the first one is being served */
	pid = child_fork();
	while (!pid)
		pause();
	fixture_stop(f);
	vu_runner_free(f->runner);
	f->runner = NULL;
	assert_int_equal(frontend_wait_closed(&fe), 0);
	frontend_close(&fe);
	pfd.fd = waiting;
	assert_int_equal(poll(&pfd, 1, HANG_MS), 1);
	assert_int_equal(recv(waiting, &byte, 1, 0), 0);
	close(waiting);
	late = socket(AF_UNIX, SOCK_STREAM, 0);
	memcpy(to.sun_path, other, sizeof(other));
	assert_int_equal(connect(late, (const struct sockaddr *)&to, sizeof(to)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	close(late);
	assert_int_equal(unlink(other), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void two_hundred_devices_are_served_at_once(void **state)
{
	struct fixture *f = *state;
	struct vu_device *devs[MANY];
	struct frontend *fes;
	char path[80];

	spawn_need_files(MANY_FILES);
	fes = calloc(MANY, sizeof(*fes));
	for (int i = 0; i < MANY; i++) {
		devs[i] = new_device(f);
		snprintf(path, sizeof(path), "%s%d", f->path, i);
		assert_int_equal(vu_runner_listen(f->runner, devs[i], path, NULL), 0);
	}
	fixture_start(f);
	for (int i = 0; i < MANY; i++) {
		snprintf(path, sizeof(path), "%s%d", f->path, i);
		ask(&fes[i], connect_to(path));
	}
	/* All are connected, and all still answer. */
	for (int i = 0; i < MANY; i++) {
		uint64_t features;

		assert_int_equal(frontend_get_features(&fes[i], &features), 0);
		frontend_close(&fes[i]);
	}
	fixture_stop(f);
	vu_runner_free(f->runner);
	f->runner = NULL;
	for (int i = 0; i < MANY; i++)
		vu_device_free(devs[i]);
	free(fes);
}

static void structs_of_another_size_are_checked(void **state)
{
	struct fixture *f = *state;
	struct vu_runner *runner;
	struct vu_runner_info info = {.size = sizeof(info) - 1};
	struct vu_socket_info how = {.size = 0};
	struct {
		struct vu_runner_info info;
		uint64_t unknown;
	} newer = {.info.size = sizeof(newer), .unknown = 1};

	assert_int_equal(vu_runner_new(&info, &runner), -EINVAL);
	assert_int_equal(vu_runner_new(&newer.info, &runner), -E2BIG);
	newer.unknown = 0;
	assert_int_equal(vu_runner_new(&newer.info, &runner), 0);
	vu_runner_free(runner);
	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, &how), -EINVAL);
	how.size = sizeof(how);
	how.mode = 02777;
	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, &how), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(front_ends_are_served_one_after_another),
		TEST(a_second_front_end_waits_for_the_first_to_leave),
		TEST(a_connected_socket_is_one_session_and_then_the_run_ends),
		TEST(a_listening_socket_is_served_and_its_file_left_alone),
		TEST(other_kinds_of_fds_stay_the_callers),
		TEST(connecting_goes_on_until_somebody_listens),
		TEST(a_device_has_one_source_of_front_ends),
		TEST(a_device_that_somebody_attached_is_not_adopted),
		TEST(once_ends_with_the_first_session_and_a_silent_visitor_is_none),
		TEST(a_visitor_that_stays_and_says_nothing_makes_room),
		TEST(a_visitor_that_says_nothing_hears_of_the_end),
		TEST(a_visitor_has_all_the_time_that_there_is),
		TEST(a_visitor_that_spoke_is_not_told_of_as_silent),
		TEST(a_stop_before_the_run_ends_it_and_only_that_one),
		TEST(the_end_of_a_run_closes_its_sessions_and_the_devices_stay),
		TEST(nothing_is_removed_while_a_run_ends),
		TEST(what_is_in_use_is_not_freed_and_goes_on),
		TEST(a_child_of_fork_does_not_stop_its_parents_runner),
		TEST(the_end_is_heard_though_a_child_of_fork_lives_on),
		TEST(two_hundred_devices_are_served_at_once),
		TEST(structs_of_another_size_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
