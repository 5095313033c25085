/* SPDX-License-Identifier: MIT */
/*
 * A group of libvu's, and who uses it: the VuGlibGroup, and the devices with queues in it.
 *
 * The VuGlibGroup makes it and ends it; what is left then keeps the place, so that a queue can
 * always look whose turn it is.
 */
#ifndef VU_GLIB_PRIVATE_CROWD_H
#define VU_GLIB_PRIVATE_CROWD_H

#include "gate.h"

struct vu_group;

struct crowd {
	gatomicrefcount refs;
	struct gate gate;
	struct vu_group *group; /* under the gate; NULL once it was ended */
	gint ending;		/* atomic */
};

/* NULL if there can be no group: *ret says why. */
struct crowd *crowd_new(int *ret);
struct crowd *crowd_ref(struct crowd *crowd);
void crowd_unref(struct crowd *crowd);

/* Serve what is there. */
void crowd_turn(struct crowd *crowd);
/* The group goes, now or when the turn is over that goes on. */
void crowd_end(struct crowd *crowd);

#endif
