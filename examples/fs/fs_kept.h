/* SPDX-License-Identifier: MIT */
/*
 * What a successor of this process needs to know, in a file that outlives it (--state-file,
 * --state-fd, --state-fdstore): the inodes and open files that the guest knows, by number.
 *
 * Each has a record at a fixed place, which is written before the guest hears of the thing, and
 * becomes valid with one store.  So whatever moment the process is killed at, each record is whole
 * or not there.
 */
#ifndef FS_KEPT_H
#define FS_KEPT_H

#include "fs.h"

struct fs_kept;

/* The option that asks for one, or NULL. */
const char *fs_kept_option(const struct fs_settings *settings);
/* Take the file over before there is a sandbox; 0 without options.  -errno, after a message. */
int fs_kept_open(struct fs *fs, uint32_t index);
void fs_kept_close(struct fs *fs);
/* Find again what a predecessor knew.  Once the root is there, before requests are served. */
int fs_kept_restore(struct fs *fs);
/* All of before is there: what is new from now on has numbers of this generation or later ones. */
void fs_kept_restored(struct fs *fs, uint32_t first_gen);

/*
 * The rest does nothing without a file.  Any thread.
 */

/* It is known from now on, with so many references; it is pinned. */
void fs_kept_node(struct fs *fs, struct fs_node *node, uint64_t refs);
void fs_kept_refs(struct fs *fs, const struct fs_node *node, uint64_t more);
/* It is not any more; as long as its place is not free. */
void fs_kept_node_end(struct fs *fs, const struct fs_node *node);
void fs_kept_file(struct fs *fs, const struct fs_file *file);
void fs_kept_file_end(struct fs *fs, const struct fs_file *file);
/* INIT's answer; it sets fs->flags, too. */
void fs_kept_flags(struct fs *fs, uint64_t flags);

#endif
