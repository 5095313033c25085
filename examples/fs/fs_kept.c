/* SPDX-License-Identifier: MIT */
/*
 * The file and its records: see fs_kept.h.  It is as large as it can ever be, and has holes where
 * nothing is; room for a page of records is taken before it is written to, as a full file system
 * would answer with SIGBUS.  The numbers are this machine's: a file does not travel.
 */
#include "fs_kept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fs_again.h"
#include "fs_node.h"

enum {
	VERSION = 1,
	HANDLE = 64,			    /* bytes of a file handle; larger ones are not kept */
	N_NODES = SLOTS_PAGE * SLOTS_PAGES, /* at most */
	N_FILES = 1 << 20,
};

static const char magic[8] = "vu-fs st";

struct kept_node {
	_Atomic uint64_t id; /* 0: there is none; written last, taken away first */
	_Atomic uint64_t refs;
	uint64_t dev, ino;
	int64_t born_sec;
	uint32_t born_nsec, type;
	_Atomic uint32_t gen; /* the lowest that was never given out here */
	int32_t handle_type;
	uint32_t handle_len; /* 0: it cannot be found again */
	uint32_t reserved;
	unsigned char handle[HANDLE];
};

struct kept_file {
	_Atomic uint64_t id; /* as above */
	uint64_t nodeid;
	uint32_t flags, is_dir;
	_Atomic uint32_t gen;
	uint32_t reserved;
};

struct kept_head {
	char magic[8]; /* written last */
	uint32_t version, head_size, node_size, file_size;
	uint64_t dev, ino; /* of the root, and its birth */
	int64_t born_sec;
	uint32_t born_nsec, reserved;
	_Atomic uint64_t init_flags;
	_Alignas(64) struct fs_intent intents[FS_MAX_QUEUES + 1];
};

struct kept_all {
	union {
		struct kept_head head;
		unsigned char pages[16384];
	};
	struct kept_file files[N_FILES];
	struct kept_node nodes[N_NODES];
};

struct fs_kept {
	int fd;
	struct kept_all *all;
	atomic_bool full; /* said once */
	/* Of the file: those pages of records that have room. */
	atomic_bool nodes[SLOTS_PAGES], files[N_FILES / SLOTS_PAGE];
};

/* --- opening --- */

static int kept_fail(const char *what, int error)
{
	fprintf(stderr, "vu-fs: %s: %s\n", what,
		error == -EWOULDBLOCK ? "another vu-fs has it" : strerror(-error));
	return error;
}

static int kept_open_file(const struct fs_settings *settings, uint32_t index)
{
	char path[4096];
	int fd = vu_program_path(settings->state_file, index, path, sizeof(path));

	if (fd < 0)
		return kept_fail(settings->state_file, fd);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return kept_fail(path, -errno);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int error = -errno;

		close(fd);
		return kept_fail(path, error);
	}
	return fd;
}

/* The supervisor's, which keeps another of the same file. */
static int kept_take_fd(const struct fs_settings *settings, uint32_t index)
{
	int fd = (int)settings->state_fd;

	if (index) {
		fprintf(stderr,
			"vu-fs: --state-fd is for one socket; --state-file serves several\n");
		return -EINVAL;
	}
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return kept_fail("--state-fd", -errno);
	return fd;
}

static int kept_map(struct fs_kept *kept)
{
	struct stat st;
	void *all;

	if (fstat(kept->fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size < (off_t)sizeof(struct kept_all) &&
	    ftruncate(kept->fd, sizeof(struct kept_all)) < 0)
		return -errno;
	all = mmap(NULL, sizeof(struct kept_all), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_NORESERVE, kept->fd, 0);
	if (all == MAP_FAILED)
		return -errno;
	kept->all = all;
	return fallocate(kept->fd, 0, 0, sizeof(kept->all->pages)) < 0 && errno != EOPNOTSUPP
		       ? -errno
		       : 0;
}

int fs_kept_open(struct fs *fs, uint32_t index)
{
	const struct fs_settings *settings = fs->settings;
	const char *name = settings->state_file ? settings->state_file : "--state-fd";
	struct fs_kept *kept;
	int ret;

	if (!settings->state_file && !settings->state_fd)
		return 0;
	if (settings->state_file && settings->state_fd) {
		fprintf(stderr, "vu-fs: --state-file or --state-fd, not both\n");
		return -EINVAL;
	}
	kept = calloc(1, sizeof(*kept));
	if (!kept)
		return -ENOMEM;
	kept->fd = settings->state_file ? kept_open_file(settings, index)
					: kept_take_fd(settings, index);
	ret = kept->fd;
	if (kept->fd >= 0) {
		fs->kept = kept;
		ret = kept_map(kept);
		return ret ? kept_fail(name, ret) : 0;
	}
	free(kept);
	return ret;
}

void fs_kept_close(struct fs *fs)
{
	struct fs_kept *kept = fs->kept;

	if (!kept)
		return;
	if (kept->all)
		munmap(kept->all, sizeof(*kept->all));
	close(kept->fd);
	free(kept);
	fs->kept = NULL;
}

/* --- records --- */

/* Room for a page of records; false: there is none. */
static bool kept_reserve(struct fs *fs, atomic_bool *has, const void *first, size_t len)
{
	struct fs_kept *kept = fs->kept;
	off_t at = (const unsigned char *)first - kept->all->pages;

	if (atomic_load_explicit(has, memory_order_relaxed))
		return true;
	/* Without fallocate() there may be room or not, as for any mapped file there. */
	if (fallocate(kept->fd, 0, at, (off_t)len) < 0 && errno != EOPNOTSUPP) {
		if (!atomic_exchange(&kept->full, true))
			vu_device_logf(fs->dev, VU_LOG_WARNING,
				       "the state file: %s: what guests know from now on is not "
				       "found again after a crash",
				       strerror(errno));
		return false;
	}
	atomic_store(has, true);
	return true;
}

/* NULL: it has none. */
static struct kept_node *kept_node_of(const struct fs *fs, const struct fs_node *node)
{
	const struct fs_kept *kept = fs->kept;
	uint32_t index = node->slot.index;

	return kept && atomic_load(&kept->nodes[index / SLOTS_PAGE]) ? &kept->all->nodes[index]
								     : NULL;
}

void fs_kept_node(struct fs *fs, struct fs_node *node, uint64_t refs)
{
	struct fs_kept *kept = fs->kept;
	uint32_t index = node->slot.index, page = index / SLOTS_PAGE, len;
	struct kept_node *to;
	const void *handle;

	/* The root is always there. */
	if (!kept || index == FUSE_ROOT_ID)
		return;
	if (!kept_reserve(fs, &kept->nodes[page], &kept->all->nodes[page * SLOTS_PAGE],
			  SLOTS_PAGE * sizeof(*to)))
		return;
	to = &kept->all->nodes[index];
	len = fs_node_handle(fs, node, &to->handle_type, &handle);
	to->handle_len = len <= HANDLE ? len : 0;
	memcpy(to->handle, handle, to->handle_len);
	to->dev = node->dev;
	to->ino = node->ino;
	to->type = node->type;
	to->born_sec = node->born_sec;
	to->born_nsec = node->born_nsec;
	atomic_store_explicit(&to->refs, refs, memory_order_relaxed);
	atomic_store_explicit(&to->id, slots_id(&node->slot), memory_order_release);
}

void fs_kept_refs(struct fs *fs, const struct fs_node *node, uint64_t more)
{
	struct kept_node *to = kept_node_of(fs, node);

	if (to)
		atomic_fetch_add_explicit(&to->refs, more, memory_order_relaxed);
}

void fs_kept_node_end(struct fs *fs, const struct fs_node *node)
{
	struct kept_node *to = kept_node_of(fs, node);

	if (!to)
		return;
	atomic_store(&to->gen, atomic_load(&node->slot.gen) + 1);
	atomic_store(&to->id, 0);
}

void fs_kept_file(struct fs *fs, const struct fs_file *file)
{
	struct fs_kept *kept = fs->kept;
	uint32_t index = file->slot.index, page = index / SLOTS_PAGE;
	struct kept_file *to;

	if (!kept || index >= N_FILES ||
	    !kept_reserve(fs, &kept->files[page], &kept->all->files[page * SLOTS_PAGE],
			  SLOTS_PAGE * sizeof(*to)))
		return;
	to = &kept->all->files[index];
	to->nodeid = file->nodeid;
	to->flags = (uint32_t)file->flags;
	to->is_dir = file->is_dir;
	atomic_store_explicit(&to->id, slots_id(&file->slot), memory_order_release);
}

void fs_kept_file_end(struct fs *fs, const struct fs_file *file)
{
	struct fs_kept *kept = fs->kept;
	uint32_t index = file->slot.index;

	if (!kept || index >= N_FILES || !atomic_load(&kept->files[index / SLOTS_PAGE]))
		return;
	atomic_store(&kept->all->files[index].gen, atomic_load(&file->slot.gen) + 1);
	atomic_store(&kept->all->files[index].id, 0);
}

void fs_kept_flags(struct fs *fs, uint64_t flags)
{
	atomic_store(&fs->flags, flags);
	if (fs->kept)
		atomic_store(&fs->kept->all->head.init_flags, flags);
}

/* --- what a predecessor knew --- */

struct restored {
	uint32_t n, n_lost, n_files, n_files_lost;
	uint32_t last_gen;
};

static void kept_saw(struct restored *r, uint32_t gen)
{
	if (gen > r->last_gen)
		r->last_gen = gen;
}

static int kept_restore_node(struct fs *fs, uint32_t index, struct restored *r)
{
	struct kept_node *from = &fs->kept->all->nodes[index];
	const struct fs_node key = {
		.dev = from->dev,
		.ino = from->ino,
		.type = from->type,
		.born_sec = from->born_sec,
		.born_nsec = from->born_nsec,
	};
	uint64_t id = atomic_load(&from->id), refs = atomic_load(&from->refs);
	int ret = -ESTALE;

	kept_saw(r, atomic_load(&from->gen));
	if (!id)
		return 0;
	kept_saw(r, (uint32_t)(id >> 32) + 1);
	r->n++;
	if ((uint32_t)id == index && refs && refs < FS_MAX_REFS && from->handle_len &&
	    from->handle_len <= HANDLE)
		ret = fs_node_restore_handle(fs, id, refs, &key, from->handle_type, from->handle,
					     from->handle_len);
	if (!ret)
		return 0;
	atomic_store(&from->id, 0);
	r->n_lost++;
	return ret == -ENOMEM ? ret : 0;
}

static int kept_restore_file(struct fs *fs, uint32_t index, struct restored *r)
{
	struct kept_file *from = &fs->kept->all->files[index];
	uint64_t id = atomic_load(&from->id);
	int ret = -ESTALE;

	kept_saw(r, atomic_load(&from->gen));
	if (!id)
		return 0;
	kept_saw(r, (uint32_t)(id >> 32) + 1);
	r->n_files++;
	if ((uint32_t)id == index)
		ret = fs_file_restore(fs, id, from->nodeid, (int)from->flags, from->is_dir);
	if (!ret)
		return 0;
	atomic_store(&from->id, 0);
	r->n_files_lost++;
	return ret == -ENOMEM ? ret : 0;
}

/* Was anything written there?  Looking into a hole would fill it. */
static bool kept_has(const struct fs_kept *kept, const void *first, size_t len)
{
	off_t at = (const unsigned char *)first - kept->all->pages;
	off_t data = lseek(kept->fd, at, SEEK_DATA);

	return data >= 0 ? data < at + (off_t)len : errno != ENXIO;
}

static int kept_restore_nodes(struct fs *fs, uint32_t page, struct restored *r)
{
	const struct kept_node *first = &fs->kept->all->nodes[page * SLOTS_PAGE];
	int ret = 0;

	if (!kept_has(fs->kept, first, SLOTS_PAGE * sizeof(*first)))
		return 0;
	atomic_store(&fs->kept->nodes[page], true);
	for (uint32_t i = 0; i < SLOTS_PAGE && !ret; i++)
		ret = kept_restore_node(fs, page * SLOTS_PAGE + i, r);
	return ret;
}

static int kept_restore_files(struct fs *fs, uint32_t page, struct restored *r)
{
	const struct kept_file *first = &fs->kept->all->files[page * SLOTS_PAGE];
	int ret = 0;

	if (!kept_has(fs->kept, first, SLOTS_PAGE * sizeof(*first)))
		return 0;
	atomic_store(&fs->kept->files[page], true);
	for (uint32_t i = 0; i < SLOTS_PAGE && !ret; i++)
		ret = kept_restore_file(fs, page * SLOTS_PAGE + i, r);
	return ret;
}

static int kept_restore_all(struct fs *fs, struct restored *r)
{
	int ret = 0;

	for (uint32_t page = 0; page < SLOTS_PAGES && !ret; page++)
		ret = kept_restore_nodes(fs, page, r);
	for (uint32_t page = 0; page < N_FILES / SLOTS_PAGE && !ret; page++)
		ret = kept_restore_files(fs, page, r);
	slots_restored(&fs->nodes, r->last_gen);
	slots_restored(&fs->files, r->last_gen);
	return ret;
}

/* Whether it was written by a vu-fs like this one for the same directory. */
static bool kept_is_ours(const struct fs *fs)
{
	const struct kept_head *head = &fs->kept->all->head;

	return !memcmp(head->magic, magic, sizeof(magic)) && head->version == VERSION &&
	       head->head_size == sizeof(*head) && head->node_size == sizeof(struct kept_node) &&
	       head->file_size == sizeof(struct kept_file) && head->dev == fs->root->dev &&
	       head->ino == fs->root->ino && head->born_sec == fs->root->born_sec &&
	       head->born_nsec == fs->root->born_nsec;
}

static int kept_start_anew(struct fs *fs)
{
	struct kept_all *all = fs->kept->all;

	if (all->head.magic[0])
		vu_device_logf(fs->dev, VU_LOG_WARNING,
			       "the state file is of another directory, or of another version of "
			       "vu-fs: a guest that has the share mounted has to mount it anew");
	/* Nothing of before, and holes again. */
	if (ftruncate(fs->kept->fd, 0) < 0 || ftruncate(fs->kept->fd, sizeof(*all)) < 0 ||
	    (fallocate(fs->kept->fd, 0, 0, sizeof(all->pages)) < 0 && errno != EOPNOTSUPP))
		return -errno;
	all->head.version = VERSION;
	all->head.head_size = sizeof(all->head);
	all->head.node_size = sizeof(struct kept_node);
	all->head.file_size = sizeof(struct kept_file);
	all->head.dev = fs->root->dev;
	all->head.ino = fs->root->ino;
	all->head.born_sec = fs->root->born_sec;
	all->head.born_nsec = fs->root->born_nsec;
	atomic_signal_fence(memory_order_release);
	memcpy(all->head.magic, magic, sizeof(magic));
	return 0;
}

int fs_kept_restore(struct fs *fs)
{
	struct restored r = {0};
	struct kept_head *head;
	int ret;

	if (!fs->kept)
		return 0;
	head = &fs->kept->all->head;
	if (fs->mount_fd < 0)
		vu_device_logf(fs->dev, VU_LOG_WARNING,
			       "no file handles can be had here: after a crash no inode is found "
			       "again");
	ret = kept_is_ours(fs) ? 0 : kept_start_anew(fs);
	for (uint32_t i = 0; i < fs->n_queues && !ret; i++)
		fs->queues[i].intent = &head->intents[i];
	if (!ret)
		ret = kept_restore_all(fs, &r);
	if (ret)
		return ret;
	atomic_store(&fs->flags, atomic_load(&head->init_flags) & fs_known_flags());
	if (r.n || r.n_files)
		vu_device_logf(fs->dev, r.n_lost || r.n_files_lost ? VU_LOG_WARNING : VU_LOG_INFO,
			       "%u of %u inodes and %u of %u open files of before are known again",
			       r.n - r.n_lost, r.n, r.n_files - r.n_files_lost, r.n_files);
	return 0;
}
