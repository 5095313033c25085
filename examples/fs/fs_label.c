/* SPDX-License-Identifier: MIT */
/*
 * SECURITY_CTX: what a guest's security module wants on a new file from its first moment on comes
 * with the request that makes it, and is an extended attribute of the host's.
 */
#include "fs.h"

#include <errno.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { MOST = 31 /* beyond it is the number of another extension */ };

static const char prefix[] = "security.";

/* Where they begin: among the extensions, or behind the names (Linux before 6.3); NULL: none. */
static const unsigned char *label_find(const struct fs_call *c, uint32_t *n, uint32_t *len)
{
	struct fs_ext_header header;
	const unsigned char *at = c->ext_len ? c->ext : c->rest;
	uint32_t left = c->ext_len ? c->ext_len : c->rest_len, step;

	for (; left >= sizeof(header); at += step, left -= step) {
		memcpy(&header, at, sizeof(header));
		if (header.size < sizeof(header) || header.size > left)
			return NULL;
		if (header.type && header.type <= MOST) {
			*n = header.type;
			*len = header.size - (uint32_t)sizeof(header);
			return at + sizeof(header);
		}
		step = (header.size + 7) & ~7u;
		if (step > left)
			return NULL;
	}
	return NULL;
}

/* One of them at path; how many bytes it has, or -errno. */
static int label_put(const char *path, const unsigned char *at, uint32_t len)
{
	struct fuse_secctx head;
	const unsigned char *name = at + sizeof(head), *end;
	uint32_t size;

	if (len < sizeof(head))
		return -EINVAL;
	memcpy(&head, at, sizeof(head));
	end = memchr(name, '\0', len - sizeof(head));
	if (!end || end - name > XATTR_NAME_MAX ||
	    strncmp((const char *)name, prefix, strlen(prefix)) != 0)
		return -EINVAL;
	size = (uint32_t)(end + 1 - at);
	if (head.size > len - size)
		return -EINVAL;
	if (setxattr(path, (const char *)name, end + 1, head.size, 0) < 0)
		return -errno;
	size = (size + head.size + 7) & ~7u;
	return (int)(size < len ? size : len);
}

static int label_node(struct fs_call *c, struct fs_node *node)
{
	uint32_t n = 0, len = 0;
	const unsigned char *at = label_find(c, &n, &len);
	char path[FS_XATTR_PATH];
	int ret = at ? fs_xattr_path(c->fs, node, path) : 0;

	for (uint32_t i = 0; at && i < n && ret >= 0; i++) {
		ret = label_put(path, at, len);
		at += ret > 0 ? ret : 0;
		len -= ret > 0 ? (uint32_t)ret : 0;
	}
	return ret < 0 ? ret : 0;
}

int fs_label(struct fs_call *c, const struct fuse_entry_out *entry)
{
	struct fs_node *node;
	int ret;

	if (!(atomic_load_explicit(&c->fs->flags, memory_order_relaxed) & FUSE_SECURITY_CTX))
		return 0;
	node = fs_node_get(c->fs, entry->nodeid);
	if (!node)
		return -ESTALE;
	ret = label_node(c, node);
	fs_node_put(c->fs, node);
	return ret;
}

int fs_label_named(struct fs_call *c, int dir_fd, int ret, bool is_dir)
{
	const struct fuse_entry_out *entry = c->out;
	int error = ret < 0 ? 0 : fs_label(c, entry);

	if (!error)
		return ret;
	/* Nothing may be there without its label. */
	unlinkat(dir_fd, c->name, is_dir ? AT_REMOVEDIR : 0);
	fs_node_forget(c->fs, entry->nodeid, 1);
	return error;
}
