/* SPDX-License-Identifier: MIT */
/* Dma-bufs of blobs in the guest's memory. */
#ifndef GPU_SHARE_BLOB_H
#define GPU_SHARE_BLOB_H

#include "gpu_share.h"

/* What the screen, which shows a blob, would be as a dma-buf; it has none yet. */
struct share share_blob_wanted(const struct screen *screen);
struct share_problem {
	const char *why;
	int error; /* of the kernel's; 0: none */
};

/* Make it: a descriptor, or -1. */
int share_blob(struct card *card, const struct resource *resource, const struct share *share,
	       struct share_problem *problem);

#endif
