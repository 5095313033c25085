/* SPDX-License-Identifier: MIT */
/* Helpers on a request's segments and memory.  Any thread that owns the request. */
#include <errno.h>
#include <string.h>

#include <libvu/memory.h>
#include <libvu/queue.h>

#include "mem/table.h"
#include "ring/ring.h"

/* Copy len bytes at offset between a segment list and a buffer; returns how many there were. */
static size_t iov_copy(const struct iovec *iov, uint32_t n, uint64_t offset, void *buf,
		       const void *from, size_t len)
{
	size_t done = 0;

	for (uint32_t i = 0; i < n && done < len; i++) {
		size_t piece = iov[i].iov_len;

		if (offset >= piece) {
			offset -= piece;
			continue;
		}
		piece -= offset;
		if (piece > len - done)
			piece = len - done;
		if (from)
			memcpy((unsigned char *)iov[i].iov_base + offset,
			       (const unsigned char *)from + done, piece);
		else
			memcpy((unsigned char *)buf + done,
			       (const unsigned char *)iov[i].iov_base + offset, piece);
		done += piece;
		offset = 0;
	}
	return done;
}

size_t vu_req_read(const struct vu_req *req, uint64_t offset, void *buf, size_t len)
{
	return iov_copy(req->readable, req->n_readable, offset, buf, NULL, len);
}

size_t vu_req_write(const struct vu_req *req, uint64_t offset, const void *buf, size_t len)
{
	return iov_copy(req->writable, req->n_writable, offset, NULL, buf, len);
}

int vu_iov_slice(const struct iovec *iov, uint32_t n, uint64_t offset, uint64_t len,
		 struct iovec *out, uint32_t max)
{
	uint32_t used = 0;

	for (uint32_t i = 0; i < n && len; i++) {
		uint64_t piece = iov[i].iov_len;

		if (offset >= piece) {
			offset -= piece;
			continue;
		}
		piece -= offset;
		if (piece > len)
			piece = len;
		if (used == max)
			return -ENOSPC;
		out[used].iov_base = (unsigned char *)iov[i].iov_base + offset;
		out[used].iov_len = piece;
		used++;
		len -= piece;
		offset = 0;
	}
	return len ? -ERANGE : (int)used;
}

/* struct vu_memory is the table: opaque outside, and references are all that can be done to it. */
struct vu_memory *vu_req_memory(const struct vu_req *pub)
{
	const struct req *req = (const struct req *)pub;

	return (struct vu_memory *)table_ref(req->table);
}

void vu_memory_release(struct vu_memory *memory)
{
	table_unref((struct table *)memory);
}
