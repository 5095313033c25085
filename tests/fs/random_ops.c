/* SPDX-License-Identifier: MIT */
/* See random_ops.h. */
#include "random_ops.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { DIRS = 4, FILES = 8, MAX_OFFSET = 300000 };

struct random_run {
	const struct random_target *target;
	void *opaque;
	FILE *out;
	uint64_t state;
	unsigned char data[RANDOM_DATA];
};

static uint32_t pick(struct random_run *r, uint32_t n)
{
	r->state = r->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(r->state >> 33) % n;
}

static const char *pick_path(struct random_run *r, char path[32])
{
	uint32_t where = pick(r, 3);

	if (!where) /* now and then a directory where a file is wanted */
		snprintf(path, 32, pick(r, 4) ? "f%u" : "d%u", pick(r, DIRS));
	else
		snprintf(path, 32, "d%u/f%u", pick(r, DIRS), pick(r, FILES));
	return path;
}

static const char *pick_dir(struct random_run *r, char path[32])
{
	if (pick(r, 5))
		snprintf(path, 32, "d%u", pick(r, DIRS));
	else
		snprintf(path, 32, "d%u/s%u", pick(r, DIRS), pick(r, 2));
	return path;
}

static uint32_t sum(const unsigned char *data, int len)
{
	uint32_t hash = 2166136261u;

	for (int i = 0; i < len; i++)
		hash = (hash ^ data[i]) * 16777619u;
	return hash;
}

/* --- one function an operation --- */

static void op_write(struct random_run *r)
{
	static const int flags[] = {O_CREAT,	       O_CREAT, O_CREAT | O_EXCL,
				    O_CREAT | O_TRUNC, 0,	O_TRUNC};
	uint32_t len = 1 + pick(r, RANDOM_DATA), offset = pick(r, MAX_OFFSET);
	uint32_t with = pick(r, 6), mode = pick(r, 01000) | 0600;
	char path[32];
	int ret;

	for (uint32_t i = 0; i < len; i++)
		r->data[i] = (unsigned char)(i * 31 + offset);
	pick_path(r, path);
	ret = r->target->write(r->opaque, path, flags[with], mode, offset, r->data, len);
	fprintf(r->out, "write %s %u+%u with %u: %d\n", path, offset, len, with, ret);
}

static void op_read(struct random_run *r)
{
	uint32_t len = 1 + pick(r, RANDOM_DATA), offset = pick(r, MAX_OFFSET);
	char path[32];
	int ret;

	pick_path(r, path);
	ret = r->target->read(r->opaque, path, offset, r->data, len);
	fprintf(r->out, "read %s %u+%u: %d %08x\n", path, offset, len, ret,
		ret > 0 ? sum(r->data, ret) : 0);
}

static void op_stat(struct random_run *r)
{
	struct stat st = {0};
	char path[32];
	int ret = r->target->stat(r->opaque, pick_path(r, path), &st);

	/* A directory's size and links are its file system's business. */
	if (ret || S_ISDIR(st.st_mode))
		st.st_size = st.st_nlink = 0;
	fprintf(r->out, "stat %s: %d mode %o links %u size %lld\n", path, ret, ret ? 0 : st.st_mode,
		(unsigned int)st.st_nlink, (long long)st.st_size);
}

static void op_truncate(struct random_run *r)
{
	uint32_t size = pick(r, MAX_OFFSET);
	char path[32];
	int ret = r->target->truncate(r->opaque, pick_path(r, path), size);

	fprintf(r->out, "truncate %s to %u: %d\n", path, size, ret);
}

static void op_chmod(struct random_run *r)
{
	uint32_t mode = pick(r, 01000) | 0600;
	struct stat st = {0};
	char path[32];
	int ret;

	/* Not of links: a path leads through them, a request does not. */
	pick_path(r, path);
	ret = r->target->stat(r->opaque, path, &st);
	if (!ret && !S_ISLNK(st.st_mode))
		ret = r->target->chmod(r->opaque, path, S_ISDIR(st.st_mode) ? mode | 0700 : mode);
	fprintf(r->out, "chmod %s to %o: %d\n", path, mode, ret);
}

static void op_utimes(struct random_run *r)
{
	uint32_t seconds = pick(r, 1u << 30);
	struct stat st = {0};
	char path[32];
	int ret = r->target->utimes(r->opaque, pick_path(r, path), seconds);

	if (!ret)
		ret = r->target->stat(r->opaque, path, &st);
	fprintf(r->out, "utimes %s to %u: %d %lld\n", path, seconds, ret, (long long)st.st_mtime);
}

static void op_mkdir(struct random_run *r)
{
	uint32_t mode = pick(r, 0100) | 0700;
	char path[32];
	int ret = r->target->mkdir(r->opaque, pick_dir(r, path), mode);

	fprintf(r->out, "mkdir %s: %d\n", path, ret);
}

static void op_rmdir(struct random_run *r)
{
	char path[32];
	int ret = r->target->rmdir(r->opaque, pick(r, 3) ? pick_dir(r, path) : pick_path(r, path));

	fprintf(r->out, "rmdir %s: %d\n", path, ret);
}

static void op_unlink(struct random_run *r)
{
	char path[32];
	int ret = r->target->unlink(r->opaque, pick_path(r, path));

	fprintf(r->out, "unlink %s: %d\n", path, ret);
}

static void op_rename(struct random_run *r)
{
	/* 1: only if there is nothing, 2: exchange */
	uint32_t flags = pick(r, 6) < 4 ? 0 : 1 + pick(r, 2);
	char from[32], to[32];
	int ret = r->target->rename(r->opaque, pick(r, 4) ? pick_path(r, from) : pick_dir(r, from),
				    pick(r, 4) ? pick_path(r, to) : pick_dir(r, to), flags);

	fprintf(r->out, "rename %s %s %u: %d\n", from, to, flags, ret);
}

static void op_link(struct random_run *r)
{
	char from[32], to[32];
	int ret = r->target->link(r->opaque, pick_path(r, from), pick_path(r, to));

	fprintf(r->out, "link %s %s: %d\n", from, to, ret);
}

static void op_symlink(struct random_run *r)
{
	char target[48] = "nowhere/", path[32];
	int ret;

	pick_path(r, target + strlen(target));
	ret = r->target->symlink(r->opaque, target, pick_path(r, path));
	fprintf(r->out, "symlink %s %s: %d\n", target, path, ret);
}

static void op_readlink(struct random_run *r)
{
	char path[32], target[64] = "";
	int ret = r->target->readlink(r->opaque, pick_path(r, path), target, sizeof(target) - 1);

	fprintf(r->out, "readlink %s: %d %s\n", path, ret, target);
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void op_list(struct random_run *r)
{
	char path[32], names[RANDOM_NAMES][16];
	int ret = r->target->list(r->opaque, pick_dir(r, path), names);

	if (ret > 0)
		qsort(names, (size_t)ret, sizeof(names[0]), compare);
	fprintf(r->out, "list %s: %d", path, ret);
	for (int i = 0; i < ret; i++)
		fprintf(r->out, " %s", names[i]);
	fputc('\n', r->out);
}

void random_run(const struct random_target *target, void *opaque, uint32_t seed, uint32_t n,
		FILE *out)
{
	/* Some more often than others. */
	static void (*const ops[])(struct random_run *) = {
		op_write,  op_write,  op_write,	 op_write,   op_read,	  op_read,    op_read,
		op_stat,   op_stat,   op_stat,	 op_mkdir,   op_mkdir,	  op_mkdir,   op_unlink,
		op_rename, op_rename, op_rename, op_link,    op_link,	  op_list,    op_list,
		op_chmod,  op_utimes, op_rmdir,	 op_symlink, op_readlink, op_truncate};
	struct random_run *r = calloc(1, sizeof(*r));

	if (!r)
		return;
	*r = (struct random_run){.target = target, .opaque = opaque, .out = out, .state = seed};
	for (uint32_t i = 0; i < n; i++)
		ops[pick(r, sizeof(ops) / sizeof(ops[0]))](r);
	free(r);
}
