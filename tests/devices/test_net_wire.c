/* SPDX-License-Identifier: MIT */
/* vu-net's wire as a stream socket in QEMU's format: who is at the other end, and what he does. */
#include "wire.h"
#include "shortage.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

const char *const rig_program = "VU_NET";

static void frames_go_both_ways_through_a_socket(void **state)
{
	struct rig *rig = *state;
	unsigned char frame[WIRE_BUFFER];
	struct rig_buffer buffers[20];
	int fd = wire_start(rig);

	wire_hello(rig, fd);
	for (uint32_t i = 0; i < 20; i++) {
		net_frame(frame, WIRE_LEN + i, i);
		net_send(rig, NULL, frame, WIRE_LEN + i);
		wire_send(fd, frame, WIRE_LEN + i); /* before there is a buffer for it */
	}
	for (uint32_t i = 0; i < 20; i++)
		net_give(rig, NET_RX, &buffers[i], WIRE_BUFFER);
	for (uint32_t i = 0; i < 20; i++) {
		net_frame(frame, WIRE_LEN + i, i);
		wire_expect(fd, frame, WIRE_LEN + i);
		net_expect(rig, NET_RX, &buffers[i], frame, WIRE_LEN + i);
	}
	rig_stop(rig);
	client_expect_end(fd);
	close(fd);
}

static void a_frame_may_come_in_pieces(void **state)
{
	struct rig *rig = *state;
	uint32_t prefix = htonl(WIRE_LEN);
	unsigned char frame[WIRE_LEN], bytes[WIRE_LEN + 4];
	struct rig_buffer buffer;
	int fd = wire_start(rig);

	net_frame(frame, WIRE_LEN, 5);
	memcpy(bytes, &prefix, 4);
	memcpy(bytes + 4, frame, WIRE_LEN);
	net_give(rig, NET_RX, &buffer, WIRE_BUFFER);
	for (uint32_t i = 0; i < sizeof(bytes); i++) {
		rig_expect_nothing(rig, NET_RX);
		client_write(fd, bytes + i, 1);
	}
	net_expect(rig, NET_RX, &buffer, frame, WIRE_LEN);
	rig_stop(rig);
	close(fd);
}

/* The guest's packets wait in the ring, and none is lost or cut. */
static void who_does_not_read_is_waited_for(void **state)
{
	enum { N = 100, LARGE = 60000 };
	static unsigned char frame[LARGE], got[LARGE];
	struct rig *rig = *state;
	enum { HEAD = sizeof(struct virtio_net_hdr_v1) };
	struct rig_buffer out;
	struct driver_seg seg;
	int fd = wire_start(rig);

	wire_hello(rig, fd);
	rig_buffer(rig, &out, HEAD + LARGE);
	memset(out.data, 0, HEAD);
	net_frame(frame, LARGE, 9);
	memcpy(out.data + HEAD, frame, LARGE);
	seg = rig_read_seg(&out, out.len);
	for (uint32_t i = 0; i < N; i++)
		rig_offer(rig, NET_TX, &seg, 1, frame);
	rig_say(rig, "link"); /* it is served meanwhile */
	assert_in_range(net_stat(rig, "sent"), 0, N - 1);
	for (uint32_t i = 0; i < N; i++) {
		uint32_t prefix;

		client_read(fd, &prefix, sizeof(prefix));
		assert_int_equal(ntohl(prefix), LARGE);
		client_read(fd, got, LARGE);
		assert_memory_equal(got, frame, LARGE);
	}
	for (uint32_t i = 0; i < N; i++)
		assert_ptr_equal(rig_wait(rig, NET_TX, NULL), frame);
	assert_int_equal(net_stat(rig, "lost"), 0);
	rig_stop(rig);
	close(fd);
}

static void who_sends_what_is_no_frame_is_hung_up_on(void **state)
{
	static const uint32_t lengths[] = {0, 13, NET_LONGEST + 1, UINT32_MAX};
	struct rig *rig = *state;
	unsigned char frame[WIRE_LEN];
	int fd = wire_start(rig);

	for (uint32_t i = 0; i < 4; i++) {
		uint32_t prefix = htonl(lengths[i]);
		struct rig_buffer buffer;

		wire_hello(rig, fd);
		client_write(fd, &prefix, sizeof(prefix));
		net_give(rig, NET_RX, &buffer, WIRE_BUFFER);
		client_expect_end(fd);
		close(fd);
		/* Nobody is there; the buffer is for who comes next. */
		net_frame(frame, WIRE_LEN, i);
		net_send(rig, NULL, frame, WIRE_LEN);
		assert_int_equal(net_stat(rig, "lost"), i + 1);
		fd = client_connect(rig->files[0]);
		wire_send(fd, frame, WIRE_LEN);
		net_expect(rig, NET_RX, &buffer, frame, WIRE_LEN);
	}
	rig_stop(rig);
	close(fd);
}

static void it_connects_and_connects_again(void **state)
{
	struct rig *rig = *state;
	const char *path = rig_file(rig, "wire", NULL);
	int fd, listener = client_listen_as(path, SOCK_STREAM, 1);
	char backend[RIG_PATH + 20];
	unsigned char frame[WIRE_LEN];

	snprintf(backend, sizeof(backend), "socket:%s", path);
	net_start(rig, backend, NULL);
	for (int i = 0; i < 2; i++) {
		fd = client_accept(listener);
		wire_hello(rig, fd);
		net_frame(frame, WIRE_LEN, 1);
		net_send(rig, NULL, frame, WIRE_LEN);
		wire_expect(fd, frame, WIRE_LEN);
		close(fd);
	}
	close(listener);
	rig_stop(rig);
}

/* vhost-user SEND_RARP. */
static void a_guest_that_moved_here_is_announced(void **state)
{
	static const unsigned char wanted[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 7, 0x80, 0x35, 0, 1, 8, 0, 6,
		4,    0,    3,	  2,	0,    0,    0, 0, 7, 0, 0, 0, 0,    2,	  0, 0, 0, 0, 7};
	unsigned char frame[60] = {0}, mac[8] = {2, 0, 0, 0, 0, 7};
	struct rig *rig = *state;
	int fd = wire_start(rig);

	memcpy(frame, wanted, sizeof(wanted));
	wire_hello(rig, fd);
	rig_check(rig,
		  frontend_tell(&rig->peer->frontend, WIRE_SEND_RARP, mac, sizeof(mac), NULL, 0));
	wire_expect(fd, frame, sizeof(frame));
	rig_stop(rig);
	close(fd);
}

/* Small ones, many for a write, of which the socket takes a part. */
static void frames_of_all_lengths_are_cut_nowhere(void **state)
{
	enum { N = 80, HEAD = sizeof(struct virtio_net_hdr_v1) };
	struct rig *rig = *state;
	unsigned char frame[WIRE_LONGEST];
	struct rig_buffer out;
	struct driver_seg segs[3];
	int fd = wire_start(rig);

	wire_hello(rig, fd);
	for (uint32_t i = 0; i < N; i++) {
		uint32_t len = 3000 * (i % 2) + 60 + 77 * i % 2940;

		rig_buffer(rig, &out, HEAD + len);
		memset(out.data, 0, HEAD);
		net_frame(out.data + HEAD, len, i);
		segs[0] = rig_read_seg(&out, HEAD + 20);
		segs[1] = (struct driver_seg){.gpa = out.gpa + HEAD + 20, .len = 30};
		segs[2] = (struct driver_seg){.gpa = out.gpa + HEAD + 50, .len = len - 50};
		rig_offer(rig, NET_TX, segs, 3, out.data);
	}
	for (uint32_t i = 0; i < N; i++) {
		uint32_t len = 3000 * (i % 2) + 60 + 77 * i % 2940;

		net_frame(frame, len, i);
		wire_expect(fd, frame, len);
		rig_wait(rig, NET_TX, NULL);
	}
	assert_int_equal(net_stat(rig, "lost"), 0);
	rig_stop(rig);
	close(fd);
}

/* In the middle of what he says, and of what he was told. */
static void who_leaves_in_the_middle_leaves_nothing_to_the_next(void **state)
{
	enum { N = 100, LARGE = 60000, HEAD = sizeof(struct virtio_net_hdr_v1) };
	struct rig *rig = *state;
	uint32_t prefix = htonl(WIRE_LEN);
	unsigned char frame[WIRE_LEN];
	struct rig_buffer out;
	struct driver_seg seg;
	int fd = wire_start(rig);

	wire_hello(rig, fd);
	rig_buffer(rig, &out, HEAD + LARGE);
	memset(out.data, 0, out.len);
	seg = rig_read_seg(&out, out.len);
	for (uint32_t i = 0; i < N; i++)
		rig_offer(rig, NET_TX, &seg, 1, frame);
	while (!net_stat(rig, "sent"))
		continue;
	client_write(fd, &prefix, sizeof(prefix));
	client_write(fd, frame, 10);
	close(fd);
	for (uint32_t i = 0; i < N; i++)
		rig_wait(rig, NET_TX, NULL);
	assert_true(net_stat(rig, "lost") > 0);
	fd = client_connect(rig->files[0]);
	wire_hello(rig, fd);
	net_frame(frame, WIRE_LEN, 3);
	net_send(rig, NULL, frame, WIRE_LEN);
	wire_expect(fd, frame, WIRE_LEN);
	rig_stop(rig);
	close(fd);
}

/* The one who was there goes on; who is at the path when he leaves is next. */
static void a_path_may_become_somebody_elses(void **state)
{
	struct rig *rig = *state;
	const char *path = rig_file(rig, "wire", NULL);
	int fd, next, listener = client_listen_as(path, SOCK_STREAM, 1);
	char backend[RIG_PATH + 20];

	snprintf(backend, sizeof(backend), "socket:%s", path);
	net_start(rig, backend, NULL);
	fd = client_accept(listener);
	close(listener);
	unlink(path);
	listener = client_listen_as(path, SOCK_STREAM, 1);
	wire_hello(rig, fd);
	close(fd);
	next = client_accept(listener);
	wire_hello(rig, next);
	close(next);
	close(listener);
	rig_stop(rig);
}

/* All of it, however much came at a time, and whether the guest has a buffer or not. */
static void what_comes_while_the_link_is_down_does_not_come_later(void **state)
{
	enum { N = 500, FEW = 50 /* they fit into the socket */ };
	struct rig *rig = *state;
	unsigned char old[WIRE_LEN], frame[WIRE_LEN];
	struct rig_buffer buffer;
	int fd = wire_start(rig);

	wire_hello(rig, fd);
	net_frame(old, WIRE_LEN, 1);
	net_frame(frame, WIRE_LEN, 2);
	for (uint32_t round = 1; round <= 2; round++) {
		rig_say(rig, "link down");
		if (round == 1)
			net_give(rig, NET_RX, &buffer, WIRE_BUFFER);
		for (uint32_t i = 0; i < (round == 1 ? N : FEW); i++)
			wire_send(fd, old, WIRE_LEN);
		while (round == 1 && net_stat(rig, "missed") < N)
			continue;
		rig_say(rig, "link up");
		assert_int_equal(net_stat(rig, "missed"), round == 1 ? N : N + FEW);
		if (round == 2)
			net_give(rig, NET_RX, &buffer, WIRE_BUFFER);
		wire_send(fd, frame, WIRE_LEN);
		net_expect(rig, NET_RX, &buffer, frame, WIRE_LEN);
	}
	rig_stop(rig);
	close(fd);
}

static void a_client_waits_while_no_descriptors_are_left(void **state)
{
	struct rig *rig = *state;
	struct shortage shortage;
	int fd;

	wire_listen(rig);
	shortage_begin(&shortage, rig->program.pid);
	fd = client_connect(rig->files[0]);
	shortage_is_sat_out(&shortage);
	shortage_end(&shortage);
	wire_hello(rig, fd);
	close(fd);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "a client waits: Too many open files"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frames_go_both_ways_through_a_socket),
		TEST(a_frame_may_come_in_pieces),
		TEST(who_does_not_read_is_waited_for),
		TEST(who_sends_what_is_no_frame_is_hung_up_on),
		TEST(it_connects_and_connects_again),
		TEST(a_guest_that_moved_here_is_announced),
		TEST(frames_of_all_lengths_are_cut_nowhere),
		TEST(who_leaves_in_the_middle_leaves_nothing_to_the_next),
		TEST(a_path_may_become_somebody_elses),
		TEST(what_comes_while_the_link_is_down_does_not_come_later),
		TEST(a_client_waits_while_no_descriptors_are_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
