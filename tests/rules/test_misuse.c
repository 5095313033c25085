/* SPDX-License-Identifier: MIT */
/* A program's mistakes: an error and one line that says which; and callbacks that come in pairs. */
#include <libvu/unstable.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rules/rig.h"

static struct log_book logged = LOG_BOOK_EMPTY;

static const struct vu_device_info good = {
	.size = sizeof(good),
	.name = "mine",
	.device_id = 4,
	.n_queues = 1,
	.log_fn = log_book_write,
	.log_opaque = &logged,
};

static void expect_line(const struct vu_device_info *info, const struct vu_ops *ops, int err,
			const char *text)
{
	struct vu_device *dev;

	log_book_open(&logged);
	assert_int_equal(vu_device_new(info, ops, NULL, &dev), err);
	if (!strstr(logged.last, text))
		fail_msg("\"%s\" is not in \"%s\"", text, logged.last);
}

static void a_struct_of_a_wrong_size_is_named(void **state)
{
	struct {
		struct vu_device_info info;
		uint64_t future;
	} newer = {good, 1};
	struct vu_ops ops = {.size = 0};
	struct vu_queue_info queue = {.size = 8};
	struct vu_device *dev;

	(void)state;
	newer.info.size = sizeof(newer);
	expect_line(&newer.info, NULL, -E2BIG, "struct vu_device_info has something set at byte");
	expect_line(&good, &ops, -EINVAL, "struct vu_ops says size 0");
	ops.size = SIZE_MAX / 2; /* what nobody set may be anything */
	expect_line(&good, &ops, -EINVAL, "set .size = sizeof(struct vu_ops)");
	newer.info.size = 0;
	/* Its log cannot be told: it goes where lines go that nobody asked for. */
	assert_int_equal(vu_device_new(&newer.info, NULL, NULL, &dev), -EINVAL);
	assert_ok(vu_device_new(&good, NULL, NULL, &dev));
	assert_int_equal(vu_queue_configure(vu_device_queue(dev, 0), &queue), -EINVAL);
	assert_non_null(strstr(logged.last, "mine: struct vu_queue_info says size 8"));
	vu_device_free(dev);
}

static void a_socket_of_datagrams_is_no_front_end(void **state)
{
	struct rig rig;
	int pair[2];

	(void)state;
	rig_make(&rig, NULL);
	assert_ok(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair));
	assert_int_equal(vu_device_attach(rig.dev, pair[0]), -EINVAL);
	close(pair[0]);
	close(pair[1]);
	rig_close(&rig);
}

/* Room for priv is a queue's own, where it says so. */
static void a_queue_may_want_room_of_its_own(void **state)
{
	const struct vu_queue_info info = {.size = sizeof(info), .priv_size = 48};
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	assert_ok(vu_queue_configure(rig.queues[0].queue, &info));
	rig.mode = RIG_HOLD;
	rig_start(&rig);
	rig_submit(&rig, 0, 1);
	rig_pump(&rig);
	assert_int_equal(rig.queues[0].n_held, 1);
	assert_non_null(rig.queues[0].held[0]->priv);
	memset(rig.queues[0].held[0]->priv, 0xff, info.priv_size);
	assert_ok(vu_req_complete(rig.queues[0].held[0], 0));
	rig.queues[0].n_held = 0;
	rig_close(&rig);
}

static void a_device_that_cannot_be_is_refused_with_its_reason(void **state)
{
	static const struct {
		struct vu_device_info info; /* what is different */
		const char *why;
	} rows[] = {
		{{.n_queues = 257}, "n_queues must be 1 to 256"},
		{{.config_size = 4097}, "config_size must be at most 4096"},
		{{.max_queue_size = 32769}, "max_queue_size must be at most 32768"},
		{{.max_segs = 65537}, "max_segs must be at most 65536"},
		{{.priv_size = 65537}, "priv_size must be at most 65536"},
		{{.flags = 1u << 31}, "flags has an unknown bit"},
		{{.features = RIG_BIT(VU_F_VERSION_1)}, "features may only have bits of the"},
		{{.required = 2}, "required has a bit that is not offered"},
		{{.features = 3, .required = 3, .forbidden = 2}, "required and forbidden share"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vu_device_info info = rows[i].info;

		info.size = good.size;
		info.device_id = good.device_id;
		info.n_queues = info.n_queues ? info.n_queues : good.n_queues;
		info.log_fn = good.log_fn;
		info.log_opaque = good.log_opaque;
		expect_line(&info, NULL, -EINVAL, rows[i].why);
	}
	/* The limits themselves are fine. */
	{
		struct vu_device_info info = good;
		struct vu_device *dev;

		info.n_queues = 256;
		info.config_size = 4096;
		info.max_queue_size = 32768;
		info.max_segs = info.priv_size = 65536;
		info.features = info.required = 3;
		assert_ok(vu_device_new(&info, NULL, NULL, &dev));
		vu_device_free(dev);
	}
}

static void a_queue_is_configured_before_the_session_within_limits(void **state)
{
	struct vu_queue_info wrong[] = {
		{.size = sizeof(struct vu_queue_info), .max_size = 32769},
		{.size = sizeof(struct vu_queue_info), .max_segs = 65537},
		{.size = sizeof(struct vu_queue_info), .priv_size = 65537},
	};
	struct vu_queue_info small = {.size = sizeof(small), .max_size = 64, .max_segs = 2};
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	for (int i = 0; i < 3; i++)
		assert_int_equal(vu_queue_configure(vu_device_queue(rig.dev, 0), &wrong[i]),
				 -EINVAL);
	assert_ok(vu_queue_configure(vu_device_queue(rig.dev, 0), &small));
	rig_connect(&rig);
	assert_int_equal(vu_queue_configure(vu_device_queue(rig.dev, 0), &small), -EBUSY);
	assert_int_equal(vu_device_limit_memory(rig.dev, 1 << 20, 0), -EBUSY);
	assert_ok(peer_start(rig.peer));
	/* The peer's rings have 256 entries. */
	rig_pump(&rig);
	rig_expect_errors(&rig, "its size is 256, and 1 to 64 can be used", 1);
	rig_roundtrip(&rig, 1, 1);
	rig_close(&rig);
}

static int no_command(struct vu_script *script, uint32_t n, const char *const *words, void *opaque)
{
	(void)script;
	(void)n;
	(void)words;
	(void)opaque;
	return 0;
}

static void a_struct_of_a_wrong_size_around_devices_is_named(void **state)
{
	static const struct vu_command commands[] = {{.name = "x", .run = no_command}, {0}};
	struct {
		struct vu_runner_info info;
		uint64_t future;
	} newer_runner = {
		{.size = sizeof(newer_runner), .log_fn = log_book_write, .log_opaque = &logged}, 1};
	struct {
		struct vu_script_info info;
		uint64_t future;
	} newer_script = {{.size = sizeof(newer_script),
			   .commands = commands,
			   .command_size = sizeof(commands[0]),
			   .log_fn = log_book_write,
			   .log_opaque = &logged},
			  1};
	struct vu_socket_info socket = {.mode = 0600};
	struct vu_worker_info worker = {.size = 8};
	struct vu_runner *runner;
	struct vu_device *dev;

	(void)state;
	assert_int_equal(vu_runner_new(&newer_runner.info, &runner), -E2BIG);
	assert_non_null(
		strstr(logged.last, "runner: struct vu_runner_info has something set at byte"));
	assert_int_equal(vu_script_run_file(&newer_script.info, "/dev/null"), -E2BIG);
	assert_non_null(
		strstr(logged.last, "script: struct vu_script_info has something set at byte"));
	newer_runner.info.size = sizeof(newer_runner.info);
	assert_ok(vu_runner_new(&newer_runner.info, &runner));
	assert_ok(vu_device_new(&good, NULL, NULL, &dev));
	assert_int_equal(vu_runner_listen(runner, dev, "/never-made", &socket), -EINVAL);
	assert_non_null(strstr(logged.last, "runner: struct vu_socket_info says size 0, and has"));
	assert_int_equal(vu_runner_add_worker(runner, vu_device_group(dev), &worker), -EINVAL);
	assert_non_null(strstr(logged.last, "set .size = sizeof(struct vu_worker_info)"));
	vu_device_free(dev);
	vu_runner_free(runner);
}

/* The log of such a struct cannot be told: the line goes to standard error. */
static void a_size_that_nobody_set_is_named_on_standard_error(void **state)
{
	struct vu_runner_info runner_info = {.log_fn = log_book_write, .log_opaque = &logged};
	struct vu_script_info script_info = {
		.size = 8, .log_fn = log_book_write, .log_opaque = &logged};
	int file = memfd_create("stderr", MFD_CLOEXEC), saved = dup(STDERR_FILENO);
	struct vu_runner *runner;
	char text[512] = "";
	int ret[2];

	(void)state;
	fflush(stderr);
	dup2(file, STDERR_FILENO);
	ret[0] = vu_runner_new(&runner_info, &runner);
	ret[1] = vu_script_run_file(&script_info, "/dev/null");
	dup2(saved, STDERR_FILENO);
	close(saved);
	assert_int_equal(ret[0], -EINVAL);
	assert_int_equal(ret[1], -EINVAL);
	assert_true(pread(file, text, sizeof(text) - 1, 0) > 0);
	close(file);
	assert_memory_equal(text, "error: runner: struct vu_runner_info says size 0, and has", 57);
	assert_non_null(strstr(text, "\nerror: script: struct vu_script_info says size 8, and"));
}

static void a_configuration_without_a_size_is_refused(void **state)
{
	struct vu_device_info info = good;

	(void)state;
	info.config = "x";
	expect_line(&info, NULL, -EINVAL, "config_size is 0");
	info.config = NULL;
	info.config_writable = "x";
	expect_line(&info, NULL, -EINVAL, "config_size is 0");
}

static void counters_say_how_far_they_were_filled(void **state)
{
	struct {
		struct vu_queue_counters known;
		uint64_t future[2];
	} c;
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	rig_roundtrip(&rig, 0, 3);
	memset(&c, 0xee, sizeof(c));
	c.known.size = sizeof(c);
	assert_ok(vu_queue_counters(rig.queues[0].queue, &c.known));
	assert_int_equal(c.known.size, sizeof(c.known));
	assert_int_equal(c.known.requests, 3);
	assert_int_equal(c.future[0] | c.future[1], 0);
	/* An older program's is not written beyond. */
	memset(&c, 0xee, sizeof(c));
	c.known.size = sizeof(c.known);
	assert_ok(vu_queue_counters(rig.queues[0].queue, &c.known));
	assert_true(c.future[0] == UINT64_C(0xeeeeeeeeeeeeeeee));
	c.known.size = SIZE_MAX;
	assert_int_equal(vu_queue_counters(rig.queues[0].queue, &c.known), -EINVAL);
	rig_close(&rig);
}

static void a_completion_that_is_too_long_is_told_of(void **state)
{
	const struct rig_config debug = {.device = {.flags = VU_DEVICE_DEBUG}};
	uint64_t written = RIG_BYTES + 2;
	struct rig rig;

	(void)state;
	rig_open(&rig, &debug);
	rig_hold(&rig, 0, 1);
	assert_int_equal(vu_req_complete(rig.queues[0].held[0], RIG_BYTES + 1), -ERANGE);
	rig_expect_errors(&rig,
			  "queue 0: vu_req_complete() of 65 bytes, but the request has room "
			  "for 64",
			  1);
	assert_int_equal(vu_req_complete_remote(rig.queues[0].held[0], RIG_BYTES + 1), -ERANGE);
	rig_expect_errors(&rig, "vu_req_complete_remote() of 65 bytes", 1);
	assert_int_equal(
		vu_queue_complete_batch(rig.queues[0].queue, rig.queues[0].held, &written, 1),
		-ERANGE);
	rig_expect_errors(&rig, "of 66 bytes", 1);
	rig_complete_held(&rig, 0);
	rig_wait_used(&rig, 0, 1);
	rig_close(&rig);
}

/* Also where it and what is readable make a small sum: 64 bits wrap. */
static void no_completion_is_too_long_to_be_refused(void **state)
{
	for (int packed = 0; packed < 2; packed++) {
		const struct rig_config config = {.peer = {.packed = packed}};
		const uint64_t past_all = 0, past_32_bits = UINT64_C(1) << 32;
		struct rig rig;

		(void)state;
		rig_open(&rig, &config);
		rig_hold(&rig, 0, 1);
		assert_int_equal(rig.queues[0].held[0]->readable_len, RIG_BYTES);
		for (uint64_t i = 0; i <= 2 * RIG_BYTES; i++) {
			const uint64_t few = past_all - 1 - i, more = past_32_bits + i;
			struct vu_req *req = rig.queues[0].held[0];

			assert_int_equal(vu_req_complete(req, few), -ERANGE);
			assert_int_equal(vu_req_complete(req, more), -ERANGE);
			assert_int_equal(
				vu_queue_complete_batch(rig.queues[0].queue, &req, &few, 1),
				-ERANGE);
		}
		rig_complete_held(&rig, 0);
		rig_wait_used(&rig, 0, 1);
		rig_close(&rig);
	}
}

static void a_device_that_refuses_to_start_is_not_stopped(void **state)
{
	struct rig rig;

	(void)state;
	rig_make(&rig, NULL);
	rig.started_result = -EIO;
	rig_connect(&rig);
	assert_true(peer_start(rig.peer) != 0);
	rig_pump(&rig);
	rig_expect_errors(&rig, "refused to start", 1);
	assert_int_equal(rig.started, 1);
	assert_int_equal(rig.stopped, 0);
	assert_int_equal(rig.ended, 1);
	rig.started = rig.started_result = 0;
	rig_start(&rig);
	rig_roundtrip(&rig, 0, 1);
	rig_close(&rig);
}

/* *state: the front-end is gone, instead of stopping it. */
static void each_ring_that_ends_is_told_so_once(void **state)
{
	struct rig rig;

	rig_open(&rig, NULL);
	rig_roundtrip(&rig, 0, 2);
	if (!*state)
		assert_ok(peer_stop(rig.peer));
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	for (int q = 0; q < 2; q++)
		assert_int_equal(rig.queues[q].stops, 1);
	rig_close(&rig);
}

static void a_session_that_has_ended_has_no_features(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	assert_true(vu_device_features(rig.dev) != 0);
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	assert_int_equal(vu_device_features(rig.dev), 0);
	rig_close(&rig);
}

/* Its request still names the old memory when that turns out to be cut off. */
static void a_fault_in_memory_of_an_old_session_does_not_end_the_next(void **state)
{
	struct rig rig;

	(void)state;
	rig_open(&rig, NULL);
	rig_hold(&rig, 0, 1);
	peer_disconnect(rig.peer);
	rig_pump(&rig);
	assert_int_equal(vu_device_fault(rig.dev, rig.queues[0].held[0]->readable[0].iov_base), 1);
	rig.mode = RIG_SERVE;
	rig_connect(&rig);
	rig_pump(&rig);
	assert_ok(peer_start(rig.peer));
	assert_ok(vu_req_complete(rig.queues[0].held[0], 0));
	rig_wait_used(&rig, 0, 1);
	assert_int_equal(rig.reported, 1);
	rig_close(&rig);
}

static void calls_that_cannot_be_are_refused_and_change_nothing(void **state)
{
	const struct rig_config config = {.device = {.config_size = 4, .config = "abcd"}};
	char bytes[4] = "";
	struct iovec two[2] = {{bytes, 2}, {bytes + 2, 2}}, out[2];
	struct vu_source *source = NULL;
	struct rig rig;

	(void)state;
	rig_open(&rig, &config);
	assert_int_equal(vu_config_get(rig.dev, 2, bytes, 3), -ERANGE);
	assert_int_equal(vu_config_set(rig.dev, 5, "", 0), -ERANGE);
	assert_ok(vu_config_set(rig.dev, 4, "", 0));
	assert_ok(vu_config_get(rig.dev, 0, bytes, 4));
	assert_memory_equal(bytes, "abcd", 4);
	assert_int_equal(vu_iov_slice(two, 2, 1, 3, out, 1), -ENOSPC);
	assert_int_equal(vu_iov_slice(two, 2, 1, 3, out, 2), 2);
	assert_int_equal(vu_iov_slice(two, 2, 1, 4, out, 2), -ERANGE);
	assert_int_equal(vu_group_add_timer(vu_device_group(rig.dev), NULL, &rig, &source),
			 -EINVAL);
	assert_int_equal(vu_group_add_fd(vu_device_group(rig.dev), 0, EPOLLIN, NULL, &rig, &source),
			 -EINVAL);
	assert_int_equal(vu_group_add_poll(vu_device_group(rig.dev), NULL, &rig, &source), -EINVAL);
	assert_null(source);
	rig_hold(&rig, 0, 1);
	assert_ok(vu_req_complete_remote(rig.queues[0].held[0], RIG_BYTES));
	assert_int_equal(vu_req_complete_remote(rig.queues[0].held[0], RIG_BYTES), -EINVAL);
	rig_expect_errors(&rig, "vu_req_complete_remote() twice on one request", 1);
	rig.queues[0].n_held = 0;
	rig_pump(&rig);
	assert_int_equal(vu_queue_outstanding(rig.queues[0].queue), 0);
	rig_close(&rig);
}

int main(void)
{
	static bool yes = true;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_struct_of_a_wrong_size_is_named),
		cmocka_unit_test(a_device_that_cannot_be_is_refused_with_its_reason),
		cmocka_unit_test(a_queue_is_configured_before_the_session_within_limits),
		cmocka_unit_test(a_socket_of_datagrams_is_no_front_end),
		cmocka_unit_test(a_queue_may_want_room_of_its_own),
		cmocka_unit_test(a_struct_of_a_wrong_size_around_devices_is_named),
		cmocka_unit_test(a_size_that_nobody_set_is_named_on_standard_error),
		cmocka_unit_test(a_configuration_without_a_size_is_refused),
		cmocka_unit_test(counters_say_how_far_they_were_filled),
		cmocka_unit_test(a_completion_that_is_too_long_is_told_of),
		cmocka_unit_test(no_completion_is_too_long_to_be_refused),
		cmocka_unit_test(a_device_that_refuses_to_start_is_not_stopped),
		{"each_ring_that_is_stopped_is_told_so_once", each_ring_that_ends_is_told_so_once,
		 NULL, NULL, NULL},
		{"each_ring_of_a_lost_session_is_told_so_once", each_ring_that_ends_is_told_so_once,
		 NULL, NULL, &yes},
		cmocka_unit_test(a_session_that_has_ended_has_no_features),
		cmocka_unit_test(calls_that_cannot_be_are_refused_and_change_nothing),
		cmocka_unit_test(a_fault_in_memory_of_an_old_session_does_not_end_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
