/* SPDX-License-Identifier: MIT */
/* vu-vsock and guests that do what none should, hosts that do not read, and ends of sessions. */
#include "vsock_bench.h"

#include <sys/socket.h>
#include <unistd.h>

const char *const rig_program = "VU_VSOCK";

enum { SMALL = 64 << 10 };

/* With buffers of 64 KiB, and one more option or NULL. */
static void small_start(struct rig *rig, struct bench *b, int type, const char *more)
{
	const char *const args[] = {"--buffer-size=64K", more, NULL};

	bench_start(rig, b, type, args);
}

static struct virtio_vsock_hdr header_of(const struct line *line, uint16_t op)
{
	return (struct virtio_vsock_hdr){
		.src_cid = htole64(GUEST_CID),
		.dst_cid = htole64(line->peer_cid),
		.src_port = htole32(line->port),
		.dst_port = htole32(line->peer_port),
		.type = htole16(line->type),
		.op = htole16(op),
		.buf_alloc = htole32(line->buf_alloc),
		.fwd_cnt = htole32(line->fwd_cnt),
	};
}

static void what_cannot_be_is_answered_with_a_reset_and_a_reset_is_not(void **state)
{
	struct rig *rig = *state;
	struct line strange;
	struct virtio_vsock_hdr h;
	struct bench b;

	small_start(rig, &b, SOCK_STREAM, NULL);
	strange = line_new(&b.guest, STREAM, 1, 2);
	for (uint16_t op = 0; op < 12; op++) {
		if (op == RST)
			continue;
		line_send(&strange, op, 0);
		line_get(&strange, RST);
	}
	/* Types that there are not. */
	for (uint16_t type = 0; type < 5; type++) {
		strange.type = type == STREAM ? 65535 : type == SEQPACKET ? 256 : type;
		line_expect_refused(&strange);
		line_send(&strange, RST, 0);
	}
	/* A packet with more bytes than it has, or that has none to have. */
	strange.type = STREAM;
	h = header_of(&strange, RW);
	h.len = htole32(5);
	vsock_send_raw(&b.guest, &h, "four", 4);
	line_get(&strange, RST);
	h = header_of(&strange, REQUEST);
	h.len = htole32(4);
	vsock_send_raw(&b.guest, &h, "four", 4);
	line_get(&strange, RST);
	bench_check(&b);
	bench_stop(rig, &b);
}

static void packets_in_another_guests_name_are_dropped(void **state)
{
	static const uint64_t names[] = {0, 1, 2, 4, UINT64_C(1) << 32 | 3, UINT64_MAX};
	struct rig *rig = *state;
	struct bench b;

	small_start(rig, &b, SOCK_STREAM, NULL);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct virtio_vsock_hdr h = header_of(&b.line, RST);

		h.src_cid = htole64(names[i]);
		vsock_send_raw(&b.guest, &h, NULL, 0);
	}
	vsock_get_nothing(&b.guest);
	line_write(&b.line, "alive", 5, 0);
	client_expect(b.host, "alive");
	bench_stop(rig, &b);
	assert_int_equal(rig_logged(rig, "a packet says that it is from"), 6);
}

static void what_is_shorter_than_a_header_is_dropped(void **state)
{
	struct rig *rig = *state;
	char bytes[VSOCK_HEAD] = "", in[8];
	struct bench b;

	small_start(rig, &b, SOCK_STREAM, NULL);
	for (uint32_t len = 1; len < VSOCK_HEAD; len++)
		assert_int_equal(rig_ask(rig, VSOCK_TX, bytes, len, NULL, 0), 0);
	assert_int_equal(rig_ask(rig, VSOCK_TX, NULL, 0, in, sizeof(in)), 0);
	vsock_get_nothing(&b.guest);
	bench_check(&b);
	bench_stop(rig, &b);
}

static void receive_buffers_of_no_use_come_back_empty(void **state)
{
	struct rig *rig = *state;
	struct bench b;
	char in[VSOCK_HEAD];

	small_start(rig, &b, SOCK_STREAM, NULL);
	/* The good ones are used first; one was, for RESPONSE. */
	line_use_up(&b.line, VSOCK_BUFFERS - 1);
	line_send(&b.line, CREDIT_REQUEST, 0);
	assert_int_equal(rig_ask(rig, VSOCK_RX, NULL, 0, in, VSOCK_HEAD), 0);
	assert_int_equal(rig_ask(rig, VSOCK_RX, NULL, 0, in, 1), 0);
	assert_int_equal(rig_ask(rig, VSOCK_RX, "x", 1, NULL, 0), 0);
	vsock_give(&b.guest, 1);
	line_get(&b.line, CREDIT_UPDATE);
	bench_stop(rig, &b);
}

static void packets_of_a_connection_at_the_wrong_time_end_it(void **state)
{
	static const struct {
		uint16_t op;
		uint32_t flags;
		uint16_t type;
	} wrong[] = {
		{RESPONSE, 0, STREAM}, {0, 0, STREAM},		 {99, 0, STREAM},
		{RW, 0, SEQPACKET},    {SHUTDOWN, 3, SEQPACKET}, {CREDIT_UPDATE, 0, 7},
	};
	struct rig *rig = *state;
	struct bench b;

	small_start(rig, &b, SOCK_STREAM, NULL);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct line line, bad;
		int host = bench_connect(&b, &line, 6000);

		bad = line;
		bad.type = wrong[i].type;
		line_send(&bad, wrong[i].op, wrong[i].flags);
		line_get(&line, RST);
		client_expect_end(host);
		close(host);
	}
	bench_check(&b);
	bench_stop(rig, &b);
}

static void data_after_its_own_end_ends_the_connection(void **state)
{
	struct rig *rig = *state;
	struct bench b;

	small_start(rig, &b, SOCK_STREAM, NULL);
	line_send(&b.line, SHUTDOWN, NO_SEND);
	line_write(&b.line, "more", 4, 0);
	line_get(&b.line, RST);
	bench_check(&b);
	bench_stop(rig, &b);
}

/*
 * Fill all that there is between guest and host, as far as credit goes.  Each packet's bytes are
 * told of, and what is asked for comes, too: once or, if it was owed already, once less.
 */
static void fill_up(struct line *line)
{
	static unsigned char data[1024];
	uint32_t left;

	while ((left = line->peer_alloc - (line->tx_cnt - line->peer_fwd))) {
		line_write(line, data, left < sizeof(data) ? left : sizeof(data), 0);
		line_send(line, CREDIT_REQUEST, 0);
		do
			line_get(line, CREDIT_UPDATE);
		while (driver_has_used(line->guest->rig->peer->queues[VSOCK_RX]));
	}
}

static void a_guest_that_ignores_its_credit_is_reset_and_costs_no_memory(void **state)
{
	struct rig *rig = *state;
	struct bench b;
	const char *said;

	small_start(rig, &b, SOCK_STREAM, NULL);
	fill_up(&b.line);
	said = rig_say(rig, "list");
	assert_non_null(strstr(said, " held 65536"));
	vsock_get_nothing(&b.guest);
	line_write(&b.line, "x", 1, 0);
	line_get(&b.line, RST);
	assert_string_equal(rig_say(rig, "list"), "");
	bench_stop(rig, &b);
	assert_int_equal(rig_logged(rig, "it ignores its credit"), 1);
}

static void a_host_that_does_not_read_stops_nobody_else(void **state)
{
	struct rig *rig = *state;
	struct bench b;
	char data[SMALL];

	small_start(rig, &b, SOCK_STREAM, NULL);
	fill_up(&b.line);
	for (int i = 0; i < 20; i++)
		bench_check(&b);
	/* It reads at last: everything is there, and there is credit again. */
	for (uint32_t at = 0; at < b.line.tx_cnt;) {
		ssize_t n = client_read_some(b.host, data, sizeof(data));

		assert_true(n > 0);
		at += (uint32_t)n;
	}
	while (b.line.peer_fwd != b.line.tx_cnt) {
		line_send(&b.line, CREDIT_REQUEST, 0);
		line_get(&b.line, CREDIT_UPDATE);
	}
	bench_stop(rig, &b);
}

static void what_a_guest_left_for_a_reader_who_takes_nothing_is_given_up(void **state)
{
	struct rig *rig = *state;
	struct bench b;

	small_start(rig, &b, SOCK_STREAM, "--linger=1");
	fill_up(&b.line);
	line_send(&b.line, SHUTDOWN, BOTH);
	line_get(&b.line, RST);
	assert_non_null(strstr(rig_say(rig, "list"), " draining "));
	while (strstr(rig_say(rig, "list"), " draining "))
		usleep(10000);
	bench_check(&b);
	bench_stop(rig, &b);
	assert_int_equal(rig_logged(rig, "nobody reads what it has sent"), 1);
}

static void messages_of_nothing_cost_no_memory(void **state)
{
	struct rig *rig = *state;
	struct bench b;
	bool reset = false;

	small_start(rig, &b, SOCK_SEQPACKET, NULL);
	for (int i = 0; i < 100000 && !reset; i++) {
		line_write(&b.line, "", 0, EOM);
		reset = driver_has_used(rig->peer->queues[VSOCK_RX]);
	}
	assert_true(reset);
	line_get(&b.line, RST);
	bench_check(&b);
	bench_stop(rig, &b);
}

static void a_message_larger_than_the_window_is_a_reset(void **state)
{
	struct rig *rig = *state;
	struct bench b;
	char data[1024] = "";

	small_start(rig, &b, SOCK_SEQPACKET, NULL);
	for (int i = 0; i < 64; i++)
		line_write(&b.line, data, sizeof(data), 0);
	line_write(&b.line, data, 1, EOM);
	line_get(&b.line, RST);
	bench_check(&b);
	bench_stop(rig, &b);
}

static void half_a_message_at_the_end_holds_nothing_up(void **state)
{
	struct rig *rig = *state;
	struct bench b;
	struct line line;
	int host;

	small_start(rig, &b, SOCK_SEQPACKET, NULL);
	host = bench_connect(&b, &line, 6000);
	line_write(&line, "ha", 2, 0);
	line_send(&line, SHUTDOWN, BOTH);
	line_get(&line, RST);
	client_expect_end(host);
	close(host);
	line_write(&b.line, "whole", 5, EOM);
	line_write(&b.line, "ha", 2, 0);
	peer_disconnect(rig->peer);
	client_expect(b.host, "whole");
	client_expect_end(b.host);
	assert_string_equal(rig_say(rig, "list"), "");
	bench_stop(rig, &b);
}

static void there_are_as_many_connections_as_was_said(void **state)
{
	struct rig *rig = *state;
	struct line line;
	struct bench b;
	int hosts[3];

	small_start(rig, &b, SOCK_STREAM, "--max-connections=4");
	for (uint32_t i = 0; i < 3; i++) {
		hosts[i] = bench_connect(&b, &line, 6000 + i);
	}
	for (uint32_t i = 0; i < 100; i++) {
		line = line_new(&b.guest, STREAM, 8000 + i, 1000);
		line_expect_refused(&line);
	}
	close(hosts[0]);
	line = line_new(&b.guest, STREAM, 6000, 1000);
	line_get_shutdown(&line, BOTH);
	line_send(&line, RST, 0);
	bench_check(&b);
	close(hosts[1]);
	close(hosts[2]);
	bench_stop(rig, &b);
	assert_true(rig_logged(rig, "refused: there are 4 connections") > 0);
}

static void buffers_are_counted_together(void **state)
{
	struct rig *rig = *state;
	struct line line;
	struct bench b;
	int host;

	small_start(rig, &b, SOCK_STREAM, "--max-buffered=128K");
	host = bench_connect(&b, &line, 6000);
	line = line_new(&b.guest, STREAM, 6001, 1000);
	line_expect_refused(&line);
	close(host);
	bench_stop(rig, &b);
	assert_int_equal(rig_logged(rig, "--max-buffered"), 1);
}

/* Packets that each want an RST, and no buffers for it: they stay in the ring at some point. */
static void answers_without_buffers_stop_the_guest_and_nothing_is_lost(void **state)
{
	enum { PACKETS = 1000 };
	struct rig *rig = *state;
	struct rig_buffer packet;
	struct guest_end guest;
	uint32_t sent = 0, done = 0;

	vsock_spawn(rig, NULL);
	rig_connect(rig);
	vsock_begin_empty(rig, &guest, GUEST_CID);
	rig_buffer(rig, &packet, VSOCK_HEAD);
	for (int had = 0; done < PACKETS;) {
		const struct line line = line_new(&guest, STREAM, 1, 1);
		const struct virtio_vsock_hdr h = header_of(&line, RW);
		const struct driver_seg seg = rig_read_seg(&packet, VSOCK_HEAD);
		struct driver_ring *tx = rig->peer->queues[VSOCK_TX];
		struct driver_used used;

		memcpy(packet.data, &h, sizeof(h));
		while (sent < PACKETS && driver_add(tx, &seg, 1, NULL) >= 0)
			sent++;
		assert_true(driver_kick(tx) >= 0);
		while (driver_collect(tx, &used, 1) == 1)
			continue;
		if (!had++)
			vsock_give(&guest, VSOCK_BUFFERS);
		assert_int_equal(le16toh(vsock_get(&guest).header.op), RST);
		done++;
	}
	vsock_get_nothing(&guest);
	rig_stop(rig);
}

static void the_end_of_a_session_ends_its_connections(void **state)
{
	struct rig *rig = *state;
	struct bench b;

	small_start(rig, &b, SOCK_STREAM, NULL);
	line_write(&b.line, "last", 4, 0);
	peer_disconnect(rig->peer);
	client_expect(b.host, "last");
	client_expect_end(b.host);
	rig_connect(rig);
	vsock_begin(rig, &b.guest, GUEST_CID);
	/* What the driver believes to have is not there. */
	line_write(&b.line, "x", 1, 0);
	line_get(&b.line, RST);
	bench_check(&b);
	bench_stop(rig, &b);
}

static void a_driver_is_told_once_that_what_was_before_is_forgotten(void **state)
{
	struct rig *rig = *state;
	struct guest_end guest;
	uint32_t id = 77;

	vsock_start(rig, &guest, NULL);
	for (int i = 0; i < 2; i++) {
		struct rig_buffer buffer;
		struct driver_seg seg;

		assert_int_equal(rig_ask(rig, VSOCK_EVENTS, NULL, 0, &id, sizeof(id)), sizeof(id));
		assert_int_equal(id, 0);
		rig_buffer(rig, &buffer, sizeof(id));
		seg = rig_write_seg(&buffer, sizeof(id));
		rig_offer(rig, VSOCK_EVENTS, &seg, 1, rig);
		rig_expect_nothing(rig, VSOCK_EVENTS);
		rig_connect(rig);
		vsock_begin(rig, &guest, GUEST_CID);
	}
	rig_stop(rig);
}

/* Linux resets all that it has when it hears that, also what it has just begun. */
static void a_driver_that_connects_already_is_told_no_more(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer buffer;
	struct driver_seg seg;
	struct bench b;

	small_start(rig, &b, SOCK_STREAM, NULL);
	rig_buffer(rig, &buffer, sizeof(uint32_t));
	seg = rig_write_seg(&buffer, sizeof(uint32_t));
	rig_offer(rig, VSOCK_EVENTS, &seg, 1, rig);
	rig_expect_nothing(rig, VSOCK_EVENTS);
	bench_stop(rig, &b);
}

static void after_a_pause_connections_go_on_if_the_driver_still_knows_them(void **state)
{
	struct rig *rig = *state;
	struct bench b;
	struct line other;
	int host;

	small_start(rig, &b, SOCK_STREAM, NULL);
	host = bench_connect(&b, &other, 5001);
	rig_check(rig, peer_stop(rig->peer));
	client_write(b.host, "meanwhile", 9);
	for (uint32_t i = 0; i < VSOCK_QUEUES; i++)
		rig_check(rig, peer_start_queue(rig->peer, i));
	for (uint32_t i = 0; i < VSOCK_QUEUES; i++)
		rig_check(rig, frontend_set_vring_enable(&rig->peer->frontend, i, true));
	/* Each is asked; one of them the driver does not know. */
	for (int asked = 0; asked < 2;) {
		struct got got = vsock_get(&b.guest);

		if (le16toh(got.header.op) != CREDIT_REQUEST)
			continue;
		asked++;
		line_send(le32toh(got.header.dst_port) == other.port ? &other : &b.line,
			  le32toh(got.header.dst_port) == other.port ? RST : CREDIT_UPDATE, 0);
	}
	client_expect_end(host);
	line_write(&b.line, "goes on", 7, 0);
	client_expect(b.host, "goes on");
	close(host);
	bench_stop(rig, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_cannot_be_is_answered_with_a_reset_and_a_reset_is_not),
		TEST(packets_in_another_guests_name_are_dropped),
		TEST(what_is_shorter_than_a_header_is_dropped),
		TEST(receive_buffers_of_no_use_come_back_empty),
		TEST(packets_of_a_connection_at_the_wrong_time_end_it),
		TEST(data_after_its_own_end_ends_the_connection),
		TEST(a_guest_that_ignores_its_credit_is_reset_and_costs_no_memory),
		TEST(a_host_that_does_not_read_stops_nobody_else),
		TEST(what_a_guest_left_for_a_reader_who_takes_nothing_is_given_up),
		TEST(messages_of_nothing_cost_no_memory),
		TEST(a_message_larger_than_the_window_is_a_reset),
		TEST(half_a_message_at_the_end_holds_nothing_up),
		TEST(there_are_as_many_connections_as_was_said),
		TEST(buffers_are_counted_together),
		TEST(answers_without_buffers_stop_the_guest_and_nothing_is_lost),
		TEST(the_end_of_a_session_ends_its_connections),
		TEST(a_driver_is_told_once_that_what_was_before_is_forgotten),
		TEST(a_driver_that_connects_already_is_told_no_more),
		TEST(after_a_pause_connections_go_on_if_the_driver_still_knows_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
