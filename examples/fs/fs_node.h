/* SPDX-License-Identifier: MIT */
/* Between fs_node.c, which knows inodes, and fs_node_fd.c, which opens and closes them. */
#ifndef FS_NODE_H
#define FS_NODE_H

#include "fs.h"

/* Can files be opened by handle here?  Sets mount_fd. */
void fs_probe_handles(struct fs *fs, int root_fd);
/* A name's O_PATH descriptor, or -errno. */
int fs_open_name(struct fs *fs, int dir_fd, const char *name);
/* One more inode has a descriptor. */
void fs_opened(struct fs *fs);
void fs_node_close(struct fs *fs, struct fs_node *node);

#endif
