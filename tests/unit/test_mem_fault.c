/* SPDX-License-Identifier: MIT */
/* A memory file that shrinks under its mapping: mappings_fault() in a SIGBUS handler. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/guest.h"
#include "kit/child.h"
#include "kit/test.h"
#include "mem/mappings.h"
#include "mem/table.h"

enum { PAGE = 4096, SIZE = 16 * PAGE };

/* For the handler. */
static struct mappings *handler_mappings;
static _Atomic(void *) handler_addr;
static atomic_int handler_answer;
static atomic_int handler_calls;

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	handler_calls++;
	handler_addr = info->si_addr;
	handler_answer = mappings_fault(handler_mappings, info->si_addr);
	/* Coming back would run the same instruction for ever. */
	if (!handler_answer)
		_exit(99);
}

struct fixture {
	struct guest *guest;
	struct mappings *mappings;
	struct region *region;
};

static int setup(void **state)
{
	const struct guest_region config = {.gpa = 0, .size = SIZE, .mmap_offset = 100};
	struct region_info info = {0, SIZE, 0, 100};
	struct fixture *f = calloc(1, sizeof(*f));
	const char *why;

	assert_int_equal(guest_new(&f->guest), 0);
	assert_int_equal(guest_add(f->guest, &config), 0);
	guest_fill(f->guest, 0, 0x5a);
	f->mappings = handler_mappings = mappings_new();
	assert_int_equal(region_map(f->mappings, &info, f->guest->regions[0].fd, &f->region, &why),
			 0);
	handler_calls = 0;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	region_unref(f->region);
	mappings_unref(f->mappings);
	guest_free(f->guest);
	free(f);
	return 0;
}

/* Within a test: cmocka has a handler of its own around each. */
static void catch_sigbus(void)
{
	struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};

	assert_int_equal(sigaction(SIGBUS, &action, NULL), 0);
}

static void a_truncated_file_becomes_zero_pages(void **state)
{
	struct fixture *f = *state;
	volatile unsigned char *byte = f->region->host;

	catch_sigbus();
	assert_int_equal(byte[SIZE - 1], 0x5a);
	assert_int_equal(guest_truncate(f->guest, 0, PAGE), 0);
	assert_int_equal(byte[0], 0x5a);
	assert_int_equal(handler_calls, 0);
	assert_int_equal(byte[8 * PAGE], 0);
	assert_int_equal(handler_calls, 1);
	assert_int_equal(handler_answer, 1);
	assert_ptr_equal(handler_addr, f->region->host + 8 * PAGE);
	/* All of it, for good, and writable. */
	for (int i = 0; i < SIZE; i++)
		assert_int_equal(byte[i], 0);
	byte[SIZE - 1] = 7;
	assert_int_equal(byte[SIZE - 1], 7);
	assert_int_equal(handler_calls, 1);
	/* Nobody else sees what is written there. */
	assert_int_equal(f->guest->regions[0].host[0], 0x5a);
}

static void a_write_beyond_the_file_is_survived(void **state)
{
	struct fixture *f = *state;

	catch_sigbus();
	assert_int_equal(guest_truncate(f->guest, 0, 0), 0);
	memset(f->region->host, 0x33, SIZE);
	assert_true(handler_calls >= 1);
	assert_int_equal(f->region->host[SIZE - 1], 0x33);
}

static void a_system_call_on_it_fails_without_the_handler(void **state)
{
	struct fixture *f = *state;
	int pipes[2];

	catch_sigbus();
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(guest_truncate(f->guest, 0, 0), 0);
	assert_int_equal(write(pipes[1], f->region->host + 8 * PAGE, 10), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(handler_calls, 0);
	close(pipes[0]);
	close(pipes[1]);
}

static void other_addresses_are_not_ours(void **state)
{
	struct fixture *f = *state;
	unsigned char *map = f->region->map;
	int here;

	assert_int_equal(mappings_fault(f->mappings, NULL), 0);
	assert_int_equal(mappings_fault(f->mappings, &here), 0);
	assert_int_equal(mappings_fault(f->mappings, map - 1), 0);
	assert_int_equal(mappings_fault(f->mappings, map + f->region->map_len), 0);
	assert_int_equal(f->region->host[0], 0x5a);
	/* The page that the region starts in the middle of belongs to the mapping. */
	assert_int_equal(mappings_fault(f->mappings, map), 1);
	assert_int_equal(f->region->host[0], 0);
}

static void only_the_mapping_that_was_hit_is_replaced(void **state)
{
	enum { N = 100 };
	struct fixture *f = *state;
	struct region *regions[N];
	struct region_info info = {0, PAGE, 0, 0};
	const char *why;

	for (int i = 0; i < N; i++)
		assert_int_equal(
			region_map(f->mappings, &info, f->guest->regions[0].fd, &regions[i], &why),
			0);
	/* In any place of the list: more than one chunk of it. */
	for (int i = 0; i < N; i += 7) {
		assert_int_equal(mappings_fault(f->mappings, regions[i]->host + PAGE - 1), 1);
		for (int k = 0; k < N; k++)
			assert_int_equal(regions[k]->host[PAGE - 1],
					 k <= i && k % 7 == 0 ? 0 : 0x5a);
	}
	for (int i = 0; i < N; i++)
		region_unref(regions[i]);
	assert_int_equal(f->region->host[0], 0x5a);
}

static void a_mapping_that_is_gone_is_not_ours_any_more(void **state)
{
	struct fixture *f = *state;
	struct region_info info = {0, PAGE, 0, 0};
	struct region *region;
	const char *why;
	void *addr;

	for (int i = 0; i < 100; i++) {
		assert_int_equal(
			region_map(f->mappings, &info, f->guest->regions[0].fd, &region, &why), 0);
		addr = region->host;
		region_unref(region);
		assert_int_equal(mappings_fault(f->mappings, addr), 0);
	}
}

struct worker {
	struct mappings *mappings;
	int fd;
	atomic_bool stop;
};

/* Regions of other sizes come and go. */
static void *map_and_unmap(void *opaque)
{
	struct worker *w = opaque;
	const char *why;

	while (!w->stop) {
		struct region *regions[4];

		for (uint64_t i = 0; i < 4; i++) {
			struct region_info info = {0, PAGE * (1 + 3 * i % 5), 0, 0};

			if (region_map(w->mappings, &info, w->fd, &regions[i], &why))
				abort();
		}
		for (int i = 0; i < 4; i++)
			region_unref(regions[i]);
	}
	return NULL;
}

static void faults_are_found_while_others_come_and_go(void **state)
{
	struct fixture *f = *state;
	struct worker w = {f->mappings, f->guest->regions[0].fd, false};
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, map_and_unmap, &w), 0);
	for (int i = 0; i < 3000; i++) {
		/* Twice the same: the second time they are zero pages already. */
		assert_int_equal(mappings_fault(f->mappings, f->region->host + i), 1);
		assert_int_equal(mappings_fault(f->mappings, &w), 0);
	}
	w.stop = true;
	pthread_join(thread, NULL);
	assert_int_equal(f->region->host[0], 0);
	assert_int_equal(f->guest->regions[0].host[0], 0x5a);
}

/* Does a process die of touching that byte? */
static bool is_deadly(volatile unsigned char *byte)
{
	int status;
	pid_t pid = child_fork();

	assert_true(pid >= 0);
	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		*byte = 0x77;
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* A sanitizer ends it with a status of its own. */
	return !WIFEXITED(status) || WEXITSTATUS(status);
}

static void an_access_beside_a_mapping_faults(void **state)
{
	struct fixture *f = *state;
	const uint64_t sizes[] = {1, PAGE, 3 * PAGE + 1, (2 << 20) + PAGE};
	int fd = memfd_create("memory", MFD_CLOEXEC);
	const char *why;

	assert_int_equal(ftruncate(fd, 4 << 20), 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct region_info info = {0, sizes[i], 0, i * PAGE};
		struct region *region;
		unsigned char *map;

		assert_int_equal(region_map(f->mappings, &info, fd, &region, &why), 0);
		map = region->map;
		assert_false(is_deadly(map));
		assert_false(is_deadly(map + region->map_len - 1));
		assert_true(is_deadly(map - 1));
		assert_true(is_deadly(map + region->map_len));
		/* So that huge pages can be behind it. */
		if (sizes[i] > 2 << 20)
			assert_int_equal(((uintptr_t)map - i * PAGE) % (2 << 20), 0);
		region_unref(region);
	}
	close(fd);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_truncated_file_becomes_zero_pages),
		CASE(a_write_beyond_the_file_is_survived),
		CASE(a_system_call_on_it_fails_without_the_handler),
		CASE(other_addresses_are_not_ours),
		CASE(only_the_mapping_that_was_hit_is_replaced),
		CASE(a_mapping_that_is_gone_is_not_ours_any_more),
		CASE(faults_are_found_while_others_come_and_go),
		CASE(an_access_beside_a_mapping_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
