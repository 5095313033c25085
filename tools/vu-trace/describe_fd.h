/* SPDX-License-Identifier: MIT */
/* What a descriptor is, in words. */
#ifndef TRACE_DESCRIBE_FD_H
#define TRACE_DESCRIBE_FD_H

#include <stddef.h>
#include <stdint.h>

enum { FD_KIND = 24, FD_NAME = 96 };

struct fd_words {
	char kind[FD_KIND]; /* "eventfd", "memfd", "socket", "pipe", "file" ... */
	char name[FD_NAME]; /* of a memfd or file; which eventfd or socket; printable */
	uint64_t size;	    /* of memory; 0: not known */
};

/* Asks no file system that could take its time. */
void describe_fd(int fd, struct fd_words *words);
/* "memfd:ram 268435456 bytes" */
void describe_fd_text(const struct fd_words *words, char *out, size_t size);

#endif
