/* SPDX-License-Identifier: MIT */
/* Regions and tables: what can be mapped, what is refused, where an address is found. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "frontend/guest.h"
#include "kit/counts.h"
#include "kit/test.h"
#include "mem/mappings.h"
#include "mem/table.h"

enum { PAGE = 4096 };

struct fixture {
	struct mappings *mappings;
	int fd; /* a file of 16 pages, each byte the low byte of its offset / 16 */
	int before;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	unsigned char page[PAGE];

	f->before = count_mappings_of("/memfd:");
	f->mappings = mappings_new();
	f->fd = memfd_create("memory", MFD_CLOEXEC);
	for (int i = 0; i < PAGE; i++)
		page[i] = (unsigned char)(i / 16);
	for (int i = 0; i < 16; i++)
		assert_int_equal(write(f->fd, page, PAGE), PAGE);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	mappings_unref(f->mappings);
	close(f->fd);
	assert_int_equal(count_mappings_of("/memfd:"), f->before);
	free(f);
	return 0;
}

static struct region *map(struct fixture *f, uint64_t gpa, uint64_t size, uint64_t uva,
			  uint64_t offset)
{
	struct region_info info = {gpa, size, uva, offset};
	struct region *region = NULL;
	const char *why = NULL;

	assert_int_equal(region_map(f->mappings, &info, f->fd, &region, &why), 0);
	assert_non_null(region);
	return region;
}

static void assert_refused(struct fixture *f, uint64_t gpa, uint64_t size, uint64_t uva,
			   uint64_t offset)
{
	struct region_info info = {gpa, size, uva, offset};
	struct region *region = NULL;
	const char *why = NULL;
	int before = count_mappings_of("/memfd:");

	assert_int_equal(region_map(f->mappings, &info, f->fd, &region, &why), -EINVAL);
	assert_non_null(why);
	assert_null(region);
	assert_int_equal(count_mappings_of("/memfd:"), before);
}

static void a_region_may_start_and_end_anywhere_in_its_file(void **state)
{
	static const uint64_t offsets[] = {0, 1, 15, 16, 4095, 4096, 4097, 8192 + 100};
	static const uint64_t sizes[] = {1, 16, 4095, 4096, 4097, 3 * 4096 + 5};
	struct fixture *f = *state;

	for (size_t o = 0; o < sizeof(offsets) / sizeof(offsets[0]); o++) {
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			struct region *r = map(f, 0x1000, sizes[s], 0x2000, offsets[o]);
			unsigned char last;

			for (uint64_t i = 0; i < sizes[s]; i++)
				assert_int_equal(r->host[i],
						 (unsigned char)((offsets[o] + i) % PAGE / 16));
			r->host[sizes[s] - 1] ^= 0xff;
			assert_int_equal(pread(f->fd, &last, 1, (off_t)(offsets[o] + sizes[s] - 1)),
					 1);
			assert_int_equal(last, r->host[sizes[s] - 1]);
			r->host[sizes[s] - 1] ^= 0xff;
			region_unref(r);
			assert_int_equal(count_mappings_of("/memfd:"), f->before);
		}
	}
}

static void the_file_ends_where_the_region_ends_or_later(void **state)
{
	struct fixture *f = *state;

	region_unref(map(f, 0, 16 * PAGE, 0, 0));
	region_unref(map(f, 0, PAGE, 0, 15 * PAGE));
	assert_refused(f, 0, 16 * PAGE + 1, 0, 0);
	assert_refused(f, 0, 16 * PAGE, 0, 1);
	assert_refused(f, 0, 1, 0, 16 * PAGE);
	assert_refused(f, 0, 1, 0, UINT64_C(1) << 40);
	/* To the byte: the rest of the last page is not the file's. */
	assert_int_equal(ftruncate(f->fd, 15 * PAGE + 100), 0);
	region_unref(map(f, 0, 15 * PAGE + 100, 0, 0));
	assert_refused(f, 0, 15 * PAGE + 101, 0, 0);
}

static void values_that_wrap_are_refused(void **state)
{
	struct fixture *f = *state;

	assert_refused(f, 0, 0, 0, 0);
	assert_refused(f, UINT64_MAX, 2, 0, 0);
	assert_refused(f, UINT64_MAX - PAGE + 1, PAGE + 1, 0, 0);
	assert_refused(f, 0, 2, UINT64_MAX, 0);
	assert_refused(f, 0, PAGE + 1, UINT64_MAX - PAGE + 1, 0);
	assert_refused(f, 0, PAGE, 0, UINT64_MAX);
	assert_refused(f, 0, PAGE, 0, UINT64_MAX - PAGE + 1);
	assert_refused(f, 0, PAGE, 0, INT64_MAX);
	assert_refused(f, 0, UINT64_MAX, 0, 0);
	assert_refused(f, 0, UINT64_MAX, 0, 1);
	assert_refused(f, 1, UINT64_MAX, 1, 0);
	assert_refused(f, 0, INT64_MAX, 0, 0);
}

static void the_last_address_there_is_may_be_mapped(void **state)
{
	struct fixture *f = *state;
	struct region *r = map(f, UINT64_MAX - PAGE + 1, PAGE, UINT64_MAX - PAGE + 1, 0);
	struct table *table;

	assert_int_equal(table_new(&r, 1, &table), 0);
	region_unref(r);
	assert_ptr_equal(table_translate(table, TABLE_GUEST, UINT64_MAX, 1), r->host + PAGE - 1);
	assert_null(table_translate(table, TABLE_GUEST, UINT64_MAX, 2));
	assert_null(table_translate(table, TABLE_GUEST, UINT64_MAX - 15, UINT64_MAX));
	assert_ptr_equal(table_translate(table, TABLE_USER, UINT64_MAX - PAGE + 1, PAGE), r->host);
	assert_null(table_find(table, TABLE_GUEST, 0));
	table_unref(table);
}

static void what_cannot_be_mapped_says_why(void **state)
{
	struct fixture *f = *state;
	struct region_info info = {0, PAGE, 0, 0};
	struct region *region = NULL;
	const char *why = NULL;
	int pipes[2], sealed;

	assert_int_equal(region_map(f->mappings, &info, -1, &region, &why), -EINVAL);
	assert_non_null(why);
	assert_int_equal(pipe(pipes), 0);
	why = NULL;
	assert_true(region_map(f->mappings, &info, pipes[0], &region, &why) < 0);
	assert_non_null(why);
	close(pipes[0]);
	close(pipes[1]);
	sealed = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	why = NULL;
	assert_int_equal(region_map(f->mappings, &info, sealed, &region, &why), -EACCES);
	assert_non_null(why);
	close(sealed);
	assert_null(region);
}

static void a_region_on_hugepages_is_mapped(void **state)
{
	enum { HUGE = 2 << 20 };
	struct fixture *f = *state;
	const struct guest_region config = {
		.gpa = 0, .size = HUGE - 12345, .mmap_offset = 12345, .huge = true};
	struct region_info info = {0, HUGE - 12345, 0, 12345};
	struct region *region;
	struct guest *guest;
	const char *why;

	assert_int_equal(guest_new(&guest), 0);
	if (guest_add(guest, &config) < 0) {
		guest_free(guest);
		print_message("no hugepages here (see /proc/sys/vm/nr_hugepages)\n");
		skip();
	}
	guest->regions[0].host[0] = 0x5a;
	assert_int_equal(region_map(f->mappings, &info, guest->regions[0].fd, &region, &why), 0);
	assert_int_equal(region->host[0], 0x5a);
	region->host[HUGE - 12345 - 1] = 0x77;
	assert_int_equal(guest->regions[0].host[HUGE - 12345 - 1], 0x77);
	region_unref(region);
	guest_free(guest);
}

static void both_ends_of_each_region_are_found(void **state)
{
	/* gpa, size, uva: neighbours in one space are strangers in the other. */
	static const uint64_t rows[][3] = {
		{0, 0x1000, 0x900000},	     {0x1000, 0x800, 0},
		{0x1800, 1, 0x5000},	     {0x100000000, 0x3000, 0x1000},
		{0x100003000, 0x10, 0x4000}, {0x40000000, 0x2345, 0x7fff00000000},
	};
	enum { N = sizeof(rows) / sizeof(rows[0]) };
	struct fixture *f = *state;
	struct region *regions[N];
	struct table *table;

	for (int i = 0; i < N; i++)
		regions[i] = map(f, rows[i][0], rows[i][1], rows[i][2], (uint64_t)i * 16);
	assert_int_equal(table_new(regions, N, &table), 0);
	assert_int_equal(table_regions(table), N);
	for (int i = 0; i < N; i++) {
		for (enum table_space space = TABLE_GUEST; space <= TABLE_USER; space++) {
			uint64_t start = rows[i][space == TABLE_GUEST ? 0 : 2], size = rows[i][1];
			unsigned char *host = regions[i]->host;
			const struct span *span = table_find(table, space, start);

			assert_non_null(span);
			assert_int_equal(span->start, start);
			assert_int_equal(span->size, size);
			assert_ptr_equal(span->host, host);
			assert_ptr_equal(table_find(table, space, start + size - 1), span);
			assert_ptr_not_equal(table_find(table, space, start + size), span);
			assert_ptr_not_equal(table_find(table, space, start - 1), span);
			assert_ptr_equal(table_translate(table, space, start, size), host);
			assert_null(table_translate(table, space, start, size + 1));
			assert_ptr_equal(table_translate(table, space, start + size - 1, 1),
					 host + size - 1);
			assert_null(table_translate(table, space, start + size - 1, 2));
			assert_null(table_translate(table, space, start, UINT64_MAX));
		}
	}
	assert_null(table_find(table, TABLE_GUEST, 0x1801));
	assert_null(table_find(table, TABLE_GUEST, 0x3fffffff));
	assert_null(table_find(table, TABLE_GUEST, UINT64_MAX));
	assert_null(table_find(table, TABLE_USER, UINT64_MAX));
	for (int i = 0; i < N; i++)
		region_unref(regions[i]);
	table_unref(table);
}

static void what_a_region_has_mapped_has_a_guest_address(void **state)
{
	struct fixture *f = *state;
	struct region *regions[2] = {map(f, 0x5000, 0x1000, 0x900000, 0),
				     map(f, 0x100000000, 0x3001, 0x1000, 16)};
	struct table *table;
	uint64_t addr = 0;

	assert_int_equal(table_new(regions, 2, &table), 0);
	for (int i = 0; i < 2; i++) {
		const struct region_info *info = &regions[i]->info;
		const unsigned char *host = regions[i]->host;

		assert_true(table_guest_addr(table, host, &addr));
		assert_int_equal(addr, info->guest_addr);
		assert_true(table_guest_addr(table, host + info->size - 1, &addr));
		assert_int_equal(addr, info->guest_addr + info->size - 1);
		/* What was mapped only because pages are whole is none of it. */
		assert_false(table_guest_addr(table, host + info->size, &addr));
		region_unref(regions[i]);
	}
	/* Before all of them, and behind. */
	assert_false(table_guest_addr(table, (const void *)1, &addr));
	assert_false(table_guest_addr(table, (const void *)(UINTPTR_MAX - 1), &addr));
	table_unref(table);
}

static void no_table_contains_nothing(void **state)
{
	struct table *table;

	(void)state;
	assert_int_equal(table_regions(NULL), 0);
	assert_null(table_find(NULL, TABLE_GUEST, 0));
	assert_int_equal(table_new(NULL, 0, &table), 0);
	assert_null(table_find(table, TABLE_USER, 0));
	assert_null(table_translate(table, TABLE_GUEST, 0, 0));
	table_unref(table);
	table_unref(NULL);
	region_unref(NULL);
	mappings_unref(NULL);
}

static void assert_overlap(struct fixture *f, const struct region_info *a,
			   const struct region_info *b, int expected)
{
	struct region *regions[2] = {map(f, a->guest_addr, a->size, a->user_addr, 0),
				     map(f, b->guest_addr, b->size, b->user_addr, 0)};

	for (int order = 0; order < 2; order++) {
		struct region *list[2] = {regions[order], regions[!order]};
		struct table *both = NULL, *one, *more = NULL;

		assert_int_equal(table_new(list, 2, &both), expected);
		assert_int_equal(table_with(NULL, list[0], &one), 0);
		assert_int_equal(table_with(one, list[1], &more), expected);
		if (expected) {
			assert_null(both);
			assert_null(more);
		}
		table_unref(one);
		table_unref(both);
		table_unref(more);
	}
	region_unref(regions[0]);
	region_unref(regions[1]);
}

static void regions_that_share_an_address_are_refused(void **state)
{
	struct fixture *f = *state;
	const struct region_info a = {0x2000, 0x1000, 0x20000, 0};
	static const uint64_t same[][2] = {
		/* start and size of the other, relative to the first's start */
		{0, 0x1000},
		{0, 1},
		{0xfff, 1},
		{0xfff, 0x1000},
		{0x800, 8},
		{(uint64_t)-1, 2},
		{(uint64_t)-0x800, 0x2000},
	};
	static const uint64_t apart[][2] = {{0x1000, 1}, {0x1000, 0x1000}, {(uint64_t)-1, 1}};

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		struct region_info guest = {a.guest_addr + same[i][0], same[i][1], 0x90000, 0};
		struct region_info user = {0x90000, same[i][1], a.user_addr + same[i][0], 0};

		assert_overlap(f, &a, &guest, -EEXIST);
		assert_overlap(f, &a, &user, -EEXIST);
	}
	for (size_t i = 0; i < sizeof(apart) / sizeof(apart[0]); i++) {
		struct region_info b = {a.guest_addr + apart[i][0], apart[i][1],
					a.user_addr + apart[i][0], 0};

		assert_overlap(f, &a, &b, 0);
	}
}

static void user_address_0_is_legal(void **state)
{
	struct fixture *f = *state;
	struct region *r = map(f, 0x5000, PAGE, 0, 0);
	struct table *table;

	assert_int_equal(table_with(NULL, r, &table), 0);
	assert_ptr_equal(table_translate(table, TABLE_USER, 0, PAGE), r->host);
	assert_null(table_translate(table, TABLE_USER, PAGE, 1));
	assert_null(table_translate(table, TABLE_GUEST, 0, 1));
	region_unref(r);
	table_unref(table);
}

static void a_region_goes_by_addresses_and_size(void **state)
{
	struct fixture *f = *state;
	struct region *a = map(f, 0x1000, PAGE, 0x1000, 0), *b = map(f, 0x3000, PAGE, 0x3000, 0x10);
	struct region_info info = a->info;
	struct region *list[] = {a, b};
	struct table *both, *one = NULL, *none;

	assert_int_equal(table_new(list, 2, &both), 0);
	region_unref(a);
	region_unref(b);
	info.size--;
	assert_int_equal(table_without(both, &info, &one), -ENOENT);
	info.size++;
	info.user_addr++;
	assert_int_equal(table_without(both, &info, &one), -ENOENT);
	info.user_addr--;
	info.guest_addr--;
	assert_int_equal(table_without(both, &info, &one), -ENOENT);
	info.guest_addr++;
	assert_int_equal(table_without(NULL, &info, &one), -ENOENT);
	assert_null(one);
	info.mmap_offset = 12345; /* means nothing here */
	assert_int_equal(table_without(both, &info, &one), 0);
	assert_null(table_find(one, TABLE_GUEST, 0x1000));
	assert_non_null(table_find(one, TABLE_GUEST, 0x3000));
	assert_int_equal(table_without(one, &info, &none), -ENOENT);
	info = b->info;
	assert_int_equal(table_without(one, &info, &none), 0);
	assert_int_equal(table_regions(none), 0);
	/* The snapshots are independent of each other. */
	table_unref(one);
	assert_non_null(table_find(both, TABLE_USER, 0x1000));
	assert_int_equal(count_mappings_of("/memfd:"), f->before + 2);
	table_unref(both);
	table_unref(none);
}

static void there_may_be_509_regions_and_no_more(void **state)
{
	struct fixture *f = *state;
	struct region *regions[TABLE_MAX_REGIONS + 1];
	struct table *table = NULL, *more = NULL;

	for (uint32_t i = 0; i <= TABLE_MAX_REGIONS; i++) {
		struct table *next;

		/* Guest addresses upwards, user addresses downwards. */
		regions[i] =
			map(f, i * UINT64_C(0x2000), 16, (1000 - i) * UINT64_C(0x2000), i * 16);
		if (i == TABLE_MAX_REGIONS)
			break;
		assert_int_equal(table_with(table, regions[i], &next), 0);
		table_unref(table);
		table = next;
	}
	assert_int_equal(table_regions(table), TABLE_MAX_REGIONS);
	assert_int_equal(table_with(table, regions[TABLE_MAX_REGIONS], &more), -ENOSPC);
	assert_int_equal(table_new(regions, TABLE_MAX_REGIONS + 1, &more), -ENOSPC);
	assert_null(more);
	for (uint32_t i = 0; i < TABLE_MAX_REGIONS; i++) {
		assert_ptr_equal(table_translate(table, TABLE_GUEST, i * UINT64_C(0x2000), 16),
				 regions[i]->host);
		assert_null(table_find(table, TABLE_GUEST, i * UINT64_C(0x2000) + 16));
		assert_ptr_equal(
			table_translate(table, TABLE_USER, (1000 - i) * UINT64_C(0x2000), 16),
			regions[i]->host);
	}
	for (uint32_t i = 0; i <= TABLE_MAX_REGIONS; i++)
		region_unref(regions[i]);
	table_unref(table);
}

static void a_region_is_unmapped_with_its_last_reference(void **state)
{
	struct fixture *f = *state;
	struct region *r = map(f, 0, PAGE, 0, 0);
	struct table *a, *b;

	assert_int_equal(table_new(&r, 1, &a), 0);
	assert_int_equal(table_new(&r, 1, &b), 0);
	region_unref(r);
	assert_int_equal(count_mappings_of("/memfd:"), f->before + 1);
	assert_ptr_equal(table_ref(a), a);
	table_unref(a);
	table_unref(b);
	assert_int_equal(count_mappings_of("/memfd:"), f->before + 1);
	assert_ptr_equal(table_translate(a, TABLE_GUEST, 0, 1), r->host);
	table_unref(a);
	assert_int_equal(count_mappings_of("/memfd:"), f->before);
}

static void a_region_may_outlive_the_list_of_mappings(void **state)
{
	struct fixture *f = *state;
	struct region *r = map(f, 0, PAGE, 0, 0);

	mappings_unref(f->mappings);
	f->mappings = NULL;
	assert_int_equal(r->host[0], 0);
	region_unref(r);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_region_may_start_and_end_anywhere_in_its_file),
		CASE(the_file_ends_where_the_region_ends_or_later),
		CASE(values_that_wrap_are_refused),
		CASE(the_last_address_there_is_may_be_mapped),
		CASE(what_cannot_be_mapped_says_why),
		CASE(a_region_on_hugepages_is_mapped),
		CASE(both_ends_of_each_region_are_found),
		CASE(what_a_region_has_mapped_has_a_guest_address),
		CASE(no_table_contains_nothing),
		CASE(regions_that_share_an_address_are_refused),
		CASE(user_address_0_is_legal),
		CASE(a_region_goes_by_addresses_and_size),
		CASE(there_may_be_509_regions_and_no_more),
		CASE(a_region_is_unmapped_with_its_last_reference),
		CASE(a_region_may_outlive_the_list_of_mappings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
