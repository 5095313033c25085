/* SPDX-License-Identifier: MIT */
/* Block devices (virtio 1.3 §5.2.6). */
#include <linux/virtio_blk.h>

#include "types.h"

enum { HEADER = 16, RANGE = 16, GET_LIFETIME = 10 };

static const struct name names[] = {
	{VIRTIO_BLK_T_IN, "READ"},
	{VIRTIO_BLK_T_OUT, "WRITE"},
	{VIRTIO_BLK_T_FLUSH, "FLUSH"},
	{VIRTIO_BLK_T_GET_ID, "GET_ID"},
	{GET_LIFETIME, "GET_LIFETIME"},
	{VIRTIO_BLK_T_DISCARD, "DISCARD"},
	{VIRTIO_BLK_T_WRITE_ZEROES, "WRITE_ZEROES"},
	{14, "SECURE_ERASE"},
};

static const struct name results[] = {{0, "OK"}, {1, "IOERR"}, {2, "UNSUPP"}};

static void tell_ranges(const struct request *r, struct told *t)
{
	uint64_t n = r->out > HEADER ? (r->out - HEADER) / RANGE : 0;

	told_add(t, "sector %llu sectors %u", (unsigned long long)request_u64(r, HEADER),
		 request_u32(r, HEADER + 8));
	if (request_u32(r, HEADER + 12))
		told_add(t, "flags 0x%x", request_u32(r, HEADER + 12));
	if (n > 1)
		told_add(t, "and %llu more ranges", (unsigned long long)(n - 1));
}

void tell_blk(const struct request *r, struct told *t)
{
	uint32_t type = request_u32(r, 0);
	const char *name = NAME(names, type);

	if (r->n_head < HEADER) {
		told_add(t, "without a header");
		return;
	}
	t->name = name ? name : "unknown type";
	if (!name)
		told_add(t, "%u", type);
	if (type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_OUT)
		told_add(t, "sector %llu len %llu", (unsigned long long)request_u64(r, 8),
			 (unsigned long long)(type == VIRTIO_BLK_T_OUT ? r->out - HEADER
					      : r->in		       ? r->in - 1
								       : 0));
	if (type == VIRTIO_BLK_T_DISCARD || type == VIRTIO_BLK_T_WRITE_ZEROES || type == 14)
		tell_ranges(r, t);
	if (r->n_tail)
		told_status(t, r->tail[r->n_tail - 1], results,
			    sizeof(results) / sizeof(results[0]));
}
