/* SPDX-License-Identifier: MIT */
/*
 * The program under attack: started once, looked at after every session.  It must live, serve a
 * well-behaved front-end, and have given back descriptors and guest memory.
 */
#ifndef SESSIONS_TARGET_H
#define SESSIONS_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "kit/folder.h"

struct target {
	pid_t pid;
	char folder[FOLDER_PATH]; /* its socket's; removed at the end */
	char socket[96], disk[96], share[96];
	int log_fd;	   /* what it says, a memfd */
	uint32_t queues;   /* that it has */
	int fds, mappings; /* that it has without a session */
	bool is_shut_in;   /* in a sandbox without /proc and io_uring */
	char fault[256];   /* what is wrong with it */
};

/*
 * 0, or -1 with fault set.  argv: the program and its arguments, NULL last; "{disk}" at an
 * argument's end is the path of a disk image, "{share}" that of an empty folder.
 */
int target_start(struct target *t, char *const *argv, bool is_shut_in);
/* Is all as it was before the session? */
int target_check(struct target *t);
/* SIGTERM must end it, with status 0. */
int target_stop(struct target *t);
/* The last lines of its log, to stderr. */
void target_show_log(const struct target *t);

#endif
