/* SPDX-License-Identifier: MIT */
/*
 * SETUPMAPPING and REMOVEMAPPING.
 *
 * The front-end maps, and takes its time: a request waits for it as a struct fs_dax_ask, and no
 * thread does.  The answer comes to the device thread, a stop of the queue to the queue's: whoever
 * takes the request out of the list, under the lock, completes it.
 *
 * A piece has to lie inside of its file.  The guest knows a mapping by its whole length, and asks
 * for no other when the file grows: what would not be there it would read as zeros.
 */
#include "fs_kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef FUSE_SETUPMAPPING_FLAG_READ
#define FUSE_SETUPMAPPING_FLAG_READ (1ull << 1)
#endif

enum { REGION = 0 /* VIRTIO_FS_SHMCAP_ID_CACHE */ };

struct fs_dax_ask {
	struct fs *fs;
	struct fs_queue *queue;
	struct vu_req *req; /* NULL: answered */
	uint64_t unique;
	struct fs_dax_piece *piece; /* that is being mapped; NULL: some are taken away */
	uint32_t waits;		    /* answers of the front-end to come, and one while asking */
	int error;
	struct fs_dax_ask *next; /* of fs_dax.asks */
};

/* --- what is mapped; with the lock --- */

static bool piece_meets(const struct fs_dax_piece *piece, uint64_t at, uint64_t len)
{
	return piece->len && piece->at < at + len && at < piece->at + piece->len;
}

static bool piece_within(const struct fs_dax_piece *piece, uint64_t at, uint64_t len)
{
	return piece->at >= at && piece->at + piece->len <= at + len;
}

/* Where a new one can be noted; -EEXIST, -ENOSPC; -EALREADY: the very same is mapped. */
static int dax_reserve(struct fs_dax *dax, const struct fs_dax_piece *wanted,
		       struct fs_dax_piece **out)
{
	struct fs_dax_piece *room = NULL;

	for (uint32_t i = 0; i < FS_DAX_PIECES; i++) {
		struct fs_dax_piece *piece = &dax->pieces[i];

		if (!piece->len && !room)
			room = piece;
		if (!piece_meets(piece, wanted->at, wanted->len))
			continue;
		/* Linux asks once more when it wants to write there. */
		return piece->mapped && piece->nodeid == wanted->nodeid &&
				       piece->file_at == wanted->file_at &&
				       piece->at == wanted->at && piece->len == wanted->len
			       ? -EALREADY
			       : -EEXIST;
	}
	if (!room)
		return -ENOSPC;
	*room = *wanted;
	*out = room;
	return 0;
}

/* May all within a range be taken away? */
static int dax_check_range(const struct fs_dax *dax, const struct fuse_removemapping_one *range)
{
	if (!range->len || range->moffset > dax->len || range->len > dax->len - range->moffset)
		return -EINVAL;
	for (uint32_t i = 0; i < FS_DAX_PIECES; i++) {
		const struct fs_dax_piece *piece = &dax->pieces[i];

		if (!piece_meets(piece, range->moffset, range->len))
			continue;
		if (!piece_within(piece, range->moffset, range->len))
			return -EINVAL;
		if (!piece->mapped)
			return -EBUSY;
	}
	return 0;
}

/* --- requests that wait --- */

static struct fs_dax_ask *ask_new(struct fs_call *c, struct fs_dax_piece *piece)
{
	struct fs_dax *dax = &c->fs->dax;
	struct fs_dax_ask *ask = calloc(1, sizeof(*ask));

	if (!ask)
		return NULL;
	*ask = (struct fs_dax_ask){
		.fs = c->fs,
		.queue = c->queue,
		.req = c->req,
		.unique = c->hdr.unique,
		.piece = piece,
		.waits = 1,
		.next = dax->asks,
	};
	dax->asks = ask;
	return ask;
}

/* With the lock: one answer less to come.  True: that was the last, and ask is the caller's. */
static bool ask_settle(struct fs_dax *dax, struct fs_dax_ask *ask, int result)
{
	struct fs_dax_ask **link = &dax->asks;

	if (result && !ask->error)
		ask->error = result;
	if (--ask->waits)
		return false;
	while (*link != ask)
		link = &(*link)->next;
	*link = ask->next;
	return true;
}

/* What the guest reads of what became of it. */
static int ask_error(int result)
{
	return result == -EREMOTEIO || result == -EOPNOTSUPP ? -EOPNOTSUPP : result;
}

/* It came too late; and what cannot be taken away is gone already. */
static int dax_take_back(struct fs *fs, const struct fs_dax_piece *piece)
{
	return vu_device_unmap_shmem(fs->dev, REGION, piece->at, NULL, NULL) ? -ECANCELED : -EINTR;
}

static void asked(struct vu_device *dev, int result, void *opaque)
{
	struct fs_dax_ask *ask = opaque;
	struct fs *fs = ask->fs;
	struct fs_dax *dax = &fs->dax;
	struct fs_dax_piece *piece;
	bool last;

	(void)dev;
	pthread_mutex_lock(&dax->lock);
	piece = ask->piece;
	if (piece && !result && piece->doomed)
		result = dax_take_back(fs, piece);
	if (piece && result)
		*piece = (struct fs_dax_piece){0};
	else if (piece)
		piece->mapped = true;
	last = ask_settle(dax, ask, result);
	pthread_mutex_unlock(&dax->lock);
	if (!last)
		return;
	if (ask->req)
		fs_call_finish_elsewhere(ask->req, ask->unique, ask_error(ask->error));
	free(ask);
}

/* The end of asking: FS_LATER, or all is known already. */
static int ask_end(struct fs_dax *dax, struct fs_dax_ask *ask, int result)
{
	bool last;

	pthread_mutex_lock(&dax->lock);
	last = ask_settle(dax, ask, result);
	pthread_mutex_unlock(&dax->lock);
	if (!last)
		return FS_LATER;
	result = ask_error(ask->error);
	free(ask);
	return result;
}

void fs_dax_stop(struct fs_queue *q)
{
	struct fs_dax *dax = &q->fs->dax;

	if (!dax->len)
		return;
	pthread_mutex_lock(&dax->lock);
	for (struct fs_dax_ask *ask = dax->asks; ask; ask = ask->next) {
		if (ask->queue != q || !ask->req)
			continue;
		/* The front-end answers nothing while it waits for the queue. */
		fs_call_finish(ask->req, ask->unique, -EINTR);
		ask->req = NULL;
	}
	pthread_mutex_unlock(&dax->lock);
}

/* --- the requests --- */

static int dax_map(struct fs_call *c, const struct fs_dax_piece *wanted, int fd)
{
	struct fs_dax *dax = &c->fs->dax;
	struct vu_shmem_piece what = {
		.size = sizeof(what),
		.id = REGION,
		/* Taking it away to give it back writable, a guest would find zeros in between. */
		.flags = VU_SHMEM_WRITE,
		.offset = wanted->at,
		.len = wanted->len,
		.fd_offset = wanted->file_at,
		.fd = fd,
	};
	struct fs_dax_piece *piece = NULL;
	struct fs_dax_ask *ask = NULL;
	int ret;

	pthread_mutex_lock(&dax->lock);
	ret = dax_reserve(dax, wanted, &piece);
	if (!ret) {
		ask = ask_new(c, piece);
		if (ask) {
			ask->waits++;
		} else {
			*piece = (struct fs_dax_piece){0};
			ret = -ENOMEM;
		}
	}
	pthread_mutex_unlock(&dax->lock);
	if (ret)
		return ret == -EALREADY ? 0 : ret;
	ret = vu_device_map_shmem(c->fs->dev, &what, asked, ask);
	if (ret) {
		pthread_mutex_lock(&dax->lock);
		*piece = (struct fs_dax_piece){0};
		ask->waits--;
		pthread_mutex_unlock(&dax->lock);
	}
	return ask_end(dax, ask, ret);
}

int fs_setupmapping(struct fs_call *c)
{
	const struct fuse_setupmapping_in *in = c->args;
	const uint64_t unaligned = (UINT64_C(1) << FS_DAX_ALIGN_LOG2) - 1;
	const struct fs_dax *dax = &c->fs->dax;
	const struct fs_dax_piece wanted = {
		.nodeid = c->hdr.nodeid, .file_at = in->foffset, .at = in->moffset, .len = in->len};
	struct stat st;
	int fd, ret;

	if (!dax->len)
		return -ENOSYS;
	if ((in->foffset | in->moffset | in->len) & unaligned || !in->len || in->len > dax->len ||
	    in->moffset > dax->len - in->len || in->foffset > INT64_MAX - in->len ||
	    in->flags & ~(FUSE_SETUPMAPPING_FLAG_WRITE | FUSE_SETUPMAPPING_FLAG_READ))
		return -EINVAL;
	if (c->node->type != S_IFREG)
		return -EOPNOTSUPP;
	/* For both, as front-ends map nothing else; Linux names no open file (fh is -1). */
	fd = fs_node_open(c->fs, c->node, O_RDWR);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		ret = -errno;
	else if ((uint64_t)st.st_size < in->foffset + in->len)
		ret = -EOPNOTSUPP;
	else
		ret = dax_map(c, &wanted, fd);
	close(fd);
	return ret;
}

/* With the lock: take all away within a range. */
static void dax_unmap(struct fs *fs, uint64_t at, uint64_t len, struct fs_dax_ask *ask)
{
	for (uint32_t i = 0; i < FS_DAX_PIECES; i++) {
		struct fs_dax_piece *piece = &fs->dax.pieces[i];

		if (!piece_meets(piece, at, len))
			continue;
		if (!piece->mapped) {
			piece->doomed = true;
			continue;
		}
		/* What the library does not know any more is gone. */
		if (!vu_device_unmap_shmem(fs->dev, REGION, piece->at, ask ? asked : NULL, ask) &&
		    ask)
			ask->waits++;
		*piece = (struct fs_dax_piece){0};
	}
}

int fs_removemapping(struct fs_call *c)
{
	const struct fuse_removemapping_in *in = c->args;
	struct fs_dax *dax = &c->fs->dax;
	struct fuse_removemapping_one range;
	struct fs_dax_ask *ask = NULL;
	int ret = 0;

	if (!dax->len)
		return -ENOSYS;
	if (in->count > c->rest_len / sizeof(range))
		return -EINVAL;
	pthread_mutex_lock(&dax->lock);
	for (uint32_t i = 0; i < in->count && !ret; i++) {
		memcpy(&range, c->rest + i * sizeof(range), sizeof(range));
		ret = dax_check_range(dax, &range);
	}
	if (!ret) {
		ask = ask_new(c, NULL);
		ret = ask ? 0 : -ENOMEM;
	}
	for (uint32_t i = 0; i < in->count && !ret; i++) {
		memcpy(&range, c->rest + i * sizeof(range), sizeof(range));
		dax_unmap(c->fs, range.moffset, range.len, ask);
	}
	pthread_mutex_unlock(&dax->lock);
	return ret ? ret : ask_end(dax, ask, 0);
}

void fs_dax_unmap_all(struct fs *fs)
{
	if (!fs->dax.len)
		return;
	pthread_mutex_lock(&fs->dax.lock);
	dax_unmap(fs, 0, fs->dax.len, NULL);
	pthread_mutex_unlock(&fs->dax.lock);
}

/* --- the device --- */

bool fs_dax_in_use(struct fs *fs)
{
	bool any = false;

	if (!fs->dax.len)
		return false;
	pthread_mutex_lock(&fs->dax.lock);
	for (uint32_t i = 0; i < FS_DAX_PIECES; i++)
		any |= fs->dax.pieces[i].len != 0;
	pthread_mutex_unlock(&fs->dax.lock);
	return any;
}

bool fs_dax_suits(uint64_t file_len)
{
	return file_len && file_len % FS_DAX_RANGE == 0;
}

void fs_dax_forget(struct fs *fs)
{
	if (!fs->dax.len)
		return;
	pthread_mutex_lock(&fs->dax.lock);
	for (uint32_t i = 0; i < FS_DAX_PIECES; i++)
		if (fs->dax.pieces[i].mapped)
			fs->dax.pieces[i] = (struct fs_dax_piece){0};
	pthread_mutex_unlock(&fs->dax.lock);
}

int fs_dax_check(const struct fs_settings *settings)
{
	const char *with = settings->read_only ? "--readonly" : fs_kept_option(settings);

	if (!settings->dax_window || !with)
		return 0;
	fprintf(stderr, "vu-fs: --dax-window and %s: %s\n", with,
		settings->read_only ? "front-ends map for writing, whatever they are asked for"
				    : "what a guest has mapped outlives nobody");
	return -EINVAL;
}

int fs_dax_init(struct fs *fs)
{
	const uint64_t len = (uint64_t)fs->settings->dax_window;
	/* A stop need not be a reset, and a driver that was reset begins with INIT: nothing is to
	 * be done when the library says that mappings are lost. */
	const struct vu_shmem_info info = {.size = sizeof(info), .lens = &len, .n_lens = 1};

	pthread_mutex_init(&fs->dax.lock, NULL);
	if (!len)
		return 0;
	fs->dax.len = len;
	return vu_device_set_shmem(fs->dev, &info);
}
