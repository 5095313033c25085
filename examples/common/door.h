/* SPDX-License-Identifier: MIT */
/*
 * A listening socket whose clients come in one by one.
 *
 * Who cannot be let in because descriptors or memory are used up waits, and the socket stays
 * readable: it is left alone then for a moment, instead of keeping the thread.
 *
 * Thread: the group's.
 */
#ifndef COMMON_DOOR_H
#define COMMON_DOOR_H

#include <libvu/vu.h>

#include <stdbool.h>

struct door {
	int fd; /* listening, non-blocking; the caller's */
	struct vu_device *dev;
	void (*knocked)(void *opaque);
	void *opaque;
	uint32_t events;
	struct vu_source *source, *pause; /* NULL: not open */
	bool said;			  /* that somebody waits */
};

/*
 * knocked: somebody may be there.  edge: it is called once for those who come, and again after a
 * pause; else as long as anybody is there.  On failure nothing is left to be closed.  0 or -errno.
 */
int door_open(struct door *d, struct vu_device *dev, struct vu_group *group, int fd, bool edge,
	      void (*knocked)(void *opaque), void *opaque);
/* The next client (non-blocking), or -EAGAIN: nobody, or nobody can come in now. */
int door_accept(struct door *d);
/* The socket stays. */
void door_close(struct door *d);

#endif
