/* SPDX-License-Identifier: MIT */
/* Starting programs for tests.  Failures end the test through cmocka. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kit/child.h"
#include "kit/test.h"
#include "spawn.h"

static void spawn_sleep_ms(long ms)
{
	const struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&ts, NULL);
}

__attribute__((noreturn)) static void spawn_exec(const struct spawned *s, const char *const *argv,
						 const struct spawn_setup *setup)
{
	char number[16];

	/* A shell's background job has these two ignored. */
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	dup2(s->out_fd, STDOUT_FILENO);
	dup2(s->err_fd, STDERR_FILENO);
	if (setup && setup->fd3 >= 0) {
		int copy = fcntl(setup->fd3, F_DUPFD, 10);

		dup2(copy, 3);
		close(copy);
	}
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	if (setup && setup->listen_fds) {
		snprintf(number, sizeof(number), "%d",
			 setup->listen_pid ? setup->listen_pid : getpid());
		setenv("LISTEN_PID", number, 1);
		setenv("LISTEN_FDS", setup->listen_fds, 1);
	}
	execv(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

void spawn_start(struct spawned *s, const char *const *argv, const struct spawn_setup *setup)
{
	memset(s, 0, sizeof(*s));
	assert_non_null(argv[0]);
	s->out_fd = memfd_create("stdout", MFD_CLOEXEC);
	s->err_fd = memfd_create("stderr", MFD_CLOEXEC);
	assert_true(s->out_fd >= 0 && s->err_fd >= 0);
	s->pid = child_fork();
	assert_true(s->pid >= 0);
	if (!s->pid)
		spawn_exec(s, argv, setup);
}

static char *spawn_read(int fd)
{
	struct stat st;
	char *text;

	assert_return_code(fstat(fd, &st), errno);
	text = calloc(1, (size_t)st.st_size + 1);
	assert_non_null(text);
	assert_int_equal(pread(fd, text, (size_t)st.st_size, 0), st.st_size);
	return text;
}

void spawn_wait(struct spawned *s)
{
	int status = 0, waited = 0;
	pid_t ret;

	while ((ret = waitpid(s->pid, &status, WNOHANG)) == 0 && waited < HANG_MS) {
		spawn_sleep_ms(5);
		waited += 5;
	}
	if (!ret) {
		kill(s->pid, SIGKILL);
		waitpid(s->pid, &status, 0);
		fail_msg("the program did not end; its log: %s", spawn_read(s->err_fd));
	}
	s->status = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
	s->out = spawn_read(s->out_fd);
	s->err = spawn_read(s->err_fd);
}

void spawn_stop(struct spawned *s)
{
	assert_return_code(kill(s->pid, SIGTERM), errno);
	spawn_wait(s);
}

void spawn_free(struct spawned *s)
{
	close(s->out_fd);
	close(s->err_fd);
	free(s->out);
	free(s->err);
}

void spawn_run(struct spawned *s, const char *const *argv)
{
	spawn_start(s, argv, NULL);
	spawn_wait(s);
}

static bool spawn_is_listening(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), ret;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	ret = connect(fd, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return !ret;
}

void spawn_wait_listening(const char *path)
{
	for (int waited = 0; waited < HANG_MS; waited += 5) {
		if (spawn_is_listening(path))
			return;
		spawn_sleep_ms(5);
	}
	fail_msg("nobody listens at %s", path);
}

/* Its status stays to be waited for. */
static bool spawn_has_ended(const struct spawned *s)
{
	siginfo_t info = {.si_pid = 0};

	return !waitid(P_PID, (id_t)s->pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid;
}

void spawn_wait_up(struct spawned *s, const char *path)
{
	for (int waited = 0; waited < HANG_MS; waited += 5) {
		if (spawn_is_listening(path))
			return;
		if (spawn_has_ended(s)) {
			spawn_wait(s);
			s->pid = 0;
			fail_msg("the program ended with status %d; its log: %s", s->status,
				 s->err);
		}
		spawn_sleep_ms(5);
	}
	fail_msg("nobody listens at %s", path);
}

void spawn_need_files(unsigned int n)
{
	struct rlimit limit;

	assert_return_code(getrlimit(RLIMIT_NOFILE, &limit), errno);
	if (limit.rlim_cur >= n)
		return;
	if (limit.rlim_max < n) {
		print_message("needs %u open files; the limit is %llu (ulimit -Hn)\n", n,
			      (unsigned long long)limit.rlim_max);
		skip();
	}
	limit.rlim_cur = n;
	assert_return_code(setrlimit(RLIMIT_NOFILE, &limit), errno);
}

void spawn_expect(const char *const *argv, int status, const char *out, const char *err)
{
	struct spawned s;

	spawn_run(&s, argv);
	if (s.status != status)
		print_error("%s", s.err);
	assert_int_equal(s.status, status);
	assert_non_null(strstr(s.out, out));
	assert_non_null(strstr(s.err, err));
	spawn_free(&s);
}
