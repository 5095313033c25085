/* SPDX-License-Identifier: MIT */
/*
 * vu-input: an input device (virtio 1.3 §5.8), real or simulated.  One --evdev-path or --simulate
 * for each socket, in their order.
 */
#include "input.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/own_file.h"
#include "../common/shut_in.h"

enum { MAX_DEVICES = 64 };

struct settings {
	struct {
		const char *path;
		bool real;
	} devices[MAX_DEVICES];
	uint32_t n_devices;
	int no_grab;
	const char *record;
	struct shut_in shut_in;
};

struct input {
	struct input_control control;
	struct input_evdev *evdev; /* NULL: simulated */
};

static void on_listen(bool listening, void *opaque)
{
	struct input *in = opaque;

	if (in->evdev)
		input_evdev_listen(in->evdev, listening);
}

static void on_status(struct input_ev ev, void *opaque)
{
	struct input *in = opaque;

	if (in->evdev)
		input_evdev_status(in->evdev, ev);
	input_control_status(&in->control, ev);
}

static void on_overflow(void *opaque)
{
	struct input *in = opaque;

	input_control_overflow(&in->control);
}

static void on_event(struct input_ev ev, void *opaque)
{
	struct input *in = opaque;

	input_control_event(&in->control, ev);
}

/* Unplugged: nothing stays pressed. */
static void on_gone(void *opaque)
{
	struct input *in = opaque;

	input_control_release(&in->control);
}

static int input_describe(struct input *in, const struct settings *settings, uint32_t index,
			  struct input_state *now)
{
	struct input_about *about = &in->control.device.about;
	struct input_text text = {.about = about};
	const char *path;
	int ret;

	if (!settings->n_devices) {
		input_about_keyboard(about);
		return 0;
	}
	if (index >= settings->n_devices) {
		fprintf(stderr,
			"vu-input: more sockets than devices (--evdev-path, --simulate): %u\n",
			settings->n_devices);
		return -EINVAL;
	}
	path = settings->devices[index].path;
	if (settings->devices[index].real) {
		ret = input_evdev_open(path, !settings->no_grab, about, now, &in->evdev);
		if (ret)
			fprintf(stderr, "vu-input: %s: %s\n", path,
				ret == -EBUSY ? "another program has it for itself"
					      : strerror(-ret));
		return ret;
	}
	ret = input_text_read(&text, path);
	for (uint32_t type = EV_KEY; !ret && type < EV_CNT; type++)
		if (input_has_type(about, type))
			return 0;
	if (!ret)
		fprintf(stderr, "vu-input: %s: describes a device without events\n", path);
	return ret ? ret : -EINVAL;
}

static int input_open_record(struct input *in, const char *path, uint32_t index)
{
	char name[PATH_MAX];
	int ret;

	if (!path)
		return 0;
	ret = vu_program_path(path, index, name, sizeof(name));
	if (ret)
		return ret;
	ret = input_record_open(name, &in->control.device.about, &in->control.record);
	if (ret)
		fprintf(stderr, "vu-input: %s: %s\n", name, own_file_error(-ret));
	return ret;
}

/* now: what a real device's keys are at first. */
static int input_make_device(struct input *in, struct vu_program *program,
			     const struct input_state *now)
{
	struct input_device *device = &in->control.device;
	int ret;

	device->user = (struct input_user){on_listen, on_status, on_overflow, in};
	ret = vu_program_add_device(program, &input_device_info, &input_device_ops, device,
				    &device->dev);
	if (ret)
		return ret;
	input_device_init(device);
	if (in->evdev) {
		device->fifo.now = *now;
		ret = input_evdev_watch(in->evdev, device->dev, on_event, on_gone, in);
	}
	return ret ? ret : input_control_init(&in->control, program);
}

static int create(struct vu_program *program, uint32_t index, void *state)
{
	const struct settings *settings = vu_program_settings(program);
	struct input_state *now = calloc(1, sizeof(*now));
	struct input *in = state;
	int ret;

	if (!now)
		return -ENOMEM;
	ret = input_describe(in, settings, index, now);
	if (!ret)
		ret = input_open_record(in, settings->record, index);
	if (!ret)
		ret = input_make_device(in, program, now);
	free(now);
	return ret;
}

/* Recordings that commands name are read. */
static int opened(struct vu_program *program, uint32_t index, void *state)
{
	/* Those of <linux/input.h>, as libevdev makes them. */
	static const struct sandbox_ioctl evdev_ioctls[] = {{0xff00, 'E' << 8}};
	struct settings *settings = vu_program_settings(program);
	struct shut_in *s = &settings->shut_in;
	const struct input *in = state;

	(void)index;
	s->needs.ioctls = evdev_ioctls;
	for (uint32_t i = 0; i < settings->n_devices; i++)
		s->needs.n_ioctls |= settings->devices[i].real;
	if (s->commands) {
		s->needs.capabilities = UINT64_C(1) << CAP_DAC_READ_SEARCH;
		s->place = (struct sandbox_place){"/", SANDBOX_READ};
	}
	return shut_in_enter(s, in->control.device.dev);
}

static void destroy(void *state)
{
	struct input *in = state;

	input_control_fini(&in->control);
	input_record_close(in->control.record);
	input_evdev_close(in->evdev);
	in->evdev = NULL;
}

static int input_add_device(struct settings *settings, const char *path, bool real)
{
	if (settings->n_devices == MAX_DEVICES)
		return -E2BIG;
	settings->devices[settings->n_devices].path = path;
	settings->devices[settings->n_devices++].real = real;
	return 0;
}

static int set_evdev_path(const char *value, void *opaque)
{
	return input_add_device(opaque, value, true);
}

static int set_simulate(const char *value, void *opaque)
{
	return input_add_device(opaque, value, false);
}

static const struct vu_option options[] = {
	{.name = "evdev-path",
	 .argument = "PATH",
	 .help = "a real device (/dev/input/event...) for the next socket",
	 .set = set_evdev_path,
	 .repeatable = 1},
	{.name = "simulate",
	 .argument = "FILE",
	 .help = "a device that this file describes for the next socket",
	 .set = set_simulate,
	 .repeatable = 1},
	{VU_OPTION_FLAG("no-grab", "leave real devices to the host's programs, too",
			struct settings, no_grab)},
	{VU_OPTION_STRING("record", "FILE", "write the events of each device to FILE, FILE.1, ...",
			  struct settings, record)},
	{SHUT_IN_OPTION(struct settings, shut_in)},
	{.name = NULL},
};

int main(int argc, char **argv)
{
	struct settings settings = {0};
	const struct vu_program_info info = {
		VU_PROGRAM("vu-input", "input",
			   "A vhost-user input device, real or simulated (a keyboard by default)."),
		.features = input_evdev_features,
		SHUT_IN_PROGRAM(options, &settings, input_commands, struct input, create, destroy,
				opened),
	};

	return shut_in_main(&settings.shut_in, &info, argc, argv);
}
