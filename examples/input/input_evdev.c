/* SPDX-License-Identifier: MIT */
/*
 * Real devices, through libevdev: what they are, their events, status back to them.
 *
 * Lights, sounds and key repeat are the guest's to say: the device's reports of them are not passed
 * on, or two quick changes would chase each other round between guest and host for ever.  The
 * host's repeats of a held key are not passed on where the guest makes its own.
 */
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <libevdev/libevdev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct input_evdev {
	struct libevdev *evdev;
	struct vu_device *dev;
	struct vu_source *source; /* NULL: not watched, or the device is gone */
	void (*event)(struct input_ev ev, void *opaque);
	void (*gone)(void *opaque);
	void *opaque;
	int fd;
	bool grab;	/* is wanted while a driver is there */
	bool listening; /* one is */
	bool grabbed;
	bool repeats;	/* the guest repeats held keys by itself */
	bool in_packet; /* events have been passed on since the last SYN_REPORT */
};

const char *const input_evdev_features[] = {"evdev-path", "no-grab", NULL};

enum { EVDEV_LINE = 160 };

static const char *evdev_line(const struct input_evdev *e, const char *what, int err,
			      char line[EVDEV_LINE])
{
	snprintf(line, EVDEV_LINE, "%s: %s: %s", libevdev_get_name(e->evdev), what, strerror(-err));
	return line;
}

/* What the guest has a part in. */
static void evdev_log_peer(const struct input_evdev *e, enum vu_log_level level, const char *what,
			   int err)
{
	char line[EVDEV_LINE];

	vu_device_log_peer(e->dev, level, evdev_line(e, what, err, line));
}

/* --- what it is --- */

static void evdev_describe_codes(struct libevdev *evdev, struct input_about *about,
				 struct input_state *now, uint32_t type)
{
	int max = libevdev_event_type_get_max(type);

	for (uint32_t code = 0; max >= 0 && code <= (uint32_t)max; code++) {
		struct input_ev ev = {(uint16_t)type, (uint16_t)code, 0};

		if (!libevdev_has_event_code(evdev, type, code) || input_add(about, type, code))
			continue;
		if (type == EV_ABS)
			about->abs[code] = *libevdev_get_abs_info(evdev, code);
		/* Of the axes that slots have, evdev_describe_slots() knows more. */
		if (type == EV_ABS && code >= INPUT_MT_FIRST)
			continue;
		ev.value = libevdev_get_event_value(evdev, type, code);
		input_state_apply(now, &ev);
	}
}

static void evdev_describe_slots(struct libevdev *evdev, struct input_state *now)
{
	int n = libevdev_get_num_slots(evdev);

	for (int slot = 0; slot < n && slot < INPUT_SLOTS; slot++) {
		now->abs[ABS_MT_SLOT] = slot;
		for (uint32_t i = 0; i < INPUT_MT_AXES; i++) {
			struct input_ev ev = {EV_ABS, (uint16_t)(INPUT_MT_FIRST + i), 0};

			if (!libevdev_has_event_code(evdev, EV_ABS, ev.code))
				continue;
			ev.value = libevdev_get_slot_value(evdev, (unsigned int)slot, ev.code);
			input_state_apply(now, &ev);
		}
	}
	if (n > 0)
		now->abs[ABS_MT_SLOT] = libevdev_get_current_slot(evdev);
}

static void evdev_describe(struct libevdev *evdev, struct input_about *about,
			   struct input_state *now)
{
	const char *serial = libevdev_get_uniq(evdev);

	input_set_string(about->name, libevdev_get_name(evdev));
	input_set_string(about->serial, serial ? serial : "");
	about->id.bustype = (uint16_t)libevdev_get_id_bustype(evdev);
	about->id.vendor = (uint16_t)libevdev_get_id_vendor(evdev);
	about->id.product = (uint16_t)libevdev_get_id_product(evdev);
	about->id.version = (uint16_t)libevdev_get_id_version(evdev);
	for (uint32_t prop = 0; prop <= INPUT_PROP_MAX; prop++)
		if (libevdev_has_property(evdev, prop))
			input_add(about, INPUT_PROP_NAME, prop);
	input_state_init(now, about);
	for (uint32_t type = EV_KEY; type < EV_CNT; type++)
		if (libevdev_has_event_type(evdev, type))
			evdev_describe_codes(evdev, about, now, type);
	now->slots = input_has(about, EV_ABS, ABS_MT_SLOT);
	evdev_describe_slots(evdev, now);
}

/* That it can be had at all is known before a guest starts. */
static int evdev_try_grab(struct libevdev *evdev)
{
	int err = libevdev_grab(evdev, LIBEVDEV_GRAB);

	if (!err)
		libevdev_grab(evdev, LIBEVDEV_UNGRAB);
	return err;
}

int input_evdev_open(const char *path, bool grab, struct input_about *about,
		     struct input_state *now, struct input_evdev **evdev)
{
	struct input_evdev *e = calloc(1, sizeof(*e));
	int err;

	if (!e)
		return -ENOMEM;
	e->grab = grab;
	e->fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	/* One that cannot be written to has no lights for us. */
	if (e->fd < 0 && (errno == EACCES || errno == EROFS))
		e->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	err = e->fd < 0 ? -errno : libevdev_new_from_fd(e->fd, &e->evdev);
	if (!err && grab)
		err = evdev_try_grab(e->evdev);
	if (err) {
		input_evdev_close(e);
		return err;
	}
	evdev_describe(e->evdev, about, now);
	e->repeats = input_has(about, EV_REP, REP_DELAY);
	*evdev = e;
	return 0;
}

/* --- events --- */

static void evdev_pass(struct input_evdev *e, const struct input_event *ev)
{
	bool is_report = ev->type == EV_SYN && ev->code == SYN_REPORT;

	switch (ev->type) {
	case EV_LED:
	case EV_SND:
	case EV_REP:
	case EV_FF:
	case EV_FF_STATUS:
	case EV_PWR:
		return;
	case EV_KEY:
		if (ev->value == 2 && e->repeats)
			return;
	}
	/* Of a packet of such events nothing is left. */
	if (is_report && !e->in_packet)
		return;
	e->in_packet = !is_report;
	e->event((struct input_ev){ev->type, ev->code, ev->value}, e->opaque);
}

/*
 * The kernel dropped events.  SYN_DROPPED lets a reader pass over everything up to SYN_REPORT, so
 * one comes first; then libevdev finds what has changed.
 */
static void evdev_catch_up(struct input_evdev *e)
{
	struct input_event ev;

	e->event((struct input_ev){EV_SYN, SYN_DROPPED, 0}, e->opaque);
	e->event((struct input_ev){EV_SYN, SYN_REPORT, 0}, e->opaque);
	e->in_packet = false;
	while (libevdev_next_event(e->evdev, LIBEVDEV_READ_FLAG_SYNC, &ev) ==
	       LIBEVDEV_READ_STATUS_SYNC)
		evdev_pass(e, &ev);
}

static bool evdev_any_key(struct input_evdev *e)
{
	for (uint32_t key = 0; key <= KEY_MAX; key++)
		if (libevdev_get_event_value(e->evdev, EV_KEY, key))
			return true;
	return false;
}

/* Not while a key is down: the host would never see it come up. */
static void evdev_update_grab(struct input_evdev *e)
{
	bool want = e->grab && e->listening;
	int err;

	if (want == e->grabbed || !e->source || (want && evdev_any_key(e)))
		return;
	err = libevdev_grab(e->evdev, want ? LIBEVDEV_GRAB : LIBEVDEV_UNGRAB);
	if (err)
		evdev_log_peer(e, VU_LOG_ERROR, "cannot be had alone", err);
	e->grabbed = want;
}

static void evdev_readable(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct input_evdev *e = opaque;
	char line[EVDEV_LINE];
	struct input_event ev;
	int status;

	/* libevdev reads ahead: the descriptor does not say what it still holds. */
	while ((status = libevdev_next_event(e->evdev, LIBEVDEV_READ_FLAG_NORMAL, &ev)) >= 0) {
		if (status == LIBEVDEV_READ_STATUS_SYNC)
			evdev_catch_up(e);
		else
			evdev_pass(e, &ev);
	}
	if (status == -EAGAIN || status == -EINTR) {
		evdev_update_grab(e);
		return;
	}
	vu_device_log(e->dev, VU_LOG_ERROR, evdev_line(e, "is gone", status, line));
	vu_source_remove(e->source);
	e->source = NULL;
	e->gone(e->opaque);
}

int input_evdev_watch(struct input_evdev *e, struct vu_device *dev,
		      void (*event)(struct input_ev ev, void *opaque), void (*gone)(void *opaque),
		      void *opaque)
{
	e->dev = dev;
	e->event = event;
	e->gone = gone;
	e->opaque = opaque;
	return vu_group_add_fd(vu_device_group(dev), e->fd, EPOLLIN, evdev_readable, e, &e->source);
}

void input_evdev_listen(struct input_evdev *e, bool listening)
{
	e->listening = listening;
	evdev_update_grab(e);
}

void input_evdev_status(struct input_evdev *e, struct input_ev ev)
{
	const struct input_event events[] = {{.type = ev.type, .code = ev.code, .value = ev.value},
					     {.type = EV_SYN, .code = SYN_REPORT}};

	/* The repeat rate is the guest's own. */
	if (!e->source || ev.type == EV_REP)
		return;
	if (write(e->fd, events, sizeof(events)) < 0)
		evdev_log_peer(e, VU_LOG_WARNING, "takes no status", -errno);
}

void input_evdev_close(struct input_evdev *e)
{
	if (!e)
		return;
	vu_source_remove(e->source);
	libevdev_free(e->evdev);
	if (e->fd >= 0)
		close(e->fd);
	free(e);
}
