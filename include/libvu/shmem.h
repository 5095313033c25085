/* SPDX-License-Identifier: MIT */
/*
 * Shared memory regions: memory that the device brings and the guest sees (virtio 1.3 §2.10,
 * vhost-user SHMEM_MAP).
 *
 * Unstable, see unstable.h.
 */
#ifndef LIBVU_SHMEM_H
#define LIBVU_SHMEM_H

#include <libvu/ask.h>
#include <libvu/types.h>

VU_BEGIN_DECLS

/**
 * typedef vu_shmem_lost_fn - the driver stopped or reset the device: nothing is mapped any more.
 *
 * Called before `stopped`, if something was mapped.  A front-end takes the mappings away at a reset
 * and does not say so.  Whether a stop was one cannot be told, so count with both: map
 * anew what is asked for anew; what a front-end has kept, and is in the way, is then taken away.
 *
 * Thread: device thread.
 * Since: 0.1
 */
typedef void (*vu_shmem_lost_fn)(struct vu_device *dev, void *opaque);

/**
 * struct vu_shmem_info - a device's shared memory regions.
 *
 * @size: sizeof(struct vu_shmem_info).
 * @lens: bytes of region 0, 1 and so on, each a multiple of the page size; 0: there is no region of
 *	that id.  Their sum must be a power of two: QEMU puts all into one PCI BAR, and aborts at
 *any other sum.  A region more that stays empty fills it up.
 * @n_lens: how many @lens has, at most 256.
 * @lost: may be NULL.  Its last argument is the opaque pointer of vu_device_new().
 *
 * Since: 0.1
 */
struct vu_shmem_info {
	size_t size;
	const uint64_t *lens;
	uint32_t n_lens;
	vu_shmem_lost_fn lost;
};

/**
 * vu_device_set_shmem() - give a device shared memory regions, which the guest then sees.
 *
 * Offers VHOST_USER_PROTOCOL_F_SHMEM_MAP and BACKEND_SEND_FD.  Once for a device, before a
 * front-end is attached.
 *
 * @info: copied.
 *
 * Return: 0; -EINVAL: a length or a sum that cannot be, or a size (a log line says what to do);
 * -E2BIG; -EBUSY while a front-end is attached; -EEXIST the second time; -ENOMEM.
 * Thread: device thread.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_device_set_shmem(struct vu_device *dev, const struct vu_shmem_info *info);

/**
 * enum vu_shmem_flags - of struct vu_shmem_piece.
 *
 * @VU_SHMEM_WRITE: the guest may write to it.  Without, it should not; QEMU 11 lets it all the
 * same.
 *
 * Since: 0.1
 */
enum vu_shmem_flags { VU_SHMEM_WRITE = 1 };

/**
 * struct vu_shmem_piece - a piece of a file, and where the guest shall see it.
 *
 * @size: sizeof(struct vu_shmem_piece).
 * @id: the region.
 * @flags: enum vu_shmem_flags.
 * @offset: where in the region; a multiple of the page size, as @len and @fd_offset.
 * @len: bytes.  The file must reach so far, and stay so long: whoever touches what was cut off gets
 *	SIGBUS (vu_device_guard()).
 * @fd_offset: where in the file.
 * @fd: a memfd or file, open for reading and writing: QEMU 11 maps no other.  It stays the caller's
 *	and may be closed at once.  The front-end hands it back as guest memory, so files on
 *	file systems that VU_DEVICE_ANY_MEMORY is for are refused without that.
 *
 * Since: 0.1
 */
struct vu_shmem_piece {
	size_t size;
	uint32_t id;
	uint32_t flags;
	uint64_t offset;
	uint64_t len;
	uint64_t fd_offset;
	int fd;
};

/**
 * vu_device_map_shmem() - let the guest see a piece of a file in a shared memory region.
 *
 * Between `started` and `stopped` only.  Pieces must not overlap; one that is being unmapped is no
 * hindrance, as the front-end hears of everything in the order of the calls.  Guests and front-ends
 * like few large pieces better than many small ones: each is a region of guest memory, too.
 *
 * @piece: copied.
 * @done: told when the front-end has done it; may be NULL.
 * @asked: for @done.
 *
 * Return: 0, and @done is called; or, with a line in the log, -EINVAL: no such region, outside of
 * it or of the file, not whole pages, unknown flags, or a size that cannot be; -EEXIST: something
 * is mapped there; -EBADF, -EACCES: not open for both; -EPERM: a file system that may block;
 * -E2BIG; -ENOMEM, -EMFILE.
 * Thread: any.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_device_map_shmem(struct vu_device *dev, const struct vu_shmem_piece *piece,
					vu_asked_fn done, void *asked);

/**
 * vu_device_unmap_shmem() - take a piece away again, whole.
 *
 * @id, @offset: as it was mapped.
 * @done: told when the guest does not see it any more; may be NULL.
 * @asked: for @done.
 *
 * Return: 0, and @done is called; -ENOENT: nothing was mapped that begins there; -EBUSY: its
 * mapping was not answered yet; -EALREADY: it is being unmapped.
 * Thread: any.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_device_unmap_shmem(struct vu_device *dev, uint32_t id, uint64_t offset,
					  vu_asked_fn done, void *asked);

VU_END_DECLS

#endif
