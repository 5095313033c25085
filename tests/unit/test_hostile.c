/* SPDX-License-Identifier: MIT */
/* See test_hostile.h. */
#include "test_hostile.h"

#include <stdlib.h>
#include <string.h>

unsigned char *hostile_copy(const struct rig *rig)
{
	unsigned char *copy, *at;
	size_t size = 0;

	for (uint32_t i = 0; i < rig->guest->n_regions; i++)
		size += rig->guest->regions[i].map_size;
	at = copy = malloc(size);
	for (uint32_t i = 0; i < rig->guest->n_regions; i++) {
		const struct guest_region *r = &rig->guest->regions[i];

		memcpy(at, r->map, r->map_size);
		at += r->map_size;
	}
	return copy;
}

void hostile_compare(const struct rig *rig, const unsigned char *copy)
{
	for (uint32_t i = 0; i < rig->guest->n_regions; i++) {
		const struct guest_region *r = &rig->guest->regions[i];

		assert_memory_equal(r->map, copy, r->map_size);
		copy += r->map_size;
	}
}

void hostile_stays_broken(struct rig *rig)
{
	assert_int_equal(rig_take_nothing(rig), -EIO);
	assert_int_equal(ring_look(rig->ring), -EIO);
	/* Its owner is not to sleep before it knows. */
	assert_true(ring_arm(rig->ring));
	assert_false(ring_is_available(rig->ring));
	assert_false(ring_wants_signal(rig->ring));
	ring_disarm(rig->ring);
	ring_publish(rig->ring);
}
