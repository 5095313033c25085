/* SPDX-License-Identifier: MIT */
/* See vsock_conn.h: the table of connections, their ends, and who has something to send. */
#include "vsock_conn.h"

#include <stdlib.h>

enum {
	TICK_NS = 1000000000 / VSOCK_TICKS_A_SECOND,
	FIRST_PAUSE = 1, /* ticks before credit is asked for, doubled each time */
	MOST_PAUSES = 6,
};

void guest_complain(struct guest *g, const char *format, ...)
{
	char line[256];

	if (!g->dev)
		return;
	VU_FORMAT(line, format);
	vu_device_log_peer(g->dev, VU_LOG_WARNING, line);
}

/* --- the table --- */

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 32) * 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9u;
	return x ^ x >> 32;
}

/* A guest that picks its ports must not have all its connections in one bucket. */
static uint32_t tuple_bucket(const struct guest *g, const struct tuple *t)
{
	uint64_t x = mix(g->seed ^ ((uint64_t)t->local_port << 32 | t->peer_port));

	return (uint32_t)mix(x ^ t->peer_cid) % GUEST_BUCKETS;
}

/* The type is no part of the name: Linux has one table for both. */
struct conn *conn_find(struct guest *g, const struct tuple *t)
{
	struct conn *c = g->buckets[tuple_bucket(g, t)];

	while (c && (c->tuple.peer_cid != t->peer_cid || c->tuple.peer_port != t->peer_port ||
		     c->tuple.local_port != t->local_port))
		c = c->bucket_next;
	return c;
}

void conn_name(struct conn *c, const struct tuple *tuple)
{
	struct conn **bucket = &c->guest->buckets[tuple_bucket(c->guest, tuple)];

	c->tuple = *tuple;
	c->bucket_next = *bucket;
	*bucket = c;
	c->is_named = true;
}

static void conn_unname(struct conn *c)
{
	struct conn **at = &c->guest->buckets[tuple_bucket(c->guest, &c->tuple)];

	if (!c->is_named)
		return;
	while (*at != c)
		at = &(*at)->bucket_next;
	*at = c->bucket_next;
	c->is_named = false;
}

uint32_t conn_new_port(struct guest *g, const struct tuple *tuple)
{
	struct tuple t = *tuple;

	/* There are fewer connections than ports, so one is free. */
	do {
		if (g->next_port < GUEST_FIRST_PORT || g->next_port == UINT32_MAX)
			g->next_port = GUEST_FIRST_PORT;
		t.peer_port = g->next_port++;
	} while (conn_find(g, &t));
	return t.peer_port;
}

/* --- who has something for the guest --- */

void guest_is_to_pump(struct guest *g)
{
	if (g->is_to_pump)
		return;
	g->is_to_pump = true;
	g->pump_next = g->vsock->to_pump;
	g->vsock->to_pump = g;
}

struct guest *vsock_next_to_pump(struct vsock *v)
{
	struct guest *g = v->to_pump;

	if (!g)
		return NULL;
	v->to_pump = g->pump_next;
	g->is_to_pump = false;
	return g;
}

static void ready_add(struct conn *c)
{
	struct guest *g = c->guest;

	guest_is_to_pump(g);

	c->is_ready = true;
	c->ready_next = NULL;
	c->ready_prev = g->ready_last;
	if (g->ready_last)
		g->ready_last->ready_next = c;
	else
		g->ready = c;
	g->ready_last = c;
}

static void ready_remove(struct conn *c)
{
	struct guest *g = c->guest;

	if (!c->is_ready)
		return;
	*(c->ready_prev ? &c->ready_prev->ready_next : &g->ready) = c->ready_next;
	*(c->ready_next ? &c->ready_next->ready_prev : &g->ready_last) = c->ready_prev;
	c->is_ready = false;
}

uint32_t conn_shut_due(const struct conn *c)
{
	uint32_t due = c->far_shut & ~c->told_shut;

	if (c->state != CONN_OPEN)
		return 0;
	/* Not before the last byte: it says that there are no more. */
	return c->far->has_data(c) ? due & VIRTIO_VSOCK_SHUTDOWN_RCV : due;
}

bool conn_has_something(const struct conn *c)
{
	if (c->owed)
		return true;
	if (c->state != CONN_OPEN)
		return false;
	if (c->far->has_data(c))
		return credit_room(&c->credit) ||
		       (c->far_shut & ~c->told_shut & VIRTIO_VSOCK_SHUTDOWN_RCV);
	return conn_shut_due(c) || c->reset_after_data;
}

static bool conn_waits_for_credit(const struct conn *c)
{
	if (c->state != CONN_OPEN)
		return false;
	return (c->far->has_data(c) && !credit_room(&c->credit)) ||
	       (c->far->is_to_ask && c->far->is_to_ask(c));
}

void conn_wake(struct conn *c)
{
	bool waits = conn_waits_for_credit(c);

	/* Should the guest forget to tell of its credit, it is asked; ever less often. */
	if (waits && !c->pause) {
		c->pause = FIRST_PAUSE << (c->pauses < MOST_PAUSES ? c->pauses++ : MOST_PAUSES);
		conn_wait(c, c->patience);
	} else if (!waits) {
		c->pause = c->pauses = 0;
	}
	ready_remove(c);
	if (conn_has_something(c))
		ready_add(c);
}

void conn_owe(struct conn *c, uint32_t packets)
{
	c->owed |= packets;
	if (!c->is_ready)
		ready_add(c);
}

/* --- time --- */

void conn_wait(struct conn *c, uint32_t ticks)
{
	struct guest *g = c->guest;

	c->patience = ticks;
	if (g->ticking || !g->clock || (!ticks && !c->pause))
		return;
	g->ticking = true;
	vu_source_set_timer(g->clock, TICK_NS, TICK_NS);
}

static void conn_tick(struct conn *c)
{
	if (c->pause && !--c->pause) {
		conn_owe(c, OWE_CREDIT_REQUEST);
		conn_wake(c);
	}
	if (!c->patience)
		return;
	if (--c->patience)
		c->far->tick(c);
	else if (c->state == CONN_GREETING)
		conn_free(c);
	else
		conn_reset(c, c->state == CONN_DRAINING ? "nobody reads what it has sent" : NULL);
}

bool guest_tick(struct guest *g)
{
	struct conn *next;

	g->ticking = false;
	for (struct conn *c = g->conns; c; c = next) {
		next = c->next;
		conn_tick(c);
	}
	/* What a tick freed is not looked at again, nor is what it made new. */
	for (struct conn *c = g->conns; c; c = c->next)
		g->ticking |= c->patience || c->pause;
	return g->ticking;
}

/* --- life --- */

struct conn *conn_new(struct guest *g, const struct far *far, uint16_t type)
{
	struct conn *c = NULL;

	if (g->n_conns >= g->max_conns)
		guest_complain(g, "refused: there are %u connections (--max-connections)",
			       g->n_conns);
	else if (((uint64_t)g->n_conns + 1) * g->buffer > g->max_held)
		guest_complain(g,
			       "refused: the buffers of %u connections are all there may be "
			       "(--max-buffered)",
			       g->n_conns);
	else
		c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->guest = g;
	c->far = far;
	c->tuple.type = type;
	c->fd = -1;
	c->batch = 1;
	c->credit.buf_alloc = g->buffer;
	c->next = g->conns;
	c->at = &g->conns;
	if (c->next)
		c->next->at = &c->next;
	g->conns = c;
	g->n_conns++;
	return c;
}

void conn_free(struct conn *c)
{
	c->far->drop(c, false);
	ready_remove(c);
	conn_unname(c);
	held_free(&c->in);
	held_free(&c->out);
	*c->at = c->next;
	if (c->next)
		c->next->at = c->at;
	c->guest->n_conns--;
	c->guest->n_from_others -= c->is_from_other;
	free(c);
}

void conn_reset(struct conn *c, const char *why)
{
	if (why)
		guest_complain(c->guest, "port %u of the guest, port %u of %llu: %s",
			       c->tuple.local_port, c->tuple.peer_port,
			       (unsigned long long)c->tuple.peer_cid, why);
	/* A guest that guessed the port may have accepted before it was asked: OPEN ones stay, for
	 * the packet that is looked at may be of it (guest_settle()). */
	if (c->state == CONN_DRAINING || c->state == CONN_GREETING ||
	    (c->state == CONN_ASKING && c->owed & OWE_REQUEST))
		conn_free(c); /* the guest has not heard of it, or need not */
	else
		conn_abort(c);
}

void conn_abort(struct conn *c)
{
	c->guest->n_reset++;
	c->far->drop(c, false);
	held_free(&c->in);
	held_free(&c->out);
	c->state = CONN_RESET;
	c->patience = c->pause = 0;
	c->owed = 0;
	conn_owe(c, OWE_RST);
}

void conn_leave(struct conn *c, bool finish)
{
	bool told = c->state == CONN_OPEN || c->state == CONN_CONNECTING;
	const struct guest *g = c->guest;

	if (!told || !c->far->drop(c, finish)) {
		conn_free(c);
		return;
	}
	conn_unname(c);
	ready_remove(c);
	held_free(&c->in);
	c->state = CONN_DRAINING;
	c->owed = c->pause = 0;
	conn_wait(c, g->linger);
}

void guest_forget(struct guest *g)
{
	struct conn *next;

	/* Leaving frees no other connection of this guest's: conn_abort(). */
	for (struct conn *c = g->conns; c; c = next) {
		next = c->next;
		if (c->state != CONN_DRAINING)
			conn_leave(c, true);
	}
	g->n_strays = 0;
}

void guest_end(struct guest *g)
{
	while (g->conns)
		conn_free(g->conns);
}
