/* SPDX-License-Identifier: MIT */
/* See slow_fs.h.  A thread reads requests and answers them, one by one. */
#include "slow_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_NODE = 2, REQUEST_MAX = 256 << 10 };

struct slow_fs {
	int fd;
	char dir[128];
	pthread_t thread;
	pthread_mutex_t lock; /* of the rest */
	pthread_cond_t changed;
	uint32_t hold;	/* an opcode; 0: none */
	uint64_t held;	/* unique of the one that is kept; 0: none */
	uint32_t reply; /* and how many bytes it will be answered with */
};

static void slow_reply(struct slow_fs *s, uint64_t unique, int error, const void *data,
		       uint32_t len)
{
	struct {
		struct fuse_out_header head;
		unsigned char data[SLOW_SIZE];
	} out = {.head = {.len = (uint32_t)sizeof(out.head) + len,
			  .error = error,
			  .unique = unique}};

	if (data)
		memcpy(out.data, data, len);
	/* Fails where the asking process was killed. */
	(void)!write(s->fd, &out, out.head.len);
}

static struct fuse_attr slow_attr(uint64_t node)
{
	return (struct fuse_attr){
		.ino = node,
		.mode = node == FILE_NODE ? S_IFREG | 0666 : S_IFDIR | 0777,
		.size = node == FILE_NODE ? SLOW_SIZE : 0,
		.nlink = 1,
		.blksize = 4096,
	};
}

static void slow_lookup(struct slow_fs *s, const struct fuse_in_header *hdr, const char *name)
{
	struct fuse_entry_out entry = {.nodeid = FILE_NODE,
				       .entry_valid = 1000,
				       .attr_valid = 1000,
				       .attr = slow_attr(FILE_NODE)};

	if (strcmp(name, "file"))
		slow_reply(s, hdr->unique, -ENOENT, NULL, 0);
	else
		slow_reply(s, hdr->unique, 0, &entry, sizeof(entry));
}

/* How many bytes answer what may be kept. */
static uint32_t slow_reply_len(const struct fuse_in_header *hdr, const void *args)
{
	const struct fuse_read_in *read = args;

	switch (hdr->opcode) {
	case FUSE_READ:
		return read->offset >= SLOW_SIZE	       ? 0
		       : read->size < SLOW_SIZE - read->offset ? read->size
							       : SLOW_SIZE - (uint32_t)read->offset;
	case FUSE_WRITE:
	case FUSE_COPY_FILE_RANGE:
		return sizeof(struct fuse_write_out);
	default: /* FSYNC, FALLOCATE, ... */
		return 0;
	}
}

static void slow_reply_io(struct slow_fs *s, const struct fuse_in_header *hdr, const void *args)
{
	uint32_t len = slow_reply_len(hdr, args);
	struct fuse_write_out out = {.size = 4096};
	bool held;

	pthread_mutex_lock(&s->lock);
	held = hdr->opcode == s->hold;
	if (held) {
		s->held = hdr->unique;
		s->reply = len;
		pthread_cond_broadcast(&s->changed);
	}
	pthread_mutex_unlock(&s->lock);
	if (!held)
		slow_reply(s, hdr->unique, 0, len == sizeof(out) ? &out : NULL, len);
}

static void slow_serve(struct slow_fs *s, const struct fuse_in_header *hdr, const void *args)
{
	struct fuse_init_out init = {.major = 7, .minor = 31, .max_write = 128 << 10};
	struct fuse_attr_out attr = {.attr_valid = 1000, .attr = slow_attr(hdr->nodeid)};
	struct fuse_open_out open = {.open_flags = FOPEN_DIRECT_IO};

	switch (hdr->opcode) {
	case FUSE_INIT:
		slow_reply(s, hdr->unique, 0, &init, sizeof(init));
		break;
	case FUSE_LOOKUP:
		slow_lookup(s, hdr, args);
		break;
	case FUSE_GETATTR:
		slow_reply(s, hdr->unique, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		slow_reply(s, hdr->unique, 0, &open, sizeof(open));
		break;
	case FUSE_READ:
	case FUSE_WRITE:
	case FUSE_FSYNC:
	case FUSE_FSYNCDIR:
	case FUSE_FALLOCATE:
	case FUSE_COPY_FILE_RANGE:
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		slow_reply_io(s, hdr, args);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		slow_reply(s, hdr->unique, -ENOSYS, NULL, 0);
	}
}

static void *slow_work(void *opaque)
{
	struct slow_fs *s = opaque;
	unsigned char *request = malloc(REQUEST_MAX);
	ssize_t n;

	while ((n = read(s->fd, request, REQUEST_MAX)) > 0 || errno == EINTR || errno == ENOENT)
		if (n >= (ssize_t)sizeof(struct fuse_in_header))
			slow_serve(s, (const void *)request,
				   request + sizeof(struct fuse_in_header));
	free(request); /* ENODEV: it is mounted no more */
	return NULL;
}

struct slow_fs *slow_fs_mount(const char *dir)
{
	struct slow_fs *s = calloc(1, sizeof(*s));
	char options[96];

	s->fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(s->dir, sizeof(s->dir), "%s", dir);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", s->fd);
	if (s->fd < 0 || mount("slow", dir, "fuse.slow", 0, options) < 0) {
		if (s->fd >= 0)
			close(s->fd);
		free(s);
		return NULL;
	}
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	pthread_create(&s->thread, NULL, slow_work, s);
	return s;
}

void slow_fs_hold(struct slow_fs *s, uint32_t opcode)
{
	pthread_mutex_lock(&s->lock);
	s->hold = opcode;
	pthread_mutex_unlock(&s->lock);
}

void slow_fs_wait_held(struct slow_fs *s)
{
	pthread_mutex_lock(&s->lock);
	while (!s->held)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

void slow_fs_go_on(struct slow_fs *s)
{
	struct fuse_write_out out = {.size = 4096};

	pthread_mutex_lock(&s->lock);
	if (s->held)
		slow_reply(s, s->held, 0, s->reply == sizeof(out) ? &out : NULL, s->reply);
	s->hold = 0;
	s->held = 0;
	pthread_mutex_unlock(&s->lock);
}

void slow_fs_unmount(struct slow_fs *s)
{
	umount2(s->dir, MNT_DETACH);
	pthread_join(s->thread, NULL);
	close(s->fd);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
