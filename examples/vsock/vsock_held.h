/* SPDX-License-Identifier: MIT */
/*
 * Bytes of a connection that are on the way through, for the other side takes no more for now.
 *
 * A ring that grows up to a limit and is freed when it is empty.  Of seqpacket, beside it, what
 * belongs together: a message is there as a whole when its last fragment has come.
 */
#ifndef VSOCK_HELD_H
#define VSOCK_HELD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include <libvu/vu.h>

struct held_message {
	uint32_t len;
	uint32_t flags; /* VIRTIO_VSOCK_SEQ_EOM: it is whole */
};

struct held {
	unsigned char *data;
	uint32_t size, start, len;
	struct held_message *messages;
	uint32_t n_messages, first_message, max_messages;
};

/*
 * Room for len bytes more, in two segments, for the caller to fill; 0, -ENOBUFS beyond limit bytes
 * in all, or -ENOMEM.  And so many were filled.
 */
int held_room(struct held *h, uint32_t len, uint32_t limit, struct iovec iov[2]);
void held_added(struct held *h, uint32_t len);
/* len bytes of a request; as held_room(). */
int held_add(struct held *h, const struct vu_req *req, uint64_t offset, uint32_t len,
	     uint32_t limit);
/*
 * These were the next len bytes of a message.  -ENOBUFS: there are too many of them, for the
 * memory that limit bytes would be.
 */
int held_add_message(struct held *h, uint32_t len, uint32_t flags, uint32_t limit);
/* The two of them, with the flags of a packet. */
int held_add_part(struct held *h, const struct vu_req *req, uint64_t offset, uint32_t len,
		  uint32_t flags, uint32_t limit);
/* The oldest message, or NULL. */
struct held_message *held_message(const struct held *h);
/* Is there something to go on as it is?  A part of a message is not. */
bool held_can_go(const struct held *h);
/* The oldest message is done with. */
void held_drop_message(struct held *h);

/* The oldest max bytes, or all there are, as one or two segments: how many segments. */
int held_iov(const struct held *h, uint32_t max, struct iovec iov[2]);
/* The oldest bytes, into a request's buffer. */
void held_copy(const struct held *h, const struct vu_req *req, uint64_t offset, uint32_t len);
/*
 * The oldest message, or what has come of it, behind the headers of up to n buffers, room bytes at
 * most: how many were used; bytes[i] of each, and flags[i] of the one that ends it.
 */
uint32_t held_fill_message(struct held *h, struct vu_req *const *reqs, uint32_t n, uint32_t room,
			   uint32_t *bytes, uint32_t *flags);
/* The oldest len bytes are done with. */
void held_drop(struct held *h, uint32_t len);
void held_free(struct held *h);

#endif
