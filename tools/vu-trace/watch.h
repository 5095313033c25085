/* SPDX-License-Identifier: MIT */
/*
 * The rings of one connection (--requests): learns of them from the messages, stands in for their
 * descriptors, looks at them whenever one of these is used and now and then, and tells what was
 * done.
 */
#ifndef TRACE_WATCH_H
#define TRACE_WATCH_H

#include "dialog.h"
#include "poller.h"

struct watch;

struct watch *watch_new(struct dialog *dialog, bool knows_type);
void watch_free(struct watch *w);
/* A message is about to pass: look before it changes anything. */
void watch_before(struct watch *w);
/* It passes: fds (of the message) may be replaced. */
void watch_message(struct watch *w, const struct passing *msg, int *fds);
void watch_poll(struct watch *w, struct poller *p);
void watch_tick(struct watch *w);
/* The connection ended. */
void watch_end(struct watch *w);

#endif
