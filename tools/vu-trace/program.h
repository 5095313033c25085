/* SPDX-License-Identifier: MIT */
/*
 * A back-end's program, run by vu-trace: listens at a path of ours instead of its own, gets the
 * signals that we get, and its exit status becomes ours.
 */
#ifndef TRACE_PROGRAM_H
#define TRACE_PROGRAM_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { PROGRAM_SOCKETS = 16, PROGRAM_PATH = 64 };

struct program {
	char **argv;  /* owned, and what is in it */
	char dir[32]; /* where its sockets are; empty: not made */
	uint32_t n_sockets;
	char *listen[PROGRAM_SOCKETS];		     /* what the front-end connects to */
	char connect[PROGRAM_SOCKETS][PROGRAM_PATH]; /* where the program listens */
	pid_t pid;				     /* 0: not running */
	int status;				     /* of wait(2), once it ended */
};

/*
 * argv is what follows "--".  Sockets are those of its options --socket-path, and those that
 * program_add_socket() names.
 */
int program_init(struct program *p, char **argv);
/* Wherever this path is in an argument, the program gets another one.  -errno. */
int program_add_socket(struct program *p, const char *path);
/* Find --socket-path, unless sockets were named.  0, or -ENOENT if there is none. */
int program_find_sockets(struct program *p);
/* mask: the signal mask that it gets.  -errno: cannot be run. */
int program_start(struct program *p, const sigset_t *mask);
/* Has it ended?  Collects its status. */
bool program_ended(struct program *p);
void program_fini(struct program *p);
/* End as it did: by its status, or by its signal. */
int program_exit_status(const struct program *p);

#endif
