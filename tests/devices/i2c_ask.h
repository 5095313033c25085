/* SPDX-License-Identifier: MIT */
/* Requests to vu-i2c through the rig; cookies of the ring are struct ask. */
#ifndef DEVICES_I2C_ASK_H
#define DEVICES_I2C_ASK_H

#include "rig.h"

#include <linux/virtio_i2c.h>

enum {
	MORE = VIRTIO_I2C_FLAGS_FAIL_NEXT,
	READ = VIRTIO_I2C_FLAGS_M_RD,
	OK = VIRTIO_I2C_MSG_OK,
	ERR = VIRTIO_I2C_MSG_ERR,
	EEPROM = 0x50 << 1,
	SENSOR = 0x48 << 1,
	NOBODY = 0x33 << 1,
	MAX_DATA = 9000,
};

/* A request in guest memory. */
struct ask {
	struct rig_buffer out, in;
	uint32_t in_len; /* of its data: the status is behind it */
};

void ask_make(struct rig *rig, struct ask *ask, uint16_t addr, uint32_t flags, const void *data,
	      uint32_t len);
/* Added to the ring, not yet published. */
void ask_add(struct rig *rig, struct ask *ask);
/* Publishes what was added; the next one to come back must be this: its status. */
uint8_t ask_wait(struct rig *rig, struct ask *ask);

/* One request that is a group of its own: its status. */
uint8_t ask_transfer(struct rig *rig, uint16_t addr, uint32_t flags, void *data, uint32_t len);
void ask_write(struct rig *rig, uint16_t addr, const void *data, uint32_t len);
/* Read, and compare. */
void ask_expect(struct rig *rig, uint16_t addr, const void *wanted, uint32_t len);
/* The same, after a write of one byte in the same group. */
void ask_expect_at(struct rig *rig, uint16_t addr, uint8_t at, const void *wanted, uint32_t len);

#endif
