/* SPDX-License-Identifier: MIT */
/*
 * The device of the rig as the tests of messages have it: a configuration space, checks of its
 * threads, and requests that are completed with their writable bytes set to DUT_BYTE.
 *
 * Peers are the test's own, and so is the look for leaks: a test may have sessions at any byte.
 * Mode RIG_HOLD keeps requests until dut_finish().
 */
#ifndef PROTO_DUT_H
#define PROTO_DUT_H

#include "rules/rig.h"

enum { DUT_BYTE = 0xd5, DUT_CONFIG = 24, DUT_CONFIG_WRITABLE = 4 };

struct dut_config {
	uint32_t n_queues; /* 0: 2 */
	uint64_t features;
	uint64_t required;
	uint64_t forbidden;
	uint32_t flags;
	bool no_config;
};

void dut_new(struct rig *dut, const struct dut_config *config);
/* A shared memory region, before a peer comes. */
void dut_give_shmem(struct rig *dut);
void dut_free(struct rig *dut);
/* Callbacks of every class, or of all but gpu, that accept everything; before there is a peer. */
void dut_set_class(struct vu_device *dev, bool no_gpu);
/* Complete everything held. */
void dut_finish(struct rig *dut);
/* For on_stop: what is held is completed when a queue stops. */
void dut_finish_on_stop(struct rig *dut, struct rig_queue *queue);
/* For on_callback: ... or when a queue other than 0 is ready, whose requests are completed, too. */
void dut_finish_across(struct rig *dut, enum rig_callback which, struct rig_queue *queue);

/* A peer of this device, attached.  config may be NULL; its pump is set here. */
struct peer *dut_peer(struct rig *dut, const struct peer_config *config);
/* A new connection of an existing peer. */
void dut_reattach(struct rig *dut, struct peer *peer);
/* The peer hangs up and the device notices, exactly once. */
void dut_hang_up(struct rig *dut, struct peer *peer);
/* The device has ended the session by itself, saying why in one error line. */
void dut_expect_refusal(struct rig *dut, struct peer *peer);
/* The session is alive: GET_FEATURES is answered, nothing was logged as an error. */
void dut_expect_alive(struct rig *dut, struct peer *peer);

/* A chain of one readable and one writable buffer, added and not yet published. */
void dut_add_request(struct peer *peer, uint32_t queue);
/* Send one such request through the queue, and check the echo. */
void dut_expect_echo(struct peer *peer, uint32_t queue);
/* 0 or fail with the peer's words. */
void dut_ok(const struct peer *peer, int ret);

#endif
