/* SPDX-License-Identifier: MIT */
/*
 * What a predecessor knew is found again: each record is valid or not, and one that leads to
 * nothing is taken away alone.  What another process can write is copied before it is checked.
 */
#include "fs_kept_file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char magic[8] = "vu-fs st";

struct found {
	uint32_t n, lost;
};

/* One record; -ESTALE: what it is about is not there. */
typedef int restore_fn(struct fs *fs, uint64_t id, const void *record);

static int restore_node(struct fs *fs, uint64_t id, const void *record)
{
	const struct kept_node *from = record;
	uint64_t refs = atomic_load(&from->refs);
	uint32_t len = from->handle_len;
	const struct fs_node key = {
		.dev = from->dev,
		.ino = from->ino,
		.type = from->type,
		.born_sec = from->born_sec,
		.born_nsec = from->born_nsec,
	};

	if (!refs || refs >= FS_MAX_REFS || !len || len > KEPT_HANDLE)
		return -ESTALE;
	return fs_node_restore_handle(fs, id, refs, &key, from->handle_type, from->handle, len);
}

static int restore_file(struct fs *fs, uint64_t id, const void *record)
{
	const struct kept_file *from = record;

	return fs_file_restore(fs, id, from->nodeid, (int)from->flags, from->is_dir);
}

static int kept_restore_record(struct fs *fs, uint32_t index, void *record, restore_fn *restore,
			       struct found *found)
{
	_Atomic uint64_t *valid = record; /* each begins with its id */
	uint64_t id = atomic_load(valid);
	int ret;

	if (!id)
		return 0;
	found->n++;
	ret = (uint32_t)id == index ? restore(fs, id, record) : -ESTALE;
	if (!ret)
		return 0;
	atomic_store(valid, 0);
	found->lost++;
	return ret == -ENOMEM ? ret : 0;
}

/*
 * The first page from this one on where anything was written; n_pages: there is none.  Looking into
 * holes would fill them.
 */
static uint32_t kept_next_page(const struct fs_kept *kept, const struct kept_table *table,
			       uint32_t page)
{
	off_t start = table->first - kept->all->pages, len = (off_t)(SLOTS_PAGE * table->size);
	off_t data = lseek(kept->fd, start + page * len, SEEK_DATA);

	if (data < 0)
		return errno == ENXIO ? table->n_pages : page;
	return (data - start) / len < table->n_pages ? (uint32_t)((data - start) / len)
						     : table->n_pages;
}

static int kept_restore_table(struct fs *fs, struct kept_table *table, restore_fn *restore,
			      struct found *found)
{
	uint32_t page = 0;
	int ret = 0;

	while ((page = kept_next_page(fs->kept, table, page)) < table->n_pages && !ret) {
		atomic_store(&table->has[page], true);
		for (uint32_t i = page * SLOTS_PAGE; i < (page + 1) * SLOTS_PAGE && !ret; i++)
			ret = kept_restore_record(fs, i, table->first + i * table->size, restore,
						  found);
		page++;
	}
	return ret;
}

/* Whether it was written by a vu-fs like this one for the same directory. */
static bool kept_is_ours(const struct fs *fs)
{
	const struct kept_head *head = &fs->kept->all->head;

	return !memcmp(head->magic, magic, sizeof(magic)) && head->version == KEPT_VERSION &&
	       head->head_size == sizeof(*head) && head->node_size == sizeof(struct kept_node) &&
	       head->file_size == sizeof(struct kept_file) && head->dev == fs->root->dev &&
	       head->ino == fs->root->ino && head->born_sec == fs->root->born_sec &&
	       head->born_nsec == fs->root->born_nsec;
}

static int kept_start_anew(struct fs *fs)
{
	struct kept_all *all = fs->kept->all;
	int ret;

	if (all->head.magic[0])
		vu_device_logf(fs->dev, VU_LOG_WARNING,
			       "the state file is of another directory, or of another version of "
			       "vu-fs: a guest that has the share mounted has to mount it anew");
	/* Nothing of before, and holes again. */
	if (ftruncate(fs->kept->fd, 0) < 0 || ftruncate(fs->kept->fd, sizeof(*all)) < 0)
		return -errno;
	ret = kept_allocate(fs->kept, 0, sizeof(all->pages));
	if (ret)
		return ret;
	all->head.version = KEPT_VERSION;
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
	struct found nodes = {0}, files = {0};
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
		ret = kept_restore_table(fs, &fs->kept->nodes, restore_node, &nodes);
	if (!ret)
		ret = kept_restore_table(fs, &fs->kept->files, restore_file, &files);
	if (ret)
		return ret;
	fs_kept_restored(fs, atomic_load(&head->next_gen));
	atomic_store(&fs->flags, atomic_load(&head->init_flags) & fs_known_flags());
	if (nodes.n || files.n)
		vu_device_logf(fs->dev, nodes.lost || files.lost ? VU_LOG_WARNING : VU_LOG_INFO,
			       "%u of %u inodes and %u of %u open files of before are known again",
			       nodes.n - nodes.lost, nodes.n, files.n - files.lost, files.n);
	return 0;
}
