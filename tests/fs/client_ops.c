/* SPDX-License-Identifier: MIT */
/* See client.h: one function an operation. */
#include "client.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static uint32_t size_of(const char *name)
{
	return (uint32_t)strlen(name) + 1;
}

/* 0 for a reply of just this size. */
static int whole(int ret, size_t size)
{
	if (ret >= 0)
		assert_int_equal(ret, size);
	return ret < 0 ? ret : 0;
}

int client_lookup(struct client *c, uint64_t dir, const char *name, struct fuse_entry_out *entry)
{
	struct fuse_entry_out mine;

	return whole(client_ask(c, FUSE_LOOKUP, dir, NULL, 0, name, size_of(name),
				entry ? entry : &mine, sizeof(*entry)),
		     sizeof(*entry));
}

uint64_t client_walk(struct client *c, const char *path)
{
	char copy[256], *save = NULL;
	uint64_t node = ROOT;

	assert_true(strlen(path) < sizeof(copy));
	strcpy(copy, path);
	for (char *name = strtok_r(copy, "/", &save); name; name = strtok_r(NULL, "/", &save)) {
		struct fuse_entry_out entry;

		assert_int_equal(client_lookup(c, node, name, &entry), 0);
		node = entry.nodeid;
	}
	return node;
}

void client_forget(struct client *c, uint64_t node, uint64_t n)
{
	struct fuse_forget_in in = {.nlookup = n};

	client_tell(c, FUSE_FORGET, node, &in, sizeof(in));
}

int client_getattr(struct client *c, uint64_t node, struct fuse_attr *attr)
{
	struct fuse_getattr_in in = {0};
	struct fuse_attr_out out;
	int ret = whole(
		client_ask(c, FUSE_GETATTR, node, &in, sizeof(in), NULL, 0, &out, sizeof(out)),
		sizeof(out));

	if (!ret && attr)
		*attr = out.attr;
	return ret;
}

int client_setattr(struct client *c, uint64_t node, const struct fuse_setattr_in *in,
		   struct fuse_attr *attr)
{
	struct fuse_attr_out out;
	int ret = whole(
		client_ask(c, FUSE_SETATTR, node, in, sizeof(*in), NULL, 0, &out, sizeof(out)),
		sizeof(out));

	if (!ret && attr)
		*attr = out.attr;
	return ret;
}

static int opened(int ret, const struct fuse_open_out *out, uint64_t *fh)
{
	ret = whole(ret, sizeof(*out));
	if (!ret)
		*fh = out->fh;
	return ret;
}

int client_open_file(struct client *c, uint64_t node, uint32_t flags, uint64_t *fh)
{
	struct fuse_open_in in = {.flags = flags};
	struct fuse_open_out out;
	int ret = client_ask(c, FUSE_OPEN, node, &in, sizeof(in), NULL, 0, &out, sizeof(out));

	return opened(ret, &out, fh);
}

int client_opendir(struct client *c, uint64_t node, uint64_t *fh)
{
	struct fuse_open_in in = {.flags = O_DIRECTORY};
	struct fuse_open_out out;
	int ret = client_ask(c, FUSE_OPENDIR, node, &in, sizeof(in), NULL, 0, &out, sizeof(out));

	return opened(ret, &out, fh);
}

int client_create(struct client *c, uint64_t dir, const char *name, uint32_t flags, uint32_t mode,
		  struct fuse_entry_out *entry, uint64_t *fh)
{
	struct fuse_create_in in = {.flags = flags | O_CREAT, .mode = mode | S_IFREG};
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out;
	int ret = whole(client_ask(c, FUSE_CREATE, dir, &in, sizeof(in), name, size_of(name), &out,
				   sizeof(out)),
			sizeof(out));

	if (!ret && entry)
		*entry = out.entry;
	if (!ret)
		*fh = out.open.fh;
	return ret;
}

static int release(struct client *c, uint32_t opcode, uint64_t node, uint64_t fh)
{
	struct fuse_release_in in = {.fh = fh};

	return client_ask(c, opcode, node, &in, sizeof(in), NULL, 0, NULL, 0);
}

int client_release(struct client *c, uint64_t node, uint64_t fh)
{
	return release(c, FUSE_RELEASE, node, fh);
}

int client_releasedir(struct client *c, uint64_t node, uint64_t fh)
{
	return release(c, FUSE_RELEASEDIR, node, fh);
}

static int reading(struct client *c, uint32_t opcode, uint64_t node, uint64_t fh, uint64_t offset,
		   void *data, uint32_t len)
{
	struct fuse_read_in in = {.fh = fh, .offset = offset, .size = len};

	return client_ask(c, opcode, node, &in, sizeof(in), NULL, 0, data, len);
}

int client_read(struct client *c, uint64_t node, uint64_t fh, uint64_t offset, void *data,
		uint32_t len)
{
	return reading(c, FUSE_READ, node, fh, offset, data, len);
}

int client_readdir(struct client *c, uint64_t node, uint64_t fh, uint64_t offset, bool plus,
		   void *data, uint32_t len)
{
	return reading(c, plus ? FUSE_READDIRPLUS : FUSE_READDIR, node, fh, offset, data, len);
}

int client_write(struct client *c, uint64_t node, uint64_t fh, uint64_t offset, const void *data,
		 uint32_t len)
{
	struct fuse_write_in in = {.fh = fh, .offset = offset, .size = len};
	struct fuse_write_out out;
	int ret = whole(
		client_ask(c, FUSE_WRITE, node, &in, sizeof(in), data, len, &out, sizeof(out)),
		sizeof(out));

	return ret ? ret : (int)out.size;
}

int client_mkdir(struct client *c, uint64_t dir, const char *name, uint32_t mode,
		 struct fuse_entry_out *entry)
{
	struct fuse_mkdir_in in = {.mode = mode};
	struct fuse_entry_out mine;

	return whole(client_ask(c, FUSE_MKDIR, dir, &in, sizeof(in), name, size_of(name),
				entry ? entry : &mine, sizeof(*entry)),
		     sizeof(*entry));
}

int client_name(struct client *c, uint32_t opcode, uint64_t dir, const char *name)
{
	return client_ask(c, opcode, dir, NULL, 0, name, size_of(name), NULL, 0);
}

/* Two strings, one behind the other. */
static uint32_t two(char *to, const char *a, const char *b)
{
	memcpy(to, a, size_of(a));
	memcpy(to + size_of(a), b, size_of(b));
	return size_of(a) + size_of(b);
}

int client_rename(struct client *c, uint64_t from, const char *name, uint64_t to, const char *name2,
		  uint32_t flags)
{
	struct fuse_rename2_in in = {.newdir = to, .flags = flags};
	char names[1024];
	uint32_t len = two(names, name, name2);

	if (!flags)
		return client_ask(c, FUSE_RENAME, from, &to, sizeof(to), names, len, NULL, 0);
	return client_ask(c, FUSE_RENAME2, from, &in, sizeof(in), names, len, NULL, 0);
}

int client_symlink(struct client *c, uint64_t dir, const char *name, const char *target,
		   struct fuse_entry_out *entry)
{
	struct fuse_entry_out mine;
	char names[8192];
	uint32_t len = two(names, name, target);

	return whole(client_ask(c, FUSE_SYMLINK, dir, NULL, 0, names, len, entry ? entry : &mine,
				sizeof(*entry)),
		     sizeof(*entry));
}

int client_link(struct client *c, uint64_t node, uint64_t dir, const char *name,
		struct fuse_entry_out *entry)
{
	struct fuse_link_in in = {.oldnodeid = node};
	struct fuse_entry_out mine;

	return whole(client_ask(c, FUSE_LINK, dir, &in, sizeof(in), name, size_of(name),
				entry ? entry : &mine, sizeof(*entry)),
		     sizeof(*entry));
}

int client_readlink(struct client *c, uint64_t node, char target[4097])
{
	int ret = client_ask(c, FUSE_READLINK, node, NULL, 0, NULL, 0, target, 4096);

	if (ret >= 0)
		target[ret] = '\0';
	return ret;
}

/* --- the host's side --- */

const char *client_path(const struct client *c, const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", c->share, name);
	return path;
}

void client_make_file(const struct client *c, const char *name, const char *text)
{
	int fd = open(client_path(c, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

void client_make_dir(const struct client *c, const char *name)
{
	assert_int_equal(mkdir(client_path(c, name), 0755), 0);
}
