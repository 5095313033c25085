/* SPDX-License-Identifier: MIT */
/* VuGlibQueue: refers to the C device, and to the crowd that serves it, if any. */
#include "queue.h"

#include "error.h"
#include "group.h"

struct _VuGlibQueue {
	GObject parent;
	struct core *core;
	struct vu_queue *queue;
	struct crowd *crowd; /* atomic; NULL: the device.  It lives as long as the C device */
};

G_DEFINE_TYPE(VuGlibQueue, vu_glib_queue, G_TYPE_OBJECT)

static void vu_glib_queue_init(VuGlibQueue *queue)
{
}

static void queue_finalize(GObject *object)
{
	g_clear_pointer(&VU_GLIB_QUEUE(object)->core, core_unref);
	G_OBJECT_CLASS(vu_glib_queue_parent_class)->finalize(object);
}

static void vu_glib_queue_class_init(VuGlibQueueClass *klass)
{
	G_OBJECT_CLASS(klass)->finalize = queue_finalize;
}

VuGlibQueue *queue_new(struct core *core, guint index)
{
	VuGlibQueue *queue = g_object_new(VU_GLIB_TYPE_QUEUE, NULL);

	queue->core = core_ref(core);
	queue->queue = vu_device_queue(core->dev, index);
	return queue;
}

/* One that somebody made by g_object_new() is of no device. */
static gboolean queue_is_real(VuGlibQueue *queue)
{
	g_return_val_if_fail(VU_GLIB_IS_QUEUE(queue), FALSE);
	g_return_val_if_fail(queue->core != NULL, FALSE);
	return TRUE;
}

struct core *queue_core(VuGlibQueue *queue)
{
	return queue->core;
}

/* A group that was ended has left it to the device. */
static struct gate *queue_gate(VuGlibQueue *queue)
{
	struct crowd *crowd = g_atomic_pointer_get(&queue->crowd);

	return crowd && !g_atomic_int_get(&crowd->ending) ? &crowd->gate : &queue->core->gate;
}

gboolean queue_is_mine(VuGlibQueue *queue)
{
	return gate_is_mine(queue_gate(queue));
}

struct gate *queue_enter(VuGlibQueue *queue, GError **error)
{
	struct gate *gate = queue_gate(queue);

	if (gate_try(gate))
		return gate;
	error_fail(error, VU_GLIB_ERROR_WRONG_THREAD, "another thread is at work on the queue");
	return NULL;
}

guint vu_glib_queue_get_index(VuGlibQueue *queue)
{
	return queue_is_real(queue) ? vu_queue_index(queue->queue) : 0;
}

VuGlibRequest *vu_glib_queue_next(VuGlibQueue *queue)
{
	struct gate *gate = queue_is_real(queue) ? queue_enter(queue, NULL) : NULL;
	struct vu_req *req;
	int ret;

	if (!gate)
		return NULL;
	ret = vu_queue_next(queue->queue, &req);
	gate_leave(gate);
	return ret == 1 ? request_new(queue, req) : NULL;
}

gboolean vu_glib_queue_is_available(VuGlibQueue *queue)
{
	struct gate *gate = queue_is_real(queue) ? queue_enter(queue, NULL) : NULL;
	int ret;

	if (!gate)
		return FALSE;
	ret = vu_queue_available(queue->queue);
	gate_leave(gate);
	return ret == 1;
}

void vu_glib_queue_notify_driver(VuGlibQueue *queue)
{
	struct gate *gate = queue_is_real(queue) ? queue_enter(queue, NULL) : NULL;

	if (!gate)
		return;
	vu_queue_signal(queue->queue);
	gate_leave(gate);
}

gboolean vu_glib_queue_configure(VuGlibQueue *queue, guint max_size, guint max_segs,
				 gboolean discard_when_disabled, GError **error)
{
	const struct vu_queue_info info = {
		.size = sizeof(info),
		.max_size = max_size,
		.max_segs = max_segs,
		.discard_when_disabled = discard_when_disabled,
	};
	int ret;

	if (!queue_is_real(queue) || !core_enter(queue->core, error))
		return FALSE;
	ret = vu_queue_configure(queue->queue, &info);
	core_leave(queue->core);
	return error_check(ret, "the queue cannot be configured so", error);
}

gboolean vu_glib_queue_set_group(VuGlibQueue *queue, VuGlibGroup *group, GError **error)
{
	struct crowd *crowd = NULL;
	int ret;

	if (!queue_is_real(queue))
		return FALSE;
	g_return_val_if_fail(!group || VU_GLIB_IS_GROUP(group), FALSE);
	if (group)
		crowd = group_crowd(group, error);
	if ((group && !crowd) || !core_enter(queue->core, error))
		return FALSE;
	ret = vu_queue_set_group(queue->queue, crowd ? crowd->group : NULL);
	if (!ret && crowd)
		core_keep_crowd(queue->core, crowd);
	if (!ret)
		g_atomic_pointer_set(&queue->crowd, crowd);
	core_leave(queue->core);
	return error_check(ret, "the queue cannot be given to another group now", error);
}

static guint64 counter_of(const struct vu_queue_counters *c, VuGlibCounter counter)
{
	const guint64 values[] = {
		[VU_GLIB_COUNTER_REQUESTS] = c->requests,
		[VU_GLIB_COUNTER_READABLE_BYTES] = c->readable_bytes,
		[VU_GLIB_COUNTER_WRITTEN_BYTES] = c->written_bytes,
		[VU_GLIB_COUNTER_KICKS] = c->kicks,
		[VU_GLIB_COUNTER_SIGNALS] = c->signals,
		[VU_GLIB_COUNTER_SIGNALS_SUPPRESSED] = c->signals_suppressed,
		[VU_GLIB_COUNTER_POLLS] = c->polls,
		[VU_GLIB_COUNTER_BATCHES] = c->batches,
		[VU_GLIB_COUNTER_OUTSTANDING] = c->outstanding,
		[VU_GLIB_COUNTER_OUTSTANDING_NS] = c->outstanding_ns,
	};

	g_return_val_if_fail((guint)counter < G_N_ELEMENTS(values), 0);
	return values[counter];
}

guint64 vu_glib_queue_get_counter(VuGlibQueue *queue, VuGlibCounter counter)
{
	struct vu_queue_counters counters = {.size = sizeof(counters)};

	if (!queue_is_real(queue) || vu_queue_counters(queue->queue, &counters) < 0)
		return 0;
	return counter_of(&counters, counter);
}
