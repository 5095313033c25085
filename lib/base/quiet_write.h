/* SPDX-License-Identifier: MIT */
/* Writing to pipes whose reader may be gone. */
#ifndef BASE_QUIET_WRITE_H
#define BASE_QUIET_WRITE_H

#include <sys/types.h>

/* write(2) that leaves no SIGPIPE behind: no flag does that for pipes.  Bytes, or -errno. */
ssize_t quiet_write(int fd, const void *data, size_t len);

#endif
