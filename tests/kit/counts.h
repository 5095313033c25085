/* SPDX-License-Identifier: MIT */
/* What a leak of this process would show in. */
#ifndef KIT_COUNTS_H
#define KIT_COUNTS_H

#include <sys/types.h>

/* Entries of a folder, "." and ".." included; -1 if it cannot be read. */
int count_entries(const char *folder);
/* Open descriptors, and a few more that are the same each time. */
int count_fds(void);
/* The same of another process. */
int count_fds_of(pid_t pid);
/* Lines of /proc/self/maps that have this in them; and mappings of the test peer's guest memory. */
int count_mappings_of(const char *text);
int count_guest_mappings(void);

#endif
