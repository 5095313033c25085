/* SPDX-License-Identifier: MIT */
/*
 * A device's state as bytes: docs/device-state.md has the format.  One thread at a time.
 */
#ifndef CORE_STATE_H
#define CORE_STATE_H

#include <stddef.h>
#include <stdint.h>

#include <libvu/state.h>

enum { STATE_MAX_RECORDS = 65536 };

/* An empty one, of at most max bytes.  -ENOMEM */
int state_new(uint64_t max, struct vu_state **state);
void state_free(struct vu_state *state);

/* Saving: records follow. */
void state_begin(struct vu_state *state, uint32_t device_id, uint32_t version);
/* No record follows any more: the bytes, which stay the state's.  -errno: the first failure. */
int state_finish(struct vu_state *state, const void **bytes, size_t *len);

/* Loading: room for the next bytes, 0 < *len; then how many there are.  -EFBIG; -ENOMEM. */
int state_room(struct vu_state *state, void **at, size_t *len);
void state_filled(struct vu_state *state, size_t len);
/*
 * All bytes are there.  0: records can be had; -EBADMSG: it is none of ours, or cut off; -ENODEV:
 * of another type of device; -ENOTSUP: of a version above this one; -ENOMEM.  *why says so.
 */
int state_parse(struct vu_state *state, uint32_t device_id, uint32_t version, const char **why);
/* The tag of a record that is not optional and that nobody got; 0: there is none. */
uint32_t state_ignored(const struct vu_state *state);

#endif
