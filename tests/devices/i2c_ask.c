/* SPDX-License-Identifier: MIT */
/* See i2c_ask.h. */
#include "i2c_ask.h"

void ask_make(struct rig *rig, struct ask *ask, uint16_t addr, uint32_t flags, const void *data,
	      uint32_t len)
{
	struct virtio_i2c_out_hdr hdr = {.addr = htole16(addr), .flags = htole32(flags)};
	uint32_t out_len = flags & READ ? 0 : len;

	ask->in_len = flags & READ ? len : 0;
	rig_buffer(rig, &ask->out, sizeof(hdr) + out_len);
	rig_buffer(rig, &ask->in, ask->in_len + 1);
	memcpy(ask->out.data, &hdr, sizeof(hdr));
	if (out_len)
		memcpy(ask->out.data + sizeof(hdr), data, out_len);
}

/* Added to the ring, not yet published. */
void ask_add(struct rig *rig, struct ask *ask)
{
	struct driver_seg segs[] = {rig_read_seg(&ask->out, ask->out.len),
				    rig_write_seg(&ask->in, ask->in.len)};

	rig_check(rig, driver_add_indirect(rig->peer->queues[0], segs, 2, ask));
}

uint8_t ask_wait(struct rig *rig, struct ask *ask)
{
	uint32_t len;

	assert_ptr_equal(rig_wait(rig, 0, &len), ask);
	assert_int_equal(len, ask->in.len);
	return ask->in.data[ask->in_len];
}

uint8_t ask_transfer(struct rig *rig, uint16_t addr, uint32_t flags, void *data, uint32_t len)
{
	struct ask ask;
	uint8_t status;

	ask_make(rig, &ask, addr, flags, data, len);
	ask_add(rig, &ask);
	status = ask_wait(rig, &ask);
	if (flags & READ && status == OK && len)
		memcpy(data, ask.in.data, len);
	return status;
}

void ask_write(struct rig *rig, uint16_t addr, const void *data, uint32_t len)
{
	unsigned char copy[64];

	memcpy(copy, data, len);
	assert_int_equal(ask_transfer(rig, addr, 0, copy, len), OK);
}

void ask_expect(struct rig *rig, uint16_t addr, const void *wanted, uint32_t len)
{
	unsigned char got[64];

	assert_int_equal(ask_transfer(rig, addr, READ, got, len), OK);
	assert_memory_equal(got, wanted, len);
}

/* A write and a read in one group. */
void ask_expect_at(struct rig *rig, uint16_t addr, uint8_t at, const void *wanted, uint32_t len)
{
	struct ask select, read;

	ask_make(rig, &select, addr, MORE, &at, 1);
	ask_make(rig, &read, addr, READ, NULL, len);
	ask_add(rig, &select);
	ask_add(rig, &read);
	assert_int_equal(ask_wait(rig, &select), OK);
	assert_int_equal(ask_wait(rig, &read), OK);
	assert_memory_equal(read.in.data, wanted, len);
}
