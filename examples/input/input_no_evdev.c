/* SPDX-License-Identifier: MIT */
/* Built without libevdev: there are simulated devices only. */
#include "input.h"

#include <errno.h>
#include <stdio.h>

const char *const input_evdev_features[] = {NULL};

int input_evdev_open(const char *path, bool grab, struct input_about *about,
		     struct input_state *now, struct input_evdev **evdev)
{
	fprintf(stderr, "vu-input: was built without libevdev, for simulated devices only\n");
	return -ENOTSUP;
}

int input_evdev_watch(struct input_evdev *evdev, struct vu_device *dev,
		      void (*event)(struct input_ev ev, void *opaque), void (*gone)(void *opaque),
		      void *opaque)
{
	return -ENOTSUP;
}

void input_evdev_listen(struct input_evdev *evdev, bool listening)
{
}

void input_evdev_status(struct input_evdev *evdev, struct input_ev ev)
{
}

void input_evdev_close(struct input_evdev *evdev)
{
}
