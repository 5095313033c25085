/* SPDX-License-Identifier: MIT */
/* vu-template through real rings: what a driver does, and what no driver should do. */
#include "rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const rig_program = "VU_TEMPLATE";

enum { GIVE, TAKE, MAX_PAGES = 1024 };

struct template_config {
	uint32_t target;
	uint32_t actual;
};

static void start(struct rig *rig, const char *option)
{
	char control[RIG_PATH + 16];
	const char *args[] = {control, option, NULL};

	snprintf(control, sizeof(control), "--control=%s", rig->control);
	rig->config.n_queues = 2;
	rig_start(rig, args);
}

static struct template_config get_config(struct rig *rig)
{
	struct template_config config;

	rig_get_config(rig, 0, &config, sizeof(config));
	return (struct template_config){le32toh(config.target), le32toh(config.actual)};
}

static void expect_config(struct rig *rig, uint32_t target, uint32_t actual)
{
	struct template_config config = get_config(rig);

	assert_int_equal(config.target, target);
	assert_int_equal(config.actual, actual);
}

/* The device says so to the driver. */
static void expect_change(struct rig *rig)
{
	struct frontend_msg msg;

	rig_check(rig, frontend_expect_backend(&rig->peer->frontend, WIRE_BACKEND_CONFIG_CHANGE_MSG,
					       &msg));
	frontend_msg_close_fds(&msg);
}

static uint32_t hand_over(struct rig *rig, uint32_t queue, uint32_t bytes)
{
	unsigned char pages[MAX_PAGES * 4 + 8] = {0};

	return rig_ask(rig, queue, pages, bytes, NULL, 0);
}

static void go_to_and_fro(struct rig *rig)
{
	uint32_t actual = htole32(300);

	start(rig, NULL);
	expect_config(rig, 0, 0);
	assert_string_equal(rig_say(rig, "target 300"), "target 300 actual 0 given 0 taken 0");
	expect_change(rig);
	expect_config(rig, 300, 0);
	assert_int_equal(hand_over(rig, GIVE, 256 * 4), 0);
	assert_int_equal(hand_over(rig, GIVE, 44 * 4), 0);
	rig_set_config(rig, offsetof(struct template_config, actual), &actual, sizeof(actual));
	assert_string_equal(rig_hear(rig), "actual 300");
	assert_int_equal(hand_over(rig, TAKE, 4), 0);
	assert_string_equal(rig_say(rig, "target"), "target 300 actual 300 given 300 taken 1");
	rig_stop(rig);
}

static void pages_go_to_and_fro_and_are_counted(void **state)
{
	go_to_and_fro(*state);
}

static void pages_of_a_legacy_driver_go_to_and_fro_too(void **state)
{
	struct rig *rig = *state;

	rig->config.features = UINT32_MAX;
	go_to_and_fro(rig);
}

static void packed_rings_do_as_well(void **state)
{
	struct rig *rig = *state;

	rig->config.packed = true;
	start(rig, NULL);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(hand_over(rig, i % 2 ? TAKE : GIVE, 8), 0);
	assert_string_equal(rig_say(rig, "target"), "target 0 actual 0 given 1000 taken 1000");
	rig_stop(rig);
}

static void only_actual_can_be_written(void **state)
{
	struct rig *rig = *state;
	struct template_config all = {htole32(7), htole32(8)};

	start(rig, NULL);
	/* As QEMU does: the whole space, of which one field counts. */
	rig_set_config(rig, 0, &all, sizeof(all));
	expect_config(rig, 0, 8);
	assert_true(frontend_set_config(&rig->peer->frontend, 0, &all, 4, 0) < 0);
	expect_config(rig, 0, 8);
	assert_string_equal(rig_say_refused(rig, "target 4G"), "Numerical result out of range");
	assert_string_equal(rig_say_refused(rig, "target many"), "Invalid argument");
	expect_config(rig, 0, 8);
	rig_stop(rig);
}

static void each_byte_of_the_events_asks_for_a_page(void **state)
{
	struct rig *rig = *state;
	const char *path = rig_file(rig, "events", NULL);
	char option[RIG_PATH + 16];
	int fd;

	assert_return_code(mkfifo(path, 0600), errno);
	snprintf(option, sizeof(option), "--events=%s", path);
	start(rig, option);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "xxx", 3), 3);
	expect_change(rig);
	expect_config(rig, 3, 0);
	close(fd);
	rig_stop(rig);
}

/* Each is answered, none is counted, and the next good one is. */
static void what_is_no_list_of_page_numbers_is_not_counted(void **state)
{
	static const uint32_t sizes[] = {1, 3, 5, 4095, MAX_PAGES * 4 + 1, MAX_PAGES * 4 + 4};
	struct rig *rig = *state;
	unsigned char untouched[64];

	start(rig, NULL);
	for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_int_equal(hand_over(rig, GIVE, sizes[i]), 0);
	assert_int_equal(rig_ask(rig, TAKE, NULL, 0, untouched, sizeof(untouched)), 0);
	for (uint32_t i = 0; i < sizeof(untouched); i++)
		assert_int_equal(untouched[i], RIG_UNTOUCHED);
	assert_string_equal(rig_say(rig, "target"), "target 0 actual 0 given 0 taken 0");
	assert_int_equal(hand_over(rig, GIVE, MAX_PAGES * 4), 0);
	assert_string_equal(rig_say(rig, "target"), "target 0 actual 0 given 1024 taken 0");
	rig_stop(rig);
}

static void a_list_may_lie_in_single_bytes(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer pages;
	struct driver_seg segs[64];

	start(rig, NULL);
	rig_buffer(rig, &pages, 64);
	for (uint32_t i = 0; i < 64; i++) {
		segs[i] = rig_read_seg(&pages, 1);
		segs[i].gpa += i;
	}
	assert_int_equal(rig_do(rig, GIVE, segs, 64), 0);
	assert_string_equal(rig_say(rig, "target"), "target 0 actual 0 given 16 taken 0");
	rig_stop(rig);
}

static void requests_wait_as_long_as_was_asked_for(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer pages;
	struct driver_seg seg;

	start(rig, "--delay-ms=1");
	rig_buffer(rig, &pages, 8);
	seg = rig_read_seg(&pages, 8);
	for (int i = 0; i < 3; i++) { /* the timer runs each time anew */
		rig_offer(rig, GIVE, &seg, 1, &seg);
		rig_offer(rig, TAKE, &seg, 1, rig);
		assert_ptr_equal(rig_wait(rig, GIVE, NULL), &seg);
		assert_ptr_equal(rig_wait(rig, TAKE, NULL), rig);
	}
	assert_string_equal(rig_say(rig, "target"), "target 0 actual 0 given 6 taken 6");
	rig_stop(rig);
}

static void a_stop_does_not_wait_for_the_timer(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer pages;
	struct driver_seg seg;

	start(rig, "--delay-ms=60000");
	rig_buffer(rig, &pages, 8);
	seg = rig_read_seg(&pages, 8);
	rig_offer(rig, GIVE, &seg, 1, &seg);
	rig_offer(rig, GIVE, &seg, 1, rig);
	rig_expect_nothing(rig, GIVE);
	rig_check(rig, peer_stop(rig->peer));
	assert_ptr_equal(rig_wait(rig, GIVE, NULL), &seg);
	assert_ptr_equal(rig_wait(rig, GIVE, NULL), rig);
	rig_stop(rig);
}

static void a_new_driver_does_not_wait_for_what_the_last_one_left(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer pages;
	struct driver_seg seg;

	start(rig, "--delay-ms=60000");
	rig_buffer(rig, &pages, 8);
	seg = rig_read_seg(&pages, 8);
	rig_offer(rig, GIVE, &seg, 1, rig);
	rig_expect_nothing(rig, GIVE);
	rig_connect(rig);
	rig_buffer(rig, &pages, 8);
	seg = rig_read_seg(&pages, 8);
	rig_offer(rig, GIVE, &seg, 1, rig);
	rig_expect_nothing(rig, GIVE);
	rig_check(rig, peer_stop(rig->peer));
	assert_ptr_equal(rig_wait(rig, GIVE, NULL), rig);
	rig_stop(rig);
}

static void what_it_counted_moves_to_another_host(void **state)
{
	struct rig *rig = *state;
	uint32_t actual = htole32(300);
	void *bytes;
	size_t len;

	start(rig, NULL);
	rig_say(rig, "target 300");
	expect_change(rig);
	hand_over(rig, GIVE, 256 * 4);
	hand_over(rig, TAKE, 4);
	rig_set_config(rig, offsetof(struct template_config, actual), &actual, sizeof(actual));
	rig_check(rig, peer_stop(rig->peer));
	rig_check(rig, frontend_save_state(&rig->peer->frontend, &bytes, &len));
	rig_stop(rig);
	start(rig, NULL);
	expect_config(rig, 0, 0);
	rig_check(rig, peer_stop(rig->peer));
	rig_check(rig, frontend_load_state(&rig->peer->frontend, bytes, len));
	expect_config(rig, 300, 300);
	assert_string_equal(rig_say(rig, "target"), "target 300 actual 300 given 256 taken 1");
	/* A number that none can be. */
	((unsigned char *)bytes)[24 + 16 + 7] = 1;
	assert_int_equal(frontend_load_state(&rig->peer->frontend, bytes, len), -EREMOTEIO);
	expect_config(rig, 300, 300);
	rig_stop(rig);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pages_go_to_and_fro_and_are_counted),
		TEST(pages_of_a_legacy_driver_go_to_and_fro_too),
		TEST(packed_rings_do_as_well),
		TEST(only_actual_can_be_written),
		TEST(each_byte_of_the_events_asks_for_a_page),
		TEST(what_is_no_list_of_page_numbers_is_not_counted),
		TEST(a_list_may_lie_in_single_bytes),
		TEST(requests_wait_as_long_as_was_asked_for),
		TEST(a_stop_does_not_wait_for_the_timer),
		TEST(a_new_driver_does_not_wait_for_what_the_last_one_left),
		TEST(what_it_counted_moves_to_another_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
