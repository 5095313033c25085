/* SPDX-License-Identifier: MIT */
/* Users and groups of the host's in a user namespace of a program's own (--uid-map, --gid-map). */
#ifndef COMMON_SANDBOX_IDS_H
#define COMMON_SANDBOX_IDS_H

#include <stdint.h>

enum { SANDBOX_ID_RANGES = 32 };

/* Ids that are called from inside on in the namespace, and from outside on where it was made. */
struct sandbox_id_range {
	uint32_t inside, outside, count;
};

struct sandbox_id_map {
	uint32_t n;
	struct sandbox_id_range ranges[SANDBOX_ID_RANGES];
};

/*
 * One more, as virtiofsd writes it: :INSIDE:OUTSIDE:COUNT: with any delimiter that is no digit.
 * -EINVAL; -E2BIG: there are too many; -EEXIST: it meets one before it.
 */
int sandbox_id_map_add(struct sandbox_id_map *map, const char *text);

/* Of users and of groups.  An empty one has who starts the program, as root, and nobody else. */
struct sandbox_ids {
	struct sandbox_id_map uids, gids;
};

/* -EINVAL: nobody is root inside, which the program will be. */
int sandbox_ids_check(const struct sandbox_ids *ids);

/*
 * Namespaces of one's own, by unshare(2)'s flags, and a user namespace with these ids.  They are
 * written by a process that stays outside; where it may not, by newuidmap(1) and newgidmap(1).
 * -errno: failed says what.
 */
int sandbox_ids_unshare(const struct sandbox_ids *ids, int flags, const char **failed);

/* Root of the namespace.  -errno. */
int sandbox_ids_be_root(void);

#endif
