/* SPDX-License-Identifier: MIT */
/* A guest's input driver, for tests of vu-input: event buffers, status, the configuration space. */
#ifndef DEVICES_INPUT_GUEST_H
#define DEVICES_INPUT_GUEST_H

#include "rig.h"

#include <linux/input.h>
#include <linux/virtio_input.h>

enum { EVENTQ, STATUSQ };

/* So many buffers for events. */
void input_give(struct rig *rig, uint32_t n);
/* The next event that the device sent. */
struct virtio_input_event input_take(struct rig *rig);
/* It is this one. */
#define input_expect(rig, type, code, value)                                                       \
	input_expect_at(rig, type, code, value, __FILE__, __LINE__)
void input_expect_at(struct rig *rig, uint16_t type, uint16_t code, int32_t value, const char *file,
		     int line);
/* A status event, taken by the device. */
void input_send_status(struct rig *rig, uint16_t type, uint16_t code, int32_t value);
/* Selects as QEMU does: the whole space is written, with what was read before in the other bytes.
 */
void input_select(struct rig *rig, uint8_t select, uint8_t subsel,
		  struct virtio_input_config *config);

#endif
