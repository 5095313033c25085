/* SPDX-License-Identifier: MIT */
/*
 * vu-input: an input device (virtio 1.3 §5.8), real or simulated.  One --evdev-path or --simulate
 * for each socket, in their order.
 */
#include "input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../own_file.h"

enum { MAX_DEVICES = 64, PATH_BYTES = 4096 };

struct settings {
	struct {
		const char *path;
		bool real;
	} devices[MAX_DEVICES];
	uint32_t n_devices;
	int no_grab;
	const char *record, *control;
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
	char name[PATH_BYTES];
	int ret;

	if (!path)
		return 0;
	snprintf(name, sizeof(name), "%s", path);
	if (index)
		snprintf(name, sizeof(name), "%s.%u", path, index);
	ret = input_record_open(name, &in->control.device.about, &in->control.record);
	if (ret)
		fprintf(stderr, "vu-input: %s: %s\n", name, own_file_error(-ret));
	return ret;
}

static void input_free(struct input *in)
{
	input_control_fini(&in->control);
	input_record_close(in->control.record);
	input_evdev_close(in->evdev);
	in->evdev = NULL;
	vu_device_free(in->control.device.dev);
	free(in);
}

static int input_make_device(struct input *in, const struct settings *settings, uint32_t index,
			     uint32_t log_level, const struct input_state *now)
{
	struct input_device *device = &in->control.device;
	char name[16];
	int ret;

	snprintf(name, sizeof(name), "input%u", index);
	device->user = (struct input_user){on_listen, on_status, on_overflow, in};
	ret = input_device_new(device, name, log_level, NULL);
	if (ret)
		return ret;
	if (in->evdev) {
		device->fifo.now = *now;
		ret = input_evdev_watch(in->evdev, device->dev, on_event, on_gone, in);
	}
	if (!ret)
		ret = input_control_init(&in->control, settings->control, index, log_level);
	return ret;
}

static int create(struct vu_program *program, uint32_t index, struct vu_device **dev, void *opaque)
{
	const struct settings *settings = opaque;
	struct input *in = calloc(1, sizeof(*in));
	struct input_state *now = calloc(1, sizeof(*now));
	int ret = in && now ? 0 : -ENOMEM;

	if (!ret)
		ret = input_describe(in, settings, index, now);
	if (!ret)
		ret = input_open_record(in, settings->record, index);
	if (!ret)
		ret = input_make_device(in, settings, index, vu_program_log_level(program), now);
	free(now);
	if (ret) {
		if (in)
			input_free(in);
		return ret;
	}
	*dev = in->control.device.dev;
	return 0;
}

static void destroy(struct vu_device *dev, uint32_t index, void *opaque)
{
	struct input_device *device = vu_device_opaque(dev);

	input_free(device->user.opaque);
	(void)index;
	(void)opaque;
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

int main(int argc, char **argv)
{
	static const struct vu_option options[] = {
		{.name = "evdev-path",
		 .argument = "PATH",
		 .help = "a real device (/dev/input/event...) for the next socket",
		 .set = set_evdev_path},
		{.name = "simulate",
		 .argument = "FILE",
		 .help = "a device that this file describes for the next socket",
		 .set = set_simulate},
		{.name = "no-grab",
		 .help = "leave real devices to the host's programs, too",
		 .store = VU_STORE_FLAG,
		 .offset = offsetof(struct settings, no_grab)},
		{.name = "record",
		 .argument = "FILE",
		 .help = "write the events of each device to FILE, FILE.1, ...",
		 .store = VU_STORE_STRING,
		 .offset = offsetof(struct settings, record)},
		{.name = "control",
		 .argument = "PATH|-",
		 .help = "take commands from this socket, or standard input",
		 .store = VU_STORE_STRING,
		 .offset = offsetof(struct settings, control)},
		{.name = NULL},
	};
	struct settings settings = {0};
	const struct vu_program_info info = {
		.size = sizeof(info),
		.name = "vu-input",
		.type = "input",
		.summary = "A vhost-user input device, real or simulated (a keyboard by default).",
		.features = input_evdev_features,
		.options = options,
		.option_size = sizeof(options[0]),
		.create = create,
		.destroy = destroy,
		.opaque = &settings,
	};

	return vu_program_main(&info, argc, argv);
}
