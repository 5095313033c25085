/* SPDX-License-Identifier: MIT */
/* The device: what it is and offers, its handlers and its life. */
#ifndef VU_GLIB_DEVICE_H
#define VU_GLIB_DEVICE_H

#include <libvu-glib/vu-glib-queue.h>

G_BEGIN_DECLS

#define VU_GLIB_TYPE_DEVICE (vu_glib_device_get_type())
G_DECLARE_DERIVABLE_TYPE(VuGlibDevice, vu_glib_device, VU_GLIB, DEVICE, GObject)

/**
 * VuGlibDeviceClass:
 * @accept_session: a front-end connected; %FALSE turns it away.
 * @accept_features: the driver's choice, maybe not its last; %FALSE vetoes it.
 * @start: the driver starts the device, features and configuration are final; %FALSE ends the
 *   session.
 * @read_config: bytes that the driver shall read, for configuration spaces that depend on a
 *   selector; %NULL: what the library's copy has.
 * @write_config: the driver wrote there, and the library's copy has it; %FALSE tells it that this
 *   did not work.
 * @queue_ready: there may be requests in the queue; the default takes them all, and emits
 *   #VuGlibDevice::request for each.
 * @request: class handler of #VuGlibDevice::request.
 * @session_begin: class handler of #VuGlibDevice::session-begin.
 * @session_end: class handler of #VuGlibDevice::session-end.
 * @started: class handler of #VuGlibDevice::started.
 * @stopped: class handler of #VuGlibDevice::stopped.
 * @reset: class handler of #VuGlibDevice::reset.
 * @queue_stop: class handler of #VuGlibDevice::queue-stop.
 *
 * What a device may override.  All are called on the device's thread but queue_ready, request and
 * queue_stop, which are called on that of the queue's group.
 */
struct _VuGlibDeviceClass {
	GObjectClass parent_class;

	/*< public >*/
	gboolean (*accept_session)(VuGlibDevice *device, GError **error);
	gboolean (*accept_features)(VuGlibDevice *device, guint64 features, GError **error);
	gboolean (*start)(VuGlibDevice *device, GError **error);
	GBytes *(*read_config)(VuGlibDevice *device, guint offset, guint length, GError **error);
	gboolean (*write_config)(VuGlibDevice *device, guint offset, guint length, GError **error);
	void (*queue_ready)(VuGlibDevice *device, VuGlibQueue *queue);

	gboolean (*request)(VuGlibDevice *device, VuGlibQueue *queue, VuGlibRequest *request);
	void (*session_begin)(VuGlibDevice *device);
	void (*session_end)(VuGlibDevice *device, gint why);
	void (*started)(VuGlibDevice *device);
	void (*stopped)(VuGlibDevice *device);
	void (*reset)(VuGlibDevice *device);
	void (*queue_stop)(VuGlibDevice *device, VuGlibQueue *queue);

	/*< private >*/
	gpointer padding[19];
};

/**
 * VuGlibDevice:
 *
 * A virtio device, to be derived from or to be made and connected to.
 *
 * Properties say what it is.  They are read when it is prepared: when a front-end comes, its
 * queues are asked for, or vu_glib_device_prepare() is called; later ones are refused.
 *
 * It belongs to the main context that its source (or its runner's) is attached to: handlers are
 * called there.  Functions that need to be there return %VU_GLIB_ERROR_WRONG_THREAD while another
 * thread is at work on the device.
 */

/**
 * VuGlibDevice::request:
 * @device: the device
 * @queue: the queue
 * @request: a request of the driver's
 *
 * The driver wants something.  Complete it; or return %TRUE to do so later.  What is not done when
 * the handlers have returned, and that none of them wants to keep, fails: so does the one whose
 * handler raised an exception.
 *
 * Returns: whether somebody keeps it for later
 */

/**
 * VuGlibDevice::session-begin:
 * @device: the device
 *
 * A front-end came.
 */

/**
 * VuGlibDevice::session-end:
 * @device: the device
 * @why: 0: it went, or was told to; else a negative errno, such as -EPROTO for a message that
 *   cannot be; the log has the details
 *
 * The front-end is gone.  Requests that are kept are to be completed all the same.
 */

/**
 * VuGlibDevice::started:
 * @device: the device
 *
 * The driver started the device.
 */

/**
 * VuGlibDevice::stopped:
 * @device: the device
 *
 * The last queue stopped.
 */

/**
 * VuGlibDevice::reset:
 * @device: the device
 *
 * It is to be as it was at the beginning.
 */

/**
 * VuGlibDevice::queue-stop:
 * @device: the device
 * @queue: the queue
 *
 * Finish the requests of this queue that are kept: the virtual machine stands still meanwhile.
 */

/**
 * vu_glib_device_new:
 * @device_id: virtio device id (virtio 1.3 §5)
 * @n_queues: virtqueues
 *
 * Makes a device for those who connect to signals, and derive no class.
 *
 * Returns: (transfer full): a device, for those who connect to signals
 */
VuGlibDevice *vu_glib_device_new(guint device_id, guint n_queues);

/**
 * vu_glib_device_prepare:
 * @device: a device
 * @error: where to say why not
 *
 * Makes the device of its properties, unless that has happened.
 *
 * Returns: whether it worked
 */
gboolean vu_glib_device_prepare(VuGlibDevice *device, GError **error);

/**
 * vu_glib_device_close:
 * @device: a device
 *
 * Ends the session and whatever serves the device, for good.  Requests that are kept may still be
 * completed.  Any thread, also in a handler.
 */
void vu_glib_device_close(VuGlibDevice *device);

/**
 * vu_glib_device_attach:
 * @device: a device
 * @fd: a connected Unix socket; stays the caller's: the device has a copy
 * @error: where to say why not
 *
 * Gives it a front-end.  If vu_glib_device_serve() was not called yet, this calls it for the
 * thread-default main context.
 *
 * Returns: whether it worked
 */
gboolean vu_glib_device_attach(VuGlibDevice *device, gint fd, GError **error);

/**
 * vu_glib_device_detach:
 * @device: a device
 * @error: where to say why not
 *
 * Ends the session, as if the front-end had gone.
 *
 * Returns: whether it worked
 */
gboolean vu_glib_device_detach(VuGlibDevice *device, GError **error);

/**
 * vu_glib_device_drain:
 * @device: a device
 * @error: where to say why not
 *
 * Ends the session when all that was taken is finished: #VuGlibDevice::session-end tells when.
 *
 * Returns: whether it worked
 */
gboolean vu_glib_device_drain(VuGlibDevice *device, GError **error);

/**
 * vu_glib_device_is_attached:
 * @device: a device
 *
 * Looks whether there is a front-end.
 *
 * Returns: whether there is a front-end
 */
gboolean vu_glib_device_is_attached(VuGlibDevice *device);

/**
 * vu_glib_device_create_source:
 * @device: a device
 * @error: where to say why not
 *
 * Makes a source that serves it, for who attaches it themselves; vu_glib_device_serve() does both.
 *
 * Returns: (transfer full) (nullable): a source that serves it in the context that it is attached
 *   to.  It keeps the device alive.
 */
GSource *vu_glib_device_create_source(VuGlibDevice *device, GError **error);

/**
 * vu_glib_device_serve:
 * @device: a device
 * @context: (nullable): who serves it; %NULL: the thread-default main context
 * @error: where to say why not
 *
 * Makes a source and attaches it; another one that was attached so before is destroyed.
 *
 * Returns: whether it worked
 */
gboolean vu_glib_device_serve(VuGlibDevice *device, GMainContext *context, GError **error);

/**
 * vu_glib_device_get_queue:
 * @device: a device
 * @index: from 0
 *
 * Finds a queue; this prepares the device.
 *
 * Returns: (transfer none) (nullable): the queue; %NULL if there is none, or no device could be
 * made
 */
VuGlibQueue *vu_glib_device_get_queue(VuGlibDevice *device, guint index);

/**
 * vu_glib_device_offer:
 * @device: a device that is not prepared
 * @bit: number of a feature bit, up to 63
 *
 * Sets a bit of #VuGlibDevice:features; for languages without numbers of 64 bits.
 */
void vu_glib_device_offer(VuGlibDevice *device, guint bit);

/**
 * vu_glib_device_require:
 * @device: a device that is not prepared
 * @bit: number of a feature bit, up to 63
 *
 * Offers it, and sets it in #VuGlibDevice:required.
 */
void vu_glib_device_require(VuGlibDevice *device, guint bit);

/**
 * vu_glib_device_forbid:
 * @device: a device that is not prepared
 * @bit: number of a feature bit, up to 63
 *
 * Sets a bit of #VuGlibDevice:forbidden.
 */
void vu_glib_device_forbid(VuGlibDevice *device, guint bit);

/**
 * vu_glib_device_has_feature:
 * @device: a device
 * @bit: number of a feature bit
 *
 * Looks whether the driver accepted a feature bit.
 *
 * Returns: whether the driver accepted it; any thread
 */
gboolean vu_glib_device_has_feature(VuGlibDevice *device, guint bit);

/**
 * vu_glib_device_set_config:
 * @device: a device
 * @offset: in its configuration space
 * @bytes: what is there from now on
 * @error: where to say why not
 *
 * Changes the configuration space, and tells the driver if it really changed.  Any thread.
 *
 * Returns: whether it worked
 */
gboolean vu_glib_device_set_config(VuGlibDevice *device, guint offset, GBytes *bytes,
				   GError **error);

/**
 * vu_glib_device_get_config:
 * @device: a device
 * @offset: in its configuration space
 * @length: bytes wanted
 * @error: where to say why not
 *
 * Reads the configuration space as the driver would, but for what read_config() says.
 *
 * Returns: (transfer full): what is there now; any thread
 */
GBytes *vu_glib_device_get_config(VuGlibDevice *device, guint offset, guint length, GError **error);

/**
 * vu_glib_device_log:
 * @device: a device
 * @level: how much it matters
 * @line: what to say
 *
 * Writes a line that no guest or front-end can cause at will.  Any thread.
 */
void vu_glib_device_log(VuGlibDevice *device, VuGlibLogLevel level, const gchar *line);

/**
 * vu_glib_device_log_peer:
 * @device: a device
 * @level: how much it matters
 * @line: what to say
 *
 * Writes a line that a guest or front-end can cause, unless there are too many.  Any thread.
 */
void vu_glib_device_log_peer(VuGlibDevice *device, VuGlibLogLevel level, const gchar *line);

G_END_DECLS

#endif
