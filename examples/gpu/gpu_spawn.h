/* SPDX-License-Identifier: MIT */
/*
 * Processes that render, and the one that makes them: vu-gpu itself shuts itself in, and could not.
 *
 * The spawner is made before that.  For each message that it gets (any byte) it ends the renderer
 * that there is, and answers with a struct spawn_answer and the socket of a new one; when its own
 * socket ends, so do both.  A renderer's first words are a struct wire_hello.
 */
#ifndef GPU_SPAWN_H
#define GPU_SPAWN_H

#include <stdbool.h>
#include <stdint.h>

struct spawn_answer {
	int32_t error;	/* there is no new one: -errno */
	int32_t status; /* of the one before, as waitpid() has it */
	int32_t pid;	/* of the new one */
};

struct spawn_limits {
	uint64_t memory; /* bytes that a renderer may have; 0: no limit */
	bool shut_in;
	bool virgl, venus;
	const char *node; /* of the host's graphics hardware; NULL: software draws */
};

/* The spawner's socket; -errno. */
int spawn_start(const struct spawn_limits *limits);
/* Have a new one made: its answer comes later. */
int spawn_ask(int spawner);
/* Its answer: the new one's socket, or -errno (-EAGAIN: it did not answer yet). */
int spawn_answer(int spawner, bool wait, struct spawn_answer *answer);

#endif
