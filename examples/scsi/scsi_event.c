/* SPDX-License-Identifier: MIT */
/*
 * The event queue (virtio 1.3 §5.6.6.3): what changes while a driver runs.  An event waits here
 * until there is a buffer; when too many do, the driver hears that it missed some, and looks at
 * everything.  Device thread.
 */
#include "scsi.h"

#include <endian.h>

enum { EVENT_QUEUE = 1 };

static void event_write(struct vu_req *req, const struct scsi_event *event, bool missed)
{
	struct virtio_scsi_event raw = {
		.event = htole32(event->event | (missed ? VIRTIO_SCSI_T_EVENTS_MISSED : 0)),
		.reason = htole32(event->reason),
	};

	/* Linux takes bytes 2 and 3 for the number as they are: the simplest method. */
	if (event->event) {
		raw.lun[0] = 1;
		raw.lun[1] = event->target;
		raw.lun[3] = event->lun;
	}
	vu_req_complete(req, vu_req_write(req, 0, &raw, sizeof(raw)));
}

static void event_drop_first(struct scsi *scsi)
{
	scsi->first_event = (scsi->first_event + 1) % SCSI_EVENTS;
	scsi->n_events--;
}

void scsi_event_ready(struct scsi *scsi)
{
	static const struct scsi_event none = {VIRTIO_SCSI_T_NO_EVENT, 0, 0, 0};
	struct vu_queue *queue = vu_device_queue(scsi->dev, EVENT_QUEUE);
	struct vu_req *req;

	/* Taken only when there is something to put into it. */
	while ((scsi->n_events || scsi->missed) && vu_queue_next(queue, &req) == 1) {
		if (req->writable_len < sizeof(struct virtio_scsi_event)) {
			/* §5.6.6.3.1: dropped, and said so with the next. */
			scsi->missed = true;
			vu_req_complete(req, 0);
			if (scsi->n_events)
				event_drop_first(scsi);
			continue;
		}
		if (!scsi->n_events) {
			event_write(req, &none, true);
		} else {
			event_write(req, &scsi->events[scsi->first_event], scsi->missed);
			event_drop_first(scsi);
		}
		scsi->missed = false;
	}
}

void scsi_event_reset(struct scsi *scsi)
{
	scsi->n_events = 0;
	scsi->missed = false;
}

/* A driver has to want such events. */
static bool event_is_wanted(const struct scsi *scsi, uint32_t event)
{
	uint32_t bit =
		event == VIRTIO_SCSI_T_PARAM_CHANGE ? VIRTIO_SCSI_F_CHANGE : VIRTIO_SCSI_F_HOTPLUG;

	return vu_device_is_attached(scsi->dev) && vu_device_has_feature(scsi->dev, bit);
}

void scsi_event_all(struct scsi_host *host, uint32_t event, uint32_t reason, uint32_t target,
		    uint32_t lun)
{
	for (uint32_t i = 0; i < SCSI_INITIATORS; i++) {
		struct scsi *scsi = host->initiators[i];

		if (!scsi || !event_is_wanted(scsi, event))
			continue;
		if (scsi->n_events == SCSI_EVENTS) {
			scsi->missed = true;
		} else {
			scsi->events[(scsi->first_event + scsi->n_events++) % SCSI_EVENTS] =
				(struct scsi_event){event, reason, (uint8_t)target, (uint8_t)lun};
		}
		scsi_event_ready(scsi);
	}
}
