/* SPDX-License-Identifier: MIT */
/* The contents of files: straight from and to the guest's memory. */
#include "fs_again.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/uio.h>
#include <unistd.h>

enum { READ_MAX = 16 << 20 /* beyond what any driver asks for */ };
enum { WRITE_DATA = sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in) };

/* A page is one piece, and for one the kernel has shorter ways. */
static ssize_t fs_readv(int fd, const struct iovec *iov, int n, off_t offset)
{
	return n == 1 ? pread(fd, iov->iov_base, iov->iov_len, offset) : preadv(fd, iov, n, offset);
}

static ssize_t fs_writev(int fd, const struct iovec *iov, int n, off_t offset)
{
	return n == 1 ? pwrite(fd, iov->iov_base, iov->iov_len, offset)
		      : pwritev(fd, iov, n, offset);
}

/* Is it all there is?  A short one may only have found what lies in memory. */
static bool fs_is_all(const struct fs_file *file, const struct fuse_read_in *in, ssize_t got)
{
	struct stat st;

	return got == (ssize_t)in->size ||
	       (!fstat(file->fd, &st) && (int64_t)in->offset + got >= st.st_size);
}

/* With a pool, the queue's thread reads what lies in memory, and nothing that it waits for. */
static ssize_t fs_read_at_once(struct fs_call *c, const struct fs_file *file, int n)
{
	const struct fuse_read_in *in = c->args;
	ssize_t got;

	/* Past the page cache there is nothing but the disk. */
	if (file->flags & O_DIRECT)
		return FS_ELSEWHERE;
	got = preadv2(file->fd, c->scratch->iov, n, (off_t)in->offset, RWF_NOWAIT);
	if (got < 0)
		return errno == EAGAIN || errno == EOPNOTSUPP ? FS_ELSEWHERE : -errno;
	return fs_is_all(file, in, got) ? got : FS_ELSEWHERE;
}

static ssize_t fs_read_file(struct fs_call *c, const struct fs_file *file, int n)
{
	const struct fuse_read_in *in = c->args;
	ssize_t got;

	if (c->fs->pool && !c->resumed)
		return fs_read_at_once(c, file, n);
	got = fs_readv(file->fd, c->scratch->iov, n, (off_t)in->offset);
	return got < 0 ? -errno : got;
}

int fs_read(struct fs_call *c)
{
	const struct fuse_read_in *in = c->args;
	const uint64_t header = sizeof(struct fuse_out_header);
	struct fs_file *file;
	int n;
	ssize_t got;

	if (c->req->writable_len < header || in->size > c->req->writable_len - header ||
	    in->size > READ_MAX || in->offset > INT64_MAX)
		return -EINVAL;
	file = fs_file_get(c->fs, in->fh, false);
	if (!file)
		return -EBADF;
	n = vu_iov_slice(c->req->writable, c->req->n_writable, header, in->size, c->scratch->iov,
			 FS_MAX_SEGS);
	got = n > 0 ? fs_read_file(c, file, n) : n;
	fs_file_put(c->fs, file);
	c->direct = true;
	return (int)got;
}

static bool fs_has_privileges(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_mode & (S_ISUID | S_ISGID);
}

int fs_write(struct fs_call *c)
{
	const struct fuse_write_in *in = c->args;
	struct fuse_write_out *out = c->out;
	struct fs_file *file;
	uint32_t there;
	bool kill;
	ssize_t put;
	int n;

	if (in->size > c->req->readable_len - WRITE_DATA || in->offset > INT64_MAX ||
	    c->out_room < sizeof(*out))
		return -EINVAL;
	file = fs_file_get(c->fs, in->fh, false);
	if (!file)
		return -EBADF;
	there = fs_again_appended(c, file, WRITE_DATA, in->size, in->offset);
	n = vu_iov_slice(c->req->readable, c->req->n_readable, WRITE_DATA + there, in->size - there,
			 c->scratch->iov, FS_MAX_SEGS);
	kill = in->write_flags & FUSE_WRITE_KILL_SUIDGID && fs_has_privileges(file->fd);
	if (kill)
		fs_fsetid_drop(c->fs);
	put = n > 0 ? fs_writev(file->fd, c->scratch->iov, n, (off_t)(in->offset + there)) : n;
	put = put >= 0 ? put + there : n > 0 ? -errno : n;
	if (kill)
		fs_fsetid_restore(c->fs);
	fs_file_put(c->fs, file);
	if (put < 0)
		return (int)put;
	*out = (struct fuse_write_out){.size = (uint32_t)put};
	return sizeof(*out);
}

int fs_fallocate(struct fs_call *c)
{
	const struct fuse_fallocate_in *in = c->args;
	struct fs_file *file = fs_file_get(c->fs, in->fh, false);
	int ret;

	if (!file)
		return -EBADF;
	ret = fallocate(file->fd, (int)in->mode, (off_t)in->offset, (off_t)in->length) < 0 ? -errno
											   : 0;
	fs_file_put(c->fs, file);
	return ret;
}

int fs_lseek(struct fs_call *c)
{
	const struct fuse_lseek_in *in = c->args;
	struct fuse_lseek_out *out = c->out;
	struct fs_file *file;
	off_t at;

	/* The driver knows the position and the size by itself. */
	if ((in->whence != SEEK_DATA && in->whence != SEEK_HOLE) || c->out_room < sizeof(*out))
		return -EINVAL;
	file = fs_file_get(c->fs, in->fh, false);
	if (!file)
		return -EBADF;
	at = lseek(file->fd, (off_t)in->offset, (int)in->whence);
	at = at < 0 ? -errno : at;
	fs_file_put(c->fs, file);
	if (at < 0)
		return (int)at;
	*out = (struct fuse_lseek_out){.offset = (uint64_t)at};
	return sizeof(*out);
}

/* A request is bounded, so that it does not keep its queue for ever; the driver asks for the rest.
 */
static int64_t fs_copy(struct fs_call *c)
{
	const struct fuse_copy_file_range_in *in = c->args;
	struct fs_file *from = fs_file_get(c->fs, in->fh_in, false);
	struct fs_file *to = fs_file_get(c->fs, in->fh_out, false);
	off_t from_at = (off_t)in->off_in, to_at = (off_t)in->off_out;
	size_t len = in->len < 64 << 20 ? (size_t)in->len : 64 << 20;
	int64_t n = -EBADF;

	if (from && to) {
		n = copy_file_range(from->fd, &from_at, to->fd, &to_at, len,
				    (unsigned int)in->flags);
		n = n < 0 ? -errno : n;
	}
	if (from)
		fs_file_put(c->fs, from);
	if (to)
		fs_file_put(c->fs, to);
	return n;
}

int fs_copy_file_range(struct fs_call *c)
{
	struct fuse_write_out *out = c->out;
	int64_t n;

	if (c->out_room < sizeof(*out))
		return -EINVAL;
	n = fs_copy(c);
	if (n < 0)
		return (int)n;
	*out = (struct fuse_write_out){.size = (uint32_t)n};
	return sizeof(*out);
}

int fs_copy_file_range_64(struct fs_call *c)
{
	struct fs_copy_file_range_out *out = c->out;
	int64_t n;

	if (c->out_room < sizeof(*out))
		return -EINVAL;
	n = fs_copy(c);
	if (n < 0)
		return (int)n;
	*out = (struct fs_copy_file_range_out){.bytes_copied = (uint64_t)n};
	return sizeof(*out);
}
