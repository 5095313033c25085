/* SPDX-License-Identifier: MIT */
/*
 * Requests of a block device (virtio 1.3 §5.2.6): read once, checked, begun, finished.
 * Queue thread.
 */
#include "blk.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(DISK_OK == VIRTIO_BLK_S_OK && DISK_IOERR == VIRTIO_BLK_S_IOERR &&
		       DISK_UNSUPP == VIRTIO_BLK_S_UNSUPP,
	       "how back-ends end a request is what the driver is told");

enum {
	RUN = 256,		    /* no status: the back-end has to do something */
	VIRTIO_BLK_T_FLUSH_OUT = 5, /* §5.2.6.3: another name for a flush, of legacy drivers */
};

static bool blk_is_inside(uint64_t disk, uint64_t sector, uint64_t len)
{
	return sector <= disk / BLK_SECTOR && len <= disk - sector * BLK_SECTOR;
}

static int blk_parse_transfer(const struct blk_disk *disk, struct disk_io *io, uint64_t sector,
			      uint64_t len)
{
	uint64_t bytes = atomic_load_explicit(&disk->disk.bytes, memory_order_relaxed);

	if (io->type == DISK_WRITE && disk->disk_settings.read_only)
		return VIRTIO_BLK_S_IOERR;
	if (len % BLK_SECTOR || !blk_is_inside(bytes, sector, len))
		return VIRTIO_BLK_S_IOERR;
	io->offset = sector * BLK_SECTOR;
	io->len = len;
	io->sync = io->type == DISK_WRITE &&
		   atomic_load_explicit(&disk->writethrough, memory_order_relaxed);
	return len ? RUN : VIRTIO_BLK_S_OK;
}

static int blk_parse_flags(const struct virtio_blk_discard_write_zeroes *raw, uint32_t n,
			   enum disk_type type)
{
	uint32_t known = type == DISK_ZEROES ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;

	for (uint32_t i = 0; i < n; i++)
		if (le32toh(raw[i].flags) & ~known)
			return VIRTIO_BLK_S_UNSUPP;
	return VIRTIO_BLK_S_OK;
}

static int blk_parse_range(const struct virtio_blk_discard_write_zeroes *raw, uint64_t bytes,
			   uint64_t max, struct disk_range *range)
{
	uint64_t sector = le64toh(raw->sector);

	range->len = (uint64_t)le32toh(raw->num_sectors) * BLK_SECTOR;
	if (range->len > max || !blk_is_inside(bytes, sector, range->len))
		return VIRTIO_BLK_S_IOERR;
	range->offset = sector * BLK_SECTOR;
	range->unmap = le32toh(raw->flags) & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	return VIRTIO_BLK_S_OK;
}

/* Discard and write zeroes: all ranges are checked before the first is touched. */
static int blk_parse_ranges(const struct blk_disk *disk, struct vu_req *req, struct disk_io *io)
{
	struct virtio_blk_discard_write_zeroes raw[DISK_MAX_RANGES];
	uint64_t len = req->readable_len - sizeof(struct virtio_blk_outhdr);
	uint64_t bytes = atomic_load_explicit(&disk->disk.bytes, memory_order_relaxed);
	uint64_t max = io->type == DISK_DISCARD ? DISK_MAX_DISCARD : DISK_MAX_ZEROES;
	uint32_t n = (uint32_t)(len / sizeof(raw[0]));
	int status;

	if (disk->disk_settings.read_only)
		return VIRTIO_BLK_S_IOERR;
	if (io->type == DISK_DISCARD && !disk->disk.limits.discard)
		return VIRTIO_BLK_S_UNSUPP;
	if (!len || len > sizeof(raw) || len % sizeof(raw[0]))
		return VIRTIO_BLK_S_IOERR;
	vu_req_read(req, sizeof(struct virtio_blk_outhdr), raw, len);
	status = blk_parse_flags(raw, n, io->type);
	if (status)
		return status;
	io->ranges = calloc(n, sizeof(*io->ranges));
	if (!io->ranges)
		return VIRTIO_BLK_S_IOERR;
	io->n_ranges = (uint8_t)n;
	io->sync = io->type == DISK_ZEROES && atomic_load(&disk->writethrough);
	for (uint32_t i = 0; i < n && !status; i++)
		status = blk_parse_range(&raw[i], bytes, max, &io->ranges[i]);
	return status ? status : RUN;
}

static int blk_get_id(const struct blk_disk *disk, struct vu_req *req)
{
	struct disk_io *io = req->priv;
	uint64_t room = req->writable_len - 1;

	io->len = room < VIRTIO_BLK_ID_BYTES ? room : VIRTIO_BLK_ID_BYTES;
	vu_req_write(req, 0, disk->settings->serial, io->len);
	return VIRTIO_BLK_S_OK;
}

/* RUN, or the status that the request ends with at once. */
static int blk_parse(const struct blk_disk *disk, struct vu_req *req)
{
	struct disk_io *io = req->priv;
	struct virtio_blk_outhdr hdr;

	/* Out of the guest's reach first, checked second. */
	if (vu_req_read(req, 0, &hdr, sizeof(hdr)) < sizeof(hdr))
		return VIRTIO_BLK_S_IOERR;
	switch (le32toh(hdr.type)) {
	case VIRTIO_BLK_T_IN:
		io->type = DISK_READ;
		return blk_parse_transfer(disk, io, le64toh(hdr.sector), req->writable_len - 1);
	case VIRTIO_BLK_T_OUT:
		io->type = DISK_WRITE;
		io->skip = sizeof(hdr);
		return blk_parse_transfer(disk, io, le64toh(hdr.sector),
					  req->readable_len - sizeof(hdr));
	case VIRTIO_BLK_T_FLUSH_OUT:
		if (vu_device_features(disk->dev) >> VU_F_VERSION_1 & 1)
			return VIRTIO_BLK_S_UNSUPP;
		/* fall through */
	case VIRTIO_BLK_T_FLUSH:
		io->type = DISK_FLUSH;
		return RUN;
	case VIRTIO_BLK_T_GET_ID:
		return blk_get_id(disk, req);
	case VIRTIO_BLK_T_DISCARD:
		io->type = DISK_DISCARD;
		return blk_parse_ranges(disk, req, io);
	case VIRTIO_BLK_T_WRITE_ZEROES:
		io->type = DISK_ZEROES;
		return blk_parse_ranges(disk, req, io);
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

/* The queue that a back-end means. */
static struct blk_queue *blk_queue_of(struct disk_queue *q)
{
	return (struct blk_queue *)q;
}

static void blk_flush_done(struct blk_queue *q)
{
	if (q->n_done)
		vu_queue_complete_batch(q->vq, q->done, q->written, q->n_done);
	q->n_done = 0;
	q->worked = 0;
}

void disk_pass_end(struct disk_queue *q)
{
	blk_flush_done(blk_queue_of(q));
}

void disk_worked(struct disk_queue *disk, uint64_t bytes)
{
	struct blk_queue *q = blk_queue_of(disk);

	q->worked += bytes;
	if (q->worked >= BLK_GRAIN)
		blk_flush_done(q);
}

static void blk_complete(struct blk_queue *q, struct vu_req *req, uint64_t written)
{
	q->done[q->n_done] = req;
	q->written[q->n_done++] = written;
	if (q->n_done == BLK_BATCH)
		blk_flush_done(q);
}

static void blk_finish(struct blk_queue *q, struct vu_req *req, uint8_t status)
{
	const struct iovec *last = &req->writable[req->n_writable - 1];
	struct disk_io *io = req->priv;

	if (io->ranges)
		free(io->ranges);
	if (last->iov_len)
		((uint8_t *)last->iov_base)[last->iov_len - 1] = status;
	else
		vu_req_write(req, req->writable_len - 1, &status, 1);
	/* The status is the last byte (vu_req_complete()), and drivers look at nothing but that. */
	blk_complete(q, req, req->writable_len);
}

void disk_finish(struct disk_queue *q, struct vu_req *req, uint8_t status)
{
	blk_finish(blk_queue_of(q), req, status);
}

static void blk_begin(struct blk_queue *q, struct vu_req *req)
{
	int status;

	if (!req->writable_len) {
		blk_complete(q, req, 0); /* no place even for a status */
		return;
	}
	status = blk_parse(q->blk, req);
	if (status == RUN)
		q->disk.disk->backend->start(&q->disk, req);
	else
		blk_finish(q, req, (uint8_t)status);
}

void blk_queue_ready(struct vu_queue *vq, void *opaque)
{
	struct blk_disk *disk = opaque;
	struct blk_queue *q = &disk->queues[vu_queue_index(vq)];
	struct vu_req *reqs[BLK_BATCH];
	int n;

	while ((n = vu_queue_next_batch(vq, reqs, BLK_BATCH)) > 0)
		for (int i = 0; i < n; i++)
			blk_begin(q, reqs[i]);
	if (disk->disk.backend->commit)
		disk->disk.backend->commit(&q->disk);
	blk_flush_done(q);
}
