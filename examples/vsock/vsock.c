/* SPDX-License-Identifier: MIT */
/*
 * vu-vsock: a socket device (virtio 1.3 §5.10).
 *
 * Here: the virtio device and its three queues.  What the packets mean is in vsock_tx.c, where
 * those for the guest come from in vsock_rx.c.
 */
#include "vsock.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "vsock_spawn.h"

enum { RXQ = 0, TXQ, EVENTQ, N_QUEUES };
/* virtio 1.3 §5.10.3; Debian 12's header has one of them */
enum { F_STREAM = 1, F_SEQPACKET = 1 << VIRTIO_VSOCK_F_SEQPACKET, F_NO_IMPLIED_STREAM = 4 };
enum { TX_BATCH = 32 };

/* --- queues --- */

/* Each packet can make one RST, which is kept: without room for those, packets stay in the ring. */
static bool vsock_may_take(const struct guest *g)
{
	return g->running && g->n_strays + TX_BATCH <= GUEST_MAX_STRAYS;
}

/* How many packets it took. */
static uint32_t vsock_take(struct vsock_device *d)
{
	uint32_t took = 0;
	struct vu_req *reqs[TX_BATCH];
	uint64_t written[TX_BATCH] = {0};
	int n;

	while (vsock_may_take(&d->guest) && (n = vu_queue_next_batch(d->tx, reqs, TX_BATCH)) > 0) {
		for (int i = 0; i < n; i++)
			guest_receive(&d->guest, reqs[i]);
		guest_settle(&d->guest);
		vu_queue_complete_batch(d->tx, reqs, written, (uint32_t)n);
		took += (uint32_t)n;
	}
	return took;
}

/* Fill as many of the guest's buffers as there is something for; false: there is nothing more. */
static bool vsock_fill(struct vsock_device *d)
{
	uint32_t wanted = guest_wants(&d->guest), used;
	struct vu_req *reqs[GUEST_BATCH];
	uint64_t written[GUEST_BATCH];
	int n;

	if (!wanted)
		return false;
	n = vu_queue_next_batch(d->rx, reqs, wanted < GUEST_BATCH ? wanted : GUEST_BATCH);
	if (n <= 0)
		return false; /* its queue_ready will come */
	used = guest_fill(&d->guest, reqs, (uint32_t)n, written);
	if (used)
		vu_queue_complete_batch(d->rx, reqs, written, used);
	while ((uint32_t)n > used)
		if (vu_req_put_back(reqs[--n]))
			vu_req_complete(reqs[n], 0);
	return true;
}

void vsock_pump(struct vsock *v, const struct guest *current)
{
	struct guest *g;

	while ((g = vsock_next_to_pump(v))) {
		struct vsock_device *d = (struct vsock_device *)g;
		bool was_full = g->running && !vsock_may_take(g);

		while (vsock_fill(d))
			;
		if (was_full)
			vsock_take(d);
		if (g == current)
			continue;
		vu_queue_signal(d->rx); /* nobody else does, before this guest's next event */
		vu_queue_signal(d->tx);
	}
}

/* §5.10.6.8: what this driver may have known of connections is no longer so. */
static void vsock_tell_event(struct vsock_device *d)
{
	const struct virtio_vsock_event event = {htole32(VIRTIO_VSOCK_EVENT_TRANSPORT_RESET)};
	struct vu_req *req;

	if (!d->guest.owes_event || vu_queue_next(d->events, &req) != 1)
		return;
	d->guest.owes_event = false;
	vu_req_complete(req, vu_req_write(req, 0, &event, sizeof(event)));
	vu_queue_signal(d->events); /* before any packet: Linux resets what it has connected then */
}

/* In a stream of small packets the driver need not kick for each. */
static void vsock_coalesce(struct vsock_device *d, uint32_t took)
{
	struct coalesce *co = &d->guest.coalesce;

	/* Other guests are on this thread, too. */
	if (d->guest.vsock->n_guests > 1)
		return;
	for (uint32_t naps = 0; took && naps < COALESCE_NAPS && coalesce_pays(co); naps++) {
		/* Nobody else does, before this call is over. */
		vu_queue_signal(d->rx);
		vu_queue_signal(d->tx);
		coalesce_nap(co);
		took = vsock_take(d);
		coalesce_found(co, took);
		vsock_pump(d->guest.vsock, &d->guest);
	}
}

static void queue_ready(struct vu_queue *queue, void *opaque)
{
	struct vsock_device *d = opaque;
	uint32_t took = 0;

	/* Packets first: they may have been there for as long as the buffers for events. */
	if (queue != d->rx)
		took = vsock_take(d);
	if (queue == d->events)
		vsock_tell_event(d);
	else if (queue == d->rx)
		guest_is_to_pump(&d->guest);
	vsock_pump(d->guest.vsock, &d->guest);
	vsock_coalesce(d, took);
}

/* --- the driver's life --- */

/*
 * It may be the one of before, after a pause, or a new one, after a reboot: front-ends do not say.
 * So each connection is asked for its credit, which a driver that does not know it answers with
 * RST.
 */
static int started(struct vu_device *dev, void *opaque)
{
	struct vsock_device *d = opaque;
	struct guest *g = &d->guest;
	uint64_t features = vu_device_features(dev);

	g->seqpacket = features & F_SEQPACKET;
	g->stream = features & F_STREAM || !g->seqpacket || !(features & F_NO_IMPLIED_STREAM);
	g->running = true;
	for (struct conn *c = g->conns; c; c = c->next)
		if (c->state == CONN_OPEN)
			conn_owe(c, OWE_CREDIT_REQUEST);
	return 0;
}

static void stopped(struct vu_device *dev, void *opaque)
{
	struct vsock_device *d = opaque;

	(void)dev;
	d->guest.running = false;
}

static int session_begin(struct vu_device *dev, void *opaque)
{
	struct vsock_device *d = opaque;

	(void)dev;
	d->guest.owes_event = true;
	return 0;
}

static void session_end(struct vu_device *dev, int why, void *opaque)
{
	struct vsock_device *d = opaque;

	(void)dev;
	(void)why;
	d->guest.running = false;
	guest_forget(&d->guest);
	vsock_pump(d->guest.vsock, NULL); /* siblings hear of it */
}

static void on_clock(struct vu_source *source, int fd, uint32_t expirations, void *opaque)
{
	struct vsock_device *d = opaque;

	(void)fd;
	(void)expirations;
	if (!guest_tick(&d->guest))
		vu_source_set_timer(source, 0, 0);
	vsock_pump(d->guest.vsock, &d->guest);
}

/* --- life --- */

static int vsock_set_cid(struct vsock_device *d, uint32_t index)
{
	const struct vsock_settings *s = d->settings;
	const struct vsock *v = &s->vsock;

	d->guest.cid = index < s->n_cids ? s->cids[index] : VMADDR_CID_HOST + 1 + index;
	for (uint32_t i = 0; i < v->n_guests; i++) {
		if (v->guests[i]->cid != d->guest.cid)
			continue;
		fprintf(stderr,
			"vu-vsock: two guests would have CID %llu; --guest-cid says which\n",
			(unsigned long long)d->guest.cid);
		return -EINVAL;
	}
	return 0;
}

static int vsock_check(const struct vsock_settings *s)
{
	const char *why = NULL;

	if (s->max_buffered < s->buffer)
		why = "--max-buffered is less than --buffer-size: there would be no connection";
	else if (s->rules.uds_path && !*s->rules.uds_path)
		why = "--uds-path: a path, please";
	if (why)
		fprintf(stderr, "vu-vsock: %s\n", why);
	return why ? -EINVAL : 0;
}

static int vsock_make_device(struct vsock_device *d, struct vu_program *program)
{
	const struct vu_ops ops = {
		.size = sizeof(ops),
		.session_begin = session_begin,
		.session_end = session_end,
		.started = started,
		.stopped = stopped,
		.queue_ready = queue_ready,
	};
	const struct virtio_vsock_config config = {.guest_cid = htole64(d->guest.cid)};
	const struct vu_device_info info = {
		.size = sizeof(info),
		.device_id = VIRTIO_ID_VSOCK,
		.n_queues = N_QUEUES,
		.features = F_STREAM | F_SEQPACKET | F_NO_IMPLIED_STREAM,
		.config = &config,
		.config_size = sizeof(config),
		.max_queue_size = (uint32_t)d->settings->queue_size,
	};
	int ret = vu_program_add_device(program, &info, &ops, d, &d->dev);

	if (ret)
		return ret;
	d->guest.dev = d->dev;
	d->rx = vu_device_queue(d->dev, RXQ);
	d->tx = vu_device_queue(d->dev, TXQ);
	d->events = vu_device_queue(d->dev, EVENTQ);
	return vu_group_add_timer(vu_device_group(d->dev), on_clock, d, &d->guest.clock);
}

int vsock_init(struct vsock_device *d, struct vu_program *program, uint32_t index)
{
	struct vsock_settings *s = vu_program_settings(program);
	struct vsock *v = &s->vsock;
	int ret;

	d->settings = s;
	d->guest.vsock = v;
	if (v->n_guests == VSOCK_MAX_GUESTS) {
		fprintf(stderr, "vu-vsock: %u guests at most\n", VSOCK_MAX_GUESTS);
		return -E2BIG;
	}
	ret = vsock_check(s);
	if (!ret)
		ret = vsock_set_cid(d, index);
	if (ret)
		return ret;
	if (getrandom(&d->guest.seed, sizeof(d->guest.seed), GRND_NONBLOCK) < 0)
		d->guest.seed = (uintptr_t)d; /* early at boot */
	d->guest.max_conns = (uint32_t)s->max_conns;
	d->guest.buffer = (uint32_t)s->buffer;
	d->guest.max_held = s->max_buffered;
	d->guest.linger = (uint32_t)s->linger * VSOCK_TICKS_A_SECOND;
	coalesce_init(&d->guest.coalesce, s->coalesce_us);
	v->rules = &s->rules;
	v->guests[v->n_guests++] = &d->guest;
	ret = vsock_make_device(d, program);
	if (!ret)
		ret = spawner_start(&s->rules, (uint32_t)s->max_conns);
	if (!ret)
		ret = listeners_open(d);
	return ret ? ret : vu_program_add_control(program, NULL, d, &d->script);
}

void vsock_fini(struct vsock_device *d)
{
	struct vsock *v = d->guest.vsock;

	guest_end(&d->guest);
	listeners_close(d);
	for (uint32_t i = 0; i < v->n_guests; i++)
		if (v->guests[i] == &d->guest)
			v->guests[i] = v->guests[--v->n_guests];
	v->to_pump = NULL; /* nothing is sent any more */
}
