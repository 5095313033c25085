/* SPDX-License-Identifier: MIT */
/* What a monitor says of itself (VESA E-EDID 1.4), so that a driver knows which size is wanted. */
#ifndef GPU_EDID_H
#define GPU_EDID_H

#include <stdint.h>

enum { EDID_BLOCK = 128, EDID_MAX = 2 * EDID_BLOCK };
/* Smaller ones have no timing: a pixel clock is 10 MHz at least. */
enum { EDID_MIN_WIDTH = 400, EDID_MIN_HEIGHT = 300, EDID_MAX_SIZE = 16384 };

/*
 * For a monitor of this size, the number of an output.  Returns how many bytes it has: one block,
 * or two for sizes that the first has no room for.
 */
uint32_t edid_make(uint8_t edid[EDID_MAX], uint32_t output, uint32_t width, uint32_t height);

#endif
