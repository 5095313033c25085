/* SPDX-License-Identifier: MIT */
/*
 * Loading a state that another vu-fs saved, or anybody: what it says is believed only as far as it
 * leads to files in the shared directory.
 *
 * A path is followed from there, without symbolic links and "..", and has to lead to the same file
 * (number, time of birth, type).  If it does not, the file may have been renamed meanwhile: a
 * handle tells where it is now, which is then followed like any path.  An inode that is not found
 * is left out, and so are files that cannot be opened: the guest reads ESTALE and EBADF of these
 * and no others.
 */
#include "fs_state.h"

#include "fs_kept.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct load {
	struct fs *fs;
	struct vu_state *state;
	int root;
	uint32_t n, n_lost, n_files, n_files_lost;
	uint32_t last_gen;
	char lost[64]; /* the first that was */
};

/* --- where it is --- */

static bool fs_same(int fd, const struct fs_node *key, struct fs_node *is)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_WANTED, &stx) < 0)
		return false;
	fs_node_key(&stx, is);
	return is->ino == key->ino && is->type == key->type && is->born_sec == key->born_sec &&
	       is->born_nsec == key->born_nsec;
}

/* An O_PATH descriptor of the file that is wanted, -1: it is not there. */
static int load_by_path(struct load *l, const char *path, struct fs_node *key)
{
	int fd = fs_open_beneath(l->root, path);
	struct fs_node is = {0};

	if (fd < 0)
		return -1;
	if (fs_same(fd, key, &is)) {
		*key = is; /* which has the device's number here */
		return fd;
	}
	close(fd);
	return -1;
}

static int load_by_handle(struct load *l, int type, const void *bytes, uint32_t len,
			  struct fs_node *key)
{
	int fd = fs_open_raw_handle(l->fs, type, bytes, len), found = -1;
	char path[PATH_MAX];
	struct fs_node is;

	if (fd < 0)
		return -1;
	/* Anything of the file system may be named so: it must be below the shared directory. */
	if (fs_same(fd, key, &is) && fs_path_of(l->fs, fd, fs_path_to_root(l->fs), path))
		found = load_by_path(l, path, key);
	close(fd);
	return found;
}

/* --- inodes --- */

/* No component that leads anywhere but down. */
static bool path_is_clean(const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if (!len || len > NAME_MAX || !strncmp(path, "..", len > 2 ? len : 2) ||
		    (len == 1 && *path == '.'))
			return false;
		path += len;
		if (*path && !*++path)
			return false;
	}
	return true;
}

static int load_node(struct load *l, const struct fs_saved_node *saved, const unsigned char *more)
{
	uint32_t path_len = le16toh(saved->path_len), handle_len = le16toh(saved->handle_len);
	uint64_t id = le64toh(saved->id), refs = le64toh(saved->refs);
	struct fs_node key = {
		.ino = le64toh(saved->ino),
		.type = le32toh(saved->type),
		.born_sec = (int64_t)le64toh((uint64_t)saved->born_sec),
		.born_nsec = le32toh(saved->born_nsec),
	};
	char path[PATH_MAX];
	int fd = -1;

	if (!refs || refs >= FS_MAX_REFS || path_len >= PATH_MAX || memchr(more, '\0', path_len))
		return -EBADMSG;
	memcpy(path, more, path_len);
	path[path_len] = '\0';
	if (!path_is_clean(path))
		return -EBADMSG;
	if (id >> 32 > l->last_gen)
		l->last_gen = (uint32_t)(id >> 32);
	l->n++;
	if (path_len)
		fd = load_by_path(l, path, &key);
	if (fd < 0 && handle_len)
		fd = load_by_handle(l, (int)le32toh(saved->handle_type), more + path_len,
				    handle_len, &key);
	if (fd >= 0)
		return fs_node_restore(l->fs, id, refs, &key, fd);
	if (!l->n_lost++)
		snprintf(l->lost, sizeof(l->lost), "%.63s", path);
	return 0;
}

static int load_nodes(struct load *l, const unsigned char *data, size_t len)
{
	struct fs_saved_node saved;
	int ret = 0;

	while (!ret && len) {
		size_t size;

		if (len < sizeof(saved))
			return -EBADMSG;
		memcpy(&saved, data, sizeof(saved));
		size = sizeof(saved) + le16toh(saved.path_len) + le16toh(saved.handle_len);
		size = (size + 7) & ~(size_t)7;
		if (size > len)
			return -EBADMSG;
		ret = load_node(l, &saved, data + sizeof(saved));
		data += size;
		len -= size;
		if (!ret && fs_state_cancelled(l->fs))
			ret = -ECANCELED;
	}
	return ret;
}

/* --- open files --- */

static int load_files(struct load *l, const unsigned char *data, size_t len)
{
	struct fs_saved_file saved;
	int ret = 0;

	if (len % sizeof(saved))
		return -EBADMSG;
	for (; !ret && len; len -= sizeof(saved), data += sizeof(saved)) {
		uint64_t id;

		memcpy(&saved, data, sizeof(saved));
		id = le64toh(saved.id);
		if (le32toh(saved.flags) & ~(uint32_t)FS_SAVED_DIR)
			return -EBADMSG;
		if (id >> 32 > l->last_gen)
			l->last_gen = (uint32_t)(id >> 32);
		l->n_files++;
		ret = fs_file_restore(l->fs, id, le64toh(saved.nodeid),
				      (int)le32toh(saved.open_flags),
				      le32toh(saved.flags) & FS_SAVED_DIR);
		if (ret == -ESTALE) {
			l->n_files_lost++;
			ret = 0;
		}
		if (!ret && fs_state_cancelled(l->fs))
			ret = -ECANCELED;
	}
	return ret;
}

/* --- all of it --- */

static int load_each(struct load *l, uint32_t tag,
		     int (*take)(struct load *l, const unsigned char *data, size_t len))
{
	const void *data;
	size_t len;
	int ret = 0;

	for (uint32_t i = 0; !ret && !vu_state_get(l->state, tag, i, &data, &len); i++)
		ret = take(l, data, len);
	return ret;
}

static void load_report(struct load *l, int ret)
{
	struct vu_device *dev = l->fs->dev;

	if (ret) {
		vu_device_logf(dev, VU_LOG_ERROR, "the state of %u inodes and %u files: %s%s", l->n,
			       l->n_files, strerror(-ret),
			       ret == -EBADMSG || ret == -EEXIST || ret == -EINVAL
				       ? ": it was not saved by vu-fs"
				       : "");
		return;
	}
	vu_device_logf(dev, VU_LOG_INFO, "%u inodes and %u open files were taken over",
		       l->n - l->n_lost, l->n_files - l->n_files_lost);
	if (l->n_lost || l->n_files_lost)
		vu_device_logf(dev, VU_LOG_WARNING,
			       "%u inodes are not in %s any more, or other files have their names "
			       "(the first: \"%s\"), and %u files could not be opened: the guest "
			       "reads ESTALE or EBADF of these",
			       l->n_lost, l->fs->settings->shared_dir, l->lost, l->n_files_lost);
}

int fs_state_load(struct fs *fs, struct vu_state *state)
{
	struct load l = {.fs = fs, .state = state};
	uint64_t flags;
	int ret = vu_state_get_u64(state, FS_SAVED_MOUNT, &flags);

	if (!ret && flags & ~fs_known_flags())
		ret = -ENOTSUP;
	/* Of one before that failed, perhaps. */
	fs_kept_flags(fs, 0);
	fs_files_close_all(fs);
	fs_nodes_forget_all(fs);
	l.root = fs_node_fd(fs, fs->root);
	if (!ret && l.root < 0)
		ret = l.root;
	if (!ret)
		ret = load_each(&l, FS_SAVED_NODES, load_nodes);
	if (!ret)
		ret = load_each(&l, FS_SAVED_FILES, load_files);
	if (ret) {
		fs_files_close_all(fs);
		fs_nodes_forget_all(fs);
	}
	fs_kept_restored(fs, l.last_gen + 1);
	if (!ret)
		fs_kept_flags(fs, flags);
	load_report(&l, ret);
	return ret;
}
