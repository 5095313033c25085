/* SPDX-License-Identifier: MIT */
/* The device: properties, vetoes, configuration space, its life, and what is no use of it. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rig.h"

enum { EVENT_IDX = 29 };

/* --- one that overrides --- */

#define TEST_TYPE_PICKY (picky_get_type())
G_DECLARE_FINAL_TYPE(Picky, picky, TEST, PICKY, VuGlibDevice)

struct _Picky {
	VuGlibDevice parent;
	const char *refuses; /* the name of the handler that does */
	bool silently;
	guint64 features;
	guint written;
};

G_DEFINE_TYPE(Picky, picky, VU_GLIB_TYPE_DEVICE)

static gboolean picky_answer(VuGlibDevice *device, const char *what, GError **error)
{
	Picky *picky = TEST_PICKY(device);

	if (!picky->refuses || strcmp(picky->refuses, what))
		return TRUE;
	if (!picky->silently)
		g_set_error_literal(error, VU_GLIB_ERROR, VU_GLIB_ERROR_REFUSED, "not today");
	return FALSE;
}

static gboolean picky_accept_session(VuGlibDevice *device, GError **error)
{
	return picky_answer(device, "accept_session", error);
}

static gboolean picky_accept_features(VuGlibDevice *device, guint64 features, GError **error)
{
	TEST_PICKY(device)->features = features;
	return picky_answer(device, "accept_features", error);
}

static gboolean picky_start(VuGlibDevice *device, GError **error)
{
	return picky_answer(device, "start", error);
}

static GBytes *picky_read_config(VuGlibDevice *device, guint offset, guint length, GError **error)
{
	if (!picky_answer(device, "read_config", error))
		return NULL;
	return offset == 4 ? g_bytes_new_static("more than is wanted", 19) : NULL;
}

static gboolean picky_write_config(VuGlibDevice *device, guint offset, guint length, GError **error)
{
	TEST_PICKY(device)->written += length;
	return picky_answer(device, "write_config", error);
}

static void picky_init(Picky *picky)
{
}

static void picky_class_init(PickyClass *klass)
{
	VuGlibDeviceClass *device = VU_GLIB_DEVICE_CLASS(klass);

	device->accept_session = picky_accept_session;
	device->accept_features = picky_accept_features;
	device->start = picky_start;
	device->read_config = picky_read_config;
	device->write_config = picky_write_config;
}

static Picky *use_picky(struct rig *rig, const char *refuses)
{
	g_autoptr(GBytes) config = g_bytes_new_static("configur", 8);
	g_autoptr(GBytes) writable = g_bytes_new_static("\xff\0\0\0\0\0\0\0", 8);
	Picky *picky = g_object_new(TEST_TYPE_PICKY, "n-queues", RIG_QUEUES, "config", config,
				    "config-writable", writable, NULL);

	picky->refuses = refuses;
	rig_use(rig, VU_GLIB_DEVICE(picky));
	return picky;
}

/* --- what it offers --- */

static void it_offers_what_its_properties_say(void **state)
{
	struct rig *rig = *state;

	vu_glib_device_offer(rig->device, 5);
	vu_glib_device_require(rig->device, 6);
	vu_glib_device_forbid(rig->device, EVENT_IDX);
	rig_start(rig);
	assert_int_equal(rig->peer->frontend.offered_features & 0xff, 0x60);
	assert_false(rig->peer->frontend.offered_features >> EVENT_IDX & 1);
	assert_true(vu_glib_device_has_feature(rig->device, 5));
	assert_true(vu_glib_device_has_feature(rig->device, 6));
	assert_false(vu_glib_device_has_feature(rig->device, EVENT_IDX));
	assert_false(vu_glib_device_has_feature(rig->device, 4000));
}

static void what_is_prepared_stays_as_it_is(void **state)
{
	struct rig *rig = *state;
	guint n;

	assert_true(vu_glib_device_prepare(rig->device, NULL));
	g_object_set(rig->device, "n-queues", 7, NULL);
	vu_glib_device_offer(rig->device, 5);
	assert_int_equal(rig_criticals(rig), 2);
	g_object_get(rig->device, "n-queues", &n, NULL);
	assert_int_equal(n, RIG_QUEUES);
	assert_non_null(vu_glib_device_get_queue(rig->device, RIG_QUEUES - 1));
	assert_null(vu_glib_device_get_queue(rig->device, RIG_QUEUES));
}

static void what_cannot_be_is_an_error_and_no_crash(void **state)
{
	struct rig *rig = *state;
	g_autoptr(GBytes) big = g_bytes_new_take(g_malloc0(5000), 5000);
	g_autoptr(GBytes) one = g_bytes_new_static("1", 1);
	const struct {
		const char *property;
		GBytes *value;
	} rows[] = {{"config", big}, {"config-writable", one}};

	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;

		rig_use(rig, vu_glib_device_new(42, 1));
		g_object_set(rig->device, rows[i].property, rows[i].value, NULL);
		assert_false(vu_glib_device_prepare(rig->device, &error));
		assert_true(g_error_matches(error, VU_GLIB_ERROR, VU_GLIB_ERROR_INVALID));
		assert_null(vu_glib_device_get_queue(rig->device, 0));
		assert_false(vu_glib_device_is_attached(rig->device));
		assert_false(vu_glib_device_serve(rig->device, NULL, NULL));
		vu_glib_device_log(rig->device, VU_GLIB_LOG_ERROR, "nobody hears this");
	}
	rig_use(rig, vu_glib_device_new(42, 1));
	vu_glib_device_require(rig->device, 40000);
	g_object_set(rig->device, "required", G_GUINT64_CONSTANT(1), NULL);
	assert_false(vu_glib_device_prepare(rig->device, NULL));
	rig_use(rig, vu_glib_device_new(42, 1000));
	assert_false(vu_glib_device_attach(rig->device, -1, NULL));
	assert_true(rig_criticals(rig) >= 2);
}

static void what_is_closed_is_served_no_more(void **state)
{
	struct rig *rig = *state;
	g_autoptr(GError) error = NULL;
	g_autoptr(GSource) source = NULL;

	rig_use(rig, vu_glib_device_new(42, 1));
	source = vu_glib_device_create_source(rig->device, NULL);
	g_source_attach(source, NULL);
	vu_glib_device_close(rig->device);
	assert_false(vu_glib_device_serve(rig->device, NULL, &error));
	assert_true(g_error_matches(error, VU_GLIB_ERROR, VU_GLIB_ERROR_CLOSED));
	assert_null(vu_glib_device_create_source(rig->device, NULL));
	rig_turn();
	assert_true(g_source_is_destroyed(source));
}

/* --- vetoes --- */

static void a_session_that_is_refused_is_none(void **state)
{
	struct rig *rig = *state;
	g_autoptr(GError) error = NULL;
	Picky *picky = use_picky(rig, "accept_session");
	int pair[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), errno);
	assert_false(vu_glib_device_attach(rig->device, pair[0], &error));
	assert_true(g_error_matches(error, VU_GLIB_ERROR, VU_GLIB_ERROR_REFUSED));
	assert_int_equal(log_book_count(&rig->log, "accept_session: not today"), 1);
	picky->silently = true;
	assert_false(vu_glib_device_attach(rig->device, pair[0], NULL));
	assert_int_equal(log_book_count(&rig->log, "accept_session: refused"), 1);
	assert_int_equal(rig->ends, 0);
	close(pair[0]);
	close(pair[1]);
	picky->refuses = NULL;
	rig_start(rig);
	assert_true(vu_glib_device_is_attached(rig->device));
}

static void features_can_be_vetoed(void **state)
{
	struct rig *rig = *state;
	Picky *picky = use_picky(rig, "accept_features");

	rig_attach(rig);
	assert_true(peer_start(rig->peer) < 0);
	assert_int_equal(picky->features >> 32 & 1, 1);
	assert_true(log_book_count(&rig->log, "accept_features: not today") > 0);
}

static void a_start_can_be_refused(void **state)
{
	struct rig *rig = *state;

	use_picky(rig, "start");
	rig_attach(rig);
	assert_true(peer_start(rig->peer) < 0);
	rig_until(rig->ends == 1);
	assert_true(rig->why < 0);
	assert_int_equal(log_book_count(&rig->log, "start: not today"), 1);
}

/* --- configuration space --- */

static void the_configuration_space_is_read_written_and_changed(void **state)
{
	struct rig *rig = *state;
	Picky *picky = use_picky(rig, NULL);
	g_autoptr(GBytes) change = g_bytes_new_static("CH", 2);
	g_autoptr(GBytes) now = NULL;
	g_autoptr(GError) error = NULL;
	struct frontend_msg msg;
	char read[8];

	rig_start(rig);
	assert_ok(frontend_get_config(&rig->peer->frontend, 0, read, 4));
	assert_memory_equal(read, "conf", 4);
	/* What the handler says, and no more of it than fits. */
	assert_ok(frontend_get_config(&rig->peer->frontend, 4, read, 4));
	assert_memory_equal(read, "more", 4);
	assert_ok(frontend_set_config(&rig->peer->frontend, 0, "C", 1, 0));
	assert_int_equal(picky->written, 1);
	assert_true(vu_glib_device_set_config(rig->device, 6, change, NULL));
	assert_ok(frontend_expect_backend(&rig->peer->frontend, WIRE_BACKEND_CONFIG_CHANGE_MSG,
					  &msg));
	now = vu_glib_device_get_config(rig->device, 0, 8, NULL);
	assert_memory_equal(g_bytes_get_data(now, NULL), "ConfigCH", 8);
	assert_false(vu_glib_device_set_config(rig->device, 7, change, &error));
	assert_true(g_error_matches(error, VU_GLIB_ERROR, VU_GLIB_ERROR_RANGE));
	assert_null(vu_glib_device_get_config(rig->device, 0, 9, NULL));
	assert_null(vu_glib_device_get_config(rig->device, G_MAXUINT, G_MAXUINT, NULL));
	picky->refuses = "read_config";
	assert_int_equal(frontend_get_config(&rig->peer->frontend, 0, read, 4), -EREMOTEIO);
}

/* --- its life --- */

static void front_ends_come_one_after_another(void **state)
{
	struct rig *rig = *state;

	g_signal_connect(rig->device, "request", G_CALLBACK(rig_answer), rig);
	for (guint i = 0; i < 3; i++) {
		rig_start(rig);
		assert_int_equal(rig_ask(rig, 0), 5);
		assert_ok(peer_stop(rig->peer));
		peer_disconnect(rig->peer);
		rig_until(rig->ends == i + 1);
		assert_int_equal(rig->why, 0);
		assert_false(vu_glib_device_is_attached(rig->device));
	}
}

static void finish(VuGlibDevice *device, VuGlibQueue *queue, gpointer opaque)
{
	struct rig *rig = opaque;

	for (guint i = 0; i < rig->kept->len; i++)
		assert_true(vu_glib_request_complete(g_ptr_array_index(rig->kept, i), 1, NULL));
	g_ptr_array_set_size(rig->kept, 0);
}

static void a_stop_waits_for_what_is_kept(void **state)
{
	struct rig *rig = *state;

	g_signal_connect(rig->device, "request", G_CALLBACK(rig_keep), rig);
	g_signal_connect(rig->device, "queue-stop", G_CALLBACK(finish), rig);
	rig_start(rig);
	for (int i = 0; i < 3; i++)
		rig_offer(rig, 0);
	rig_until(rig->kept->len == 3);
	assert_ok(peer_stop(rig->peer));
	for (int i = 0; i < 3; i++)
		assert_int_equal(rig_wait(rig, 0), 1);
}

static void what_is_kept_beyond_a_session_is_completed_all_the_same(void **state)
{
	struct rig *rig = *state;

	g_signal_connect(rig->device, "request", G_CALLBACK(rig_keep), rig);
	rig_start(rig);
	rig_offer(rig, 0);
	rig_until(rig->kept->len == 1);
	peer_disconnect(rig->peer);
	rig_until(rig->ends == 1);
	assert_true(vu_glib_request_complete(g_ptr_array_index(rig->kept, 0), 1, NULL));
}

static gboolean close_it(VuGlibDevice *device, VuGlibQueue *queue, VuGlibRequest *request,
			 gpointer opaque)
{
	vu_glib_device_close(device);
	assert_true(vu_glib_request_complete(request, 1, NULL));
	return FALSE;
}

static void a_handler_closes_the_device(void **state)
{
	struct rig *rig = *state;
	g_autoptr(GError) error = NULL;

	g_signal_connect(rig->device, "request", G_CALLBACK(close_it), rig);
	rig_start(rig);
	rig_offer(rig, 0);
	assert_ok(frontend_wait_closed(&rig->peer->frontend));
	assert_int_equal(rig->ends, 1);
	assert_false(vu_glib_device_attach(rig->device, 0, &error));
	assert_true(g_error_matches(error, VU_GLIB_ERROR, VU_GLIB_ERROR_CLOSED));
}

static gboolean drop_it(VuGlibDevice *device, VuGlibQueue *queue, VuGlibRequest *request,
			gpointer opaque)
{
	struct rig *rig = opaque;

	vu_glib_device_close(device);
	g_clear_object(&rig->device);
	g_ptr_array_add(rig->kept, g_object_ref(request));
	return TRUE;
}

static void a_handler_drops_the_last_reference(void **state)
{
	struct rig *rig = *state;

	g_signal_connect(rig->device, "request", G_CALLBACK(drop_it), rig);
	rig_start(rig);
	rig_offer(rig, 0);
	assert_ok(frontend_wait_closed(&rig->peer->frontend));
	assert_null(rig->device);
	assert_false(vu_glib_request_is_done(g_ptr_array_index(rig->kept, 0)));
}

static void nobody_is_told_of_what_is_dropped_while_it_has_a_front_end(void **state)
{
	struct rig *rig = *state;
	gpointer device = rig->device;

	rig_start(rig);
	g_object_add_weak_pointer(G_OBJECT(rig->device), &device);
	vu_glib_device_close(rig->device);
	assert_int_equal(rig->ends, 1);
	g_clear_object(&rig->device);
	assert_null(device);
	assert_ok(frontend_wait_closed(&rig->peer->frontend));
}

static void detaching_and_draining_end_a_session(void **state)
{
	struct rig *rig = *state;

	rig_start(rig);
	assert_true(vu_glib_device_detach(rig->device, NULL));
	rig_until(rig->ends == 1);
	rig_start(rig);
	assert_true(vu_glib_device_drain(rig->device, NULL));
	rig_until(rig->ends == 2);
}

/* --- misuse --- */

static void null_and_what_is_no_device_are_criticals(void **state)
{
	struct rig *rig = *state;
	g_autoptr(VuGlibQueue) stray = g_object_new(VU_GLIB_TYPE_QUEUE, NULL);
	VuGlibDevice *wrong = (VuGlibDevice *)stray;

	assert_false(vu_glib_device_prepare(wrong, NULL));
	assert_false(vu_glib_device_attach(NULL, 0, NULL));
	vu_glib_device_close(NULL);
	assert_null(vu_glib_queue_next(stray));
	assert_null(vu_glib_queue_next(NULL));
	assert_int_equal(vu_glib_queue_get_index(stray), 0);
	assert_false(vu_glib_queue_set_group(stray, NULL, NULL));
	assert_true(vu_glib_request_is_done(NULL));
	assert_false(vu_glib_request_complete(NULL, 0, NULL));
	vu_glib_request_fail(NULL);
	assert_int_equal(vu_glib_queue_get_counter(vu_glib_device_get_queue(rig->device, 0), 99),
			 0);
	assert_true(rig_criticals(rig) >= 11);
}

static void a_descriptor_that_is_no_socket_is_refused(void **state)
{
	struct rig *rig = *state;
	int ends[2];

	assert_return_code(pipe(ends), errno);
	assert_false(vu_glib_device_attach(rig->device, ends[0], NULL));
	assert_false(vu_glib_device_attach(rig->device, -1, NULL));
	assert_int_equal(close(ends[0]) | close(ends[1]), 0);
	rig_start(rig);
	assert_false(vu_glib_device_attach(rig->device, rig->peer->frontend.fd, NULL));
	assert_true(vu_glib_device_is_attached(rig->device));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_offers_what_its_properties_say),
		TEST(what_is_prepared_stays_as_it_is),
		TEST(what_cannot_be_is_an_error_and_no_crash),
		TEST(what_is_closed_is_served_no_more),
		TEST(a_session_that_is_refused_is_none),
		TEST(features_can_be_vetoed),
		TEST(a_start_can_be_refused),
		TEST(the_configuration_space_is_read_written_and_changed),
		TEST(front_ends_come_one_after_another),
		TEST(a_stop_waits_for_what_is_kept),
		TEST(what_is_kept_beyond_a_session_is_completed_all_the_same),
		TEST(a_handler_closes_the_device),
		TEST(a_handler_drops_the_last_reference),
		TEST(nobody_is_told_of_what_is_dropped_while_it_has_a_front_end),
		TEST(detaching_and_draining_end_a_session),
		TEST(null_and_what_is_no_device_are_criticals),
		TEST(a_descriptor_that_is_no_socket_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
