/* SPDX-License-Identifier: MIT */
/* vu-vsock and packets that it finds in its ring together: what each says counts, in their order.
 */
#include "vsock_bench.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

const char *const rig_program = "VU_VSOCK";

enum { MOST = 24 };

struct batch {
	struct rig_buffer packets[MOST];
	uint32_t n;
};

static void batch_add(struct batch *batch, struct line *line, uint16_t op, const void *data,
		      uint32_t len)
{
	struct rig *rig = line->guest->rig;
	struct rig_buffer *b = &batch->packets[batch->n++];
	const struct virtio_vsock_hdr header =
		line_header(line, op, op == SHUTDOWN ? NO_SEND : 0, len);
	struct driver_seg seg;

	rig_buffer(rig, b, VSOCK_HEAD + len);
	memcpy(b->data, &header, VSOCK_HEAD);
	if (len)
		memcpy(b->data + VSOCK_HEAD, data, len);
	seg = rig_read_seg(b, VSOCK_HEAD + len);
	assert_true(driver_add(rig->peer->queues[VSOCK_TX], &seg, 1, b) >= 0);
	line->tx_cnt += len;
}

/* All of them at once, until the device is done with them. */
static void batch_send(struct batch *batch, struct rig *rig)
{
	assert_true(driver_kick(rig->peer->queues[VSOCK_TX]) >= 0);
	for (; batch->n; batch->n--)
		rig_wait(rig, VSOCK_TX, NULL);
}

static void packets_of_several_connections_keep_their_order(void **state)
{
	struct rig *rig = *state;
	struct batch batch = {.n = 0};
	struct line other;
	struct bench b;
	int host;

	bench_start(rig, &b, SOCK_STREAM, NULL);
	host = bench_connect(&b, &other, 6000);
	batch_add(&batch, &b.line, RW, "one ", 4);
	batch_add(&batch, &b.line, RW, "two ", 4);
	batch_add(&batch, &other, RW, "other ", 6);
	batch_add(&batch, &b.line, RW, "three", 5);
	batch_add(&batch, &b.line, RW, "", 0);
	batch_add(&batch, &other, RW, "end", 3);
	batch_add(&batch, &other, SHUTDOWN, NULL, 0);
	batch_add(&batch, &b.line, CREDIT_REQUEST, NULL, 0);
	batch_send(&batch, rig);
	client_expect(b.host, "one two three");
	client_expect(host, "other end");
	client_expect_end(host);
	assert_int_equal(le32toh(line_get(&b.line, CREDIT_UPDATE).header.fwd_cnt), 13);
	close(host);
	bench_stop(rig, &b);
}

static void what_came_before_a_packet_that_cannot_be_arrives(void **state)
{
	static const uint16_t ends[] = {RST, RESPONSE, 99, REQUEST};
	struct rig *rig = *state;
	struct bench b;

	bench_start(rig, &b, SOCK_STREAM, NULL);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct batch batch = {.n = 0};
		struct line line;
		int host = bench_connect(&b, &line, 6000 + (uint32_t)i);

		batch_add(&batch, &line, RW, "last ", 5);
		batch_add(&batch, &line, RW, "words", 5);
		batch_add(&batch, &line, ends[i], NULL, 0);
		batch_send(&batch, rig);
		client_expect(host, "last words");
		client_expect_end(host);
		close(host);
		if (ends[i] == REQUEST) {
			line_get(&line, RESPONSE);
			close(client_accept(b.listener));
			line_get_shutdown(&line, BOTH);
			line_send(&line, RST, 0);
		} else if (ends[i] != RST) {
			line_get(&line, RST);
		}
	}
	bench_check(&b);
	bench_stop(rig, &b);
}

/* Until the socket does not take all: the rest is held, and goes on when it is read for. */
static void a_batch_that_a_socket_takes_a_part_of_arrives_whole(void **state)
{
	enum { PACKETS = 20, PACKET = 50000, ALL = PACKETS * PACKET };
	const char *const args[] = {"--buffer-size=1M", NULL};
	unsigned char *sent = malloc(ALL), *got = malloc(ALL);
	struct rig *rig = *state;
	struct batch batch = {.n = 0};
	uint32_t batches = 0;
	struct bench b;

	assert_true(sent && got);
	fill(sent, ALL, 5);
	bench_start(rig, &b, SOCK_STREAM, args);
	do {
		assert_true(batches++ < 8);
		for (uint32_t i = 0; i < PACKETS; i++)
			batch_add(&batch, &b.line, RW, sent + i * PACKET, PACKET);
		batch_send(&batch, rig);
	} while (strstr(rig_say(rig, "list"), " held 0"));
	for (; batches; batches--) {
		client_read(b.host, got, ALL);
		assert_memory_equal(got, sent, ALL);
	}
	bench_stop(rig, &b);
	free(sent);
	free(got);
}

static void a_batch_for_a_host_that_has_gone_is_no_fault(void **state)
{
	struct rig *rig = *state;
	struct batch batch = {.n = 0};
	struct bench b;

	bench_start(rig, &b, SOCK_STREAM, NULL);
	shutdown(b.host, SHUT_RD);
	for (uint32_t i = 0; i < 4; i++)
		batch_add(&batch, &b.line, RW, "nobody", 6);
	batch_send(&batch, rig);
	line_get_shutdown(&b.line, NO_RECEIVE);
	client_write(b.host, "still", 5);
	line_expect(&b.line, "still");
	bench_stop(rig, &b);
}

/*
 * A client that had gone before its first byte was looked for, as a program of exec: may have: the
 * guest, which knows the port that comes first, has accepted in advance, so the end is met before
 * the event that tells of it.
 */
static void who_had_gone_before_it_was_looked_at_is_told_as_gone_both_ways_at_once(void **state)
{
	struct rig *rig = *state;
	struct batch batch = {.n = 0};
	const char *path = rig_file(rig, "door", NULL);
	char listen[RIG_PATH + 40];
	const char *const args[] = {listen, NULL};
	struct guest_end guest;
	struct line line;
	siginfo_t stopped;

	snprintf(listen, sizeof(listen), "--listen=22=unix:%s", path);
	vsock_start(rig, &guest, args);
	vsock_get_nothing(&guest);
	kill(rig->program.pid, SIGSTOP);
	assert_ok(waitid(P_PID, (id_t)rig->program.pid, &stopped, WSTOPPED));
	close(client_connect(path));
	line = line_new(&guest, STREAM, 22, 0x40000000);
	batch_add(&batch, &line, RESPONSE, NULL, 0);
	assert_true(driver_kick(rig->peer->queues[VSOCK_TX]) >= 0);
	kill(rig->program.pid, SIGCONT);
	batch_send(&batch, rig);
	line_get(&line, REQUEST);
	line_get_shutdown(&line, BOTH);
	line_send(&line, RST, 0);
	rig_stop(rig);
}

/* A port of the loopback interface that nobody has. */
static struct sockaddr_in free_port(void)
{
	struct sockaddr_in name = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(name);

	assert_ok(bind(fd, (struct sockaddr *)&name, len));
	assert_ok(getsockname(fd, (struct sockaddr *)&name, &len));
	close(fd);
	return name;
}

/* A client that the guest has not heard of, for it gives no buffers. */
static int tcp_client(struct rig *rig, const struct sockaddr_in *name)
{
	int client = socket(AF_INET, SOCK_STREAM, 0);

	assert_ok(connect(client, (const struct sockaddr *)name, sizeof(*name)));
	while (!strstr(rig_say(rig, "list"), " asking "))
		sched_yield();
	return client;
}

/* Its socket fails where that is found out for the packets before the one that is looked at. */
static void what_was_accepted_before_it_was_asked_for_may_fail_among_other_packets(void **state)
{
	const struct sockaddr_in name = free_port();
	struct rig *rig = *state;
	struct batch batch = {.n = 0};
	char listen[40];
	const char *const args[] = {listen, NULL};
	struct guest_end guest;
	struct pollfd client = {.events = POLLIN};
	struct line line;

	snprintf(listen, sizeof(listen), "--listen=22=tcp:%u", ntohs(name.sin_port));
	vsock_spawn(rig, args);
	rig_connect(rig);
	vsock_begin_empty(rig, &guest, GUEST_CID);
	client.fd = tcp_client(rig, &name);
	line = line_new(&guest, STREAM, 22, 0x40000000);
	line_send(&line, RESPONSE, 0);
	line_write(&line, "unread", 6, 0);
	assert_int_equal(poll(&client, 1, HANG_MS), 1);
	close(client.fd); /* and there is something to be read: the other end is reset */
	batch_add(&batch, &line, RW, "late", 4);
	batch_add(&batch, &line, SHUTDOWN, NULL, 0);
	batch_send(&batch, rig);
	vsock_give(&guest, VSOCK_BUFFERS);
	line_get(&line, RST);
	vsock_get_nothing(&guest);
	assert_string_equal(rig_say(rig, "list"), "");
	rig_stop(rig);
}

/* One more packet: does the device ask to be told of it?  Where it does not, nobody tells it. */
static bool wants_to_be_told(struct batch *batch, struct bench *b, struct rig *rig)
{
	batch_add(batch, &b->line, RW, "small", 5);
	driver_publish(rig->peer->queues[VSOCK_TX]);
	if (!driver_wants_kick(rig->peer->queues[VSOCK_TX]))
		return false;
	assert_ok(driver_kick_always(rig->peer->queues[VSOCK_TX]));
	return true;
}

static void a_stream_of_small_packets_is_collected_without_a_kick_for_each(void **state)
{
	const char *const args[] = {"--coalesce-us=10000", NULL};
	enum { STREAK = 8, PART = 1000 /* us */, ROUNDS = 200 };
	struct rig *rig = *state;
	struct bench b;
	bool wanted = true;

	bench_start(rig, &b, SOCK_STREAM, args);
	for (uint32_t i = 0; i < STREAK - 1; i++) {
		line_write(&b.line, "small", 5, 0);
		client_expect(b.host, "small");
	}
	/* On a machine that stands still for as long as a nap the device sleeps, and asks. */
	for (uint32_t i = 0; i < ROUNDS && wanted; i++) {
		struct batch batch = {.n = 0};

		wants_to_be_told(&batch, &b, rig);
		/* It has taken that, and would sleep by now. */
		client_expect(b.host, "small");
		usleep(PART);
		wanted = wants_to_be_told(&batch, &b, rig);
		wanted |= wants_to_be_told(&batch, &b, rig);
		client_expect(b.host, "smallsmall");
		for (; batch.n; batch.n--)
			rig_wait(rig, VSOCK_TX, NULL);
	}
	assert_false(wanted);
	bench_stop(rig, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_stream_of_small_packets_is_collected_without_a_kick_for_each),
		TEST(packets_of_several_connections_keep_their_order),
		TEST(what_came_before_a_packet_that_cannot_be_arrives),
		TEST(a_batch_that_a_socket_takes_a_part_of_arrives_whole),
		TEST(a_batch_for_a_host_that_has_gone_is_no_fault),
		TEST(who_had_gone_before_it_was_looked_at_is_told_as_gone_both_ways_at_once),
		TEST(what_was_accepted_before_it_was_asked_for_may_fail_among_other_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
