/* SPDX-License-Identifier: MIT */
/*
 * Connections of a guest, and what it is owed for each.
 *
 * A connection has two ends.  The guest's end is the same for all: addresses, credit, which packets
 * go to it next.  The far end is a socket of the host (vsock_far_socket.c) or a connection of a
 * guest, perhaps the same one (vsock_far_guest.c); behind struct far the two are alike.
 *
 * Nothing is sent from here: what a guest is to be sent is noted (conn_owe(), conn_wake()), and
 * vsock_rx.c makes packets of it when there are buffers for them.  So nothing is held but bits and,
 * up to limits that are set at the start, bytes.
 *
 * Thread: all guests of a process are on one.
 */
#ifndef VSOCK_CONN_H
#define VSOCK_CONN_H

#include <libvu/vu.h>

#include "vsock_coalesce.h"
#include "vsock_credit.h"
#include "vsock_held.h"
#include "vsock_packet.h"

enum {
	VSOCK_MAX_GUESTS = 32,
	GUEST_MAX_STRAYS = 256, /* RST owed for packets of no connection */
	GUEST_BATCH = 32,	/* packets of one connection in a turn */
	GUEST_BUCKETS = 1024,
	GUEST_FIRST_PORT = 0x40000000, /* of those that the host's programs seem to come from */
	VSOCK_TICKS_A_SECOND = 10,
	/* Ticks: */
	CONN_ANSWER_TICKS = 100, /* for a guest to accept, and a client to say where to */
	CONN_CLOSE_TICKS = 80,	 /* for a guest to agree that it is over, as Linux's */
	CONN_CONNECT_TICKS = 20, /* for a host's program to accept: Linux waits 2 s by default */
};

struct address;
struct conn;
struct guest;
struct rules;

/* A connection's name, as the guest sees it. */
struct tuple {
	uint64_t peer_cid;
	uint32_t peer_port, local_port;
	uint16_t type;
};

struct far {
	/*
	 * The guest sent: take len bytes at an offset of its request.  Whatever it is, the far end
	 * has it then, or holds it.  -errno: the connection cannot go on.
	 */
	int (*take)(struct conn *c, const struct vu_req *req, uint64_t offset, uint32_t len,
		    uint32_t flags);
	/* Is there something for the guest? */
	bool (*has_data)(const struct conn *c);
	/*
	 * Bytes for the guest, at most room of them, into as many of its buffers as are needed: how
	 * many were used; bytes[i] and flags[i] of each.  0: nothing after all.  -errno as above.
	 */
	int (*fill)(struct conn *c, struct vu_req *const *reqs, uint32_t n, uint32_t room,
		    uint32_t *bytes, uint32_t *flags);
	/* The guest accepted a connection that it was asked for. */
	void (*accepted)(struct conn *c);
	/* The guest said that it will not receive, or not send, any more (c->guest_shut). */
	void (*guest_shut)(struct conn *c);
	/* The guest's end is gone; finish: after all that it had sent.  true: that is still held.
	 */
	bool (*drop)(struct conn *c, bool finish);
	/* What the guest has room for changed. */
	void (*learned)(struct conn *c, uint16_t op);
	/* Does somebody wait for the guest to read, of which it may not tell?  NULL: never. */
	bool (*is_to_ask)(const struct conn *c);
	/* A tenth of a second went by, for those with a deadline. */
	void (*tick)(struct conn *c);
};

extern const struct far far_socket, far_guest;

enum conn_state {
	CONN_GREETING,	 /* a client of the hybrid socket has not said where to; no address yet */
	CONN_ASKING,	 /* the guest is asked to accept */
	CONN_CONNECTING, /* the guest asked; the far end is not there yet */
	CONN_OPEN,
	CONN_RESET,    /* nothing is left but to tell the guest */
	CONN_DRAINING, /* the guest is done with it; what it sent is still going out */
};

/* Packets that a guest is to be sent; of each kind there is one at most. */
enum {
	OWE_REQUEST = 1,
	OWE_RESPONSE = 2,
	OWE_UPDATE = 4,
	OWE_CREDIT_REQUEST = 8,
	OWE_RST = 16,
};

struct conn {
	struct conn *next, **at;	      /* of all its guest's */
	struct conn *bucket_next;	      /* of those with the same hash */
	struct conn *ready_next, *ready_prev; /* of those with something for the guest */
	bool is_ready, is_named;	      /* on that list; in the table */
	bool is_from_other;		      /* another guest asked for it */
	struct guest *guest;
	struct tuple tuple;
	enum conn_state state;
	uint32_t owed;
	uint32_t guest_shut;	      /* SHUT_*: the guest said so */
	uint32_t far_shut, told_shut; /* the far end did; the guest knows */
	bool reset_after_data;	      /* the far end is gone, in order */
	uint32_t batch;		      /* buffers worth taking for it at once */
	uint32_t patience;	      /* ticks until something is done about it; 0: none */
	uint32_t pause, pauses;	      /* ticks until credit is asked for, and how often it was */
	struct credit credit;
	struct held in, out; /* to and from the guest */
	const struct far *far;
	/* far_guest: */
	struct conn *partner;
	/* far_socket: */
	int fd;
	struct vu_source *source;
	struct address *address; /* what will be connected to as soon as that is possible */
	uint32_t program;	 /* exec: the rule's index */
	bool readable, writable; /* worth a try */
	bool watches_room;	 /* is told when it becomes writable */
	bool ending, hung_up;	 /* the host sends no more; and receives no more */
	bool hybrid;		 /* the client expects an OK */
};

/* What the guests of a process have in common. */
struct vsock {
	struct guest *guests[VSOCK_MAX_GUESTS];
	uint32_t n_guests;
	struct guest *to_pump; /* those that may have got something to send */
	struct rules *rules;
};

/* Bytes for a socket of the host's, of packets that are being looked at (vsock_socket_take.c). */
enum { GATHER_SEGS = 128 };

struct gather {
	struct conn *conn; /* NULL: there are none */
	uint32_t n, len;
	struct iovec iov[GATHER_SEGS];
};

struct guest {
	struct vu_device *dev; /* NULL: nothing is logged or watched (fuzzing) */
	struct vsock *vsock;
	struct vu_source *clock;
	uint64_t cid;
	bool running;		/* there is a driver */
	bool seqpacket, stream; /* negotiated */
	bool owes_event;	/* TRANSPORT_RESET */
	bool ticking;
	uint32_t max_conns, buffer; /* limits: connections; bytes of one in a direction */
	uint64_t max_held;	    /* and of all of them together */
	uint32_t linger;	    /* ticks without progress of what is DRAINING */
	struct coalesce coalesce;
	uint32_t n_conns, n_from_others, next_port;
	struct conn *conns;
	struct conn *ready, *ready_last;
	struct tuple strays[GUEST_MAX_STRAYS];
	uint32_t first_stray, n_strays;
	struct gather gather;
	uint64_t seed; /* of the table, unknown to the guest */
	struct conn *buckets[GUEST_BUCKETS];
	struct guest *pump_next;
	bool is_to_pump;
	uint64_t n_opened, n_refused, n_reset; /* for people */
};

static inline bool conn_is_seqpacket(const struct conn *c)
{
	return c->tuple.type == VIRTIO_VSOCK_TYPE_SEQPACKET;
}

/* --- vsock_conn.c --- */

/* A new connection with no name yet; NULL: there are too many, and a line said so. */
struct conn *conn_new(struct guest *g, const struct far *far, uint16_t type);
/* Name it.  The tuple must not be in use. */
void conn_name(struct conn *c, const struct tuple *tuple);
struct conn *conn_find(struct guest *g, const struct tuple *tuple);
/* A port of the host's that is not in use with this port of the guest's. */
uint32_t conn_new_port(struct guest *g, const struct tuple *tuple);
/* Gone, with its far end. */
void conn_free(struct conn *c);

/* These packets are owed to the guest. */
void conn_owe(struct conn *c, uint32_t packets);
/* There may be something for the guest. */
void conn_wake(struct conn *c);
bool conn_has_something(const struct conn *c);
/* What of SHUTDOWN the guest does not know and may know now. */
uint32_t conn_shut_due(const struct conn *c);
/* The guest is to hear that it is over: why, for people, or NULL if that is nothing special. */
void conn_reset(struct conn *c, const char *why);
/* The same; it is not freed before the guest has been told, even if it never heard of it. */
void conn_abort(struct conn *c);
/* The guest's end is over.  finish: what it had sent still goes out. */
void conn_leave(struct conn *c, bool finish);
/* It has so many ticks to become something else. */
void conn_wait(struct conn *c, uint32_t ticks);

/*
 * Have what is owed to any guest sent, as far as there are buffers.  current: the guest in whose
 * callback this is, or NULL.  Whoever calls anything above from an event ends with this.
 * (vsock.c)
 */
void vsock_pump(struct vsock *v, const struct guest *current);
/* The next of those that may have got something to send; NULL: none. */
struct guest *vsock_next_to_pump(struct vsock *v);
void guest_is_to_pump(struct guest *g);
/* The driver is gone, and with it every connection; what it had sent still goes out. */
void guest_forget(struct guest *g);
/* The end of the program: nothing goes out any more. */
void guest_end(struct guest *g);
/* A tenth of a second went by; false: nobody waits for another one. */
bool guest_tick(struct guest *g);
/* The guest did something wrong, or something worth a line. */
VU_PRINTF(2, 3) void guest_complain(struct guest *g, const char *format, ...);

/* --- vsock_tx.c --- */

/* A packet came from the guest. */
void guest_receive(struct guest *g, const struct vu_req *req);
/* Before the requests of those that came are completed. */
void guest_settle(struct guest *g);

/* --- vsock_rx.c --- */

/* How many buffers it would take to go on; 0: there is nothing to be sent. */
uint32_t guest_wants(const struct guest *g);
/* Fill buffers, from the first on: how many were used; written[i] is what is in them. */
uint32_t guest_fill(struct guest *g, struct vu_req *const *reqs, uint32_t n, uint64_t *written);

/* --- vsock_far_guest.c --- */

/*
 * Have another guest (or this one) asked for what this connection's guest asked for.  Half of its
 * connections at most are for others, so that these cannot use them all up; -errno.
 */
int far_guest_connect(struct conn *c, struct guest *other, uint32_t port);

#endif
