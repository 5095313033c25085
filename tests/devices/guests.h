/* SPDX-License-Identifier: MIT */
/* Several guests of one process. */
#ifndef DEVICES_GUESTS_H
#define DEVICES_GUESTS_H

#include "rig.h"

enum { GUESTS = 3 };

/* The first one's rig is the test's: the program's commands are the first one's. */
struct guests {
	struct rig *rigs[GUESTS];
	struct rig own[GUESTS - 1];
	char sockets[GUESTS - 1][RIG_PATH + 20];
	const char *options[GUESTS]; /* that the program has for the others, up to NULL */
};

/* Before the program is started, with these options. */
void guests_name(struct guests *guests, struct rig *rig, uint32_t n_queues);
/* When it is, with a driver of the first one: drivers of the others. */
void guests_connect(struct guests *guests);
/* All are gone, and the program ends. */
void guests_end(struct guests *guests);

#endif
