/* SPDX-License-Identifier: MIT */
/*
 * vu-input with real evdev devices, which uinput makes.  A guest is the place for them: the machine
 * would take them for its own keyboards (tests/guest/input.py).
 */
#include "input_guest.h"

#include <fcntl.h>
#include <glob.h>
#include <linux/uinput.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

const char *const rig_program = "VU_INPUT";

enum { STEP_MS = 10 };

struct plugged {
	int fd;
	char path[64]; /* /dev/input/event... */
};

static void set_bit(const struct plugged *p, unsigned long request, int bit)
{
	assert_return_code(ioctl(p->fd, request, bit), errno);
}

static void emit(const struct plugged *p, uint16_t type, uint16_t code, int32_t value)
{
	const struct input_event ev = {.type = type, .code = code, .value = value};

	assert_int_equal(write(p->fd, &ev, sizeof(ev)), sizeof(ev));
}

static void press(const struct plugged *p, uint16_t key, int32_t value)
{
	emit(p, EV_KEY, key, value);
	emit(p, EV_SYN, SYN_REPORT, 0);
}

static void find_node(struct plugged *p)
{
	char name[32], pattern[80];
	glob_t found;

	assert_return_code(ioctl(p->fd, UI_GET_SYSNAME(sizeof(name)), name), errno);
	snprintf(pattern, sizeof(pattern), "/sys/devices/virtual/input/%s/event*", name);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	snprintf(p->path, sizeof(p->path), "/dev/input/%s", strrchr(found.gl_pathv[0], '/') + 1);
	globfree(&found);
	for (int i = 0; access(p->path, F_OK) && i < HANG_MS / STEP_MS; i++)
		usleep(STEP_MS * 1000);
	assert_return_code(access(p->path, F_OK), errno);
}

/* A keyboard with a slider, a lid, and a motor that shakes it. */
static void plug(struct plugged *p)
{
	struct uinput_setup setup = {.id = {BUS_USB, 0x1234, 0x5678, 7}, .ff_effects_max = 4};
	struct uinput_abs_setup slider = {
		.code = ABS_X,
		.absinfo = {.minimum = -5, .maximum = 250, .fuzz = 2, .flat = 3, .resolution = 4}};

	p->fd = open("/dev/uinput", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_return_code(p->fd, errno);
	for (int key = KEY_ESC; key <= KEY_COMPOSE; key++)
		set_bit(p, UI_SET_KEYBIT, key);
	set_bit(p, UI_SET_EVBIT, EV_KEY);
	set_bit(p, UI_SET_EVBIT, EV_REP);
	set_bit(p, UI_SET_EVBIT, EV_MSC);
	set_bit(p, UI_SET_MSCBIT, MSC_SCAN);
	set_bit(p, UI_SET_EVBIT, EV_LED);
	set_bit(p, UI_SET_LEDBIT, LED_NUML);
	set_bit(p, UI_SET_LEDBIT, LED_CAPSL);
	set_bit(p, UI_SET_EVBIT, EV_SW);
	set_bit(p, UI_SET_SWBIT, SW_LID);
	set_bit(p, UI_SET_EVBIT, EV_FF);
	set_bit(p, UI_SET_FFBIT, FF_RUMBLE);
	set_bit(p, UI_SET_FFBIT, FF_GAIN);
	set_bit(p, UI_SET_PROPBIT, INPUT_PROP_POINTER);
	set_bit(p, UI_SET_EVBIT, EV_ABS);
	assert_return_code(ioctl(p->fd, UI_ABS_SETUP, &slider), errno);
	strcpy(setup.name, "Keyboard of a test");
	assert_return_code(ioctl(p->fd, UI_DEV_SETUP, &setup), errno);
	assert_return_code(ioctl(p->fd, UI_DEV_CREATE), errno);
	find_node(p);
}

static void unplug(struct plugged *p)
{
	ioctl(p->fd, UI_DEV_DESTROY);
	close(p->fd);
}

static void spawn_on(struct rig *rig, const struct plugged *p, const char *more)
{
	rig->config.n_queues = 2;
	rig_spawn(rig,
		  (const char *[]){"--evdev-path", p->path, "--control", rig->control, more, NULL});
}

static void start_on(struct rig *rig, const struct plugged *p, const char *more)
{
	spawn_on(rig, p, more);
	rig_connect(rig);
	input_give(rig, 128);
}

/* The next event that the device's driver gets; its SYN_REPORTs are passed over. */
static void expect_at_device(const struct plugged *p, uint16_t type, uint16_t code, int32_t value)
{
	struct input_event ev = {0};

	while (ev.type == EV_SYN) {
		struct pollfd pfd = {.fd = p->fd, .events = POLLIN};

		assert_int_equal(poll(&pfd, 1, HANG_MS), 1);
		assert_int_equal(read(p->fd, &ev, sizeof(ev)), sizeof(ev));
	}
	assert_int_equal(ev.type, type);
	assert_int_equal(ev.code, code);
	assert_int_equal(ev.value, value);
}

static int open_beside(const struct plugged *p)
{
	int fd = open(p->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	assert_return_code(fd, errno);
	return fd;
}

/* Whether another program can have it for itself becomes so. */
static void expect_free(int fd, bool is_free)
{
	int ret = -1;

	for (int i = 0; i < HANG_MS / STEP_MS; i++) {
		ret = ioctl(fd, EVIOCGRAB, 1);
		if (!ret)
			ioctl(fd, EVIOCGRAB, 0);
		if (!ret == is_free)
			return;
		usleep(STEP_MS * 1000);
	}
	fail_msg("the device is %s", ret ? "grabbed" : "free");
}

static void the_space_says_what_the_device_is(void **state)
{
	struct rig *rig = *state;
	struct plugged p;
	struct virtio_input_config c;

	plug(&p);
	start_on(rig, &p, NULL);
	input_select(rig, VIRTIO_INPUT_CFG_ID_NAME, 0, &c);
	assert_memory_equal(c.u.string, "Keyboard of a test", 19);
	input_select(rig, VIRTIO_INPUT_CFG_ID_DEVIDS, 0, &c);
	assert_int_equal(c.u.ids.bustype, BUS_USB);
	assert_int_equal(c.u.ids.vendor, 0x1234);
	assert_int_equal(c.u.ids.product, 0x5678);
	assert_int_equal(c.u.ids.version, 7);
	input_select(rig, VIRTIO_INPUT_CFG_PROP_BITS, 0, &c);
	assert_int_equal(c.u.bitmap[0], 1 << INPUT_PROP_POINTER);
	input_select(rig, VIRTIO_INPUT_CFG_EV_BITS, EV_KEY, &c);
	assert_int_equal(c.size, 16);
	assert_int_equal(c.u.bitmap[0], 0xfe);
	assert_int_equal(c.u.bitmap[15], 0xff);
	input_select(rig, VIRTIO_INPUT_CFG_EV_BITS, EV_LED, &c);
	assert_int_equal(c.u.bitmap[0], 3);
	input_select(rig, VIRTIO_INPUT_CFG_EV_BITS, EV_REP, &c);
	assert_int_equal(c.u.bitmap[0], 3);
	input_select(rig, VIRTIO_INPUT_CFG_EV_BITS, EV_REL, &c);
	assert_int_equal(c.size, 0);
	input_select(rig, VIRTIO_INPUT_CFG_EV_BITS, EV_FF, &c);
	assert_int_equal(c.size, FF_GAIN / 8 + 1);
	input_select(rig, VIRTIO_INPUT_CFG_ABS_INFO, ABS_X, &c);
	assert_int_equal((int32_t)c.u.abs.min, -5);
	assert_int_equal(c.u.abs.max, 250);
	assert_int_equal(c.u.abs.fuzz, 2);
	assert_int_equal(c.u.abs.flat, 3);
	assert_int_equal(c.u.abs.res, 4);
	rig_stop(rig);
	unplug(&p);
}

static void its_events_arrive(void **state)
{
	struct rig *rig = *state;
	struct plugged p;

	plug(&p);
	start_on(rig, &p, NULL);
	emit(&p, EV_MSC, MSC_SCAN, 0x70004);
	press(&p, KEY_A, 1);
	input_expect(rig, EV_MSC, MSC_SCAN, 0x70004);
	input_expect(rig, EV_KEY, KEY_A, 1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	/* The guest repeats by itself, and its lights are its own. */
	press(&p, KEY_A, 2);
	emit(&p, EV_LED, LED_NUML, 1);
	press(&p, KEY_A, 0);
	emit(&p, EV_ABS, ABS_X, -5);
	emit(&p, EV_SYN, SYN_REPORT, 0);
	input_expect(rig, EV_KEY, KEY_A, 0);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	input_expect(rig, EV_ABS, ABS_X, -5);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	rig_stop(rig);
	unplug(&p);
}

static void a_driver_is_told_of_switches_and_axes(void **state)
{
	struct rig *rig = *state;
	struct plugged p;

	plug(&p);
	emit(&p, EV_SW, SW_LID, 1);
	emit(&p, EV_ABS, ABS_X, 77);
	emit(&p, EV_SYN, SYN_REPORT, 0);
	start_on(rig, &p, NULL);
	input_expect(rig, EV_SW, SW_LID, 1);
	input_expect(rig, EV_ABS, ABS_X, 77);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	rig_stop(rig);
	unplug(&p);
}

static void status_reaches_the_device(void **state)
{
	struct rig *rig = *state;
	struct plugged p;

	plug(&p);
	start_on(rig, &p, NULL);
	input_send_status(rig, EV_LED, LED_CAPSL, 1);
	expect_at_device(&p, EV_LED, LED_CAPSL, 1);
	assert_string_equal(rig_hear(rig), "led LED_CAPSL 1");
	input_send_status(rig, EV_FF, FF_GAIN, 0x4000);
	expect_at_device(&p, EV_FF, FF_GAIN, 0x4000);
	input_send_status(rig, EV_LED, LED_CAPSL, 0);
	expect_at_device(&p, EV_LED, LED_CAPSL, 0);
	rig_expect_nothing(rig, EVENTQ);
	rig_stop(rig);
	unplug(&p);
}

static void it_is_had_alone_while_a_driver_is_there(void **state)
{
	struct rig *rig = *state;
	struct plugged p;
	int beside;

	plug(&p);
	beside = open_beside(&p);
	spawn_on(rig, &p, NULL);
	expect_free(beside, true);
	rig_connect(rig);
	expect_free(beside, false);
	peer_disconnect(rig->peer);
	expect_free(beside, true);
	rig_connect(rig);
	expect_free(beside, false);
	rig_stop(rig);
	close(beside);
	unplug(&p);
}

static void it_is_shared_with_no_grab(void **state)
{
	struct rig *rig = *state;
	struct plugged p;
	struct input_event ev;
	int beside;

	plug(&p);
	beside = open_beside(&p);
	start_on(rig, &p, "--no-grab");
	press(&p, KEY_B, 1);
	input_expect(rig, EV_KEY, KEY_B, 1);
	assert_int_equal(read(beside, &ev, sizeof(ev)), sizeof(ev));
	assert_int_equal(ev.code, KEY_B);
	expect_free(beside, true);
	rig_stop(rig);
	close(beside);
	unplug(&p);
}

static void it_is_not_taken_while_a_key_is_down(void **state)
{
	struct rig *rig = *state;
	struct plugged p;
	struct input_event ev;
	int beside;

	plug(&p);
	beside = open_beside(&p);
	press(&p, KEY_ENTER, 1);
	start_on(rig, &p, NULL);
	input_expect(rig, EV_KEY, KEY_ENTER, 1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	expect_free(beside, true);
	press(&p, KEY_ENTER, 0);
	input_expect(rig, EV_KEY, KEY_ENTER, 0);
	expect_free(beside, false);
	/* The host saw it come up. */
	do
		assert_int_equal(read(beside, &ev, sizeof(ev)), sizeof(ev));
	while (ev.type != EV_KEY || ev.value != 0);
	assert_int_equal(ev.code, KEY_ENTER);
	rig_stop(rig);
	close(beside);
	unplug(&p);
}

static void what_another_program_has_is_refused(void **state)
{
	struct rig *rig = *state;
	struct plugged p;
	struct spawned s;
	int beside;

	plug(&p);
	beside = open_beside(&p);
	assert_return_code(ioctl(beside, EVIOCGRAB, 1), errno);
	spawn_run(&s, (const char *[]){getenv(rig_program), "--socket-path", rig->socket,
				       "--evdev-path", p.path, NULL});
	assert_int_equal(s.status, 1);
	assert_non_null(strstr(s.err, "another program has it for itself"));
	spawn_free(&s);
	close(beside);
	unplug(&p);
}

/* So slow a back-end that the kernel dropped events. */
static void what_the_kernel_dropped_is_said_and_made_good(void **state)
{
	struct rig *rig = *state;
	struct plugged p;
	struct virtio_input_event ev;

	plug(&p);
	start_on(rig, &p, NULL);
	press(&p, KEY_LEFTCTRL, 1);
	input_expect(rig, EV_KEY, KEY_LEFTCTRL, 1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	kill(rig->program.pid, SIGSTOP);
	for (int i = 0; i < 5000; i++)
		press(&p, KEY_A, ~i & 1);
	press(&p, KEY_LEFTCTRL, 0);
	press(&p, KEY_B, 1);
	kill(rig->program.pid, SIGCONT);
	/* What it still had comes first. */
	do
		ev = input_take(rig);
	while (ev.type != EV_SYN || ev.code != SYN_DROPPED);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	for (bool ctrl = true, b = false; ctrl || !b;) {
		ev = input_take(rig);
		if (ev.type == EV_KEY && ev.code == KEY_LEFTCTRL)
			ctrl = ev.value;
		if (ev.type == EV_KEY && ev.code == KEY_B)
			b = ev.value;
	}
	rig_stop(rig);
	unplug(&p);
}

static void what_is_unplugged_lets_go_of_its_keys(void **state)
{
	struct rig *rig = *state;
	struct plugged p;
	struct virtio_input_event ev;

	plug(&p);
	start_on(rig, &p, NULL);
	press(&p, KEY_A, 1);
	input_expect(rig, EV_KEY, KEY_A, 1);
	input_expect(rig, EV_SYN, SYN_REPORT, 0);
	unplug(&p);
	input_expect(rig, EV_KEY, KEY_A, 0);
	ev = input_take(rig); /* of the kernel, with a value of its own, or ours */
	assert_true(ev.type == EV_SYN && ev.code == SYN_REPORT);
	input_send_status(rig, EV_LED, LED_CAPSL, 1);
	rig_stop(rig);
	assert_non_null(strstr(rig->program.err, "Keyboard of a test: is gone"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_space_says_what_the_device_is),
		TEST(its_events_arrive),
		TEST(a_driver_is_told_of_switches_and_axes),
		TEST(status_reaches_the_device),
		TEST(it_is_had_alone_while_a_driver_is_there),
		TEST(it_is_shared_with_no_grab),
		TEST(it_is_not_taken_while_a_key_is_down),
		TEST(what_another_program_has_is_refused),
		TEST(what_the_kernel_dropped_is_said_and_made_good),
		TEST(what_is_unplugged_lets_go_of_its_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
