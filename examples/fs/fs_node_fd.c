/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of inodes.
 *
 * Each keeps an O_PATH descriptor while there are few enough of them.  Then those that were not
 * used for a while are closed, and a file handle is kept instead, by which they are opened again.
 * Where the file system has no handles, or the process may not use them, it is their path.
 */
#include "fs_node.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TRIM = 16 };

/* What name_to_handle_at(2) gives. */
struct fs_handle {
	struct file_handle raw;
};

/* --- those that are open --- */

static void opened_add(struct fs_opened *opened, struct fs_node *node)
{
	node->open_next = NULL;
	node->open_prev = opened->last;
	*(opened->last ? &opened->last->open_next : &opened->first) = node;
	opened->last = node;
}

static void opened_remove(struct fs_opened *opened, struct fs_node *node)
{
	*(node->open_prev ? &node->open_prev->open_next : &opened->first) = node->open_next;
	*(node->open_next ? &node->open_next->open_prev : &opened->last) = node->open_prev;
}

/* The first, which becomes the last; NULL: there is none. */
static struct fs_node *opened_next(struct fs_opened *opened)
{
	struct fs_node *node;

	pthread_mutex_lock(&opened->lock);
	node = opened->first;
	if (node) {
		opened_remove(opened, node);
		opened_add(opened, node);
	}
	pthread_mutex_unlock(&opened->lock);
	return node;
}

void fs_opened(struct fs *fs, struct fs_node *node)
{
	pthread_mutex_lock(&fs->opened.lock);
	opened_add(&fs->opened, node);
	pthread_mutex_unlock(&fs->opened.lock);
	if (atomic_fetch_add(&fs->opened.n, 1) + 1 > fs->max_open_nodes)
		fs_nodes_trim(fs, TRIM);
}

void fs_node_close(struct fs *fs, struct fs_node *node)
{
	int fd = atomic_exchange(&node->fd, -1);

	if (fd < 0)
		return;
	pthread_mutex_lock(&fs->opened.lock);
	opened_remove(&fs->opened, node);
	pthread_mutex_unlock(&fs->opened.lock);
	atomic_fetch_sub(&fs->opened.n, 1);
	close(fd);
}

/* --- file handles --- */

struct fs_handle *fs_handle_new(int type, const void *bytes, uint32_t len)
{
	struct fs_handle *handle = malloc(sizeof(*handle) + len);

	if (!handle)
		return NULL;
	handle->raw.handle_type = type;
	handle->raw.handle_bytes = len;
	memcpy(handle->raw.f_handle, bytes, len);
	return handle;
}

static struct fs_handle *fs_node_kept_handle(const struct fs_node *node)
{
	return atomic_load_explicit(&node->handle, memory_order_acquire);
}

/* For when it is closed, and to be opened by; NULL: it has none, and has to stay open. */
static struct fs_handle *fs_node_keep_handle(struct fs *fs, struct fs_node *node, int fd)
{
	struct {
		struct file_handle head;
		unsigned char bytes[MAX_HANDLE_SZ];
	} buffer = {.head.handle_bytes = MAX_HANDLE_SZ};
	struct fs_handle *handle = fs_node_kept_handle(node), *before = NULL;
	int mount_id;

	if (handle)
		return handle;
	if (fs->mount_fd < 0 ||
	    name_to_handle_at(fd, "", &buffer.head, &mount_id, AT_EMPTY_PATH) < 0 ||
	    mount_id != fs->mount_id)
		return NULL;
	handle = fs_handle_new(buffer.head.handle_type, buffer.bytes, buffer.head.handle_bytes);
	if (!handle || atomic_compare_exchange_strong(&node->handle, &before, handle))
		return handle;
	free(handle); /* another thread was faster */
	return before;
}

uint32_t fs_node_handle(struct fs *fs, struct fs_node *node, int *type, const void **bytes)
{
	int fd = fs_node_fd(fs, node);
	const struct fs_handle *handle = fd < 0 ? NULL : fs_node_keep_handle(fs, node, fd);

	if (!handle)
		return 0;
	*type = handle->raw.handle_type;
	*bytes = handle->raw.f_handle;
	return handle->raw.handle_bytes;
}

/* True: it was closed. */
static bool fs_node_trim(struct fs *fs, struct fs_node *node)
{
	bool closed = false;
	int fd;

	/* Before anything of it is looked at: it may be on the way to be another one. */
	if (node == fs->root || !slots_close(&node->slot))
		return false;
	fd = atomic_load(&node->fd);
	if (fd >= 0 && !atomic_exchange(&node->hot, false) &&
	    (fs_node_keep_handle(fs, node, fd) || fs_place_keep(fs, node, fd))) {
		fs_node_close(fs, node);
		closed = true;
	}
	slots_open(&node->slot);
	return closed;
}

void fs_nodes_trim(struct fs *fs, uint32_t n)
{
	uint32_t steps = 2 * atomic_load(&fs->opened.n);

	/* What cannot be closed is not looked for again and again. */
	steps = steps < TRIM * 64 ? steps : TRIM * 64;
	while (n && steps--) {
		/* It may have ended meanwhile, and be another one. */
		struct fs_node *node = opened_next(&fs->opened);

		if (node && fs_node_trim(fs, node))
			n--;
	}
}

/* For who got this error and is to try again: true, the first time that no descriptor was left. */
static bool fs_made_room(struct fs *fs, int error, bool *made)
{
	if (*made || (error != EMFILE && error != ENFILE))
		return false;
	*made = true;
	fs_reuse_clear(fs);
	fs_nodes_trim(fs, TRIM * 4);
	return true;
}

int fs_openat(struct fs *fs, int dir_fd, const char *name, int flags, mode_t mode)
{
	bool made = false;
	int fd;

	do
		fd = openat(dir_fd, name, flags, mode);
	while (fd < 0 && fs_made_room(fs, errno, &made));
	return fd < 0 ? -errno : fd;
}

int fs_dup(struct fs *fs, int fd)
{
	bool made = false;
	int copy;

	do
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	while (copy < 0 && fs_made_room(fs, errno, &made));
	return copy < 0 ? -errno : copy;
}

int fs_open_name(struct fs *fs, int dir_fd, const char *name)
{
	return fs_openat(fs, dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
}

int fs_open_beneath(int dir_fd, const char *path)
{
	const struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

int fs_open_raw_handle(struct fs *fs, int type, const void *bytes, uint32_t len)
{
	struct {
		struct file_handle head;
		unsigned char bytes[MAX_HANDLE_SZ];
	} handle = {.head = {.handle_bytes = len, .handle_type = type}};
	int fd;

	if (fs->mount_fd < 0 || len > MAX_HANDLE_SZ)
		return -EINVAL;
	memcpy(handle.bytes, bytes, len);
	fd = open_by_handle_at(fs->mount_fd, &handle.head, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int fs_open_handle(struct fs *fs, struct fs_handle *handle, int flags)
{
	bool made = false;
	int fd;

	do
		fd = open_by_handle_at(fs->mount_fd, &handle->raw, flags);
	while (fd < 0 && fs_made_room(fs, errno, &made));
	return fd < 0 ? -errno : fd;
}

static int fs_open_place(struct fs *fs, const struct fs_node *node)
{
	bool made = false;
	int fd;

	do
		fd = fs_place_open(fs, node);
	while (fd < 0 && fs_made_room(fs, -fd, &made));
	return fd;
}

/* An O_PATH descriptor of one that has none becomes its own. */
static int fs_node_take(struct fs *fs, struct fs_node *node, int fd)
{
	int none = -1;

	if (atomic_compare_exchange_strong(&node->fd, &none, fd)) {
		fs_opened(fs, node);
		return fd;
	}
	close(fd); /* another thread was faster */
	return none;
}

int fs_node_fd(struct fs *fs, struct fs_node *node)
{
	int fd = atomic_load_explicit(&node->fd, memory_order_acquire);
	struct fs_handle *handle;

	if (fd >= 0)
		return fd;
	handle = fs_node_kept_handle(node);
	fd = handle ? fs_open_handle(fs, handle, O_PATH | O_NOFOLLOW | O_CLOEXEC)
		    : fs_open_place(fs, node);
	return fd < 0 ? fd : fs_node_take(fs, node, fd);
}

int fs_node_fd_named(struct fs *fs, struct fs_node *node, int dir_fd, const char *name)
{
	int fd = atomic_load_explicit(&node->fd, memory_order_acquire);

	if (fd >= 0 || fs_node_kept_handle(node))
		return fs_node_fd(fs, node);
	fd = fs_place_find(fs, node, dir_fd, name);
	return fd < 0 ? fs_node_fd(fs, node) : fs_node_take(fs, node, fd);
}

static int fs_open_again(struct fs *fs, int path_fd, int flags)
{
	char name[16];

	snprintf(name, sizeof(name), "%d", path_fd);
	return fs_openat(fs, fs->proc_fd, name, flags, 0);
}

/* The O_PATH descriptor of one that may be opened, or -errno; sets what else flags have to have. */
static int fs_node_to_open(struct fs *fs, struct fs_node *node, int *flags)
{
	/* Opening a FIFO waits, opening a device does who knows what: only the guest may do either.
	 */
	if (node->type != S_IFREG && node->type != S_IFDIR)
		return node->type == S_IFLNK ? -ELOOP : -ENXIO;
	*flags = (*flags & ~(O_NOFOLLOW | O_CREAT | O_EXCL | O_NOCTTY)) | O_CLOEXEC | O_NOCTTY;
	return fs_node_fd(fs, node);
}

int fs_node_open(struct fs *fs, struct fs_node *node, int flags)
{
	struct fs_handle *handle;
	int fd = fs_node_to_open(fs, node, &flags), opened;

	if (fd < 0)
		return fd;
	/* A quarter cheaper than by name in /proc; one without a name any more may have no handle.
	 */
	handle = fs_node_keep_handle(fs, node, fd);
	opened = handle ? fs_open_handle(fs, handle, flags) : -ESTALE;
	return opened == -ESTALE ? fs_open_again(fs, fd, flags) : opened;
}

int fs_node_open_as_user(struct fs_call *c, struct fs_node *node, int flags)
{
	int fd = fs_node_to_open(c->fs, node, &flags), opened;
	struct fs_creds creds;

	if (fd < 0)
		return fd;
	opened = fs_creds_enter_to_open(c, &creds);
	if (opened)
		return opened;
	/* A handle is not for users. */
	opened = fs_open_again(c->fs, fd, flags);
	fs_creds_leave(c, &creds);
	return opened;
}

void fs_probe_handles(struct fs *fs, int root_fd)
{
	struct {
		struct file_handle head;
		unsigned char bytes[MAX_HANDLE_SZ];
	} buffer = {.head.handle_bytes = MAX_HANDLE_SZ};
	int fd = -1;

	fs->mount_fd = -1;
	if (fs->settings->handles == FS_HANDLES_NEVER)
		return;
	fs->mount_fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fs->mount_fd >= 0 &&
	    !name_to_handle_at(root_fd, "", &buffer.head, &fs->mount_id, AT_EMPTY_PATH))
		fd = open_by_handle_at(fs->mount_fd, &buffer.head, O_PATH | O_CLOEXEC);
	if (fd >= 0) {
		close(fd);
	} else if (fs->mount_fd >= 0) {
		close(fs->mount_fd);
		fs->mount_fd = -1;
	}
}
