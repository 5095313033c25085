/* SPDX-License-Identifier: MIT */
/*
 * Events that the guest has not taken yet.
 *
 * A guest that is too slow gets what evdev's readers get: when there is no room, the packet that is
 * being written goes and everything after it, until the guest has taken all that is here.  Then
 * comes SYN_DROPPED, and, because a guest cannot ask what the state is (and Linux's driver passes
 * over SYN_DROPPED), behind it the events that make its state the true one.  Relative motion is
 * lost.
 */
#include "input.h"

#include <string.h>

static const struct input_ev report = {EV_SYN, SYN_REPORT, 0}, lost = {EV_SYN, SYN_DROPPED, 0};

void input_fifo_init(struct input_fifo *fifo, const struct input_about *about)
{
	memset(fifo, 0, sizeof(*fifo));
	input_state_init(&fifo->told, about);
	input_state_init(&fifo->now, about);
}

static bool input_is_report(const struct input_ev *ev)
{
	return ev->type == EV_SYN && ev->code == SYN_REPORT;
}

/* Into an empty fifo: what the guest needs to know. */
static void input_fifo_tell(struct input_fifo *fifo, bool dropped, bool again)
{
	uint32_t n;

	fifo->head = fifo->n = fifo->open = 0;
	fifo->dropping = false;
	if (dropped)
		fifo->ring[fifo->n++] = lost;
	if (dropped || fifo->torn)
		fifo->ring[fifo->n++] = report;
	n = input_state_changes(&fifo->told, &fifo->now, again, &fifo->ring[fifo->n]);
	fifo->n += n;
	if (n)
		fifo->ring[fifo->n++] = report;
}

static int input_fifo_overflow(struct input_fifo *fifo)
{
	fifo->n -= fifo->open;
	fifo->dropped += fifo->open + 1;
	fifo->open = 0;
	fifo->dropping = true;
	if (!fifo->n)
		input_fifo_tell(fifo, true, false);
	return INPUT_OVERFLOW;
}

int input_fifo_push(struct input_fifo *fifo, struct input_ev ev)
{
	input_state_apply(&fifo->now, &ev);
	if (!fifo->listening) {
		fifo->missed = fifo->heard;
		return INPUT_UNHEARD;
	}
	if (fifo->dropping) {
		fifo->dropped++;
		return INPUT_DROPPED;
	}
	if (fifo->n >= INPUT_FIFO)
		return input_fifo_overflow(fifo);
	fifo->ring[(fifo->head + fifo->n++) % INPUT_RING] = ev;
	fifo->open = input_is_report(&ev) ? 0 : fifo->open + 1;
	return INPUT_QUEUED;
}

void input_fifo_listen(struct input_fifo *fifo, bool listening)
{
	if (listening) {
		/* A new driver, which knows nothing, or one that was only interrupted. */
		input_fifo_tell(fifo, fifo->missed, true);
		fifo->heard = true;
		fifo->missed = false;
	} else {
		fifo->missed |= fifo->n > 0 || fifo->dropping;
		fifo->n = fifo->open = 0;
		fifo->dropping = false;
	}
	fifo->listening = listening;
}

const struct input_ev *input_fifo_peek(const struct input_fifo *fifo)
{
	return fifo->n ? &fifo->ring[fifo->head] : NULL;
}

void input_fifo_pop(struct input_fifo *fifo)
{
	const struct input_ev *ev = &fifo->ring[fifo->head];

	input_state_apply(&fifo->told, ev);
	fifo->torn = !input_is_report(ev);
	fifo->head = (fifo->head + 1) % INPUT_RING;
	fifo->n--;
	if (fifo->open > fifo->n)
		fifo->open = fifo->n;
	if (!fifo->n && fifo->dropping)
		input_fifo_tell(fifo, true, false);
}
