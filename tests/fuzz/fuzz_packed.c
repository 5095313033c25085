/* SPDX-License-Identifier: MIT */
/* A packed ring with a driver that does anything: an input is a list of steps of both sides. */
#include <string.h>

#include "fuzz.h"
#include "ring/chain.h"
#include "ring/packed.h"

struct driver {
	uint32_t size;
	unsigned char *desc;
	struct packed_pos at;
};

/* The next descriptor of an honest driver, nearly; or any. */
static void write_desc(struct driver *d, struct fuzz_input *in, bool any)
{
	uint8_t where = any ? fuzz_u8(in) : 0, flags;
	struct packed_desc desc = {.addr = LE64(fuzz_address(fuzz_u8(in)))};
	unsigned char *at;

	desc.len = LE32(fuzz_u8(in) * 16u);
	flags = fuzz_u8(in);
	desc.id = LE16((uint16_t)(flags >> 3));
	if (any) {
		desc.flags = LE16((uint16_t)((flags & 7) | (where & 0x20 ? PACKED_F_AVAIL : 0) |
					     (where & 0x40 ? PACKED_F_USED : 0)));
		at = where & 0x80 ? fuzz_memory(FUZZ_TABLES + (where & 63) * 16u)
				  : d->desc + where % d->size * 16u;
	} else {
		desc.flags = LE16((uint16_t)((flags & 7) | packed_flags_available(d->at.lap)));
		at = d->desc + d->at.slot * 16u;
		if (++d->at.slot == d->size)
			d->at = (struct packed_pos){0, packed_lap(!packed_wrap(d->at))};
	}
	memcpy(at, &desc, sizeof(desc));
}

static void drive(struct driver *d, struct fuzz_input *in)
{
	uint8_t code = fuzz_u8(in);
	uint16_t value;

	switch (code & 3) {
	case 0:
	case 1:
		write_desc(d, in, false);
		break;
	case 2:
		write_desc(d, in, true);
		break;
	default:
		value = fuzz_u16(in);
		memcpy(fuzz_memory(FUZZ_DRIVER) + (code >> 2 & 1) * 2, &value, 2);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};
	struct ring_config config = fuzz_config(&in, true);
	struct driver driver = {config.size, NULL, {0, packed_lap(true)}};
	struct fuzz_ring f;

	/* Any base: most are beyond the ring. */
	if (config.in_order) {
		config.base = fuzz_u16(&in);
		config.base |= (uint32_t)fuzz_u16(&in) << 16;
		driver.at = (struct packed_pos){(config.base & 0x7fff) % config.size,
						packed_lap(config.base >> 15 & 1)};
	}
	fuzz_memory_reset();
	driver.desc = fuzz_desc(&config);
	if (!fuzz_start(&f, &config))
		return 0;
	while (in.at < in.end) {
		if (*in.at & 1) {
			in.at++;
			fuzz_step(&f, &in);
		} else {
			in.at++;
			drive(&driver, &in);
		}
	}
	fuzz_end(&f);
	return 0;
}
