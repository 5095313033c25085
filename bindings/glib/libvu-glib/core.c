/* SPDX-License-Identifier: MIT */
/* The C device, apart from its GObject. */
#include "core.h"

#include "callbacks.h"
#include "error.h"

/* How often a session that was detached is looked at until it is gone. */
enum { END_TURNS = 100 };

void core_log(void *opaque, enum vu_log_level level, const char *line)
{
	static const GLogLevelFlags flags[] = {
		[VU_LOG_ERROR] = G_LOG_LEVEL_WARNING,
		[VU_LOG_WARNING] = G_LOG_LEVEL_MESSAGE,
		[VU_LOG_INFO] = G_LOG_LEVEL_INFO,
		[VU_LOG_DEBUG] = G_LOG_LEVEL_DEBUG,
	};

	g_log("VuGlib", level < G_N_ELEMENTS(flags) ? flags[level] : G_LOG_LEVEL_DEBUG, "%s", line);
}

int core_new(const struct vu_device_info *info, GBytes *failure, gpointer device, struct core **out)
{
	struct core *core = g_new0(struct core, 1);
	struct vu_device_info own = *info;
	struct vu_ops ops = callbacks_ops(device);
	int ret;

	own.log_fn = core_log;
	ret = vu_device_new(&own, &ops, core, &core->dev);
	if (ret < 0) {
		g_free(core);
		return ret;
	}
	/* Without a handler for SIGBUS a front-end that truncates its memory ends the process. */
	if (vu_device_guard(core->dev) < 0)
		vu_device_log(core->dev, VU_LOG_WARNING, "no handler for SIGBUS");
	g_atomic_ref_count_init(&core->refs);
	gate_init(&core->gate);
	g_weak_ref_init(&core->device, device);
	core->failure = failure ? g_bytes_ref(failure) : NULL;
	core->crowds = g_ptr_array_new_with_free_func((GDestroyNotify)crowd_unref);
	*out = core;
	return 0;
}

struct core *core_ref(struct core *core)
{
	g_atomic_ref_count_inc(&core->refs);
	return core;
}

/* Nobody refers to it: but a turn of a group that had a queue of it may go on, on any thread. */
static gboolean core_try_crowds(struct core *core)
{
	for (guint i = 0; i < core->crowds->len; i++) {
		struct crowd *crowd = g_ptr_array_index(core->crowds, i);

		if (gate_try_outside(&crowd->gate))
			continue;
		while (i-- > 0)
			gate_leave(&((struct crowd *)g_ptr_array_index(core->crowds, i))->gate);
		return FALSE;
	}
	return TRUE;
}

/* Inside of all gates. */
static void core_free(struct core *core)
{
	vu_device_free(core->dev);
	for (guint i = 0; i < core->crowds->len; i++)
		gate_leave(&((struct crowd *)g_ptr_array_index(core->crowds, i))->gate);
	g_ptr_array_unref(core->crowds);
	g_clear_pointer(&core->failure, g_bytes_unref);
	g_weak_ref_clear(&core->device);
	gate_clear(&core->gate);
	g_free(core);
}

static gpointer core_free_later(gpointer opaque)
{
	struct core *core = opaque;

	while (!core_try_crowds(core))
		g_usleep(1000);
	core_free(core);
	return NULL;
}

void core_unref(struct core *core)
{
	GThread *thread;

	if (!g_atomic_ref_count_dec(&core->refs))
		return;
	if (core_try_crowds(core)) {
		core_free(core);
		return;
	}
	/* In a callback of a group's, or beside one: its thread must not be waited for here. */
	thread = g_thread_try_new("vu-glib-free", core_free_later, core, NULL);
	if (thread)
		g_thread_unref(thread);
	else
		g_critical("a device is not freed: no thread could be made to wait for its groups");
}

/* What closing does, by whoever gets inside: the closer, or the one who was in the way. */
static void core_settle(struct core *core)
{
	gboolean outside = !gate_is_mine(&core->gate);

	if (!g_atomic_int_get(&core->closed) || !gate_try(&core->gate))
		return;
	if (!core->ended) {
		core->ended = TRUE;
		vu_device_detach(core->dev);
	}
	if (!outside || core->by_runner) {
		gate_leave(&core->gate);
		return;
	}
	for (int i = 0; i < END_TURNS && vu_device_is_attached(core->dev); i++)
		vu_device_process(core->dev);
	gate_leave(&core->gate);
}

void core_turn(struct core *core)
{
	if (!gate_try(&core->gate))
		return;
	if (!g_atomic_int_get(&core->closed))
		vu_device_process(core->dev);
	gate_leave(&core->gate);
	core_settle(core);
}

gboolean core_enter(struct core *core, GError **error)
{
	if (g_atomic_int_get(&core->closed))
		return error_fail(error, VU_GLIB_ERROR_CLOSED, "the device is closed");
	if (!gate_try(&core->gate))
		return error_fail(error, VU_GLIB_ERROR_WRONG_THREAD,
				  "another thread is at work on the device");
	return TRUE;
}

void core_leave(struct core *core)
{
	gate_leave(&core->gate);
	core_settle(core);
}

void core_close(struct core *core)
{
	g_atomic_int_set(&core->closed, 1);
	core_settle(core);
}

void core_keep_crowd(struct core *core, struct crowd *crowd)
{
	if (!g_ptr_array_find(core->crowds, crowd, NULL))
		g_ptr_array_add(core->crowds, crowd_ref(crowd));
}
