/* SPDX-License-Identifier: MIT */
/* Steps of the guest: chains that are fine, chains that are not, indices, kicks. */
#include "attack.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { MAX_SEGS = 8 };

/* Mostly a piece of the buffers; now and then an address and a length that mean nothing. */
static struct driver_seg attack_seg(struct attack *a, bool write)
{
	struct chance *c = &a->chance;
	uint32_t len =
		chance_percent(c, 70) ? 1 + chance_below(c, 600) : 1 + chance_below(c, 60000);
	struct driver_seg seg = {a->buffers + chance_below(c, ATTACK_BYTES - 70000), len, write};

	if (a->bad_guest && chance_percent(c, 2))
		seg.gpa = chance_percent(c, 50) ? chance_value(c)
						: a->peer->guest->regions[0].size - 8;
	if (a->bad_guest && chance_percent(c, 2))
		seg.len = (uint32_t)chance_value(c);
	return seg;
}

/* What requests begin with: types and lengths are small numbers. */
static void attack_fill(struct attack *a, const struct driver_seg *seg)
{
	unsigned char *at = guest_ptr(a->peer->guest, seg->gpa, 64);

	for (int i = 0; at && i < 16; i++) {
		uint32_t word = chance_percent(&a->chance, 70) ? chance_below(&a->chance, 20)
							       : (uint32_t)chance_value(&a->chance);

		memcpy(at + i * 4, &word, sizeof(word));
	}
}

/* The first of n segments is the head; how many there are then. */
static uint32_t attack_fill_head(struct attack *a, struct driver_seg *segs, uint32_t readable,
				 uint32_t n)
{
	unsigned char head[ATTACK_HEAD], *at;
	uint64_t behind = 0;
	uint32_t len;

	for (uint32_t i = 1; i < readable; i++)
		behind += segs[i].len;
	len = a->shape->write(a, head, &behind);
	at = guest_ptr(a->peer->guest, segs[0].gpa, len);
	if (!at)
		return n;
	memcpy(at, head, len);
	segs[0].len = len;
	if (behind)
		return n;
	memmove(&segs[1], &segs[readable], (n - readable) * sizeof(segs[0]));
	return 1 + n - readable;
}

static void attack_add(struct attack *a, struct driver_ring *ring)
{
	struct driver_seg segs[MAX_SEGS];
	uint32_t n = 1 + chance_below(&a->chance, MAX_SEGS);
	uint32_t readable = chance_below(&a->chance, n + 1);
	int id;

	if (a->shape && a->shape->queue < a->peer->n_queues && chance_percent(&a->chance, 90))
		readable = ring != a->peer->queues[a->shape->queue] ? 0
			   : a->shape->replies ? 1 + chance_below(&a->chance, n)
					       : n;
	for (uint32_t i = 0; i < n; i++) {
		segs[i] = attack_seg(a, i >= readable);
		/* Devices' headers are short. */
		if (!i && readable && chance_percent(&a->chance, 60))
			segs[i].len = 4u << chance_below(&a->chance, 3);
		if (!segs[i].write)
			attack_fill(a, &segs[i]);
	}
	if (a->shape && readable && chance_percent(&a->chance, 90))
		n = attack_fill_head(a, segs, readable, n);
	id = chance_percent(&a->chance, 30) ? driver_add_indirect(ring, segs, n, NULL)
					    : driver_add(ring, segs, n, NULL);
	a->counts->chains += id >= 0;
}

void step_chains(struct attack *a)
{
	struct driver_ring *ring = attack_queue(a);

	if (a->shape && a->shape->queue < a->peer->n_queues && chance_percent(&a->chance, 50))
		ring = a->peer->queues[a->shape->queue];
	if (!ring)
		return;
	for (uint32_t n = 1 + chance_below(&a->chance, 12); n; n--)
		attack_add(a, ring);
	driver_kick(ring);
}

/* Any values in any descriptors, made available. */
void step_descriptors(struct attack *a)
{
	struct driver_ring *ring = attack_queue(a);
	struct chance *c = &a->chance;

	for (uint32_t n = 1 + chance_below(c, 8); ring && n; n--) {
		struct driver_seg seg = attack_seg(a, false);
		uint16_t flags = (uint16_t)chance_below(c, 8), at = (uint16_t)chance_value(c);

		if (a->peer->config.packed) {
			driver_packed_offer(ring, seg.gpa, seg.len, at, flags);
			continue;
		}
		driver_split_write_desc(ring, chance_below(c, ring->size), seg.gpa, seg.len, flags,
					(uint16_t)(chance_percent(c, 80) ? at % ring->size : at));
		driver_split_offer(ring, (uint16_t)(chance_percent(c, 90) ? at % ring->size : at));
	}
	if (ring)
		driver_kick_always(ring);
}

/* What a driver moves, moved anywhere; what the device writes, too. */
void step_indices(struct attack *a)
{
	struct driver_ring *ring = attack_queue(a);
	struct chance *c = &a->chance;
	uint64_t at;
	uint16_t *word;

	if (!ring)
		return;
	at = chance_percent(c, 60) ? ring->avail_gpa : ring->used_gpa;
	word = guest_ptr(a->peer->guest, at, 4);
	if (word)
		word[chance_below(c, 2)] =
			(uint16_t)(chance_percent(c, 50) ? word[1] + chance_below(c, 4)
							 : chance_value(c));
	driver_kick_always(ring);
}

void step_collect(struct attack *a)
{
	struct driver_ring *ring = attack_queue(a);
	struct driver_used used[16];
	int n = ring ? driver_collect(ring, used, 16) : 0;

	if (n > 0)
		a->counts->used += (uint64_t)n;
}

void step_kick(struct attack *a)
{
	struct driver_ring *ring = attack_queue(a);

	for (uint32_t n = ring ? 1 + chance_below(&a->chance, 30) : 0; n; n--)
		driver_kick_always(ring);
}

/* Whoever writes into it now would wait for ever. */
void step_fill_call(struct attack *a)
{
	struct driver_ring *ring = attack_queue(a);
	const uint64_t most = UINT64_MAX - 1;
	int fd, flags;

	if (!ring || ring->call.driver < 0)
		return;
	fd = ring->call.device;
	flags = fcntl(fd, F_GETFL);
	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	driver_take_calls(ring);
	while (write(fd, &most, sizeof(most)) == sizeof(most) && ring->call.driver != fd)
		continue;
	fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	step_chains(a);
	step_chains(a);
	/* Nobody here may wait for it either. */
	fcntl(ring->call.driver, F_SETFL, fcntl(ring->call.driver, F_GETFL) | O_NONBLOCK);
}
