/* SPDX-License-Identifier: MIT */
/* vu-vsock: when it collects packets, and when it does not. */
#include "kit/test.h"
#include "vsock_coalesce.h"

static struct coalesce stream(void)
{
	struct coalesce co;

	coalesce_init(&co, 1);
	for (uint32_t i = 0; i < COALESCE_STREAK; i++) {
		assert_false(coalesce_pays(&co));
		coalesce_sent(&co, 100, false);
	}
	return co;
}

static void it_collects_after_a_row_of_small_packets(void **state)
{
	struct coalesce co = stream();

	(void)state;
	assert_true(coalesce_pays(&co));
	coalesce_sent(&co, COALESCE_SMALL, false);
	assert_true(coalesce_pays(&co));
}

static void a_large_packet_or_an_answer_ends_the_row(void **state)
{
	struct coalesce co = stream();

	(void)state;
	coalesce_sent(&co, COALESCE_SMALL + 1, false);
	assert_false(coalesce_pays(&co));
	co = stream();
	coalesce_answered(&co);
	assert_false(coalesce_pays(&co));
}

static void it_does_not_sleep_while_the_guest_waits_for_the_hosts_end(void **state)
{
	struct coalesce co = stream();

	(void)state;
	coalesce_sent(&co, 100, true);
	assert_false(coalesce_pays(&co));
	coalesce_sent(&co, 100, false);
	assert_true(coalesce_pays(&co));
}

static void without_time_it_never_collects(void **state)
{
	struct coalesce co;

	(void)state;
	coalesce_init(&co, 0);
	for (uint32_t i = 0; i < 10 * COALESCE_STREAK_MAX; i++)
		coalesce_sent(&co, 1, false);
	assert_false(coalesce_pays(&co));
}

/* How many packets it takes until there is a nap. */
static uint32_t row(struct coalesce *co)
{
	uint32_t n = 0;

	for (; !coalesce_pays(co); n++)
		coalesce_sent(co, 1, false);
	return n;
}

static void naps_in_vain_become_rare_and_one_that_finds_something_makes_up_for_them(void **state)
{
	struct coalesce co = stream();

	(void)state;
	for (uint32_t i = 0; i < COALESCE_MISSES; i++) {
		coalesce_found(&co, i % COALESCE_WORTH);
		assert_true(coalesce_pays(&co));
	}
	for (uint32_t want = 2 * COALESCE_STREAK; want <= COALESCE_STREAK_MAX; want *= 2) {
		coalesce_found(&co, 0);
		assert_int_equal(row(&co), want);
	}
	coalesce_found(&co, 0);
	assert_int_equal(row(&co), COALESCE_STREAK_MAX);
	coalesce_found(&co, COALESCE_WORTH);
	coalesce_answered(&co);
	assert_int_equal(row(&co), COALESCE_STREAK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_collects_after_a_row_of_small_packets),
		cmocka_unit_test(a_large_packet_or_an_answer_ends_the_row),
		cmocka_unit_test(it_does_not_sleep_while_the_guest_waits_for_the_hosts_end),
		cmocka_unit_test(without_time_it_never_collects),
		cmocka_unit_test(
			naps_in_vain_become_rare_and_one_that_finds_something_makes_up_for_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
