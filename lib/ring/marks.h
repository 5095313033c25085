/* SPDX-License-Identifier: MIT */
/*
 * What a ring marks in the dirty log (vhost-user "Migration"): the bytes that the device wrote for
 * a request, used entries, the used index, and what says when notifications are wanted; or their
 * packed counterparts.  Queue thread.
 *
 * A ring that does takes the slow way, so that without a log this costs nothing.  The order:
 *
 *   data, its marks, used entries, their marks, the index, its mark
 *
 * A mark comes after what it is for, as the front-end copies a page once it has cleared the bit.
 * And it comes before what makes that visible: should this process die in between, then nobody who
 * goes on knows of it.  That cannot be had of the index itself; so a ring marks its whole
 * device area when it begins.
 */
#ifndef RING_MARKS_H
#define RING_MARKS_H

#include <stdbool.h>
#include <stdint.h>

struct region;
struct req;
struct ring;

/* What a ring is told of the log.  Values; the log is not a reference of its own. */
struct marks_config {
	struct region *log; /* NULL: none, or it is not here yet */
	bool is_on;	    /* VHOST_F_LOG_ALL: mark what is written for requests */
	bool is_used_on;    /* VHOST_VRING_F_LOG: and what is written to the ring */
	/*
	 * What is written to the device area is marked as if that began at this guest address. With
	 * ACCESS_PLATFORM that is an IOVA of the same area: it is marked where it is.
	 */
	uint64_t used_at;
	bool is_in_place;
};

/* A part of the ring. */
struct marks {
	struct marks_config config; /* its log is a reference */
	bool owes;		    /* requests were written to while there was no log */
	bool is_told;		    /* that something is past this log's end */
	bool has_news;		    /* something was marked: its owner clears this */
	uint32_t from;		    /* used_pos up to which used entries are marked */
};

/* From now on.  What may have been written while nobody marked is marked at once. */
void marks_set(struct ring *ring, const struct marks_config *config);
/* Its areas are where they were not before: all of the device area may have been written to. */
void marks_whole_area(struct ring *ring);
/* No more; the reference goes. */
void marks_end(struct ring *ring);

/* So many bytes were written for a request. */
void marks_request(struct ring *ring, const struct req *req, uint64_t written);
/* Used entries are written, and about to be published. */
void marks_pushed(struct ring *ring);
/* ... and are. */
void marks_published(struct ring *ring);
/* It was said whether notifications are wanted. */
void marks_armed(struct ring *ring);

#endif
