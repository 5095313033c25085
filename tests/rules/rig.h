/* SPDX-License-Identifier: MIT */
/*
 * A device of the tests' own and a peer that drives it, both on the test's thread.
 *
 * The device inverts: each request's readable bytes go inverted into its writable ones.  What it
 * does with requests is set by mode; every callback is counted.  The tests see the library through
 * its public headers only.
 *
 * A test that hangs dies after five minutes.  rig_close() fails if a descriptor or a mapping of
 * guest memory is left, or if the device logged an error that the test did not expect.
 */
#ifndef RULES_RIG_H
#define RULES_RIG_H

#include <errno.h>
#include <stdbool.h>

#include <libvu/vu.h>

#include "frontend/peer.h"
#include "kit/counts.h"
#include "kit/log_book.h"
#include "kit/test.h"
#include "kit/variant.h"

enum {
	RIG_QUEUES = 4,
	RIG_HELD = 256,
	RIG_BYTES = 64,	   /* to read, and as many to write */
	RIG_PASSES = 1000, /* of process, before it counts as a loop without end */
};

#define RIG_BIT(n) (UINT64_C(1) << (n))

enum rig_mode {
	RIG_SERVE,     /* complete each request at once */
	RIG_HOLD,      /* take it and keep it */
	RIG_LEAVE,     /* leave it in the ring */
	RIG_SERVE_ALL, /* complete what there is in any queue */
};

/* Every callback that a device has; RIG_TIMER is on the device's thread, RIG_GROUP_TIMER not. */
enum rig_callback {
	RIG_BEGIN,
	RIG_END,
	RIG_ACKED,
	RIG_STARTED,
	RIG_STOPPED,
	RIG_RESET,
	RIG_READY,
	RIG_STOP,
	RIG_CONFIG_READ,
	RIG_CONFIG_WRITTEN,
	RIG_TIMER,
	RIG_GROUP_TIMER,
	RIG_CALLBACKS
};

struct rig;

struct rig_queue {
	struct vu_queue *queue;
	struct vu_req *held[RIG_HELD]; /* oldest first */
	uint32_t n_held;
	uint32_t ready, stops, served; /* callbacks; requests completed in queue_ready */
	uint64_t buffers;	       /* guest address; 0: not allocated */
	uint32_t region;	       /* where buffers are allocated */
	uint32_t serial;
};

struct rig_config {
	struct vu_device_info device; /* what a test wants to be different; size is set */
	struct peer_config peer;
	bool groups; /* queue 1 has a group of its own, processed after the device */
	bool config_callbacks;
	bool config_written; /* that callback alone */
};

struct rig {
	struct vu_device *dev;
	struct peer *peer;
	struct vu_group *group;
	bool group_stands; /* leave it out of rig_pump() */
	struct rig_queue queues[RIG_QUEUES];
	uint32_t n_queues;
	enum rig_mode mode;
	/* What is done to a request; how many bytes that writes. */
	uint32_t (*serve)(const struct vu_req *req);
	void (*on_stop)(struct rig *rig, struct rig_queue *q);
	/* Called in every callback; q is NULL where there is none. */
	void (*on_callback)(struct rig *rig, enum rig_callback which, struct rig_queue *q);
	int features_acked_result;
	int started_result;
	int begin_result;
	int config_result; /* of both that have to do with it */
	bool once;	   /* call once per wake */
	uint32_t begun, ended, acked, started, stopped, resets, resets_before_stop, written;
	int why;	    /* session_end's last reason */
	uint32_t completed; /* requests, in all */
	uint32_t reported;  /* VU_PROCESS_ENDED */

	struct log_book log;
	uint32_t errors_expected;

	int fds;      /* open before the test */
	int mappings; /* of guest memory */
};

/* The device alone, for tests that have a peer of their own and look for leaks themselves. */
void rig_make_device(struct rig *rig, const struct rig_config *config);
/* The device and the peer; not yet connected.  NULL: 2 queues, and all that is usual. */
void rig_make(struct rig *rig, const struct rig_config *config);
/* Connect; and negotiate and start; and make all that first. */
void rig_connect(struct rig *rig);
void rig_start(struct rig *rig);
void rig_open(struct rig *rig, const struct rig_config *config);
/* Started, with both queues in one group. */
void rig_open_grouped(struct rig *rig);
void rig_close(struct rig *rig);

/* vu_device_process() until there is nothing more to do, which is soon, or it fails. */
void rig_pump(void *opaque);
/* Neither process nor poll finds anything to do. */
void rig_assert_idle(struct rig *rig);

/* A chain for queue q; not published. */
void rig_add(struct rig *rig, uint32_t q);
/* Add n chains, publish them, kick if wanted. */
void rig_submit(struct rig *rig, uint32_t q, uint32_t n);
/* Used chains since the last call; what the device wrote is compared. */
uint32_t rig_collect(struct rig *rig, uint32_t q);
/* Pump until n chains are used; no more than that may be. */
void rig_wait_used(struct rig *rig, uint32_t q, uint32_t n);
/* Submit and wait. */
void rig_roundtrip(struct rig *rig, uint32_t q, uint32_t n);
/* The device keeps these n, and what comes after them. */
void rig_hold(struct rig *rig, uint32_t q, uint32_t n);
/* They stay in the ring, though the device was told. */
void rig_leave(struct rig *rig, uint32_t q, uint32_t n);
/* Do what the device does, to a request that it held; the oldest. */
uint32_t rig_invert(const struct vu_req *req);
void rig_complete_held(struct rig *rig, uint32_t q);
void rig_complete_all_held(struct rig *rig, uint32_t q);
/* Of all queues: what it holds, and what each was told of its stops. */
uint32_t rig_held(const struct rig *rig);
uint32_t rig_stops(const struct rig *rig);

static inline struct frontend *rig_front(const struct rig *rig)
{
	return &rig->peer->frontend;
}

/* The front-end closes the back-end channel. */
void rig_lose_channel(struct rig *rig);
/* For on_callback: ... between a kick and what is to be told of it. */
void rig_lose_channel_when_ready(struct rig *rig, enum rig_callback which, struct rig_queue *q);

/* How many log lines have this text? */
uint32_t rig_logged(struct rig *rig, const char *text);
static inline uint32_t rig_errors(const struct rig *rig)
{
	return rig->log.lines[VU_LOG_ERROR];
}

/* An error line has this text, and all n of them are as they should be. */
void rig_expect_errors(struct rig *rig, const char *text, uint32_t n);

/* Nothing was sent to the front-end. */
void rig_assert_no_reply(struct rig *rig);
/* GET_VRING_BASE in two halves. */
void rig_send_stop(struct rig *rig, uint32_t q);
uint32_t rig_recv_stop(struct rig *rig, uint32_t q);
/* A message with NEED_REPLY, without waiting; and its ack. */
void rig_send(struct rig *rig, uint32_t request, const void *payload, uint32_t size, const int *fds,
	      unsigned int n_fds);
uint64_t rig_recv_ack(struct rig *rig, uint32_t request);
/* The base after n of these chains in a new ring. */
uint32_t rig_base(const struct rig *rig, uint32_t q, uint32_t n);
/* GET_VRING_BASE, then all the messages that start a queue. */
void rig_stop_queue(struct rig *rig, uint32_t q);
void rig_start_queue(struct rig *rig, uint32_t q);

/* Wait until the kernel has closed what the device put aside.  How many stay open for want of
 * io_uring. */
uint32_t rig_wait_closed(const struct rig *rig);

#endif
