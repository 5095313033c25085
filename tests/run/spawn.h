/* SPDX-License-Identifier: MIT */
/* Programs under test: started with their output kept, waited for with a limit. */
#ifndef RUN_SPAWN_H
#define RUN_SPAWN_H

#include <sys/types.h>

#include "kit/patience.h"

struct spawned {
	pid_t pid;
	int out_fd; /* memfds: there is no pipe to run full */
	int err_fd;
	int status; /* exit status, or 1000 + signal, after spawn_wait() */
	char *out;  /* NUL-terminated, after spawn_wait() */
	char *err;
};

/* What the child gets besides its arguments. */
struct spawn_setup {
	int fd3;		/* becomes its fd 3; -1: none */
	const char *listen_fds; /* value of LISTEN_FDS; NULL: unset */
	pid_t listen_pid;	/* 0: the child's own */
};

/* argv ends with NULL; argv[0] is the program's path. */
void spawn_start(struct spawned *s, const char *const *argv, const struct spawn_setup *setup);
/* Wait for its end (the test fails after HANG_MS), and read what it wrote. */
void spawn_wait(struct spawned *s);
/* SIGTERM, then spawn_wait(). */
void spawn_stop(struct spawned *s);
void spawn_free(struct spawned *s);
/* Start and wait. */
void spawn_run(struct spawned *s, const char *const *argv);

/* Run to the end, and compare status and what must be part of its messages. */
void spawn_expect(const char *const *argv, int status, const char *out, const char *err);

/* Wait until something listens at the path. */
void spawn_wait_listening(const char *path);
/* The same of this program; the test fails with its log if it ends before. */
void spawn_wait_up(struct spawned *s, const char *path);

/* Let this process and its children open so many files, or skip the test. */
void spawn_need_files(unsigned int n);

#endif
