/* SPDX-License-Identifier: MIT */
/* Queues that another thread's main context serves, and the runner. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "kit/folder.h"
#include "rig.h"

/* --- a context with a thread --- */

struct loop {
	GMainContext *context;
	GMainLoop *loop;
	GThread *thread;
};

static gpointer loop_run(gpointer opaque)
{
	struct loop *loop = opaque;

	g_main_context_push_thread_default(loop->context);
	g_main_loop_run(loop->loop);
	g_main_context_pop_thread_default(loop->context);
	return NULL;
}

static void loop_start(struct loop *loop)
{
	loop->context = g_main_context_new();
	loop->loop = g_main_loop_new(loop->context, FALSE);
	loop->thread = g_thread_new("loop", loop_run, loop);
}

static gboolean loop_quit(gpointer loop)
{
	g_main_loop_quit(loop);
	return G_SOURCE_REMOVE;
}

static void loop_stop(struct loop *loop)
{
	GSource *source = g_idle_source_new();

	g_source_set_callback(source, loop_quit, loop->loop, NULL);
	g_source_attach(source, loop->context);
	g_source_unref(source);
	g_thread_join(loop->thread);
	g_main_loop_unref(loop->loop);
	g_main_context_unref(loop->context);
}

static GThread *served_on; /* by the last request */

static gboolean note_thread(VuGlibDevice *device, VuGlibQueue *queue, VuGlibRequest *request,
			    gpointer rig)
{
	g_atomic_pointer_set(&served_on, g_thread_self());
	return rig_answer(device, queue, request, rig);
}

static VuGlibGroup *group_of_queue(struct rig *rig, guint queue)
{
	VuGlibGroup *group = vu_glib_group_new();

	assert_true(
		vu_glib_queue_set_group(vu_glib_device_get_queue(rig->device, queue), group, NULL));
	return group;
}

static void a_group_serves_its_queues_on_its_thread(void **state)
{
	struct rig *rig = *state;
	g_autoptr(VuGlibGroup) group = group_of_queue(rig, 1);
	struct loop loop;

	g_signal_connect(rig->device, "request", G_CALLBACK(note_thread), rig);
	loop_start(&loop);
	assert_true(vu_glib_group_serve(group, loop.context, NULL));
	rig_start(rig);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(rig_ask(rig, 1), 5);
		assert_ptr_equal(g_atomic_pointer_get(&served_on), loop.thread);
	}
	assert_int_equal(rig_ask(rig, 0), 5);
	assert_ptr_equal(g_atomic_pointer_get(&served_on), g_thread_self());
	assert_false(
		vu_glib_queue_set_group(vu_glib_device_get_queue(rig->device, 0), group, NULL));
	assert_ok(peer_stop(rig->peer));
	vu_glib_group_stop(group);
	loop_stop(&loop);
}

static void queues_of_a_group_that_is_gone_are_their_devices(void **state)
{
	struct rig *rig = *state;
	VuGlibGroup *group = group_of_queue(rig, 1);
	struct loop loop;

	g_signal_connect(rig->device, "request", G_CALLBACK(note_thread), rig);
	loop_start(&loop);
	assert_true(vu_glib_group_serve(group, loop.context, NULL));
	rig_start(rig);
	assert_int_equal(rig_ask(rig, 1), 5);
	vu_glib_group_stop(group);
	/* Its last turn may go on. */
	loop_stop(&loop);
	g_object_unref(group);
	assert_int_equal(rig_ask(rig, 1), 5);
	assert_ptr_equal(g_atomic_pointer_get(&served_on), g_thread_self());
}

static void a_device_goes_while_another_thread_serves_a_queue_of_it(void **state)
{
	struct rig *rig = *state;
	struct loop loop;

	loop_start(&loop);
	for (int i = 0; i < 20; i++) {
		g_autoptr(VuGlibGroup) group = NULL;

		rig_use(rig, vu_glib_device_new(42, RIG_QUEUES));
		group = group_of_queue(rig, 1);
		g_signal_connect(rig->device, "request", G_CALLBACK(rig_answer), rig);
		assert_true(vu_glib_group_serve(group, loop.context, NULL));
		rig_start(rig);
		for (int n = 0; n < i; n++)
			rig_offer(rig, 1);
		vu_glib_device_close(rig->device);
		g_clear_object(&rig->device);
		vu_glib_group_stop(group);
		for (uint32_t q = 0; q < RIG_QUEUES; q++)
			driver_reset(rig->peer->queues[q]);
		peer_disconnect(rig->peer);
	}
	loop_stop(&loop);
}

/* Another thread is the device's: this one attaches and closes whenever it comes to that. */
static void another_thread_closes_a_device_that_is_served(void **state)
{
	struct rig *rig = *state;
	struct loop loop;

	loop_start(&loop);
	for (int i = 0; i < 30; i++) {
		rig_use(rig, vu_glib_device_new(42, RIG_QUEUES));
		g_signal_connect(rig->device, "request", G_CALLBACK(rig_answer), rig);
		assert_true(vu_glib_device_serve(rig->device, loop.context, NULL));
		/* Its first turn may be going on, which is an error and no harm. */
		while (!rig_try_attach(rig))
			g_usleep(100);
		assert_ok(peer_start(rig->peer));
		for (int n = 0; n < i; n++)
			rig_offer(rig, n % RIG_QUEUES);
		vu_glib_device_close(rig->device);
		g_clear_object(&rig->device);
		assert_ok(frontend_wait_closed(&rig->peer->frontend));
		for (uint32_t q = 0; q < RIG_QUEUES; q++)
			driver_reset(rig->peer->queues[q]);
		peer_disconnect(rig->peer);
	}
	loop_stop(&loop);
}

static gboolean wrong_thread(VuGlibDevice *device, VuGlibQueue *queue, VuGlibRequest *request,
			     gpointer opaque)
{
	/* The device's thread waits for this one: it is not at work on the queue. */
	g_atomic_pointer_set(&served_on, g_thread_self());
	while (g_atomic_pointer_get(&served_on))
		g_usleep(1000);
	return rig_answer(device, queue, request, opaque);
}

static void a_queue_of_another_thread_is_not_taken_from(void **state)
{
	struct rig *rig = *state;
	g_autoptr(VuGlibGroup) group = group_of_queue(rig, 1);
	VuGlibQueue *queue = vu_glib_device_get_queue(rig->device, 1);
	struct loop loop;

	g_atomic_pointer_set(&served_on, NULL);
	g_signal_connect(rig->device, "request", G_CALLBACK(wrong_thread), rig);
	loop_start(&loop);
	assert_true(vu_glib_group_serve(group, loop.context, NULL));
	rig_start(rig);
	rig_offer(rig, 1);
	rig_offer(rig, 1);
	while (!g_atomic_pointer_get(&served_on))
		g_usleep(1000);
	assert_false(vu_glib_queue_is_available(queue));
	assert_null(vu_glib_queue_next(queue));
	vu_glib_queue_notify_driver(queue);
	for (int i = 0; i < 2; i++) {
		while (!g_atomic_pointer_get(&served_on))
			g_usleep(1000);
		g_atomic_pointer_set(&served_on, NULL);
	}
	assert_int_equal(rig_wait(rig, 1), 5);
	assert_int_equal(rig_wait(rig, 1), 5);
	vu_glib_group_stop(group);
	loop_stop(&loop);
}

/* --- the runner --- */

struct ended {
	gboolean yes;
};

static void on_ended(VuGlibRunner *runner, gpointer opaque)
{
	((struct ended *)opaque)->yes = TRUE;
}

/* Connecting needs nobody's turn; the rest is pumped. */
static void rig_connect(struct rig *rig, const char *path)
{
	assert_ok(peer_connect(rig->peer, path));
	if (peer_start(rig->peer) < 0)
		fail_msg("%s", rig->peer->frontend.error);
}

static void a_runner_serves_front_ends_on_a_socket_file(void **state)
{
	struct rig *rig = *state;
	g_autoptr(VuGlibRunner) runner = vu_glib_runner_new();
	g_autoptr(GError) error = NULL;
	struct ended ended = {FALSE};
	char dir[FOLDER_PATH], path[FOLDER_PATH + 16];

	folder_make(dir, "glib");
	snprintf(path, sizeof(path), "%s/socket", dir);
	g_signal_connect(rig->device, "request", G_CALLBACK(rig_answer), rig);
	g_signal_connect(runner, "ended", G_CALLBACK(on_ended), &ended);
	assert_true(vu_glib_runner_listen(runner, rig->device, path, 0600, NULL));
	assert_false(vu_glib_runner_listen(runner, rig->device, path, 0600, &error));
	assert_true(g_error_matches(error, VU_GLIB_ERROR, VU_GLIB_ERROR_BUSY));
	assert_true(vu_glib_runner_serve(runner, NULL, NULL));
	for (guint i = 0; i < 3; i++) {
		rig_connect(rig, path);
		assert_int_equal(rig_ask(rig, 0), 5);
		assert_ok(peer_stop(rig->peer));
		peer_disconnect(rig->peer);
		rig_until(rig->ends == i + 1);
	}
	vu_glib_runner_stop(runner);
	rig_until(ended.yes);
	assert_int_equal(access(path, F_OK), -1);
	assert_ok(rmdir(dir));
}

static void a_device_that_is_closed_leaves_its_runner(void **state)
{
	struct rig *rig = *state;
	g_autoptr(VuGlibRunner) runner = vu_glib_runner_new();
	struct ended ended = {FALSE};
	char dir[FOLDER_PATH], path[FOLDER_PATH + 16];

	folder_make(dir, "glib");
	snprintf(path, sizeof(path), "%s/socket", dir);
	g_signal_connect(runner, "ended", G_CALLBACK(on_ended), &ended);
	assert_true(vu_glib_runner_listen(runner, rig->device, path, 0, NULL));
	assert_true(vu_glib_runner_serve(runner, NULL, NULL));
	rig_connect(rig, path);
	vu_glib_device_close(rig->device);
	assert_ok(frontend_wait_closed(&rig->peer->frontend));
	rig_until(ended.yes);
	assert_int_equal(rig->ends, 1);
	assert_int_equal(access(path, F_OK), -1);
	assert_ok(rmdir(dir));
}

static void a_device_is_removed_and_comes_again(void **state)
{
	struct rig *rig = *state;
	g_autoptr(VuGlibRunner) runner = vu_glib_runner_new();
	g_autoptr(VuGlibDevice) other = vu_glib_device_new(42, RIG_QUEUES);
	g_autoptr(GError) error = NULL;
	char dir[FOLDER_PATH], path[FOLDER_PATH + 16], second[FOLDER_PATH + 16];

	folder_make(dir, "glib");
	snprintf(path, sizeof(path), "%s/socket", dir);
	snprintf(second, sizeof(second), "%s/other", dir);
	g_signal_connect(rig->device, "request", G_CALLBACK(rig_answer), rig);
	assert_true(vu_glib_runner_serve(runner, NULL, NULL));
	assert_true(vu_glib_runner_listen(runner, other, second, 0, NULL));
	for (int i = 0; i < 2; i++) {
		assert_false(vu_glib_runner_remove(runner, rig->device, &error));
		g_clear_error(&error);
		assert_true(vu_glib_runner_listen(runner, rig->device, path, 0, NULL));
		rig_connect(rig, path);
		assert_int_equal(rig_ask(rig, 0), 5);
		assert_true(vu_glib_runner_remove(runner, rig->device, NULL));
		assert_int_equal(access(path, F_OK), -1);
		for (uint32_t q = 0; q < RIG_QUEUES; q++)
			driver_reset(rig->peer->queues[q]);
		peer_disconnect(rig->peer);
	}
	vu_glib_runner_stop(runner);
	rig_turn();
	vu_glib_device_close(other);
	assert_ok(rmdir(dir));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_group_serves_its_queues_on_its_thread),
		TEST(queues_of_a_group_that_is_gone_are_their_devices),
		TEST(a_device_goes_while_another_thread_serves_a_queue_of_it),
		TEST(another_thread_closes_a_device_that_is_served),
		TEST(a_queue_of_another_thread_is_not_taken_from),
		TEST(a_runner_serves_front_ends_on_a_socket_file),
		TEST(a_device_that_is_closed_leaves_its_runner),
		TEST(a_device_is_removed_and_comes_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
