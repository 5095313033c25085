/* SPDX-License-Identifier: MIT */
/*
 * Memory that the kernel does not map as it was asked to: what was accounted for and mapped until
 * then is given back; file systems with pages of their own; core dumps.
 *
 * What maps is compiled into this test with system calls of the test's own.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "kit/counts.h"
#include "kit/test.h"

static void *kernel_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset);
static int kernel_fstatfs(int fd, struct statfs *fs);
static void *kernel_calloc(size_t n, size_t size);

#define mmap		kernel_mmap
#define fstatfs		kernel_fstatfs
#define calloc(n, size) kernel_calloc(n, size)
#include "mem/guarded.c"
#include "mem/mappings.c"
#include "mem/region.c"
#undef mmap
#undef fstatfs
#undef calloc

enum { FILE_SIZE = 8 << 20, LEN = 3 * 4096 };

/* What the kernel does. */
static struct {
	int room_error, file_error; /* of the room with its guards; of the file */
	int times;		    /* so often, then all is well */
	bool elsewhere;		    /* maps the file, but where it likes: before Linux 4.17 */
	uint64_t huge_page;	    /* 0: the file system has none */
	size_t no_memory_for;	    /* a calloc() of so many bytes fails */
	int file_calls;
} kernel;

static bool it_fails(int error)
{
	if (!error || !kernel.times)
		return false;
	kernel.times--;
	errno = error;
	return true;
}

static void *kernel_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	if (fd < 0)
		return it_fails(kernel.room_error) ? MAP_FAILED
						   : mmap(at, len, prot, flags, fd, offset);
	kernel.file_calls++;
	if (it_fails(kernel.file_error))
		return MAP_FAILED;
	if (kernel.elsewhere && kernel.times && kernel.times--) {
		void *taken = mmap(at, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		void *map = mmap(NULL, len, prot, MAP_SHARED, fd, offset);

		munmap(taken, len);
		return map;
	}
	return mmap(at, len, prot, flags, fd, offset);
}

static int kernel_fstatfs(int fd, struct statfs *fs)
{
	int rc = fstatfs(fd, fs);

	if (!rc && kernel.huge_page) {
		fs->f_type = HUGETLBFS;
		fs->f_bsize = (__typeof__(fs->f_bsize))kernel.huge_page;
	}
	return rc;
}

static void *kernel_calloc(size_t n, size_t size)
{
	return size == kernel.no_memory_for ? NULL : calloc(n, size);
}

/* Ours and the guards: setup() has let the allocator map what it does for a region. */
static int count_mappings(void)
{
	return count_mappings_of("/memfd:") + count_mappings_of("---p");
}

struct fixture {
	struct mappings *mappings;
	int fd;
};

static struct region *map(struct fixture *f, uint64_t size, uint64_t offset)
{
	const struct region_info info = {.size = size, .mmap_offset = offset};
	struct region *region = NULL;
	const char *why = NULL;

	assert_int_equal(region_map(f->mappings, &info, f->fd, &region, &why), 0);
	return region;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	memset(&kernel, 0, sizeof(kernel));
	f->mappings = mappings_new();
	f->fd = memfd_create("memory", MFD_CLOEXEC);
	assert_int_equal(ftruncate(f->fd, FILE_SIZE), 0);
	region_unref(map(f, LEN, 0));
	kernel.file_calls = 0;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mappings_bytes(f->mappings), 0);
	mappings_unref(f->mappings);
	close(f->fd);
	free(f);
	return 0;
}

static void assert_refused(struct fixture *f, int err)
{
	const struct region_info info = {.size = LEN};
	struct region *region = NULL;
	const char *why = NULL;
	int before = count_mappings();

	assert_int_equal(region_map(f->mappings, &info, f->fd, &region, &why), err);
	assert_string_equal(why, "it cannot be mapped");
	assert_null(region);
	assert_int_equal(count_mappings(), before);
	assert_int_equal(mappings_bytes(f->mappings), 0);
}

/* The limit has room for one: what failed must not fill it. */
static void assert_next_fits(struct fixture *f)
{
	memset(&kernel, 0, sizeof(kernel));
	mappings_set_limit(f->mappings, LEN);
	region_unref(map(f, LEN, 0));
}

static void what_could_not_be_mapped_does_not_count_as_mapped(void **state)
{
	kernel.file_error = ENOMEM;
	kernel.times = 1;
	assert_refused(*state, -ENOMEM);
	assert_int_equal(kernel.file_calls, 1);
	assert_next_fits(*state);
}

static void no_room_for_a_mapping_does_not_count_as_mapped(void **state)
{
	kernel.room_error = ENOMEM;
	kernel.times = 1;
	assert_refused(*state, -ENOMEM);
	assert_int_equal(kernel.file_calls, 0);
	assert_next_fits(*state);
}

static void room_that_another_thread_took_is_looked_for_again(void **state)
{
	struct fixture *f = *state;

	kernel.file_error = EEXIST;
	kernel.times = 3;
	region_unref(map(f, LEN, 0));
	assert_int_equal(kernel.file_calls, 4);
}

static void room_that_others_always_take_is_given_up(void **state)
{
	kernel.file_error = EEXIST;
	kernel.times = 1000;
	assert_refused(*state, -EEXIST);
	assert_next_fits(*state);
}

static void a_mapping_elsewhere_is_taken_away_again(void **state)
{
	struct fixture *f = *state;
	int before = count_mappings();
	struct region *region;

	kernel.elsewhere = true;
	kernel.times = 2;
	region = map(f, LEN, 0);
	/* The file, and a guard on each side. */
	assert_int_equal(count_mappings(), before + 3);
	region_unref(region);
	assert_int_equal(count_mappings(), before);
	kernel.times = 1000;
	assert_refused(f, -EEXIST);
	assert_next_fits(f);
}

static void a_mapping_that_cannot_be_listed_is_undone(void **state)
{
	const struct region_info info = {.size = LEN};
	struct region *regions[CHUNK_SLOTS], *more = NULL;
	struct fixture *f = *state;
	const char *why = NULL;
	int before;

	for (int i = 0; i < CHUNK_SLOTS; i++)
		regions[i] = map(f, LEN, 0);
	before = count_mappings();
	kernel.no_memory_for = sizeof(struct chunk);
	assert_int_equal(region_map(f->mappings, &info, f->fd, &more, &why), -ENOMEM);
	assert_string_equal(why, "out of memory");
	assert_null(more);
	assert_int_equal(count_mappings(), before);
	assert_int_equal(mappings_bytes(f->mappings), CHUNK_SLOTS * LEN);
	for (int i = 0; i < CHUNK_SLOTS; i++)
		region_unref(regions[i]);
}

static void a_file_of_huge_pages_is_mapped_by_its_own_pages(void **state)
{
	enum { HUGE = 2 << 20 };
	static const uint64_t offsets[] = {0, 4096, HUGE, HUGE + 12345, 2 * HUGE - 1};
	struct fixture *f = *state;

	kernel.huge_page = HUGE;
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		struct region *region = map(f, HUGE, offsets[i]);
		uint64_t pages = offsets[i] % HUGE ? 2 : 1;
		unsigned char value = 0;

		/* hugetlbfs refuses any other start and length. */
		assert_int_equal((uintptr_t)region->map % HUGE, 0);
		assert_int_equal(region->map_len, pages * HUGE);
		assert_int_equal(mappings_bytes(f->mappings), pages * HUGE);
		assert_int_equal(region->host - (unsigned char *)region->map, offsets[i] % HUGE);
		region->host[HUGE - 1] = (unsigned char)(i + 1);
		assert_int_equal(pread(f->fd, &value, 1, (off_t)(offsets[i] + HUGE - 1)), 1);
		assert_int_equal(value, i + 1);
		region_unref(region);
	}
}

static void guest_memory_is_no_part_of_a_core_dump(void **state)
{
	struct region *region = map(*state, LEN, 0);
	FILE *f = fopen("/proc/self/smaps", "re");
	bool is_ours = false;
	int seen = 0, left_out = 0;
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		if (strstr(line, "/memfd:memory")) {
			is_ours = true;
		} else if (is_ours && strncmp(line, "VmFlags:", strlen("VmFlags:")) == 0) {
			seen++;
			/* proc(5): "dd" do not include area into core dump */
			left_out += strstr(line, " dd") != NULL;
			is_ours = false;
		}
	}
	if (f)
		fclose(f);
	region_unref(region);
	if (!seen) {
		print_message("this kernel does not tell a mapping's flags\n");
		skip();
	}
	assert_int_equal(seen, 1);
	assert_int_equal(left_out, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_could_not_be_mapped_does_not_count_as_mapped),
		CASE(no_room_for_a_mapping_does_not_count_as_mapped),
		CASE(room_that_another_thread_took_is_looked_for_again),
		CASE(room_that_others_always_take_is_given_up),
		CASE(a_mapping_elsewhere_is_taken_away_again),
		CASE(a_mapping_that_cannot_be_listed_is_undone),
		CASE(a_file_of_huge_pages_is_mapped_by_its_own_pages),
		CASE(guest_memory_is_no_part_of_a_core_dump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
