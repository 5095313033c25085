/* SPDX-License-Identifier: MIT */
/* vu-vsock's seqpacket connections with sockets of the host: messages stay messages. */
#include "vsock_bench.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

const char *const rig_program = "VU_VSOCK";

static void messages_stay_messages_however_they_are_cut(void **state)
{
	struct rig *rig = *state;
	unsigned char data[VSOCK_LARGEST], got[VSOCK_LARGEST];
	struct bench b;

	bench_start(rig, &b, SOCK_SEQPACKET, NULL);
	fill(data, VSOCK_LARGEST, 9);
	line_write(&b.line, data, 1000, 0);
	line_write(&b.line, data + 1000, 20000, 0);
	line_write(&b.line, data + 21000, 3, EOM);
	line_write(&b.line, "", 0, EOM);
	line_write(&b.line, "one", 3, EOM | EOR);
	assert_int_equal(client_read_some(b.host, got, VSOCK_LARGEST), 21003);
	assert_memory_equal(got, data, 21003);
	assert_int_equal(client_read_some(b.host, got, VSOCK_LARGEST), 0);
	assert_int_equal(client_read_some(b.host, got, VSOCK_LARGEST), 3);
	client_write(b.host, data, 10000);
	assert_int_equal(write(b.host, "", 0), 0);
	client_write(b.host, "two", 3);
	for (uint32_t at = 0; at < 10000;) {
		struct got part = line_get(&b.line, RW);
		uint32_t n = le32toh(part.header.len);

		assert_memory_equal(part.data, data + at, n);
		at += n;
		assert_int_equal(le32toh(part.header.flags), at == 10000 ? EOM : 0);
	}
	assert_int_equal(line_get(&b.line, RW).header.len, 0);
	assert_int_equal(le32toh(line_get(&b.line, RW).header.len), 3);
	bench_hang_up(&b);
	line_get_shutdown(&b.line, BOTH);
	bench_stop(rig, &b);
}

static void a_message_of_the_whole_window_goes_both_ways(void **state)
{
	enum { LEN = 200 << 10 };
	struct rig *rig = *state;
	unsigned char data[LEN], got[LEN];
	struct bench b;
	int size = LEN;

	bench_start(rig, &b, SOCK_SEQPACKET, NULL);
	setsockopt(b.host, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	fill(data, LEN, 4);
	for (uint32_t at = 0; at < LEN; at += 50 << 10)
		line_write(&b.line, data + at, 50 << 10, at + (50 << 10) == LEN ? EOM : 0);
	assert_int_equal(client_read_some(b.host, got, LEN), LEN);
	assert_memory_equal(got, data, LEN);
	assert_int_equal(write(b.host, data, LEN), LEN);
	line_read(&b.line, got, LEN);
	assert_memory_equal(got, data, LEN);
	bench_hang_up(&b);
	bench_stop(rig, &b);
}

/* One that Linux lets a socket take only when it is asked for more than it gives each. */
static void a_message_of_the_whole_window_goes_to_a_client_that_connected(void **state)
{
	enum { PART = 50 << 10, LEN = 5 * PART };
	struct rig *rig = *state;
	const char *path = rig_file(rig, "client", NULL);
	char listen[RIG_PATH + 40];
	const char *const args[] = {listen, NULL};
	unsigned char data[LEN], got[LEN];
	struct guest_end guest;
	struct line line;
	int client;

	snprintf(listen, sizeof(listen), "--listen=22=seqpacket:%s", path);
	vsock_start(rig, &guest, args);
	client = client_connect_as(path, SOCK_SEQPACKET);
	line = line_accept(&guest, SEQPACKET, 22);
	fill(data, LEN, 4);
	for (uint32_t at = 0; at < LEN; at += PART)
		line_write(&line, data + at, PART, at + PART == LEN ? EOM : 0);
	assert_int_equal(client_read_some(client, got, LEN), LEN);
	assert_memory_equal(got, data, LEN);
	close(client);
	rig_stop(rig);
}

static void a_message_beyond_the_guests_window_ends_the_connection(void **state)
{
	struct rig *rig = *state;
	struct bench b;
	char data[2000] = "";

	bench_listen(rig, &b, SOCK_SEQPACKET, NULL);
	b.line.buf_alloc = 1000;
	line_connect(&b.line);
	b.host = client_accept(b.listener);
	client_write(b.host, data, 1000);
	line_read(&b.line, data, 1000);
	line_send(&b.line, CREDIT_UPDATE, 0);
	client_write(b.host, data, 1001);
	line_get(&b.line, RST);
	bench_stop(rig, &b);
	assert_int_equal(rig_logged(rig, "Message too long"), 1);
}

/*
 * The device meets the end while it passes on messages, before it has heard of it: it sleeps while
 * there is all that it waits for, buffers first.
 */
static void the_end_is_no_message_even_if_it_is_met_unexpectedly(void **state)
{
	struct rig *rig = *state;
	struct bench b;
	struct line other;
	siginfo_t stopped;
	uint32_t flags = 0;
	bool heard = false;
	int host;

	bench_listen(rig, &b, SOCK_SEQPACKET, NULL);
	b.host = bench_connect(&b, &b.line, 5000);
	host = bench_connect(&b, &other, 5001);
	line_use_up(&other, VSOCK_BUFFERS - 1); /* one was, for RESPONSE */
	client_write(b.host, "last", 4);
	vsock_get_nothing(&b.guest);
	kill(rig->program.pid, SIGSTOP);
	assert_ok(waitid(P_PID, (id_t)rig->program.pid, &stopped, WSTOPPED));
	vsock_give(&b.guest, VSOCK_BUFFERS);
	client_write(host, "other", 5);
	bench_hang_up(&b);
	kill(rig->program.pid, SIGCONT);
	line_expect(&b.line, "last");
	while (!heard || flags != BOTH) {
		struct got got = vsock_get(&b.guest);
		bool is_other = le32toh(got.header.dst_port) == other.port;

		assert_int_equal(le16toh(got.header.op), is_other ? RW : SHUTDOWN);
		heard |= is_other;
		flags |= is_other ? 0 : le32toh(got.header.flags);
	}
	close(host);
	bench_stop(rig, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(messages_stay_messages_however_they_are_cut),
		TEST(a_message_of_the_whole_window_goes_both_ways),
		TEST(a_message_of_the_whole_window_goes_to_a_client_that_connected),
		TEST(a_message_beyond_the_guests_window_ends_the_connection),
		TEST(the_end_is_no_message_even_if_it_is_met_unexpectedly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
