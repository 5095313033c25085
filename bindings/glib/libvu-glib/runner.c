/* SPDX-License-Identifier: MIT */
/* VuGlibRunner: a vu_runner in a main context.  In its turn it is inside of each of its devices. */
#include <libvu-glib/vu-glib-runner.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <libvu/vu.h>

#include "device.h"
#include "error.h"
#include "source.h"

struct _VuGlibRunner {
	GObject parent;
	struct vu_runner *runner; /* NULL: none could be made */
	int why;		  /* -errno of that */
	struct gate gate;
	GPtrArray *devices; /* of VuGlibDevice; under the gate */
	struct source_place place;
};

G_DEFINE_TYPE(VuGlibRunner, vu_glib_runner, G_TYPE_OBJECT)

static void vu_glib_runner_init(VuGlibRunner *runner)
{
	const struct vu_runner_info info = {
		.size = sizeof(info), .log_fn = core_log, .log_level = VU_LOG_WARNING};

	gate_init(&runner->gate);
	source_place_init(&runner->place);
	runner->devices = g_ptr_array_new_with_free_func(g_object_unref);
	runner->why = vu_runner_new(&info, &runner->runner);
}

static void runner_finalize(GObject *object)
{
	VuGlibRunner *runner = VU_GLIB_RUNNER(object);

	source_place_clear(&runner->place);
	vu_runner_free(runner->runner);
	/* Those that go on are their own again. */
	for (guint i = 0; i < runner->devices->len; i++)
		device_core(g_ptr_array_index(runner->devices, i), NULL)->by_runner = FALSE;
	g_ptr_array_unref(runner->devices);
	gate_clear(&runner->gate);
	G_OBJECT_CLASS(vu_glib_runner_parent_class)->finalize(object);
}

static void vu_glib_runner_class_init(VuGlibRunnerClass *klass)
{
	G_OBJECT_CLASS(klass)->finalize = runner_finalize;
	g_signal_new("ended", G_TYPE_FROM_CLASS(klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
		     G_TYPE_NONE, 0);
}

VuGlibRunner *vu_glib_runner_new(void)
{
	return g_object_new(VU_GLIB_TYPE_RUNNER, NULL);
}

static gboolean runner_enter(VuGlibRunner *runner, GError **error)
{
	if (!error_check(runner->why, "no runner could be made", error))
		return FALSE;
	return gate_try(&runner->gate) || error_fail(error, VU_GLIB_ERROR_WRONG_THREAD,
						     "another thread is at work on the runner");
}

/* --- its devices --- */

/* Inside of the runner and of the device; NULL with an error. */
static struct core *runner_begin(VuGlibRunner *runner, VuGlibDevice *device, GError **error)
{
	struct core *core = device_core(device, error);

	if (!core || !runner_enter(runner, error))
		return NULL;
	if (core_enter(core, error))
		return core;
	gate_leave(&runner->gate);
	return NULL;
}

static gboolean runner_serves(VuGlibRunner *runner, VuGlibDevice *device, struct core *core,
			      int ret, GError **error)
{
	if (!ret) {
		core->by_runner = TRUE;
		g_ptr_array_add(runner->devices, g_object_ref(device));
	}
	core_leave(core);
	gate_leave(&runner->gate);
	return error_check(ret, "the device cannot be served there", error);
}

gboolean vu_glib_runner_listen(VuGlibRunner *runner, VuGlibDevice *device, const gchar *path,
			       guint mode, GError **error)
{
	const struct vu_socket_info info = {.size = sizeof(info), .mode = mode};
	struct core *core;

	g_return_val_if_fail(VU_GLIB_IS_RUNNER(runner) && VU_GLIB_IS_DEVICE(device), FALSE);
	g_return_val_if_fail(path != NULL, FALSE);
	core = runner_begin(runner, device, error);
	return core &&
	       runner_serves(runner, device, core,
			     vu_runner_listen(runner->runner, core->dev, path, &info), error);
}

gboolean vu_glib_runner_connect_to(VuGlibRunner *runner, VuGlibDevice *device, const gchar *path,
				   GError **error)
{
	struct core *core;

	g_return_val_if_fail(VU_GLIB_IS_RUNNER(runner) && VU_GLIB_IS_DEVICE(device), FALSE);
	g_return_val_if_fail(path != NULL, FALSE);
	core = runner_begin(runner, device, error);
	return core && runner_serves(runner, device, core,
				     vu_runner_connect(runner->runner, core->dev, path), error);
}

gboolean vu_glib_runner_adopt(VuGlibRunner *runner, VuGlibDevice *device, gint fd, GError **error)
{
	struct core *core;
	int copy, ret;

	g_return_val_if_fail(VU_GLIB_IS_RUNNER(runner) && VU_GLIB_IS_DEVICE(device), FALSE);
	core = runner_begin(runner, device, error);
	if (!core)
		return FALSE;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	ret = copy < 0 ? -errno : vu_runner_adopt(runner->runner, core->dev, copy);
	if (ret < 0 && copy >= 0)
		close(copy);
	return runner_serves(runner, device, core, ret, error);
}

/* Inside of both. */
static int runner_let_go(VuGlibRunner *runner, VuGlibDevice *device, struct core *core)
{
	int ret = vu_runner_remove(runner->runner, core->dev);

	/* -ENOENT: it had one session to serve, and that has ended. */
	if ((!ret || ret == -ENOENT) && g_ptr_array_remove(runner->devices, device)) {
		core->by_runner = FALSE;
		/* With the last one it ends, and its turn is to come and say so. */
		if (!runner->devices->len)
			vu_runner_stop(runner->runner);
		return 0;
	}
	return ret;
}

gboolean vu_glib_runner_remove(VuGlibRunner *runner, VuGlibDevice *device, GError **error)
{
	struct core *core;
	int ret;

	g_return_val_if_fail(VU_GLIB_IS_RUNNER(runner) && VU_GLIB_IS_DEVICE(device), FALSE);
	core = device_core(device, error);
	if (!core || !runner_enter(runner, error))
		return FALSE;
	/* Also of one that was closed meanwhile. */
	if (!gate_try(&core->gate)) {
		gate_leave(&runner->gate);
		return error_fail(error, VU_GLIB_ERROR_WRONG_THREAD,
				  "another thread is at work on the device");
	}
	core_ref(core);
	ret = runner_let_go(runner, device, core);
	core_leave(core);
	core_unref(core);
	gate_leave(&runner->gate);
	return error_check(ret, "the device is not served by the runner, or cannot be removed now",
			   error);
}

/* --- its turn --- */

/* Only those that nobody else is at work on: with any that is, the turn is another time. */
static guint runner_enter_devices(const GPtrArray *devices)
{
	guint n = 0;

	while (n < devices->len &&
	       gate_try(&device_core(g_ptr_array_index(devices, n), NULL)->gate))
		n++;
	return n;
}

static void runner_leave_devices(const GPtrArray *devices, guint n)
{
	while (n-- > 0)
		core_leave(device_core(g_ptr_array_index(devices, n), NULL));
}

/* Those that were closed are served no more; at the end none is, and no socket file is left. */
static void runner_let_some_go(VuGlibRunner *runner, const GPtrArray *devices, gboolean all)
{
	for (guint i = 0; i < devices->len; i++) {
		VuGlibDevice *device = g_ptr_array_index(devices, i);
		struct core *core = device_core(device, NULL);

		if (all || (core->by_runner && g_atomic_int_get(&core->closed)))
			runner_let_go(runner, device, core);
	}
}

static gboolean runner_turn(gpointer opaque)
{
	VuGlibRunner *runner = opaque;
	GPtrArray *devices;
	int ret = 0;
	guint n;

	if (!gate_try(&runner->gate))
		return G_SOURCE_CONTINUE;
	/* A copy: handlers may add devices to it. */
	devices = g_ptr_array_new_with_free_func(g_object_unref);
	for (guint i = 0; i < runner->devices->len; i++)
		g_ptr_array_add(devices, g_object_ref(g_ptr_array_index(runner->devices, i)));
	n = runner_enter_devices(devices);
	if (n == devices->len)
		ret = vu_runner_process(runner->runner);
	if (n == devices->len && ret != -EDEADLK)
		runner_let_some_go(runner, devices, ret < 0 || ret & VU_PROCESS_ENDED);
	runner_leave_devices(devices, n);
	gate_leave(&runner->gate);
	g_ptr_array_unref(devices);
	if (ret == -EDEADLK || (ret >= 0 && !(ret & VU_PROCESS_ENDED)))
		return G_SOURCE_CONTINUE;
	if (ret < 0)
		g_warning("a runner ended: %s", g_strerror(-ret));
	g_signal_emit_by_name(runner, "ended");
	return G_SOURCE_REMOVE;
}

GSource *vu_glib_runner_create_source(VuGlibRunner *runner, GError **error)
{
	int fd;

	g_return_val_if_fail(VU_GLIB_IS_RUNNER(runner), NULL);
	if (!runner_enter(runner, error))
		return NULL;
	fd = vu_runner_fd(runner->runner);
	gate_leave(&runner->gate);
	return error_check(fd, "the runner cannot be served", error)
		       ? source_new(fd, runner, runner_turn, "VuGlibRunner")
		       : NULL;
}

gboolean vu_glib_runner_serve(VuGlibRunner *runner, GMainContext *context, GError **error)
{
	GSource *source;

	g_return_val_if_fail(VU_GLIB_IS_RUNNER(runner), FALSE);
	source = vu_glib_runner_create_source(runner, error);
	if (source)
		source_place_put(&runner->place, source, context);
	return source != NULL;
}

void vu_glib_runner_stop(VuGlibRunner *runner)
{
	g_return_if_fail(VU_GLIB_IS_RUNNER(runner));
	if (runner->runner)
		vu_runner_stop(runner->runner);
}
