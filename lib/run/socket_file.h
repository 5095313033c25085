/* SPDX-License-Identifier: MIT */
/* A listening socket's file: made without stealing another's, removed only if still ours. */
#ifndef RUN_SOCKET_FILE_H
#define RUN_SOCKET_FILE_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

struct socket_file {
	struct sockaddr_un address;
	dev_t dev; /* which file we made: the path may name another by now */
	ino_t ino;
};

/* 0, -EINVAL for an empty path, -ENAMETOOLONG. */
int socket_file_address(struct sockaddr_un *address, const char *path);

/*
 * Listen at path with these permission bits and this group ((uint32_t)-1: the process's).
 * Returns the listening fd, non-blocking; -EADDRINUSE, -EEXIST as vu_runner_listen().
 */
int socket_file_listen(struct socket_file *file, const char *path, uint32_t mode, uint32_t group);

/* Unlink the file unless the path names another by now. */
void socket_file_remove(const struct socket_file *file);

#endif
