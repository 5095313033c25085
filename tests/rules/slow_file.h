/* SPDX-License-Identifier: MIT */
/*
 * A file on a FUSE file system that counts what it is asked.  It answers at once: a test that would
 * hang with a server that does not answer fails on the count instead.
 */
#ifndef RULES_SLOW_FILE_H
#define RULES_SLOW_FILE_H

#include <stdint.h>
#include <sys/types.h>

struct slow_counts;

struct slow_file {
	int fd; /* the caller's to close, with questions */
	pid_t server;
	struct slow_counts *counts;
};

/* 0, or -errno where no user may mount one here, with *why. */
int slow_file_new(struct slow_file *file, uint64_t size, const char **why);
/* Questions that somebody waited for since the last call, and what the last of them was. */
uint32_t slow_file_asked(struct slow_file *file, uint32_t *opcode);
/* Ends the server; what is asked now fails. */
void slow_file_free(struct slow_file *file);

#endif
