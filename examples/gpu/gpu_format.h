/* SPDX-License-Identifier: MIT */
/* How many bytes pixels of 3D's formats take. */
#ifndef GPU_FORMAT_H
#define GPU_FORMAT_H

#include <stdint.h>

struct format_block {
	uint8_t bytes; /* 0: no such format, or one whose pixels are in several planes */
	uint8_t width, height;
};

struct format_block format_block(uint32_t virgl);

#endif
