/* SPDX-License-Identifier: MIT */
/*
 * What the platform sends by itself: notifications, and delayed responses to asynchronous commands.
 *
 * Both wait here until the event queue has a buffer.  Delayed responses are never lost: each
 * command has a place from its beginning, and one too many is answered BUSY.  Of notifications only
 * so many are kept; further ones are dropped, which is logged once until all have been taken.
 */
#include "scmi.h"

#include <string.h>

static uint32_t event_header(enum scmi_type type, uint32_t protocol, uint32_t id)
{
	return id | (uint32_t)type << 8 | protocol << 10;
}

void scmi_event_put(struct scmi_event *event, uint32_t word)
{
	if (event->n < SCMI_EVENT_WORDS)
		event->words[event->n++] = word;
}

void scmi_event_put64(struct scmi_event *event, uint64_t value)
{
	scmi_event_put(event, (uint32_t)value);
	scmi_event_put(event, (uint32_t)(value >> 32));
}

static void event_fill(struct scmi_event *event, uint32_t header, const uint32_t *words, uint32_t n)
{
	event->n = 0;
	scmi_event_put(event, header);
	for (uint32_t i = 0; i < n; i++)
		scmi_event_put(event, words[i]);
}

static struct scmi_event *notification_at(struct scmi_platform *p, uint32_t i)
{
	return &p->notifications[(p->first + i) % SCMI_MAX_NOTIFICATIONS];
}

void scmi_notify(struct scmi_platform *p, uint8_t protocol, uint8_t id, const uint32_t *words,
		 uint32_t n)
{
	uint32_t header = event_header(SCMI_NOTIFICATION, protocol, id);

	if (!p->p2a)
		return;
	if (p->n_notifications < SCMI_MAX_NOTIFICATIONS) {
		event_fill(notification_at(p, p->n_notifications++), header, words, n);
	} else if (!p->dropped) {
		p->dropped = true;
		if (p->host.log)
			p->host.log(p->host.opaque,
				    "the driver gives no buffers: notifications are dropped");
	}
}

void scmi_notify_latest(struct scmi_platform *p, uint8_t protocol, uint8_t id,
			const uint32_t *words, uint32_t n)
{
	uint32_t header = event_header(SCMI_NOTIFICATION, protocol, id);

	for (uint32_t i = 0; i < p->n_notifications; i++) {
		struct scmi_event *event = notification_at(p, i);

		if (event->words[0] == header &&
		    !memcmp(event->words + 1, words, 2 * sizeof(*words)))
			return event_fill(event, header, words, n);
	}
	scmi_notify(p, protocol, id, words, n);
}

int32_t scmi_delay(struct scmi_call *call, const struct scmi_delayed *delayed, uint32_t delay_ms)
{
	struct scmi_platform *p = call->platform;
	struct scmi_delayed *d;

	for (d = p->delayed; d->state != SCMI_FREE; d++)
		if (d == &p->delayed[SCMI_MAX_DELAYED - 1])
			return SCMI_BUSY;
	*d = *delayed;
	d->state = SCMI_RUNNING;
	d->due = p->now + delay_ms * UINT64_C(1000000);
	d->header = call->header;
	return SCMI_SUCCESS;
}

static void delayed_finish(struct scmi_platform *p, struct scmi_delayed *d)
{
	int32_t status;

	d->event.n = 0;
	/* The command's protocol, message and token; of another type. */
	scmi_event_put(&d->event, (d->header & ~UINT32_C(0x300)) | SCMI_DELAYED << 8);
	scmi_event_put(&d->event, SCMI_SUCCESS);
	status = d->finish(p, d, &d->event);
	if (status) {
		d->event.n = 2;
		d->event.words[1] = (uint32_t)status;
	}
	d->state = d->silent ? SCMI_FREE : SCMI_DONE;
	d->order = ++p->n_done;
}

uint64_t scmi_run(struct scmi_platform *p)
{
	uint64_t next = scmi_sensors_run(p);

	for (;;) {
		struct scmi_delayed *first = NULL;

		for (uint32_t i = 0; i < SCMI_MAX_DELAYED; i++) {
			struct scmi_delayed *d = &p->delayed[i];

			if (d->state == SCMI_RUNNING && (!first || d->due < first->due))
				first = d;
		}
		if (!first)
			return next;
		if (first->due > p->now)
			return !next || first->due < next ? first->due : next;
		delayed_finish(p, first);
	}
}

static struct scmi_delayed *delayed_next(struct scmi_platform *p)
{
	struct scmi_delayed *first = NULL;

	for (uint32_t i = 0; i < SCMI_MAX_DELAYED; i++)
		if (p->delayed[i].state == SCMI_DONE &&
		    (!first || p->delayed[i].order < first->order))
			first = &p->delayed[i];
	return first;
}

const struct scmi_event *scmi_event_next(struct scmi_platform *p)
{
	const struct scmi_delayed *d = delayed_next(p);

	if (d)
		return &d->event;
	return p->n_notifications ? notification_at(p, 0) : NULL;
}

void scmi_event_sent(struct scmi_platform *p)
{
	struct scmi_delayed *d = delayed_next(p);

	if (d) {
		d->state = SCMI_FREE;
	} else if (p->n_notifications) {
		p->first = (p->first + 1) % SCMI_MAX_NOTIFICATIONS;
		if (!--p->n_notifications)
			p->dropped = false;
	}
}

static void notifications_drop(struct scmi_platform *p)
{
	p->n_notifications = 0;
	p->dropped = false;
}

void scmi_forget_agent(struct scmi_platform *p)
{
	notifications_drop(p);
	memset(p->delayed, 0, sizeof(p->delayed));
	p->was_away = false;
	p->notify_errors = false;
	for (uint32_t i = 0; i < p->n_clocks; i++)
		p->clocks[i].notify = false;
	for (uint32_t i = 0; i < p->n_powers; i++)
		p->powers[i].notify = false;
	for (uint32_t i = 0; i < p->n_perfs; i++)
		p->perfs[i].notify_level = p->perfs[i].notify_limits = false;
	for (uint32_t i = 0; i < p->n_resets; i++)
		p->resets[i].notify = false;
	for (uint32_t i = 0; i < p->n_sensors; i++)
		scmi_sensor_init(&p->sensors[i]);
}

/*
 * Rings stop alike when a guest is paused and when it reboots; QEMU does not say which, nor whether
 * a front-end that connects again brings the same guest.  So what the agent asked for stays, until
 * an agent introduces itself: see protocol_version() in scmi_message.c.  Notifications that found
 * no buffer are for nobody else, and may be dropped.
 */
void scmi_agent_away(struct scmi_platform *p)
{
	notifications_drop(p);
	p->was_away = true;
}
