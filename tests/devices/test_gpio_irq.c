/* SPDX-License-Identifier: MIT */
/* vu-gpio: interrupts, from enabling to every way in which a buffer comes back. */
#include "gpio.h"

#include <libvu/types.h>
#include <stdio.h>

const char *const rig_program = "VU_GPIO";

/* Line 0 of a device is an input with an interrupt of this type. */
static void start(struct rig *rig, bool packed, int type)
{
	gpio_start(rig, packed, NULL);
	assert_int_equal(gpio_set_direction(rig, 0, IN), 0);
	assert_int_equal(gpio_irq_type(rig, 0, (uint32_t)type), 0);
}

static void each_type_has_its_edges(void **state)
{
	static const struct {
		int type;
		bool rising, falling;
	} cases[] = {{RISING, true, false}, {FALLING, false, true}, {BOTH, true, true}};
	struct rig *rig = *state;
	struct gpio_event event;

	for (int i = 0; i < 3; i++) {
		start(rig, i == 1, cases[i].type);
		gpio_unmask(rig, &event, 0);
		rig_expect_nothing(rig, EVENTQ);
		rig_say(rig, "set 0 1");
		if (cases[i].rising) {
			assert_int_equal(gpio_wait(rig, &event), VALID);
			gpio_unmask(rig, &event, 0);
		}
		rig_expect_nothing(rig, EVENTQ);
		rig_say(rig, "set 0 1"); /* no edge */
		rig_expect_nothing(rig, EVENTQ);
		rig_say(rig, "set 0 0");
		if (cases[i].falling)
			assert_int_equal(gpio_wait(rig, &event), VALID);
		else
			rig_expect_nothing(rig, EVENTQ);
		rig_stop(rig);
	}
}

static void edges_are_latched_as_one_while_masked(void **state)
{
	struct rig *rig = *state;
	struct gpio_event event;

	for (int packed = 0; packed <= 1; packed++) {
		start(rig, packed, BOTH);
		rig_say(rig, "pulse 0");
		rig_say(rig, "pulse 0");
		rig_expect_nothing(rig, EVENTQ);
		gpio_unmask(rig, &event, 0);
		assert_int_equal(gpio_wait(rig, &event), VALID);
		gpio_unmask(rig, &event, 0);
		rig_expect_nothing(rig, EVENTQ);
		rig_say(rig, "pulse 0"); /* one comes now, the other one is latched */
		assert_int_equal(gpio_wait(rig, &event), VALID);
		rig_expect_nothing(rig, EVENTQ);
		gpio_unmask(rig, &event, 0);
		assert_int_equal(gpio_wait(rig, &event), VALID);
		rig_stop(rig);
	}
}

static void edges_before_enabling_do_not_count(void **state)
{
	struct rig *rig = *state;
	struct gpio_event event;

	gpio_start(rig, false, NULL);
	assert_int_equal(gpio_set_direction(rig, 0, IN), 0);
	rig_say(rig, "pulse 0");
	assert_int_equal(gpio_irq_type(rig, 0, RISING), 0);
	gpio_unmask(rig, &event, 0);
	rig_expect_nothing(rig, EVENTQ);
	rig_say(rig, "pulse 0");
	assert_int_equal(gpio_wait(rig, &event), VALID);
	rig_stop(rig);
}

static void a_level_interrupts_as_long_as_it_lasts(void **state)
{
	struct rig *rig = *state;
	struct gpio_event event;

	for (int type = HIGH; type <= LOW; type += LOW - HIGH) {
		const char *on = type == HIGH ? "set 0 1" : "set 0 0";
		const char *off = type == HIGH ? "set 0 0" : "set 0 1";

		gpio_start(rig, type == LOW, NULL);
		rig_say(rig, off);
		assert_int_equal(gpio_set_direction(rig, 0, IN), 0);
		assert_int_equal(gpio_irq_type(rig, 0, (uint32_t)type), 0);
		gpio_unmask(rig, &event, 0);
		rig_expect_nothing(rig, EVENTQ);
		rig_say(rig, on);
		assert_int_equal(gpio_wait(rig, &event), VALID);
		gpio_unmask(rig, &event, 0);
		assert_int_equal(gpio_wait(rig, &event), VALID);
		/* What is over before the interrupt is unmasked was not latched. */
		rig_say(rig, off);
		gpio_unmask(rig, &event, 0);
		rig_expect_nothing(rig, EVENTQ);
		rig_stop(rig);
	}
}

static void a_level_that_is_there_interrupts_when_enabled(void **state)
{
	struct rig *rig = *state;
	struct gpio_event event;

	start(rig, false, RISING);
	rig_say(rig, "set 0 1");
	gpio_unmask(rig, &event, 0);
	assert_int_equal(gpio_wait(rig, &event), VALID);
	gpio_unmask(rig, &event, 0);
	rig_expect_nothing(rig, EVENTQ);
	/* Linux changes the type without disabling it first. */
	assert_int_equal(gpio_irq_type(rig, 0, HIGH), 0);
	assert_int_equal(gpio_wait(rig, &event), VALID);
	rig_stop(rig);
}

static void disabling_gives_the_buffer_back_before_its_answer(void **state)
{
	struct rig *rig = *state;
	struct gpio_event event;

	for (int packed = 0; packed <= 1; packed++) {
		start(rig, packed, BOTH);
		for (int i = 0; i < 20; i++) {
			gpio_unmask(rig, &event, 0);
			rig_expect_nothing(rig, EVENTQ);
			assert_int_equal(gpio_irq_type(rig, 0, IRQ_NONE), 0);
			assert_int_equal(gpio_collect(rig, &event), INVALID);
			assert_int_equal(gpio_irq_type(rig, 0, BOTH), 0);
		}
		rig_stop(rig);
	}
}

static void disabling_forgets_what_was_latched(void **state)
{
	struct rig *rig = *state;
	struct gpio_event event;

	start(rig, false, BOTH);
	rig_say(rig, "pulse 0");
	assert_int_equal(gpio_irq_type(rig, 0, IRQ_NONE), 0);
	rig_say(rig, "pulse 0");
	assert_int_equal(gpio_irq_type(rig, 0, BOTH), 0);
	gpio_unmask(rig, &event, 0);
	rig_expect_nothing(rig, EVENTQ);
	/* Giving the line up disables it, too. */
	assert_int_equal(gpio_set_direction(rig, 0, NONE), 0);
	assert_int_equal(gpio_collect(rig, &event), INVALID);
	assert_string_equal(rig_say(rig, "get 0"), "0 - none 0");
	rig_stop(rig);
}

static void a_buffer_of_a_disabled_interrupt_comes_back(void **state)
{
	struct rig *rig = *state;
	struct gpio_event event;

	gpio_start(rig, false, NULL);
	rig_say(rig, "set 2 1");
	for (int i = 0; i < 3; i++) {
		gpio_unmask(rig, &event, 2);
		assert_int_equal(gpio_wait(rig, &event), INVALID);
	}
	rig_stop(rig);
}

static void lines_have_interrupts_of_their_own(void **state)
{
	struct rig *rig = *state;
	struct gpio_event events[8];
	char command[16];

	for (int packed = 0; packed <= 1; packed++) {
		gpio_start(rig, packed, NULL);
		for (uint16_t i = 0; i < 8; i++) {
			assert_int_equal(gpio_irq_type(rig, i, i % 2 ? RISING : BOTH), 0);
			gpio_unmask(rig, &events[i], i);
		}
		rig_expect_nothing(rig, EVENTQ);
		for (int i = 7; i >= 0; i--) {
			snprintf(command, sizeof(command), "set %d 1", i);
			rig_say(rig, command);
			assert_int_equal(gpio_wait(rig, &events[i]), VALID);
		}
		rig_stop(rig);
	}
}

/* An output interrupts nobody, and what interrupts is made no output. */
static void outputs_have_no_interrupts(void **state)
{
	struct rig *rig = *state;
	struct gpio_event event;

	gpio_start(rig, false, NULL);
	assert_int_equal(gpio_set_direction(rig, 0, OUT), 0);
	assert_int_equal(gpio_irq_type(rig, 0, RISING), REFUSED);
	assert_int_equal(gpio_irq_type(rig, 0, IRQ_NONE), 0);
	assert_int_equal(gpio_set_direction(rig, 0, IN), 0);
	assert_int_equal(gpio_irq_type(rig, 0, RISING), 0);
	gpio_unmask(rig, &event, 0);
	assert_int_equal(gpio_set_direction(rig, 0, OUT), REFUSED);
	assert_int_equal(gpio_direction(rig, 0), IN);
	rig_say(rig, "set 0 1");
	assert_int_equal(gpio_wait(rig, &event), VALID);
	rig_stop(rig);
}

static void a_second_buffer_for_a_line_comes_back(void **state)
{
	struct rig *rig = *state;
	struct gpio_event first, second;

	start(rig, false, RISING);
	gpio_unmask(rig, &first, 0);
	gpio_unmask(rig, &second, 0);
	assert_int_equal(gpio_wait(rig, &second), INVALID);
	rig_expect_nothing(rig, EVENTQ);
	rig_say(rig, "pulse 0");
	assert_int_equal(gpio_wait(rig, &first), VALID);
	rig_stop(rig);
}

static void buffers_of_a_wrong_shape_come_back(void **state)
{
	static const unsigned char line_0[8];
	struct rig *rig = *state;
	struct gpio_event event;
	unsigned char status;

	for (int packed = 0; packed <= 1; packed++) {
		start(rig, packed, RISING);
		gpio_unmask(rig, &event, 8);
		assert_int_equal(gpio_wait(rig, &event), INVALID);
		gpio_unmask(rig, &event, UINT16_MAX);
		assert_int_equal(gpio_wait(rig, &event), INVALID);
		for (uint32_t len = 0; len <= 8; len++) {
			if (len == sizeof(struct virtio_gpio_irq_request))
				continue;
			status = VALID;
			assert_int_equal(rig_ask(rig, EVENTQ, line_0, len, &status, 1), 1);
			assert_int_equal(status, INVALID);
		}
		assert_int_equal(rig_ask(rig, EVENTQ, line_0, 2, NULL, 0), 0);
		gpio_unmask(rig, &event, 0);
		rig_say(rig, "pulse 0");
		assert_int_equal(gpio_wait(rig, &event), VALID);
		rig_stop(rig);
	}
}

/* The rings go on where they stopped. */
static void resume(struct rig *rig)
{
	for (uint32_t i = 0; i < 2; i++) {
		rig_check(rig, peer_start_queue(rig->peer, i));
		rig_check(rig, frontend_set_vring_enable(&rig->peer->frontend, i, true));
	}
}

static void stopping_gives_every_buffer_back(void **state)
{
	struct rig *rig = *state;
	struct gpio_event events[3];

	for (int packed = 0; packed <= 1; packed++) {
		gpio_start(rig, packed, NULL);
		for (uint16_t i = 0; i < 3; i++) {
			assert_int_equal(gpio_irq_type(rig, i, BOTH), 0);
			gpio_unmask(rig, &events[i], i);
		}
		rig_expect_nothing(rig, EVENTQ);
		rig_check(rig, peer_stop(rig->peer));
		for (int i = 0; i < 3; i++)
			assert_int_equal(gpio_collect(rig, &events[i]), INVALID);
		/* A guest that was paused goes on with what it had, and with what came meanwhile.
		 */
		rig_say(rig, "pulse 1");
		resume(rig);
		gpio_unmask(rig, &events[0], 0);
		rig_expect_nothing(rig, EVENTQ);
		gpio_unmask(rig, &events[1], 1);
		assert_int_equal(gpio_wait(rig, &events[1]), VALID);
		rig_stop(rig);
	}
}

static void a_reset_releases_every_line(void **state)
{
	struct rig *rig = *state;
	struct gpio_event event;

	for (int by_status = 0; by_status <= 1; by_status++) {
		start(rig, false, BOTH);
		assert_int_equal(gpio_set_direction(rig, 1, OUT), 0);
		assert_int_equal(gpio_set_value(rig, 1, 1), 0);
		rig_say(rig, "pulse 0"); /* latched, and to be forgotten */
		if (by_status)
			rig_check(rig, frontend_set_status(&rig->peer->frontend, 0));
		else
			rig_check(rig, frontend_reset_device(&rig->peer->frontend));
		assert_string_equal(rig_say(rig, "get 0 1"), "0 - none 0\n1 - none 0");
		rig_connect(rig);
		assert_int_equal(gpio_irq_type(rig, 0, BOTH), 0);
		gpio_unmask(rig, &event, 0);
		rig_expect_nothing(rig, EVENTQ);
		rig_stop(rig);
	}
}

static void a_pulse_may_take_its_time(void **state)
{
	struct rig *rig = *state;
	struct gpio_event event;

	start(rig, false, FALLING);
	gpio_unmask(rig, &event, 0);
	rig_say(rig, "pulse 0 5");
	assert_int_equal(gpio_wait(rig, &event), VALID);
	assert_string_equal(rig_say(rig, "get 0"), "0 - in 0 falling");
	/* The end of a line's pulse is the one that was asked for last. */
	rig_say(rig, "set 0 1");
	rig_say(rig, "pulse 0 1000000");
	assert_string_equal(rig_say(rig, "get 0"), "0 - in 0 falling");
	gpio_unmask(rig, &event, 0);
	assert_int_equal(gpio_wait(rig, &event), VALID);
	rig_say(rig, "set 0 1");
	rig_say(rig, "pulse 0 1");
	assert_int_equal(gpio_irq_type(rig, 0, RISING), 0);
	rig_stop(rig);
}

static void without_the_feature_there_are_no_interrupts(void **state)
{
	struct rig *rig = *state;
	struct gpio_event event;
	uint64_t features;

	gpio_start(rig, false, NULL);
	rig_check(rig, frontend_get_features(&rig->peer->frontend, &features));
	assert_true(features >> VIRTIO_GPIO_F_IRQ & 1);
	rig->config.features = features & ~(UINT64_C(1) << VIRTIO_GPIO_F_IRQ) &
			       ~(UINT64_C(1) << VU_F_ACCESS_PLATFORM);
	rig_connect(rig);
	assert_int_equal(gpio_irq_type(rig, 0, RISING), REFUSED);
	gpio_unmask(rig, &event, 0);
	assert_int_equal(gpio_wait(rig, &event), INVALID);
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_type_has_its_edges),
		TEST(edges_are_latched_as_one_while_masked),
		TEST(edges_before_enabling_do_not_count),
		TEST(a_level_interrupts_as_long_as_it_lasts),
		TEST(a_level_that_is_there_interrupts_when_enabled),
		TEST(disabling_gives_the_buffer_back_before_its_answer),
		TEST(disabling_forgets_what_was_latched),
		TEST(a_buffer_of_a_disabled_interrupt_comes_back),
		TEST(lines_have_interrupts_of_their_own),
		TEST(outputs_have_no_interrupts),
		TEST(a_second_buffer_for_a_line_comes_back),
		TEST(buffers_of_a_wrong_shape_come_back),
		TEST(stopping_gives_every_buffer_back),
		TEST(a_reset_releases_every_line),
		TEST(a_pulse_may_take_its_time),
		TEST(without_the_feature_there_are_no_interrupts),
	};

	return cmocka_run_group_tests_name("devices_gpio_irq", tests, NULL, NULL);
}
