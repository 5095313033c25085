/* SPDX-License-Identifier: MIT */
/* Runs of guest memory mapped once more, side by side. */
#include <errno.h>
#include <pthread.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kit/counts.h"
#include "kit/test.h"
#include "kit/variant.h"
#include "mem/mappings.h"
#include "mem/mirror.h"
#include "mem/region.h"
#include "mem/userfault.h"

enum { PAGE = 4096, PAGES = 16, THREADS = 4 };

struct memory {
	struct mappings *mappings;
	struct region *region;
	int before;
};

static void memory_make(struct memory *m, uint64_t offset)
{
	struct region_info info = {0, PAGES * PAGE, 1 << 30, offset};
	int fd = memfd_create("memory", MFD_CLOEXEC);
	const char *why;

	m->before = count_mappings_of("/memfd:memory");
	m->mappings = mappings_new();
	assert_int_equal(ftruncate(fd, PAGES * PAGE + PAGE), 0);
	assert_int_equal(region_map(m->mappings, &info, fd, &m->region, &why), 0);
	close(fd);
}

static void memory_free(struct memory *m)
{
	region_unref(m->region);
	mappings_unref(m->mappings);
	assert_int_equal(count_mappings_of("/memfd:memory"), m->before);
}

static struct mirror_run run(const struct memory *m, uint64_t offset, uint64_t len)
{
	return (struct mirror_run){m->region->host + offset, len};
}

static void a_mirror_and_its_region_are_the_same_bytes(void **state)
{
	struct memory m;
	struct mirror *mirror;
	unsigned char *host;

	(void)state;
	needs_second_mappings();
	memory_make(&m, 0);
	/* The end of a page, two pages behind it, one before it, and the beginning of the same. */
	const struct mirror_run runs[] = {run(&m, 4 * PAGE - 100, 100), run(&m, 8 * PAGE, 2 * PAGE),
					  run(&m, PAGE, PAGE), run(&m, PAGE, 10)};
	assert_int_equal(mirror_new(m.mappings, runs, 4, &mirror), 0);
	host = mirror_host(mirror);
	for (uint32_t i = 0, at = 0; i < 4; at += runs[i++].len) {
		for (uint64_t b = 0; b < runs[i].len; b += 9) {
			uint64_t len;

			host[at + b] = (unsigned char)(i + b);
			assert_int_equal(runs[i].host[b], host[at + b]);
			runs[i].host[b]++;
			assert_int_equal(host[at + b], (unsigned char)(i + b + 1));
			assert_ptr_equal(mirror_origin(mirror, host + at + b, &len),
					 runs[i].host + b);
			assert_int_equal(len, runs[i].len - b);
		}
	}
	assert_true(mirror_shows(mirror, runs, 4));
	assert_false(mirror_shows(mirror, runs, 3));
	assert_false(mirror_shows(mirror, runs + 1, 3));
	assert_false(mirror_shows(NULL, runs, 4));
	mirror_free(mirror);
	memory_free(&m);
}

static void a_mirror_outlives_its_region(void **state)
{
	struct memory m;
	struct mirror *mirror;

	(void)state;
	needs_second_mappings();
	memory_make(&m, 0);
	const struct mirror_run runs[] = {run(&m, PAGE, PAGE), run(&m, 3 * PAGE, PAGE)};
	runs[1].host[5] = 77;
	assert_int_equal(mirror_new(m.mappings, runs, 2, &mirror), 0);
	region_unref(m.region);
	m.region = NULL;
	assert_int_equal(((unsigned char *)mirror_host(mirror))[PAGE + 5], 77);
	mirror_free(mirror);
	memory_free(&m);
}

static void what_is_no_whole_pages_is_refused(void **state)
{
	struct mirror *mirror = NULL;
	struct memory m;

	(void)state;
	memory_make(&m, 0);
	const struct mirror_run bad[][3] = {
		{run(&m, 0, PAGE - 1), run(&m, PAGE, PAGE), run(&m, 0, PAGE)},
		{run(&m, 0, PAGE), run(&m, 2 * PAGE + 1, PAGE - 1), run(&m, 0, PAGE)},
		{run(&m, 0, PAGE), run(&m, 2 * PAGE, 16), run(&m, 0, PAGE)},
		{run(&m, 0, PAGE), run(&m, 2 * PAGE, PAGE), run(&m, 16, PAGE)},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(mirror_new(m.mappings, bad[i], 3, &mirror), -EINVAL);
	assert_null(mirror);
	memory_free(&m);
	/* A region that begins amid a page of its file has no whole pages where a guest has them.
	 */
	memory_make(&m, 16);
	const struct mirror_run odd[] = {run(&m, 0, PAGE), run(&m, 2 * PAGE, PAGE)};
	assert_int_equal(mirror_new(m.mappings, odd, 2, &mirror), -EINVAL);
	memory_free(&m);
}

static void memory_that_was_lost_is_refused_and_nothing_is_left(void **state)
{
	struct mirror *mirror = NULL;
	struct memory m;
	int before;

	(void)state;
	memory_make(&m, 0);
	const struct mirror_run runs[] = {run(&m, 0, PAGE), run(&m, 2 * PAGE, PAGE)};
	/* Its file was cut; no page of it is shared with anybody any more. */
	assert_int_equal(mappings_fault(m.mappings, m.region->host), 1);
	before = count_mappings_of("-");
	assert_true(mirror_new(m.mappings, runs, 2, &mirror) < 0);
	assert_null(mirror);
	assert_int_equal(count_mappings_of("-"), before);
	memory_free(&m);
}

static void a_fault_in_a_mirror_is_answered_like_one_in_a_region(void **state)
{
	struct memory m;
	struct mirror *mirror;
	unsigned char *host;

	(void)state;
	needs_second_mappings();
	memory_make(&m, 0);
	const struct mirror_run runs[] = {run(&m, PAGE, PAGE), run(&m, 3 * PAGE, PAGE)};
	memset(m.region->host, 1, PAGES * PAGE);
	assert_int_equal(mirror_new(m.mappings, runs, 2, &mirror), 0);
	host = mirror_host(mirror);
	assert_int_equal(mappings_fault(m.mappings, host + PAGE + 9), 1);
	assert_int_equal(host[0] + host[2 * PAGE - 1], 0);
	assert_int_equal(m.region->host[PAGE], 1);
	assert_int_equal(mappings_fault(m.mappings, host + 2 * PAGE), 0);
	mirror_free(mirror);
	memory_free(&m);
}

static void a_device_has_a_limited_number_of_runs(void **state)
{
	struct mirror *mirrors[100];
	struct mirror_run runs[MIRROR_RUNS];
	struct memory m;
	uint32_t n = 0;
	int err;

	(void)state;
	needs_second_mappings();
	memory_make(&m, 0);
	for (uint32_t i = 0; i < MIRROR_RUNS; i++)
		runs[i] = run(&m, (uint64_t)(i % 8) * 2 * PAGE, PAGE);
	while (!(err = mirror_new(m.mappings, runs, MIRROR_RUNS, &mirrors[n])))
		assert_true(++n < 100);
	assert_int_equal(err, -EDQUOT);
	assert_true(n >= 20);
	mirror_free(mirrors[--n]);
	assert_int_equal(mirror_new(m.mappings, runs, MIRROR_RUNS, &mirrors[n++]), 0);
	while (n)
		mirror_free(mirrors[--n]);
	memory_free(&m);
}

static void *make_and_free(void *opaque)
{
	struct memory *m = opaque;
	const struct mirror_run runs[] = {run(m, PAGE, PAGE), run(m, 3 * PAGE, PAGE)};

	for (int i = 0; i < 500; i++) {
		struct mirror *mirrors[20];

		for (int k = 0; k < 20; k++)
			if (mirror_new(m->mappings, runs, 2, &mirrors[k]))
				return m;
		for (int k = 0; k < 20; k++)
			mirror_free(mirrors[k]);
	}
	return NULL;
}

static void threads_make_mirrors_at_the_same_time(void **state)
{
	pthread_t threads[THREADS];
	struct memory m;
	void *failed;

	(void)state;
	needs_second_mappings();
	memory_make(&m, 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, make_and_free, &m), 0);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	memory_free(&m);
}

/* Whoever has the pages: each one that is asked for is full of sevens. */
static void *supply(void *opaque)
{
	int fd = *(int *)opaque;
	unsigned char page[PAGE];
	struct pollfd poller = {fd, POLLIN, 0};
	struct uffd_msg msg;

	memset(page, 7, sizeof(page));
	for (int n = 0; n < 2; n++) {
		struct uffdio_copy copy = {.src = (uintptr_t)page, .len = PAGE};

		if (poll(&poller, 1, -1) != 1 || read(fd, &msg, sizeof(msg)) != sizeof(msg))
			return opaque;
		copy.dst = msg.arg.pagefault.address & ~(uint64_t)(PAGE - 1);
		if (ioctl(fd, UFFDIO_COPY, &copy))
			return opaque;
	}
	return NULL;
}

static void pages_that_are_on_their_way_have_come_when_they_are_mapped(void **state)
{
	struct memory m;
	struct mirror *mirror;
	pthread_t thread;
	unsigned char *host;
	void *failed;
	int fd = userfault_open(-1);

	(void)state;
	needs_second_mappings();
	if (fd < 0)
		skip();
	memory_make(&m, 0);
	const struct mirror_run runs[] = {run(&m, PAGE, PAGE), run(&m, 3 * PAGE, PAGE)};
	assert_int_equal(userfault_watch(fd, m.region), 0);
	assert_int_equal(pthread_create(&thread, NULL, supply, &fd), 0);
	assert_int_equal(mirror_new(m.mappings, runs, 2, &mirror), 0);
	assert_int_equal(pthread_join(thread, &failed), 0);
	assert_null(failed);
	host = mirror_host(mirror);
	assert_int_equal(host[0], 7);
	assert_int_equal(host[2 * PAGE - 1], 7);
	mirror_free(mirror);
	memory_free(&m);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mirror_and_its_region_are_the_same_bytes),
		cmocka_unit_test(a_mirror_outlives_its_region),
		cmocka_unit_test(what_is_no_whole_pages_is_refused),
		cmocka_unit_test(memory_that_was_lost_is_refused_and_nothing_is_left),
		cmocka_unit_test(a_fault_in_a_mirror_is_answered_like_one_in_a_region),
		cmocka_unit_test(a_device_has_a_limited_number_of_runs),
		cmocka_unit_test(threads_make_mirrors_at_the_same_time),
		cmocka_unit_test(pages_that_are_on_their_way_have_come_when_they_are_mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
