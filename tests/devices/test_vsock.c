/* SPDX-License-Identifier: MIT */
/* vu-vsock's connections with sockets of the host: how they begin, carry bytes, and end. */
#include "vsock_bench.h"

#include <sys/socket.h>
#include <unistd.h>

const char *const rig_program = "VU_VSOCK";

static void the_guest_learns_its_address_and_three_features(void **state)
{
	struct rig *rig = *state;
	struct guest_end guest;
	uint64_t cid, features;
	const char *const args[] = {"--guest-cid=77", NULL};

	vsock_spawn(rig, args);
	rig_connect(rig);
	rig_get_config(rig, 0, &cid, sizeof(cid));
	assert_int_equal(le64toh(cid), 77);
	rig_check(rig, frontend_get_features(&rig->peer->frontend, &features));
	assert_int_equal(features & 7, 7);
	vsock_begin(rig, &guest, 77);
	vsock_get_nothing(&guest);
	rig_stop(rig);
}

static void bytes_go_both_ways_and_credit_says_how_many_went_on(void **state)
{
	struct rig *rig = *state;
	struct bench b;

	bench_start(rig, &b, SOCK_STREAM, NULL);
	assert_int_equal(b.line.peer_alloc, 256 << 10);
	line_write(&b.line, "hello", 5, 0);
	client_expect(b.host, "hello");
	client_write(b.host, "how are you", 11);
	line_expect(&b.line, "how are you");
	assert_int_equal(b.line.peer_fwd, 5);
	/* Asked for, it comes at once. */
	line_send(&b.line, CREDIT_REQUEST, 0);
	line_get(&b.line, CREDIT_UPDATE);
	assert_int_equal(b.line.peer_fwd, 5);
	bench_stop(rig, &b);
}

/* Since 2026 Linux sends no more before it hears of it than its own buffer holds. */
static void a_guest_with_a_small_buffer_hears_of_what_went_on_in_time(void **state)
{
	static char data[8192];
	struct rig *rig = *state;
	struct bench b;

	bench_listen(rig, &b, SOCK_STREAM, NULL);
	b.line.buf_alloc = sizeof(data);
	line_connect(&b.line);
	b.host = client_accept(b.listener);
	line_write(&b.line, data, sizeof(data), 0);
	line_get(&b.line, CREDIT_UPDATE);
	assert_int_equal(b.line.peer_fwd, sizeof(data));
	/* With a larger one that can wait, until it is made small again. */
	b.line.buf_alloc = 256 << 10;
	line_write(&b.line, data, sizeof(data), 0);
	vsock_get_nothing(&b.guest);
	b.line.buf_alloc = sizeof(data);
	line_send(&b.line, CREDIT_UPDATE, 0);
	line_get(&b.line, CREDIT_UPDATE);
	assert_int_equal(b.line.peer_fwd, 2 * sizeof(data));
	for (int i = 0; i < 2; i++)
		client_read(b.host, data, sizeof(data));
	bench_stop(rig, &b);
}

static void a_packet_may_be_cut_anywhere(void **state)
{
	/* The last is more than are passed on as they are. */
	static const uint32_t pieces[] = {1, 2, 3, 7, 60, 200};
	struct rig *rig = *state;
	unsigned char data[VSOCK_LARGEST], got[VSOCK_LARGEST];
	struct bench b;

	bench_start(rig, &b, SOCK_STREAM, NULL);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		b.guest.n_pieces = pieces[i];
		fill(data, VSOCK_LARGEST, pieces[i]);
		line_write(&b.line, data, VSOCK_LARGEST, 0);
		client_read(b.host, got, VSOCK_LARGEST);
		assert_memory_equal(got, data, VSOCK_LARGEST);
	}
	b.guest.n_pieces = 0;
	bench_stop(rig, &b);
}

static void what_the_host_sends_fills_buffers_before_it_takes_another(void **state)
{
	enum { FULL = VSOCK_BUFFER - VSOCK_HEAD, LEN = 10 * FULL + 5 };
	struct rig *rig = *state;
	unsigned char data[LEN];
	struct bench b;
	uint32_t at = 0;

	bench_start(rig, &b, SOCK_STREAM, NULL);
	fill(data, LEN, 1);
	/* While the guest has no credit, it waits; then it is one stream of bytes. */
	b.line.buf_alloc = 0;
	line_send(&b.line, CREDIT_UPDATE, 0);
	client_write(b.host, data, LEN);
	b.line.buf_alloc = 1 << 20;
	line_send(&b.line, CREDIT_UPDATE, 0);
	while (at < LEN) {
		struct got got = vsock_get(&b.guest);
		uint32_t n = le32toh(got.header.len);

		if (le16toh(got.header.op) == CREDIT_REQUEST)
			continue; /* it had waited for long */
		assert_int_equal(n, LEN - at < FULL ? LEN - at : FULL);
		assert_memory_equal(got.data, data + at, n);
		at += n;
	}
	bench_stop(rig, &b);
}

static void a_port_without_anybody_is_refused_at_once(void **state)
{
	const char *const args[] = {"--forward=7=unix:/nonexistent/socket", NULL};
	struct rig *rig = *state;
	struct guest_end guest;
	struct line line;

	vsock_start(rig, &guest, args);
	line = line_new(&guest, STREAM, 5000, 7);
	line_expect_refused(&line);
	/* One that no rule names. */
	line.peer_port = 8;
	line_expect_refused(&line);
	/* The other type. */
	line = line_new(&guest, SEQPACKET, 5000, 7);
	line_expect_refused(&line);
	/* Nobody. */
	line.peer_cid = 99;
	line_expect_refused(&line);
	assert_string_equal(rig_say(rig, "counters"),
			    "cid 3 connections 0 opened 0 refused 4 reset 0");
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "port 7 of the host"), 1);
}

static void the_host_can_end_its_half_and_go_on_reading(void **state)
{
	struct rig *rig = *state;
	struct bench b;

	bench_start(rig, &b, SOCK_STREAM, NULL);
	client_write(b.host, "last", 4);
	shutdown(b.host, SHUT_WR);
	line_expect(&b.line, "last");
	line_get_shutdown(&b.line, NO_SEND);
	line_write(&b.line, "still", 5, 0);
	client_expect(b.host, "still");
	bench_hang_up(&b);
	line_get_shutdown(&b.line, BOTH);
	line_send(&b.line, RST, 0);
	vsock_get_nothing(&b.guest);
	assert_string_equal(rig_say(rig, "list"), "");
	bench_stop(rig, &b);
}

static void the_guest_can_end_its_half_and_go_on_reading(void **state)
{
	struct rig *rig = *state;
	struct bench b;

	bench_start(rig, &b, SOCK_STREAM, NULL);
	line_write(&b.line, "last", 4, 0);
	line_send(&b.line, SHUTDOWN, NO_SEND);
	client_expect(b.host, "last");
	client_expect_end(b.host);
	client_write(b.host, "still", 5);
	line_expect(&b.line, "still");
	/* Bits stay: this one makes both. */
	line_send(&b.line, SHUTDOWN, NO_RECEIVE);
	line_get(&b.line, RST);
	assert_string_equal(rig_say(rig, "list"), "");
	bench_stop(rig, &b);
}

static void a_guest_that_does_not_receive_lets_the_host_know(void **state)
{
	struct rig *rig = *state;
	struct bench b;

	bench_start(rig, &b, SOCK_STREAM, NULL);
	line_send(&b.line, SHUTDOWN, NO_RECEIVE);
	line_write(&b.line, "more", 4, 0);
	client_expect(b.host, "more");
	assert_int_equal(send(b.host, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	bench_hang_up(&b);
	line_get_shutdown(&b.line, BOTH);
	bench_stop(rig, &b);
}

static void what_was_sent_before_the_end_arrives_after_it(void **state)
{
	enum { LEN = 250 << 10 };
	struct rig *rig = *state;
	unsigned char data[LEN], got[LEN];
	struct bench b;
	struct line again;

	bench_start(rig, &b, SOCK_STREAM, NULL);
	fill(data, LEN, 3);
	for (uint32_t at = 0; at < LEN; at += 50 << 10)
		line_write(&b.line, data + at, 50 << 10, 0);
	line_send(&b.line, SHUTDOWN, BOTH);
	line_get(&b.line, RST);
	/* Its ports are free again, while the host has not even begun to read. */
	again = line_new(&b.guest, STREAM, 5000, 1000);
	line_connect(&again);
	client_read(b.host, got, LEN);
	assert_memory_equal(got, data, LEN);
	client_expect_end(b.host);
	bench_stop(rig, &b);
}

static void a_reset_ends_the_hosts_side_and_is_not_answered(void **state)
{
	struct rig *rig = *state;
	struct bench b;

	bench_start(rig, &b, SOCK_STREAM, NULL);
	line_send(&b.line, RST, 0);
	client_expect_end(b.host);
	/* Nor is one for a connection that is not there. */
	line_send(&b.line, RST, 0);
	vsock_get_nothing(&b.guest);
	bench_stop(rig, &b);
}

static void a_new_request_on_the_same_ports_is_a_new_connection(void **state)
{
	struct rig *rig = *state;
	struct bench b;
	struct line line;
	int host;

	bench_start(rig, &b, SOCK_STREAM, NULL);
	host = bench_connect(&b, &line, b.line.port);
	client_expect_end(b.host);
	line_write(&line, "new", 3, 0);
	client_expect(host, "new");
	close(host);
	bench_stop(rig, &b);
}

static void all_of_it_works_on_packed_rings(void **state)
{
	struct rig *rig = *state;

	rig->config.packed = true;
	bytes_go_both_ways_and_credit_says_how_many_went_on(state);
}

static void a_driver_without_seqpacket_is_refused_it(void **state)
{
	/* What it asks for leads to itself, whatever type it is. */
	const char *const hairpin[] = {"--forward=2000=hairpin", NULL};
	struct rig *rig = *state;
	struct bench b;
	struct line line;

	/* VERSION_1, protocol features, and no bit of the device's own: that means stream. */
	rig->config.features = UINT64_C(1) << 32 | UINT64_C(1) << 30;
	bench_start(rig, &b, SOCK_STREAM, hairpin);
	bench_hang_up(&b);
	line_get_shutdown(&b.line, BOTH);
	line = line_new(&b.guest, SEQPACKET, 6000, 2000);
	line_expect_refused(&line);
	bench_stop(rig, &b);
}

/* virtio 1.3 §5.10.3 */
static void what_a_driver_took_says_which_types_it_has(void **state)
{
	enum { OF_STREAM = 1, OF_SEQPACKET = 2, NO_IMPLIED_STREAM = 4 };
	static const struct {
		uint32_t took;
		bool stream, seqpacket;
	} drivers[] = {
		{0, true, false},
		{OF_STREAM, true, false},
		{OF_SEQPACKET, true, true},
		{OF_SEQPACKET | NO_IMPLIED_STREAM, false, true},
		{OF_STREAM | OF_SEQPACKET | NO_IMPLIED_STREAM, true, true},
		{NO_IMPLIED_STREAM, true, false},
	};
	const char *const hairpin[] = {"--forward=2000=hairpin", NULL};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		struct guest_end guest;
		struct line stream, seqpacket;

		rig->config.features = UINT64_C(1) << 32 | UINT64_C(1) << 30 | drivers[i].took;
		vsock_start(rig, &guest, hairpin);
		stream = line_new(&guest, STREAM, 6000, 2000);
		seqpacket = line_new(&guest, SEQPACKET, 6001, 2000);
		line_send(&stream, REQUEST, 0);
		if (drivers[i].stream)
			line_accept(&guest, STREAM, 2000);
		line_get(&stream, drivers[i].stream ? RESPONSE : RST);
		line_send(&seqpacket, REQUEST, 0);
		if (drivers[i].seqpacket)
			line_accept(&guest, SEQPACKET, 2000);
		line_get(&seqpacket, drivers[i].seqpacket ? RESPONSE : RST);
		rig_stop(rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_guest_learns_its_address_and_three_features),
		TEST(bytes_go_both_ways_and_credit_says_how_many_went_on),
		TEST(a_guest_with_a_small_buffer_hears_of_what_went_on_in_time),
		TEST(a_packet_may_be_cut_anywhere),
		TEST(what_the_host_sends_fills_buffers_before_it_takes_another),
		TEST(a_port_without_anybody_is_refused_at_once),
		TEST(the_host_can_end_its_half_and_go_on_reading),
		TEST(the_guest_can_end_its_half_and_go_on_reading),
		TEST(a_guest_that_does_not_receive_lets_the_host_know),
		TEST(what_was_sent_before_the_end_arrives_after_it),
		TEST(a_reset_ends_the_hosts_side_and_is_not_answered),
		TEST(a_new_request_on_the_same_ports_is_a_new_connection),
		TEST(all_of_it_works_on_packed_rings),
		TEST(a_driver_without_seqpacket_is_refused_it),
		TEST(what_a_driver_took_says_which_types_it_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
