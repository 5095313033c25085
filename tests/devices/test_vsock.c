/* SPDX-License-Identifier: MIT */
/* vu-vsock's connections with sockets of the host: how they begin, carry bytes, and end. */
#include "vsock.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

const char *const rig_program = "VU_VSOCK";

/* --forward=PORT=KIND:PATH */
static const char *option(char *text, size_t size, const char *before, const char *path)
{
	snprintf(text, size, "%s%s", before, path);
	return text;
}

/* vu-vsock with port 1000 of the host at a socket on which a test listens. */
struct bench {
	struct guest_end guest;
	const char *path;
	int listener;
};

static void bench_start(struct rig *rig, struct bench *b, int type)
{
	char forward[RIG_PATH + 40];
	const char *const args[] = {forward, NULL};

	b->path = rig_file(rig, "service", NULL);
	b->listener = client_listen_as(b->path, type, 128);
	option(forward, sizeof(forward),
	       type == SOCK_STREAM ? "--forward=1000=unix:" : "--forward=1000=seqpacket:", b->path);
	vsock_start(rig, &b->guest, args);
}

static void bench_stop(struct rig *rig, struct bench *b)
{
	close(b->listener);
	rig_stop(rig);
}

/* A connection, and the host's end of it. */
static int bench_connect(struct bench *b, struct line *line, uint16_t type)
{
	*line = line_new(&b->guest, type, 5000, 1000);
	line_connect(line);
	return client_accept(b->listener);
}

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
	vsock_begin(rig, &guest, rig->peer, 77);
	vsock_get_nothing(&guest);
	rig_stop(rig);
}

static void bytes_go_both_ways_and_credit_says_how_many_went_on(void **state)
{
	struct rig *rig = *state;
	struct bench b;
	struct line line;
	int host;

	bench_start(rig, &b, SOCK_STREAM);
	host = bench_connect(&b, &line, STREAM);
	assert_int_equal(line.peer_alloc, 256 << 10);
	line_write(&line, "hello", 5, 0);
	client_expect(host, "hello");
	client_write(host, "how are you", 11);
	line_expect(&line, "how are you");
	assert_int_equal(line.peer_fwd, 5);
	/* Asked for, it comes at once. */
	line_send(&line, CREDIT_REQUEST, 0);
	line_get(&line, CREDIT_UPDATE);
	assert_int_equal(line.peer_fwd, 5);
	close(host);
	bench_stop(rig, &b);
}

static void a_packet_may_be_cut_anywhere(void **state)
{
	static const uint32_t pieces[] = {1, 2, 3, 7, 60};
	struct rig *rig = *state;
	unsigned char *data = malloc(VSOCK_LARGEST), *got = malloc(VSOCK_LARGEST);
	struct bench b;
	struct line line;
	int host;

	bench_start(rig, &b, SOCK_STREAM);
	host = bench_connect(&b, &line, STREAM);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		b.guest.n_pieces = pieces[i];
		fill(data, VSOCK_LARGEST, pieces[i]);
		line_write(&line, data, VSOCK_LARGEST, 0);
		client_read(host, got, VSOCK_LARGEST);
		assert_memory_equal(got, data, VSOCK_LARGEST);
	}
	b.guest.n_pieces = 0;
	free(data);
	free(got);
	close(host);
	bench_stop(rig, &b);
}

static void what_the_host_sends_fills_buffers_before_it_takes_another(void **state)
{
	enum { FULL = VSOCK_BUFFER - VSOCK_HEAD, LEN = 10 * FULL + 5 };
	struct rig *rig = *state;
	unsigned char data[LEN];
	struct bench b;
	struct line line;
	uint32_t at = 0;
	int host;

	bench_start(rig, &b, SOCK_STREAM);
	host = bench_connect(&b, &line, STREAM);
	fill(data, LEN, 1);
	/* While the guest has no credit, it waits; then it is one stream of bytes. */
	line.buf_alloc = 0;
	line_send(&line, CREDIT_UPDATE, 0);
	client_write(host, data, LEN);
	line.buf_alloc = 1 << 20;
	line_send(&line, CREDIT_UPDATE, 0);
	while (at < LEN) {
		struct got got = vsock_get(&b.guest);
		uint32_t n = le32toh(got.header.len);

		if (le16toh(got.header.op) == CREDIT_REQUEST)
			continue; /* it had waited for long */
		assert_int_equal(n, LEN - at < FULL ? LEN - at : FULL);
		assert_memory_equal(got.data, data + at, n);
		at += n;
	}
	close(host);
	bench_stop(rig, &b);
}

static void a_port_without_anybody_is_refused_at_once(void **state)
{
	struct rig *rig = *state;
	struct guest_end guest;
	char forward[RIG_PATH + 40];
	const char *const args[] = {
		option(forward, sizeof(forward), "--forward=7=unix:", "/nonexistent/socket"), NULL};
	struct line line;

	vsock_start(rig, &guest, args);
	line = line_new(&guest, STREAM, 5000, 7);
	line_send(&line, REQUEST, 0);
	line_get(&line, RST);
	/* One that no rule names. */
	line.peer_port = 8;
	line_send(&line, REQUEST, 0);
	line_get(&line, RST);
	/* The other type. */
	line = line_new(&guest, SEQPACKET, 5000, 7);
	line_send(&line, REQUEST, 0);
	line_get(&line, RST);
	/* Nobody. */
	line.peer_cid = 99;
	line_send(&line, REQUEST, 0);
	line_get(&line, RST);
	assert_string_equal(rig_say(rig, "counters"),
			    "cid 3 connections 0 opened 0 refused 4 reset 0");
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "port 7 of the host"), 1);
}

static void the_host_can_end_its_half_and_go_on_reading(void **state)
{
	struct rig *rig = *state;
	struct bench b;
	struct line line;
	int host;

	bench_start(rig, &b, SOCK_STREAM);
	host = bench_connect(&b, &line, STREAM);
	client_write(host, "last", 4);
	shutdown(host, SHUT_WR);
	line_expect(&line, "last");
	line_get_shutdown(&line, NO_SEND);
	line_write(&line, "still", 5, 0);
	client_expect(host, "still");
	close(host);
	line_get_shutdown(&line, BOTH);
	line_send(&line, RST, 0);
	vsock_get_nothing(&b.guest);
	assert_string_equal(rig_say(rig, "list"), "");
	bench_stop(rig, &b);
}

static void the_guest_can_end_its_half_and_go_on_reading(void **state)
{
	struct rig *rig = *state;
	struct bench b;
	struct line line;
	int host;

	bench_start(rig, &b, SOCK_STREAM);
	host = bench_connect(&b, &line, STREAM);
	line_write(&line, "last", 4, 0);
	line_send(&line, SHUTDOWN, NO_SEND);
	client_expect(host, "last");
	client_expect_end(host);
	client_write(host, "still", 5);
	line_expect(&line, "still");
	/* Bits stay: this one makes both. */
	line_send(&line, SHUTDOWN, NO_RECEIVE);
	line_get(&line, RST);
	assert_string_equal(rig_say(rig, "list"), "");
	close(host);
	bench_stop(rig, &b);
}

static void a_guest_that_does_not_receive_lets_the_host_know(void **state)
{
	struct rig *rig = *state;
	struct bench b;
	struct line line;
	int host;

	bench_start(rig, &b, SOCK_STREAM);
	host = bench_connect(&b, &line, STREAM);
	line_send(&line, SHUTDOWN, NO_RECEIVE);
	line_write(&line, "more", 4, 0);
	client_expect(host, "more");
	assert_int_equal(send(host, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	close(host);
	line_get_shutdown(&line, BOTH);
	bench_stop(rig, &b);
}

static void what_was_sent_before_the_end_arrives_after_it(void **state)
{
	enum { LEN = 250 << 10 };
	struct rig *rig = *state;
	unsigned char *data = malloc(LEN), *got = malloc(LEN);
	struct bench b;
	struct line line, again;
	int host, small = 4096;

	bench_start(rig, &b, SOCK_STREAM);
	setsockopt(b.listener, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	host = bench_connect(&b, &line, STREAM);
	fill(data, LEN, 3);
	for (uint32_t at = 0; at < LEN; at += 50 << 10)
		line_write(&line, data + at, 50 << 10, 0);
	line_send(&line, SHUTDOWN, BOTH);
	line_get(&line, RST);
	/* Its ports are free again, while the host has not even begun to read. */
	again = line_new(&b.guest, STREAM, 5000, 1000);
	line_connect(&again);
	client_read(host, got, LEN);
	assert_memory_equal(got, data, LEN);
	client_expect_end(host);
	free(data);
	free(got);
	close(host);
	bench_stop(rig, &b);
}

static void a_reset_ends_the_hosts_side_and_is_not_answered(void **state)
{
	struct rig *rig = *state;
	struct bench b;
	struct line line;
	int host;

	bench_start(rig, &b, SOCK_STREAM);
	host = bench_connect(&b, &line, STREAM);
	line_send(&line, RST, 0);
	client_expect_end(host);
	/* Nor is one for a connection that is not there. */
	line_send(&line, RST, 0);
	vsock_get_nothing(&b.guest);
	close(host);
	bench_stop(rig, &b);
}

static void a_new_request_on_the_same_ports_is_a_new_connection(void **state)
{
	struct rig *rig = *state;
	struct bench b;
	struct line line;
	int old, host;

	bench_start(rig, &b, SOCK_STREAM);
	old = bench_connect(&b, &line, STREAM);
	host = bench_connect(&b, &line, STREAM);
	client_expect_end(old);
	line_write(&line, "new", 3, 0);
	client_expect(host, "new");
	close(old);
	close(host);
	bench_stop(rig, &b);
}

static void messages_stay_messages_however_they_are_cut(void **state)
{
	struct rig *rig = *state;
	unsigned char *data = malloc(VSOCK_LARGEST), *got = malloc(VSOCK_LARGEST);
	struct bench b;
	struct line line;
	int host;

	bench_start(rig, &b, SOCK_SEQPACKET);
	host = bench_connect(&b, &line, SEQPACKET);
	fill(data, VSOCK_LARGEST, 9);
	line_write(&line, data, 1000, 0);
	line_write(&line, data + 1000, 20000, 0);
	line_write(&line, data + 21000, 3, EOM);
	line_write(&line, "", 0, EOM);
	line_write(&line, "one", 3, EOM | EOR);
	assert_int_equal(client_read_some(host, got, VSOCK_LARGEST), 21003);
	assert_memory_equal(got, data, 21003);
	assert_int_equal(client_read_some(host, got, VSOCK_LARGEST), 0);
	assert_int_equal(client_read_some(host, got, VSOCK_LARGEST), 3);
	client_write(host, data, 10000);
	assert_int_equal(write(host, "", 0), 0);
	client_write(host, "two", 3);
	for (uint32_t at = 0; at < 10000;) {
		struct got part = line_get(&line, RW);
		uint32_t n = le32toh(part.header.len);

		assert_memory_equal(part.data, data + at, n);
		at += n;
		assert_int_equal(le32toh(part.header.flags), at == 10000 ? EOM : 0);
	}
	assert_int_equal(line_get(&line, RW).header.len, 0);
	assert_int_equal(le32toh(line_get(&line, RW).header.len), 3);
	close(host);
	line_get_shutdown(&line, BOTH);
	free(data);
	free(got);
	bench_stop(rig, &b);
}

static void a_message_of_the_whole_window_goes_both_ways(void **state)
{
	enum { LEN = 200 << 10 };
	struct rig *rig = *state;
	unsigned char *data = malloc(LEN), *got = malloc(LEN);
	struct bench b;
	struct line line;
	int host, size = LEN;

	bench_start(rig, &b, SOCK_SEQPACKET);
	host = bench_connect(&b, &line, SEQPACKET);
	setsockopt(host, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	fill(data, LEN, 4);
	for (uint32_t at = 0; at < LEN; at += 50 << 10)
		line_write(&line, data + at, 50 << 10, at + (50 << 10) == LEN ? EOM : 0);
	assert_int_equal(client_read_some(host, got, LEN), LEN);
	assert_memory_equal(got, data, LEN);
	assert_int_equal(write(host, data, LEN), LEN);
	line_read(&line, got, LEN);
	assert_memory_equal(got, data, LEN);
	close(host);
	free(data);
	free(got);
	bench_stop(rig, &b);
}

static void a_message_beyond_the_guests_window_ends_the_connection(void **state)
{
	struct rig *rig = *state;
	struct bench b;
	struct line line;
	char data[2000] = "";
	int host;

	bench_start(rig, &b, SOCK_SEQPACKET);
	line = line_new(&b.guest, SEQPACKET, 5000, 1000);
	line.buf_alloc = 1000;
	line_connect(&line);
	host = client_accept(b.listener);
	client_write(host, data, 1000);
	line_read(&line, data, 1000);
	line_send(&line, CREDIT_UPDATE, 0);
	client_write(host, data, 1001);
	line_get(&line, RST);
	close(host);
	bench_stop(rig, &b);
	assert_int_equal(rig_logged(rig, "Message too long"), 1);
}

static void all_of_it_works_on_packed_rings(void **state)
{
	struct rig *rig = *state;

	rig->config.packed = true;
	bytes_go_both_ways_and_credit_says_how_many_went_on(state);
}

static void a_driver_without_seqpacket_is_refused_it(void **state)
{
	struct rig *rig = *state;
	struct bench b;
	struct line line;

	/* VERSION_1, protocol features, and no bit of the device's own: that means stream. */
	rig->config.features = UINT64_C(1) << 32 | UINT64_C(1) << 30;
	bench_start(rig, &b, SOCK_STREAM);
	close(bench_connect(&b, &line, STREAM));
	line_get_shutdown(&line, BOTH);
	line = line_new(&b.guest, SEQPACKET, 6000, 1000);
	line_send(&line, REQUEST, 0);
	line_get(&line, RST);
	bench_stop(rig, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_guest_learns_its_address_and_three_features),
		TEST(bytes_go_both_ways_and_credit_says_how_many_went_on),
		TEST(a_packet_may_be_cut_anywhere),
		TEST(what_the_host_sends_fills_buffers_before_it_takes_another),
		TEST(a_port_without_anybody_is_refused_at_once),
		TEST(the_host_can_end_its_half_and_go_on_reading),
		TEST(the_guest_can_end_its_half_and_go_on_reading),
		TEST(a_guest_that_does_not_receive_lets_the_host_know),
		TEST(what_was_sent_before_the_end_arrives_after_it),
		TEST(a_reset_ends_the_hosts_side_and_is_not_answered),
		TEST(a_new_request_on_the_same_ports_is_a_new_connection),
		TEST(messages_stay_messages_however_they_are_cut),
		TEST(a_message_of_the_whole_window_goes_both_ways),
		TEST(a_message_beyond_the_guests_window_ends_the_connection),
		TEST(all_of_it_works_on_packed_rings),
		TEST(a_driver_without_seqpacket_is_refused_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
