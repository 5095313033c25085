/* SPDX-License-Identifier: MIT */
/*
 * A driver of blobs of the host's for tests of vu-gpu, and the front-end that shows them to the
 * guest.  After three_start_blobs().
 */
#ifndef GPU_BLOBS_TESTS_H
#define GPU_BLOBS_TESTS_H

#include "three.h"

enum { CAPSET_VENUS = 4, BLOB_PAGE = 4096, BLOB_REGION = 1, BLOB_WINDOW = 64 << 20 };
enum { BLOB_MAPPABLE = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE };

/* Start vu-gpu with --venus, as much memory as the window has, and these options beside. */
void three_start_blobs(struct rig *rig, const char *const *options);

uint32_t blob_try_context(uint32_t context, uint32_t capset);
uint32_t blob_try_create(uint32_t context, uint32_t id, uint32_t flags, uint64_t blob_id,
			 uint64_t size);
/* RESOURCE_MAP_BLOB, which is answered when the front-end is done. */
void blob_offer_map(uint32_t id, uint64_t at);
/* Its answer; *info: how it is to be cached. */
uint32_t blob_wait_map(uint32_t *info);
/* One that the front-end never hears of. */
uint32_t blob_try_map(uint32_t id, uint64_t at);
uint32_t blob_try_unmap(uint32_t id);

/* What the front-end is asked for next; a mapping's descriptor is the caller's. */
void blob_hear(uint32_t request, uint64_t at, uint64_t len, struct frontend_msg *msg);
void blob_answer(struct frontend_msg *msg, uint64_t value);
void blob_hear_and_answer(uint32_t request, uint64_t at, uint64_t len, uint64_t value);
void blob_hear_nothing(void);
/* The guest's view of it, which is mapped at that place; munmap() is the caller's. */
uint32_t *blob_map(uint32_t id, uint64_t at, uint64_t len);

#endif
