/* SPDX-License-Identifier: MIT */
/* vu-spi's requests to a loopback and a flash: an input is a row of them. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "spi.h"

enum { MAX_SEGS = 4, MAX_LEN = 80, UNTOUCHED = 0xee, HEAD = 32 };

/* The head that a request has mostly; two bytes of the input say what is otherwise in it. */
static void step(struct spi_bus *bus, struct fuzz_input *in)
{
	uint32_t out_len = fuzz_u8(in) % MAX_LEN, in_len = fuzz_u8(in) % MAX_LEN;
	uint8_t piece = fuzz_u8(in), at = fuzz_u8(in), value = fuzz_u8(in);
	unsigned char *out = malloc(HEAD + out_len), *answer = malloc(in_len ? in_len : 1);
	struct iovec readable[MAX_SEGS], writable[MAX_SEGS];
	struct vu_req req = {.readable = readable, .writable = writable};
	struct spi_transfer t;
	uint64_t written;
	int result;

	require(out && answer);
	memset(out, 0, HEAD);
	out[0] = at & 0x80 ? 0 : 1;
	out[1] = 8;
	out[at % HEAD] = (unsigned char)(out[at % HEAD] ^ value);
	for (uint32_t i = 0; i < out_len; i++)
		out[HEAD + i] = fuzz_u8(in);
	memset(answer, UNTOUCHED, in_len ? in_len : 1);
	/* One in a while is too short to have a head. */
	req.readable_len = at == 0x7f ? out_len % HEAD : HEAD + out_len;
	req.writable_len = in_len;
	req.n_readable = fuzz_cut(readable, MAX_SEGS, out, (uint32_t)req.readable_len, piece & 15);
	req.n_writable = fuzz_cut(writable, MAX_SEGS, answer, in_len, piece >> 4);
	result = spi_begin(bus, &req, &t);
	while (result == SPI_GOES_ON)
		result = spi_go_on(bus, &req, &t);
	written = spi_answer(&req, result);
	require(written == in_len);
	if (in_len)
		require(answer[in_len - 1] <= SPI_TRANS_ERR);
	if (in_len && answer[in_len - 1] == SPI_PARAM_ERR)
		for (uint32_t i = 0; i + 1 < in_len; i++)
			require(answer[i] == UNTOUCHED);
	if (in_len > 1 && !answer[in_len - 1] && out_len)
		require(out_len == in_len - 1);
	if (out[0] == 0 && in_len && !answer[in_len - 1] && out_len && in_len > 1)
		require(!memcmp(answer, out + HEAD, out_len));
	free(out);
	free(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};
	static struct spi_bus bus;

	memset(&bus, 0, sizeof(bus));
	require(!spi_bus_add(&bus, "loopback", 0) && !spi_bus_add(&bus, "flash", 0));
	while (in.at < in.end) {
		step(&bus, &in);
		require(!bus.error);
		require(!bus.selected || bus.selected == bus.chips[0] ||
			bus.selected == bus.chips[1]);
	}
	spi_bus_free(&bus);
	return 0;
}
