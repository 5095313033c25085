/* SPDX-License-Identifier: MIT */
/* The other end of vu-net's wire, as a socket of QEMU's format. */
#ifndef DEVICES_WIRE_H
#define DEVICES_WIRE_H

#include "net.h"

enum { WIRE_BUFFER = 2000, WIRE_LONGEST = 6000, WIRE_LEN = 100, WIRE_PREFIX = 4 };

/* A device that listens at rig->files[0]; and a connection to it. */
void wire_listen(struct rig *rig);
int wire_start(struct rig *rig);
void wire_send(int fd, const void *frame, uint32_t len);
/* The next frame, of at most WIRE_LONGEST bytes, is this one. */
void wire_expect(int fd, const void *frame, uint32_t len);
/* The device has met whoever connected. */
void wire_hello(struct rig *rig, int fd);

#endif
