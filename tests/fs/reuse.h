/* SPDX-License-Identifier: MIT */
/*
 * For tests of descriptors that are taken again.  Whether a file is opened inotify(7) says.  What
 * is kept may be closed at any moment, so nothing fails because that was sooner than a test
 * thought.
 */
#ifndef REUSE_H
#define REUSE_H

#include "client.h"

#include <stdbool.h>
#include <stdint.h>

struct reuse {
	struct client *c;
	uint64_t file;
	int watch;
};

/* Spawn with args, and a file "file" of "hello".  Skips where nothing is kept. */
void reuse_begin(struct reuse *r, void **state, const char *const *args);
void reuse_end(struct reuse *r);
/* Since the last time. */
bool reuse_was_opened(const struct reuse *r);
/* One OPEN and RELEASE; true: it opened the host's file. */
bool reuse_opens_anew(const struct reuse *r, uint32_t flags);
void reuse_until_taken(const struct reuse *r);

#endif
