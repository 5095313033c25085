/* SPDX-License-Identifier: MIT */
/*
 * Runs in the guest: fsx FILE SEED N.  Changes one file at random in every way there is, and knows
 * what it must hold: written, mapped, cut, grown, punched, copied within itself, opened anew.
 * Prints nothing if all is well.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST = 256 << 10, PIECE = 32 << 10 };

struct fsx {
	const char *path;
	int fd;
	uint64_t chance;
	uint32_t len;
	unsigned char good[MOST], seen[MOST];
};

static uint32_t below(struct fsx *x, uint32_t n)
{
	x->chance = x->chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(x->chance >> 33) % n;
}

static int fail(const struct fsx *x, const char *what, uint32_t at)
{
	printf("%s: %s at %u of %u: %s\n", x->path, what, at, x->len, strerror(errno));
	return -1;
}

/* Some bytes somewhere, which may lie beyond the end. */
static uint32_t range(struct fsx *x, uint32_t *len)
{
	uint32_t at = below(x, MOST - PIECE);

	*len = 1 + below(x, PIECE);
	return at;
}

static void grow(struct fsx *x, uint32_t end)
{
	if (end > x->len)
		x->len = end;
}

static int do_write(struct fsx *x)
{
	uint32_t len, at = range(x, &len);

	for (uint32_t i = 0; i < len; i++)
		x->good[at + i] = (unsigned char)below(x, 256);
	if (pwrite(x->fd, x->good + at, len, at) != (ssize_t)len)
		return fail(x, "write", at);
	grow(x, at + len);
	return 0;
}

static int do_read(struct fsx *x)
{
	uint32_t len, at = range(x, &len);
	ssize_t want = at >= x->len ? 0 : x->len - at < len ? x->len - at : len;

	if (pread(x->fd, x->seen, len, at) != want)
		return fail(x, "read", at);
	return want && memcmp(x->seen, x->good + at, (size_t)want) ? fail(x, "other bytes", at) : 0;
}

static int do_truncate(struct fsx *x)
{
	uint32_t len = below(x, MOST);

	if (ftruncate(x->fd, len) < 0)
		return fail(x, "truncate", len);
	if (len < x->len)
		memset(x->good + len, 0, x->len - len);
	x->len = len;
	return 0;
}

static int do_map(struct fsx *x)
{
	uint32_t len = x->len ? 1 + below(x, x->len) : 0, at = len ? below(x, len) : 0;
	unsigned char *map;

	if (!len)
		return 0;
	map = mmap(NULL, x->len, PROT_READ | PROT_WRITE, MAP_SHARED, x->fd, 0);
	if (map == MAP_FAILED)
		return fail(x, "map", 0);
	if (memcmp(map, x->good, x->len))
		return fail(x, "other bytes in the mapping", 0);
	for (uint32_t i = at; i < len; i++)
		map[i] = x->good[i] = (unsigned char)below(x, 256);
	if (below(x, 2) && msync(map, x->len, MS_SYNC) < 0)
		return fail(x, "msync", 0);
	munmap(map, x->len);
	return 0;
}

static int do_allocate(struct fsx *x)
{
	static const int modes[] = {0, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				    FALLOC_FL_KEEP_SIZE};
	uint32_t kind = below(x, 3), len, at = range(x, &len);

	if (fallocate(x->fd, modes[kind], at, len) < 0)
		return errno == EOPNOTSUPP ? 0 : fail(x, "fallocate", at);
	if (kind == 1)
		memset(x->good + at, 0, len);
	if (!kind)
		grow(x, at + len);
	return 0;
}

static int do_copy(struct fsx *x)
{
	uint32_t len, from = range(x, &len), to = range(x, &len);
	loff_t in = from, out = to;
	ssize_t n;

	if (from + len > x->len || (from < to + len && to < from + len))
		return 0;
	n = copy_file_range(x->fd, &in, x->fd, &out, len, 0);
	if (n < 0)
		return errno == EOPNOTSUPP ? 0 : fail(x, "copy_file_range", from);
	memcpy(x->good + to, x->good + from, (size_t)n);
	grow(x, to + (uint32_t)n);
	return 0;
}

static int do_open(struct fsx *x)
{
	struct stat st;

	if (below(x, 2) && fsync(x->fd) < 0)
		return fail(x, "fsync", 0);
	if (close(x->fd) < 0)
		return fail(x, "close", 0);
	x->fd = open(x->path, O_RDWR | O_CLOEXEC);
	if (x->fd < 0 || fstat(x->fd, &st) < 0)
		return fail(x, "open", 0);
	return st.st_size == x->len ? 0 : fail(x, "another length", (uint32_t)st.st_size);
}

int main(int argc, char **argv)
{
	static int (*const ops[])(struct fsx * x) = {do_write,	  do_write, do_read, do_read,
						     do_truncate, do_map,   do_map,  do_allocate,
						     do_copy,	  do_open};
	static struct fsx x;
	int bad = 0;

	if (argc != 4)
		return 2;
	x.path = argv[1];
	x.chance = strtoull(argv[2], NULL, 10);
	x.fd = open(x.path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (x.fd < 0)
		return fail(&x, "create", 0) < 0;
	for (long n = strtol(argv[3], NULL, 10); n && !bad; n--)
		bad = ops[below(&x, sizeof(ops) / sizeof(ops[0]))](&x);
	return bad != 0;
}
