/* SPDX-License-Identifier: MIT */
/*
 * vu-fs: what its files share.
 *
 *   fs.c          the device, its queues, groups and workers
 *   fs_options.c  the command line
 *   fs_opcodes.c  the table: one row an opcode
 *   fs_call.c     from a virtio request to a checked struct fs_call, and its reply
 *   fs_pool.c     threads for what waits for the host's disks
 *   fs_init.c     INIT and DESTROY: what the two sides agree on
 *   fs_slots.c    numbers that the guest knows things by
 *   fs_node.c     inodes                fs_node_hash.c  found by what they are
 *   fs_node_fd.c  their descriptors, opened on demand
 *   fs_node_place.c  by their paths, where there are no file handles
 *   fs_lookup.c   LOOKUP, FORGET, and the entry that other replies have, too
 *   fs_attr.c     attributes            fs_names.c  making, linking, renaming, removing
 *   fs_file.c     open files            fs_data.c   their contents
 *   fs_reuse.c    descriptors of files that were released just now
 *   fs_dir.c      directories           fs_xattr.c  extended attributes
 *   fs_label.c    what new ones have    fs_ids.c    users that are called otherwise
 *   fs_lock.c     POSIX and BSD locks   fs_creds.c  acting as the guest's user
 *   fs_dax.c      files in the guest's memory
 *   fs_state.c    the state that a migration takes along
 *   fs_kept.c     what outlives us      fs_kept_restore.c  and is found again
 *   fs_again.c    requests that come again, and must not be run twice
 *
 * Each request queue has a thread, and there may be a pool of more.  Handlers run on any of them,
 * several at once; what they share is in the tables, which are safe for that.  A handler never
 * waits for another request.
 */
#ifndef FS_H
#define FS_H

#include <libvu/unstable.h>
#include <libvu/vu.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "fs_dax.h"
#include "fs_fuse.h"
#include "fs_options.h"
#include "fs_reuse.h"
#include "fs_slots.h"

enum {
	FS_BATCH = 32,
	FS_MAX_SEGS = 1024,
	FS_IN_MAX = (128 << 10),       /* bytes of a request beside a WRITE's data */
	FS_OUT_MAX = (128 << 10) + 64, /* bytes of a reply beside a READ's data */
	FS_MAX_WRITE = 1 << 20,
	FS_MAX_PAGES = 256,
	/* A handler's results: */
	FS_LATER = 1 << 30,	     /* it replies by itself, later */
	FS_ELSEWHERE = FS_LATER + 1, /* it would have to wait: for the pool */
};

struct fs;
struct fs_handle;
struct fs_lock_owner;

/* An inode that the guest knows. */
struct fs_node {
	struct slot slot;
	uint64_t dev, ino;
	int64_t born_sec; /* with the two above: what file it is, also when numbers are used anew */
	uint32_t born_nsec;
	uint32_t type;			       /* S_IFMT */
	_Atomic int fd;			       /* O_PATH; -1: to be opened on demand */
	atomic_bool hot;		       /* used since somebody looked for one to close */
	atomic_bool reused;		       /* a descriptor was kept: fs_reuse.c */
	struct fs_node *open_next, *open_prev; /* of fs.opened, under its lock */
	bool hashed;			       /* under the shard's lock, as next */
	struct fs_node *next;
	/* Set before fd is closed for the first time, and once; */
	_Atomic(struct fs_handle *) handle;
	char *place; /* or this, with each time, while nobody works with it */
	_Atomic(struct fs_lock_owner *) locks;
};

/* An open file or directory. */
struct fs_file {
	struct slot slot;
	int fd;
	int flags; /* of FS_KEPT_FLAGS */
	bool is_dir;
	uint64_t nodeid; /* what was opened */
	struct fs_dir *dir;
	struct fs_mark mark;
};

struct fs_shard {
	pthread_mutex_t lock;
	struct fs_node **buckets;
	uint32_t n_buckets, n;
};

/* Inodes with a descriptor, the one that was opened or looked at first in front. */
struct fs_opened {
	pthread_mutex_t lock;
	struct fs_node *first, *last;
	_Atomic uint32_t n;
};

#define FS_MAX_REFS (UINT64_C(1) << 47)

enum {
	FS_SHARDS = 64,
	/* What an open file is reopened with. */
	FS_KEPT_FLAGS = O_ACCMODE | O_APPEND | O_DIRECT | O_NOATIME | O_SYNC,
	STATX_WANTED = STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID,
};

/* A thread that saves or loads the device's state: fs_state.c. */
struct fs_mover {
	pthread_t thread;
	bool started;
	atomic_bool busy, cancelled;
	int (*run)(struct fs *fs, struct vu_state *state);
	struct vu_state *state;
	struct vu_answer *answer;
};

/* Scratch memory of one thread. */
struct fs_scratch {
	_Alignas(16) unsigned char in[FS_IN_MAX + 16];
	_Alignas(16) unsigned char out[FS_OUT_MAX];
	struct iovec iov[FS_MAX_SEGS + 1];
	bool own_umask; /* this thread's file system context is its own */
};

/* A request that is run now and cannot be run twice: fs_again.c. */
struct fs_intent {
	_Atomic uint64_t unique; /* 0: none */
	uint64_t step;
	uint64_t ino;
	uint64_t reserved;
};

struct fs_queue {
	struct fs *fs;
	struct vu_queue *vq;
	struct vu_group *group;
	struct fs_scratch *scratch;
	struct vu_source *retry;    /* timer: locks that are waited for */
	struct vu_source *tick;	    /* timer: fs_reuse.c */
	struct fs_waiting *waiting; /* oldest first */
	struct fs_intent *intent;   /* in the state file; NULL: */
	struct fs_intent own_intent;
};

struct fs {
	const struct fs_settings *settings;
	struct vu_device *dev;
	struct vu_program *program;
	struct fs_queue *queues;
	uint32_t n_queues; /* that of forgets counted */

	struct slots nodes, files;
	struct fs_shard shards[FS_SHARDS];
	struct fs_node *root;
	int proc_fd;  /* /proc/self/fd, and nothing else of /proc */
	int mount_fd; /* for handles; -1: there are none */
	int mount_id;
	uint64_t root_mnt_id; /* statx's */
	struct fs_opened opened;
	uint32_t max_open_nodes;
	atomic_bool has_places; /* an inode has been closed that has no file handle */
	bool privileged;	/* may act as any user */

	_Atomic uint64_t flags; /* INIT's answer; 0: there was none */
	struct fs_pool *pool;	/* NULL: the queues' threads do all */
	pthread_mutex_t lock_table;
	_Atomic uint32_t n_waiting;
	struct fs_mover mover;
	struct fs_dax dax;
	struct fs_kept *kept;	      /* NULL: there is no state file */
	struct fs_reuse *reuse;	      /* NULL: nothing is kept */
	uint64_t entry_sec, attr_sec; /* how long the guest may believe them */
	uint32_t entry_nsec, attr_nsec;
};

/* One request, out of the guest's reach. */
struct fs_call {
	struct fs *fs;
	struct fs_queue *queue;
	struct fs_scratch *scratch;
	struct vu_req *req;
	struct fuse_in_header hdr;
	const void *args;	   /* as many bytes as the row says */
	const char *name;	   /* checked: a single component */
	const char *name2;	   /* the second, or a symbolic link's target */
	const unsigned char *rest; /* what follows them */
	uint32_t rest_len;
	const unsigned char *ext; /* extensions */
	uint32_t ext_len;
	struct fs_node *node; /* hdr.nodeid's, pinned; NULL without FS_NODE */
	void *out;	      /* room for a reply */
	uint32_t out_room;
	bool direct;  /* the reply lies in the guest's memory already */
	bool resumed; /* on a thread of the pool */
	bool again;   /* may have been done before a crash: fs_again.c */
};

enum fs_row_flags {
	FS_NODE = 1,	/* hdr.nodeid must be a known inode */
	FS_NAME = 2,	/* a name follows the arguments */
	FS_NAME2 = 4,	/* and another one */
	FS_TARGET = 8,	/* and a symbolic link's target */
	FS_XNAME = 16,	/* an extended attribute's name follows */
	FS_WRITES = 32, /* refused on a read-only share */
	FS_NO_REPLY = 64,
	FS_DATA = 128,	/* what follows the arguments stays where it is */
	FS_EARLY = 256, /* also before INIT */
	FS_DOTS = 512,	/* "." and ".." are allowed */
	FS_DIR = 1024,	/* the inode must be a directory */
	FS_SLOW = 2048, /* may wait for disks: for the pool, if there is one; no FS_NODE */
	FS_ONCE = 4096, /* not to be run twice: fs_again.c; never FS_SLOW, too */
};

struct fs_row {
	const char *name;
	uint16_t args; /* least bytes behind the header */
	uint16_t flags;
	int (*run)(struct fs_call *c); /* bytes of the reply in out, -errno, or FS_LATER */
};

/* NULL: not known. */
const struct fs_row *fs_row(uint32_t opcode);

/* fs_call.c */
void fs_call_run(struct fs_queue *q, struct fs_scratch *scratch, struct vu_req *req);
/* One that was given to the pool, on the thread that took it. */
void fs_call_resume(struct fs_call *c, const struct fs_row *row, struct fs_scratch *scratch);
/* The end of one that said FS_LATER; on its queue's thread. */
void fs_call_finish(struct vu_req *req, uint64_t unique, int error);
/* The same on any other thread. */
void fs_call_finish_elsewhere(struct vu_req *req, uint64_t unique, int error);

/* fs_node.c.  A node that is handed out is pinned: node_put(). */
int fs_nodes_init(struct fs *fs, const char *dir);
void fs_nodes_fini(struct fs *fs);
struct fs_node *fs_node_get(struct fs *fs, uint64_t id);
void fs_node_put(struct fs *fs, struct fs_node *node);
/* Its O_PATH descriptor, valid while it is pinned; -errno. */
int fs_node_fd(struct fs *fs, struct fs_node *node);
/* A new descriptor on a regular file or directory. */
int fs_node_open(struct fs *fs, struct fs_node *node, int flags);
/* The same with the rights of the request's user, whom the guest's kernel has not checked. */
int fs_node_open_as_user(struct fs_call *c, struct fs_node *node, int flags);
/* Find a name, and count one reference of the guest's more if ref; stx receives its attributes. */
int fs_node_find(struct fs *fs, int dir_fd, const char *name, uint64_t refs, struct statx *stx,
		 struct fs_node **node);
/* The same of an open file that may have no name. */
int fs_node_of_fd(struct fs *fs, int opened, uint64_t refs, struct statx *stx,
		  struct fs_node **node);
/* It is called that now, and may have to be found there. */
void fs_node_moved(struct fs *fs, int dir_fd, const char *name);
void fs_node_forget(struct fs *fs, uint64_t id, uint64_t refs);
/* One that was known before, by what it is, with the number it had; fd is O_PATH, and owned. */
int fs_node_restore(struct fs *fs, uint64_t id, uint64_t refs, const struct fs_node *key, int fd);
/* The same by a handle that is to be trusted. */
int fs_node_restore_handle(struct fs *fs, uint64_t id, uint64_t refs, const struct fs_node *key,
			   int type, const void *bytes, uint32_t len);
/* What file it is: sets the key's dev, ino, type and time of birth. */
void fs_node_key(const struct statx *stx, struct fs_node *key);
/* All of them: a new guest. */
void fs_nodes_forget_all(struct fs *fs);
/* openat(2), which closes others if there is no descriptor left. */
int fs_openat(struct fs *fs, int dir_fd, const char *name, int flags, mode_t mode);
/* F_DUPFD_CLOEXEC, likewise. */
int fs_dup(struct fs *fs, int fd);
/* Close up to n descriptors of inodes that nobody works with. */
void fs_nodes_trim(struct fs *fs, uint32_t n);

/* fs_node_place.c: O_PATH, what a directory is in; -ESTALE: nothing of the share, or not any more.
 */
int fs_parent_open(struct fs *fs, struct fs_node *node);

/* fs_file.c */
int fs_files_init(struct fs *fs);
void fs_files_fini(struct fs *fs);
struct fs_file *fs_file_get(struct fs *fs, uint64_t fh, bool is_dir);
void fs_file_put(struct fs *fs, struct fs_file *file);
void fs_files_close_all(struct fs *fs);
/* Owns fd; its number, or 0 (the fd is closed): out of memory.  mark: NULL if it is not to be kept.
 */
uint64_t fs_file_new(struct fs *fs, uint64_t nodeid, int fd, int flags, bool is_dir,
		     const struct fs_mark *mark);
/* One that was open before; -ESTALE: it cannot be opened. */
int fs_file_restore(struct fs *fs, uint64_t fh, uint64_t nodeid, int flags, bool is_dir);
void fs_dir_free(struct fs_dir *dir);

/* fs_init.c: every flag that INIT may agree on. */
uint64_t fs_known_flags(void);

/* fs_lookup.c: an entry for the guest. */
void fs_fill_entry(struct fs_call *c, const struct fs_node *node, const struct statx *stx,
		   struct fuse_entry_out *entry);
int fs_reply_entry(struct fs_call *c, const char *name);
int fs_make_entry_of_fd(struct fs_call *c, int fd, struct fuse_entry_out *entry);
/* The same into entry. */
int fs_make_entry(struct fs_call *c, int dir_fd, const char *name, struct fuse_entry_out *entry);

/* fs_attr.c */
void fs_fill_attr(const struct fs *fs, const struct stat *st, struct fuse_attr *attr);
void fs_stat_from_statx(const struct statx *stx, struct stat *st);

/* fs_creds.c */
struct fs_creds {
	bool changed, raised;
};
int fs_creds_enter(struct fs_call *c, struct fs_creds *creds);
/* The same for a file that is there: nothing stands for groups that the driver sent none of. */
int fs_creds_enter_to_open(struct fs_call *c, struct fs_creds *creds);
void fs_creds_leave(struct fs_call *c, const struct fs_creds *creds);
/* Without CAP_FSETID the kernel takes set-user-ID bits away, as for any user. */
int fs_fsetid_drop(struct fs *fs);
void fs_fsetid_restore(struct fs *fs);

/* fs_xattr.c: an inode as calls that take a path know it. */
enum { FS_XATTR_PATH = 32 };
int fs_xattr_path(struct fs *fs, struct fs_node *node, char path[FS_XATTR_PATH]);

/* fs_label.c: the labels that came with the request, on what it made. */
int fs_label(struct fs_call *c, const struct fuse_entry_out *entry);
/* The same of c->name, which is removed where it cannot be; ret: the reply so far. */
int fs_label_named(struct fs_call *c, int dir_fd, int ret, bool is_dir);

/* fs_lock.c */
void fs_locks_forget(struct fs *fs, struct fs_node *node, uint64_t owner);
void fs_locks_free(struct fs *fs, struct fs_node *node);
void fs_locks_retry(struct vu_source *source, int fd, uint32_t events, void *opaque);
void fs_locks_end(struct fs_queue *q);

#define FS_HANDLER(name) int fs_##name(struct fs_call *c)
FS_HANDLER(init);
FS_HANDLER(destroy);
FS_HANDLER(lookup);
FS_HANDLER(forget);
FS_HANDLER(batch_forget);
FS_HANDLER(getattr);
FS_HANDLER(setattr);
FS_HANDLER(statx);
FS_HANDLER(access);
FS_HANDLER(readlink);
FS_HANDLER(symlink);
FS_HANDLER(mknod);
FS_HANDLER(mkdir);
FS_HANDLER(unlink);
FS_HANDLER(rmdir);
FS_HANDLER(rename);
FS_HANDLER(rename2);
FS_HANDLER(link);
FS_HANDLER(open);
FS_HANDLER(create);
FS_HANDLER(tmpfile);
FS_HANDLER(release);
FS_HANDLER(flush);
FS_HANDLER(fsync);
FS_HANDLER(read);
FS_HANDLER(write);
FS_HANDLER(fallocate);
FS_HANDLER(lseek);
FS_HANDLER(copy_file_range);
FS_HANDLER(copy_file_range_64);
FS_HANDLER(opendir);
FS_HANDLER(readdir);
FS_HANDLER(readdirplus);
FS_HANDLER(releasedir);
FS_HANDLER(fsyncdir);
FS_HANDLER(setxattr);
FS_HANDLER(getxattr);
FS_HANDLER(listxattr);
FS_HANDLER(removexattr);
FS_HANDLER(getlk);
FS_HANDLER(setlk);
FS_HANDLER(setlkw);
FS_HANDLER(setupmapping);
FS_HANDLER(removemapping);
FS_HANDLER(statfs);
FS_HANDLER(syncfs);
FS_HANDLER(unsupported);

#endif
