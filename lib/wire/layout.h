/* SPDX-License-Identifier: MIT */
/*
 * Payload layouts: how large each kind of payload is, and what its values are in words.  The
 * log, the generated docs/protocol.md and the trace tool all use this.
 */
#ifndef WIRE_LAYOUT_H
#define WIRE_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_layout {
	WIRE_L_NONE,
	WIRE_L_U64,
	WIRE_L_VRING_STATE,
	WIRE_L_VRING_ADDR,
	WIRE_L_VRING_FD, /* u64: index and no-fd flag */
	WIRE_L_MEM_TABLE,
	WIRE_L_MEM_REG,
	WIRE_L_LOG, /* u64, or struct wire_log */
	WIRE_L_IOTLB,
	WIRE_L_CONFIG,
	WIRE_L_CRYPTO,
	WIRE_L_INFLIGHT,
	WIRE_L_VRING_AREA,
	WIRE_L_SHARED_OBJECT,
	WIRE_L_DEVICE_STATE,
	WIRE_L_MMAP,
	WIRE_L_SHMEM_CONFIG,
	WIRE_L_END,
};

/* "a vring state", "a 64-bit integer": for messages and documents. */
const char *wire_layout_name(enum wire_layout layout);

/*
 * Is a payload of size bytes (already received: the content may be looked at, as for the length
 * inside a config payload) right for this layout?  On false *want describes what is right.
 */
bool wire_layout_fits(enum wire_layout layout, const void *payload, uint32_t size,
		      const char **want);

/* "index 0 num 256": snprintf rules, always terminated; size was found right before. */
size_t wire_layout_decode(enum wire_layout layout, const void *payload, uint32_t size, char *out,
			  size_t out_size);

/* "MQ", "GET_VRING_BASE_INFLIGHT"; NULL when out of range. */
const char *wire_protocol_feature_name(unsigned int bit);

#endif
