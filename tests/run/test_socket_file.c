/* SPDX-License-Identifier: MIT */
/* vu_runner_listen(): what happens to files that are, or are not, another's. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit/child.h"
#include "kit/test.h"
#include "fixture.h"
#include "sockets.h"

enum { RACES = 10, RACERS = 8 };

static void a_stale_socket_file_is_replaced(void **state)
{
	struct fixture *f = *state;

	close(socket_at(f->path, SOCK_STREAM, 1));
	assert_int_equal(vu_runner_listen(f->runner, f->dev, f->path, NULL), 0);
	fixture_start(f);
	ask_once(connect_to(f->path));
	fixture_stop(f);
}

static void a_path_may_be_a_name_in_the_current_folder(void **state)
{
	struct fixture *f = *state;
	char before[256], *slash = strrchr(f->path, '/');

	assert_non_null(getcwd(before, sizeof(before)));
	*slash = '\0';
	assert_return_code(chdir(f->path), errno);
	*slash = '/';
	assert_int_equal(vu_runner_listen(f->runner, f->dev, slash + 1, NULL), 0);
	fixture_start(f);
	ask_once(connect_to(f->path));
	fixture_stop(f);
	assert_return_code(chdir(before), errno);
	/* From elsewhere its runner cannot. */
	assert_return_code(unlink(f->path), errno);
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
		struct vu_runner *runner = new_runner(f, 0);
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
__attribute__((noreturn)) static void race(struct fixture *f, int go, int done)
{
	struct vu_runner *runner = new_runner(f, 0);
	struct vu_device *dev = new_device(f);
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

static void race_once(struct fixture *f)
{
	int go[2], done[2], won = 0;
	char byte;

	close(socket_at(f->path, SOCK_STREAM, 1));
	assert_return_code(pipe(go), errno);
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, done), errno);
	for (int i = 0; i < RACERS; i++) {
		pid_t pid = child_fork();

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_stale_socket_file_is_replaced),
		TEST(a_path_may_be_a_name_in_the_current_folder),
		TEST(a_live_socket_is_left_alone),
		TEST(a_socket_with_a_full_backlog_is_alive),
		TEST(a_path_that_is_no_socket_is_left_alone),
		TEST(somebody_elses_socket_file_stays),
		TEST(the_mode_is_exact_whatever_the_umask),
		TEST(paths_that_do_not_fit_are_refused),
		TEST(of_many_that_start_at_once_one_gets_the_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
