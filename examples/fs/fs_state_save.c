/* SPDX-License-Identifier: MIT */
/*
 * Saving the state: what the guest knows, and how the other side finds it.
 *
 * An inode is found by its path, as the kernel knows it now, and its file handle where there are
 * handles; what it is to be recognized by goes along.  Nothing of the device changes.
 */
#include "fs_state.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 256 << 10 };

struct chunk {
	struct vu_state *state;
	uint32_t tag;
	size_t len;
	unsigned char data[CHUNK];
};

static int chunk_flush(struct chunk *chunk)
{
	int ret =
		chunk->len ? vu_state_put(chunk->state, chunk->tag, 0, chunk->data, chunk->len) : 0;

	chunk->len = 0;
	return ret;
}

/* Room for an entry, zeroed; NULL: it cannot be saved. */
static void *chunk_add(struct chunk *chunk, size_t len)
{
	size_t padded = (len + 7) & ~(size_t)7;
	void *at;

	if (padded > CHUNK - chunk->len && chunk_flush(chunk))
		return NULL;
	at = chunk->data + chunk->len;
	memset(at, 0, padded);
	chunk->len += padded;
	return at;
}

static int fs_save_node(struct fs *fs, struct fs_node *node, uint64_t refs, size_t skip,
			struct chunk *chunk)
{
	int fd = fs_node_fd(fs, node), type = 0;
	const void *handle = NULL;
	struct fs_saved_node *saved;
	char path[PATH_MAX];
	size_t path_len, handle_len;

	/* Removed, and known by its handle only: the guest will hear that it is gone. */
	if (fd < 0)
		return 0;
	path_len = fs_path_of(fs, fd, skip, path);
	handle_len = fs_node_handle(fs, node, &type, &handle);
	saved = chunk_add(chunk, sizeof(*saved) + path_len + handle_len);
	if (!saved)
		return -EFBIG;
	*saved = (struct fs_saved_node){
		.id = htole64(slots_id(&node->slot)),
		.refs = htole64(refs),
		.ino = htole64(node->ino),
		.born_sec = (int64_t)htole64((uint64_t)node->born_sec),
		.born_nsec = htole32(node->born_nsec),
		.type = htole32(node->type),
		.handle_type = htole32((uint32_t)type),
		.path_len = htole16((uint16_t)path_len),
		.handle_len = htole16((uint16_t)handle_len),
	};
	memcpy(saved + 1, path, path_len);
	if (handle_len)
		memcpy((unsigned char *)(saved + 1) + path_len, handle, handle_len);
	return 0;
}

static int fs_save_nodes(struct fs *fs, struct chunk *chunk)
{
	size_t skip = fs_path_to_root(fs);
	int ret = 0;

	chunk->tag = FS_SAVED_NODES;
	for (uint32_t i = 1; !ret && i < atomic_load(&fs->nodes.end); i++) {
		struct fs_node *node = slots_at(&fs->nodes, i);

		if (!node || node == fs->root || !slots_pin(&node->slot))
			continue;
		ret = fs_save_node(fs, node, slots_refs(&node->slot), skip, chunk);
		fs_node_put(fs, node);
		if (!ret && fs_state_cancelled(fs))
			ret = -ECANCELED;
	}
	return ret ? ret : chunk_flush(chunk);
}

static int fs_save_files(struct fs *fs, struct chunk *chunk)
{
	int ret = 0;

	chunk->tag = FS_SAVED_FILES;
	for (uint32_t i = 1; !ret && i < atomic_load(&fs->files.end); i++) {
		struct fs_file *file = slots_at(&fs->files, i);
		struct fs_saved_file *saved;

		if (!file || !slots_pin(&file->slot))
			continue;
		saved = chunk_add(chunk, sizeof(*saved));
		if (saved)
			*saved = (struct fs_saved_file){
				.id = htole64(slots_id(&file->slot)),
				.nodeid = htole64(file->nodeid),
				.open_flags = htole32((uint32_t)file->flags),
				.flags = htole32(file->is_dir ? FS_SAVED_DIR : 0),
			};
		else
			ret = -EFBIG;
		fs_file_put(fs, file);
	}
	return ret ? ret : chunk_flush(chunk);
}

int fs_state_save(struct fs *fs, struct vu_state *state)
{
	struct chunk *chunk;
	int ret;

	if (fs_dax_in_use(fs)) {
		vu_device_logf(fs->dev, VU_LOG_ERROR,
			       "the guest has files mapped in its DAX window, which cannot move");
		return -EBUSY;
	}
	chunk = malloc(sizeof(*chunk));
	if (!chunk)
		return -ENOMEM;
	chunk->state = state;
	chunk->len = 0;
	if (fs->settings->posix_lock || fs->settings->flock)
		vu_device_logf(fs->dev, VU_LOG_WARNING,
			       "locks that the guest has on the host do not move with it");
	ret = vu_state_put_u64(state, FS_SAVED_MOUNT, 0, atomic_load(&fs->flags));
	if (!ret)
		ret = fs_save_nodes(fs, chunk);
	if (!ret)
		ret = fs_save_files(fs, chunk);
	free(chunk);
	return ret;
}
