/* SPDX-License-Identifier: MIT */
/* Pictures in files: PNG. */
#ifndef GPU_PICTURE_H
#define GPU_PICTURE_H

#include <stdint.h>

/*
 * Write x8r8g8b8 pixels to a file of that name in a folder.  It is there when it is whole, and
 * takes the place of one that was there.  -errno.
 */
int picture_write(int folder, const char *name, const uint32_t *pixels, uint32_t width,
		  uint32_t height);

#endif
