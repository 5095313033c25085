/* SPDX-License-Identifier: MIT */
/*
 * A device's state on its way to or from the front-end (vhost-user "Migrating back-end state").
 * Device thread.
 *
 * The bytes pass through a descriptor of our own, which the reply to SET_DEVICE_STATE_FD brings: a
 * sealed memfd with all of it, or the writing end of a pipe.  So nothing that the front-end can do
 * to a description that it shares with us has this thread wait, and the one that came is not used.
 */
#ifndef VHOST_USER_DEVICE_STATE_H
#define VHOST_USER_DEVICE_STATE_H

#include <stdbool.h>

struct session;
struct vu_source;
struct vu_state;

enum device_state_phase {
	STATE_NONE,    /* nothing was asked for yet */
	STATE_READING, /* until the end of the pipe */
	STATE_READ,    /* all is there: CHECK_DEVICE_STATE has the device load it */
	STATE_DONE,
	STATE_FAILED
};

/* A part of the session. */
struct device_state {
	enum device_state_phase phase;
	struct vu_state *state; /* being saved or loaded, or NULL */
	bool is_lent;		/* the device has it, until its answer */
	bool is_awaited;	/* CHECK_DEVICE_STATE waits for the end of the pipe */
	int fd;			/* reading end of the pipe, while there is a source */
	struct vu_source *source;
};

/* Give up what there is. */
void device_state_end(struct session *s);

#endif
