/* SPDX-License-Identifier: MIT */
/*
 * Screens whose pixels nobody copies: a display has the resource's memory itself, as a dma-buf.
 *
 * Of a blob in the guest's memory the kernel makes one (udmabuf); of 3D the renderer does.  A
 * resource that cannot be had so is drawn and copied as ever.  The dma-buf is the resource's, made
 * when it is shown, and there is none of a resource that went, nor of memory that did: then
 * displays are told that they have none any more.  Until they let go of it, its pages stay.
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

struct share {
	int fd;
	uint64_t offset; /* of a blob: where in it this begins */
	uint32_t width, height, stride, fourcc, flags;
	uint64_t modifier;
};

/* All zero: there are none. */
struct sharing {
	bool on;     /* there is a display, and it is to have dma-bufs */
	bool copies; /* the card draws all the same: there may be screenshots */
	uint32_t n;
	/* As vu_memory_file(): where a guest address is. */
	int (*file)(void *opaque, uint64_t addr, uint64_t *offset);
	/* A dma-buf of guest memory; -errno. */
	int (*make)(void *opaque, const struct udmabuf_create_list *list);
	/* Once for each resource: it is shown so, or why not. */
	void (*say)(void *opaque, uint32_t id, const char *why, int error);
	void *opaque;
};

/* The screen shows another resource, or another part of it: by a dma-buf, if it can be. */
void share_screen(struct card *card, struct screen *screen);
/* A display cannot have it, after all: it gets pixels. */
void share_refuse(struct card *card, struct screen *screen, const char *why, int error);
/* All screens: a display comes or goes. */
void share_all(struct card *card, bool on);
/* Guest memory is another one. */
void share_moved(struct card *card);
/* The resource, which no screen shows, goes. */
void share_drop(struct card *card, struct resource *resource);
/* The pixels of the screen are those of its dma-buf, and nobody needs them here. */
bool share_only(const struct card *card, const struct screen *screen);
/* A part of what it shows is new. */
void share_flush(struct screen *screen, const pixman_box32_t *box);

#endif
