/* SPDX-License-Identifier: MIT */
/* Users and groups that are called otherwise in the guest than on the host (--translate-uid). */
#ifndef FS_IDS_H
#define FS_IDS_H

#include <stdint.h>

enum { FS_ID_RANGES = 64 };

enum fs_id_kind { FS_ID_EACH, FS_ID_SQUASH, FS_ID_FORBID };

struct fs_id_range {
	uint32_t from, count;
	uint32_t to;
	enum fs_id_kind kind;
};

/* One direction; what is in no range is called the same on both sides. */
struct fs_id_map {
	uint32_t n;
	struct fs_id_range ranges[FS_ID_RANGES];
};

/* Of users, or of groups. */
struct fs_ids {
	struct fs_id_map to_host, to_guest;
};

/*
 * One more, as virtiofsd writes it: map, guest or host:FROM:TO:COUNT, squash-guest or
 * squash-host:FROM:TO:COUNT, forbid-guest:FROM:COUNT.  -EINVAL; -E2BIG: there are too many;
 * -EEXIST: it meets one before it.
 */
int fs_ids_add(struct fs_ids *ids, const char *text);
/* -EPERM: the guest may not use it. */
int fs_id_to_host(const struct fs_ids *ids, uint32_t guest, uint32_t *host);
uint32_t fs_id_to_guest(const struct fs_ids *ids, uint32_t host);

#endif
