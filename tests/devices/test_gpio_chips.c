/* SPDX-License-Identifier: MIT */
/*
 * vu-gpio on lines of a real chip, whose name VU_GPIO_CHIP has.  It must be as tests/guest/gpio.py
 * makes it, in a guest: 8 lines, 0 "drive", 1 "sense" which is wired to it, 3 "spare".
 */
#include "gpio.h"

#include <stdio.h>
#include <stdlib.h>

const char *const rig_program = "VU_GPIO";

enum { DRIVE, SENSE };

static void start(struct rig *rig, const char *lines, const char *more)
{
	char option[64], other[64];
	const char *args[] = {option, more ? other : NULL, NULL};

	snprintf(option, sizeof(option), "--chip=%s%s", getenv("VU_GPIO_CHIP"), lines);
	if (more)
		snprintf(other, sizeof(other), "--chip=%s%s", getenv("VU_GPIO_CHIP"), more);
	rig->config.n_queues = 2;
	rig_start(rig, args);
}

static void expect_names(struct rig *rig, const char *want, uint32_t size, uint32_t lines)
{
	const struct virtio_gpio_request request = {htole16(VIRTIO_GPIO_MSG_GET_NAMES), 0, 0};
	struct virtio_gpio_config config;
	char got[100];

	rig_get_config(rig, 0, &config, sizeof(config));
	assert_int_equal(le16toh(config.ngpio), lines);
	assert_int_equal(le32toh(config.gpio_names_size), size);
	assert_int_equal(rig_ask(rig, REQUESTQ, &request, sizeof(request), got, 1 + size),
			 1 + size);
	assert_int_equal(got[0], VIRTIO_GPIO_STATUS_OK);
	assert_memory_equal(got + 1, want, size);
}

static void a_device_has_a_chips_lines_and_names(void **state)
{
	struct rig *rig = *state;

	start(rig, "", NULL);
	expect_names(rig, "drive\0sense\0\0spare\0\0\0\0\0", 23, 8);
	rig_stop(rig);
}

static void a_device_may_have_some_lines_of_several_chips(void **state)
{
	struct rig *rig = *state;

	start(rig, ":sense,5-6,0", ":3,sense");
	/* A name is there once. */
	expect_names(rig, "sense\0\0\0drive\0spare\0\0", 21, 6);
	rig_stop(rig);
}

static void chips_and_lines_that_are_not_there_are_refused(void **state)
{
	/* Behind the chip's name, or (not with a colon) in its place. */
	static const char *const specs[] = {":8", ":6-8",    ":3-2",  ":nothing",  ":0,,1",
					    ":",  "no-chip", "99999", "/dev/null", "no:1"};
	struct rig *rig = *state;
	char name[64], option[128];
	const char *argv[] = {getenv(rig_program), "--socket-path", rig->socket, option, NULL};

	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", *specs[i] == ':' ? getenv("VU_GPIO_CHIP") : "",
			 specs[i]);
		snprintf(option, sizeof(option), "--chip=%s", name);
		spawn_run(&rig->program, argv);
		if (rig->program.status != 1 || !strstr(rig->program.err, name))
			fail_msg("%s: status %d, %s", option, rig->program.status,
				 rig->program.err);
		spawn_free(&rig->program);
	}
	memset(&rig->program, 0, sizeof(rig->program));
}

static void values_go_out_and_come_in(void **state)
{
	struct rig *rig = *state;

	start(rig, "", NULL);
	assert_int_equal(gpio_set_direction(rig, SENSE, IN), 0);
	assert_int_equal(gpio_direction(rig, SENSE), IN);
	assert_int_equal(gpio_value(rig, SENSE), 0);
	/* What is set before is what the output begins with. */
	assert_int_equal(gpio_set_value(rig, DRIVE, 1), 0);
	assert_int_equal(gpio_value(rig, SENSE), 0);
	assert_int_equal(gpio_set_direction(rig, DRIVE, OUT), 0);
	assert_int_equal(gpio_value(rig, SENSE), 1);
	assert_int_equal(gpio_value(rig, DRIVE), 1);
	assert_int_equal(gpio_set_value(rig, DRIVE, 0), 0);
	assert_int_equal(gpio_value(rig, SENSE), 0);
	assert_int_equal(gpio_set_value(rig, DRIVE, 1), 0);
	/* A line need not be in use to be looked at. */
	assert_int_equal(gpio_set_direction(rig, SENSE, NONE), 0);
	assert_int_equal(gpio_value(rig, SENSE), 1);
	assert_int_equal(gpio_direction(rig, SENSE), NONE);
	assert_int_equal(gpio_set_direction(rig, DRIVE, IN), 0);
	assert_int_equal(gpio_value(rig, SENSE), 0);
	rig_stop(rig);
}

static void edges_interrupt(void **state)
{
	struct rig *rig = *state;
	struct gpio_event event;

	start(rig, "", NULL);
	assert_int_equal(gpio_set_direction(rig, SENSE, IN), 0);
	assert_int_equal(gpio_set_direction(rig, DRIVE, OUT), 0);
	assert_int_equal(gpio_irq_type(rig, SENSE, BOTH), 0);
	for (uint32_t i = 1; i <= 20; i++) {
		gpio_unmask(rig, &event, SENSE);
		assert_int_equal(gpio_set_value(rig, DRIVE, i % 2), 0);
		assert_int_equal(gpio_wait(rig, &event), VALID);
		assert_int_equal(gpio_value(rig, SENSE), i % 2);
	}
	for (int type = RISING; type <= FALLING; type++) {
		assert_int_equal(gpio_irq_type(rig, SENSE, IRQ_NONE), 0);
		assert_int_equal(gpio_set_value(rig, DRIVE, type == FALLING), 0);
		assert_int_equal(gpio_irq_type(rig, SENSE, (uint32_t)type), 0);
		/* It is latched, so the buffer may come later. */
		assert_int_equal(gpio_set_value(rig, DRIVE, type == RISING), 0);
		gpio_unmask(rig, &event, SENSE);
		assert_int_equal(gpio_wait(rig, &event), VALID);
	}
	rig_stop(rig);
}

static void levels_interrupt_as_long_as_they_last(void **state)
{
	struct rig *rig = *state;
	struct gpio_event event;

	start(rig, "", NULL);
	assert_int_equal(gpio_set_direction(rig, SENSE, IN), 0);
	assert_int_equal(gpio_set_direction(rig, DRIVE, OUT), 0);
	assert_int_equal(gpio_irq_type(rig, SENSE, HIGH), 0);
	gpio_unmask(rig, &event, SENSE);
	assert_int_equal(gpio_set_value(rig, DRIVE, 1), 0);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(gpio_wait(rig, &event), VALID);
		gpio_unmask(rig, &event, SENSE);
	}
	assert_int_equal(gpio_wait(rig, &event), VALID);
	assert_int_equal(gpio_set_value(rig, DRIVE, 0), 0);
	gpio_unmask(rig, &event, SENSE);
	rig_expect_nothing(rig, EVENTQ);
	/* And the other level when the type changes, though nothing moves. */
	assert_int_equal(gpio_irq_type(rig, SENSE, LOW), 0);
	assert_int_equal(gpio_wait(rig, &event), VALID);
	rig_stop(rig);
}

static void stopping_and_disabling_give_buffers_back(void **state)
{
	struct rig *rig = *state;
	struct gpio_event event;

	start(rig, "", NULL);
	assert_int_equal(gpio_set_direction(rig, SENSE, IN), 0);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(gpio_irq_type(rig, SENSE, BOTH), 0);
		gpio_unmask(rig, &event, SENSE);
		rig_expect_nothing(rig, EVENTQ);
		assert_int_equal(gpio_irq_type(rig, SENSE, IRQ_NONE), 0);
		assert_int_equal(gpio_collect(rig, &event), INVALID);
	}
	assert_int_equal(gpio_irq_type(rig, SENSE, BOTH), 0);
	gpio_unmask(rig, &event, SENSE);
	rig_expect_nothing(rig, EVENTQ);
	rig_check(rig, peer_stop(rig->peer));
	assert_int_equal(gpio_collect(rig, &event), INVALID);
	rig_stop(rig);
}

static void a_line_belongs_to_one_user_at_a_time(void **state)
{
	struct rig *rig = *state, *other;
	void *second;

	assert_int_equal(rig_setup(&second), 0);
	other = second;
	start(rig, ":0-3", NULL);
	start(other, ":3,0", NULL);
	assert_int_equal(gpio_set_direction(rig, 3, IN), 0);
	assert_int_equal(gpio_set_direction(other, 0, OUT), REFUSED);
	assert_int_equal(gpio_direction(other, 0), NONE);
	assert_int_equal(gpio_irq_type(other, 0, RISING), REFUSED);
	assert_int_equal(gpio_value(other, 0), REFUSED);
	assert_int_equal(gpio_set_direction(rig, 3, NONE), 0);
	assert_int_equal(gpio_set_direction(other, 0, OUT), 0);
	assert_int_equal(gpio_set_direction(rig, 3, IN), REFUSED);
	rig_stop(other); /* gone, and so is what it had */
	assert_int_equal(gpio_set_direction(rig, 3, IN), 0);
	rig_stop(rig);
	assert_int_equal(rig_teardown(&second), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_device_has_a_chips_lines_and_names),
		TEST(a_device_may_have_some_lines_of_several_chips),
		TEST(chips_and_lines_that_are_not_there_are_refused),
		TEST(values_go_out_and_come_in),
		TEST(edges_interrupt),
		TEST(levels_interrupt_as_long_as_they_last),
		TEST(stopping_and_disabling_give_buffers_back),
		TEST(a_line_belongs_to_one_user_at_a_time),
	};

	if (!getenv("VU_GPIO_CHIP")) {
		puts("VU_GPIO_CHIP does not name a chip");
		return 77;
	}
	return cmocka_run_group_tests_name("gpio_chips", tests, NULL, NULL);
}
