/* SPDX-License-Identifier: MIT */
/* File systems (virtio 1.3 §5.11): FUSE requests. */
#include <linux/fuse.h>
#include <stdio.h>
#include <string.h>

#include "types.h"

/* What follows the header of 40 bytes. */
enum rest { REST_NONE, REST_NAME, REST_NAME_8, REST_NAME_16, REST_RANGE, REST_HANDLE };

struct opcode {
	uint32_t value;
	const char *name;
	enum rest rest;
};

static const struct opcode opcodes[] = {
	{FUSE_LOOKUP, "LOOKUP", REST_NAME},
	{FUSE_FORGET, "FORGET", REST_NONE},
	{FUSE_GETATTR, "GETATTR", REST_NONE},
	{FUSE_SETATTR, "SETATTR", REST_NONE},
	{FUSE_READLINK, "READLINK", REST_NONE},
	{FUSE_SYMLINK, "SYMLINK", REST_NAME},
	{FUSE_MKNOD, "MKNOD", REST_NAME_16},
	{FUSE_MKDIR, "MKDIR", REST_NAME_8},
	{FUSE_UNLINK, "UNLINK", REST_NAME},
	{FUSE_RMDIR, "RMDIR", REST_NAME},
	{FUSE_RENAME, "RENAME", REST_NAME_8},
	{FUSE_LINK, "LINK", REST_NAME_8},
	{FUSE_OPEN, "OPEN", REST_NONE},
	{FUSE_READ, "READ", REST_RANGE},
	{FUSE_WRITE, "WRITE", REST_RANGE},
	{FUSE_STATFS, "STATFS", REST_NONE},
	{FUSE_RELEASE, "RELEASE", REST_HANDLE},
	{FUSE_FSYNC, "FSYNC", REST_HANDLE},
	{FUSE_SETXATTR, "SETXATTR", REST_NONE},
	{FUSE_GETXATTR, "GETXATTR", REST_NAME_8},
	{FUSE_LISTXATTR, "LISTXATTR", REST_NONE},
	{FUSE_REMOVEXATTR, "REMOVEXATTR", REST_NAME},
	{FUSE_FLUSH, "FLUSH", REST_HANDLE},
	{FUSE_INIT, "INIT", REST_NONE},
	{FUSE_OPENDIR, "OPENDIR", REST_NONE},
	{FUSE_READDIR, "READDIR", REST_RANGE},
	{FUSE_RELEASEDIR, "RELEASEDIR", REST_HANDLE},
	{FUSE_FSYNCDIR, "FSYNCDIR", REST_HANDLE},
	{FUSE_GETLK, "GETLK", REST_HANDLE},
	{FUSE_SETLK, "SETLK", REST_HANDLE},
	{FUSE_SETLKW, "SETLKW", REST_HANDLE},
	{FUSE_ACCESS, "ACCESS", REST_NONE},
	{FUSE_CREATE, "CREATE", REST_NAME_16},
	{FUSE_INTERRUPT, "INTERRUPT", REST_NONE},
	{FUSE_BMAP, "BMAP", REST_NONE},
	{FUSE_DESTROY, "DESTROY", REST_NONE},
	{FUSE_IOCTL, "IOCTL", REST_HANDLE},
	{FUSE_POLL, "POLL", REST_HANDLE},
	{FUSE_BATCH_FORGET, "BATCH_FORGET", REST_NONE},
	{FUSE_FALLOCATE, "FALLOCATE", REST_HANDLE},
	{FUSE_READDIRPLUS, "READDIRPLUS", REST_RANGE},
	{FUSE_RENAME2, "RENAME2", REST_NAME_16},
	{FUSE_LSEEK, "LSEEK", REST_HANDLE},
	{FUSE_COPY_FILE_RANGE, "COPY_FILE_RANGE", REST_HANDLE},
	{FUSE_SETUPMAPPING, "SETUPMAPPING", REST_HANDLE},
	{FUSE_REMOVEMAPPING, "REMOVEMAPPING", REST_NONE},
	{FUSE_SYNCFS, "SYNCFS", REST_NONE},
	{51, "TMPFILE", REST_NONE},
	{52, "STATX", REST_NONE},
};

enum { HEADER = sizeof(struct fuse_in_header) };

static void tell_rest(const struct request *r, struct told *t, enum rest rest)
{
	size_t at = HEADER + (rest == REST_NAME_8 ? 8 : rest == REST_NAME_16 ? 16 : 0);

	if (rest == REST_HANDLE || rest == REST_RANGE)
		told_add(t, "fh %llu", (unsigned long long)request_u64(r, HEADER));
	if (rest == REST_RANGE)
		told_add(t, "offset %llu size %u", (unsigned long long)request_u64(r, HEADER + 8),
			 request_u32(r, HEADER + 16));
	if (rest == REST_NAME || rest == REST_NAME_8 || rest == REST_NAME_16)
		if (r->n_head > at)
			told_add_string(t, "name", r->head + at, r->n_head - at);
}

static void tell_result(const struct request *r, struct told *t)
{
	int32_t error;

	if (!r->in) /* FORGET */
		return;
	if (r->n_written < sizeof(struct fuse_out_header)) {
		told_result(t, false, "no reply");
		return;
	}
	error = (int32_t)bytes_le(r->written, r->n_written, 4, 4);
	if (!error)
		told_result(t, true, "OK");
	else
		told_result(t, false,
			    error < 0 && error > -4096 ? strerror(-error) : "an odd error");
}

void tell_fs(const struct request *r, struct told *t)
{
	uint32_t op = request_u32(r, 4);
	const struct opcode *row = NULL;

	for (size_t i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++)
		if (opcodes[i].value == op)
			row = &opcodes[i];
	if (r->n_head < HEADER) {
		told_add(t, "without a header");
		return;
	}
	t->name = row ? row->name : "unknown opcode";
	if (!row)
		told_add(t, "%u", op);
	told_add(t, "nodeid %llu", (unsigned long long)request_u64(r, 16));
	tell_rest(r, t, row ? row->rest : REST_NONE);
	tell_result(r, t);
}
