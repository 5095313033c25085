/* SPDX-License-Identifier: MIT */
/* See child.h. */
#include "child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
	char **command;
	pid_t pid; /* 0: it does not run */
	int crash;
};

enum { END_MS = 5000, STEP_MS = 10 };

struct child *child_new(char **command)
{
	struct child *c = calloc(1, sizeof(*c));

	if (c)
		c->command = command;
	return c;
}

/* Has it ended? */
static int child_reap(struct child *c)
{
	int status;

	if (!c->pid || waitpid(c->pid, &status, WNOHANG) != c->pid)
		return !c->pid;
	c->pid = 0;
	if (WIFSIGNALED(status))
		c->crash = WTERMSIG(status);
	return 1;
}

bool child_runs(struct child *c)
{
	return !child_reap(c);
}

int child_start(struct child *c)
{
	pid_t parent = getpid();

	c->pid = fork();
	if (c->pid < 0) {
		c->pid = 0;
		return -errno;
	}
	if (c->pid)
		return 0;
	/* It does not outlive us. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(127);
	/* Ours to ignore; a back-end that cannot survive it has to show that. */
	signal(SIGPIPE, SIG_DFL);
	/* Standard output is for the report. */
	dup2(STDERR_FILENO, STDOUT_FILENO);
	execvp(c->command[0], c->command);
	_exit(127);
}

int child_take_crash(struct child *c)
{
	int crash;

	child_reap(c);
	crash = c->crash;
	c->crash = 0;
	return crash;
}

void child_kill(struct child *c)
{
	if (child_reap(c))
		return;
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	c->pid = 0;
}

void child_free(struct child *c)
{
	if (!c)
		return;
	if (!child_reap(c))
		kill(c->pid, SIGTERM);
	for (int ms = 0; ms < END_MS && !child_reap(c); ms += STEP_MS)
		poll(NULL, 0, STEP_MS);
	if (!child_reap(c)) {
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
	}
	free(c);
}
