/* SPDX-License-Identifier: MIT */
/* Sockets (virtio 1.3 §5.10.6). */
#include "types.h"

enum { RX, TX, EVENT, HEADER = 44, OP_RW = 5, OP_SHUTDOWN = 4, OP_CREDIT_UPDATE = 6 };

static const struct name ops[] = {
	{1, "REQUEST"},
	{2, "RESPONSE"},
	{3, "RST"},
	{OP_SHUTDOWN, "SHUTDOWN"},
	{OP_RW, "RW"},
	{OP_CREDIT_UPDATE, "CREDIT_UPDATE"},
	{7, "CREDIT_REQUEST"},
};

void tell_vsock(const struct request *r, struct told *t)
{
	const unsigned char *bytes = r->queue == TX ? r->head : r->written;
	size_t n = r->queue == TX ? r->n_head : r->n_written;
	uint32_t op;

	if (r->queue == EVENT) {
		t->name = "TRANSPORT_RESET";
		return;
	}
	if (n < HEADER) {
		told_add(t, "without a header");
		return;
	}
	op = (uint32_t)bytes_le(bytes, n, 30, 2);
	t->name = NAME(ops, op);
	if (!t->name)
		t->name = "unknown operation";
	told_add(t, "%s %llu:%u to %llu:%u", r->queue == TX ? "guest" : "host",
		 (unsigned long long)bytes_le(bytes, n, 0, 8), (uint32_t)bytes_le(bytes, n, 16, 4),
		 (unsigned long long)bytes_le(bytes, n, 8, 8), (uint32_t)bytes_le(bytes, n, 20, 4));
	if (bytes_le(bytes, n, 28, 2) == 2)
		told_add(t, "seqpacket");
	if (op == OP_RW)
		told_add(t, "len %u", (uint32_t)bytes_le(bytes, n, 24, 4));
	if (op == OP_SHUTDOWN)
		told_add(t, "flags 0x%x", (uint32_t)bytes_le(bytes, n, 32, 4));
	told_add(t, "buf_alloc %u fwd_cnt %u", (uint32_t)bytes_le(bytes, n, 36, 4),
		 (uint32_t)bytes_le(bytes, n, 40, 4));
}
