/* SPDX-License-Identifier: MIT */
/* vu_runner: socket files, adopted fds, reconnection, many devices.  The runner has its thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libvu/vu.h>

#include "frontend/frontend.h"
#include "spawn.h"

enum { MANY = 200, RACES = 10, RACERS = 8 };

struct fixture {
	char dir[32];
	char path[64];
	struct vu_runner *runner;
	struct vu_device *dev;
	pthread_t thread;
	int run_result;
};

static void quiet(void *opaque, enum vu_log_level level, const char *line)
{
}

static struct vu_device *new_device(void)
{
	const struct vu_device_info info = {
		.size = sizeof(info), .device_id = 4, .n_queues = 1, .log_fn = quiet};
	struct vu_device *dev = NULL;

	assert_int_equal(vu_device_new(&info, NULL, NULL, &dev), 0);
	return dev;
}

static struct vu_runner *new_runner(uint32_t once)
{
	const struct vu_runner_info info = {.size = sizeof(info), .once = once, .log_fn = quiet};
	struct vu_runner *runner = NULL;

	assert_int_equal(vu_runner_new(&info, &runner), 0);
	return runner;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/vu-runner-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/sock", f->dir);
	f->runner = new_runner(0);
	f->dev = new_device();
	*state = f;
	return 0;
}

/* The directory must be empty again. */
static int teardown(void **state)
{
	struct fixture *f = *state;
	int ret;

	vu_runner_free(f->runner);
	vu_device_free(f->dev);
	ret = rmdir(f->dir);
	if (ret)
		print_error("%s: %s\n", f->dir, strerror(errno));
	free(f);
	return ret;
}

static void *run_thread(void *opaque)
{
	struct fixture *f = opaque;

	f->run_result = vu_runner_run(f->runner);
	return NULL;
}

static void start(struct fixture *f)
{
	assert_int_equal(pthread_create(&f->thread, NULL, run_thread, f), 0);
}

/* Wait for the end of a run that ends by itself. */
static void join(struct fixture *f)
{
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	assert_int_equal(f->run_result, 0);
}

static void stop(struct fixture *f)
{
	vu_runner_stop(f->runner);
	join(f);
}

static int socket_at(const char *path, int type, int backlog)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	if (backlog)
		assert_return_code(listen(fd, backlog), errno);
	return fd;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_return_code(connect(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	return fd;
}

static void ask(struct frontend *fe, int fd)
{
	uint64_t features = 0;

	frontend_init(fe, fd);
	fe->timeout_ms = SPAWN_TIMEOUT_MS;
	assert_int_equal(frontend_get_features(fe, &features), 0);
}

static void ask_once(int fd)
{
	struct frontend fe;

	ask(&fe, fd);
	frontend_close(&fe);
}

/* --- socket files --- */

static void a_stale_socket_file_is_replaced(void **state)
{
	struct fixture *f = *state;

	close(socket_at(f->path, SOCK_STREAM, 1));
	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	start(f);
	ask_once(connect_to(f->path));
	stop(f);
}

static void a_live_socket_is_left_alone(void **state)
{
	struct fixture *f = *state;
	int fd = socket_at(f->path, SOCK_STREAM, 1);

	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), -EADDRINUSE);
	assert_return_code(unlink(f->path), errno);
	close(fd);
	/* Bound, but for datagrams: also somebody's. */
	fd = socket_at(f->path, SOCK_DGRAM, 0);
	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), -EADDRINUSE);
	assert_return_code(unlink(f->path), errno);
	close(fd);
}

static void a_socket_with_a_full_backlog_is_alive(void **state)
{
	struct fixture *f = *state;
	int fd = socket_at(f->path, SOCK_STREAM, 1);
	int waiting[2] = {connect_to(f->path), connect_to(f->path)};

	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), -EADDRINUSE);
	close(waiting[0]);
	close(waiting[1]);
	close(fd);
	assert_return_code(unlink(f->path), errno);
}

static void a_path_that_is_no_socket_is_left_alone(void **state)
{
	struct fixture *f = *state;

	close(open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), -EEXIST);
	assert_return_code(unlink(f->path), errno);
	assert_return_code(symlink("elsewhere", f->path), errno);
	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), -EEXIST);
	assert_return_code(unlink(f->path), errno);
	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->dir, NULL), -EEXIST);
}

static void somebody_elses_socket_file_stays(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	int fd;

	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	assert_return_code(unlink(f->path), errno);
	fd = socket_at(f->path, SOCK_STREAM, 1);
	vu_runner_free(f->runner);
	f->runner = NULL;
	assert_return_code(stat(f->path, &st), errno);
	close(fd);
	assert_return_code(unlink(f->path), errno);
}

static void the_mode_is_exact_whatever_the_umask(void **state)
{
	static const struct {
		uint32_t mode, umask, want;
	} rows[] = {{0, 0, 0600}, {0, 0777, 0600}, {0660, 077, 0660}, {0666, 0, 0666}};
	struct fixture *f = *state;
	struct stat st;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vu_socket_info info = {
			.size = sizeof(info), .mode = rows[i].mode, .group = (uint32_t)-1};
		struct vu_runner *runner = new_runner(0);
		mode_t old = umask(rows[i].umask);

		assert_int_equal(vu_runner_listen(runner, f->dev, f->path, &info), 0);
		umask(old);
		assert_return_code(stat(f->path, &st), errno);
		assert_int_equal(st.st_mode & 07777, rows[i].want);
		vu_runner_free(runner);
	}
}

static void paths_that_do_not_fit_are_refused(void **state)
{
	struct fixture *f = *state;
	char path[200];

	memset(path, 'x', sizeof(path));
	path[108] = '\0';
	assert_int_equal(vu_runner_listen(f->runner, f->dev, path, NULL), -ENAMETOOLONG);
	assert_int_equal(vu_runner_connect(f->runner, f->dev, path), -ENAMETOOLONG);
	assert_int_equal(vu_runner_listen(f->runner, f->dev, "", NULL), -EINVAL);
	assert_int_equal(vu_runner_listen(f->runner, f->dev, "/no/such/dir/x", NULL), -ENOENT);
}

/* One of those that start on one stale file at the same moment. */
__attribute__((noreturn)) static void race(const struct fixture *f, int go, int done)
{
	struct vu_runner *runner = new_runner(0);
	struct vu_device *dev = new_device();
	char byte;
	int ret;

	if (read(go, &byte, 1) < 0) /* the parent closes its end */
		_exit(9);
	ret = vu_runner_listen(runner, dev, f->path, NULL);
	/* Keep listening until all have tried, and leave the file to the parent. */
	if (write(done, "x", 1) != 1 || read(done, &byte, 1) < 0)
		_exit(9);
	_exit(ret == 0 ? 0 : ret == -EADDRINUSE ? 1 : 2);
}

static void race_once(const struct fixture *f)
{
	int go[2], done[2], won = 0;
	char byte;

	close(socket_at(f->path, SOCK_STREAM, 1));
	assert_return_code(pipe(go), errno);
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, done), errno);
	for (int i = 0; i < RACERS; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (!pid) {
			close(go[1]);
			close(done[0]);
			race(f, go[0], done[1]);
		}
	}
	close(go[1]);
	close(done[1]);
	for (int i = 0; i < RACERS; i++)
		assert_int_equal(read(done[0], &byte, 1), 1);
	close(connect_to(f->path)); /* the winner's file is the one that is there */
	close(done[0]);
	for (int i = 0; i < RACERS; i++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
		won += WEXITSTATUS(status) == 0;
	}
	close(go[0]);
	assert_int_equal(won, 1);
	assert_return_code(unlink(f->path), errno);
}

static void of_many_that_start_at_once_one_gets_the_socket(void **state)
{
	for (int i = 0; i < RACES; i++)
		race_once(*state);
}

/* --- where front-ends come from --- */

static void front_ends_are_served_one_after_another(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	start(f);
	for (int i = 0; i < 20; i++)
		ask_once(connect_to(f->path));
	stop(f);
}

static void a_second_front_end_waits_for_the_first_to_leave(void **state)
{
	struct fixture *f = *state;
	struct frontend first, second;
	struct pollfd pfd = {.events = POLLIN};

	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	start(f);
	ask(&first, connect_to(f->path));
	frontend_init(&second, connect_to(f->path));
	assert_int_equal(frontend_send(&second, WIRE_GET_FEATURES, 0, NULL, 0, NULL, 0), 0);
	pfd.fd = second.fd;
	assert_int_equal(poll(&pfd, 1, 50), 0);
	frontend_close(&first);
	assert_int_equal(poll(&pfd, 1, SPAWN_TIMEOUT_MS), 1);
	assert_false(pfd.revents & POLLHUP);
	frontend_close(&second);
	stop(f);
}

static void a_connected_socket_is_one_session_and_then_the_run_ends(void **state)
{
	struct fixture *f = *state;

	/* A broker may hand over one connection after the other. */
	for (int i = 0; i < 3; i++) {
		int pair[2];

		assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), errno);
		assert_int_equal(vu_runner_adopt(f->runner, f->dev, pair[1]), 0);
		start(f);
		ask_once(pair[0]);
		join(f);
	}
}

static void a_listening_socket_is_served_and_its_file_left_alone(void **state)
{
	struct fixture *f = *state;
	int fd = socket_at(f->path, SOCK_STREAM, 4);

	assert_int_equal(vu_runner_adopt(f->runner, f->dev, fd), 0);
	start(f);
	ask_once(connect_to(f->path));
	ask_once(connect_to(f->path));
	stop(f);
	vu_runner_free(f->runner);
	f->runner = NULL;
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_return_code(unlink(f->path), errno);
}

static void other_kinds_of_fds_stay_the_callers(void **state)
{
	struct fixture *f = *state;
	int pipes[2], pair[2], inet = socket(AF_INET, SOCK_STREAM, 0);

	assert_return_code(pipe(pipes), errno);
	assert_return_code(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), errno);
	assert_int_equal(vu_runner_adopt(f->runner, f->dev, pipes[0]), -ENOTSOCK);
	assert_int_equal(vu_runner_adopt(f->runner, f->dev, pair[0]), -EINVAL);
	assert_int_equal(vu_runner_adopt(f->runner, f->dev, inet), -EINVAL);
	assert_int_equal(vu_runner_adopt(f->runner, f->dev, -1), -EBADF);
	assert_int_equal(close(pipes[0]) | close(pipes[1]) | close(pair[0]) | close(pair[1]), 0);
	assert_int_equal(close(inet), 0);
}

static void connecting_goes_on_until_somebody_listens(void **state)
{
	struct fixture *f = *state;
	int fd;

	assert_int_equal(vu_runner_connect(f->runner, f->dev, f->path), 0);
	start(f);
	usleep(150000);
	fd = socket_at(f->path, SOCK_STREAM, 1);
	ask_once(accept(fd, NULL, NULL));
	ask_once(accept(fd, NULL, NULL));
	/* The front-end restarts. */
	close(fd);
	assert_return_code(unlink(f->path), errno);
	fd = socket_at(f->path, SOCK_STREAM, 1);
	ask_once(accept(fd, NULL, NULL));
	stop(f);
	close(fd);
	assert_return_code(unlink(f->path), errno);
}

static void a_device_has_one_source_of_front_ends(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), -EBUSY);
	assert_int_equal(vu_runner_connect(f->runner, f->dev, f->path), -EBUSY);
}

/* --- running --- */

static void once_ends_with_the_first_session_and_a_silent_visitor_is_none(void **state)
{
	struct fixture *f = *state;

	vu_runner_free(f->runner);
	f->runner = new_runner(1);
	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	start(f);
	close(connect_to(f->path));
	close(connect_to(f->path));
	ask_once(connect_to(f->path));
	join(f);
	assert_int_equal(access(f->path, F_OK), -1);
}

static void a_stop_before_the_run_ends_it_and_only_that_one(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vu_runner_run(f->runner), 0); /* nothing to serve */
	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	vu_runner_stop(f->runner);
	vu_runner_stop(f->runner);
	assert_int_equal(vu_runner_run(f->runner), 0);
	start(f);
	ask_once(connect_to(f->path));
	stop(f);
}

static void a_freed_runner_closes_its_sessions_and_the_device_stays(void **state)
{
	struct fixture *f = *state;
	struct frontend fe;

	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	start(f);
	ask(&fe, connect_to(f->path));
	stop(f);
	assert_int_equal(vu_device_is_attached(f->dev), 1);
	vu_runner_free(f->runner);
	f->runner = new_runner(0);
	assert_int_equal(vu_device_is_attached(f->dev), 0);
	assert_int_equal(frontend_wait_closed(&fe), 0);
	frontend_close(&fe);
	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	start(f);
	ask_once(connect_to(f->path));
	stop(f);
}

static void two_hundred_devices_are_served_at_once(void **state)
{
	struct fixture *f = *state;
	struct vu_device *devs[MANY];
	struct frontend *fes = calloc(MANY, sizeof(*fes));
	char path[80];

	for (int i = 0; i < MANY; i++) {
		devs[i] = new_device();
		snprintf(path, sizeof(path), "%s%d", f->path, i);
		assert_int_equal(vu_runner_listen(f->runner, devs[i], path, NULL), 0);
	}
	start(f);
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
	stop(f);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_stale_socket_file_is_replaced),
		TEST(a_live_socket_is_left_alone),
		TEST(a_socket_with_a_full_backlog_is_alive),
		TEST(a_path_that_is_no_socket_is_left_alone),
		TEST(somebody_elses_socket_file_stays),
		TEST(the_mode_is_exact_whatever_the_umask),
		TEST(paths_that_do_not_fit_are_refused),
		TEST(of_many_that_start_at_once_one_gets_the_socket),
		TEST(front_ends_are_served_one_after_another),
		TEST(a_second_front_end_waits_for_the_first_to_leave),
		TEST(a_connected_socket_is_one_session_and_then_the_run_ends),
		TEST(a_listening_socket_is_served_and_its_file_left_alone),
		TEST(other_kinds_of_fds_stay_the_callers),
		TEST(connecting_goes_on_until_somebody_listens),
		TEST(a_device_has_one_source_of_front_ends),
		TEST(once_ends_with_the_first_session_and_a_silent_visitor_is_none),
		TEST(a_stop_before_the_run_ends_it_and_only_that_one),
		TEST(a_freed_runner_closes_its_sessions_and_the_device_stays),
		TEST(two_hundred_devices_are_served_at_once),
		TEST(structs_of_another_size_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
