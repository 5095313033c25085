/* SPDX-License-Identifier: MIT */
/* A split ring with a driver that does anything: an input is a list of steps of both sides. */
#include <string.h>

#include "fuzz.h"
#include "ring/chain.h"
#include "ring/split.h"

/* In place of what a fuzzer would have to find: a descriptor whose fields are nearly right. */
static void write_desc(struct fuzz_input *in, const struct ring_config *config)
{
	uint8_t where = fuzz_u8(in), flags;
	/* One of the ring, or of a table. */
	unsigned char *at = where & 0x80 ? fuzz_memory(FUZZ_TABLES + (where & 63) * 16u)
					 : fuzz_desc(config) + where % config->size * 16u;
	struct split_desc d = {.addr = LE64(fuzz_address(fuzz_u8(in)))};

	d.len = LE32(fuzz_u8(in) * 16u);
	flags = fuzz_u8(in);
	d.flags = LE16((uint16_t)(flags & 7));
	d.next = LE16((uint16_t)((flags >> 3) * (where & 0x40 ? 8 : 1)));
	memcpy(at, &d, sizeof(d));
}

static void drive(struct fuzz_input *in, const struct ring_config *config)
{
	uint8_t code = fuzz_u8(in);
	uint16_t *avail = (uint16_t *)(void *)fuzz_memory(FUZZ_DRIVER), value;

	switch (code & 3) {
	case 0:
	case 1:
		write_desc(in, config);
		break;
	case 2:
		avail[2 + (avail[1] & (config->size - 1))] = LE16((uint16_t)(code >> 2));
		avail[1]++;
		break;
	default:
		value = fuzz_u16(in);
		/* Flags, index, a place in the ring, or the event. */
		memcpy(fuzz_memory(FUZZ_DRIVER) + (code >> 2) % (config->size + 3) * 2, &value, 2);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};
	struct ring_config config = fuzz_config(&in, false);
	struct fuzz_ring f;

	fuzz_memory_reset();
	if (!fuzz_start(&f, &config))
		return 0;
	while (in.at < in.end) {
		if (*in.at & 1) {
			in.at++;
			fuzz_step(&f, &in);
		} else {
			in.at++;
			drive(&in, &config);
		}
	}
	fuzz_end(&f);
	return 0;
}
