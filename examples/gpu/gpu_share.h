/* SPDX-License-Identifier: MIT */
/*
 * Screens whose pixels a display has as a dma-buf, so that nothing is sent but what is new.
 *
 * Of a blob, the pages that the guest draws to: nobody copies anything.  Of anything else, and of a
 * blob that cannot be had so, the screen's pixels, which are drawn here as ever.  The kernel makes
 * a dma-buf of either (udmabuf).  Of what 3D drew on the host's graphics hardware, memory of that:
 * the renderer makes the dma-buf, and until it has, a display is told nothing of that screen.  One
 * of a blob or of 3D is the resource's, made when it is shown; there is none of a resource that
 * went, nor of memory that did: then displays are told that they have none any more.  Until they
 * let go of it, its pages stay.
 *
 * The card is told whether a display takes them (share_all()), and by struct sharing how they are
 * made.  Device thread.
 */
#ifndef GPU_SHARE_H
#define GPU_SHARE_H

#include <pixman.h>
#include <stdbool.h>
#include <stdint.h>

struct card;
struct resource;
struct screen;
struct udmabuf_create_list;

enum { SHARES_MOST = 64 }; /* of a card; beyond that only those that are shown */

enum screen_shared { SHARED_NOT, SHARED_RESOURCE, SHARED_PIXELS };

struct share {
	int fd;
	uint64_t offset; /* of a blob: where in it this begins */
	uint32_t width, height, stride, fourcc, flags;
	uint64_t modifier;
};

struct share_problem {
	const char *why;
	int error; /* of the kernel's; 0: none */
};

/* All zero: there are none. */
struct sharing {
	bool on;      /* there is a display, and it is to have dma-bufs */
	bool copies;  /* the card draws all the same: there may be screenshots */
	bool exports; /* so may the renderer */
	uint32_t n;
	uint32_t said; /* of which outputs the log has it, a bit each */
	/* As vu_memory_file(): where a guest address is. */
	int (*file)(void *opaque, uint64_t addr, uint64_t *offset);
	/* A dma-buf of memory; -errno.  NULL: there can be none. */
	int (*make)(void *opaque, const struct udmabuf_create_list *list);
	/* Once for each resource or output: it is shown so, or why not. */
	void (*say)(void *opaque, const char *what, uint32_t id,
		    const struct share_problem *problem);
	void *opaque;
};

/* The screen shows another resource, or another part of it: by a dma-buf, if it can be. */
void share_screen(struct card *card, struct screen *screen);
/* A display cannot have it, after all: it gets pixels. */
void share_refuse(struct card *card, struct screen *screen, const struct share_problem *problem);
/* What a display is to have; NULL: pixels. */
const struct share *share_of(const struct screen *screen);
/* All screens: a display comes or goes. */
void share_all(struct card *card, bool on);
/* Guest memory is another one. */
void share_moved(struct card *card);
/* The resource has no memory any more. */
void share_detached(struct card *card, struct resource *resource);
/* The resource, which no screen shows, goes. */
void share_drop(struct card *card, struct resource *resource);
/* The screen is shown by its resource, and nobody needs its pixels here. */
bool share_only(const struct card *card, const struct screen *screen);
/* The renderer's answer: a dma-buf of whatever size, which is taken over; -1. */
void share_exported(struct card *card, uint32_t id, uint64_t serial, const struct share *share,
		    int fd);
/* A part of what it shows is new. */
void share_flush(struct screen *screen, const pixman_box32_t *box);

#endif
