/* SPDX-License-Identifier: MIT */
/* Requests: completed exactly once, whoever drops them, on whatever thread. */
#include <string.h>

#include "rig.h"

static void a_handler_of_the_signal_answers(void **state)
{
	struct rig *rig = *state;

	g_signal_connect(rig->device, "request", G_CALLBACK(rig_answer), rig);
	rig_start(rig);
	assert_int_equal(rig_ask(rig, 0), 5);
	assert_memory_equal(rig->answer, "HELLO", 5);
	assert_int_equal(rig_ask(rig, 1), 5);
	assert_int_equal(rig_criticals(rig), 0);
}

static void what_nobody_completes_fails(void **state)
{
	struct rig *rig = *state;

	rig_start(rig);
	assert_int_equal(rig_ask(rig, 0), 0);
	assert_int_equal(log_book_count(&rig->log, "neither completed nor kept"), 1);
}

static void what_fails_ends_with_the_bytes_of_failure(void **state)
{
	struct rig *rig = *state;
	const guint8 status = RIG_STATUS;
	g_autoptr(GBytes) failure = g_bytes_new(&status, 1);

	g_object_set(rig->device, "failure", failure, NULL);
	rig_start(rig);
	assert_int_equal(rig_ask(rig, 0), RIG_ROOM);
	assert_int_equal(rig->answer[RIG_ROOM - 1], RIG_STATUS);
	assert_int_equal(rig->answer[0], 0);
}

static void what_is_kept_is_completed_later(void **state)
{
	struct rig *rig = *state;
	VuGlibRequest *request;

	g_signal_connect(rig->device, "request", G_CALLBACK(rig_keep), rig);
	rig_start(rig);
	rig_offer(rig, 0);
	rig_until(rig->kept->len == 1);
	assert_true(rig_is_silent(rig, 0));
	request = g_ptr_array_index(rig->kept, 0);
	assert_false(vu_glib_request_is_done(request));
	assert_int_equal(vu_glib_request_get_readable_length(request), 5);
	assert_int_equal(vu_glib_request_get_writable_length(request), RIG_ROOM);
	assert_int_equal(vu_glib_request_get_n_readable(request), 1);
	assert_int_equal(vu_glib_request_get_n_writable(request), 1);
	assert_true(vu_glib_request_complete(request, 7, NULL));
	assert_int_equal(rig_wait(rig, 0), 7);
}

static void what_is_kept_and_dropped_fails(void **state)
{
	struct rig *rig = *state;

	g_signal_connect(rig->device, "request", G_CALLBACK(rig_keep), rig);
	rig_start(rig);
	rig_offer(rig, 1);
	rig_until(rig->kept->len == 1);
	g_ptr_array_set_size(rig->kept, 0);
	assert_int_equal(rig_wait(rig, 1), 0);
	assert_int_equal(log_book_count(&rig->log, "queue 1: a request was dropped"), 1);
}

static void it_is_completed_once(void **state)
{
	struct rig *rig = *state;
	g_autoptr(GError) error = NULL;
	guint8 byte = 1;
	VuGlibRequest *request;

	g_signal_connect(rig->device, "request", G_CALLBACK(rig_keep), rig);
	rig_start(rig);
	rig_offer(rig, 0);
	rig_until(rig->kept->len == 1);
	request = g_ptr_array_index(rig->kept, 0);
	assert_false(vu_glib_request_complete(request, RIG_ROOM + 1, &error));
	assert_true(g_error_matches(error, VU_GLIB_ERROR, VU_GLIB_ERROR_RANGE));
	g_clear_error(&error);
	assert_true(vu_glib_request_complete(request, RIG_ROOM, NULL));
	assert_int_equal(rig_wait(rig, 0), RIG_ROOM);

	assert_true(vu_glib_request_is_done(request));
	assert_false(vu_glib_request_complete(request, 0, &error));
	assert_true(g_error_matches(error, VU_GLIB_ERROR, VU_GLIB_ERROR_DONE));
	g_clear_error(&error);
	assert_false(vu_glib_request_put_back(request, &error));
	assert_true(g_error_matches(error, VU_GLIB_ERROR, VU_GLIB_ERROR_DONE));
	vu_glib_request_fail(request);
	assert_int_equal(vu_glib_request_write(request, 0, &byte, 1), 0);
	assert_int_equal(vu_glib_request_read_into(request, 0, &byte, 1), 0);
	assert_int_equal(vu_glib_request_get_readable_length(request), 0);
	assert_null(vu_glib_request_peek_readable(request, 0));
	assert_true(rig_is_silent(rig, 0));
}

static void what_was_put_back_comes_again(void **state)
{
	struct rig *rig = *state;
	g_autoptr(GError) error = NULL;
	VuGlibRequest *request;

	g_signal_connect(rig->device, "request", G_CALLBACK(rig_keep), rig);
	rig_start(rig);
	rig_offer(rig, 0);
	rig_until(rig->kept->len == 1);
	request = g_ptr_array_index(rig->kept, 0);
	assert_true(vu_glib_request_set_progress(request, 3, NULL));
	assert_false(vu_glib_request_set_progress(request, 1000, &error));
	assert_true(g_error_matches(error, VU_GLIB_ERROR, VU_GLIB_ERROR_RANGE));
	assert_true(vu_glib_request_put_back(request, NULL));
	g_ptr_array_set_size(rig->kept, 0);
	request = vu_glib_queue_next(vu_glib_device_get_queue(rig->device, 0));
	assert_non_null(request);
	assert_int_equal(vu_glib_request_get_progress(request), 3);
	assert_true(vu_glib_request_complete(request, 0, NULL));
	g_object_unref(request);
	assert_int_equal(rig_wait(rig, 0), 0);
}

static gboolean put_it_back(VuGlibDevice *device, VuGlibQueue *queue, VuGlibRequest *request,
			    gpointer opaque)
{
	guint *n = opaque;

	assert_true(vu_glib_request_put_back(request, NULL));
	++*n;
	return FALSE;
}

static void what_a_handler_puts_back_waits_until_the_driver_adds_more(void **state)
{
	struct rig *rig = *state;
	VuGlibRequest *request;
	guint n = 0;

	g_signal_connect(rig->device, "request", G_CALLBACK(put_it_back), &n);
	rig_start(rig);
	rig_offer(rig, 0);
	rig_until(n == 1);
	assert_true(rig_is_silent(rig, 0));
	assert_int_equal(n, 1);
	rig_offer(rig, 0);
	rig_until(n == 2);
	for (int i = 0; i < 2; i++) {
		request = vu_glib_queue_next(vu_glib_device_get_queue(rig->device, 0));
		assert_non_null(request);
		assert_true(vu_glib_request_complete(request, 1, NULL));
		g_object_unref(request);
		assert_int_equal(rig_wait(rig, 0), 1);
	}
}

static void a_request_of_nobody_is_done(void **state)
{
	struct rig *rig = *state;
	g_autoptr(VuGlibRequest) stray = g_object_new(VU_GLIB_TYPE_REQUEST, NULL);
	char byte;

	assert_true(vu_glib_request_is_done(stray));
	assert_null(vu_glib_request_get_queue(stray));
	assert_int_equal(vu_glib_request_read_into(stray, 0, &byte, 1), 0);
	assert_int_equal(vu_glib_request_get_n_writable(stray), 0);
	vu_glib_request_fail(stray);
	assert_int_equal(rig_criticals(rig), 0);
	assert_false(vu_glib_request_complete(stray, 0, NULL));
	assert_false(vu_glib_request_put_back(stray, NULL));
	assert_false(vu_glib_request_leave(stray, NULL));
	assert_int_equal(vu_glib_request_get_progress(stray), 0);
	assert_false(vu_glib_request_set_progress(stray, 0, NULL));
	assert_null(vu_glib_request_new_task(stray, NULL));
	assert_int_equal(rig_criticals(rig), 6);
}

static gpointer complete_there(gpointer request)
{
	assert_true(vu_glib_request_complete(request, 9, NULL));
	g_object_unref(request);
	return NULL;
}

static void another_thread_completes(void **state)
{
	struct rig *rig = *state;

	g_signal_connect(rig->device, "request", G_CALLBACK(rig_keep), rig);
	rig_start(rig);
	rig_offer(rig, 0);
	rig_until(rig->kept->len == 1);
	g_thread_unref(
		g_thread_new("other", complete_there, g_ptr_array_steal_index(rig->kept, 0)));
	assert_int_equal(rig_wait(rig, 0), 9);
}

static void bytes_in_place_outlive_their_request(void **state)
{
	struct rig *rig = *state;
	g_autoptr(GBytes) in = NULL;
	g_autoptr(GBytes) out = NULL;
	VuGlibRequest *request;

	g_signal_connect(rig->device, "request", G_CALLBACK(rig_keep), rig);
	rig_start(rig);
	rig_offer(rig, 0);
	rig_until(rig->kept->len == 1);
	request = g_ptr_array_index(rig->kept, 0);
	in = vu_glib_request_peek_readable(request, 0);
	out = vu_glib_request_peek_writable(request, 0);
	assert_null(vu_glib_request_peek_readable(request, 1));
	assert_null(vu_glib_request_peek_writable(request, 1));
	assert_int_equal(g_bytes_get_size(in), 5);
	/* The guest's memory itself. */
	memcpy((void *)(uintptr_t)g_bytes_get_data(out, NULL), "there", 5);
	assert_true(vu_glib_request_complete(request, 5, NULL));
	assert_int_equal(rig_wait(rig, 0), 5);
	assert_memory_equal(rig->answer, "there", 5);
	g_ptr_array_set_size(rig->kept, 0);
	vu_glib_device_close(rig->device);
	rig_turn();
	assert_memory_equal(g_bytes_get_data(in, NULL), "hello", 5);
}

static void complete_by_task(GTask *task, gpointer queue, gpointer request, GCancellable *unused)
{
	vu_glib_request_write(request, 0, (const guint8 *)"task", 4);
	g_task_return_int(task, 4);
}

enum how { IN_THREAD, ERROR, FORGOTTEN };

static gboolean by_task(VuGlibDevice *device, VuGlibQueue *queue, VuGlibRequest *request,
			gpointer opaque)
{
	g_autoptr(GTask) task = vu_glib_request_new_task(request, NULL);

	switch ((enum how)(uintptr_t)opaque) {
	case IN_THREAD:
		g_task_run_in_thread(task, complete_by_task);
		break;
	case ERROR:
		g_task_return_new_error(task, VU_GLIB_ERROR, VU_GLIB_ERROR_FAILED, "no disk");
		break;
	case FORGOTTEN:
		break;
	}
	return TRUE;
}

static void a_task_completes_from_its_thread(void **state)
{
	struct rig *rig = *state;

	g_signal_connect(rig->device, "request", G_CALLBACK(by_task), (gpointer)IN_THREAD);
	rig_start(rig);
	assert_int_equal(rig_ask(rig, 0), 4);
	assert_memory_equal(rig->answer, "task", 4);
}

static void an_error_of_a_task_fails_its_request(void **state)
{
	struct rig *rig = *state;

	g_signal_connect(rig->device, "request", G_CALLBACK(by_task), (gpointer)ERROR);
	rig_start(rig);
	assert_int_equal(rig_ask(rig, 0), 0);
	assert_int_equal(log_book_count(&rig->log, "queue 0: no disk"), 1);
}

static void a_task_that_is_forgotten_fails_its_request(void **state)
{
	struct rig *rig = *state;

	g_signal_connect(rig->device, "request", G_CALLBACK(by_task), (gpointer)FORGOTTEN);
	rig_start(rig);
	assert_int_equal(rig_ask(rig, 0), 0);
}

static void a_hundred_thousand_requests_leave_nothing(void **state)
{
	struct rig *rig = *state;
	VuGlibQueue *queue;

	g_signal_connect(rig->device, "request", G_CALLBACK(rig_answer), rig);
	rig_start(rig);
	for (int n = 0; n < 100000; n += 50) {
		for (int i = 0; i < 50; i++)
			rig_offer(rig, 0);
		for (int i = 0; i < 50; i++)
			assert_int_equal(rig_wait(rig, 0), 5);
	}
	queue = vu_glib_device_get_queue(rig->device, 0);
	assert_int_equal(vu_glib_queue_get_counter(queue, VU_GLIB_COUNTER_REQUESTS), 100000);
	assert_int_equal(vu_glib_queue_get_counter(queue, VU_GLIB_COUNTER_OUTSTANDING), 0);
	assert_int_equal(G_OBJECT(queue)->ref_count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_handler_of_the_signal_answers),
		TEST(what_nobody_completes_fails),
		TEST(what_fails_ends_with_the_bytes_of_failure),
		TEST(what_is_kept_is_completed_later),
		TEST(what_is_kept_and_dropped_fails),
		TEST(it_is_completed_once),
		TEST(what_was_put_back_comes_again),
		TEST(what_a_handler_puts_back_waits_until_the_driver_adds_more),
		TEST(a_request_of_nobody_is_done),
		TEST(another_thread_completes),
		TEST(bytes_in_place_outlive_their_request),
		TEST(a_task_completes_from_its_thread),
		TEST(an_error_of_a_task_fails_its_request),
		TEST(a_task_that_is_forgotten_fails_its_request),
		TEST(a_hundred_thousand_requests_leave_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
