/* SPDX-License-Identifier: MIT */
/* Buses and pins: gpio, i2c, spi, can. */
#include <stdio.h>

#include "types.h"

void tell_gpio(const struct request *r, struct told *t)
{
	static const struct name types[] = {
		{1, "GET_LINE_NAMES"}, {2, "GET_DIRECTION"}, {3, "SET_DIRECTION"},
		{4, "GET_VALUE"},      {5, "SET_VALUE"},     {6, "SET_IRQ_TYPE"},
	};
	static const struct name results[] = {{0, "OK"}, {1, "ERR"}};
	static const struct name irqs[] = {{1, "VALID"}, {0, "INVALID"}};
	const char *name = NAME(types, request_u16(r, 0));

	if (r->queue) {
		t->name = "IRQ";
		told_add(t, "line %u", request_u16(r, 0));
		if (r->n_written)
			told_status(t, r->written[0], irqs, 2);
		t->failed = false; /* it was disabled */
		return;
	}
	t->name = name ? name : "unknown type";
	told_add(t, "line %u value %u", request_u16(r, 2), request_u32(r, 4));
	if (!r->n_written)
		return;
	told_status(t, r->written[0], results, 2);
	if (!t->failed && r->n_written > 1)
		told_add(t, "gives %u", r->written[1]);
}

void tell_i2c(const struct request *r, struct told *t)
{
	static const struct name results[] = {{0, "OK"}, {1, "ERR"}};
	enum { HEADER = 8, FAIL_NEXT = 1, READ = 2 };
	uint32_t flags = request_u32(r, 4);

	t->name = flags & READ ? "READ" : "WRITE";
	told_add(t, "address 0x%02x len %llu", request_u16(r, 0) >> 1,
		 (unsigned long long)(flags & READ	? r->in ? r->in - 1 : 0
				      : r->out > HEADER ? r->out - HEADER
							: 0));
	if (flags & FAIL_NEXT)
		told_add(t, "fail-next");
	if (r->n_tail)
		told_status(t, r->tail[r->n_tail - 1], results, 2);
}

/* virtio 1.4 §5.21.6: a head of 32 bytes; the result is the last byte that can be written. */
void tell_spi(const struct request *r, struct told *t)
{
	static const struct name results[] = {{0, "OK"}, {1, "PARAM_ERR"}, {2, "TRANS_ERR"}};
	enum { HEAD = 32 };

	t->name = "TRANSFER";
	told_add(t, "chip %u mode 0x%x freq %u tx %llu rx %llu%s", request_u8(r, 0),
		 request_u32(r, 8), request_u32(r, 12),
		 (unsigned long long)(r->out > HEAD ? r->out - HEAD : 0),
		 (unsigned long long)(r->in ? r->in - 1 : 0), request_u8(r, 2) ? " deselect" : "");
	if (r->n_tail)
		told_status(t, r->tail[r->n_tail - 1], results, 3);
}

static void tell_can_frame(const unsigned char *bytes, size_t n, struct told *t)
{
	enum { RTR = 0x2000, FD = 0x4000, EXTENDED = 0x8000 };
	uint32_t flags = (uint32_t)bytes_le(bytes, n, 8, 4);

	told_add(t, "id 0x%x len %u%s%s%s", (uint32_t)bytes_le(bytes, n, 12, 4),
		 (uint32_t)bytes_le(bytes, n, 2, 2), flags & EXTENDED ? " extended" : "",
		 flags & FD ? " fd" : "", flags & RTR ? " remote" : "");
}

/* virtio 1.4 §5.20.5: transmitted, received, and what the controller is told. */
void tell_can(const struct request *r, struct told *t)
{
	static const struct name modes[] = {{0x0201, "START"}, {0x0202, "STOP"}};
	static const struct name results[] = {{0, "OK"}, {1, "NOT_OK"}};
	enum { TX, RX };
	const char *name = NAME(modes, request_u16(r, 0));

	if (r->queue == RX) {
		t->name = "RECEIVE";
		tell_can_frame(r->written, r->n_written, t);
		return;
	}
	if (r->queue == TX) {
		t->name = "TRANSMIT";
		tell_can_frame(r->head, r->n_head, t);
	} else {
		t->name = name ? name : "unknown type";
	}
	if (r->n_written)
		told_status(t, r->written[0], results, 2);
}
