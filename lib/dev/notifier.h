/* SPDX-License-Identifier: MIT */
/*
 * Kick, call and error descriptors: classified once, on arrival; used without ever blocking and
 * without raising a signal.
 */
#ifndef DEV_NOTIFIER_H
#define DEV_NOTIFIER_H

#include <stdbool.h>

enum notifier_kind { NOTIFIER_NONE, NOTIFIER_EVENTFD, NOTIFIER_SOCKET, NOTIFIER_FIFO };

struct notifier {
	int fd; /* -1 with NOTIFIER_NONE */
	enum notifier_kind kind;
};

/* No descriptor. */
void notifier_init(struct notifier *n);
/* Take over fd (not on error).  -EINVAL: neither eventfd, socket nor FIFO. */
int notifier_open(struct notifier *n, int fd);
void notifier_close(struct notifier *n);

/* Wake the other side.  A full descriptor is one that is signalled already; one whose other side
 * is gone needs none. */
void notifier_signal(const struct notifier *n);
/* Take what woke us; not needed for an eventfd.  False: the other side is gone; stop watching. */
bool notifier_clear(const struct notifier *n);

#endif
