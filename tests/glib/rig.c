/* SPDX-License-Identifier: MIT */
/* A VuGlibDevice in the default main context, and a peer on the same thread. */
#include <ctype.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

static void rig_log(const gchar *domain, GLogLevelFlags level, const gchar *line, gpointer opaque)
{
	struct rig *rig = opaque;

	log_book_write(&rig->log,
		       level & (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR) ? VU_LOG_ERROR
		       : level & G_LOG_LEVEL_WARNING			  ? VU_LOG_WARNING
		       : level & G_LOG_LEVEL_MESSAGE			  ? VU_LOG_INFO
									  : VU_LOG_DEBUG,
		       line);
}

void rig_turn(void)
{
	while (g_main_context_iteration(NULL, FALSE))
		;
}

static void rig_pump(void *unused)
{
	g_main_context_iteration(NULL, FALSE);
}

static void rig_session_end(VuGlibDevice *device, int why, gpointer opaque)
{
	struct rig *rig = opaque;

	rig->why = why;
	rig->ends++;
}

void rig_use(struct rig *rig, VuGlibDevice *device)
{
	if (rig->device) {
		vu_glib_device_close(rig->device);
		g_clear_object(&rig->device);
	}
	rig->device = device;
	g_signal_connect(device, "session-end", G_CALLBACK(rig_session_end), rig);
}

int rig_setup(void **state)
{
	const struct peer_config config = {.n_queues = RIG_QUEUES, .pump = rig_pump};
	struct rig *rig = g_new0(struct rig, 1);

	log_book_open(&rig->log);
	g_log_set_default_handler(rig_log, rig);
	rig->kept = g_ptr_array_new_with_free_func(g_object_unref);
	rig->why = 1;
	rig_use(rig, g_object_new(VU_GLIB_TYPE_DEVICE, "name", "rig", "device-id", 42, "n-queues",
				  RIG_QUEUES, NULL));
	assert_ok(peer_new(&config, &rig->peer));
	*state = rig;
	return 0;
}

int rig_teardown(void **state)
{
	struct rig *rig = *state;
	gpointer device = rig->device;

	g_ptr_array_unref(rig->kept);
	peer_free(rig->peer);
	rig_turn();
	if (device) {
		vu_glib_device_close(rig->device);
		g_object_add_weak_pointer(G_OBJECT(rig->device), &device);
		g_object_unref(rig->device);
	}
	rig_turn();
	assert_null(device);
	g_log_set_default_handler(g_log_default_handler, NULL);
	g_free(rig);
	return 0;
}

static bool rig_attach_to(struct rig *rig, GError **error)
{
	bool attached;
	int fd;

	assert_ok(peer_open(rig->peer, &fd));
	attached = vu_glib_device_attach(rig->device, fd, error);
	/* It has a copy. */
	close(fd);
	return attached;
}

bool rig_try_attach(struct rig *rig)
{
	return rig_attach_to(rig, NULL);
}

void rig_attach(struct rig *rig)
{
	GError *error = NULL;

	if (!rig_attach_to(rig, &error))
		fail_msg("%s", error->message);
}

void rig_start(struct rig *rig)
{
	rig_attach(rig);
	if (peer_start(rig->peer) < 0)
		fail_msg("%s", rig->peer->frontend.error);
}

void rig_offer(struct rig *rig, uint32_t queue)
{
	struct guest *guest = rig->peer->guest;

	if (!rig->answer) {
		rig->in = guest_alloc(guest, 5, 8);
		rig->out = guest_alloc(guest, RIG_ROOM, 8);
		rig->answer = guest_ptr(guest, rig->out, RIG_ROOM);
		memcpy(guest_ptr(guest, rig->in, 5), "hello", 5);
	}
	const struct driver_seg segs[] = {{rig->in, 5, false}, {rig->out, RIG_ROOM, true}};

	assert_true(driver_add(rig->peer->queues[queue], segs, 2, NULL) >= 0);
	assert_true(driver_kick(rig->peer->queues[queue]) >= 0);
}

uint32_t rig_wait(struct rig *rig, uint32_t queue)
{
	struct driver_used used;

	if (peer_wait_used(rig->peer, queue, &used) < 0)
		fail_msg("%s", rig->peer->frontend.error);
	return used.len;
}

uint32_t rig_ask(struct rig *rig, uint32_t queue)
{
	rig_offer(rig, queue);
	return rig_wait(rig, queue);
}

bool rig_is_silent(struct rig *rig, uint32_t queue)
{
	rig_turn();
	return !driver_has_used(rig->peer->queues[queue]);
}

gboolean rig_answer(VuGlibDevice *device, VuGlibQueue *queue, VuGlibRequest *request, gpointer rig)
{
	g_autoptr(GBytes) bytes = vu_glib_request_read(request, 0, -1);
	gsize size;
	const char *data = g_bytes_get_data(bytes, &size);
	g_autofree char *text = g_ascii_strup(data, (gssize)size);

	size = vu_glib_request_write(request, 0, (const guint8 *)text, size);
	assert_true(vu_glib_request_complete(request, size, NULL));
	return FALSE;
}

gboolean rig_keep(VuGlibDevice *device, VuGlibQueue *queue, VuGlibRequest *request, gpointer opaque)
{
	struct rig *rig = opaque;

	g_ptr_array_add(rig->kept, g_object_ref(request));
	return TRUE;
}

guint rig_criticals(struct rig *rig)
{
	guint n = rig->log.lines[VU_LOG_ERROR];

	rig->log.lines[VU_LOG_ERROR] = 0;
	return n;
}
