/* SPDX-License-Identifier: MIT */
/* Virtqueues. */
#ifndef VU_GLIB_QUEUE_H
#define VU_GLIB_QUEUE_H

#include <libvu-glib/vu-glib-group.h>
#include <libvu-glib/vu-glib-request.h>

G_BEGIN_DECLS

#define VU_GLIB_TYPE_QUEUE (vu_glib_queue_get_type())
G_DECLARE_FINAL_TYPE(VuGlibQueue, vu_glib_queue, VU_GLIB, QUEUE, GObject)

/**
 * VuGlibQueue:
 *
 * A virtqueue of a device.
 *
 * Its requests come to #VuGlibDevice::request by themselves.  vu_glib_queue_next() is for devices
 * that take them when they want to, such as those that have something to tell the driver.
 */

/**
 * vu_glib_queue_get_index:
 * @queue: a queue
 *
 * Says which queue of its device it is.
 *
 * Returns: its number in its device, from 0
 */
guint vu_glib_queue_get_index(VuGlibQueue *queue);

/**
 * vu_glib_queue_next:
 * @queue: a queue
 *
 * Takes the next request.  When there is none, the driver has been asked to say when there is: the
 * device's queue_ready() comes.  On the queue's thread; on another one there is none.
 *
 * Returns: (transfer full) (nullable): the request
 */
VuGlibRequest *vu_glib_queue_next(VuGlibQueue *queue);

/**
 * vu_glib_queue_is_available:
 * @queue: a queue
 *
 * Looks whether the driver wants something.  On the queue's thread; on another one it does not.
 *
 * Returns: whether vu_glib_queue_next() would find a request
 */
gboolean vu_glib_queue_is_available(VuGlibQueue *queue);

/**
 * vu_glib_queue_notify_driver:
 * @queue: a queue
 *
 * Tells the driver of what was completed, now and not at the end of the turn.
 */
void vu_glib_queue_notify_driver(VuGlibQueue *queue);

/**
 * vu_glib_queue_configure:
 * @queue: a queue
 * @max_size: largest ring; 0: the device's
 * @max_segs: longest request, in segments; 0: the device's
 * @discard_when_disabled: complete what a disabled queue offers; for a network device's
 *   transmit queue
 * @error: where to say why not
 *
 * Sets what is particular about one queue, before a front-end comes.
 *
 * Returns: whether it worked
 */
gboolean vu_glib_queue_configure(VuGlibQueue *queue, guint max_size, guint max_segs,
				 gboolean discard_when_disabled, GError **error);

/**
 * vu_glib_queue_set_group:
 * @queue: a queue
 * @group: (nullable): who serves it; %NULL: its device
 * @error: where to say why not
 *
 * Has a group serve it.  Before a front-end comes.
 *
 * Returns: whether it worked
 */
gboolean vu_glib_queue_set_group(VuGlibQueue *queue, VuGlibGroup *group, GError **error);

/**
 * vu_glib_queue_get_counter:
 * @queue: a queue
 * @counter: which
 *
 * Reads a counter.  Any thread.
 *
 * Returns: what it counted since the device was made; any thread
 */
guint64 vu_glib_queue_get_counter(VuGlibQueue *queue, VuGlibCounter counter);

G_END_DECLS

#endif
