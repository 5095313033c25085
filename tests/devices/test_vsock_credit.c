/* SPDX-License-Identifier: MIT */
/* vu-vsock's credit arithmetic, against a guest that keeps books in 64 bits. */
#include <stdlib.h>

#include "kit/test.h"
#include "vsock_credit.h"

enum { STEPS = 200000, ALLOC = 256 << 10, LARGEST = 65536, OVERHEAD = 600 };

/* Where the 32 bits end is passed early on. */
static const uint32_t beginnings[] = {0, UINT32_MAX - 100000, UINT32_MAX, 1u << 31};

static struct credit credit_at(uint32_t at)
{
	return (struct credit){.peer_buf_alloc = ALLOC,
			       .peer_fwd_cnt = at,
			       .tx_cnt = at,
			       .buf_alloc = ALLOC,
			       .told_buf_alloc = ALLOC,
			       .fwd_cnt = at,
			       .told_fwd_cnt = at,
			       .rx_cnt = at};
}

static void never_more_is_sent_than_the_guest_has_room_for_nor_more_packets(void **state)
{
	uint32_t len[ALLOC];

	(void)state;
	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
		struct credit c = credit_at(beginnings[i]);
		uint64_t sent = 0, read = 0, first = 0, last = 0;

		srand(1);
		for (int step = 0; step < STEPS; step++) {
			uint32_t room = credit_room(&c);
			uint32_t n = (uint32_t)rand() % (rand() & 1 ? 100 : 5000) + 1;
			struct packet update = {.buf_alloc = ALLOC};

			if (room && rand() % 3) {
				n = n < room ? n : room;
				credit_sent(&c, n);
				len[last++ % ALLOC] = n;
				sent += n;
			}
			/* It reads packets as a whole, and tells of it now and then. */
			while (first < last && rand() % 5 < 2)
				read += len[first++ % ALLOC];
			assert_true(sent - read <= ALLOC);
			assert_true((last - first) * OVERHEAD <= ALLOC);
			if (rand() % 4)
				continue;
			update.fwd_cnt = beginnings[i] + (uint32_t)read;
			credit_learn(&c, &update);
			assert_true(credit_room(&c) <= ALLOC - (sent - read));
		}
		assert_true(sent > UINT32_MAX / 64);
	}
}

static void all_that_was_read_can_be_sent_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
		struct credit c = credit_at(beginnings[i]);
		struct packet update = {.buf_alloc = ALLOC, .fwd_cnt = beginnings[i]};
		uint32_t room;

		for (int packets = 0; packets < 5000; packets++) {
			while ((room = credit_room(&c)) != 0) {
				uint32_t n = packets & 1 ? 1 : 4000;

				n = n < room ? n : room;
				credit_sent(&c, n);
				update.fwd_cnt += n;
			}
			credit_learn(&c, &update);
			assert_int_equal(credit_room(&c), ALLOC);
		}
	}
}

static void what_a_guest_cannot_have_read_is_no_credit(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
		const uint32_t lies[] = {1, 5000, ALLOC, 1u << 31, UINT32_MAX - 4000};
		struct credit c = credit_at(beginnings[i]);

		credit_sent(&c, 4000);
		for (size_t k = 0; k < sizeof(lies) / sizeof(lies[0]); k++) {
			/* More than was sent, and less than it said before. */
			struct packet lie = {.buf_alloc = ALLOC, .fwd_cnt = c.tx_cnt + lies[k]};

			credit_learn(&c, &lie);
			assert_int_equal(credit_room(&c), ALLOC - 4000);
		}
	}
}

static void a_buffer_that_shrinks_below_what_is_on_the_way_is_no_room(void **state)
{
	struct credit c = credit_at(UINT32_MAX - 5);
	struct packet update = {.buf_alloc = 3999, .fwd_cnt = UINT32_MAX - 5};

	(void)state;
	credit_sent(&c, 4000);
	credit_learn(&c, &update);
	assert_int_equal(credit_room(&c), 0);
	update.buf_alloc = 4001;
	credit_learn(&c, &update);
	assert_int_equal(credit_room(&c), 1);
}

static void a_guest_can_send_what_it_was_told_and_not_a_byte_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
		struct credit c = credit_at(beginnings[i]);
		struct packet told = {.len = 0};
		uint32_t sent = beginnings[i];

		for (int step = 0; step < 20000; step++) {
			uint32_t left, n = (uint32_t)rand() % LARGEST;

			credit_tell(&c, &told);
			left = told.buf_alloc - (sent - told.fwd_cnt);
			n = n < left ? n : left;
			assert_true(credit_received(&c, n));
			sent += n;
			assert_false(credit_received(&c, ALLOC - (c.rx_cnt - c.fwd_cnt) + 1));
			if (rand() & 1)
				c.fwd_cnt += (uint32_t)rand() % (c.rx_cnt - c.fwd_cnt + 1);
		}
	}
}

/* It waits only where it was not told of room that there is: then it is due to be told. */
static void a_guest_without_credit_is_told_as_soon_as_there_is_some(void **state)
{
	static const uint32_t allocs[] = {1, 4096, 65536, ALLOC, 1 << 20};

	(void)state;
	for (size_t i = 0; i < sizeof(allocs) / sizeof(allocs[0]); i++) {
		struct credit c = credit_at(UINT32_MAX);
		struct packet told;

		c.buf_alloc = allocs[i];
		credit_tell(&c, &told);
		assert_false(credit_is_due(&c));
		assert_true(credit_received(&c, allocs[i]));
		assert_false(credit_is_due(&c));
		c.fwd_cnt++;
		assert_true(credit_is_due(&c));
		credit_tell(&c, &told);
		assert_false(credit_is_due(&c));
	}
}

/*
 * Linux since 2026 has no more on its way than its own buffer's size, whatever it was told it may:
 * of two sizes the smaller one is what it waits at.
 */
static void a_guest_that_trusts_no_large_credit_is_told_before_it_waits(void **state)
{
	static const uint32_t sizes[] = {1, 128, 4096, 65536, 100000, ALLOC, 1 << 20, 64 << 20};
	enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

	(void)state;
	for (size_t i = 0; i < (size_t)SIZES * SIZES; i++) {
		struct credit c = credit_at(UINT32_MAX - 70000);
		uint32_t own = sizes[i % SIZES], sent = c.fwd_cnt, updates = 0;
		struct packet told;

		c.buf_alloc = sizes[i / SIZES];
		c.peer_buf_alloc = own;
		credit_tell(&c, &told);
		for (int packets = 0; packets < 2000; packets++) {
			uint32_t most = own < told.buf_alloc ? own : told.buf_alloc, n;

			assert_true(sent - told.fwd_cnt < most);
			n = most - (sent - told.fwd_cnt);
			n = n < LARGEST ? n : LARGEST;
			sent += n;
			assert_true(credit_received(&c, n));
			c.fwd_cnt += n;
			if (!credit_is_due(&c))
				continue;
			credit_tell(&c, &told);
			updates++;
		}
		if (own >= ALLOC && c.buf_alloc >= ALLOC)
			assert_true(updates <= 1000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(never_more_is_sent_than_the_guest_has_room_for_nor_more_packets),
		cmocka_unit_test(all_that_was_read_can_be_sent_again),
		cmocka_unit_test(what_a_guest_cannot_have_read_is_no_credit),
		cmocka_unit_test(a_buffer_that_shrinks_below_what_is_on_the_way_is_no_room),
		cmocka_unit_test(a_guest_can_send_what_it_was_told_and_not_a_byte_more),
		cmocka_unit_test(a_guest_without_credit_is_told_as_soon_as_there_is_some),
		cmocka_unit_test(a_guest_that_trusts_no_large_credit_is_told_before_it_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
