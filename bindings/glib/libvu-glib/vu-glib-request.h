/* SPDX-License-Identifier: MIT */
/* Requests: what a driver asked of a queue. */
#ifndef VU_GLIB_REQUEST_H
#define VU_GLIB_REQUEST_H

#include <libvu-glib/vu-glib-types.h>

G_BEGIN_DECLS

typedef struct _VuGlibQueue VuGlibQueue;

#define VU_GLIB_TYPE_REQUEST (vu_glib_request_get_type())
G_DECLARE_FINAL_TYPE(VuGlibRequest, vu_glib_request, VU_GLIB, REQUEST, GObject)

/**
 * VuGlibRequest:
 *
 * A request of the driver's: bytes to read and room to write.
 *
 * It is completed exactly once.  One that nobody refers to any more without having been completed
 * fails, as vu_glib_request_fail() has it.  After completion there is nothing to read or
 * write any more, and another completion is an error.
 *
 * A request may be used by any thread, several at once.  The driver can change what is
 * readable at any time: copy it, then check it, and do not look again.
 *
 * An object, and not a boxed value: languages refer to boxed arguments of virtual methods without
 * keeping them.
 */

/**
 * vu_glib_request_get_queue:
 * @request: a request
 *
 * Says where it came from.
 *
 * Returns: (transfer none) (nullable): the queue it was taken from
 */
VuGlibQueue *vu_glib_request_get_queue(VuGlibRequest *request);

/**
 * vu_glib_request_is_done:
 * @request: a request
 *
 * Looks whether anything may still be done with it.
 *
 * Returns: whether it was completed, failed, put back or left
 */
gboolean vu_glib_request_is_done(VuGlibRequest *request);

/**
 * vu_glib_request_get_flags:
 * @request: a request
 *
 * Says what is special about it.
 *
 * Returns: what is special about it
 */
VuGlibRequestFlags vu_glib_request_get_flags(VuGlibRequest *request);

/**
 * vu_glib_request_get_readable_length:
 * @request: a request
 *
 * Says how much the driver sent.
 *
 * Returns: bytes that the driver sent; 0 once it is done
 */
guint64 vu_glib_request_get_readable_length(VuGlibRequest *request);

/**
 * vu_glib_request_get_writable_length:
 * @request: a request
 *
 * Says how much room there is.
 *
 * Returns: bytes that there is room for; 0 once it is done
 */
guint64 vu_glib_request_get_writable_length(VuGlibRequest *request);

/**
 * vu_glib_request_read:
 * @request: a request
 * @offset: bytes from the start of what is readable
 * @length: bytes wanted; -1: all
 *
 * Copies what the driver sent, as if it were one piece.  At most 16 MiB: a driver may send the same
 * memory many times over.
 *
 * Returns: (transfer full): a copy, shorter where the request ends, empty once it is done
 */
GBytes *vu_glib_request_read(VuGlibRequest *request, guint64 offset, gssize length);

/**
 * vu_glib_request_read_into: (skip)
 * @request: a request
 * @offset: bytes from the start of what is readable
 * @buffer: receives them
 * @length: its size
 *
 * As vu_glib_request_read(), into memory of the caller's, and without a limit.
 *
 * Returns: bytes copied
 */
gsize vu_glib_request_read_into(VuGlibRequest *request, guint64 offset, gpointer buffer,
				gsize length);

/**
 * vu_glib_request_write:
 * @request: a request
 * @offset: bytes from the start of the room
 * @data: (array length=length) (element-type guint8): what to write
 * @length: its size
 *
 * Copies to the room, as if it were one piece.
 *
 * Returns: bytes copied: fewer where the room ends, none once it is done
 */
gsize vu_glib_request_write(VuGlibRequest *request, guint64 offset, const guint8 *data,
			    gsize length);

/**
 * vu_glib_request_write_bytes:
 * @request: a request
 * @offset: bytes from the start of the room
 * @bytes: what to write
 *
 * As vu_glib_request_write().
 *
 * Returns: bytes copied: fewer where the room ends, none once it is done
 */
gsize vu_glib_request_write_bytes(VuGlibRequest *request, guint64 offset, GBytes *bytes);

/**
 * vu_glib_request_get_n_readable:
 * @request: a request
 *
 * Counts the pieces for vu_glib_request_peek_readable().
 *
 * Returns: pieces that what is readable is in
 */
guint vu_glib_request_get_n_readable(VuGlibRequest *request);

/**
 * vu_glib_request_get_n_writable:
 * @request: a request
 *
 * Counts the pieces for vu_glib_request_peek_writable().
 *
 * Returns: pieces that the room is in
 */
guint vu_glib_request_get_n_writable(VuGlibRequest *request);

/**
 * vu_glib_request_peek_readable:
 * @request: a request
 * @index: a piece, from 0
 *
 * A piece of what the driver sent, in place: nothing is copied, and the memory stays mapped as
 * long as the bytes are referred to, also beyond the request.  Unlike other GBytes they change when
 * the driver writes there.
 *
 * Returns: (transfer full) (nullable): the piece; %NULL if there is none, or the request is done
 */
GBytes *vu_glib_request_peek_readable(VuGlibRequest *request, guint index);

/**
 * vu_glib_request_peek_writable:
 * @request: a request
 * @index: a piece, from 0
 *
 * As vu_glib_request_peek_readable() for a piece of the room.  C and Vala may write through it
 * as long as the request is not done (the pointer that g_bytes_get_data() returns is the guest's
 * memory); afterwards the memory is the guest's again.
 *
 * Returns: (transfer full) (nullable): the piece; %NULL if there is none, or the request is done
 */
GBytes *vu_glib_request_peek_writable(VuGlibRequest *request, guint index);

/**
 * vu_glib_request_complete:
 * @request: a request
 * @written: bytes written from the start of the room on; where a status at the end was written,
 *   all of it
 * @error: where to say why not
 *
 * Finishes it: the driver sees it now.  %VU_GLIB_ERROR_RANGE for more than there is room for: it is
 * still to be completed then.  %VU_GLIB_ERROR_DONE if it was before.
 *
 * Returns: whether it worked
 */
gboolean vu_glib_request_complete(VuGlibRequest *request, guint64 written, GError **error);

/**
 * vu_glib_request_fail:
 * @request: a request
 *
 * Finishes it as one that failed: the bytes of #VuGlibDevice:failure are put at the very end of the
 * room, which is where most devices have a status; without such bytes, or room for them, nothing is
 * written.  Nothing happens if it is done already.
 */
void vu_glib_request_fail(VuGlibRequest *request);

/**
 * vu_glib_request_put_back:
 * @request: the newest request of its queue
 * @error: where to say why not
 *
 * Un-takes it: it is handed out again when the driver adds more, or vu_glib_queue_next() is called.
 * On the queue's thread.
 *
 * Returns: whether it worked; if not, it is still to be completed
 */
gboolean vu_glib_request_put_back(VuGlibRequest *request, GError **error);

/**
 * vu_glib_request_leave:
 * @request: a request of a queue that stops
 * @error: where to say why not
 *
 * Leaves it to whoever serves the queue next.  %VU_GLIB_ERROR_UNSUPPORTED where the front-end has
 * no log of requests in flight: finish it instead.  On the queue's thread.
 *
 * Returns: whether it worked; if not, it is still to be completed
 */
gboolean vu_glib_request_leave(VuGlibRequest *request, GError **error);

/**
 * vu_glib_request_get_progress:
 * @request: a request
 *
 * Says how far it got.  On the queue's thread; on another one it says 0.
 *
 * Returns: what vu_glib_request_set_progress() was given, also before it was put back
 */
guint64 vu_glib_request_get_progress(VuGlibRequest *request);

/**
 * vu_glib_request_set_progress:
 * @request: a request
 * @progress: bytes, in the device's own way of counting
 * @error: where to say why not
 *
 * Remembers how far it got, beyond a put-back.  On the queue's thread.
 *
 * Returns: whether it worked
 */
gboolean vu_glib_request_set_progress(VuGlibRequest *request, guint64 progress, GError **error);

/**
 * vu_glib_request_new_task:
 * @request: a request
 * @cancellable: (nullable): of the task
 *
 * A task whose result completes the request: g_task_return_int() with the bytes written completes
 * it, g_task_return_error() fails it, a task that is forgotten fails it, too.  For
 * g_task_run_in_thread(), or to be handed around.  It completes in the thread-default main context
 * of whoever made it.
 *
 * Returns: (transfer full): the task; its source object is the queue
 */
GTask *vu_glib_request_new_task(VuGlibRequest *request, GCancellable *cancellable);

G_END_DECLS

#endif
