/* SPDX-License-Identifier: MIT */
/*
 * Inodes: known by device, number and time of birth, so that a name that the guest asks for again
 * is the same inode, and a number that the file system uses anew is not.
 */
#include "fs_node.h"

#include "fs_kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- references and pins --- */

/* Nobody had it any more; somebody may have found it in the hash since. */
static void fs_node_end(struct fs *fs, struct fs_node *node, uint64_t id, struct fs_shard *shard)
{
	pthread_mutex_lock(&shard->lock);
	if (slots_id(&node->slot) != id || !slots_unused(&node->slot)) {
		pthread_mutex_unlock(&shard->lock);
		return;
	}
	fs_unhash(shard, node);
	fs_kept_node_end(fs, node);
	fs_node_close(fs, node);
	fs_reuse_forget(fs, node);
	fs_locks_free(fs, node);
	free(atomic_load(&node->handle));
	free(node->place);
	atomic_store(&node->handle, NULL);
	node->place = NULL;
	slots_free(&fs->nodes, &node->slot);
	pthread_mutex_unlock(&shard->lock);
}

void fs_node_put(struct fs *fs, struct fs_node *node)
{
	/* What can be read only as long as it is pinned. */
	struct fs_shard *shard = fs_shard_of(fs, node);
	uint64_t id = slots_id(&node->slot);

	if (slots_put(&node->slot))
		fs_node_end(fs, node, id, shard);
}

struct fs_node *fs_node_get(struct fs *fs, uint64_t id)
{
	struct fs_node *node = slots_get(&fs->nodes, id);

	if (node && slots_id(&node->slot) != id) {
		fs_node_put(fs, node);
		return NULL;
	}
	if (node && !atomic_load_explicit(&node->hot, memory_order_relaxed))
		atomic_store_explicit(&node->hot, true, memory_order_relaxed);
	return node;
}

static void fs_node_drop(struct fs *fs, struct fs_node *node, uint64_t refs)
{
	fs_kept_refs(fs, node, -slots_drop(&node->slot, refs));
}

static void fs_node_hold(struct fs *fs, struct fs_node *node, uint64_t refs)
{
	slots_hold(&node->slot, refs);
	fs_kept_refs(fs, node, refs);
}

void fs_node_forget(struct fs *fs, uint64_t id, uint64_t refs)
{
	struct fs_node *node = fs_node_get(fs, id);

	if (!node)
		return;
	if (node != fs->root)
		fs_node_drop(fs, node, refs);
	fs_node_put(fs, node);
}

void fs_nodes_forget_all(struct fs *fs)
{
	struct fs_node *node;

	for (uint32_t i = 1; i < atomic_load(&fs->nodes.end); i++) {
		node = slots_at(&fs->nodes, i);
		if (node && node != fs->root && slots_pin(&node->slot)) {
			fs_node_drop(fs, node, UINT64_MAX);
			fs_node_put(fs, node);
		}
	}
}

/* --- finding --- */

void fs_node_key(const struct statx *stx, struct fs_node *key)
{
	key->dev = (uint64_t)stx->stx_dev_major << 32 | stx->stx_dev_minor;
	key->ino = stx->stx_ino;
	key->type = stx->stx_mode & S_IFMT;
	if (stx->stx_mask & STATX_BTIME) {
		key->born_sec = stx->stx_btime.tv_sec;
		key->born_nsec = stx->stx_btime.tv_nsec;
	}
}

/* Known already, and certainly the same file: its descriptor is open, or has just become so. */
static struct fs_node *fs_find_known(struct fs *fs, const struct fs_node *key, uint64_t refs,
				     int dir_fd, const char *name)
{
	struct fs_shard *shard = fs_shard_of(fs, key);
	struct fs_node *node;

	pthread_mutex_lock(&shard->lock);
	node = fs_find_hashed(shard, key);
	if (node)
		fs_node_hold(fs, node, refs);
	pthread_mutex_unlock(&shard->lock);
	if (!node)
		return NULL;
	atomic_store_explicit(&node->hot, true, memory_order_relaxed);
	if (fs_node_fd_named(fs, node, dir_fd, name) != -ESTALE)
		return node;
	/* It was removed, and what is there now was born in the same tick of the clock. */
	pthread_mutex_lock(&shard->lock);
	fs_unhash(shard, node);
	pthread_mutex_unlock(&shard->lock);
	fs_node_drop(fs, node, refs);
	fs_node_put(fs, node);
	return NULL;
}

/* Out of the table, with one pin; hot: that it was used just now. */
static void fs_node_begin(struct fs_node *node, const struct fs_node *key, int fd, uint64_t refs,
			  bool hot)
{
	node->dev = key->dev;
	node->ino = key->ino;
	node->type = key->type;
	node->born_sec = key->born_sec;
	node->born_nsec = key->born_nsec;
	atomic_init(&node->fd, fd);
	atomic_init(&node->hot, hot);
	slots_publish(&node->slot, refs);
}

static struct fs_node *fs_node_new(struct fs *fs, struct fs_shard *shard, const struct fs_node *key,
				   int fd, uint64_t refs)
{
	struct fs_node *node = slots_new(&fs->nodes);

	if (!node)
		return NULL;
	fs_node_begin(node, key, fd, refs, true);
	if (fs_hash_in(shard, node)) {
		fs_kept_node(fs, node, refs);
		return node;
	}
	slots_drop(&node->slot, refs);
	slots_put(&node->slot);
	slots_free(&fs->nodes, &node->slot);
	return NULL;
}

/* The rest of restoring one, which has its number and its descriptor or handle. */
static int fs_node_settle(struct fs *fs, struct fs_node *node, uint64_t refs)
{
	struct fs_shard *shard = fs_shard_of(fs, node);
	bool hashed;

	pthread_mutex_lock(&shard->lock);
	hashed = fs_hash_in(shard, node);
	pthread_mutex_unlock(&shard->lock);
	if (!hashed)
		slots_drop(&node->slot, refs);
	fs_node_put(fs, node);
	return hashed ? 0 : -ENOMEM;
}

int fs_node_restore(struct fs *fs, uint64_t id, uint64_t refs, const struct fs_node *key, int fd)
{
	struct fs_node *node;
	int ret = slots_restore(&fs->nodes, id, &node);

	if (ret) {
		close(fd);
		return ret;
	}
	fs_node_begin(node, key, fd, refs, false);
	fs_opened(fs, node);
	fs_kept_node(fs, node, refs);
	return fs_node_settle(fs, node, refs);
}

int fs_node_restore_handle(struct fs *fs, uint64_t id, uint64_t refs, const struct fs_node *key,
			   int type, const void *bytes, uint32_t len)
{
	struct fs_handle *handle = fs->mount_fd < 0 ? NULL : fs_handle_new(type, bytes, len);
	struct fs_node *node;
	int ret;

	if (!handle)
		return fs->mount_fd < 0 ? -ESTALE : -ENOMEM;
	ret = slots_restore(&fs->nodes, id, &node);
	if (ret) {
		free(handle);
		return ret;
	}
	atomic_store(&node->handle, handle);
	fs_node_begin(node, key, -1, refs, false);
	return fs_node_settle(fs, node, refs);
}

/* The node of an open O_PATH descriptor, which is owned from now on. */
static int fs_find_opened(struct fs *fs, const struct fs_node *key, int fd, uint64_t refs,
			  struct fs_node **node)
{
	struct fs_shard *shard = fs_shard_of(fs, key);

	pthread_mutex_lock(&shard->lock);
	*node = fs_find_hashed(shard, key);
	if (*node) {
		fs_node_hold(fs, *node, refs);
		pthread_mutex_unlock(&shard->lock);
		close(fd);
		return 0;
	}
	*node = fs_node_new(fs, shard, key, fd, refs);
	pthread_mutex_unlock(&shard->lock);
	if (!*node) {
		close(fd);
		return -ENOMEM;
	}
	fs_opened(fs, *node);
	return 0;
}

/* fd is O_PATH, and owned from now on. */
static int fs_find_path(struct fs *fs, int fd, uint64_t refs, struct statx *stx,
			struct fs_node **node)
{
	struct fs_node key = {0};

	if (statx(fd, "", AT_EMPTY_PATH, STATX_WANTED, stx) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	fs_node_key(stx, &key);
	return fs_find_opened(fs, &key, fd, refs, node);
}

int fs_node_of_fd(struct fs *fs, int opened, uint64_t refs, struct statx *stx,
		  struct fs_node **node)
{
	char name[16];
	int fd;

	snprintf(name, sizeof(name), "%d", opened);
	fd = fs_openat(fs, fs->proc_fd, name, O_PATH | O_CLOEXEC, 0);
	return fd < 0 ? fd : fs_find_path(fs, fd, refs, stx, node);
}

int fs_node_find(struct fs *fs, int dir_fd, const char *name, uint64_t refs, struct statx *stx,
		 struct fs_node **node)
{
	struct fs_node key = {0};
	int fd;

	if (statx(dir_fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_WANTED, stx) < 0)
		return -errno;
	fs_node_key(stx, &key);
	*node = fs_find_known(fs, &key, refs, dir_fd, name);
	if (*node)
		return 0;
	fd = fs_open_name(fs, dir_fd, name);
	if (fd < 0)
		return fd;
	/* Attributes once more: the name may lead elsewhere by now. */
	return fs_find_path(fs, fd, refs, stx, node);
}

void fs_node_moved(struct fs *fs, int dir_fd, const char *name)
{
	struct fs_node key = {0}, *node;
	struct statx stx;

	if (!atomic_load_explicit(&fs->has_places, memory_order_relaxed) ||
	    statx(dir_fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_WANTED, &stx) < 0)
		return;
	fs_node_key(&stx, &key);
	node = fs_find_known(fs, &key, 0, dir_fd, name);
	if (node)
		fs_node_put(fs, node);
}

/* --- begin and end --- */

int fs_nodes_init(struct fs *fs, const char *dir)
{
	struct statx stx;
	int fd, ret;

	fs_shards_init(fs);
	ret = slots_init(&fs->nodes, sizeof(struct fs_node));
	if (ret)
		return ret;
	pthread_mutex_init(&fs->opened.lock, NULL);
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	fs_probe_handles(fs, fd);
	if (fs->settings->handles == FS_HANDLES_MANDATORY && fs->mount_fd < 0) {
		close(fd);
		return -EOPNOTSUPP;
	}
	/* The first inode: index 1, and so FUSE_ROOT_ID. */
	ret = fs_node_find(fs, fd, ".", 1, &stx, &fs->root);
	close(fd);
	if (!ret)
		fs->root_mnt_id = stx.stx_mnt_id;
	return ret;
}

void fs_nodes_fini(struct fs *fs)
{
	if (!fs->nodes.item_size)
		return;
	if (fs->root) {
		fs_nodes_forget_all(fs);
		slots_drop(&fs->root->slot, UINT64_MAX);
		fs_node_put(fs, fs->root);
	}
	if (fs->mount_fd >= 0)
		close(fs->mount_fd);
	fs_shards_fini(fs);
	pthread_mutex_destroy(&fs->opened.lock);
	slots_fini(&fs->nodes);
}
