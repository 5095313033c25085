/* SPDX-License-Identifier: MIT */
/*
 * Requests: copied, checked against their row, run, answered.  Thread: the queue's; what the pool
 * runs is answered on its threads.
 */
#include "fs_pool.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "fs_again.h"

enum { HEADER = sizeof(struct fuse_in_header), OUT_HEADER = sizeof(struct fuse_out_header) };

/* A name may be one component of a path, and nothing that leads anywhere else. */
static int fs_check_name(const char *name, size_t len, bool dots)
{
	if (!len)
		return -ENOENT;
	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	if (memchr(name, '/', len))
		return -EINVAL;
	if (!dots && (!strcmp(name, ".") || !strcmp(name, "..")))
		return -EINVAL;
	return 0;
}

/* The string at the start of what is left, which it must end in. */
static int fs_take_string(struct fs_call *c, const char **string, size_t *len)
{
	const unsigned char *end = memchr(c->rest, '\0', c->rest_len);

	if (!end)
		return -EINVAL;
	*string = (const char *)c->rest;
	*len = (size_t)(end - c->rest);
	c->rest += *len + 1;
	c->rest_len -= (uint32_t)*len + 1;
	return 0;
}

static int fs_take_names(struct fs_call *c, uint32_t flags)
{
	size_t len;
	int ret = 0;

	if (flags & (FS_NAME | FS_XNAME)) {
		ret = fs_take_string(c, &c->name, &len);
		if (!ret && flags & FS_XNAME)
			ret = !len ? -EINVAL : len > NAME_MAX ? -ERANGE : 0;
		else if (!ret)
			ret = fs_check_name(c->name, len, flags & FS_DOTS);
	}
	if (!ret && flags & (FS_NAME2 | FS_TARGET)) {
		ret = fs_take_string(c, &c->name2, &len);
		if (!ret && flags & FS_TARGET)
			ret = !len ? -ENOENT : len >= PATH_MAX ? -ENAMETOOLONG : 0;
		else if (!ret)
			ret = fs_check_name(c->name2, len, false);
	}
	return ret;
}

/* Copy it out of the guest's reach, and cut it up as the row says. */
static int fs_take(struct fs_call *c, const struct fs_row *row)
{
	uint64_t len = c->req->readable_len - HEADER;
	uint64_t ext = (uint64_t)c->hdr.total_extlen * 8;
	unsigned char *in = c->scratch->in;

	if (c->hdr.len != c->req->readable_len || row->args > len || ext > len - row->args)
		return -EINVAL;
	if (row->flags & FS_DATA)
		len = row->args;
	else if (len > FS_IN_MAX)
		return -E2BIG;
	if (vu_req_read(c->req, HEADER, in, len) != len)
		return -EINVAL;
	in[len] = '\0';
	c->args = in;
	if (row->flags & FS_DATA)
		return 0;
	c->ext = in + len - ext;
	c->ext_len = (uint32_t)ext;
	c->rest = in + row->args;
	c->rest_len = (uint32_t)(len - ext) - row->args;
	return fs_take_names(c, row->flags);
}

static int fs_check(struct fs_call *c, const struct fs_row *row)
{
	const struct fs *fs = c->fs;

	if (!(row->flags & FS_EARLY) && !atomic_load_explicit(&fs->flags, memory_order_relaxed))
		return -EIO;
	if (row->flags & FS_WRITES && fs->settings->read_only)
		return -EROFS;
	if (!(row->flags & FS_NODE))
		return 0;
	c->node = fs_node_get(c->fs, c->hdr.nodeid);
	if (!c->node)
		return -ESTALE;
	return row->flags & FS_DIR && c->node->type != S_IFDIR ? -ENOTDIR : 0;
}

static void fs_complete(struct fs_call *c, uint64_t len)
{
	if (c->resumed)
		vu_req_complete_remote(c->req, len);
	else
		vu_req_complete(c->req, len);
}

static void fs_reply(struct fs_call *c, int ret)
{
	struct fuse_out_header out = {.len = OUT_HEADER, .unique = c->hdr.unique};

	if (c->req->writable_len < OUT_HEADER) {
		fs_complete(c, 0); /* no place for a reply */
		return;
	}
	if (ret < 0)
		out.error = ret;
	else
		out.len += (uint32_t)ret;
	if (ret <= 0 || c->direct) {
		vu_req_write(c->req, 0, &out, OUT_HEADER);
	} else {
		memcpy(c->scratch->out, &out, OUT_HEADER);
		vu_req_write(c->req, 0, c->scratch->out, out.len);
	}
	/* A read that fails may have written all the same: that is to be told, too
	 * (vu_req_complete()).  Drivers go by the length in the header. */
	fs_complete(c, c->direct && ret < 0 ? c->req->writable_len : out.len);
}

void fs_call_finish(struct vu_req *req, uint64_t unique, int error)
{
	struct fs_call c = {.req = req, .hdr.unique = unique};

	fs_reply(&c, error);
}

void fs_call_finish_elsewhere(struct vu_req *req, uint64_t unique, int error)
{
	struct fs_call c = {.req = req, .hdr.unique = unique, .resumed = true};

	fs_reply(&c, error);
}

static int fs_call_row(struct fs_call *c, const struct fs_row *row)
{
	if (!(row->flags & FS_ONCE))
		return row->run(c);
	fs_again_begin(c);
	return fs_again_end(c, row->run(c));
}

static int fs_serve(struct fs_call *c, const struct fs_row *row)
{
	int ret = fs_take(c, row);

	if (!ret)
		ret = fs_check(c, row);
	if (!ret)
		ret = row->flags & FS_SLOW && c->fs->pool ? FS_ELSEWHERE : fs_call_row(c, row);
	if (ret == FS_ELSEWHERE) {
		/* Without a pin: more requests can wait there than a slot counts of these. */
		fs_pool_give(c, row);
		return FS_LATER;
	}
	if (c->node)
		fs_node_put(c->fs, c->node);
	return ret;
}

static void fs_call_use(struct fs_call *c, struct fs_scratch *scratch)
{
	c->scratch = scratch;
	c->out = scratch->out + OUT_HEADER;
	c->out_room = FS_OUT_MAX - OUT_HEADER;
	if (c->req->writable_len < FS_OUT_MAX)
		c->out_room = c->req->writable_len > OUT_HEADER
				      ? (uint32_t)c->req->writable_len - OUT_HEADER
				      : 0;
}

void fs_call_resume(struct fs_call *c, const struct fs_row *row, struct fs_scratch *scratch)
{
	int ret;

	fs_call_use(c, scratch);
	c->resumed = true;
	ret = row->run(c);
	fs_reply(c, ret);
}

void fs_call_run(struct fs_queue *q, struct fs_scratch *scratch, struct vu_req *req)
{
	struct fs_call c = {.fs = q->fs, .queue = q, .req = req};
	const struct fs_row *row;
	int ret;

	/* Also what the library cut (VU_REQ_TOO_LONG), which has no readable part. */
	if (vu_req_read(req, 0, &c.hdr, HEADER) != HEADER) {
		fs_reply(&c, -EINVAL);
		return;
	}
	fs_call_use(&c, scratch);
	row = fs_row(c.hdr.opcode);
	ret = row ? fs_serve(&c, row) : -ENOSYS;
	if (ret == FS_LATER)
		return;
	if (row && row->flags & FS_NO_REPLY)
		vu_req_complete(req, 0);
	else
		fs_reply(&c, ret);
}
