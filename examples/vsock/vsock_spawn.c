/* SPDX-License-Identifier: MIT */
/*
 * Programs that --forward PORT=exec:COMMAND names.
 *
 * The process that serves guests shuts itself in, and can start no programs then.  A small one is
 * forked before that which knows the commands, and is told over a socket which of them to run with
 * which descriptor.  So not even who took over the first one could have others run.  It ends
 * when that socket closes.
 */
#include "vsock_spawn.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

union descriptor_message {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static void run_command(const struct rules *r, uint32_t program, int fd)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	if (dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0)
		_exit(127);
	close_range(3, ~0U, 0);
	execl("/bin/sh", "sh", "-c", r->forward[program].address.command, (char *)NULL);
	_exit(127);
}

static int receive(int from, uint32_t *program)
{
	union descriptor_message control;
	struct iovec iov = {program, sizeof(*program)};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	struct cmsghdr *header;
	ssize_t n;
	int fd;

	do
		n = recvmsg(from, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	header = n == sizeof(*program) ? CMSG_FIRSTHDR(&message) : NULL;
	if (!header || header->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

static void serve(const struct rules *r, int from)
{
	uint32_t program;
	int fd;

	signal(SIGCHLD, SIG_IGN); /* nobody waits for them */
	signal(SIGINT, SIG_IGN);  /* the terminal's are not for us: we end with who started us */
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	while ((fd = receive(from, &program)) >= 0) {
		if (program < r->n_forward && r->forward[program].address.kind == ADDRESS_EXEC &&
		    fork() == 0)
			run_command(r, program, fd);
		close(fd);
	}
	_exit(0);
}

int spawner_start(struct rules *r)
{
	bool wanted = false;
	int pair[2];
	pid_t pid;

	for (uint32_t i = 0; i < r->n_forward; i++)
		wanted |= r->forward[i].address.kind == ADDRESS_EXEC;
	if (!wanted || r->spawner >= 0)
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		/* Nothing of ours stays open there, such as sockets that were passed. */
		dup2(pair[1], 3);
		close_range(4, ~0U, 0);
		serve(r, 3);
	}
	close(pair[1]);
	if (pid < 0) {
		int error = errno;

		close(pair[0]);
		return -error;
	}
	r->spawner = pair[0];
	return 0;
}

int spawner_run(const struct rules *r, uint32_t program, int fd)
{
	union descriptor_message control = {.bytes = {0}};
	struct iovec iov = {&program, sizeof(program)};
	const struct msghdr message = {.msg_iov = &iov,
				       .msg_iovlen = 1,
				       .msg_control = &control,
				       .msg_controllen = sizeof(control)};

	control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)),
					  .cmsg_level = SOL_SOCKET,
					  .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	if (r->spawner < 0)
		return -ENOENT;
	return sendmsg(r->spawner, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}
