/* SPDX-License-Identifier: MIT */
/* See can_guest.h. */
#include "can_guest.h"

static void put16(unsigned char *at, uint16_t value)
{
	value = htole16(value);
	memcpy(at, &value, sizeof(value));
}

static void put32(unsigned char *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

static void header(unsigned char head[CAN_HEADER], uint16_t type, const struct frame *frame)
{
	memset(head, 0, CAN_HEADER);
	put16(head, type);
	put16(head + 2, frame->len);
	put32(head + 8, frame->flags);
	put32(head + 12, frame->id);
}

void can_start(struct rig *rig, const char *const *more)
{
	const char *args[RIG_MAX_ARGS + 1] = {"--control", rig->control};
	uint32_t n = 2;

	while (more && *more)
		args[n++] = *more++;
	rig->config.n_queues = 3;
	rig->has_sandbox = true;
	rig_start(rig, args);
}

uint8_t can_control(struct rig *rig, uint16_t type)
{
	unsigned char out[2], result = 0xff;

	put16(out, type);
	assert_int_equal(rig_ask(rig, CAN_CONTROL, out, sizeof(out), &result, 1), 1);
	return result;
}

uint8_t can_send(struct rig *rig, const struct frame *frame)
{
	unsigned char out[CAN_HEADER + 2048], result = 0xff;
	uint32_t len = CAN_HEADER;

	header(out, 1, frame);
	if (frame->data) {
		memcpy(out + len, frame->data, frame->len);
		len += frame->len;
	}
	assert_int_equal(rig_ask(rig, CAN_TX, out, len, &result, 1), 1);
	return result;
}

void can_give(struct rig *rig, struct rig_buffer *buffer, uint32_t len)
{
	struct driver_seg seg;

	rig_buffer(rig, buffer, len);
	seg = rig_write_seg(buffer, len);
	rig_offer(rig, CAN_RX, &seg, 1, buffer);
}

void can_expect(struct rig *rig, const struct rig_buffer *buffer, const struct frame *frame)
{
	unsigned char head[CAN_HEADER];
	static const unsigned char zeros[64];
	uint32_t got, len = frame->len;

	assert_ptr_equal(rig_wait(rig, CAN_RX, &got), buffer);
	assert_int_equal(got, CAN_HEADER + len);
	header(head, 0x0101, frame);
	assert_memory_equal(buffer->data, head, CAN_HEADER);
	if (len)
		assert_memory_equal(buffer->data + CAN_HEADER,
				    frame->flags & RTR ? zeros : frame->data, len);
	for (uint32_t i = got; i < buffer->len; i++)
		assert_int_equal(buffer->data[i], RIG_UNTOUCHED);
}

void can_stats(struct rig *rig, const char *wanted)
{
	assert_string_equal(rig_say(rig, "stats"), wanted);
}
