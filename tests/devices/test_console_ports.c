/* SPDX-License-Identifier: MIT */
/* vu-console's data: flow control in both directions, stops, and clients that come and go. */
#include "console.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

const char *const rig_program = "VU_CONSOLE";

enum { CHUNK = 32768, MANY = 64, MUCH = CHUNK * MANY };

static const char *const name[] = {"data"};

/* A console that echoes, and port 1, "data", on a socket: its path. */
static const char *start_socket(struct rig *rig)
{
	const char *path = rig_file(rig, "client", NULL);
	static char option[RIG_PATH + 16];

	snprintf(option, sizeof(option), "--port=data=socket:%s", path);
	console_start(rig, 2, (const char *const[]){option, NULL});
	return path;
}

/* The same, with a client, and opened by the driver. */
static int start_client(struct rig *rig)
{
	int fd = client_connect(start_socket(rig));

	console_begin(rig, 2, name, 3);
	return fd;
}

static void make_much(unsigned char **sent, unsigned char **got)
{
	*sent = malloc(MUCH);
	*got = malloc(MUCH);
	fill(*sent, MUCH, 1);
}

static void compare_much(unsigned char *sent, unsigned char *got)
{
	assert_memory_equal(sent, got, MUCH);
	free(sent);
	free(got);
}

static void echo(struct rig *rig)
{
	unsigned char sent[5000], got[sizeof(sent)];

	console_start(rig, 2, (const char *const[]){"--port=data=echo", NULL});
	console_begin(rig, 2, name, 3);
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t port = i % 2, len = 1 + i * 37 % (uint32_t)sizeof(sent);

		fill(sent, len, i);
		console_write(rig, port, sent, len);
		console_read(rig, port, got, len);
		assert_memory_equal(sent, got, len);
	}
	rig_stop(rig);
}

static void an_echo_gives_back_what_the_guest_wrote(void **state)
{
	echo(*state);
}

static void an_echo_gives_it_back_on_packed_rings_too(void **state)
{
	((struct rig *)*state)->config.packed = true;
	echo(*state);
}

static void an_echo_gives_it_back_to_a_legacy_driver_too(void **state)
{
	((struct rig *)*state)->config.features = UINT32_MAX;
	echo(*state);
}

static void a_full_echo_leaves_output_in_the_ring(void **state)
{
	struct rig *rig = *state;
	struct chunk chunks[MANY];
	unsigned char *sent, *got;

	make_much(&sent, &got);
	console_start(rig, 1, NULL);
	console_begin(rig, 1, NULL, 1);
	for (uint32_t i = 0; i < MANY; i++)
		console_offer_output(rig, 0, &chunks[i], sent + i * CHUNK, CHUNK);
	for (uint32_t i = 0; i < 2; i++) /* it holds 64 KiB */
		assert_ptr_equal(rig_wait(rig, tx_of(0), NULL), &chunks[i]);
	rig_expect_nothing(rig, tx_of(0));
	console_read(rig, 0, got, MUCH);
	for (uint32_t i = 2; i < MANY; i++)
		assert_ptr_equal(rig_wait(rig, tx_of(0), NULL), &chunks[i]);
	compare_much(sent, got);
	rig_stop(rig);
}

/* Send until the socket takes no more: how many bytes. */
static size_t stuff(int fd, const unsigned char *data, size_t len)
{
	size_t at = 0;
	ssize_t n;

	while (at < len && (n = send(fd, data + at, len - at, MSG_DONTWAIT)) > 0)
		at += (size_t)n;
	assert_true(at < len && errno == EAGAIN);
	return at;
}

static void a_client_is_not_read_until_the_guest_has_buffers(void **state)
{
	struct rig *rig = *state;
	int fd = start_client(rig);
	unsigned char *sent, *got;
	struct chunk chunk;
	size_t first;

	make_much(&sent, &got);
	first = stuff(fd, sent, MUCH);
	console_offer_input(rig, 1, &chunk, 10); /* makes room for no more than that */
	assert_int_equal(console_wait_input(rig, 1, &chunk), 10);
	memcpy(got, chunk.buffer.data, 10);
	console_read(rig, 1, got + 10, (uint32_t)first - 10);
	rig_expect_nothing(rig, rx_of(1));
	assert_memory_equal(sent, got, first);
	while (first < MUCH) {
		size_t len = MUCH - first < CHUNK ? MUCH - first : CHUNK;

		client_write(fd, sent + first, len);
		console_read(rig, 1, got + first, (uint32_t)len);
		first += len;
	}
	compare_much(sent, got);
	close(fd);
	rig_stop(rig);
}

static void a_client_is_not_read_until_the_guest_opens_the_port(void **state)
{
	struct rig *rig = *state;
	int fd = start_client(rig);
	struct chunk chunk;

	console_tell(rig, 1, OPEN, 0);
	console_offer_input(rig, 1, &chunk, 100);
	client_write(fd, "hello", 5);
	rig_expect_nothing(rig, rx_of(1));
	console_tell(rig, 1, OPEN, 1);
	assert_int_equal(console_wait_input(rig, 1, &chunk), 5);
	close(fd);
	rig_stop(rig);
}

static void a_client_that_does_not_read_leaves_output_in_the_ring(void **state)
{
	struct rig *rig = *state;
	int fd = start_client(rig);
	struct chunk chunks[MANY];
	unsigned char *sent, *got;

	make_much(&sent, &got);
	for (uint32_t i = 0; i < MANY; i++)
		console_offer_output(rig, 1, &chunks[i], sent + i * CHUNK, CHUNK);
	assert_ptr_equal(rig_wait(rig, tx_of(1), NULL), &chunks[0]);
	/* Other ports go on. */
	console_write(rig, 0, "hello", 5);
	console_expect(rig, 0, "hello");
	client_read(fd, got, MUCH);
	for (uint32_t i = 1; i < MANY; i++)
		assert_ptr_equal(rig_wait(rig, tx_of(1), NULL), &chunks[i]);
	compare_much(sent, got);
	close(fd);
	rig_stop(rig);
}

static void start_again(struct rig *rig)
{
	for (uint32_t i = 0; i < rig->peer->n_queues; i++)
		rig_check(rig, peer_start_queue(rig->peer, i));
	for (uint32_t i = 0; i < rig->peer->n_queues; i++)
		rig_check(rig, frontend_set_vring_enable(&rig->peer->frontend, i, 1));
}

static void stopping_waits_for_nobody_and_nothing_is_lost_or_twice(void **state)
{
	struct rig *rig = *state;
	int fd = start_client(rig);
	struct chunk chunks[MANY], input[8];
	unsigned char *sent, *got;

	make_much(&sent, &got);
	for (uint32_t i = 0; i < MANY; i++)
		console_offer_output(rig, 1, &chunks[i], sent + i * CHUNK, CHUNK);
	for (uint32_t i = 0; i < 8; i++)
		console_offer_input(rig, 1, &input[i], 100);
	for (uint32_t at = 0; at < MUCH; at += MUCH / 4) {
		/* Somewhere in the middle of a buffer. */
		rig_check(rig, peer_stop(rig->peer));
		client_write(fd, "x", 1);
		client_read(fd, got + at, 12345);
		start_again(rig);
		client_read(fd, got + at + 12345, MUCH / 4 - 12345);
	}
	for (uint32_t i = 0; i < MANY; i++)
		assert_ptr_equal(rig_wait(rig, tx_of(1), NULL), &chunks[i]);
	for (uint32_t i = 0, n = 0; n < 4; i++) {
		uint32_t len = console_wait_input(rig, 1, &input[i]);

		assert_true(len > 0);
		n += len;
	}
	rig_expect_nothing(rig, rx_of(1));
	compare_much(sent, got);
	close(fd);
	rig_stop(rig);
}

static void the_program_ends_while_both_sides_are_full(void **state)
{
	struct rig *rig = *state;
	int fd = start_client(rig);
	struct chunk chunks[MANY];
	unsigned char *sent, *got;

	make_much(&sent, &got);
	stuff(fd, sent, MUCH);
	for (uint32_t i = 0; i < MANY; i++)
		console_offer_output(rig, 1, &chunks[i], sent + i * CHUNK, CHUNK);
	free(sent);
	free(got);
	rig_stop(rig);
	close(fd);
}

static void clients_come_and_go_and_the_guest_is_told(void **state)
{
	struct rig *rig = *state;
	const char *path = start_socket(rig);

	console_begin(rig, 2, name, 1);
	for (int i = 0; i < 5; i++) {
		int fd = client_connect(path);

		console_hear(rig, 1, OPEN, 1);
		client_write(fd, "ping", 4);
		console_expect(rig, 1, "ping");
		console_write(rig, 1, "pong", 4);
		client_expect(fd, "pong");
		close(fd);
		console_hear(rig, 1, OPEN, 0);
		console_write(rig, 1, "nobody is there", 15);
	}
	console_hear_nothing(rig);
	rig_stop(rig);
}

static void the_second_client_waits_for_the_first_to_go(void **state)
{
	struct rig *rig = *state;
	const char *path = start_socket(rig);
	int first = client_connect(path), second = client_connect(path);

	console_begin(rig, 2, name, 3);
	client_write(second, "second", 6);
	client_write(first, "first", 5);
	console_expect(rig, 1, "first");
	console_write(rig, 1, "you?", 4);
	client_expect(first, "you?");
	close(first);
	console_hear(rig, 1, OPEN, 0);
	console_hear(rig, 1, OPEN, 1);
	console_expect(rig, 1, "second");
	console_write(rig, 1, "you!", 4);
	client_expect(second, "you!");
	close(second);
	rig_stop(rig);
}

static void what_a_client_left_is_read_before_its_end_is_told(void **state)
{
	struct rig *rig = *state;
	int fd = start_client(rig);
	unsigned char sent[50000], got[sizeof(sent)];
	struct rig_buffer message;
	struct driver_seg seg;

	fill(sent, sizeof(sent), 3);
	client_write(fd, sent, sizeof(sent));
	close(fd);
	rig_buffer(rig, &message, CONTROL_ROOM);
	seg = rig_write_seg(&message, message.len);
	rig_offer(rig, CONTROL_RX, &seg, 1, rig);
	rig_expect_nothing(rig, CONTROL_RX);
	/* Nobody gets it, but it must not stand in the way. */
	console_write(rig, 1, "too late", 8);
	console_read(rig, 1, got, sizeof(got));
	assert_memory_equal(sent, got, sizeof(got));
	assert_ptr_equal(rig_wait(rig, CONTROL_RX, NULL), rig);
	assert_memory_equal(message.data, "\1\0\0\0\6\0\0\0", CONTROL_SIZE); /* OPEN 0 */
	rig_stop(rig);
}

static void a_client_gone_that_nobody_reads_makes_way(void **state)
{
	struct rig *rig = *state;
	const char *path = start_socket(rig);
	int fd = client_connect(path);

	console_begin(rig, 2, name, 3);
	console_tell(rig, 1, OPEN, 0);
	client_write(fd, "never read", 10);
	close(fd);
	fd = client_connect(path);
	client_write(fd, "read", 4);
	console_hear(rig, 1, OPEN, 0);
	console_hear(rig, 1, OPEN, 1);
	console_write(rig, 1, "welcome", 7);
	client_expect(fd, "welcome");
	console_tell(rig, 1, OPEN, 1);
	console_expect(rig, 1, "read");
	close(fd);
	rig_stop(rig);
}

static void a_client_that_has_said_everything_still_listens(void **state)
{
	struct rig *rig = *state;
	int fd = start_client(rig);

	client_write(fd, "question", 8);
	assert_return_code(shutdown(fd, SHUT_WR), errno);
	console_expect(rig, 1, "question");
	console_write(rig, 1, "answer", 6);
	client_expect(fd, "answer");
	close(fd);
	console_hear(rig, 1, OPEN, 0);
	rig_stop(rig);
}

static void a_port_can_be_closed_and_opened_by_the_script(void **state)
{
	struct rig *rig = *state;
	int fd = start_client(rig);

	rig_say(rig, "close data");
	console_hear(rig, 1, OPEN, 0);
	client_write(fd, "kept", 4);
	console_write(rig, 1, "lost", 4);
	rig_say(rig, "open data");
	console_hear(rig, 1, OPEN, 1);
	console_expect(rig, 1, "kept");
	console_write(rig, 1, "sent", 4);
	client_expect(fd, "sent");
	close(fd);
	rig_stop(rig);
}

static void buffers_in_the_wrong_direction_are_given_back(void **state)
{
	struct rig *rig = *state;
	int fd = start_client(rig);
	char bytes[16];

	client_write(fd, "hello", 5);
	assert_int_equal(rig_ask(rig, rx_of(1), "12345678", 8, NULL, 0), 0);
	assert_int_equal(rig_ask(rig, rx_of(1), "12345678", 8, bytes, sizeof(bytes)), 5);
	assert_memory_equal(bytes, "hello", 5);
	assert_int_equal(rig_ask(rig, tx_of(1), NULL, 0, bytes, sizeof(bytes)), 0);
	assert_int_equal(rig_ask(rig, tx_of(1), "world", 5, bytes, sizeof(bytes)), 0);
	client_expect(fd, "world");
	close(fd);
	rig_stop(rig);
}

static void queues_of_ports_that_are_not_there_are_left_alone(void **state)
{
	struct rig *rig = *state;
	struct chunk in, out;

	console_start(rig, 4, (const char *const[]){"--max-ports=4", NULL});
	console_begin(rig, 1, NULL, 1);
	console_offer_input(rig, 3, &in, 100);
	console_offer_output(rig, 3, &out, "hello", 5);
	rig_expect_nothing(rig, rx_of(3));
	rig_expect_nothing(rig, tx_of(3));
	rig_stop(rig);
}

/* Read up to the end of what is wanted: how many bytes of something else came before it. */
static size_t read_up_to(int fd, unsigned char *got, size_t size, const unsigned char *want,
			 size_t len)
{
	for (size_t n = 0; n < size;) {
		ssize_t part = client_read_some(fd, got + n, size - n);

		assert_true(part > 0);
		n += (size_t)part;
		if (n >= len && !memcmp(got + n - len, want, len))
			return n - len;
	}
	fail_msg("what was wanted did not come");
	return 0;
}

static void a_driver_that_begins_anew_does_not_inherit_half_a_buffer(void **state)
{
	struct rig *rig = *state;
	int fd = start_client(rig);
	unsigned char *sent = malloc(MUCH), *again = malloc(MUCH), *got = malloc(2 * MUCH);
	struct driver_seg seg;
	struct chunk chunk;
	size_t old;

	fill(sent, MUCH, 1);
	fill(again, MUCH, 2);
	console_offer_output(rig, 1, &chunk, sent, MUCH);
	rig_expect_nothing(rig, tx_of(1)); /* what fits into a socket is written */
	rig_check(rig, peer_stop(rig->peer));
	for (uint32_t i = 0; i < rig->peer->n_queues; i++)
		driver_reset(rig->peer->queues[i]);
	start_again(rig);
	console_begin(rig, 2, name, 3);
	/* Its first output has the same place and length. */
	memcpy(chunk.buffer.data, again, MUCH);
	seg = rig_read_seg(&chunk.buffer, MUCH);
	rig_offer(rig, tx_of(1), &seg, 1, &chunk);
	old = read_up_to(fd, got, 2 * MUCH, again, MUCH);
	assert_true(old > 0 && old < MUCH);
	assert_memory_equal(got, sent, old);
	assert_ptr_equal(rig_wait(rig, tx_of(1), NULL), &chunk);
	free(sent);
	free(again);
	free(got);
	close(fd);
	rig_stop(rig);
}

static void another_driver_does_not_inherit_half_a_buffer(void **state)
{
	struct rig *rig = *state;
	const char *path = start_socket(rig);
	int fd = client_connect(path);
	struct chunk chunks[MANY], chunk;
	unsigned char *sent, *got, tail[CHUNK];
	size_t old;

	make_much(&sent, &got);
	console_begin(rig, 2, name, 3);
	for (uint32_t i = 0; i < MANY; i++)
		console_offer_output(rig, 1, &chunks[i], sent + i * CHUNK, CHUNK);
	assert_ptr_equal(rig_wait(rig, tx_of(1), NULL), &chunks[0]);
	rig_connect(rig);
	/* What the one before got rid of is still to be read, and then all of the new one. */
	console_begin(rig, 2, name, 3);
	fill(tail, sizeof(tail), 99);
	console_offer_output(rig, 1, &chunk, tail, sizeof(tail));
	old = read_up_to(fd, got, MUCH, tail, CHUNK);
	assert_memory_equal(sent, got, old);
	assert_ptr_equal(rig_wait(rig, tx_of(1), NULL), &chunk);
	free(sent);
	free(got);
	close(fd);
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_echo_gives_back_what_the_guest_wrote),
		TEST(an_echo_gives_it_back_on_packed_rings_too),
		TEST(an_echo_gives_it_back_to_a_legacy_driver_too),
		TEST(a_full_echo_leaves_output_in_the_ring),
		TEST(a_client_is_not_read_until_the_guest_has_buffers),
		TEST(a_client_is_not_read_until_the_guest_opens_the_port),
		TEST(a_client_that_does_not_read_leaves_output_in_the_ring),
		TEST(stopping_waits_for_nobody_and_nothing_is_lost_or_twice),
		TEST(the_program_ends_while_both_sides_are_full),
		TEST(clients_come_and_go_and_the_guest_is_told),
		TEST(the_second_client_waits_for_the_first_to_go),
		TEST(what_a_client_left_is_read_before_its_end_is_told),
		TEST(a_client_gone_that_nobody_reads_makes_way),
		TEST(a_client_that_has_said_everything_still_listens),
		TEST(a_port_can_be_closed_and_opened_by_the_script),
		TEST(buffers_in_the_wrong_direction_are_given_back),
		TEST(queues_of_ports_that_are_not_there_are_left_alone),
		TEST(a_driver_that_begins_anew_does_not_inherit_half_a_buffer),
		TEST(another_driver_does_not_inherit_half_a_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
