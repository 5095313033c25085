/* SPDX-License-Identifier: MIT */
/*
 * Between fs_node.c, which knows inodes, fs_node_hash.c, which finds them, fs_node_fd.c, which
 * opens and closes them, and fs_node_place.c, which knows where they are.
 */
#ifndef FS_NODE_H
#define FS_NODE_H

#include <limits.h>

#include "fs.h"

/* The hash, by dev, ino, type and birth of a key; with the lock of its shard, but for the first. */
struct fs_shard *fs_shard_of(struct fs *fs, const struct fs_node *key);
struct fs_node *fs_find_hashed(struct fs_shard *shard, const struct fs_node *key);
/* Is it the file that the key names? */
bool fs_node_is(const struct fs_node *node, const struct fs_node *key);
/* False: no memory. */
bool fs_hash_in(struct fs_shard *shard, struct fs_node *node);
void fs_unhash(struct fs_shard *shard, struct fs_node *node);
void fs_shards_init(struct fs *fs);
void fs_shards_fini(struct fs *fs);

/* Can files be opened by handle here?  Sets mount_fd. */
void fs_probe_handles(struct fs *fs, int root_fd);
/* A name's O_PATH descriptor, or -errno. */
int fs_open_name(struct fs *fs, int dir_fd, const char *name);
/* The same of a path of clean components from a directory on, without symbolic links. */
int fs_open_beneath(int dir_fd, const char *path);
/* The same of a file handle, which may lead anywhere in the file system. */
int fs_open_raw_handle(struct fs *fs, int type, const void *bytes, uint32_t len);
/* An inode's handle, valid as long as it is pinned; its bytes, 0: it has none. */
uint32_t fs_node_handle(struct fs *fs, struct fs_node *node, int *type, const void **bytes);
/* The handle of an inode that has no descriptor yet, on the heap; NULL: no memory. */
struct fs_handle *fs_handle_new(int type, const void *bytes, uint32_t len);
/* It has got a descriptor, and is pinned. */
void fs_opened(struct fs *fs, struct fs_node *node);
void fs_node_close(struct fs *fs, struct fs_node *node);
/* fs_node_fd() of one that was found under this name just now. */
int fs_node_fd_named(struct fs *fs, struct fs_node *node, int dir_fd, const char *name);

/*
 * Where an open file is, from the shared directory on, as the kernel knows it: its length, 0 if
 * that cannot be said.  fs_path_to_root() is how much of the kernel's paths leads there.
 */
size_t fs_path_of(struct fs *fs, int fd, size_t to_root, char path[PATH_MAX]);
size_t fs_path_to_root(struct fs *fs);
/* Remember where it is, for when its descriptor is closed.  False: it could not be found there. */
bool fs_place_keep(struct fs *fs, struct fs_node *node, int fd);
/* Open it there; or under a name.  -ESTALE: it is another file, or none. */
int fs_place_open(struct fs *fs, const struct fs_node *node);
int fs_place_find(struct fs *fs, const struct fs_node *node, int dir_fd, const char *name);

#endif
