/* SPDX-License-Identifier: MIT */
/*
 * A ring whose device area, log and marks are anything, with a driver that does anything, on either
 * layout: nothing is written outside a log, and what the ring writes itself is marked if that can
 * be.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "mem/dirty.h"
#include "mem/mappings.h"
#include "mem/region.h"
#include "ring/hot.h"

enum {
	LOGS = 3,
	TAKES = 3,
	ALL = FUZZ_APART + FUZZ_APART_BYTES,
	DEVICE = FUZZ_TABLES - 4, /* the used index is in one page, the entries are in another */
};

/* Bytes of each: of which one has all pages.  They end where nothing is mapped. */
static const uint32_t log_bytes[LOGS] = {ALL / DIRTY_PAGE / 8 + 1, 1, 2};

static struct region *logs[LOGS];

static void logs_make(void)
{
	struct mappings *mappings = mappings_new();
	int fd = memfd_create("dirty", MFD_CLOEXEC);
	const char *why;

	if (fd < 0 || ftruncate(fd, DIRTY_PAGE * LOGS) || !mappings)
		abort();
	for (uint32_t i = 0; i < LOGS; i++) {
		const struct region_info info = {
			.size = log_bytes[i], .mmap_offset = DIRTY_PAGE * (i + 1) - log_bytes[i]};

		if (region_map(mappings, &info, fd, &logs[i], &why))
			abort();
	}
	close(fd);
}

static void logs_clear(void)
{
	for (uint32_t i = 0; i < LOGS; i++)
		memset(logs[i]->host, 0, log_bytes[i]);
}

/* Where the area is, or anywhere. */
static void set_marks(struct ring *ring, struct fuzz_input *in)
{
	uint8_t code = fuzz_u8(in), at = fuzz_u8(in);
	struct marks_config c = {
		.log = code & 8 ? NULL : logs[code % LOGS],
		.is_on = code & 16,
		.is_used_on = code & 32,
		.is_in_place = code & 64,
		.used_at = code & 128 ? fuzz_address(at) : DEVICE,
	};

	if (!ring->dead)
		marks_set(ring, &c);
}

/* The driver writes something somewhere. */
static void drive(const struct ring_config *config, struct fuzz_input *in)
{
	uint8_t code = fuzz_u8(in), where = fuzz_u8(in);
	unsigned char bytes[16] = {0};
	uint64_t addr = fuzz_address(fuzz_u8(in));
	uint16_t words[4] = {(uint16_t)(fuzz_u8(in) * 16), 0, fuzz_u16(in), fuzz_u16(in)};

	memcpy(bytes, &addr, sizeof(addr));
	memcpy(bytes + 8, words, sizeof(words));
	if (code & 1)
		memcpy(fuzz_desc(config) + where % config->size * 16, bytes, sizeof(bytes));
	else
		memcpy(fuzz_memory(FUZZ_DRIVER) + where % (config->size + 3) * 2, words + 2,
		       sizeof(words[0]));
}

/* Does the log say all that is written to the ring, and where it is? */
static bool is_exact(const struct ring *ring)
{
	const struct marks_config *c = &ring->marks.config;

	return c->log == logs[0] && c->is_used_on && (c->is_in_place || c->used_at == DEVICE);
}

static void check_marks(const unsigned char *before, const unsigned char *now, uint32_t bytes,
			uint32_t at)
{
	for (uint32_t i = 0; i < bytes; i++) {
		uint32_t page = (at + i) / DIRTY_PAGE;

		if (before[i] != now[i] && !(logs[0]->host[page / 8] >> page % 8 & 1))
			abort();
	}
}

/* A step of the device: what it writes by itself, that is all but requests' bytes, is marked. */
static void step(struct fuzz_ring *f, const struct ring_config *config, struct fuzz_input *in)
{
	static unsigned char ring[FUZZ_RING_BYTES], desc[FUZZ_MAX_SIZE * 16];
	/* Taking is when fuzz_take() writes into buffers, which may be anywhere. */
	bool takes = in->at == in->end || (*in->at & 15) < TAKES || (*in->at & 15) > 13;
	bool exact = is_exact(f->ring);

	memcpy(ring, fuzz_memory(0), sizeof(ring));
	memcpy(desc, fuzz_desc(config), config->size * 16);
	logs_clear();
	fuzz_step(f, in);
	if (takes || !exact)
		return;
	check_marks(ring, fuzz_memory(0), sizeof(ring), 0);
	check_marks(desc, fuzz_desc(config), config->size * 16, ALL - config->size * 16);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};
	struct ring_config config = fuzz_config(&in, fuzz_u8(&in) & 1);
	struct fuzz_ring f;

	if (!logs[0])
		logs_make();
	config.device = DEVICE;
	fuzz_memory_reset();
	if (!fuzz_start(&f, &config))
		return 0;
	while (in.at < in.end) {
		switch (fuzz_u8(&in) & 3) {
		case 0:
			set_marks(f.ring, &in);
			break;
		case 1:
			drive(&config, &in);
			break;
		default:
			step(&f, &config, &in);
			break;
		}
	}
	fuzz_end(&f);
	return 0;
}
