/* SPDX-License-Identifier: MIT */
/*
 * The chain walker, on both layouts: an input is the memory that descriptors and tables are in, as
 * it is, and everything available is taken at once.
 */
#include <string.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};
	bool packed = fuzz_u8(&in) & 1;
	struct ring_config config = fuzz_config(&in, packed);
	struct fuzz_ring f;
	uint16_t *avail;

	config.size = packed ? 24 : 16;
	fuzz_memory_reset();
	avail = (uint16_t *)(void *)fuzz_memory(FUZZ_DRIVER);
	avail[1] = packed ? 0 : fuzz_u8(&in) % 17;
	for (uint32_t i = 0; !packed && i < 16; i++)
		avail[2 + i] = (uint16_t)i;
	/* The table follows the ring in the input. */
	fuzz_rest(&in, fuzz_desc(&config), config.size * 16);
	fuzz_rest(&in, fuzz_memory(FUZZ_TABLES), 0x1000);
	if (!fuzz_start(&f, &config))
		return 0;
	for (uint32_t before = UINT32_MAX; f.n_out != before;) {
		before = f.n_out;
		fuzz_take(&f, 3);
	}
	fuzz_end(&f);
	return 0;
}
