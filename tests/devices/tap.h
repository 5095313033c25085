/* SPDX-License-Identifier: MIT */
/* The host's side of a tap, where its kernel says things of its own, too. */
#ifndef DEVICES_TAP_H
#define DEVICES_TAP_H

#include "rig.h"

/* It is up, and this is a packet socket on it. */
int tap_open(const char *name);
/* This frame comes, sooner or later. */
void tap_expect(int fd, const void *frame, uint32_t len);
/* The guest receives it, in a single buffer; others are given again. */
void tap_guest_hears(struct rig *rig, uint32_t queue, const void *frame, uint32_t len);

#endif
