/* SPDX-License-Identifier: MIT */
/* One queue: its descriptors, its ring while it runs, and lines about its requests. */
#include "watch_queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "types.h"

enum { F_RING_PACKED = 34 };

struct watch_queue *queue_new(struct dialog *dialog, uint32_t index)
{
	struct watch_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->dialog = dialog;
	q->index = index;
	standin_init(&q->kick);
	standin_init(&q->call);
	return q;
}

static void queue_close_calls(struct watch_queue *q, uint32_t keep)
{
	while (q->n_old > keep) {
		standin_call(&q->old_calls[0]);
		standin_close(&q->old_calls[0]);
		memmove(q->old_calls, q->old_calls + 1, --q->n_old * sizeof(q->old_calls[0]));
	}
}

void queue_free(struct watch_queue *q)
{
	if (!q)
		return;
	standin_call(&q->call);
	queue_close_calls(q, 0);
	queue_stop(q);
	standin_close(&q->kick);
	standin_close(&q->call);
	free(q);
}

static void queue_request(const struct watch_queue *q, const struct seen *seen, uint32_t used,
			  struct request *r)
{
	*r = (struct request){.queue = q->index,
			      .out = seen->out,
			      .in = seen->in,
			      .used = used,
			      .head = seen->bytes,
			      .n_head = seen->n_head};
	r->n_written = seen_pieces_read(&seen->written, q->ring->memory, r->written,
					used < SEEN_WRITTEN ? used : SEEN_WRITTEN);
	r->n_tail = seen_pieces_read(&seen->tail, q->ring->memory, r->tail, SEEN_TAIL);
}

static void queue_used(void *opaque, struct seen *seen, uint32_t used)
{
	struct watch_queue *q = opaque;
	const struct type *type = q->dialog->type ? type_find(q->dialog->type) : NULL;
	struct told told = {.name = "REQUEST", .result = "done"};
	struct request_line line = {.at = trace_now(),
				    .session = q->dialog->number,
				    .queue = q->index,
				    .type = q->dialog->type};
	struct request r;

	if (seen->unknown) {
		told_add(&told, "that was not seen before it was used");
	} else {
		queue_request(q, seen, used, &r);
		if (type)
			type->tell(&r, &told);
		if (seen->flaw)
			told_add(&told, "(%s)", seen->flaw);
	}
	line.name = told.name;
	line.text = told.text;
	line.result = told.result;
	line.failed = told.failed;
	line.segments = seen->segments;
	line.out = seen->out;
	line.in = seen->in;
	line.used = used;
	line.timed = !seen->late;
	line.took = line.at - seen->at;
	report_request(q->dialog->report, &line);
}

static void queue_note(void *opaque, const char *by, const char *text)
{
	struct watch_queue *q = opaque;

	report_note(q->dialog->report, q->dialog->number, by, "queue %u: %s", q->index, text);
}

void queue_start(struct watch_queue *q, const struct memory *memory)
{
	const struct vring_user user = {queue_used, queue_note, q};
	bool packed = q->dialog->features >> F_RING_PACKED & 1;

	q->kick.paused = false;
	/* A kick descriptor may be replaced while the ring goes on. */
	if (q->ring && !q->fresh)
		return;
	queue_stop(q);
	if (!q->has_addr || !q->num)
		return;
	q->ring = vring_new(memory, &user, packed, q->num, &q->addr, q->base);
	q->fresh = false;
}

void queue_pause(struct watch_queue *q)
{
	q->kick.paused = true;
}

void queue_stop(struct watch_queue *q)
{
	standin_give_back(&q->kick);
	if (!q->ring)
		return;
	queue_look(q);
	if (q->ring->n_seen)
		report_note(q->dialog->report, q->dialog->number, NULL,
			    "queue %u: ends with %u requests that are not completed, the oldest is "
			    "%.1f ms old",
			    q->index, q->ring->n_seen,
			    (double)(trace_now() - vring_oldest(q->ring)) / 1e6);
	vring_free(q->ring);
	q->ring = NULL;
	q->fresh = true;
}

/* Put one of ours in its place.  On failure it stays as it is, and is not watched. */
static void queue_replace(struct watch_queue *q, struct standin *s, int *fds, uint32_t n_fds)
{
	int give;

	standin_init(s);
	if (!n_fds)
		return;
	if (standin_open(s, fds[0], &give) < 0)
		report_note(q->dialog->report, q->dialog->number, NULL,
			    "queue %u: no descriptor to stand in: its requests are seen late",
			    q->index);
	else
		fds[0] = give;
}

void queue_set_kick(struct watch_queue *q, int *fds, uint32_t n_fds)
{
	standin_give_back(&q->kick);
	standin_close(&q->kick);
	queue_replace(q, &q->kick, fds, n_fds);
}

void queue_set_call(struct watch_queue *q, int *fds, uint32_t n_fds)
{
	if (q->call.theirs >= 0) {
		queue_close_calls(q, OLD_CALLS - 1);
		q->old_calls[q->n_old++] = q->call;
	}
	queue_replace(q, &q->call, fds, n_fds);
}

bool queue_look(struct watch_queue *q)
{
	return q->ring && vring_look(q->ring);
}

/* Look first: so the request is seen before the back-end can take it. */
static void queue_kick_ready(void *opaque, int fd, short events)
{
	struct watch_queue *q = opaque;

	(void)events;
	if (fd != q->kick.theirs || q->kick.paused)
		return;
	queue_look(q);
	standin_kick(&q->kick);
}

static void queue_call_ready(void *opaque, int fd, short events)
{
	struct watch_queue *q = opaque;

	(void)events;
	queue_look(q);
	if (fd == q->call.ours)
		standin_call(&q->call);
	for (uint32_t i = 0; i < q->n_old; i++)
		if (fd == q->old_calls[i].ours)
			standin_call(&q->old_calls[i]);
}

void queue_poll(struct watch_queue *q, struct poller *p)
{
	if (q->kick.theirs >= 0 && !q->kick.paused)
		poller_add(p, q->kick.theirs, POLLIN, queue_kick_ready, q);
	if (q->call.theirs >= 0)
		poller_add(p, q->call.ours, POLLIN, queue_call_ready, q);
	for (uint32_t i = 0; i < q->n_old; i++)
		poller_add(p, q->old_calls[i].ours, POLLIN, queue_call_ready, q);
}
