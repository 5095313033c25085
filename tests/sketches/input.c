/* SPDX-License-Identifier: MIT */
/*
 * An input device that passes on one evdev node, as a user of the library would write it: buffers
 * are taken at the moment of an event, whole packets (up to SYN_REPORT) or nothing.
 *
 * Compiled against the public headers only, as a test that they suffice; never linked or run.
 * Everything is on the device thread.
 */
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/input.h>
#include <linux/virtio_input.h>
#include <libvu/vu.h>

enum { EVENTQ, STATUSQ, N_QUEUES };
enum { PACKET_MAX = 32 };

struct keyboard {
	int fd; /* evdev, non-blocking */
	struct vu_queue *eventq;
	struct vu_source *source;
	struct virtio_input_event packet[PACKET_MAX];
	uint32_t n;    /* events of the packet being collected */
	uint32_t full; /* 1: it has its SYN_REPORT and waits for buffers */
	uint32_t drop; /* 1: until the next SYN_REPORT (too long, or nobody listens) */
};

/* Deliver the finished packet.  Return 0, or -EAGAIN while the driver has too few buffers. */
static int keyboard_flush(struct keyboard *kb)
{
	struct vu_req *reqs[PACKET_MAX];
	int i, n = vu_queue_next_batch(kb->eventq, reqs, kb->n);

	if (n == -ESHUTDOWN || n == -EIO) {
		kb->n = kb->full = 0; /* nobody listens: old events are of no use later */
		return 0;
	}
	if (n < (int)kb->n) {
		/* Newest first; queue_ready comes when the driver adds more. */
		while (n-- > 0)
			if (vu_req_put_back(reqs[n]))
				vu_req_complete(reqs[n], 0);
		return -EAGAIN;
	}
	for (i = 0; i < n; i++)
		vu_req_complete(reqs[i],
				vu_req_write(reqs[i], 0, &kb->packet[i], sizeof(kb->packet[i])));
	kb->n = kb->full = 0;
	return 0;
}

static void keyboard_readable(struct vu_source *source, int fd, uint32_t events, void *opaque)
{
	struct keyboard *kb = opaque;
	struct input_event ev;

	while (!kb->full && read(fd, &ev, sizeof(ev)) == (ssize_t)sizeof(ev)) {
		int syn = ev.type == EV_SYN && ev.code == SYN_REPORT;

		if (kb->n == PACKET_MAX)
			kb->drop = 1;
		if (!kb->drop)
			kb->packet[kb->n++] = (struct virtio_input_event){
				.type = htole16(ev.type),
				.code = htole16(ev.code),
				.value = htole32((uint32_t)ev.value),
			};
		if (!syn)
			continue;
		kb->full = !kb->drop;
		if (kb->drop)
			kb->n = kb->drop = 0;
		if (kb->full && keyboard_flush(kb) == -EAGAIN)
			vu_source_set_events(source, 0); /* the kernel's buffer holds the rest */
	}
}

/* Keyboard lights: the driver tells the device. */
static void keyboard_status(const struct keyboard *kb, struct vu_queue *queue)
{
	struct vu_req *req;

	while (vu_queue_next(queue, &req) > 0) {
		struct virtio_input_event in;

		if (vu_req_read(req, 0, &in, sizeof(in)) == sizeof(in)) {
			const struct input_event ev = {.type = le16toh(in.type),
						       .code = le16toh(in.code),
						       .value = (int)le32toh(in.value)};

			(void)!write(kb->fd, &ev, sizeof(ev));
		}
		vu_req_complete(req, 0);
	}
}

static void keyboard_queue_ready(struct vu_queue *queue, void *opaque)
{
	struct keyboard *kb = opaque;

	if (vu_queue_index(queue) == STATUSQ)
		keyboard_status(kb, queue);
	else if (kb->full && keyboard_flush(kb) == 0)
		vu_source_set_events(kb->source, EPOLLIN);
	/* else: the buffers stay in the ring until there is something to put into them */
}

static int keyboard_started(struct vu_device *dev, void *opaque)
{
	struct keyboard *kb = opaque;

	return vu_source_set_events(kb->source, EPOLLIN);
}

static void keyboard_stopped(struct vu_device *dev, void *opaque)
{
	struct keyboard *kb = opaque;

	kb->n = kb->full = kb->drop = 0;
	vu_source_set_events(kb->source, 0);
}

/* What the space holds depends on its first two bytes, which the driver has written. */
static int keyboard_config_read(struct vu_device *dev, uint32_t offset, void *buf, uint32_t len,
				void *opaque)
{
	struct keyboard *kb = opaque;
	struct virtio_input_config c = {0};
	int n = 0;

	vu_config_get(dev, 0, &c.select, 1);
	vu_config_get(dev, 1, &c.subsel, 1);
	if (c.select == VIRTIO_INPUT_CFG_ID_NAME)
		n = ioctl(kb->fd, EVIOCGNAME(sizeof(c.u.string)), c.u.string);
	else if (c.select == VIRTIO_INPUT_CFG_EV_BITS)
		n = ioctl(kb->fd, EVIOCGBIT(c.subsel, sizeof(c.u.bitmap)), c.u.bitmap);
	else if (c.select == VIRTIO_INPUT_CFG_PROP_BITS)
		n = ioctl(kb->fd, EVIOCGPROP(sizeof(c.u.bitmap)), c.u.bitmap);
	c.size = n > 0 ? (uint8_t)n : 0;
	memcpy(buf, (const char *)&c + offset, len); /* inside config_size: the library checked */
	return 0;
}

int keyboard_new(struct keyboard *kb, struct vu_device **dev);

int keyboard_new(struct keyboard *kb, struct vu_device **dev)
{
	static const struct virtio_input_config writable = {.select = 0xff, .subsel = 0xff};
	const struct vu_ops ops = {
		.size = sizeof(ops),
		.queue_ready = keyboard_queue_ready,
		.started = keyboard_started,
		.stopped = keyboard_stopped,
		.config_read = keyboard_config_read,
	};
	const struct vu_device_info info = {
		.size = sizeof(info),
		.device_id = 18,
		.n_queues = N_QUEUES,
		.config_writable = &writable,
		.config_size = sizeof(writable),
	};
	int err = vu_device_new(&info, &ops, kb, dev);

	if (err)
		return err;
	kb->eventq = vu_device_queue(*dev, EVENTQ);
	return vu_group_add_fd(vu_device_group(*dev), kb->fd, 0, keyboard_readable, kb,
			       &kb->source);
}
