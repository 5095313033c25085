/* SPDX-License-Identifier: MIT */
/* Files that a device writes to. */
#ifndef OWN_FILE_H
#define OWN_FILE_H

/*
 * Open a file for writing, with these flags of open(2); one that is made has mode 0600.  The fd, or
 * -errno: -ELOOP for a symbolic link of another user's, who would have us write where he may not.
 */
int own_file_open(const char *path, int flags);
/* strerror(3) of what it returned, made positive, but for that link. */
const char *own_file_error(int error);

#endif
