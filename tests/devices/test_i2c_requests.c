/* SPDX-License-Identifier: MIT */
/* What a driver may ask of vu-i2c: groups, and hostile requests. */
#include "i2c_ask.h"

#include <stdio.h>

const char *const rig_program = "VU_I2C";

/* --- groups --- */

enum { GROUP = 6 };

/* Selects and reads of one byte at EEPROM addresses 0, 1, 2; the last has no FAIL_NEXT. */
static void group_make(struct rig *rig, struct ask asks[GROUP])
{
	for (uint8_t i = 0; i < GROUP; i++) {
		uint8_t at = i / 2;

		ask_make(rig, &asks[i], EEPROM, (i % 2 ? READ : 0) | (i < GROUP - 1 ? MORE : 0),
			 &at, 1);
	}
}

static void start_with_control(struct rig *rig)
{
	char control[RIG_PATH + 16];
	const char *args[] = {control, NULL};

	snprintf(control, sizeof(control), "--control=%s", rig->control);
	rig_start(rig, args);
}

static void a_group_is_one_transfer(void **state)
{
	struct rig *rig = *state;
	struct ask asks[GROUP];

	start_with_control(rig);
	for (int round = 0; round < 2; round++) {
		group_make(rig, asks);
		for (int i = 0; i < GROUP; i++)
			ask_add(rig, &asks[i]);
		for (int i = 0; i < GROUP; i++)
			assert_int_equal(ask_wait(rig, &asks[i]), OK);
	}
	assert_string_equal(rig_say(rig, "stats"), "transfers 2 messages 12");
	/* Requests that are there together, but not of a group. */
	ask_make(rig, &asks[0], EEPROM, 0, NULL, 0);
	ask_make(rig, &asks[1], EEPROM, 0, NULL, 0);
	ask_add(rig, &asks[0]);
	ask_add(rig, &asks[1]);
	assert_int_equal(ask_wait(rig, &asks[0]), OK);
	assert_int_equal(ask_wait(rig, &asks[1]), OK);
	assert_string_equal(rig_say(rig, "stats"), "transfers 4 messages 14");
	rig_stop(rig);
}

/* The device waits for the rest only for a while: one of many tries has to be quick enough. */
static void a_group_that_is_seen_half_is_one_transfer(void **state)
{
	unsigned long long transfers = 0, before;
	struct rig *rig = *state;
	struct ask a, b;

	start_with_control(rig);
	for (int i = 0; i < 1000; i++) {
		before = transfers;
		ask_make(rig, &a, EEPROM, MORE, "\0", 1);
		ask_make(rig, &b, EEPROM, READ, NULL, 1);
		ask_add(rig, &a);
		rig_check(rig, driver_kick(rig->peer->queues[0]));
		/* The first answer may come before the device looks at the ring, not all. */
		for (int j = 0; j < 4; j++)
			rig_say(rig, "stats");
		ask_add(rig, &b);
		assert_int_equal(ask_wait(rig, &a), OK);
		assert_int_equal(ask_wait(rig, &b), OK);
		assert_int_equal(sscanf(rig_say(rig, "stats"), "transfers %llu", &transfers), 1);
		if (transfers == before + 1)
			break;
	}
	assert_int_equal(transfers, before + 1);
	rig_stop(rig);
}

static void the_rest_of_a_group_fails_with_the_first(void **state)
{
	struct rig *rig = *state;
	struct ask asks[GROUP];

	rig_start(rig, NULL);
	ask_write(rig, EEPROM, "\0abc", 4);
	group_make(rig, asks);
	((struct virtio_i2c_out_hdr *)(void *)asks[3].out.data)->addr = htole16(NOBODY);
	for (int i = 0; i < GROUP; i++)
		ask_add(rig, &asks[i]);
	for (int i = 0; i < GROUP; i++)
		assert_int_equal(ask_wait(rig, &asks[i]), i < 3 ? OK : ERR);
	assert_int_equal(asks[1].in.data[0], 'a');
	/* It was not tried: the address is where the third left it. */
	ask_expect(rig, EEPROM, "b", 1);
	rig_stop(rig);
}

static void the_rest_of_a_group_fails_with_a_malformed_one(void **state)
{
	struct rig *rig = *state;
	struct ask asks[GROUP];

	rig_start(rig, NULL);
	ask_write(rig, EEPROM, "\0abc", 4);
	group_make(rig, asks);
	((struct virtio_i2c_out_hdr *)(void *)asks[2].out.data)->flags |= htole32(READ);
	for (int i = 0; i < GROUP; i++)
		ask_add(rig, &asks[i]);
	for (int i = 0; i < GROUP; i++)
		assert_int_equal(ask_wait(rig, &asks[i]), i < 2 ? OK : ERR);
	ask_expect(rig, EEPROM, "b", 1);
	rig_stop(rig);
}

static void a_group_larger_than_the_ring_arrives_in_pieces(void **state)
{
	struct rig *rig = *state;
	struct ask asks[GROUP];

	rig->config.queue_size = 4;
	rig_start(rig, NULL);
	ask_write(rig, EEPROM, "\0abc", 4);
	group_make(rig, asks);
	for (int i = 0; i < GROUP; i += i ? 2 : 4) {
		for (int j = i; j < (i ? i + 2 : 4); j++)
			ask_add(rig, &asks[j]);
		for (int j = i; j < (i ? i + 2 : 4); j++)
			assert_int_equal(ask_wait(rig, &asks[j]), OK);
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(asks[2 * i + 1].in.data[0], 'a' + i);
	rig_stop(rig);
}

static void a_group_that_failed_in_one_piece_fails_in_the_next(void **state)
{
	struct rig *rig = *state;

	rig_start(rig, NULL);
	assert_int_equal(ask_transfer(rig, NOBODY, MORE, (char[]){"\0"}, 1), ERR);
	assert_int_equal(ask_transfer(rig, EEPROM, MORE, NULL, 0), ERR);
	assert_int_equal(ask_transfer(rig, EEPROM, 0, (char[]){"\0X"}, 2), ERR);
	/* The group has ended. */
	ask_expect_at(rig, EEPROM, 0, "\xff", 1);
	rig_stop(rig);
}

static void restart(struct rig *rig)
{
	rig_check(rig, peer_start_queue(rig->peer, 0));
	rig_check(rig, frontend_set_vring_enable(&rig->peer->frontend, 0, 1));
}

static void a_new_driver_does_not_inherit_a_failed_group(void **state)
{
	struct rig *rig = *state;

	rig_start(rig, NULL);
	assert_int_equal(ask_transfer(rig, NOBODY, MORE, NULL, 0), ERR);
	rig_check(rig, peer_stop(rig->peer));
	restart(rig);
	assert_int_equal(ask_transfer(rig, EEPROM, 0, NULL, 0), OK);
	assert_int_equal(ask_transfer(rig, NOBODY, MORE, NULL, 0), ERR);
	rig_connect(rig);
	assert_int_equal(ask_transfer(rig, EEPROM, 0, NULL, 0), OK);
	rig_stop(rig);
}

static void a_stop_loses_nothing_of_an_unfinished_group(void **state)
{
	struct rig *rig = *state;
	struct ask ask;

	rig_start(rig, NULL);
	for (int i = 0; i < 10; i++) {
		ask_make(rig, &ask, EEPROM, MORE, NULL, 0);
		ask_add(rig, &ask);
		rig_check(rig, driver_kick(rig->peer->queues[0]));
		rig_check(rig, peer_stop(rig->peer));
		restart(rig);
		assert_int_equal(ask_wait(rig, &ask), OK);
	}
	rig_stop(rig);
}

static void a_group_may_have_more_messages_than_a_transfer(void **state)
{
	struct rig *rig = *state;
	struct ask asks[100];

	rig_start(rig, NULL);
	for (int i = 0; i < 100; i++) {
		ask_make(rig, &asks[i], i == 90 ? NOBODY : SENSOR, i < 99 ? MORE : 0, NULL, 0);
		ask_add(rig, &asks[i]);
	}
	for (int i = 0; i < 100; i++)
		assert_int_equal(ask_wait(rig, &asks[i]), i < 90 ? OK : ERR);
	assert_int_equal(ask_transfer(rig, SENSOR, 0, NULL, 0), OK);
	rig_stop(rig);
}

/* --- hostile requests --- */

static void a_driver_without_zero_length_requests_is_rejected(void **state)
{
	struct rig *rig = *state;
	uint64_t features;

	rig_spawn(rig, NULL);
	rig->config.features = ~(UINT64_C(1) << VIRTIO_I2C_F_ZERO_LENGTH_REQUEST | PEER_NONE);
	assert_int_equal(peer_new(&rig->config, &rig->peer), 0);
	rig_check(rig, peer_connect(rig->peer, rig->socket));
	assert_true(peer_start(rig->peer) < 0 ||
		    frontend_get_features(&rig->peer->frontend, &features) < 0);
	rig_connect((rig->config.features = 0, rig));
	assert_int_equal(ask_transfer(rig, EEPROM, 0, NULL, 0), OK);
	rig_stop(rig);
}

static void addresses_that_are_none_are_refused(void **state)
{
	struct rig *rig = *state;

	rig_start(rig, NULL);
	for (uint32_t addr = 0; addr < 0x10000; addr += addr < 0x100 ? 1 : 0x0f7) {
		bool chip = addr == EEPROM || addr == SENSOR;

		if (ask_transfer(rig, (uint16_t)addr, 0, NULL, 0) != (chip ? OK : ERR))
			fail_msg("address 0x%04x", addr);
	}
	rig_stop(rig);
}

static void reserved_flags_are_refused(void **state)
{
	struct rig *rig = *state;

	rig_start(rig, NULL);
	for (uint32_t bit = 2; bit < 32; bit++)
		assert_int_equal(ask_transfer(rig, EEPROM, UINT32_C(1) << bit, NULL, 0), ERR);
	rig_stop(rig);
}

static void messages_longer_than_the_bus_takes_are_refused(void **state)
{
	static unsigned char data[MAX_DATA];
	struct rig *rig = *state;

	rig_start(rig, NULL);
	assert_int_equal(ask_transfer(rig, SENSOR, 0, data, 8192), OK);
	assert_int_equal(ask_transfer(rig, SENSOR, READ, data, 8192), OK);
	assert_int_equal(ask_transfer(rig, SENSOR, 0, data, 8193), ERR);
	assert_int_equal(ask_transfer(rig, SENSOR, READ, data, 8193), ERR);
	rig_stop(rig);
}

static void data_in_the_wrong_direction_is_refused(void **state)
{
	struct rig *rig = *state;
	struct virtio_i2c_out_hdr hdr = {.addr = htole16(EEPROM)};
	unsigned char out[16] = {0}, in[16];

	rig_start(rig, NULL);
	/* A write with room for data, a read with data, and both. */
	for (int i = 0; i < 3; i++) {
		hdr.flags = htole32(i == 1 ? READ : 0);
		memcpy(out, &hdr, sizeof(hdr));
		in[0] = in[7] = RIG_UNTOUCHED;
		rig_ask(rig, 0, out, sizeof(hdr) + (i ? 4 : 0), in, i == 1 ? 1 : 8);
		assert_int_equal(in[i == 1 ? 0 : 7], ERR);
		assert_int_equal(in[0], i == 1 ? ERR : RIG_UNTOUCHED);
	}
	rig_stop(rig);
}

static void short_headers_are_refused(void **state)
{
	struct rig *rig = *state;
	struct virtio_i2c_out_hdr hdr = {.addr = htole16(EEPROM)};
	unsigned char in[2];

	rig_start(rig, NULL);
	for (uint32_t len = 0; len < sizeof(hdr); len++) {
		in[0] = RIG_UNTOUCHED;
		assert_int_equal(rig_ask(rig, 0, &hdr, len, in, 1), 1);
		assert_int_equal(in[0], ERR);
	}
	rig_stop(rig);
}

static void a_request_without_room_for_a_status_is_given_back(void **state)
{
	struct rig *rig = *state;
	struct virtio_i2c_out_hdr hdr = {.addr = htole16(EEPROM)};

	rig_start(rig, NULL);
	/* The good ones between them make nothing new of it. */
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(rig_ask(rig, 0, &hdr, sizeof(hdr), NULL, 0), 0);
		assert_int_equal(ask_transfer(rig, EEPROM, 0, NULL, 0), OK);
	}
	assert_int_equal(rig_ask(rig, 0, &hdr, 3, NULL, 0), 0);
	assert_int_equal(ask_transfer(rig, EEPROM, 0, NULL, 0), OK);
	rig_stop(rig);
	assert_true(rig_logged(rig, "no room for its status") >= RIG_LOG_BURST);
	assert_true(rig_logged(rig, "no room for its status") <= rig_log_limit(rig));
}

static void segments_of_one_byte_are_as_good(void **state)
{
	struct rig *rig = *state;
	struct driver_seg segs[32];
	struct ask ask;
	uint32_t n = 0;

	rig_start(rig, NULL);
	ask_write(rig, EEPROM, "\0abcdefg", 8);
	ask_write(rig, EEPROM, "\0", 1);
	ask_make(rig, &ask, EEPROM, READ, NULL, 7);
	for (uint32_t i = 0; i < ask.out.len; i++)
		segs[n++] = (struct driver_seg){.gpa = ask.out.gpa + i, .len = 1};
	for (uint32_t i = 0; i < ask.in.len; i++)
		segs[n++] = (struct driver_seg){.gpa = ask.in.gpa + i, .len = 1, .write = true};
	assert_int_equal(rig_do(rig, 0, segs, n), 8);
	assert_memory_equal(ask.in.data, "abcdefg\0", 8);
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_group_is_one_transfer),
		TEST(a_group_that_is_seen_half_is_one_transfer),
		TEST(the_rest_of_a_group_fails_with_the_first),
		TEST(the_rest_of_a_group_fails_with_a_malformed_one),
		TEST(a_group_larger_than_the_ring_arrives_in_pieces),
		TEST(a_group_that_failed_in_one_piece_fails_in_the_next),
		TEST(a_new_driver_does_not_inherit_a_failed_group),
		TEST(a_stop_loses_nothing_of_an_unfinished_group),
		TEST(a_group_may_have_more_messages_than_a_transfer),
		TEST(a_driver_without_zero_length_requests_is_rejected),
		TEST(addresses_that_are_none_are_refused),
		TEST(reserved_flags_are_refused),
		TEST(messages_longer_than_the_bus_takes_are_refused),
		TEST(data_in_the_wrong_direction_is_refused),
		TEST(short_headers_are_refused),
		TEST(a_request_without_room_for_a_status_is_given_back),
		TEST(segments_of_one_byte_are_as_good),
	};

	return cmocka_run_group_tests_name("i2c-requests", tests, NULL, NULL);
}
