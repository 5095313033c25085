/* SPDX-License-Identifier: MIT */
/*
 * The parts of vu-net.  A device has pairs of queues (net_pair.c), each with an end: where packets
 * go and come from (net_end.c has the simple ones).  Pairs are on threads of their own where there
 * are several; what they share is atomic or constant while they run.
 */
#ifndef VU_NET_H
#define VU_NET_H

#include <libvu/unstable.h>

#include <stdatomic.h>
#include <stdbool.h>

#include "../common/shut_in.h"
#include "net_header.h"

enum {
	NET_MAX_PAIRS = 64,
	NET_MAX_SEGS = 256, /* of a packet; Linux makes up to 19 */
	NET_BATCH = 64,
	NET_MAX_RULES = 256,
	NET_NAME = 108, /* room for a path, or a name of an interface */
};

struct net;
struct net_pair;
struct net_end_ops;
struct net_switch;

/* Where the packets of a pair go.  All on the pair's thread, but for configure. */
struct net_end {
	const struct net_end_ops *ops;
	struct net_pair *pair;
	void *own;
};

/*
 * The first bytes of a packet are its header, of pair->header bytes, then comes the frame.
 *
 * begin: the device is made: watch descriptors.  May be NULL.
 * announces: send may be called on the device's thread, for what the device itself has to say.
 * send: a packet that was checked; the guest can still change the frame.  0; -EAGAIN: the end calls
 *	pair_go_on() or its descriptor becomes writable when it is to be tried again; another
 *	-errno: it is lost.
 * send_plain: as many of these packets, from the first on, as the end can see to without send:
 *	their number.  The next one goes to send.  May be NULL.
 * sent: the last of some packets was sent; until now their frames stayed as they are, all but
 *	iov[0].  May be NULL.
 * flush: what is half out goes on: 0: nothing is left; -EAGAIN: not all can now; another -errno: it
 *	is lost.  NULL: an end that keeps nothing.
 * receive: the next packet, into a list with room for any: its bytes; -EAGAIN: there is none;
 *	-EMSGSIZE: one was lost, and there may be more; another -errno: there is nothing more
 *	before hung_up.
 * takes: asked before each packet of the guest's; false: it is for another turn, which begins with
 *	pair_go_on().  May be NULL.
 * room: the guest has buffers for the end to fill by itself, in the place of receive.  May be NULL.
 * hung_up: the descriptor is of no use any more.  May be NULL.
 * configure: the driver's features, before the queues start.  May be NULL.
 * rest: the pair is used no more, or again: the guest has disabled it, or enabled.  May be NULL.
 */
struct net_end_ops {
	bool announces;
	int (*begin)(struct net_end *end);
	bool (*takes)(struct net_end *end);
	int (*send)(struct net_end *end, const struct iovec *iov, int n);
	uint32_t (*send_plain)(struct net_end *end, struct vu_req *const *reqs, uint32_t n);
	void (*sent)(struct net_end *end);
	int (*flush)(struct net_end *end);
	ssize_t (*receive)(struct net_end *end, const struct iovec *iov, int n);
	void (*room)(struct net_end *end);
	void (*hung_up)(struct net_end *end);
	int (*configure)(struct net_end *end, uint64_t features);
	void (*rest)(struct net_end *end, bool rests);
	void (*free)(struct net_end *end);
};

/* Written by the pair's thread, read by the device's. */
struct net_counts {
	_Atomic uint64_t sent, sent_bytes, refused, lost; /* by the guest; refused: malformed */
	_Atomic uint64_t received, received_bytes, missed;
};

struct net_pair {
	struct net *net;
	uint32_t index;
	struct vu_queue *rx, *tx;
	struct vu_group *own_group; /* NULL: the device's */
	struct net_end end;
	struct vu_source *source; /* of the end's descriptor; NULL: it has none */
	uint32_t watched;	  /* its events */
	bool starved;		  /* no buffers of the guest's: nothing is read */
	bool stuck;		  /* the end takes nothing */
	bool rests;
	uint32_t reads; /* of the end's descriptor in this turn */
	int error;	/* the last one of the end's that was logged */
	/* While queues run: */
	uint64_t features;
	uint32_t header; /* bytes of a packet's */
	struct net_counts counts;
	unsigned char *overflow; /* what of a packet did not fit into the first buffer */
	/* Bytes of a whole packet there, for the next turn; 0: none.  Atomic: a new driver's start,
	 * on the device's thread, forgets it, and what comes may be thrown away meanwhile. */
	_Atomic size_t kept;
	bool turn_over; /* the guest has buffers, but none more in this turn of rx's */
	struct iovec iov[NET_MAX_SEGS + 1];
	struct vu_req *sends[NET_BATCH], *buffers[NET_MAX_SEGS];
	uint64_t written[NET_MAX_SEGS];
};

struct net_settings {
	const char *backend, *mac, *uplink;
	struct vu_option_list rules; /* of the switch */
	int pin;
	uint64_t pairs, queue_size, mtu;
	int in_order;
	int announce;			/* GUEST_ANNOUNCE is offered */
	struct net_switch **the_switch; /* of the process; *the_switch NULL: there is none */
	struct shut_in shut_in;
};

struct net {
	struct vu_device *dev;
	struct vu_program *program;
	const struct net_settings *settings;
	uint32_t index;		  /* of the device in its program */
	uint8_t mac[NET_ADDRESS]; /* of --mac */
	uint64_t offloads;	  /* feature bits that the end has */
	atomic_bool down;
	atomic_uint mtu; /* 0: any */
	bool threads;	 /* one for each pair; else all are on the device's */
	uint32_t n_pairs;
	struct net_pair *pairs;
};

/* --- net_pair.c --- */

int pair_init(struct net_pair *pair, struct net *net, uint32_t index);
void pair_fini(struct net_pair *pair);
void pair_queue_ready(struct net_pair *pair, struct vu_queue *queue);
/* Before its queues start: what the driver chose. */
int pair_configure(struct net_pair *pair, uint64_t features);
/* The end's descriptor from now on; -1: it has none. */
int pair_set_fd(struct net_pair *pair, int fd);
struct vu_group *pair_group(const struct net_pair *pair);
/* The end may take packets again. */
void pair_go_on(struct net_pair *pair);
/* The end has a packet for the guest. */
void pair_receive(struct net_pair *pair);
/*
 * Asked by an end before each read of its descriptor: no more than most in a turn.  A packet that
 * the guest has no room for uses up none of the queue's budget, and who sends can send many.
 */
bool pair_may_read(struct net_pair *pair, uint32_t most);
/* A buffer of the guest's that a header fits into; false: there is none (pair->rests: and nobody
 * who could give one), and queue_ready comes. */
bool pair_next_buffer(struct net_pair *pair, struct vu_req **req);
/* The first n of pair->buffers are as if never taken. */
void pair_give_back(struct net_pair *pair, uint32_t n);
bool pair_is_down(const struct net_pair *pair);
/* That has changed: on the device's thread.  0, or -ENOMEM. */
int pair_tell_link(struct net_pair *pair);
/* What is wrong with a header, of a frame of len bytes; NULL: nothing (net_header.h). */
const char *pair_check(const struct net_pair *pair, struct virtio_net_hdr_v1 *header, uint64_t len);
void pair_count_sent(struct net_pair *pair, uint64_t packets, uint64_t bytes);
/* An end's error, unless it was the last one, too. */
void pair_complain(struct net_pair *pair, const char *what, int error);
void net_count(_Atomic uint64_t *counter, uint64_t n);
/* Some that the end took, of so many bytes without headers, are lost after all. */
void pair_lost(struct net_pair *pair, uint32_t packets, size_t bytes);

/* --- the ends: 0, or -errno after a line on standard error --- */

/* For all pairs of a device that is not made yet, as --backend says. */
int net_open_ends(struct net *net);
/* And when it is. */
int net_begin_ends(struct net *net);
int net_dgram_open(struct net *net, const char *spec);
int net_echo_open(struct net *net, const char *spec);
int net_pcap_open(struct net *net, const char *spec);
int net_socket_connect(struct net *net, const char *path);
int net_socket_listen(struct net *net, const char *path);
int net_switch_open(struct net *net, const char *spec);
int net_tap_open(struct net *net, const char *name);
/* A descriptor of a tap (one queue of many), with headers of NET_HEADER bytes; or -errno. */
int net_tap_attach(const char *name, bool many);
/* A line about that error. */
void net_tap_explain(const char *name, int error);
/* Take packets with all offloads that the kernel has: both sides of these features. */
uint64_t net_tap_take_all(int fd);
/* What only datagrams need. */
extern const int net_dgram_calls[];
enum { NET_DGRAM_CALLS = 2 };
/* The ioctls that taps go on making. */
extern const struct sandbox_ioctl net_tap_ioctls[];
enum { NET_TAP_IOCTLS = 4 };

/* When all ports of the switch are there: 0, or -errno after a line. */
int net_switch_check(const struct net_settings *settings);
/* The command "switch". */
int net_switch_tell(struct vu_script *script, uint32_t n, const char *const *words, void *opaque);

/* --- net_control.c: their opaque is a struct net --- */

extern const struct vu_command net_commands[];

#endif
