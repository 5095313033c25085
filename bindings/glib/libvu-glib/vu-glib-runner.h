/* SPDX-License-Identifier: MIT */
/* The runner: serves devices on socket files, one front-end after another. */
#ifndef VU_GLIB_RUNNER_H
#define VU_GLIB_RUNNER_H

#include <libvu-glib/vu-glib-device.h>

G_BEGIN_DECLS

#define VU_GLIB_TYPE_RUNNER (vu_glib_runner_get_type())
G_DECLARE_FINAL_TYPE(VuGlibRunner, vu_glib_runner, VU_GLIB, RUNNER, GObject)

/**
 * VuGlibRunner:
 *
 * Serves devices on socket files, one front-end after another, in a main context.
 */

/**
 * VuGlibRunner::ended:
 * @runner: the runner
 *
 * Nothing is left to serve, or vu_glib_runner_stop() was called: sockets are closed.
 */

/**
 * vu_glib_runner_new:
 *
 * Makes a runner.
 *
 * Returns: (transfer full): a runner that has nothing to serve
 */
VuGlibRunner *vu_glib_runner_new(void);

/**
 * vu_glib_runner_listen:
 * @runner: a runner
 * @device: a device
 * @path: of the socket file; a stale one is replaced
 * @mode: permission bits of the file; 0: 0600
 * @error: where to say why not
 *
 * Serves a device on a socket file.
 *
 * Returns: whether it worked
 */
gboolean vu_glib_runner_listen(VuGlibRunner *runner, VuGlibDevice *device, const gchar *path,
			       guint mode, GError **error);

/**
 * vu_glib_runner_connect_to:
 * @runner: a runner
 * @device: a device
 * @path: of the front-end's socket file
 * @error: where to say why not
 *
 * Serves a device for a front-end that listens; tries until it does, and again after each session.
 *
 * Returns: whether it worked
 */
gboolean vu_glib_runner_connect_to(VuGlibRunner *runner, VuGlibDevice *device, const gchar *path,
				   GError **error);

/**
 * vu_glib_runner_adopt:
 * @runner: a runner
 * @device: a device
 * @fd: a socket, connected or listening; stays the caller's: the runner has a copy
 * @error: where to say why not
 *
 * Serves a device on a socket that somebody else made.
 *
 * Returns: whether it worked
 */
gboolean vu_glib_runner_adopt(VuGlibRunner *runner, VuGlibDevice *device, gint fd, GError **error);

/**
 * vu_glib_runner_remove:
 * @runner: a runner
 * @device: one of its devices
 * @error: where to say why not
 *
 * Serves a device no more: its socket is closed and its session ends.  Not in a handler of the
 * device.
 *
 * Returns: whether it worked
 */
gboolean vu_glib_runner_remove(VuGlibRunner *runner, VuGlibDevice *device, GError **error);

/**
 * vu_glib_runner_create_source:
 * @runner: a runner
 * @error: where to say why not
 *
 * Makes a source that serves, for who attaches it themselves; vu_glib_runner_serve() does both.
 *
 * Returns: (transfer full) (nullable): a source that serves in the context that it is attached to.
 *   It keeps the runner and its devices alive, and goes when the runner ended.
 */
GSource *vu_glib_runner_create_source(VuGlibRunner *runner, GError **error);

/**
 * vu_glib_runner_serve:
 * @runner: a runner
 * @context: (nullable): who serves; %NULL: the thread-default main context
 * @error: where to say why not
 *
 * Makes a source and attaches it; another one that was attached so before is destroyed.
 *
 * Returns: whether it worked
 */
gboolean vu_glib_runner_serve(VuGlibRunner *runner, GMainContext *context, GError **error);

/**
 * vu_glib_runner_stop:
 * @runner: a runner
 *
 * Ends it soon: #VuGlibRunner::ended tells when.  Any thread.
 */
void vu_glib_runner_stop(VuGlibRunner *runner);

G_END_DECLS

#endif
