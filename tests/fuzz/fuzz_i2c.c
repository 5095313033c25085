/* SPDX-License-Identifier: MIT */
/*
 * vu-i2c's requests, from what the driver put into memory to what is written back: an input is a
 * row of chains, each cut into segments as its first bytes say.  On the bus are simulated chips.
 */
#include <linux/virtio_i2c.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "i2c.h"

enum { MAX_SEGS = 8, LARGE = 9000, UNTOUCHED = 0xee };

/* One chain, in memory of exactly its size. */
struct chain {
	struct vu_req req;
	struct iovec readable[MAX_SEGS], writable[MAX_SEGS];
	unsigned char *out, *in, *before;
};

/* A length as a byte says it: mostly small, sometimes beyond what a message may have. */
static uint64_t chain_length(uint8_t code)
{
	return code < 0xf0 ? code % 48 : LARGE - (uint64_t)(code - 0xf0) * 100;
}

static struct chain *chain_new(struct fuzz_input *in)
{
	struct chain *c = calloc(1, sizeof(*c));
	uint64_t out_len = chain_length(fuzz_u8(in)), in_len = chain_length(fuzz_u8(in));
	uint8_t piece = fuzz_u8(in);

	c->out = calloc(1, out_len + 1);
	c->in = malloc(in_len ? in_len : 1);
	fuzz_rest(in, c->out, out_len < 48 ? out_len : 48);
	/* Not a byte more than there is. */
	c->out = realloc(c->out, out_len ? out_len : 1);
	c->before = malloc(out_len ? out_len : 1);
	memcpy(c->before, c->out, out_len);
	memset(c->in, UNTOUCHED, in_len);
	c->req.readable = c->readable;
	c->req.writable = c->writable;
	c->req.readable_len = out_len;
	c->req.writable_len = in_len;
	c->req.n_readable = fuzz_cut(c->readable, MAX_SEGS, c->out, out_len, piece & 15);
	c->req.n_writable = fuzz_cut(c->writable, MAX_SEGS, c->in, in_len, piece >> 4);
	return c;
}

/* What the specification says of any request, whatever is in it. */
static void chain_check(const struct chain *c, uint64_t written)
{
	uint64_t in_len = c->req.writable_len;
	uint8_t status = in_len ? c->in[in_len - 1] : 0;

	require(written == in_len);
	require(!memcmp(c->out, c->before, c->req.readable_len));
	require(status == VIRTIO_I2C_MSG_OK || status == VIRTIO_I2C_MSG_ERR);
	for (uint64_t i = 0; status == VIRTIO_I2C_MSG_ERR && i + 1 < in_len; i++)
		require(c->in[i] == UNTOUCHED);
	if (c->req.readable_len < sizeof(struct virtio_i2c_out_hdr))
		require(!in_len || status == VIRTIO_I2C_MSG_ERR);
}

static void chain_free(struct chain *c)
{
	free(c->before);
	free(c->out);
	free(c->in);
	free(c);
}

static void run(struct i2c_bus *bus, struct fuzz_input *in)
{
	static struct i2c_piece piece;
	struct chain *chains[I2C_MESSAGES];
	uint32_t n = 0;
	bool more;

	piece.n = 0;
	do {
		chains[n] = chain_new(in);
		more = i2c_piece_add(&piece, &chains[n++]->req);
	} while (more && in->at < in->end);
	require(piece.n == n && n <= I2C_MESSAGES);
	i2c_piece_run(&piece, bus);
	for (uint32_t i = 0; i < n; i++) {
		chain_check(chains[i], piece.written[i]);
		chain_free(chains[i]);
	}
	/* Only what failed with more to come is a reason to fail the next. */
	require(!bus->failing || piece.messages[n - 1].more);
}

/* A large EEPROM at 0x51, and at 0x49 registers with packet error codes. */
static void add_chips(struct i2c_chips *chips)
{
	struct i2c_chip *chip;

	require(!i2c_eeprom_new(i2c_eeprom_type("24c512"), NULL, false, &chip));
	i2c_chips_add(chips, chip, 0x51);
	require(!i2c_registers_new(true, &chip));
	i2c_chips_add(chips, chip, 0x49);
	for (uint32_t i = 0; i < 16; i++)
		require(!chip->ops->set(chip, i * 17, &(struct i2c_register){i, i % 4 + 1, i & 1}));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};
	struct i2c_chips *chips = i2c_chips_new();
	struct i2c_bus bus;

	require(chips && !i2c_bus_init(&bus));
	i2c_bus_add(&bus, &chips->adapter);
	require(!i2c_default_chips(chips));
	add_chips(chips);
	while (in.at < in.end)
		run(&bus, &in);
	i2c_bus_fini(&bus);
	return 0;
}
