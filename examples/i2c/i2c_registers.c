/* SPDX-License-Identifier: MIT */
/*
 * A register file, as sensors have: up to 256 registers of 1 to 4 bytes, most significant byte
 * first.  The first byte of a write selects one; what follows is written to it and to those behind
 * it, of which the read-only ones stay as they are; a register is written once all its bytes are
 * there.  A read begins at the selected register each time, and what is no register reads as 0xff.
 *
 * With packet error codes (SMBus 2.0, 5.4) the byte behind a register is one: a read gives it, and
 * what was written is forgotten if it is wrong.  Whoever leaves it out is served as without.
 */
#include "i2c.h"

#include <errno.h>
#include <stdlib.h>

struct registers {
	struct i2c_chip chip;
	bool pec;
	uint8_t selected;
	struct i2c_register regs[256];
};

/* What is left of a write without its packet error code; 0 if that is wrong. */
static uint32_t registers_check(const struct registers *r, const unsigned char *data, uint32_t len)
{
	uint32_t bytes = r->regs[data[0]].bytes ? r->regs[data[0]].bytes : 1;

	if (!r->pec || !(len == bytes + 2 || (len == 2 && bytes > 1)))
		return len;
	return i2c_crc(r->chip.crc, data, len - 1) == data[len - 1] ? len - 1 : 0;
}

static int registers_write(struct i2c_chip *chip, const unsigned char *data, uint32_t len)
{
	struct registers *r = (struct registers *)(void *)chip;
	uint32_t at = 1;

	if (!len)
		return 0;
	len = registers_check(r, data, len);
	if (!len)
		return -EBADMSG;
	r->selected = data[0];
	for (uint8_t number = r->selected; at < len; number++) {
		struct i2c_register *reg = &r->regs[number];
		uint32_t bytes = reg->bytes ? reg->bytes : 1, value = 0;

		if (bytes > len - at)
			break;
		for (uint32_t i = 0; i < bytes; i++)
			value = value << 8 | data[at++];
		if (!reg->writable)
			continue;
		reg->value = value;
		if (chip->chips->written)
			chip->chips->written(chip->chips->opaque, chip, number, value);
	}
	return 0;
}

static int registers_read(struct i2c_chip *chip, unsigned char *data, uint32_t len)
{
	struct registers *r = (struct registers *)(void *)chip;
	uint8_t number = r->selected;
	uint32_t left = r->regs[number].bytes, pec_at = r->pec ? left : len;

	for (uint32_t i = 0; i < len; i++) {
		const struct i2c_register *reg = &r->regs[number];

		if (i >= pec_at) {
			data[i] = i == pec_at ? i2c_crc(chip->crc, data, i) : 0xff;
			continue;
		}
		data[i] = left ? (unsigned char)(reg->value >> 8 * --left) : 0xff;
		if (!left)
			left = r->regs[++number].bytes;
	}
	return 0;
}

static int registers_get(struct i2c_chip *chip, uint32_t number, struct i2c_register *reg)
{
	*reg = ((struct registers *)(void *)chip)->regs[number];
	return reg->bytes ? 0 : -ENOENT;
}

static int registers_set(struct i2c_chip *chip, uint32_t number, const struct i2c_register *reg)
{
	((struct registers *)(void *)chip)->regs[number] = *reg;
	return 0;
}

static void registers_free(struct i2c_chip *chip)
{
	free(chip);
}

int i2c_registers_new(bool pec, struct i2c_chip **chip)
{
	static const struct i2c_chip_ops ops = {"registers",   registers_write, registers_read,
						registers_get, registers_set,	registers_free};
	struct registers *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->chip.ops = &ops;
	r->chip.type = pec ? "pec" : NULL;
	r->chip.n_registers = sizeof(r->regs) / sizeof(*r->regs);
	r->pec = pec;
	*chip = &r->chip;
	return 0;
}
