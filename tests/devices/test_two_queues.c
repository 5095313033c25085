/* SPDX-License-Identifier: MIT */
/* two-queues: a message waits for buffers, and buffers for a message. */
#include "rig.h"

const char *const rig_program = "TWO_QUEUES";

enum { RECEIVE, TRANSMIT, ROOM = 8, MAX_BYTES = 4096 };

static void start(struct rig *rig)
{
	rig->config.n_queues = 2;
	rig_start(rig, NULL);
}

static void offer_message(struct rig *rig, const char *text, uint32_t len)
{
	struct rig_buffer buffer;
	struct driver_seg seg;

	rig_buffer(rig, &buffer, len);
	memcpy(buffer.data, text, len);
	seg = rig_read_seg(&buffer, len);
	rig_offer(rig, TRANSMIT, &seg, 1, NULL);
}

static void offer_room(struct rig *rig, struct rig_buffer *buffer)
{
	struct driver_seg seg;

	rig_buffer(rig, buffer, ROOM);
	seg = rig_write_seg(buffer, ROOM);
	rig_offer(rig, RECEIVE, &seg, 1, buffer);
}

static void expect_piece(struct rig *rig, struct rig_buffer *buffer, const char *text)
{
	uint32_t len;

	assert_ptr_equal(rig_wait(rig, RECEIVE, &len), buffer);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(buffer->data, text, len);
}

static void buffers_wait_for_a_message(void **state)
{
	struct rig_buffer buffer;

	start(*state);
	offer_room(*state, &buffer);
	rig_expect_nothing(*state, RECEIVE);
	offer_message(*state, "hello", 5);
	expect_piece(*state, &buffer, "hello");
	rig_wait(*state, TRANSMIT, NULL);
	rig_stop(*state);
}

static void a_message_waits_for_as_many_buffers_as_it_needs(void **state)
{
	struct rig_buffer first, second;

	start(*state);
	offer_message(*state, "hello, world", 12);
	rig_expect_nothing(*state, TRANSMIT);
	offer_room(*state, &first);
	rig_expect_nothing(*state, TRANSMIT);
	rig_expect_nothing(*state, RECEIVE);
	offer_room(*state, &second);
	expect_piece(*state, &first, "hello, w");
	expect_piece(*state, &second, "orld");
	rig_wait(*state, TRANSMIT, NULL);
	rig_stop(*state);
}

static void what_waits_holds_up_no_stop_and_is_served_after_it(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer first, second;

	start(rig);
	offer_room(rig, &first);
	offer_message(rig, "hello, world", 12);
	rig_expect_nothing(rig, TRANSMIT);
	rig_check(rig, peer_stop(rig->peer));
	for (uint32_t i = 0; i < rig->config.n_queues; i++) {
		rig_check(rig, peer_start_queue(rig->peer, i));
		rig_check(rig, frontend_set_vring_enable(&rig->peer->frontend, i, true));
	}
	offer_room(rig, &second);
	expect_piece(rig, &first, "hello, w");
	expect_piece(rig, &second, "orld");
	rig_stop(rig);
}

static void a_message_that_is_too_long_is_dropped_and_the_next_one_served(void **state)
{
	static const char many[MAX_BYTES + 1];
	struct rig *rig = *state;
	struct rig_buffer buffer;

	start(rig);
	offer_message(rig, many, sizeof(many));
	rig_wait(rig, TRANSMIT, NULL);
	offer_room(rig, &buffer);
	offer_message(rig, "hello", 5);
	expect_piece(rig, &buffer, "hello");
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "a message is not 1 to 4096 bytes long"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(buffers_wait_for_a_message),
		TEST(a_message_waits_for_as_many_buffers_as_it_needs),
		TEST(what_waits_holds_up_no_stop_and_is_served_after_it),
		TEST(a_message_that_is_too_long_is_dropped_and_the_next_one_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
