/* SPDX-License-Identifier: MIT */
/* A driver of CAN controllers, on a rig. */
#ifndef DEVICES_CAN_GUEST_H
#define DEVICES_CAN_GUEST_H

#include "rig.h"

enum { CAN_TX, CAN_RX, CAN_CONTROL };
enum { OK, NOT_OK };
enum { START = 0x0201, STOP = 0x0202 };
enum { RTR = 0x2000, FD = 0x4000, EXTENDED = 0x8000 };
enum { CAN_HEADER = 16, CAN_ROOM = CAN_HEADER + 64 };
/* Features. */
enum { F_CLASSIC = 1, F_FD = 2, F_RTR = 4 };
#define F_VERSION_1 (UINT64_C(1) << 32)

struct frame {
	uint32_t flags, id;
	uint16_t len;
	const void *data;
};

/* Start the program and a driver with all features, unless config.features says otherwise. */
void can_start(struct rig *rig, const char *const *more);
/* The result. */
uint8_t can_control(struct rig *rig, uint16_t type);
uint8_t can_send(struct rig *rig, const struct frame *frame);
/* A buffer to receive into. */
void can_give(struct rig *rig, struct rig_buffer *buffer, uint32_t len);
/* The next frame that was received is in this buffer. */
void can_expect(struct rig *rig, const struct rig_buffer *buffer, const struct frame *frame);
/* What "stats" says. */
void can_stats(struct rig *rig, const char *wanted);

#endif
