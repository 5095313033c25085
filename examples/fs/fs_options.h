/* SPDX-License-Identifier: MIT */
/* What the command line says. */
#ifndef FS_OPTIONS_H
#define FS_OPTIONS_H

#include <libvu/vu.h>

#include <stdbool.h>
#include <stdint.h>

#include "../common/sandbox_ids.h"
#include "fs_ids.h"

enum {
	FS_MAX_QUEUES = 128, /* of requests */
	FS_MAX_POOL = 256,
	FS_TAG_LEN = 36,
	FS_MAX_DAX_WINDOW = 512 << 20, /* as many pieces of Linux's as FS_DAX_PIECES */
};

enum fs_cache { FS_CACHE_AUTO, FS_CACHE_ALWAYS, FS_CACHE_NEVER, FS_CACHE_METADATA };
enum fs_handles { FS_HANDLES_PREFER, FS_HANDLES_MANDATORY, FS_HANDLES_NEVER };

struct fs_settings {
	const char *shared_dir;
	const char *tag;
	uint64_t n_queues;
	uint64_t queue_size;
	const char *state_file;
	uint64_t state_fd; /* 0: none */
	int state_fdstore;
	uint64_t max_open_inodes; /* 0: half of what the process may have */
	uint64_t pool_size;
	uint32_t cache;	  /* enum fs_cache */
	uint32_t handles; /* enum fs_handles */
	uint32_t sandbox; /* enum sandbox_kind */
	int read_only;
	int xattr;
	int posix_acl;
	int writeback;
	int allow_mmap;
	int announce_submounts, no_announce_submounts;
	int killpriv_v2, no_killpriv_v2;
	int no_readdirplus;
	int preserve_noatime;
	int allow_direct_io;
	int posix_lock, flock;
	int security_label;
	bool needs_posix_acl, needs_security_label; /* or there is no mount */
	struct fs_ids uids, gids;
	struct sandbox_ids namespace_ids; /* both empty: no user namespace is asked for */
	int dax_window;			  /* MiB; 0: there is none */
	struct fs_word *words;		  /* of -o */
	bool connects;			  /* --connect: sockets are made later, too */
	bool entered;			  /* the process is in its sandbox, and there is */
	int proc_fd;			  /* /proc/self/fd, */
	const char *inside;		  /* and the directory */
	bool inside_proc; /* the working directory is proc_fd: there is no /proc any more */
};

extern const struct vu_option fs_options[];
extern const struct fs_settings fs_defaults;
/* Expand virtiofsd's -o a,b=c into options; a new argv, or NULL after a message. */
char **fs_options_expand(int *argc, char **argv, struct fs_settings *settings);
void fs_options_free(struct fs_settings *settings);

#endif
