/* SPDX-License-Identifier: MIT */
/*
 * A hostile driver: what no driver may write into a ring, and a ring that is where nothing can be.
 * The queue may break, or the session end; the next front-end is served.
 */
#include <endian.h>
#include <string.h>

#include "checks.h"

#define NOWHERE UINT64_C(0x7fff00000000)

/* Kick, whether it is wanted or not. */
static enum verdict kick_and_survive(struct probe *p)
{
	driver_publish(probe_ring(p));
	driver_kick_always(probe_ring(p));
	probe_let_look(p);
	return probe_survived(p);
}

/* Rings that cannot be. */
enum verdict check_hostile_ring(struct probe *p)
{
	struct wire_vring_addr addr = {.index = probe_queue(p), .desc = 16, .used = 64};
	struct driver_ring *ring;
	struct frontend *f;
	int ret;

	if (probe_open(p, NULL) || peer_negotiate(p->peer) || peer_set_driver(p->peer) ||
	    frontend_set_memory(probe_frontend(p), p->peer->guest))
		return probe_failed(p, "negotiation");
	f = probe_frontend(p);
	ring = probe_ring(p);
	ret = frontend_setup_ring(f, ring, 0);
	if (ret)
		return probe_failed(p, "a ring");
	/* Any of these may be refused, or the front-end hung up on. */
	switch (p->check->variant) {
	case 0:
		addr.desc = addr.used = addr.avail = NOWHERE;
		(void)frontend_set_vring_addr(f, &addr);
		break;
	case 1: {
		uint64_t end = guest_uva(p->peer->guest, 0) + PEER_MEMORY;

		addr.desc = addr.used = addr.avail = end - 64;
		(void)frontend_set_vring_addr(f, &addr);
		break;
	}
	case 2:
		(void)frontend_set_vring_num(f, probe_queue(p), 0);
		break;
	default:
		(void)frontend_set_vring_num(f, probe_queue(p), 65535);
	}
	(void)frontend_set_vring_kick(f, probe_queue(p), ring->kick.device);
	(void)frontend_set_vring_enable(f, probe_queue(p), true);
	return kick_and_survive(p);
}

/* What a driver of a split ring must not write: the chain begins at descriptor 0. */
static void spoil_split(struct driver_ring *ring, uint32_t variant)
{
	const uint64_t good = guest_alloc(ring->guest, 4096, 4096);

	switch (variant) {
	case 0: /* a loop */
		driver_split_write_desc(ring, 0, good, 8, DRIVER_DESC_NEXT, 1);
		driver_split_write_desc(ring, 1, good, 8, DRIVER_DESC_NEXT, 0);
		break;
	case 1: /* a next one that there is not */
		driver_split_write_desc(ring, 0, good, 8, DRIVER_DESC_NEXT, 0xfff0);
		break;
	case 2: /* a buffer where there is no memory */
		driver_split_write_desc(ring, 0, NOWHERE, 4096, DRIVER_DESC_WRITE, 0);
		break;
	case 3: /* ... that ends beyond all addresses */
		driver_split_write_desc(ring, 0, UINT64_MAX - 15, 4096, DRIVER_DESC_WRITE, 0);
		break;
	case 4: /* ... of 4 GiB */
		driver_split_write_desc(ring, 0, good, UINT32_MAX, DRIVER_DESC_WRITE, 0);
		break;
	case 5: /* a table of half a descriptor */
		driver_split_write_desc(ring, 0, good, 24, DRIVER_DESC_INDIRECT, 0);
		break;
	default: /* a head that there is not; or as many as there cannot be */
		driver_split_write_desc(ring, 0, good, 8, 0, 0);
	}
}

enum verdict check_hostile_split(struct probe *p)
{
	uint32_t variant = p->check->variant;
	struct driver_ring *ring;

	if (probe_start(p, NULL))
		return probe_failed(p, "start");
	ring = probe_ring(p);
	spoil_split(ring, variant);
	driver_split_offer(ring, variant == 6 ? 0xfff0 : 0);
	if (variant == 7)
		ring->split.avail_idx += 1000;
	return kick_and_survive(p);
}

enum verdict check_hostile_packed(struct probe *p)
{
	struct driver_ring *ring;
	uint64_t good;

	if (probe_start(p, NULL))
		return probe_failed(p, "start");
	ring = probe_ring(p);
	good = guest_alloc(ring->guest, 4096, 4096);
	switch (p->check->variant) {
	case 0: /* a chain without end: more descriptors than the ring has */
		for (uint32_t i = 0; i < ring->size; i++)
			driver_packed_offer(ring, good, 8, 0, DRIVER_DESC_NEXT);
		break;
	case 1: /* a buffer where there is no memory */
		driver_packed_offer(ring, NOWHERE, 4096, 0, DRIVER_DESC_WRITE);
		break;
	default: /* a table of half a descriptor, of a buffer that there is not */
		driver_packed_offer(ring, good, 24, 0xffff, DRIVER_DESC_INDIRECT);
	}
	return kick_and_survive(p);
}
