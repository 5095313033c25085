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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../common/close_from.h"

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
	close_from(3);
	execl("/bin/sh", "sh", "-c", r->forward[program].address.command, (char *)NULL);
	_exit(127);
}

/* What the first process asks for. */
struct order {
	uint32_t program; /* the rule's index */
	uint32_t cid;	  /* the guest that wants it */
};

/* A descriptor with an order, -1: it has closed, -2: nothing yet. */
static int receive(int from, struct order *order)
{
	union descriptor_message control;
	struct iovec iov = {order, sizeof(*order)};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	struct cmsghdr *header;
	ssize_t n;
	int fd;

	n = recvmsg(from, &message, MSG_CMSG_CLOEXEC);
	if (n < 0 && errno == EINTR)
		return -2;
	header = n == sizeof(*order) ? CMSG_FIRSTHDR(&message) : NULL;
	if (!header || header->cmsg_type != SCM_RIGHTS)
		return n > 0 ? -2 : -1; /* the descriptor was one too many for us */
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

/* --- who runs --- */

struct child {
	pid_t pid;
	uint32_t cid;
};

/* A guest that comes and goes must not leave ever more programs that do not end by themselves. */
struct children {
	struct child *all;
	uint32_t n, room, most; /* most: of a guest */
	bool told;
};

static void reap(struct children *c)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		for (uint32_t i = 0; i < c->n; i++)
			if (c->all[i].pid == pid)
				c->all[i--] = c->all[--c->n];
}

/* May this guest have one more?  Then there is room for it. */
static bool may_run(struct children *c, uint32_t cid)
{
	uint32_t count = 0, room = c->room ? 2 * c->room : 16;
	struct child *all;

	for (uint32_t i = 0; i < c->n; i++)
		count += c->all[i].cid == cid;
	if (count >= c->most && !c->told)
		fprintf(stderr,
			"vu-vsock: %u programs of the guest with CID %u are running, no more is "
			"started (--max-connections)\n",
			count, cid);
	if (count >= c->most)
		c->told = true;
	else if (count < c->most / 2)
		c->told = false;
	if (count >= c->most || c->n < c->room)
		return count < c->most;
	all = realloc(c->all, room * sizeof(*all));
	if (!all)
		return false;
	c->all = all;
	c->room = room;
	return true;
}

static void obey(struct children *c, const struct rules *r, const struct order *order, int fd)
{
	pid_t pid;

	if (order->program >= r->n_forward ||
	    r->forward[order->program].address.kind != ADDRESS_EXEC || !may_run(c, order->cid))
		return;
	pid = fork();
	if (pid == 0)
		run_command(r, order->program, fd);
	if (pid > 0)
		c->all[c->n++] = (struct child){pid, order->cid};
}

static void on_child(int signal)
{
	(void)signal; /* it ends the wait for an order */
}

static void serve(const struct rules *r, uint32_t most, int from)
{
	const struct sigaction action = {.sa_handler = on_child};
	struct children c = {.most = most};
	struct order order;
	int fd;

	sigaction(SIGCHLD, &action, NULL);
	signal(SIGINT, SIG_IGN); /* the terminal's are not for us: we end with who started us */
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	while ((fd = receive(from, &order)) != -1) {
		reap(&c);
		if (fd < 0)
			continue;
		obey(&c, r, &order, fd);
		close(fd);
	}
	_exit(0);
}

int spawner_start(struct rules *r, uint32_t most)
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
		close_from(4);
		serve(r, most, 3);
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

int spawner_run(const struct rules *r, uint32_t program, uint32_t cid, int fd)
{
	union descriptor_message control = {.bytes = {0}};
	struct order order = {program, cid};
	struct iovec iov = {&order, sizeof(order)};
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
