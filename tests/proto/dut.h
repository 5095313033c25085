/* SPDX-License-Identifier: MIT */
/*
 * The device under test: made through the public API, served on the test's own thread by
 * dut_pump(), with its log and callbacks counted.
 *
 * Each queue echoes by default: a request is completed with its writable bytes set to DUT_BYTE.
 * With hold set, requests are kept until dut_finish().
 */
#ifndef PROTO_DUT_H
#define PROTO_DUT_H

#include <stdbool.h>
#include <stdint.h>

#include <libvu/vu.h>

#include "frontend/peer.h"

enum { DUT_BYTE = 0xd5, DUT_MAX_HELD = 64, DUT_CONFIG = 24, DUT_CONFIG_WRITABLE = 4 };

struct dut_config {
	uint32_t n_queues; /* 0: 2 */
	uint64_t features;
	uint64_t required;
	uint64_t forbidden;
	uint32_t flags;
	bool hold;	     /* keep requests */
	bool finish_on_stop; /* ... until the queue stops */
	bool finish_across;  /* ... or a queue other than 0 is ready */
	bool no_config;
};

struct dut {
	struct vu_device *dev;
	struct dut_config config;
	bool once;	 /* LIBVU_TEST_ONCE: dut_pump() calls once per wake */
	uint32_t errors; /* log lines by level */
	uint32_t warnings;
	char last_error[512];
	uint32_t ended; /* VU_PROCESS_ENDED */
	/* Calls of the callbacks. */
	uint32_t begun, finished, started, stopped, reset, acked, ready, stopping, written;
	uint64_t features;
	int features_result;
	uint32_t completed;
	uint32_t n_held;
	struct vu_req *held[DUT_MAX_HELD];
};

void dut_new(struct dut *dut, const struct dut_config *config);
void dut_free(struct dut *dut);
/* A pump for a peer: process until there is nothing more to do, which has to come. */
void dut_pump(void *dut);
/* Complete everything held. */
void dut_finish(struct dut *dut);

/* A peer of this device, attached.  config may be NULL; its pump is set here. */
struct peer *dut_peer(struct dut *dut, const struct peer_config *config);
/* A new connection of an existing peer. */
void dut_reattach(struct dut *dut, struct peer *peer);
/* The peer hangs up and the device notices, exactly once. */
void dut_hang_up(struct dut *dut, struct peer *peer);
/* The device has ended the session by itself, saying why in one error line. */
void dut_expect_refusal(struct dut *dut, struct peer *peer);
/* The session is alive: GET_FEATURES is answered, nothing was logged as an error. */
void dut_expect_alive(struct dut *dut, struct peer *peer);

/* A chain of one readable and one writable buffer, added and not yet published. */
void dut_add_request(struct peer *peer, uint32_t queue);
/* Send one such request through the queue, and check the echo. */
void dut_expect_echo(struct peer *peer, uint32_t queue);
/* 0 or fail with the peer's words. */
void dut_ok(const struct peer *peer, int ret);

/* What a leak would show in: this process's fds, and its mappings of guest memory. */
uint32_t dut_count_fds(void);
uint32_t dut_count_maps(void);

#endif
