/* SPDX-License-Identifier: MIT */
/* See gpu_spawn.h. */
#include "gpu_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../common/close_from.h"
#include "../common/sandbox.h"
#include "gpu_renderer.h"

enum { FIRST_OWN_FD = 3 };

/* --- in the spawner --- */

/* Only what is said to the log stays open, and that socket, under its own number. */
static int keep_only(int fd)
{
	if (dup2(fd, FIRST_OWN_FD) < 0)
		return -errno;
	close_from(FIRST_OWN_FD + 1);
	return FIRST_OWN_FD;
}

/* It may be the front-end's connection (--fd=0), which is nobody else's. */
static void drop_input(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0 || dup2(fd, STDIN_FILENO) < 0)
		close(STDIN_FILENO);
	if (fd > STDIN_FILENO)
		close(fd);
}

static void answer(int socket, const struct spawn_answer *what, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.bytes = ""};
	struct iovec iov = {(void *)(uintptr_t)what, sizeof(*what)};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *head;

	if (fd >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	}
	if (sendmsg(socket, &message, MSG_NOSIGNAL) < 0)
		_exit(1);
}

static pid_t make_one(const struct spawn_limits *limits, int *theirs)
{
	pid_t pid, parent = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		renderer_run(keep_only(pair[1]), limits);
	}
	close(pair[1]);
	*theirs = pair[0];
	if (pid < 0)
		close(pair[0]);
	return pid;
}

static int end_one(pid_t pid)
{
	int status = 0;

	if (pid > 0) {
		kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	return status;
}

static void spawner_run(int socket, const struct spawn_limits *limits)
{
	const char *failed;
	pid_t pid = -1;
	char byte;

	prctl(PR_SET_NAME, "vu-gpu-3d");
	/* It ends with the device, whose socket it has the other end of. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	drop_input();
	if (limits->shut_in && sandbox_drop_rights(0, &failed))
		_exit(1);
	while (recv(socket, &byte, 1, 0) == 1) {
		struct spawn_answer what = {.status = end_one(pid)};
		int theirs = -1;

		pid = what.pid = make_one(limits, &theirs);
		if (pid < 0)
			what.error = -errno;
		answer(socket, &what, pid < 0 ? -1 : theirs);
		if (pid >= 0)
			close(theirs);
	}
	end_one(pid);
	_exit(0);
}

/* --- in the device --- */

int spawn_start(const struct spawn_limits *limits)
{
	int pair[2], error;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = fork();
	/* A grandchild: nobody here can wait for it. */
	if (!pid) {
		if (fork())
			_exit(0);
		spawner_run(keep_only(pair[1]), limits);
	}
	error = pid < 0 ? errno : 0;
	close(pair[1]);
	while (!error && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (!error)
		return pair[0];
	close(pair[0]);
	return -error;
}

int spawn_ask(int spawner)
{
	return send(spawner, "+", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int spawn_answer(int spawner, bool wait, struct spawn_answer *what)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {what, sizeof(*what)};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	const struct cmsghdr *head;
	ssize_t n;
	int fd;

	do
		n = recvmsg(spawner, &message, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n != sizeof(*what))
		return -ECONNRESET;
	head = CMSG_FIRSTHDR(&message);
	if (!head || head->cmsg_type != SCM_RIGHTS || head->cmsg_len != CMSG_LEN(sizeof(int)))
		return what->error ? what->error : -EPROTO;
	memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd;
}
