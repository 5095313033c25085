/* SPDX-License-Identifier: MIT */
/*
 * READDIR and READDIRPLUS.
 *
 * Each open directory keeps what the kernel gave for it last, so that a listing goes on where the
 * last reply ended without asking for the same names again.  With PARALLEL_DIROPS several threads
 * may list one directory: a lock, held for no longer than the kernel needs to read it.
 */
#include "fs.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DIR_BUFFER = 32 << 10 };

struct fs_dirent {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

struct fs_dir {
	pthread_mutex_t lock;
	int64_t at;	    /* the offset that buffer + used is at; -1: nothing is buffered */
	uint32_t used, len; /* of buffer */
	_Alignas(8) unsigned char buffer[DIR_BUFFER];
};

void fs_dir_free(struct fs_dir *dir)
{
	if (dir)
		pthread_mutex_destroy(&dir->lock);
	free(dir);
}

static struct fs_dir *fs_dir_of(struct fs *fs, struct fs_file *file)
{
	struct fs_dir *dir;

	pthread_mutex_lock(&fs->lock_table);
	dir = file->dir;
	if (!dir) {
		dir = calloc(1, sizeof(*dir));
		if (dir)
			pthread_mutex_init(&dir->lock, NULL);
		if (dir)
			dir->at = -1;
		file->dir = dir;
	}
	pthread_mutex_unlock(&fs->lock_table);
	return dir;
}

/* Read on from an offset.  The bytes there are; 0 at the end. */
static int fs_dir_fill(struct fs_file *file, struct fs_dir *dir, int64_t offset)
{
	long n;

	if (dir->at == offset && dir->used < dir->len)
		return 1;
	if (dir->at != offset && lseek(file->fd, offset, SEEK_SET) < 0)
		return -errno;
	dir->at = -1;
	dir->used = dir->len = 0;
	n = syscall(SYS_getdents64, file->fd, dir->buffer, DIR_BUFFER);
	if (n < 0)
		return -errno;
	dir->at = offset;
	dir->len = (uint32_t)n;
	return n > 0;
}

static bool fs_is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* One entry to at; its size, 0: it does not fit, -errno. */
static int fs_add_entry(struct fs_call *c, int dir_fd, const struct fs_dirent *from,
			unsigned char *at, uint32_t room, bool plus)
{
	uint32_t head = plus ? sizeof(struct fuse_entry_out) : 0;
	uint32_t len = (uint32_t)strlen(from->name);
	uint32_t size = head + FUSE_REC_ALIGN((uint32_t)FUSE_NAME_OFFSET + len);
	struct fuse_dirent *to = (struct fuse_dirent *)(at + head);

	if (size > room)
		return 0;
	memset(at, 0, size);
	/* Whoever lists knows these two; without an inode the driver counts no look-up. */
	if (plus && !fs_is_dots(from->name)) {
		int ret = fs_make_entry(c, dir_fd, from->name, (struct fuse_entry_out *)at);

		/* A name that is gone since, or one we may not look at, is listed all the same. */
		if (ret)
			memset(at, 0, head);
	}
	to->ino = from->ino;
	to->off = (uint64_t)from->off;
	to->namelen = len;
	to->type = from->type;
	memcpy(to->name, from->name, len);
	return (int)size;
}

static int fs_list(struct fs_call *c, struct fs_file *file, struct fs_dir *dir, bool plus)
{
	const struct fuse_read_in *in = c->args;
	uint32_t room = in->size < c->out_room ? in->size : c->out_room, len = 0;
	int dir_fd = fs_node_fd(c->fs, c->node), ret;
	int64_t offset = (int64_t)in->offset;

	if (dir_fd < 0)
		return dir_fd;
	while ((ret = fs_dir_fill(file, dir, offset)) > 0) {
		const struct fs_dirent *from = (const void *)(dir->buffer + dir->used);

		ret = fs_add_entry(c, dir_fd, from, (unsigned char *)c->out + len, room - len,
				   plus);
		if (ret <= 0)
			break;
		len += (uint32_t)ret;
		dir->used += from->reclen;
		dir->at = offset = from->off;
	}
	if (len)
		return (int)len;
	/* Not even one entry fits into what the driver has. */
	return ret < 0 ? ret : 0;
}

static int fs_do_readdir(struct fs_call *c, bool plus)
{
	const struct fuse_read_in *in = c->args;
	struct fs_file *file = fs_file_get(c->fs, in->fh, true);
	struct fs_dir *dir;
	int ret = -ENOMEM;

	if (!file)
		return -EBADF;
	dir = fs_dir_of(c->fs, file);
	if (dir) {
		pthread_mutex_lock(&dir->lock);
		ret = fs_list(c, file, dir, plus);
		pthread_mutex_unlock(&dir->lock);
	}
	fs_file_put(c->fs, file);
	return ret;
}

int fs_readdir(struct fs_call *c)
{
	return fs_do_readdir(c, false);
}

int fs_readdirplus(struct fs_call *c)
{
	return fs_do_readdir(c, true);
}
