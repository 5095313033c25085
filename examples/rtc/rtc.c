/* SPDX-License-Identifier: MIT */
/*
 * vu-rtc: clocks with alarms (virtio 1.4 §5.23), of this machine's time or of whatever time a test
 * sets by commands.
 *
 * Buffers for alarms stay in their ring until one expires: they hold up no stop.  Alarms go with
 * a reset of the device and with its front-end; a guest that is merely paused keeps them.
 */
#include "rtc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../common/shut_in.h"

enum { RTC_ID = 17 };
enum { REQUESTQ, ALARMQ, N_QUEUES };

struct settings {
	struct vu_option_list clocks;
	struct shut_in shut_in;
};

struct device {
	struct rtc rtc;
	struct vu_device *dev;
	struct vu_source *timer;
	struct rtc_control control;
};

/* Tell the driver of what is due, as far as it gave buffers. */
static void device_tell(struct device *d)
{
	struct vu_queue *queue = vu_device_queue(d->dev, ALARMQ);
	struct vu_req *req;

	while (rtc_look(&d->rtc) && vu_queue_next(queue, &req) == 1) {
		uint64_t written = rtc_tell(&d->rtc, req);

		if (!written)
			vu_device_log_peer(d->dev, VU_LOG_WARNING,
					   "a buffer has too little room for an alarm");
		vu_req_complete(req, written);
	}
	vu_queue_signal(queue);
}

static void device_look(struct device *d)
{
	uint64_t patience;

	device_tell(d);
	patience = rtc_patience(&d->rtc);
	/* 0 would be no timer at all. */
	vu_source_set_timer(d->timer, patience == UINT64_MAX ? 0 : patience + 1, 0);
}

static void on_timer(struct vu_source *source, int fd, uint32_t expirations, void *opaque)
{
	device_look(opaque);
}

static void queue_ready(struct vu_queue *queue, void *opaque)
{
	struct device *d = opaque;
	struct vu_req *req;

	if (vu_queue_index(queue) == REQUESTQ)
		while (vu_queue_next(queue, &req) == 1)
			vu_req_complete(req, rtc_answer(&d->rtc, req));
	device_look(d);
}

static int started(struct vu_device *dev, void *opaque)
{
	struct device *d = opaque;

	rtc_negotiated(&d->rtc, vu_device_features(dev) & RTC_F_ALARM);
	return 0;
}

static void reset(struct vu_device *dev, void *opaque)
{
	struct device *d = opaque;

	rtc_reset(&d->rtc);
	vu_source_set_timer(d->timer, 0, 0);
}

static void session_end(struct vu_device *dev, int why, void *opaque)
{
	reset(dev, opaque);
}

static void on_changed(struct rtc *rtc, uint32_t clock, bool expired)
{
	struct device *d = (struct device *)rtc;

	rtc_control_tell(&d->control, clock, expired);
}

static void on_moved(struct rtc *rtc)
{
	device_look((struct device *)rtc);
}

static int device_make(struct device *d, struct vu_program *program)
{
	const struct vu_ops ops = {
		.size = sizeof(ops),
		.session_end = session_end,
		.reset = reset,
		.started = started,
		.queue_ready = queue_ready,
	};
	const struct vu_device_info info = {
		.size = sizeof(info),
		.device_id = RTC_ID,
		.n_queues = N_QUEUES,
		.features = RTC_F_ALARM,
	};

	return vu_program_add_device(program, &info, &ops, d, &d->dev);
}

/* TYPE[@SECONDS] */
static int device_add_clock(struct device *d, const char *text)
{
	size_t len = strcspn(text, "@");
	uint64_t time;
	int ret, type = 0;

	while (rtc_type_names[type] &&
	       (strncmp(rtc_type_names[type], text, len) || strlen(rtc_type_names[type]) != len))
		type++;
	ret = rtc_type_names[type] ? 0 : -EINVAL;
	if (ret)
		fprintf(stderr,
			"vu-rtc: %s: no type of clock (utc, tai, monotonic, utc-smeared, "
			"utc-maybe-smeared)\n",
			text);
	else
		ret = rtc_add(&d->rtc, (enum rtc_type)type);
	if (ret || !text[len])
		return ret;
	ret = rtc_time_parse(text + len + 1, &time);
	if (ret) {
		fprintf(stderr, "vu-rtc: %s: no time (seconds, such as 1700000000)\n", text);
		return ret;
	}
	d->rtc.clocks[d->rtc.n - 1].offset += time - rtc_read(&d->rtc.clocks[d->rtc.n - 1]);
	return 0;
}

static int device_add_clocks(struct device *d, const struct vu_option_list *clocks)
{
	int ret = 0;

	for (uint32_t i = 0; i < clocks->n && !ret; i++)
		ret = device_add_clock(d, clocks->values[i]);
	if (!clocks->n)
		ret = rtc_add(&d->rtc, RTC_UTC_MAYBE_SMEARED) || rtc_add(&d->rtc, RTC_TAI) ||
		      rtc_add(&d->rtc, RTC_MONOTONIC);
	return ret;
}

static int create(struct vu_program *program, uint32_t index, void *state)
{
	const struct settings *settings = vu_program_settings(program);
	struct device *d = state;
	int ret;

	(void)index;
	d->control.rtc = &d->rtc;
	d->control.moved = on_moved;
	d->rtc.changed = on_changed;
	ret = device_add_clocks(d, &settings->clocks);
	if (!ret)
		ret = device_make(d, program);
	if (!ret)
		ret = vu_group_add_timer(vu_device_group(d->dev), on_timer, d, &d->timer);
	return ret ? ret : vu_program_add_control(program, NULL, &d->control, &d->control.script);
}

static int opened(struct vu_program *program, uint32_t index, void *state)
{
	struct settings *settings = vu_program_settings(program);
	const struct device *d = state;

	(void)index;
	return shut_in_enter(&settings->shut_in, d->dev);
}

static const struct vu_option options[] = {
	{VU_OPTION_LIST("clock", "TYPE[@SECONDS]",
			"a clock: utc, tai, monotonic, utc-smeared, utc-maybe-smeared, of this "
			"machine's time or one that begins at SECONDS (default: "
			"utc-maybe-smeared, tai, monotonic)",
			struct settings, clocks, RTC_CLOCKS)},
	{SHUT_IN_OPTION(struct settings, shut_in)},
	{.name = NULL},
};

int main(int argc, char **argv)
{
	struct settings settings = {0};
	const struct vu_program_info info = {
		VU_PROGRAM("vu-rtc", "rtc", "Vhost-user clocks with alarms."),
		SHUT_IN_PROGRAM(options, &settings, rtc_commands, struct device, create, NULL,
				opened),
	};

	return shut_in_main(&settings.shut_in, &info, argc, argv);
}
