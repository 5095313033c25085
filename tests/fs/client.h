/* SPDX-License-Identifier: MIT */
/*
 * A FUSE driver on the test peer: vu-fs in a process of its own, a directory that it shares, and
 * requests as Linux sends them.
 *
 * The share is in /dev/shm (or /tmp, see folder_quick()), or in the folder that VU_FS_DIR names.
 * Functions that return an int give a negative errno of the reply's, or what it says.
 */
#ifndef FS_CLIENT_H
#define FS_CLIENT_H

#include "devices/rig.h"

#include <linux/fuse.h>
#include <sys/stat.h>

enum {
	CLIENT_MEMORY = 48 << 20,
	CLIENT_DATA = 1 << 20, /* largest payload */
	CLIENT_HEAD = 4096,    /* headers and arguments */
	CLIENT_QUEUES = 4,     /* at most, that of forgets included */
	ROOT = FUSE_ROOT_ID,
};

/* Flags and opcodes beyond Debian 12's header. */
#define CLIENT_ALL_FLAGS	 UINT64_C(0x1ff7bfffffb)
#define CLIENT_CREATE_SUPP_GROUP (UINT64_C(1) << 34)
enum { CLIENT_STATX = 52, CLIENT_COPY_FILE_RANGE_64 = 53 };

/* The place of one request in guest memory. */
struct client_io {
	unsigned char *out, *in;
	uint64_t out_gpa, in_gpa;
	uint64_t unique;
};

struct client {
	struct rig rig;
	char share[RIG_PATH + 8];
	struct guest_region memory;
	struct client_io io[CLIENT_QUEUES];
	uint64_t unique;
	struct fuse_init_out init;
	uint32_t uid, gid;
	uint16_t extlen;   /* of extensions at the end of the next requests, in units of 8 bytes */
	uint32_t used_len; /* of the last request */
	struct wire_inflight inflight; /* of client_connect_logged() */
	int log;
};

int client_setup(void **state);
int client_teardown(void **state);
/* client_setup() of one that is part of another struct (zeroed), and begins it. */
void client_open(struct client *c, const char *where);

/* May programs have namespaces of their own here?  Some containers have none. */
bool client_has_namespaces(void);
/* Skips the test for anybody but root. */
void client_need_root(const char *why);
/* Spawn with --shared-dir and args, connect with so many request queues. */
void client_spawn(struct client *c, const char *const *args);
void client_connect(struct client *c, uint32_t request_queues);
/* Both, and INIT with every flag. */
void client_start(struct client *c, const char *const *args);
/* INIT; the reply is in c->init. */
int client_init(struct client *c, uint64_t flags);
void client_stop(struct client *c);
/* SIGKILL. */
void client_kill(struct client *c);
/* client_connect() of a front-end that keeps the log of requests in flight. */
void client_connect_logged(struct client *c, uint32_t request_queues);
/* The same front-end connects to another program: the guest ran on, with its requests. */
void client_reconnect(struct client *c);
/* The guest stops, and what the device saves is to be freed. */
void client_save(struct client *c, void **state, size_t *len);
/* client_connect() with one request queue, of a guest that comes with a state; -EREMOTEIO: it was
 * refused, and there is no connection. */
int client_connect_with(struct client *c, const void *state, size_t len);

/*
 * A request on a queue: header, args, then more (may be NULL), until the reply: in's first bytes
 * receive what is behind its header, at most in_len.
 */
int client_ask_on(struct client *c, uint32_t queue, uint32_t opcode, uint64_t nodeid,
		  const void *args, uint32_t args_len, const void *more, uint32_t more_len,
		  void *in, uint32_t in_len);
int client_ask(struct client *c, uint32_t opcode, uint64_t nodeid, const void *args,
	       uint32_t args_len, const void *more, uint32_t more_len, void *in, uint32_t in_len);
/* The two halves of it: one request of each queue may be out. */
void client_offer(struct client *c, uint32_t queue, uint32_t opcode, uint64_t nodeid,
		  const void *args, uint32_t args_len, const void *more, uint32_t more_len,
		  uint32_t in_len);
int client_wait(struct client *c, uint32_t queue, void *in, uint32_t in_len);
/* Bytes as they are, with this room for a reply; the used length. */
uint32_t client_raw(struct client *c, uint32_t queue, const void *out, uint32_t out_len,
		    uint32_t in_len);
/* A request without a reply, on queue 0. */
void client_tell(struct client *c, uint32_t opcode, uint64_t nodeid, const void *args,
		 uint32_t args_len);

/* One function an operation; names are single components. */
int client_lookup(struct client *c, uint64_t dir, const char *name, struct fuse_entry_out *entry);
/* lookup() of a/b/c from the root; fails the test where it is not there. */
uint64_t client_walk(struct client *c, const char *path);
void client_forget(struct client *c, uint64_t node, uint64_t n);
int client_getattr(struct client *c, uint64_t node, struct fuse_attr *attr);
int client_setattr(struct client *c, uint64_t node, const struct fuse_setattr_in *in,
		   struct fuse_attr *attr);
int client_open_file(struct client *c, uint64_t node, uint32_t flags, uint64_t *fh);
int client_create(struct client *c, uint64_t dir, const char *name, uint32_t flags, uint32_t mode,
		  struct fuse_entry_out *entry, uint64_t *fh);
int client_release(struct client *c, uint64_t node, uint64_t fh);
int client_read(struct client *c, uint64_t node, uint64_t fh, uint64_t offset, void *data,
		uint32_t len);
int client_write(struct client *c, uint64_t node, uint64_t fh, uint64_t offset, const void *data,
		 uint32_t len);
int client_mkdir(struct client *c, uint64_t dir, const char *name, uint32_t mode,
		 struct fuse_entry_out *entry);
int client_name(struct client *c, uint32_t opcode, uint64_t dir, const char *name);
int client_rename(struct client *c, uint64_t from, const char *name, uint64_t to, const char *name2,
		  uint32_t flags);
int client_symlink(struct client *c, uint64_t dir, const char *name, const char *target,
		   struct fuse_entry_out *entry);
int client_link(struct client *c, uint64_t node, uint64_t dir, const char *name,
		struct fuse_entry_out *entry);
int client_readlink(struct client *c, uint64_t node, char target[4097]);
int client_opendir(struct client *c, uint64_t node, uint64_t *fh);
int client_releasedir(struct client *c, uint64_t node, uint64_t fh);
/* Bytes of entries; plus: with look-ups. */
int client_readdir(struct client *c, uint64_t node, uint64_t fh, uint64_t offset, bool plus,
		   void *data, uint32_t len);

/* A file or directory of the share, from the host's side. */
const char *client_path(const struct client *c, const char *name);
void client_make_file(const struct client *c, const char *name, const char *text);
void client_make_dir(const struct client *c, const char *name);

#define CLIENT_TEST(name) cmocka_unit_test_setup_teardown(name, client_setup, client_teardown)

#endif
