/* SPDX-License-Identifier: MIT */
/*
 * Host notifiers: a page of the device's in the place where the driver notifies a queue (vhost-user
 * VRING_HOST_NOTIFIER_MSG), as hardware has one.
 *
 * Unstable, see unstable.h.
 */
#ifndef LIBVU_NOTIFIER_H
#define LIBVU_NOTIFIER_H

#include <libvu/ask.h>
#include <libvu/types.h>

VU_BEGIN_DECLS

/**
 * vu_device_offer_host_notifiers() - offer VHOST_USER_PROTOCOL_F_HOST_NOTIFIER, once, before
 * serving.
 *
 * Return: 0; -EBUSY while a front-end is attached; -EEXIST the second time; -ENOMEM.
 * Thread: device thread.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_device_offer_host_notifiers(struct vu_device *dev);

/**
 * vu_queue_set_host_notifier() - let the driver notify a queue by writing into a page of a file.
 *
 * The driver's writes land in the page and nowhere else: kicks come no more.  For doorbells of
 * hardware, or a page that a thread of yours looks at.  The library polls such a queue from
 * the call on, every 1 to 16 ms while its thread sleeps, and as always while a worker polls
 * (vu_worker_info).  A stop of the device ends it.  QEMU has this with page-per-vq=on, and refuses
 * otherwise.
 *
 * @fd: what holds the page, of the host's page size; it stays the caller's and may be closed at
 *once. -1: kicks are to come again.
 * @offset: of the page in it; a multiple of the page size.
 * @done: told how it ended; may be NULL.
 * @asked: for @done.
 *
 * Return: 0, and @done is called; -EINVAL: not offered, or @offset; -EBUSY: the last call for this
 * queue was not answered yet; -EBADF, -ENOMEM, -EMFILE.
 * Thread: any.
 * Since: 0.1
 */
VU_API VU_CHECK int vu_queue_set_host_notifier(struct vu_queue *queue, int fd, uint64_t offset,
					       vu_asked_fn done, void *asked);

VU_END_DECLS

#endif
