/* SPDX-License-Identifier: MIT */
/*
 * The state that a migration takes along (docs/devices/fs.md has the format), and the thread that
 * saves or loads it: there may be many files, and slow ones.  Device thread, but for the halves.
 */
#ifndef FS_STATE_H
#define FS_STATE_H

#include "fs_node.h"

enum { FS_SAVED_MOUNT = 1, FS_SAVED_NODES, FS_SAVED_FILES }; /* tags of records */
enum { FS_SAVED_DIR = 1 };				     /* of struct fs_saved_file */

/* Many of each make a record; numbers are little-endian. */
struct fs_saved_node {
	uint64_t id, refs, ino;
	int64_t born_sec;
	uint32_t born_nsec;
	uint32_t type;
	uint32_t handle_type;
	uint16_t path_len, handle_len;
	/* The path from the shared directory on, the file handle, zeros up to a multiple of 8. */
};

struct fs_saved_file {
	uint64_t id, nodeid;
	uint32_t open_flags; /* of open(2), as on x86-64 and arm64 */
	uint32_t flags;
};

int fs_state_init(struct fs *fs);
/* -EBUSY: what the one before began has not ended. */
int fs_state_session_begin(struct fs *fs);
void fs_state_cancel(struct fs *fs);
/* Waits for a thread that ends, or was cancelled. */
void fs_state_end(struct fs *fs);

/* The two halves, on a thread of their own; 0 or -errno. */
int fs_state_save(struct fs *fs, struct vu_state *state);
int fs_state_load(struct fs *fs, struct vu_state *state);
/* What was to be loaded is not wanted any more. */
bool fs_state_cancelled(struct fs *fs);

#endif
