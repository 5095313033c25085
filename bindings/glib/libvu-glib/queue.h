/* SPDX-License-Identifier: MIT */
/* What devices and requests need of a VuGlibQueue. */
#ifndef VU_GLIB_PRIVATE_QUEUE_H
#define VU_GLIB_PRIVATE_QUEUE_H

#include <libvu-glib/vu-glib-queue.h>

#include "core.h"

VuGlibQueue *queue_new(struct core *core, guint index);
struct core *queue_core(VuGlibQueue *queue);
/* Is this thread in the turn that serves the queue? */
gboolean queue_is_mine(VuGlibQueue *queue);
/* Be the queue's thread for a moment; FALSE: another is.  The gate is to be left. */
struct gate *queue_enter(VuGlibQueue *queue, GError **error);

/* A new request around one that was just taken. */
VuGlibRequest *request_new(VuGlibQueue *queue, struct vu_req *req);
/* On the queue's thread. */
gboolean request_was_put_back(VuGlibRequest *request);

#endif
