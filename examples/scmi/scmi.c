/* SPDX-License-Identifier: MIT */
/*
 * vu-scmi: an SCMI device (virtio 1.3 §5.17): a platform with clocks, power, performance and reset
 * domains, and sensors, for a guest that manages them by Arm's System Control and Management
 * Interface.  The platform is described by a file; sensors can be the host's.
 *
 * A request is copied out, served, and answered at once.  Notifications and delayed responses take
 * a buffer of the event queue when they are sent.  Everything runs on the device thread.
 */
#include <libvu/unstable.h>

#include <endian.h>
#include <errno.h>
#include <linux/virtio_scmi.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../common/shut_in.h"
#include "scmi_control.h"

enum { MAX_SENSOR_OPTIONS = 16 };

struct settings {
	const char *description;
	const char *sysfs;
	struct vu_option_list hwmon, iio;
	struct shut_in shut_in;
};

struct scmi_device {
	struct scmi_platform *platform;
	struct scmi_control control;
	struct vu_device *dev;
	struct vu_source *timer;
	struct vu_script *script;
	bool running;
};

/* What the driver can cause: there is nothing else to say. */
static void scmi_log(void *opaque, const char *line)
{
	struct scmi_device *d = opaque;

	vu_device_log_peer(d->dev, VU_LOG_WARNING, line);
}

static void scmi_say_line(void *opaque, const char *line)
{
	struct scmi_device *d = opaque;

	vu_script_say(d->script, line);
}

static uint64_t scmi_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* A buffer that is too small for what the driver asked for is lost to both. */
static void scmi_send(struct scmi_device *d, struct vu_req *req, const struct scmi_event *event)
{
	size_t len = event->n * sizeof(uint32_t);
	uint32_t words[SCMI_EVENT_WORDS];

	for (uint32_t i = 0; i < event->n; i++)
		words[i] = htole32(event->words[i]);
	if (req->writable_len < len) {
		scmi_log(d, "event queue: a buffer is too small");
		len = 0;
	}
	vu_req_complete(req, vu_req_write(req, 0, words, len));
}

/* Do what is due, send what is ready, and come back in time for the rest. */
static void scmi_pump(void *opaque)
{
	struct scmi_device *d = opaque;
	struct scmi_platform *p = d->platform;
	const struct scmi_event *event;
	struct vu_req *req;
	uint64_t next;

	if (!d->running)
		return;
	p->now = scmi_now();
	next = scmi_run(p);
	while (p->p2a && (event = scmi_event_next(p))) {
		if (vu_queue_next(vu_device_queue(d->dev, VIRTIO_SCMI_VQ_RX), &req) != 1)
			break;
		scmi_send(d, req, event);
		scmi_event_sent(p);
	}
	vu_source_set_timer(d->timer, next ? next - p->now : 0, 0);
}

static void on_timer(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	scmi_pump(opaque);
}

static void scmi_serve_queue(struct scmi_device *d, struct vu_queue *queue)
{
	unsigned char in[SCMI_HEADER + 4 * SCMI_MAX_ARGS], out[SCMI_MAX_REPLY];
	struct vu_req *req;

	while (vu_queue_next(queue, &req) == 1) {
		size_t room = req->writable_len < sizeof(out) ? req->writable_len : sizeof(out);
		size_t len = vu_req_read(req, 0, in, sizeof(in));

		/* What is longer is no message, but it has an answer. */
		if (len == sizeof(in) && req->readable_len > len)
			len++;
		d->platform->now = scmi_now();
		len = scmi_serve(d->platform, in, len, out, room);
		if (!len)
			scmi_log(d, "command queue: a request has no room for its header");
		vu_req_complete(req, vu_req_write(req, 0, out, len));
	}
}

static void queue_ready(struct vu_queue *queue, void *opaque)
{
	if (vu_queue_index(queue) == VIRTIO_SCMI_VQ_TX)
		scmi_serve_queue(opaque, queue);
	scmi_pump(opaque);
}

static int started(struct vu_device *dev, void *opaque)
{
	struct scmi_device *d = opaque;

	d->platform->p2a = vu_device_features(dev) >> VIRTIO_SCMI_F_P2A_CHANNELS & 1;
	d->running = true;
	scmi_pump(d);
	return 0;
}

static void stopped(struct vu_device *dev, void *opaque)
{
	struct scmi_device *d = opaque;

	d->running = false;
	vu_source_set_timer(d->timer, 0, 0);
	scmi_agent_away(d->platform);
	(void)dev;
}

/* --- making and freeing --- */

/* The host's sensors that an option names. */
static int scmi_add_sensors(struct scmi_platform *p, const struct vu_option_list *names,
			    const char *sysfs, const char *what,
			    int (*add)(struct scmi_platform *, const char *, const char *))
{
	for (uint32_t i = 0; i < names->n; i++) {
		int ret = add(p, sysfs, names->values[i]);

		if (ret >= 0)
			continue;
		fprintf(stderr, "vu-scmi: %s %s in %s: %s\n", what, names->values[i], sysfs,
			strerror(-ret));
		return ret;
	}
	return 0;
}

static int scmi_make_platform(struct scmi_device *d, const struct settings *s)
{
	struct scmi_platform *p = scmi_platform_new();
	int ret = 0;

	if (!p)
		return -ENOMEM;
	d->platform = p;
	if (s->description)
		ret = scmi_describe(p, s->description);
	else if (!s->hwmon.n && !s->iio.n)
		scmi_describe_default(p);
	if (!ret)
		ret = scmi_add_sensors(p, &s->hwmon, s->sysfs, "hwmon", scmi_add_hwmon);
	if (!ret)
		ret = scmi_add_sensors(p, &s->iio, s->sysfs, "iio", scmi_add_iio);
	p->host = (struct scmi_host){scmi_log, scmi_say_line, d};
	d->control = (struct scmi_control){p, scmi_pump, d};
	return ret;
}

static int create(struct vu_program *program, uint32_t index, void *state)
{
	const struct vu_ops ops = {
		.size = sizeof(ops),
		.started = started,
		.stopped = stopped,
		.queue_ready = queue_ready,
	};
	const struct vu_device_info info = {
		.size = sizeof(info),
		.device_id = 32,
		.n_queues = VIRTIO_SCMI_VQ_MAX_CNT,
		.features = UINT64_C(1) << VIRTIO_SCMI_F_P2A_CHANNELS,
	};
	struct scmi_device *d = state;
	int ret = scmi_make_platform(d, vu_program_settings(program));

	if (!ret)
		ret = vu_program_add_device(program, &info, &ops, d, &d->dev);
	if (!ret)
		ret = vu_group_add_timer(vu_device_group(d->dev), on_timer, d, &d->timer);
	return ret ? ret : vu_program_add_control(program, NULL, &d->control, &d->script);
}

/* Sensors of the host's are opened for each reading. */
static int opened(struct vu_program *program, uint32_t index, void *state)
{
	struct settings *settings = vu_program_settings(program);
	struct shut_in *s = &settings->shut_in;
	const struct scmi_device *d = state;

	(void)index;
	if (settings->hwmon.n || settings->iio.n)
		s->place = (struct sandbox_place){settings->sysfs, SANDBOX_READ};
	return shut_in_enter(s, d->dev);
}

static void destroy(void *state)
{
	struct scmi_device *d = state;

	if (d->platform)
		scmi_platform_free(d->platform);
}

static const struct vu_option options[] = {
	{VU_OPTION_STRING("platform", "FILE", "description of the platform (default: a small one)",
			  struct settings, description)},
	{VU_OPTION_LIST("hwmon", "CHIP|all",
			"sensors of the host's hwmon chips with this name (repeatable)",
			struct settings, hwmon, MAX_SENSOR_OPTIONS)},
	{VU_OPTION_LIST("iio", "DEVICE|all",
			"sensors of the host's IIO devices with this name (repeatable)",
			struct settings, iio, MAX_SENSOR_OPTIONS)},
	{VU_OPTION_STRING("sysfs", "DIR", "where those are (default: /sys)", struct settings,
			  sysfs)},
	{SHUT_IN_OPTION(struct settings, shut_in)},
	{.name = NULL},
};

int main(int argc, char **argv)
{
	struct settings settings = {.sysfs = "/sys"};
	const struct vu_program_info info = {
		VU_PROGRAM("vu-scmi", "scmi", "A vhost-user SCMI platform."),
		SHUT_IN_PROGRAM(options, &settings, scmi_commands, struct scmi_device, create,
				destroy, opened),
	};

	return shut_in_main(&settings.shut_in, &info, argc, argv);
}
