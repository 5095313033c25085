/* SPDX-License-Identifier: MIT */
/* vu-input with simulated devices: what they are, their events, a guest that is slow or comes back.
 */
#include "input_guest.h"

#include <stdio.h>

#include <libvu/vu.h>

const char *const rig_program = "VU_INPUT";

/* Of a driver without EVENT_IDX and the like. */
static const uint64_t plain = UINT64_C(1) << VU_F_VERSION_1 | UINT64_C(1) << VU_F_PROTOCOL_FEATURES;

static const char touchscreen[] = "# a touchscreen with two slots\n"
				  "name \"Glass of 10 inches\"\n"
				  "serial 0042-17\n"
				  "id BUS_USB 0x1234 0x5678 0x111\n"
				  "has INPUT_PROP_DIRECT BTN_TOUCH LED_NUML..LED_SCROLLL\n"
				  "abs ABS_X 0 4095 4 8 16\n"
				  "abs ABS_Y -100 2047\n"
				  "abs ABS_MT_SLOT 0 1\n"
				  "abs ABS_MT_TRACKING_ID 0 65535\n"
				  "abs ABS_MT_POSITION_X 0 4095\n"
				  "abs ABS_MT_POSITION_Y -100 2047\n";

static void start_keyboard(struct rig *rig)
{
	rig->config.n_queues = 2;
	rig_start(rig, (const char *[]){"--control", rig->control, NULL});
}

static void start_touchscreen(struct rig *rig)
{
	rig->config.n_queues = 2;
	rig_start(rig, (const char *[]){"--control", rig->control, "--simulate",
					rig_file(rig, "touch", touchscreen), NULL});
}

/* --- configuration space --- */

static void the_space_answers_each_selection(void **state)
{
	struct rig *rig = *state;
	struct virtio_input_config c;

	start_touchscreen(rig);
	input_select(rig, VIRTIO_INPUT_CFG_ID_NAME, 0, &c);
	assert_int_equal(c.size, strlen("Glass of 10 inches"));
	assert_memory_equal(c.u.string, "Glass of 10 inches\0", c.size + 1);
	input_select(rig, VIRTIO_INPUT_CFG_ID_SERIAL, 0, &c);
	assert_int_equal(c.size, 7);
	assert_memory_equal(c.u.string, "0042-17\0", 8);
	input_select(rig, VIRTIO_INPUT_CFG_ID_DEVIDS, 0, &c);
	assert_int_equal(c.size, 8);
	assert_int_equal(le16toh(c.u.ids.bustype), BUS_USB);
	assert_int_equal(le16toh(c.u.ids.vendor), 0x1234);
	assert_int_equal(le16toh(c.u.ids.product), 0x5678);
	assert_int_equal(le16toh(c.u.ids.version), 0x111);
	input_select(rig, VIRTIO_INPUT_CFG_PROP_BITS, 0, &c);
	assert_int_equal(c.size, 1);
	assert_int_equal(c.u.bitmap[0], 1 << INPUT_PROP_DIRECT);
	input_select(rig, VIRTIO_INPUT_CFG_EV_BITS, EV_KEY, &c);
	assert_int_equal(c.size, BTN_TOUCH / 8 + 1);
	assert_int_equal(c.u.bitmap[BTN_TOUCH / 8], 1 << BTN_TOUCH % 8);
	assert_int_equal(c.u.bitmap[0], 0);
	input_select(rig, VIRTIO_INPUT_CFG_EV_BITS, EV_LED, &c);
	assert_int_equal(c.size, 1);
	assert_int_equal(c.u.bitmap[0], 7);
	input_select(rig, VIRTIO_INPUT_CFG_ABS_INFO, ABS_X, &c);
	assert_int_equal(c.size, 20);
	assert_int_equal(le32toh(c.u.abs.max), 4095);
	assert_int_equal(le32toh(c.u.abs.fuzz), 4);
	assert_int_equal(le32toh(c.u.abs.flat), 8);
	assert_int_equal(le32toh(c.u.abs.res), 16);
	input_select(rig, VIRTIO_INPUT_CFG_ABS_INFO, ABS_Y, &c);
	assert_int_equal((int32_t)le32toh(c.u.abs.min), -100);
	rig_stop(rig);
}

static void what_is_not_there_has_size_0(void **state)
{
	static const uint8_t selections[][2] = {
		{VIRTIO_INPUT_CFG_UNSET, 0},
		{VIRTIO_INPUT_CFG_ID_NAME, 1},
		{VIRTIO_INPUT_CFG_ID_DEVIDS, 255},
		{VIRTIO_INPUT_CFG_PROP_BITS, 1},
		{VIRTIO_INPUT_CFG_EV_BITS, EV_SYN},
		{VIRTIO_INPUT_CFG_EV_BITS, EV_REL},
		{VIRTIO_INPUT_CFG_EV_BITS, EV_CNT},
		{VIRTIO_INPUT_CFG_EV_BITS, 255},
		{VIRTIO_INPUT_CFG_ABS_INFO, ABS_Z},
		{VIRTIO_INPUT_CFG_ABS_INFO, ABS_CNT},
		{VIRTIO_INPUT_CFG_ABS_INFO, 255},
		{VIRTIO_INPUT_CFG_ABS_INFO + 1, 0},
		{4, 0},
		{255, 255},
	};
	static const uint8_t nothing[128];
	struct rig *rig = *state;
	struct virtio_input_config c;

	start_touchscreen(rig);
	for (size_t i = 0; i < sizeof(selections) / sizeof(selections[0]); i++) {
		input_select(rig, selections[i][0], selections[i][1], &c);
		assert_int_equal(c.size, 0);
		assert_memory_equal(c.u.bitmap, nothing, sizeof(nothing));
	}
	rig_stop(rig);
}

/* As User-mode Linux and other front-ends do it. */
static void the_space_is_read_and_selected_byte_by_byte(void **state)
{
	struct rig *rig = *state;
	uint8_t select = VIRTIO_INPUT_CFG_ID_SERIAL, subsel = 0, size;
	char text[3], beyond[8] = "xxxxxxx";

	start_touchscreen(rig);
	rig_set_config(rig, 0, &select, 1);
	rig_set_config(rig, 1, &subsel, 1);
	rig_get_config(rig, 2, &size, 1);
	assert_int_equal(size, 7);
	rig_get_config(rig, 8 + 5, text, 3);
	assert_memory_equal(text, "17", 3);
	rig_get_config(rig, sizeof(struct virtio_input_config) - 4, beyond, 8);
	assert_memory_equal(beyond, "\0\0\0\0\0\0\0", 8);
	rig_stop(rig);
}

/* --- events --- */

static void expect_typed_aB(struct rig *rig)
{
	input_expect(rig, EV_KEY, KEY_A, 1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	input_expect(rig, EV_KEY, KEY_A, 0);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	input_expect(rig, EV_KEY, KEY_LEFTSHIFT, 1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	input_expect(rig, EV_KEY, KEY_B, 1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	input_expect(rig, EV_KEY, KEY_B, 0);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	input_expect(rig, EV_KEY, KEY_LEFTSHIFT, 0);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
}

static void what_is_typed_arrives(struct rig *rig)
{
	start_keyboard(rig);
	input_give(rig, 64);
	rig_say(rig, "type aB");
	expect_typed_aB(rig);
	rig_say(rig, "tap KEY_LEFTCTRL KEY_C");
	input_expect(rig, EV_KEY, KEY_LEFTCTRL, 1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	input_expect(rig, EV_KEY, KEY_C, 1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	input_expect(rig, EV_KEY, KEY_C, 0);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	input_expect(rig, EV_KEY, KEY_LEFTCTRL, 0);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	rig_say(rig, "key KEY_F1 1");
	rig_say(rig, "event EV_KEY KEY_F1 2");
	rig_say(rig, "event EV_KEY 59 0");
	rig_say(rig, "syn");
	input_expect(rig, EV_KEY, KEY_F1, 1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	input_expect(rig, EV_KEY, KEY_F1, 2);
	input_expect(rig, EV_KEY, KEY_F1, 0);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	rig_expect_nothing(rig, EVENTQ);
	rig_stop(rig);
}

static void what_is_typed_arrives_on_a_split_ring(void **state)
{
	what_is_typed_arrives(*state);
}

static void what_is_typed_arrives_on_a_packed_ring(void **state)
{
	struct rig *rig = *state;

	rig->config.packed = true;
	what_is_typed_arrives(rig);
}

static void what_is_typed_arrives_without_event_idx(void **state)
{
	struct rig *rig = *state;

	rig->config.features = plain;
	what_is_typed_arrives(rig);
}

static void a_finger_is_followed(void **state)
{
	struct rig *rig = *state;

	start_touchscreen(rig);
	input_give(rig, 64);
	rig_say(rig, "touch 0 100 -7");
	input_expect(rig, EV_ABS, ABS_MT_TRACKING_ID, 0);
	input_expect(rig, EV_ABS, ABS_MT_POSITION_X, 100);
	input_expect(rig, EV_ABS, ABS_MT_POSITION_Y, -7);
	input_expect(rig, EV_KEY, BTN_TOUCH, 1);
	input_expect(rig, EV_ABS, ABS_X, 100);
	input_expect(rig, EV_ABS, ABS_Y, -7);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	rig_say(rig, "touch 1 5 6");
	input_expect(rig, EV_ABS, ABS_MT_SLOT, 1);
	input_expect(rig, EV_ABS, ABS_MT_TRACKING_ID, 1);
	input_expect(rig, EV_ABS, ABS_MT_POSITION_X, 5);
	input_expect(rig, EV_ABS, ABS_MT_POSITION_Y, 6);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	rig_say(rig, "lift 1");
	input_expect(rig, EV_ABS, ABS_MT_TRACKING_ID, -1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	rig_say(rig, "lift 0");
	input_expect(rig, EV_ABS, ABS_MT_SLOT, 0);
	input_expect(rig, EV_ABS, ABS_MT_TRACKING_ID, -1);
	input_expect(rig, EV_KEY, BTN_TOUCH, 0);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	rig_stop(rig);
}

/* --- slow guests --- */

static void events_wait_for_buffers_in_their_order(void **state)
{
	struct rig *rig = *state;

	rig->config.queue_size = 4;
	start_keyboard(rig);
	input_give(rig, 3);
	rig_say(rig, "type aB");
	assert_non_null(strstr(rig_say(rig, "state"), "waiting 9"));
	input_expect(rig, EV_KEY, KEY_A, 1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	input_expect(rig, EV_KEY, KEY_A, 0);
	rig_expect_nothing(rig, EVENTQ);
	input_give(rig, 1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	input_give(rig, 4);
	input_expect(rig, EV_KEY, KEY_LEFTSHIFT, 1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	input_expect(rig, EV_KEY, KEY_B, 1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	input_give(rig, 4);
	input_expect(rig, EV_KEY, KEY_B, 0);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	input_expect(rig, EV_KEY, KEY_LEFTSHIFT, 0);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	rig_stop(rig);
}

/* Take so many, four at a time; the next event is the first behind them. */
static uint32_t take_typed(struct rig *rig, uint32_t n)
{
	uint32_t taken = 0;

	while (taken < n) {
		static const struct virtio_input_event cycle[] = {{EV_KEY, KEY_A, 1},
								  {EV_SYN, SYN_REPORT, 0},
								  {EV_KEY, KEY_A, 0},
								  {EV_SYN, SYN_REPORT, 0}};

		input_give(rig, 4);
		for (uint32_t i = 0; i < 4; i++, taken++)
			input_expect(rig, cycle[i].type, cycle[i].code, (int32_t)cycle[i].value);
	}
	return taken;
}

static void a_guest_that_is_too_slow_is_told(struct rig *rig)
{
	char line[2100] = "type ";
	uint64_t dropped;
	const char *answer;

	rig->config.queue_size = 4;
	start_keyboard(rig);
	memset(line + strlen(line), 'a', 1023); /* four events each, 4096 wait at most */
	rig_say(rig, line);
	assert_non_null(strstr(rig_say(rig, "state"), "waiting 4092\ndropped 0"));
	/* Half a packet has room, the other half has not: the whole goes. */
	rig_say(rig, "event EV_KEY KEY_B 1");
	rig_say(rig, "event EV_KEY KEY_C 1");
	rig_say(rig, "event EV_KEY KEY_D 1");
	rig_say(rig, "event EV_KEY KEY_E 1");
	rig_say(rig, "event EV_KEY KEY_F 1");
	assert_string_equal(rig_hear(rig), "dropped: the guest is too slow");
	rig_say(rig, "syn");
	rig_say(rig, "key KEY_C 0");
	answer = rig_say(rig, "state");
	assert_int_equal(sscanf(strstr(answer, "dropped"), "dropped %lu", &dropped), 1);
	assert_int_equal(dropped, 8);

	/* All that was there before, then that something is missing, then what is so. */
	assert_int_equal(take_typed(rig, 4092), 4092);
	input_give(rig, 4);
	input_expect(rig, EV_SYN, SYN_DROPPED, 0);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	input_expect(rig, EV_KEY, KEY_E, 1);
	input_expect(rig, EV_KEY, KEY_D, 1);
	input_give(rig, 3);
	input_expect(rig, EV_KEY, KEY_F, 1);
	input_expect(rig, EV_KEY, KEY_B, 1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	/* And on as if nothing had been. */
	rig_say(rig, "key KEY_B 0");
	input_give(rig, 3);
	input_expect(rig, EV_KEY, KEY_B, 0);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	rig_expect_nothing(rig, EVENTQ);
	rig_stop(rig);
	assert_non_null(strstr(rig->program.err, "SYN_DROPPED"));
}

static void a_guest_that_is_too_slow_is_told_what_is_so(void **state)
{
	a_guest_that_is_too_slow_is_told(*state);
}

static void a_guest_without_event_idx_that_is_too_slow_is_told_what_is_so(void **state)
{
	struct rig *rig = *state;

	rig->config.features = plain;
	a_guest_that_is_too_slow_is_told(rig);
}

/* --- guests that come and go --- */

static void a_new_driver_is_told_what_is_held(void **state)
{
	struct rig *rig = *state;

	rig->config.n_queues = 2;
	rig_spawn(rig, (const char *[]){"--control", rig->control, NULL});
	assert_string_equal(rig_say(rig, "key KEY_A 1"), "no driver is there to take it");
	rig_say(rig, "key KEY_B 1");
	rig_say(rig, "key KEY_B 0");
	rig_connect(rig);
	input_give(rig, 8);
	input_expect(rig, EV_KEY, KEY_A, 1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	rig_expect_nothing(rig, EVENTQ);
	rig_stop(rig);
}

static void what_happened_while_the_guest_stood_still_is_made_good(void **state)
{
	struct rig *rig = *state;

	start_keyboard(rig);
	input_give(rig, 8);
	rig_say(rig, "key KEY_A 1");
	input_expect(rig, EV_KEY, KEY_A, 1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	rig_check(rig, peer_stop(rig->peer));
	rig_say(rig, "key KEY_A 0");
	rig_say(rig, "key KEY_C 1");
	for (uint32_t i = 0; i < 2; i++) {
		rig_check(rig, peer_start_queue(rig->peer, i));
		rig_check(rig, frontend_set_vring_enable(&rig->peer->frontend, i, true));
	}
	input_expect(rig, EV_SYN, SYN_DROPPED, 0);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	input_expect(rig, EV_KEY, KEY_A, 0);
	input_expect(rig, EV_KEY, KEY_C, 1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	rig_stop(rig);
}

static void a_front_end_that_comes_back_goes_on(void **state)
{
	struct rig *rig = *state;

	start_keyboard(rig);
	input_give(rig, 2);
	rig_say(rig, "key KEY_A 1");
	input_expect(rig, EV_KEY, KEY_A, 1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	rig_say(rig, "key KEY_A 0");
	rig_connect(rig);
	input_give(rig, 16);
	/* It never took the release. */
	input_expect(rig, EV_SYN, SYN_DROPPED, 0);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	input_expect(rig, EV_KEY, KEY_A, 0);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	rig_connect(rig);
	input_give(rig, 32);
	rig_expect_nothing(rig, EVENTQ);
	/* What it took is said again: its driver may be a new one. */
	rig_say(rig, "key KEY_C 1");
	input_expect(rig, EV_KEY, KEY_C, 1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	rig_connect(rig);
	input_give(rig, 32);
	input_expect(rig, EV_KEY, KEY_C, 1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	rig_expect_nothing(rig, EVENTQ);
	rig_say(rig, "type aB");
	expect_typed_aB(rig);
	rig_stop(rig);
}

static void every_socket_has_its_own_device(void **state)
{
	struct rig *rig = *state;
	struct peer *second = NULL;
	struct virtio_input_config c;
	uint8_t select = VIRTIO_INPUT_CFG_ID_NAME;
	const char *path = rig_file(rig, "sock2", NULL);

	rig->config.n_queues = 2;
	rig_spawn(rig,
		  (const char *[]){"--socket-path", path, "--simulate",
				   rig_file(rig, "first", "name first\nhas KEY_A\n"), "--simulate",
				   rig_file(rig, "second", "name second\nhas KEY_B\n"), NULL});
	rig_connect(rig);
	input_select(rig, select, 0, &c);
	assert_memory_equal(c.u.string, "first", 6);
	assert_int_equal(peer_new(&rig->config, &second), 0);
	rig_check(rig, peer_connect(second, path));
	rig_check(rig, peer_start(second));
	rig_check(rig, frontend_set_config(&second->frontend, 0, &select, 1, 0));
	rig_check(rig, frontend_get_config(&second->frontend, 0, &c, sizeof(c)));
	assert_memory_equal(c.u.string, "second", 7);
	peer_free(second);
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_space_answers_each_selection),
		TEST(what_is_not_there_has_size_0),
		TEST(the_space_is_read_and_selected_byte_by_byte),
		TEST(what_is_typed_arrives_on_a_split_ring),
		TEST(what_is_typed_arrives_on_a_packed_ring),
		TEST(what_is_typed_arrives_without_event_idx),
		TEST(a_finger_is_followed),
		TEST(events_wait_for_buffers_in_their_order),
		TEST(a_guest_that_is_too_slow_is_told_what_is_so),
		TEST(a_guest_without_event_idx_that_is_too_slow_is_told_what_is_so),
		TEST(a_new_driver_is_told_what_is_held),
		TEST(what_happened_while_the_guest_stood_still_is_made_good),
		TEST(a_front_end_that_comes_back_goes_on),
		TEST(every_socket_has_its_own_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
