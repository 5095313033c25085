/* SPDX-License-Identifier: MIT */
/*
 * The virtio device (virtio 1.3 §5.8): events to the guest, one in each of its buffers, taken at
 * the moment of the event; status events back; the configuration space.  Knows no kind of device.
 */
#include "input.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

enum { EVENTQ, STATUSQ, N_QUEUES };

static void input_complain(struct input_device *d, const char *queue)
{
	char line[100];

	snprintf(line, sizeof(line), "%s: buffers are too small for an event; they come back empty",
		 queue);
	vu_device_log_peer(d->dev, VU_LOG_WARNING, line);
}

static void input_deliver(struct input_device *d)
{
	const struct input_ev *ev;
	struct vu_req *req;

	while ((ev = input_fifo_peek(&d->fifo)) && vu_queue_next(d->eventq, &req) == 1) {
		const struct virtio_input_event out = {.type = htole16(ev->type),
						       .code = htole16(ev->code),
						       .value = htole32((uint32_t)ev->value)};

		if (req->writable_len < sizeof(out)) {
			input_complain(d, "eventq");
			vu_req_complete(req, 0);
			continue;
		}
		vu_req_complete(req, vu_req_write(req, 0, &out, sizeof(out)));
		input_fifo_pop(&d->fifo);
	}
}

/* Linux's driver sends back the EV_MSC and others that it gets: those are not for the device. */
static bool input_is_status(const struct input_device *d, struct input_ev ev)
{
	switch (ev.type) {
	case EV_LED:
	case EV_SND:
	case EV_REP:
		return input_has(&d->about, ev.type, ev.code);
	case EV_FF: /* the code may be an effect's number, too */
		return input_has_type(&d->about, EV_FF) && ev.code < FF_CNT;
	}
	return false;
}

static void input_take_status(struct input_device *d, struct vu_queue *queue)
{
	struct vu_req *req;

	while (vu_queue_next(queue, &req) == 1) {
		struct virtio_input_event in;
		struct input_ev ev;

		if (vu_req_read(req, 0, &in, sizeof(in)) < sizeof(in)) {
			input_complain(d, "statusq");
		} else {
			ev = (struct input_ev){le16toh(in.type), le16toh(in.code),
					       (int32_t)le32toh(in.value)};
			if (input_is_status(d, ev))
				d->user.status(ev, d->user.opaque);
		}
		vu_req_complete(req, 0);
	}
}

static void on_queue_ready(struct vu_queue *queue, void *opaque)
{
	struct input_device *d = opaque;

	if (vu_queue_index(queue) == STATUSQ)
		input_take_status(d, queue);
	else
		input_deliver(d);
}

static int on_started(struct vu_device *dev, void *opaque)
{
	struct input_device *d = opaque;

	input_fifo_listen(&d->fifo, true);
	d->user.listen(true, d->user.opaque);
	return 0;
}

static void on_stopped(struct vu_device *dev, void *opaque)
{
	struct input_device *d = opaque;

	input_fifo_listen(&d->fifo, false);
	d->user.listen(false, d->user.opaque);
}

static int on_config_read(struct vu_device *dev, uint32_t offset, void *buf, uint32_t len,
			  void *opaque)
{
	struct input_device *d = opaque;
	struct virtio_input_config config;
	uint8_t selected[2] = {0};

	vu_config_get(dev, 0, selected, sizeof(selected));
	input_config(&d->about, selected[0], selected[1], &config);
	/* Beyond the space there are zeros, which the library has put there. */
	if (offset < sizeof(config))
		memcpy(buf, (const char *)&config + offset,
		       len < sizeof(config) - offset ? len : sizeof(config) - offset);
	return 0;
}

static const struct virtio_input_config writable = {.select = 0xff, .subsel = 0xff};

const struct vu_ops input_device_ops = {
	.size = sizeof(input_device_ops),
	.started = on_started,
	.stopped = on_stopped,
	.queue_ready = on_queue_ready,
	.config_read = on_config_read,
};

const struct vu_device_info input_device_info = {
	.size = sizeof(input_device_info),
	.device_id = 18,
	.n_queues = N_QUEUES,
	.config_writable = &writable,
	.config_size = sizeof(writable),
};

void input_device_init(struct input_device *d)
{
	d->eventq = vu_device_queue(d->dev, EVENTQ);
	input_fifo_init(&d->fifo, &d->about);
}

int input_device_push(struct input_device *d, uint32_t type, uint32_t code, int32_t value)
{
	const struct input_ev ev = {(uint16_t)type, (uint16_t)code, value};
	int fate = input_fifo_push(&d->fifo, ev);

	if (fate == INPUT_OVERFLOW) {
		vu_device_log_peer(d->dev, VU_LOG_WARNING,
				   "the guest takes no events: new ones are dropped (SYN_DROPPED)");
		d->user.overflow(d->user.opaque);
	}
	input_deliver(d);
	return fate;
}
