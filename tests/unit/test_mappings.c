/* SPDX-License-Identifier: MIT */
/*
 * The list of mappings changes at every moment while mappings_fault() reads it: the list is
 * compiled into this test with loads that call back.
 */
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static void about_to_load(void);

#undef atomic_load_explicit
#define atomic_load_explicit(p, order) (about_to_load(), *(p))

#include "kit/test.h"
#include "mem/mappings.c"

static void (*change)(void);
static int loads_until_change;

static void about_to_load(void)
{
	if (loads_until_change && !--loads_until_change)
		change();
}

static struct mappings *list;
static struct mapping *slot;
static unsigned char *pages;
static size_t page;

/* Four pages' slot becomes that of one page, which has another's behind it. */
static void the_slot_gets_a_shorter_one(void)
{
	mappings_remove(slot);
	slot = mappings_add(list, pages + 4 * page, page);
	assert_non_null(slot);
}

static void a_slot_that_becomes_a_shorter_mappings_takes_nothing_behind_it(void **state)
{
	int changes = 0;

	(void)state;
	page = (size_t)sysconf(_SC_PAGESIZE);
	change = the_slot_gets_a_shorter_one;
	pages = mmap(NULL, 8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(pages != MAP_FAILED);
	memset(pages, 0x5a, 8 * page);
	for (int load = 1; load <= 4; load++) {
		list = mappings_new();
		slot = mappings_add(list, pages, 4 * page);
		loads_until_change = load;
		assert_int_equal(mappings_fault(list, pages + 5 * page), 0);
		changes += !loads_until_change;
		loads_until_change = 0;
		for (size_t i = 0; i < 8 * page; i++)
			assert_int_equal(pages[i], 0x5a);
		mappings_unref(list);
	}
	assert_int_equal(changes, 4);
	munmap(pages, 8 * page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slot_that_becomes_a_shorter_mappings_takes_nothing_behind_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
