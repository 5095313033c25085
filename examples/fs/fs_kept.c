/* SPDX-License-Identifier: MIT */
/*
 * Opening the file, and writing records: see fs_kept.h.  Room for a page of records is taken before
 * it is written to, as a full file system would answer with SIGBUS.
 */
#include "fs_kept_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fs_node.h"

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

/* The service manager's, which keeps one of each socket. */
static int kept_take_from_manager(struct fs *fs, uint32_t index)
{
	char name[64];
	int fd, ret = vu_program_path("vu-fs-state", index, name, sizeof(name));

	if (!ret)
		ret = vu_program_kept_file(fs->program, name, &fd);
	if (!ret)
		return fd;
	if (ret != -EOPNOTSUPP)
		return kept_fail("--state-fdstore", ret);
	fprintf(stderr, "vu-fs: --state-fdstore: no service manager keeps it (NOTIFY_SOCKET)\n");
	return ret;
}

/* Without fallocate() there may be room or not, as for any mapped file there. */
int kept_allocate(const struct fs_kept *kept, off_t at, off_t len)
{
	return fallocate(kept->fd, 0, at, len) < 0 && errno != EOPNOTSUPP ? -errno : 0;
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
	kept->nodes = (struct kept_table){
		.first = (unsigned char *)kept->all->nodes,
		.size = sizeof(kept->all->nodes[0]),
		.n_pages = KEPT_NODES / SLOTS_PAGE,
		.has = kept->has_nodes,
	};
	kept->files = (struct kept_table){
		.first = (unsigned char *)kept->all->files,
		.size = sizeof(kept->all->files[0]),
		.n_pages = KEPT_FILES / SLOTS_PAGE,
		.has = kept->has_files,
	};
	return kept_allocate(kept, 0, sizeof(kept->all->pages));
}

static int kept_find_file(struct fs *fs, uint32_t index)
{
	const struct fs_settings *settings = fs->settings;

	if (settings->state_file)
		return kept_open_file(settings, index);
	return settings->state_fd ? kept_take_fd(settings, index)
				  : kept_take_from_manager(fs, index);
}

const char *fs_kept_option(const struct fs_settings *settings)
{
	return settings->state_file	 ? "--state-file"
	       : settings->state_fd	 ? "--state-fd"
	       : settings->state_fdstore ? "--state-fdstore"
					 : NULL;
}

int fs_kept_open(struct fs *fs, uint32_t index)
{
	const struct fs_settings *settings = fs->settings;
	struct fs_kept *kept;
	int ret;

	if (!fs_kept_option(settings))
		return 0;
	if (!!settings->state_file + !!settings->state_fd + settings->state_fdstore > 1) {
		fprintf(stderr, "vu-fs: --state-file, --state-fd or --state-fdstore: only one\n");
		return -EINVAL;
	}
	kept = calloc(1, sizeof(*kept));
	if (!kept)
		return -ENOMEM;
	kept->fd = kept_find_file(fs, index);
	ret = kept->fd;
	if (kept->fd < 0) {
		free(kept);
		return ret;
	}
	fs->kept = kept;
	ret = kept_map(kept);
	return ret ? kept_fail(settings->state_file ? settings->state_file
						    : fs_kept_option(settings),
			       ret)
		   : 0;
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

/* Numbers that were given out never name anything else, whatever becomes of their records. */
static void kept_gave_out(struct fs_kept *kept, uint32_t gen)
{
	_Atomic uint32_t *next = &kept->all->head.next_gen;
	uint32_t least = atomic_load_explicit(next, memory_order_relaxed);

	while (gen + 1 > least && !atomic_compare_exchange_weak(next, &least, gen + 1))
		continue;
}

void fs_kept_restored(struct fs *fs, uint32_t first_gen)
{
	if (fs->kept)
		kept_gave_out(fs->kept, first_gen - 1);
	slots_restored(&fs->nodes, first_gen);
	slots_restored(&fs->files, first_gen);
}

/* NULL: it has none. */
static void *kept_find(const struct kept_table *table, const struct slot *slot)
{
	uint32_t page = slot->index / SLOTS_PAGE;

	return page < table->n_pages && atomic_load(&table->has[page])
		       ? table->first + slot->index * table->size
		       : NULL;
}

/* The record of something that is given out, and room for it; NULL: there is none. */
static void *kept_record(struct fs *fs, struct kept_table *table, const struct slot *slot)
{
	struct fs_kept *kept = fs->kept;
	uint32_t page = slot->index / SLOTS_PAGE;
	size_t len = SLOTS_PAGE * table->size;
	int ret;

	kept_gave_out(kept, atomic_load(&slot->gen));
	if (page >= table->n_pages)
		return NULL;
	if (atomic_load_explicit(&table->has[page], memory_order_relaxed))
		return table->first + slot->index * table->size;
	ret = kept_allocate(kept, table->first + page * len - kept->all->pages, (off_t)len);
	if (!ret) {
		atomic_store(&table->has[page], true);
		return table->first + slot->index * table->size;
	}
	if (!atomic_exchange(&kept->full, true))
		vu_device_logf(fs->dev, VU_LOG_WARNING,
			       "the state file: %s: what guests know from now on is not found "
			       "again after a crash",
			       strerror(-ret));
	return NULL;
}

void fs_kept_node(struct fs *fs, struct fs_node *node, uint64_t refs)
{
	struct kept_node *to;
	const void *handle;
	uint32_t len;

	/* The root is always there. */
	if (!fs->kept || node->slot.index == FUSE_ROOT_ID)
		return;
	to = kept_record(fs, &fs->kept->nodes, &node->slot);
	if (!to)
		return;
	len = fs_node_handle(fs, node, &to->handle_type, &handle);
	to->handle_len = len <= KEPT_HANDLE ? len : 0;
	if (to->handle_len)
		memcpy(to->handle, handle, len);
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
	struct kept_node *to = fs->kept ? kept_find(&fs->kept->nodes, &node->slot) : NULL;

	if (to)
		atomic_fetch_add_explicit(&to->refs, more, memory_order_relaxed);
}

void fs_kept_node_end(struct fs *fs, const struct fs_node *node)
{
	struct kept_node *to = fs->kept ? kept_find(&fs->kept->nodes, &node->slot) : NULL;

	if (to)
		atomic_store(&to->id, 0);
}

void fs_kept_file(struct fs *fs, const struct fs_file *file)
{
	struct kept_file *to = fs->kept ? kept_record(fs, &fs->kept->files, &file->slot) : NULL;

	if (!to)
		return;
	to->nodeid = file->nodeid;
	to->flags = (uint32_t)file->flags;
	to->is_dir = file->is_dir;
	atomic_store_explicit(&to->id, slots_id(&file->slot), memory_order_release);
}

void fs_kept_file_end(struct fs *fs, const struct fs_file *file)
{
	struct kept_file *to = fs->kept ? kept_find(&fs->kept->files, &file->slot) : NULL;

	if (to)
		atomic_store(&to->id, 0);
}

void fs_kept_flags(struct fs *fs, uint64_t flags)
{
	atomic_store(&fs->flags, flags);
	if (fs->kept)
		atomic_store(&fs->kept->all->head.init_flags, flags);
}
