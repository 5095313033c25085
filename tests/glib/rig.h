/* SPDX-License-Identifier: MIT */
/*
 * A VuGlibDevice in the default main context, and a peer on the same thread, whose pump iterates
 * it.
 *
 * Requests have a readable and a writable part; rig_ask() waits for one.  Lines of GLib's log, of
 * any domain, are kept in a book.
 */
#ifndef GLIB_RIG_H
#define GLIB_RIG_H

#include <stdbool.h>

#include <libvu-glib/vu-glib.h>

#include "frontend/peer.h"
#include "kit/log_book.h"
#include "kit/test.h"

enum { RIG_ROOM = 64, RIG_QUEUES = 2, RIG_STATUS = 0x5a };

struct rig {
	VuGlibDevice *device;
	struct peer *peer;
	struct log_book log;
	uint64_t in, out;      /* guest addresses of what requests use */
	unsigned char *answer; /* the writable part */
	GPtrArray *kept;       /* requests, by rig_keep() */
	int why;	       /* of the last session's end; 1: none ended */
	guint ends;
};

int rig_setup(void **state);
/* Fails if something of the device is left. */
int rig_teardown(void **state);

/* Another device in the place of the rig's, which nobody serves yet. */
void rig_use(struct rig *rig, VuGlibDevice *device);
/* A peer that is attached and negotiated, and has started; and only the first of these. */
void rig_start(struct rig *rig);
void rig_attach(struct rig *rig);
/* False: the device would not. */
bool rig_try_attach(struct rig *rig);

/* Turns of the main context until the condition holds. */
#define rig_until(condition)                                                                       \
	while (!(condition))                                                                       \
	g_main_context_iteration(NULL, TRUE)
/* As long as there is something to do at once. */
void rig_turn(void);

/* Publish a request on a queue: "hello" and room for RIG_ROOM bytes. */
void rig_offer(struct rig *rig, uint32_t queue);
/* The length that the next one was completed with. */
uint32_t rig_wait(struct rig *rig, uint32_t queue);
/* Both. */
uint32_t rig_ask(struct rig *rig, uint32_t queue);
/* Is there none? */
bool rig_is_silent(struct rig *rig, uint32_t queue);

/* Handlers of VuGlibDevice::request: upper case of what came; and keep it in rig->kept. */
gboolean rig_answer(VuGlibDevice *device, VuGlibQueue *queue, VuGlibRequest *request, gpointer rig);
gboolean rig_keep(VuGlibDevice *device, VuGlibQueue *queue, VuGlibRequest *request, gpointer rig);

/* How many criticals there were; forgets them. */
guint rig_criticals(struct rig *rig);

#endif
