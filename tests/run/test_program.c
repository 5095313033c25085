/* SPDX-License-Identifier: MIT */
/* vu_program from outside: real programs, started as management software starts them. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kit/folder.h"
#include "kit/test.h"
#include "sockets.h"
#include "spawn.h"

#define VU_RNG getenv("VU_RNG")
#define ARGV(...)                                                                                  \
	(const char *const[])                                                                      \
	{                                                                                          \
		VU_RNG, __VA_ARGS__, NULL                                                          \
	}

/* A directory that must be empty again when the test is over. */
struct fixture {
	char dir[32];
	char path[64];	 /* a socket's, in dir */
	char option[96]; /* --socket-path=path */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	folder_make(f->dir, "vu-program");
	snprintf(f->path, sizeof(f->path), "%s/sock", f->dir);
	snprintf(f->option, sizeof(f->option), "--socket-path=%s", f->path);
	*state = f;
	return 0;
}

static void ask_path(struct frontend *f, const char *path)
{
	ask(f, connect_to(path));
}

static void capabilities_are_printed_whatever_else_is_on_the_command_line(void **state)
{
	struct spawned s;

	spawn_run(&s, ARGV("--no-such-option", "--fd=x", "--print-capabilities", "stray"));
	assert_int_equal(s.status, 0);
	assert_string_equal(s.out, "{\n  \"type\": \"rng\",\n  \"features\": []\n}\n");
	assert_string_equal(s.err, "");
	spawn_free(&s);
}

static void help_lists_the_devices_options_and_everybodys(void **state)
{
	spawn_expect(ARGV("-h"), 0, "--source=PATH", "");
	spawn_expect(ARGV("--help"), 0, "--source=PATH", "");
	spawn_expect(ARGV("--help"), 0, "--socket-path=PATH", "");
	spawn_expect(ARGV("--help"), 0, "--connect=PATH", "");
	spawn_expect(ARGV("--help"), 0, "--print-capabilities", "");
	spawn_expect(ARGV("--version"), 0, "vu-rng (libvu ", "");
	/* One without options of its own. */
	spawn_expect((const char *const[]){getenv("MINIMAL_RNG"), "--help", NULL}, 0,
		     "Options of every libvu program:", "");
}

static void options_for_workers_say_when_they_have_no_effect(void **state)
{
	struct fixture *f = *state;
	struct spawned s;

	spawn_start(&s, ARGV(f->option, "--poll-us=50"), NULL);
	spawn_wait_listening(f->path);
	spawn_stop(&s);
	assert_int_equal(s.status, 0);
	assert_non_null(strstr(s.err, "they have no effect"));
	spawn_free(&s);
}

static void what_cannot_be_served_exits_with_1(void **state)
{
	struct fixture *f = *state;
	char longer[200];

	memset(longer, 'x', sizeof(longer));
	memcpy(longer, "--socket-path=/tmp/", 19);
	longer[sizeof(longer) - 1] = '\0';
	spawn_expect(ARGV(longer), 1, "", "File name too long (a socket's path has at most 107");
	spawn_expect(ARGV("--socket-path=/no/such/directory/x"), 1, "",
		     "No such file or directory (its folder");
	spawn_expect(ARGV("--fd=77"), 1, "", "file descriptor 77: Bad file descriptor");
	spawn_expect(ARGV("--fd=1"), 1, "", "file descriptor 1: Socket operation on non-socket");
	/* The device comes first: no socket file shows up that nobody will serve. */
	spawn_expect(ARGV(f->option, "--source=/no/such/file"), 1, "",
		     "/no/such/file: No such file");
	spawn_expect(ARGV(f->option, "--source=/"), 1, "", "Is a directory");
}

static void sigterm_ends_it_with_0_and_without_a_socket_file(void **state)
{
	struct fixture *f = *state;
	struct frontend idle, fe;
	struct spawned s;

	spawn_start(&s, ARGV("--socket-path", f->path), NULL);
	spawn_wait_listening(f->path);
	ask_path(&fe, f->path);
	frontend_close(&fe);
	ask_path(&idle, f->path); /* still connected when the signal comes */

	spawn_stop(&s);
	assert_int_equal(s.status, 0);
	assert_int_equal(access(f->path, F_OK), -1);
	assert_int_equal(frontend_wait_closed(&idle), 0);
	frontend_close(&idle);
	spawn_free(&s);
}

static void whatever_the_device_it_can_be_behind_an_iommu_and_be_moved_by_postcopy(void **state)
{
	struct fixture *f = *state;
	struct frontend fe;
	struct spawned s;
	uint64_t bits;

	spawn_start(&s, ARGV(f->option, "--iommu", "--postcopy"), NULL);
	spawn_wait_listening(f->path);
	ask_path(&fe, f->path);
	assert_int_equal(frontend_get_features(&fe, &bits), 0);
	assert_true(bits >> 33 & 1); /* VIRTIO_F_ACCESS_PLATFORM */
	frontend_close(&fe);
	spawn_stop(&s);
	assert_int_equal(s.status, 0);
	spawn_free(&s);
}

/* Two hundred devices need more than the limit that is for select(2). */
static void it_may_have_as_many_descriptors_as_it_is_allowed(void **state)
{
	struct fixture *f = *state;
	struct rlimit before, low, its;
	struct spawned s;

	assert_return_code(getrlimit(RLIMIT_NOFILE, &before), errno);
	low = before;
	low.rlim_cur = 200;
	assert_return_code(setrlimit(RLIMIT_NOFILE, &low), errno);
	spawn_start(&s, ARGV(f->option), NULL);
	assert_return_code(setrlimit(RLIMIT_NOFILE, &before), errno);
	spawn_wait_listening(f->path);
	assert_return_code(prlimit(s.pid, RLIMIT_NOFILE, NULL, &its), errno);
	assert_true(its.rlim_cur == before.rlim_max);
	spawn_stop(&s);
	spawn_free(&s);
}

static void sigint_ends_it_as_well(void **state)
{
	struct fixture *f = *state;
	struct spawned s;

	spawn_start(&s, ARGV(f->option), NULL);
	spawn_wait_listening(f->path);
	kill(s.pid, SIGINT);
	spawn_wait(&s);
	assert_int_equal(s.status, 0);
	spawn_free(&s);
}

static void a_second_program_on_the_socket_is_refused_and_the_first_goes_on(void **state)
{
	struct fixture *f = *state;
	struct frontend fe;
	struct spawned s;

	/* Even one that would end after its first session: a look is not a session. */
	spawn_start(&s, ARGV(f->option, "--once"), NULL);
	spawn_wait_listening(f->path);
	spawn_expect(ARGV(f->option), 1, "",
		     "Address already in use (another program is listening");
	ask_path(&fe, f->path);
	frontend_close(&fe);
	spawn_wait(&s);
	assert_int_equal(s.status, 0);
	spawn_free(&s);
}

static void the_socket_file_of_a_killed_program_is_replaced(void **state)
{
	struct fixture *f = *state;
	struct frontend fe;
	struct spawned s;

	spawn_start(&s, ARGV(f->option), NULL);
	spawn_wait_listening(f->path);
	kill(s.pid, SIGKILL);
	spawn_wait(&s);
	assert_int_equal(s.status, 1000 + SIGKILL);
	spawn_free(&s);
	assert_int_equal(access(f->path, F_OK), 0);

	spawn_start(&s, ARGV(f->option), NULL);
	spawn_wait_listening(f->path);
	ask_path(&fe, f->path);
	spawn_stop(&s);
	frontend_close(&fe);
	assert_int_equal(s.status, 0);
	spawn_free(&s);
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
{
	struct fixture *f = *state;
	int fd = open(f->path, O_CREAT | O_WRONLY, 0600);

	assert_true(fd >= 0);
	close(fd);
	spawn_expect(ARGV(f->option), 1, "", "it is not a socket");
	assert_return_code(unlink(f->path), errno);
}

/* One that this user may give a file to; another than new files have anyway, where there is one. */
static gid_t a_group_of_ours(void)
{
	gid_t groups[64];
	int n = getgroups(64, groups);

	for (int i = 0; i < n; i++)
		if (groups[i] != getegid())
			return groups[i];
	return getegid();
}

static void mode_and_group_of_the_socket_file_can_be_set(void **state)
{
	struct fixture *f = *state;
	gid_t group = a_group_of_ours();
	char option[48];
	struct spawned s;
	struct stat st;

	snprintf(option, sizeof(option), "--socket-group=%u", (unsigned int)group);
	spawn_start(&s, ARGV(f->option, "--socket-mode=0666", option), NULL);
	spawn_wait_listening(f->path);
	assert_return_code(stat(f->path, &st), errno);
	assert_int_equal(st.st_mode & 07777, 0666);
	assert_int_equal(st.st_gid, group);
	spawn_stop(&s);
	spawn_free(&s);
}

static void a_connected_fd_is_served_for_its_one_session(void **state)
{
	struct spawn_setup child = {.fd3 = -1};
	struct frontend fe;
	struct spawned s;
	int pair[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), errno);
	child.fd3 = pair[1];
	spawn_start(&s, ARGV("--fd=3"), &child);
	close(pair[1]);
	ask(&fe, pair[0]);
	frontend_close(&fe);
	spawn_wait(&s);
	assert_int_equal(s.status, 0);
	spawn_free(&s);
}

static void serve_listening_fd(const char *path, const char *const *argv, struct spawn_setup *child)
{
	struct frontend fe;
	struct spawned s;

	child->fd3 = socket_at(path, SOCK_STREAM, 8);
	spawn_start(&s, argv, child);
	close(child->fd3);
	for (int i = 0; i < 3; i++) {
		ask_path(&fe, path);
		frontend_close(&fe);
	}
	spawn_stop(&s);
	assert_int_equal(s.status, 0);
	/* Whoever made the file removes it. */
	assert_return_code(unlink(path), errno);
	spawn_free(&s);
}

static void a_listening_fd_is_served_again_and_again(void **state)
{
	struct fixture *f = *state;
	struct spawn_setup child = {.fd3 = -1};

	serve_listening_fd(f->path, ARGV("--fd", "3"), &child);
}

static void sockets_of_a_service_manager_are_served(void **state)
{
	struct fixture *f = *state;
	struct spawn_setup child = {.listen_fds = "1"};

	serve_listening_fd(f->path, ARGV("--verbose"), &child);
}

static void sockets_meant_for_another_process_are_not_touched(void **state)
{
	struct fixture *f = *state;
	struct spawn_setup child = {.listen_fds = "1", .listen_pid = 1};
	struct spawned s;

	child.fd3 = socket_at(f->path, SOCK_STREAM, 8);
	spawn_start(&s, ARGV("--verbose"), &child);
	spawn_wait(&s);
	assert_int_equal(s.status, 2);
	assert_non_null(strstr(s.err, "LISTEN_PID=1: the inherited sockets are for that process"));
	spawn_free(&s);

	child.listen_pid = 0;
	child.listen_fds = "1x";
	spawn_start(&s, ARGV("--verbose"), &child);
	spawn_wait(&s);
	assert_int_equal(s.status, 1);
	assert_non_null(strstr(s.err, "LISTEN_FDS"));
	spawn_free(&s);
	close(child.fd3);
	assert_return_code(unlink(f->path), errno);
}

static void a_front_end_that_listens_is_connected_to(void **state)
{
	struct fixture *f = *state;
	struct frontend fe;
	struct spawned s;
	char option[96];
	int listener;

	snprintf(option, sizeof(option), "--connect=%s", f->path);
	spawn_start(&s, ARGV(option), NULL);
	listener = socket_at(f->path, SOCK_STREAM, 8);
	for (int i = 0; i < 2; i++) {
		ask(&fe, accept(listener, NULL, NULL));
		frontend_close(&fe);
	}
	spawn_stop(&s);
	assert_int_equal(s.status, 0);
	close(listener);
	assert_return_code(unlink(f->path), errno);
	spawn_free(&s);
}

static void one_device_is_made_for_each_socket_path(void **state)
{
	struct fixture *f = *state;
	struct frontend a, b;
	struct spawned s;
	char second[72], option[96];

	snprintf(second, sizeof(second), "%s/second", f->dir);
	snprintf(option, sizeof(option), "--socket-path=%s", second);
	spawn_start(&s, ARGV(f->option, option), NULL);
	spawn_wait_listening(second);
	ask_path(&a, f->path);
	ask_path(&b, second);
	spawn_stop(&s);
	assert_int_equal(s.status, 0);
	assert_non_null(strstr(s.err, "rng0: listening on"));
	assert_non_null(strstr(s.err, "rng1: listening on"));
	frontend_close(&a);
	frontend_close(&b);
	spawn_free(&s);
}

static void a_gone_reader_of_the_log_does_not_kill_it(void **state)
{
	struct fixture *f = *state;
	struct frontend fe;
	struct spawned s;
	char script[2048];
	const char *argv[] = {"/bin/sh", "-c", script, NULL};

	/* The read end of the pipe is closed before the program has written a line. */
	snprintf(script, sizeof(script),
		 "mkfifo %s/log; { :; } <%s/log & exec 2>%s/log; wait; rm %s/log; exec %s %s",
		 f->dir, f->dir, f->dir, f->dir, VU_RNG, f->option);
	spawn_start(&s, argv, NULL);
	spawn_wait_listening(f->path);
	ask_path(&fe, f->path);
	frontend_close(&fe);
	spawn_stop(&s);
	assert_int_equal(s.status, 0);
	spawn_free(&s);
}

/* Its program, and how that ends when it is told to. */
/* It turns away who comes before it has seen the last one go. */
static void ask_until_served(struct frontend *fe, const char *path)
{
	uint64_t features;

	frontend_init(fe, connect_to(path));
	while (frontend_get_features(fe, &features) != 0) {
		frontend_close(fe);
		frontend_init(fe, connect_to(path));
	}
}

static void expect_embedded(struct fixture *f, const char *program, int end)
{
	const char *argv[] = {program, f->path, NULL};
	struct frontend fe;
	struct spawned s;

	spawn_start(&s, argv, NULL);
	spawn_wait_listening(f->path);
	for (int i = 0; i < 3; i++) {
		ask_until_served(&fe, f->path);
		frontend_close(&fe);
	}
	spawn_stop(&s);
	assert_int_equal(s.status, end);
	spawn_free(&s);
}

static void a_device_in_a_loop_of_epoll_serves_one_front_end_after_another(void **state)
{
	struct fixture *f = *state;

	expect_embedded(f, getenv("EMBED_EPOLL"), 1000 + SIGTERM);
	assert_return_code(unlink(f->path), errno);
}

static void a_device_in_a_loop_of_libuv_serves_one_front_end_after_another(void **state)
{
	if (!getenv("EMBED_LIBUV")) {
		print_message("embed-libuv is not built: libuv was not found (libuv1-dev)\n");
		skip();
	}
	expect_embedded(*state, getenv("EMBED_LIBUV"), 0);
}

/* Its runner takes the socket file away. */
static void a_runner_in_a_loop_of_glib_serves_one_front_end_after_another(void **state)
{
	struct fixture *f = *state;

	if (!getenv("EMBED_GLIB")) {
		print_message("embed-glib is not built: GLib was not found (libglib2.0-dev)\n");
		skip();
	}
	expect_embedded(f, getenv("EMBED_GLIB"), 0);
	assert_int_equal(access(f->path, F_OK), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, folder_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(capabilities_are_printed_whatever_else_is_on_the_command_line),
		TEST(help_lists_the_devices_options_and_everybodys),
		TEST(options_for_workers_say_when_they_have_no_effect),
		TEST(what_cannot_be_served_exits_with_1),
		TEST(sigterm_ends_it_with_0_and_without_a_socket_file),
		TEST(sigint_ends_it_as_well),
		TEST(whatever_the_device_it_can_be_behind_an_iommu_and_be_moved_by_postcopy),
		TEST(it_may_have_as_many_descriptors_as_it_is_allowed),
		TEST(a_second_program_on_the_socket_is_refused_and_the_first_goes_on),
		TEST(the_socket_file_of_a_killed_program_is_replaced),
		TEST(a_file_that_is_no_socket_is_left_alone),
		TEST(mode_and_group_of_the_socket_file_can_be_set),
		TEST(a_connected_fd_is_served_for_its_one_session),
		TEST(a_listening_fd_is_served_again_and_again),
		TEST(sockets_of_a_service_manager_are_served),
		TEST(sockets_meant_for_another_process_are_not_touched),
		TEST(a_front_end_that_listens_is_connected_to),
		TEST(one_device_is_made_for_each_socket_path),
		TEST(a_gone_reader_of_the_log_does_not_kill_it),
		TEST(a_device_in_a_loop_of_epoll_serves_one_front_end_after_another),
		TEST(a_device_in_a_loop_of_libuv_serves_one_front_end_after_another),
		TEST(a_runner_in_a_loop_of_glib_serves_one_front_end_after_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
