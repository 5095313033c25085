/* SPDX-License-Identifier: MIT */
/*
 * Kick, call and error descriptors: classified once, on arrival; used without ever blocking and
 * without raising a signal.
 *
 * A kick is an eventfd: it is watched and never read.  A call or an error goes to an eventfd by a
 * bell, or to a Unix socket (User-mode Linux).  Pipes are refused: whoever writes to one or reads
 * from it, even opens it, waits for a lock that its other users hold while they copy.
 */
#ifndef CORE_NOTIFIER_H
#define CORE_NOTIFIER_H

#include <stdbool.h>
#include <stdint.h>

struct bell;

/* NOTIFIER_TIMER stands for a kick that nobody gives: the ring is polled. */
enum notifier_kind { NOTIFIER_NONE, NOTIFIER_EVENTFD, NOTIFIER_SOCKET, NOTIFIER_TIMER };

struct notifier {
	int fd; /* -1 with NOTIFIER_NONE */
	enum notifier_kind kind;
};

/* No descriptor. */
void notifier_init(struct notifier *n);
/* Take over fd (not on error).  -EINVAL: neither eventfd nor connected Unix socket. */
int notifier_open(struct notifier *n, int fd);
void notifier_close(struct notifier *n);

/* A timer of our own, and when it shall fire, once.  -errno. */
int notifier_open_timer(struct notifier *n);
void notifier_set_timer(const struct notifier *n, uint32_t ms);

/*
 * Wake the other side.  A full descriptor is one that is signalled already; one whose other side
 * is gone needs none.  -EPERM: it might block, see bell_ring().
 */
int notifier_signal(const struct notifier *n, const struct bell *bell);

#endif
