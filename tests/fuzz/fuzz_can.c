/* SPDX-License-Identifier: MIT */
/* vu-can's frames: an input is features and one that a driver sends, or a line of text. */
#include <stdlib.h>
#include <string.h>

#include "can.h"
#include "fuzz.h"

enum { MAX = 96, UNTOUCHED = 0xee, ALL = CAN_F_CLASSIC | CAN_F_FD | CAN_F_RTR };

static bool same(const struct can_message *a, const struct can_message *b)
{
	return a->flags == b->flags && a->id == b->id && a->len == b->len &&
	       ((a->flags & CAN_RTR) || !memcmp(a->data, b->data, a->len));
}

/* What was found good can be said, read again, and given to a guest that has room for it. */
static void good(const struct can_message *m, uint32_t room)
{
	unsigned char *in = malloc(room ? room : 1);
	struct iovec seg = {in, room};
	const struct vu_req req = {.writable = &seg, .n_writable = 1, .writable_len = room};
	uint32_t len = (uint32_t)CAN_HEADER + m->len;
	struct can_message again;
	char text[CAN_TEXT];

	require(in);
	require(m->len <= CAN_DATA && !can_frame_fault(m, ALL));
	can_frame_print(m, text);
	require(strlen(text) < CAN_TEXT);
	require(!can_frame_parse(text, &again) && same(m, &again));
	memset(in, UNTOUCHED, room ? room : 1);
	require(can_frame_write(&req, m) == (room < len ? 0 : len));
	for (uint32_t i = room < len ? 0 : len; i < room; i++)
		require(in[i] == UNTOUCHED);
	free(in);
}

static void from_driver(struct fuzz_input *in)
{
	uint8_t features = fuzz_u8(in) & 0xf, room = fuzz_u8(in) % MAX, cut = fuzz_u8(in);
	unsigned char *out = malloc(MAX);
	size_t len;
	struct iovec segs[2];
	struct vu_req req = {.readable = segs, .n_readable = 2};
	struct can_message m;

	require(out);
	len = fuzz_rest(in, out, MAX);
	cut = (uint8_t)(len ? cut % (len + 1) : 0);
	segs[0] = (struct iovec){out, cut};
	segs[1] = (struct iovec){out + cut, len - cut};
	req.readable_len = len;
	if (!can_frame_read(&req, features, &m)) {
		require(!can_frame_fault(&m, features));
		good(&m, room);
	}
	free(out);
}

static void from_text(struct fuzz_input *in)
{
	char text[2 * MAX + 1];
	struct can_message m;

	text[fuzz_rest(in, text, sizeof(text) - 1)] = '\0';
	if (!can_frame_parse(text, &m))
		good(&m, MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};

	if (fuzz_u8(&in) & 1)
		from_text(&in);
	else
		from_driver(&in);
	return 0;
}
