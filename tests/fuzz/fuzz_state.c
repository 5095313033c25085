/* SPDX-License-Identifier: MIT */
/*
 * A device's state that came from anywhere: what is taken lies within it, and what was saved is
 * loaded again.
 */
#include <stdlib.h>
#include <string.h>

#include "core/state.h"
#include "fuzz.h"

enum { MAX = 4096, DEVICE_ID = 5, VERSION = 2, TAGS = 8 };

static struct vu_state *filled(const uint8_t *data, size_t size)
{
	struct vu_state *s;

	if (state_new(MAX + 1, &s))
		abort();
	while (size) {
		void *at;
		size_t room;

		if (state_room(s, &at, &room)) {
			state_free(s);
			return NULL;
		}
		room = room < size ? room : size;
		memcpy(at, data, room);
		state_filled(s, room);
		data += room;
		size -= room;
	}
	return s;
}

/* Every byte of every record with these tags is read; how many there are. */
static uint32_t look_at(struct vu_state *s)
{
	uint32_t found = 0;
	volatile uint8_t sum = 0;
	uint64_t value;

	for (uint32_t tag = 0; tag < TAGS; tag++) {
		const void *data;
		size_t len;

		for (uint32_t i = 0; !vu_state_get(s, tag, i, &data, &len); i++, found++) {
			if (!tag || (uintptr_t)data % 8)
				abort();
			for (size_t j = 0; j < len; j++)
				sum = (uint8_t)(sum + ((const uint8_t *)data)[j]);
		}
		if (!vu_state_get_u64(s, tag, &value))
			sum = (uint8_t)(sum + value);
	}
	(void)state_ignored(s);
	return found;
}

/* Records as the input has them: saved and loaded again. */
static void save_and_load(struct fuzz_input in)
{
	const void *bytes;
	uint32_t saved = 0;
	struct vu_state *s, *again;
	const char *why;
	size_t len;

	if (state_new(MAX, &s))
		abort();
	state_begin(s, DEVICE_ID, VERSION);
	while (in.at < in.end) {
		uint32_t tag = 1 + fuzz_u8(&in) % (TAGS - 1);
		size_t n = fuzz_u8(&in), left = (size_t)(in.end - in.at);

		n = n < left ? n : left;
		if (!vu_state_put(s, tag, n & 1 ? VU_STATE_OPTIONAL : 0, in.at, n))
			saved++;
		in.at += n;
	}
	if (!state_finish(s, &bytes, &len)) {
		again = filled(bytes, len);
		if (!again || state_parse(again, DEVICE_ID, VERSION, &why) ||
		    look_at(again) != saved || state_ignored(again))
			abort();
		state_free(again);
	}
	state_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vu_state *s = filled(data, size);
	const char *why;

	if (s && !state_parse(s, DEVICE_ID, VERSION, &why))
		look_at(s);
	state_free(s);
	save_and_load((struct fuzz_input){data, data + size});
	return 0;
}
