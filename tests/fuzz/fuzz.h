/* SPDX-License-Identifier: MIT */
/*
 * Fuzz targets: each is an LLVMFuzzerTestOneInput(), run by libFuzzer (scripts/fuzz), or by
 * replay.c on the files of a corpus.  What they share: reading an input piece by piece, guest
 * memory between pages that cannot be touched, and using a ring in every way while checking it.
 *
 * A violation ends the process: abort(), a sanitizer's report, or a fault.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ring/ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void require(bool ok)
{
	if (!ok)
		abort();
}

struct fuzz_input {
	const uint8_t *at, *end;
};

/* 0 when nothing is left. */
uint8_t fuzz_u8(struct fuzz_input *in);
uint16_t fuzz_u16(struct fuzz_input *in);
/* All that is left, at most max bytes; the rest of out stays as it is. */
size_t fuzz_rest(struct fuzz_input *in, void *out, size_t max);

/* Cut len bytes into segments of `piece` bytes, at most max of them; 0: one.  How many it takes. */
uint32_t fuzz_cut(struct iovec *segs, uint32_t max, unsigned char *data, uint64_t len,
		  uint32_t piece);

/* A request of a device's, in memory of exactly its size. */
enum { FUZZ_SEGS = 8, FUZZ_UNTOUCHED = 0xee };

struct fuzz_request {
	struct vu_req req;
	struct iovec readable[FUZZ_SEGS], writable[FUZZ_SEGS];
	unsigned char *out, *in;
};

/* What the driver sends is the input's next bytes, how it is cut the one before; the rest is
 * FUZZ_UNTOUCHED. */
void fuzz_request_make(struct fuzz_request *request, struct fuzz_input *in, uint32_t out_len,
		       uint32_t in_len);
void fuzz_request_end(struct fuzz_request *request);

/*
 * Three regions: the rings' is followed by one for data at the next guest address, the third lies
 * apart.  Their user addresses are the same.
 */
enum {
	FUZZ_RING_BYTES = 0x4000,
	FUZZ_DATA = 0x4000,
	FUZZ_DATA_BYTES = 0x1000,
	FUZZ_APART = 0x100000,
	FUZZ_APART_BYTES = 0x1000,
	/* Where the areas of a ring begin.  Its descriptors are the last in what lies apart. */
	FUZZ_DRIVER = 0x1000,
	FUZZ_DEVICE = 0x2000,
	FUZZ_TABLES = 0x3000,
	FUZZ_MAX_SIZE = 64,
};

/* Zeroed. */
void fuzz_memory_reset(void);
/* Of the ring's region. */
unsigned char *fuzz_memory(uint32_t offset);
/* A ring's descriptors: behind them nothing is mapped. */
unsigned char *fuzz_desc(const struct ring_config *config);
/* A guest address that a byte stands for: in the regions, at their borders, outside. */
uint64_t fuzz_address(uint8_t code);
/* A config with areas, a size and features that an input's first bytes say. */
struct ring_config fuzz_config(struct fuzz_input *in, bool packed);

/* A ring and the requests taken from it. */
struct fuzz_ring {
	struct ring *ring;
	struct vu_req *out[FUZZ_MAX_SIZE + 1];
	uint32_t n_out;
};

/* ring_new() on that memory; false if it is refused. */
bool fuzz_start(struct fuzz_ring *f, const struct ring_config *config);
void fuzz_end(struct fuzz_ring *f);
/* Take up to n and check every segment. */
void fuzz_take(struct fuzz_ring *f, uint32_t n);
/* Complete the one that a byte selects; not published. */
void fuzz_complete(struct fuzz_ring *f, uint8_t which, uint32_t written);
void fuzz_publish(struct fuzz_ring *f);
/* One step of the device's side: the input's next bytes say what. */
void fuzz_step(struct fuzz_ring *f, struct fuzz_input *in);

#endif
