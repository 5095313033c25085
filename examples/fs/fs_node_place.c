/* SPDX-License-Identifier: MIT */
/*
 * Where an inode is: how it is opened again where there are no file handles, and how a state names
 * it.
 *
 * A path is what the kernel knows when the descriptor is closed, from the shared directory on.  It
 * is followed without symbolic links, never leads out, and what is found has to be the same file.
 * What has been moved since is found again by the next look-up of its name.
 */
#include "fs_node.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TRIES = 8 };

size_t fs_path_of(struct fs *fs, int fd, size_t skip, char path[PATH_MAX])
{
	char name[16];
	ssize_t n;

	snprintf(name, sizeof(name), "%d", fd);
	n = readlinkat(fs->proc_fd, name, path, PATH_MAX);
	if (n <= (ssize_t)skip || n == PATH_MAX || path[0] != '/')
		return 0;
	memmove(path, path + skip, (size_t)n - skip);
	path[(size_t)n - skip] = '\0';
	return (size_t)n - skip;
}

/* "/srv/vm" and the slash behind it, or in a sandbox just the slash. */
size_t fs_path_to_root(struct fs *fs)
{
	char path[PATH_MAX], name[16];
	ssize_t n;

	snprintf(name, sizeof(name), "%d", fs_node_fd(fs, fs->root));
	n = readlinkat(fs->proc_fd, name, path, sizeof(path));
	return n > 1 ? (size_t)n + 1 : 1;
}

static bool place_has(const struct fs_node *node, int dir_fd, const char *path, int flags)
{
	struct fs_node key = {0};
	struct statx stx;

	if (statx(dir_fd, path, flags | AT_NO_AUTOMOUNT, STATX_WANTED, &stx) < 0)
		return false;
	fs_node_key(&stx, &key);
	return fs_node_is(node, &key);
}

/* fd, or it is closed: -ESTALE. */
static int place_check(const struct fs_node *node, int fd)
{
	if (place_has(node, fd, "", AT_EMPTY_PATH))
		return fd;
	close(fd);
	return -ESTALE;
}

int fs_place_open(struct fs *fs, const struct fs_node *node)
{
	int fd = -EAGAIN;

	/* The kernel gives up where something is renamed meanwhile. */
	for (int i = 0; i < TRIES && fd == -EAGAIN; i++)
		fd = fs_open_beneath(fs_node_fd(fs, fs->root), node->place);
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)
		return fd;
	return fd < 0 ? -ESTALE : place_check(node, fd);
}

bool fs_place_keep(struct fs *fs, struct fs_node *node, int fd)
{
	char path[PATH_MAX];

	/* It may have none any more.  No descriptor is needed for this, for there may be none. */
	if (!fs_path_of(fs, fd, fs_path_to_root(fs), path) ||
	    !place_has(node, fs_node_fd(fs, fs->root), path, AT_SYMLINK_NOFOLLOW))
		return false;
	free(node->place);
	node->place = strdup(path);
	if (node->place)
		atomic_store_explicit(&fs->has_places, true, memory_order_relaxed);
	return node->place;
}

int fs_place_find(struct fs *fs, const struct fs_node *node, int dir_fd, const char *name)
{
	int fd = fs_open_name(fs, dir_fd, name);

	return fd < 0 ? fd : place_check(node, fd);
}

int fs_parent_open(struct fs *fs, struct fs_node *node)
{
	int fd = fs_node_fd(fs, node), root = fs_node_fd(fs, fs->root), dir;
	char path[PATH_MAX], *name;

	if (fd < 0 || root < 0)
		return fd < 0 ? fd : root;
	if (!fs_path_of(fs, fd, fs_path_to_root(fs), path))
		return -ESTALE;
	name = strrchr(path, '/');
	if (name)
		*name++ = '\0';
	else
		name = path;
	dir = fs_open_beneath(root, name == path ? "." : path);
	if (dir < 0)
		return dir == -EMFILE || dir == -ENFILE || dir == -ENOMEM ? dir : -ESTALE;
	/* The path is what was there: a name ends in " (deleted)" when it is gone. */
	if (place_has(node, dir, name, AT_SYMLINK_NOFOLLOW))
		return dir;
	close(dir);
	return -ESTALE;
}
