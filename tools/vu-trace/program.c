/* SPDX-License-Identifier: MIT */
/* The program of a back-end: see program.h.  Owns its process, and the folder of its sockets. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const char option[] = "--socket-path";

int program_init(struct program *p, char **argv)
{
	uint32_t n = 0;

	memset(p, 0, sizeof(*p));
	while (argv[n])
		n++;
	p->argv = calloc(n + 1, sizeof(*p->argv));
	if (!p->argv)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		p->argv[i] = strdup(argv[i]);
		if (!p->argv[i])
			return -ENOMEM;
	}
	snprintf(p->dir, sizeof(p->dir), "/tmp/vu-trace-XXXXXX");
	if (!mkdtemp(p->dir)) {
		p->dir[0] = '\0';
		return -errno;
	}
	return 0;
}

void program_fini(struct program *p)
{
	for (char **arg = p->argv; arg && *arg; arg++)
		free(*arg);
	free(p->argv);
	for (uint32_t i = 0; i < p->n_sockets; i++) {
		unlink(p->connect[i]);
		free(p->listen[i]);
	}
	if (p->dir[0])
		rmdir(p->dir);
}

/* The path as a whole: "/tmp/a" is not in "/tmp/ab". */
static bool path_ends(char c)
{
	return !c || strchr(",;: \"'", c);
}

/* Put another path where this one is in an argument.  False: no memory. */
static bool program_replace(char **arg, const char *path, const char *with)
{
	char *at = strstr(*arg, path), *text;

	if (!at || !path_ends(at[strlen(path)]))
		return true;
	if (asprintf(&text, "%.*s%s%s", (int)(at - *arg), *arg, with, at + strlen(path)) < 0)
		return false;
	free(*arg);
	*arg = text;
	return true;
}

int program_add_socket(struct program *p, const char *path)
{
	char *to = p->connect[p->n_sockets];

	if (p->n_sockets == PROGRAM_SOCKETS)
		return -E2BIG;
	if (!*path)
		return -EINVAL;
	p->listen[p->n_sockets] = strdup(path);
	if (!p->listen[p->n_sockets])
		return -ENOMEM;
	snprintf(to, PROGRAM_PATH, "%s/%u", p->dir, p->n_sockets);
	p->n_sockets++;
	for (char **arg = p->argv; *arg; arg++)
		if (!program_replace(arg, path, to))
			return -ENOMEM;
	return 0;
}

int program_find_sockets(struct program *p)
{
	for (char **arg = p->argv; *arg; arg++) {
		const char *value = NULL;

		if (!strncmp(*arg, option, strlen(option)) && (*arg)[strlen(option)] == '=')
			value = *arg + strlen(option) + 1;
		else if (!strcmp(*arg, option) && arg[1])
			value = arg[1];
		if (value) {
			char path[4096];
			int ret;

			/* Its own text is about to be replaced. */
			snprintf(path, sizeof(path), "%s", value);
			ret = program_add_socket(p, path);
			if (ret < 0)
				return ret;
		}
	}
	return p->n_sockets ? 0 : -ENOENT;
}

/* In the child. */
static void program_exec(const struct program *p, const sigset_t *mask, pid_t parent, int tell)
{
	int error;

	/* Without us nobody reaches it. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(127);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(p->argv[0], p->argv);
	error = errno;
	(void)!write(tell, &error, sizeof(error));
	_exit(127);
}

int program_start(struct program *p, const sigset_t *mask)
{
	pid_t parent = getpid();
	int tell[2], error = 0;

	if (pipe2(tell, O_CLOEXEC) < 0)
		return -errno;
	p->pid = fork();
	if (p->pid == 0)
		program_exec(p, mask, parent, tell[1]);
	close(tell[1]);
	if (p->pid < 0)
		error = errno;
	else if (read(tell[0], &error, sizeof(error)) == sizeof(error))
		waitpid(p->pid, &p->status, 0);
	close(tell[0]);
	if (error)
		p->pid = 0;
	return -error;
}

bool program_ended(struct program *p)
{
	if (p->pid && waitpid(p->pid, &p->status, WNOHANG) == p->pid)
		p->pid = 0;
	return !p->pid;
}

int program_exit_status(const struct program *p)
{
	const struct rlimit no_core = {0, 0};
	sigset_t set;

	if (WIFEXITED(p->status))
		return WEXITSTATUS(p->status);
	/* It has left a core file already, if it was to. */
	setrlimit(RLIMIT_CORE, &no_core);
	signal(WTERMSIG(p->status), SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, WTERMSIG(p->status));
	raise(WTERMSIG(p->status));
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return 128 + WTERMSIG(p->status);
}
