/* SPDX-License-Identifier: MIT */
/* See dirty_rig.h. */
#include "dirty_rig.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void dirty_log_new(struct rig *rig, struct dirty_log *log, uint64_t bytes, uint64_t offset)
{
	const struct region_info info = {.size = bytes, .mmap_offset = offset};
	const char *why;

	log->bytes = bytes;
	log->fd = memfd_create("dirty", MFD_CLOEXEC);
	assert_int_equal(ftruncate(log->fd, (off_t)(offset + bytes)), 0);
	assert_int_equal(region_map(rig->mappings, &info, log->fd, &log->region, &why), 0);
	log->bits = mmap(NULL, offset + bytes, PROT_READ | PROT_WRITE, MAP_SHARED, log->fd, 0);
	assert_true(log->bits != MAP_FAILED);
	log->bits += offset;
}

void dirty_log_free(struct dirty_log *log)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	/* Offsets are below a page here. */
	unsigned char *map = log->bits - (uintptr_t)log->bits % page;

	munmap(map, (size_t)(log->bits - map) + log->bytes);
	region_unref(log->region);
	close(log->fd);
}

bool dirty_log_has(const struct dirty_log *log, uint64_t gpa)
{
	uint64_t page = gpa / DIRTY_PAGE;

	assert_true(page / 8 < log->bytes);
	return log->bits[page / 8] >> page % 8 & 1;
}

uint64_t dirty_log_count(const struct dirty_log *log)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < log->bytes; i++)
		n += (unsigned int)__builtin_popcount(log->bits[i]);
	return n;
}

void dirty_log_expect(struct dirty_log *log, const uint64_t *gpas, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (!dirty_log_has(log, gpas[i]))
			fail_msg("%#llx is not marked", (unsigned long long)gpas[i]);
	assert_int_equal(dirty_log_count(log), n);
	dirty_log_clear(log);
}

void dirty_log_clear(struct dirty_log *log)
{
	memset(log->bits, 0, log->bytes);
}

void dirty_on(struct rig *rig, const struct dirty_log *log)
{
	marks_set(rig->ring, &(struct marks_config){
				     .log = log ? log->region : NULL,
				     .is_on = true,
				     .is_used_on = true,
				     .used_at = rig->drv->used_gpa,
			     });
}

void dirty_off(struct rig *rig)
{
	marks_set(rig->ring, &(struct marks_config){0});
}
