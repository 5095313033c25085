/* SPDX-License-Identifier: MIT */
/*
 * The file that outlives the process, as it lies in memory: between fs_kept.c, which opens it and
 * writes records, and fs_kept_restore.c, which reads what a predecessor wrote.
 *
 * It is as large as it can ever be, and has holes where nothing is.  The numbers are this
 * machine's: a file does not travel.
 */
#ifndef FS_KEPT_FILE_H
#define FS_KEPT_FILE_H

#include "fs_kept.h"

enum {
	KEPT_VERSION = 1,
	KEPT_HANDLE = 64, /* bytes of a file handle; larger ones are not kept */
	KEPT_NODES = SLOTS_PAGE * SLOTS_PAGES, /* at most */
	KEPT_FILES = 1 << 20,
};

struct kept_node {
	_Atomic uint64_t id; /* 0: there is none; written last, taken away first */
	_Atomic uint64_t refs;
	uint64_t dev, ino;
	int64_t born_sec;
	uint32_t born_nsec, type;
	uint32_t reserved;
	int32_t handle_type;
	uint32_t handle_len; /* 0: it cannot be found again */
	uint32_t reserved2;
	unsigned char handle[KEPT_HANDLE];
};

struct kept_file {
	_Atomic uint64_t id; /* as above */
	uint64_t nodeid;
	uint32_t flags, is_dir;
	uint64_t reserved;
};

struct kept_head {
	char magic[8]; /* written last */
	uint32_t version, head_size, node_size, file_size;
	uint64_t dev, ino; /* of the root, and its birth */
	int64_t born_sec;
	uint32_t born_nsec;
	_Atomic uint32_t next_gen; /* no number of this generation was ever given out */
	_Atomic uint64_t init_flags;
	_Alignas(64) struct fs_intent intents[FS_MAX_QUEUES + 1];
};

struct kept_all {
	union {
		struct kept_head head;
		unsigned char pages[16384];
	};
	struct kept_file files[KEPT_FILES];
	struct kept_node nodes[KEPT_NODES];
};

/* Records of a kind, in pages of SLOTS_PAGE. */
struct kept_table {
	unsigned char *first;
	size_t size; /* of a record */
	uint32_t n_pages;
	atomic_bool *has; /* for each page: there is room for it in the file */
};

struct fs_kept {
	int fd;
	struct kept_all *all;
	atomic_bool full; /* said once */
	struct kept_table nodes, files;
	atomic_bool has_nodes[SLOTS_PAGES], has_files[KEPT_FILES / SLOTS_PAGE];
};

/* Take room in the file: 0 or -errno. */
int kept_allocate(const struct fs_kept *kept, off_t at, off_t len);

#endif
