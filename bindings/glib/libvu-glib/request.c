/* SPDX-License-Identifier: MIT */
/*
 * VuGlibRequest: a request of libvu's that is completed exactly once.
 *
 * Whoever finishes it takes req away under the lock, and only then calls libvu: a queue that was
 * waited for may call handlers, which may look at the request again.
 */
#include <libvu-glib/vu-glib-request.h>

#include <errno.h>

#include <libvu/unstable.h>

#include "error.h"
#include "queue.h"

/* A copy is bounded, whatever a driver makes of its memory. */
enum { READ_MAX = 16 << 20 };

struct _VuGlibRequest {
	GObject parent;
	GMutex lock;
	struct vu_req *req; /* NULL: done */
	gboolean was_put_back;
	VuGlibQueue *queue; /* keeps the C device; NULL: one that somebody made by g_object_new() */
};

G_DEFINE_TYPE(VuGlibRequest, vu_glib_request, G_TYPE_OBJECT)

static void vu_glib_request_init(VuGlibRequest *request)
{
	g_mutex_init(&request->lock);
}

VuGlibRequest *request_new(VuGlibQueue *queue, struct vu_req *req)
{
	VuGlibRequest *request = g_object_new(VU_GLIB_TYPE_REQUEST, NULL);

	request->req = req;
	request->queue = g_object_ref(queue);
	return request;
}

static void request_warn(VuGlibRequest *request, const char *what)
{
	char line[128];

	g_snprintf(line, sizeof(line), "queue %u: %s", vu_glib_queue_get_index(request->queue),
		   what);
	vu_device_log_peer(queue_core(request->queue)->dev, VU_LOG_WARNING, line);
}

/* The request if it is not done; then the lock is held. */
static struct vu_req *request_lock(VuGlibRequest *request)
{
	g_return_val_if_fail(VU_GLIB_IS_REQUEST(request), NULL);
	g_mutex_lock(&request->lock);
	if (!request->req)
		g_mutex_unlock(&request->lock);
	return request->req;
}

static void request_unlock(VuGlibRequest *request)
{
	g_mutex_unlock(&request->lock);
}

/* Takes it out of the request: whoever gets it finishes it. */
static struct vu_req *request_take(VuGlibRequest *request)
{
	struct vu_req *req = request_lock(request);

	if (!req)
		return NULL;
	request->req = NULL;
	request_unlock(request);
	return req;
}

/* On the queue's thread at once; any other one leaves it to that. */
static int request_finish(VuGlibRequest *request, struct vu_req *req, guint64 written)
{
	return queue_is_mine(request->queue) ? vu_req_complete(req, written)
					     : vu_req_complete_remote(req, written);
}

static void request_fail(VuGlibRequest *request)
{
	struct vu_req *req;
	GBytes *failure;
	gsize size = 0;
	gconstpointer data = NULL;
	guint64 written = 0;

	req = request_take(request);
	if (!req)
		return;
	failure = queue_core(request->queue)->failure;
	if (failure)
		data = g_bytes_get_data(failure, &size);
	if (size && size <= req->writable_len &&
	    vu_req_write(req, req->writable_len - size, data, size) == size)
		written = req->writable_len;
	request_finish(request, req, written);
}

static void request_finalize(GObject *object)
{
	VuGlibRequest *request = VU_GLIB_REQUEST(object);

	if (request->req) {
		request_warn(request, "a request was dropped without being completed: it fails");
		request_fail(request);
	}
	g_clear_object(&request->queue);
	g_mutex_clear(&request->lock);
	G_OBJECT_CLASS(vu_glib_request_parent_class)->finalize(object);
}

static void vu_glib_request_class_init(VuGlibRequestClass *klass)
{
	G_OBJECT_CLASS(klass)->finalize = request_finalize;
}

VuGlibQueue *vu_glib_request_get_queue(VuGlibRequest *request)
{
	g_return_val_if_fail(VU_GLIB_IS_REQUEST(request), NULL);
	return request->queue;
}

/* --- what it is --- */

gboolean vu_glib_request_is_done(VuGlibRequest *request)
{
	if (!request_lock(request))
		return TRUE;
	request_unlock(request);
	return FALSE;
}

/* A member of it, 0 once it is done. */
#define REQUEST_GETTER(name, type, member)                                                         \
	type vu_glib_request_get_##name(VuGlibRequest *request)                                    \
	{                                                                                          \
		struct vu_req *req = request_lock(request);                                        \
		type value = 0;                                                                    \
                                                                                                   \
		if (!req)                                                                          \
			return 0;                                                                  \
		value = (type)req->member;                                                         \
		request_unlock(request);                                                           \
		return value;                                                                      \
	}

REQUEST_GETTER(flags, VuGlibRequestFlags, flags)
REQUEST_GETTER(readable_length, guint64, readable_len)
REQUEST_GETTER(writable_length, guint64, writable_len)
REQUEST_GETTER(n_readable, guint, n_readable)
REQUEST_GETTER(n_writable, guint, n_writable)

/* --- its bytes --- */

gsize vu_glib_request_read_into(VuGlibRequest *request, guint64 offset, gpointer buffer,
				gsize length)
{
	struct vu_req *req;
	gsize n;

	g_return_val_if_fail(buffer != NULL || length == 0, 0);
	req = length ? request_lock(request) : NULL;
	if (!req)
		return 0;
	n = vu_req_read(req, offset, buffer, length);
	request_unlock(request);
	return n;
}

GBytes *vu_glib_request_read(VuGlibRequest *request, guint64 offset, gssize length)
{
	guint64 there = vu_glib_request_get_readable_length(request);
	guint64 left = offset < there ? there - offset : 0;
	gsize wanted = length >= 0 && (guint64)length < left ? (gsize)length : MIN(left, READ_MAX);
	gpointer data;

	wanted = MIN(wanted, READ_MAX);
	data = g_try_malloc(wanted);
	if (!data)
		return g_bytes_new(NULL, 0);
	return g_bytes_new_take(data, vu_glib_request_read_into(request, offset, data, wanted));
}

gsize vu_glib_request_write(VuGlibRequest *request, guint64 offset, const guint8 *data,
			    gsize length)
{
	struct vu_req *req;
	gsize n;

	g_return_val_if_fail(data != NULL || length == 0, 0);
	req = length ? request_lock(request) : NULL;
	if (!req)
		return 0;
	n = vu_req_write(req, offset, data, length);
	request_unlock(request);
	return n;
}

gsize vu_glib_request_write_bytes(VuGlibRequest *request, guint64 offset, GBytes *bytes)
{
	gsize size;
	gconstpointer data;

	g_return_val_if_fail(bytes != NULL, 0);
	data = g_bytes_get_data(bytes, &size);
	return vu_glib_request_write(request, offset, data, size);
}

/* What a view keeps: the mapping, and the device whose handler survives its truncation. */
struct view {
	struct vu_memory *memory;
	struct core *core;
};

static void view_free(gpointer opaque)
{
	struct view *view = opaque;

	vu_memory_release(view->memory);
	core_unref(view->core);
	g_free(view);
}

static GBytes *request_view(VuGlibRequest *request, const struct vu_req *req, struct iovec piece)
{
	struct view *view = g_new(struct view, 1);

	view->memory = vu_req_memory(req);
	view->core = core_ref(queue_core(request->queue));
	return g_bytes_new_with_free_func(piece.iov_base, piece.iov_len, view_free, view);
}

GBytes *vu_glib_request_peek_readable(VuGlibRequest *request, guint index)
{
	struct vu_req *req = request_lock(request);
	GBytes *bytes = NULL;

	if (!req)
		return NULL;
	if (index < req->n_readable)
		bytes = request_view(request, req, req->readable[index]);
	request_unlock(request);
	return bytes;
}

GBytes *vu_glib_request_peek_writable(VuGlibRequest *request, guint index)
{
	struct vu_req *req = request_lock(request);
	GBytes *bytes = NULL;

	if (!req)
		return NULL;
	if (index < req->n_writable)
		bytes = request_view(request, req, req->writable[index]);
	request_unlock(request);
	return bytes;
}

/* --- its end --- */

static gboolean request_is_done_error(GError **error)
{
	return error_fail(error, VU_GLIB_ERROR_DONE, "the request is done already");
}

gboolean vu_glib_request_complete(VuGlibRequest *request, guint64 written, GError **error)
{
	struct vu_req *req;

	g_return_val_if_fail(VU_GLIB_IS_REQUEST(request) && request->queue, FALSE);
	if (!request_lock(request))
		return request_is_done_error(error);
	req = request->req;
	if (written > req->writable_len) {
		request_unlock(request);
		return error_fail(error, VU_GLIB_ERROR_RANGE,
				  "more bytes written than the request has room for");
	}
	request->req = NULL;
	request_unlock(request);
	return error_check(request_finish(request, req, written), "complete", error);
}

void vu_glib_request_fail(VuGlibRequest *request)
{
	g_return_if_fail(VU_GLIB_IS_REQUEST(request));
	request_fail(request);
}

typedef int (*request_fn)(struct vu_req *req);

/* What only the queue's thread may do, and what leaves the request as it is if it does not work. */
static gboolean request_give_up(VuGlibRequest *request, request_fn fn, const char *what,
				GError **error)
{
	struct gate *gate;
	struct vu_req *req;
	int ret;

	g_return_val_if_fail(VU_GLIB_IS_REQUEST(request) && request->queue, FALSE);
	gate = queue_enter(request->queue, error);
	if (!gate)
		return FALSE;
	req = request_take(request);
	if (!req) {
		gate_leave(gate);
		return request_is_done_error(error);
	}
	ret = fn(req);
	if (ret < 0) {
		g_mutex_lock(&request->lock);
		request->req = req;
		g_mutex_unlock(&request->lock);
	}
	gate_leave(gate);
	return error_check(ret, what, error);
}

gboolean vu_glib_request_put_back(VuGlibRequest *request, GError **error)
{
	gboolean done = request_give_up(request, vu_req_put_back, "put_back", error);

	if (done)
		request->was_put_back = TRUE;
	return done;
}

gboolean request_was_put_back(VuGlibRequest *request)
{
	return request->was_put_back;
}

gboolean vu_glib_request_leave(VuGlibRequest *request, GError **error)
{
	return request_give_up(request, vu_req_leave, "leave", error);
}

guint64 vu_glib_request_get_progress(VuGlibRequest *request)
{
	struct gate *gate;
	guint64 progress = 0;

	g_return_val_if_fail(VU_GLIB_IS_REQUEST(request) && request->queue, 0);
	gate = queue_enter(request->queue, NULL);
	if (!gate)
		return 0;
	if (request_lock(request)) {
		progress = vu_req_progress(request->req);
		request_unlock(request);
	}
	gate_leave(gate);
	return progress;
}

gboolean vu_glib_request_set_progress(VuGlibRequest *request, guint64 progress, GError **error)
{
	struct gate *gate;
	int ret = -ESHUTDOWN;

	g_return_val_if_fail(VU_GLIB_IS_REQUEST(request) && request->queue, FALSE);
	gate = queue_enter(request->queue, error);
	if (!gate)
		return FALSE;
	if (request_lock(request)) {
		ret = vu_req_set_progress(request->req, progress);
		request_unlock(request);
	}
	gate_leave(gate);
	return ret == -ESHUTDOWN ? request_is_done_error(error)
				 : error_check(ret, "set_progress", error);
}

/* --- a task --- */

static void request_task_done(GObject *queue, GAsyncResult *result, gpointer unused)
{
	GTask *task = G_TASK(result);
	VuGlibRequest *request = g_task_get_task_data(task);
	g_autoptr(GError) error = NULL;
	gssize written = g_task_propagate_int(task, &error);

	if (!error && written >= 0 && vu_glib_request_complete(request, (guint64)written, &error))
		return;
	if (!g_error_matches(error, VU_GLIB_ERROR, VU_GLIB_ERROR_DONE))
		request_warn(request, error ? error->message : "a task returned less than nothing");
	vu_glib_request_fail(request);
}

GTask *vu_glib_request_new_task(VuGlibRequest *request, GCancellable *cancellable)
{
	GTask *task;

	g_return_val_if_fail(VU_GLIB_IS_REQUEST(request) && request->queue, NULL);
	g_return_val_if_fail(!cancellable || G_IS_CANCELLABLE(cancellable), NULL);
	task = g_task_new(request->queue, cancellable, request_task_done, NULL);
	g_task_set_source_tag(task, vu_glib_request_new_task);
	g_task_set_task_data(task, g_object_ref(request), g_object_unref);
	return task;
}
