/* SPDX-License-Identifier: MIT */
/*
 * A program that opens no file but those of a table from here on (Landlock), where the kernel can
 * do that.  See sandbox.h for what else there is to give up.
 */
#ifndef COMMON_SANDBOX_FILES_H
#define COMMON_SANDBOX_FILES_H

#include <linux/landlock.h>
#include <stddef.h>
#include <stdint.h>

/* Later than Debian 12's header.  Kernels that do not know them do not check them either. */
#define SANDBOX_TRUNCATE  (UINT64_C(1) << 14)
#define SANDBOX_IOCTL_DEV (UINT64_C(1) << 15)
#define SANDBOX_READ	  ((uint64_t)LANDLOCK_ACCESS_FS_READ_FILE)
#define SANDBOX_WRITE	  ((uint64_t)LANDLOCK_ACCESS_FS_WRITE_FILE | SANDBOX_TRUNCATE)

/* Beneath path (a folder) these rights remain: LANDLOCK_ACCESS_FS_... */
struct sandbox_place {
	const char *path;
	uint64_t rights;
};

struct sandbox_files {
	const struct sandbox_place *places;
	size_t n_places;
	const uint16_t *ports; /* of TCP, to which it goes on connecting */
	size_t n_ports;
};

/*
 * All else in the file system, and TCP, is out of reach; what is open stays so.  Files can still be
 * removed: sockets are, at the end.  Unix sockets with abstract names of others are out of reach,
 * too, where the kernel can do that (Linux 6.12).  What libvu reads of /proc is always among the
 * places. 1: this kernel has no Landlock, and nothing changed.  -errno.
 */
int sandbox_shut_files(const struct sandbox_files *files);

#endif
