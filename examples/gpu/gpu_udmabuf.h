/* SPDX-License-Identifier: MIT */
/*
 * The kernel's dma-bufs of pieces of memfds (/dev/udmabuf).  Tests have one of their own in the
 * place of gpu_udmabuf.c.
 */
#ifndef GPU_UDMABUF_H
#define GPU_UDMABUF_H

#include <linux/udmabuf.h>
#include <stdbool.h>

#define UDMABUF_DEVICE "/dev/udmabuf"

enum { UDMABUF_MOST = 1024 }; /* pieces of one, as the kernel has it */

/* -errno. */
int udmabuf_open(void);
/* A dma-buf, close-on-exec; -errno.  It allocates pages that the memfd does not have yet. */
int udmabuf_make(int udmabuf, const struct udmabuf_create_list *list);
/* Is it a dma-buf at all?  Whoever it is from. */
bool udmabuf_is_one(int fd);

#endif
