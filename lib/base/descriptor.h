/* SPDX-License-Identifier: MIT */
/*
 * What kind of descriptor somebody gave us, found out without waiting for anybody: a file system
 * in user space answers fstat(2), and even close(2), when it likes.
 */
#ifndef BASE_DESCRIPTOR_H
#define BASE_DESCRIPTOR_H

#include <stdbool.h>

enum descriptor_kind {
	DESCRIPTOR_EVENTFD,
	DESCRIPTOR_SOCKET,	/* a Unix socket */
	DESCRIPTOR_MEMORY,	/* shared memory, a file on a local file system, a DAX device */
	DESCRIPTOR_OTHER,	/* of no use; harmless */
	DESCRIPTOR_SLOW_FILE,	/* not known to be local: any use may block, also close(2) */
	DESCRIPTOR_SLOW_SOCKET, /* of another family: close(2) waits if SO_LINGER says so */
};

enum descriptor_kind descriptor_kind(int fd);
bool descriptor_is_unix_socket(int fd);

/*
 * Let nothing more be sent to a Unix socket, whoever holds it.  True: no descriptors wait in it,
 * and none will: whoever closes it closes nothing else.
 */
bool descriptor_deafen(int fd);

#endif
