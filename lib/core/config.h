/* SPDX-License-Identifier: MIT */
/* The configuration space: the library's copy, readable and settable from any thread. */
#ifndef CORE_CONFIG_H
#define CORE_CONFIG_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct vu_device_info;

enum { CONFIG_MAX = 4096 }; /* bytes */

struct config {
	pthread_mutex_t lock; /* held for a copy, never across a call */
	unsigned char *data;
	unsigned char *writable; /* bit mask of what the driver may write */
	uint32_t size;
	atomic_bool changed; /* the driver has to be told */
};

/* Does the driver have to be told of a change?  Once for each change; not for nothing. */
bool config_take_change(struct config *c);

int config_init(struct config *c, const struct vu_device_info *info);
void config_fini(struct config *c);
/* Bytes beyond the end are zero. */
void config_read(struct config *c, uint32_t offset, void *buf, uint32_t len);
/*
 * The driver's write: only writable bits change (QEMU writes input's whole space to select).
 * -EPERM if there is none in the range.
 */
int config_write(struct config *c, uint32_t offset, const void *buf, uint32_t len);
/* Ours, or a migration's: everything.  1 if it changed anything, 0, or -ERANGE. */
int config_set(struct config *c, uint32_t offset, const void *buf, uint32_t len);

#endif
