/* SPDX-License-Identifier: MIT */
/* A state of vu-fs, made by hand: docs/device-state.md and docs/devices/fs.md have the format. */
#ifndef FS_STATE_BYTES_H
#define FS_STATE_BYTES_H

#include <stddef.h>
#include <stdint.h>

enum { STATE_MOUNT = 1, STATE_NODES, STATE_FILES };

struct state_bytes {
	unsigned char *data;
	size_t len, record; /* where the last record begins; 0: there is none */
};

/* One inode; refs 1 unless it says otherwise, a regular file unless it says otherwise. */
struct state_node {
	uint64_t id, refs, ino;
	int64_t born_sec;
	uint32_t born_nsec, type;
	const char *path;
	uint32_t path_len; /* 0: all of it */
	const void *handle;
	uint32_t handle_len;
	int handle_type;
};

void state_begin(struct state_bytes *s, uint64_t init_flags);
void state_record(struct state_bytes *s, uint32_t tag);
/* To the last record. */
void state_add(struct state_bytes *s, const void *data, size_t len);
void state_add_node(struct state_bytes *s, const struct state_node *node);
void state_add_file(struct state_bytes *s, uint64_t id, uint64_t nodeid, uint32_t open_flags,
		    uint32_t flags);
void state_end(struct state_bytes *s);
void state_free(struct state_bytes *s);

#endif
