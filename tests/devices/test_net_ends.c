/* SPDX-License-Identifier: MIT */
/* Where vu-net's packets go and come from: files, sockets in QEMU's format, a tap. */
#include "net.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

const char *const rig_program = "VU_NET";

enum { LEN = 100, BUFFER = 2000, FILE_HEAD = 24, RECORD_HEAD = 16 };

/* --- files of packets --- */

static void what_the_guest_sends_is_in_the_file(void **state)
{
	struct rig *rig = *state;
	const char *path = rig_file(rig, "out", NULL);
	char backend[RIG_PATH + 8];
	unsigned char frame[LEN], got[4096];
	uint32_t numbers[6];
	ssize_t size;
	int fd;

	snprintf(backend, sizeof(backend), "pcap:%s", path);
	net_start(rig, backend, NULL);
	for (uint32_t i = 0; i < 3; i++) {
		net_frame(frame, LEN, i);
		net_send(rig, NULL, frame, LEN - i);
	}
	rig_stop(rig);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	size = read(fd, got, sizeof(got));
	close(fd);
	assert_int_equal(size, FILE_HEAD + 3 * (RECORD_HEAD + LEN) - 3);
	memcpy(numbers, got, FILE_HEAD);
	assert_int_equal(numbers[0], 0xa1b2c3d4);
	assert_int_equal(numbers[5], 1);
	for (uint32_t i = 0, at = FILE_HEAD; i < 3; i++) {
		memcpy(numbers, got + at, RECORD_HEAD);
		assert_int_equal(numbers[2], LEN - i);
		assert_int_equal(numbers[3], LEN - i);
		net_frame(frame, LEN, i);
		assert_memory_equal(got + at + RECORD_HEAD, frame, LEN - i);
		at += RECORD_HEAD + LEN - i;
	}
}

static void put(int fd, const void *data, size_t len)
{
	assert_int_equal(write(fd, data, len), len);
}

/* As a machine of the other byte order wrote it, with nanoseconds. */
static void the_guest_receives_what_is_in_another_file(void **state)
{
	const uint32_t head[] = {__builtin_bswap32(0xa1b23c4d), 0, 0, 0, 0, __builtin_bswap32(1)};
	const uint32_t record[] = {0, 0, __builtin_bswap32(LEN), __builtin_bswap32(LEN)};
	struct rig *rig = *state;
	const char *in = rig_file(rig, "in", "");
	char backend[2 * RIG_PATH];
	unsigned char frame[LEN];
	struct rig_buffer buffers[3];
	int fd = open(in, O_WRONLY | O_CLOEXEC);

	snprintf(backend, sizeof(backend), "pcap:%s,in=%s", rig_file(rig, "out", NULL), in);
	put(fd, head, sizeof(head));
	for (uint32_t i = 0; i < 3; i++) {
		net_frame(frame, LEN, i);
		put(fd, record, sizeof(record));
		put(fd, frame, LEN - (i == 2)); /* the last one is cut */
	}
	close(fd);
	net_start(rig, backend, NULL);
	for (uint32_t i = 0; i < 3; i++)
		net_give(rig, NET_RX, &buffers[i], BUFFER);
	for (uint32_t i = 0; i < 2; i++) {
		net_frame(frame, LEN, i);
		net_expect(rig, NET_RX, &buffers[i], frame, LEN);
	}
	rig_expect_nothing(rig, NET_RX);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "ends early"), 1);
}

/* --- sockets --- */

static int start_listening(struct rig *rig)
{
	char backend[RIG_PATH + 20];

	snprintf(backend, sizeof(backend), "socket-listen:%s", rig_file(rig, "wire", NULL));
	net_start(rig, backend, NULL);
	return client_connect(rig->files[0]);
}

static void wire_send(int fd, const void *frame, uint32_t len)
{
	uint32_t prefix = htonl(len);

	client_write(fd, &prefix, sizeof(prefix));
	client_write(fd, frame, len);
}

static void wire_expect(int fd, const void *frame, uint32_t len)
{
	unsigned char got[BUFFER];
	uint32_t prefix;

	client_read(fd, &prefix, sizeof(prefix));
	assert_int_equal(ntohl(prefix), len);
	client_read(fd, got, len);
	assert_memory_equal(got, frame, len);
}

/* The device has met whoever connected. */
static void wire_hello(struct rig *rig, int fd)
{
	struct rig_buffer buffer;
	unsigned char frame[LEN];

	net_frame(frame, LEN, 77);
	net_give(rig, NET_RX, &buffer, BUFFER);
	wire_send(fd, frame, LEN);
	net_expect(rig, NET_RX, &buffer, frame, LEN);
}

static void frames_go_both_ways_through_a_socket(void **state)
{
	struct rig *rig = *state;
	unsigned char frame[BUFFER];
	struct rig_buffer buffers[20];
	int fd = start_listening(rig);

	wire_hello(rig, fd);
	for (uint32_t i = 0; i < 20; i++) {
		net_frame(frame, LEN + i, i);
		net_send(rig, NULL, frame, LEN + i);
		wire_send(fd, frame, LEN + i); /* before there is a buffer for it */
	}
	for (uint32_t i = 0; i < 20; i++)
		net_give(rig, NET_RX, &buffers[i], BUFFER);
	for (uint32_t i = 0; i < 20; i++) {
		net_frame(frame, LEN + i, i);
		wire_expect(fd, frame, LEN + i);
		net_expect(rig, NET_RX, &buffers[i], frame, LEN + i);
	}
	rig_stop(rig);
	client_expect_end(fd);
	close(fd);
}

static void a_frame_may_come_in_pieces(void **state)
{
	struct rig *rig = *state;
	uint32_t prefix = htonl(LEN);
	unsigned char frame[LEN], bytes[LEN + 4];
	struct rig_buffer buffer;
	int fd = start_listening(rig);

	net_frame(frame, LEN, 5);
	memcpy(bytes, &prefix, 4);
	memcpy(bytes + 4, frame, LEN);
	net_give(rig, NET_RX, &buffer, BUFFER);
	for (uint32_t i = 0; i < sizeof(bytes); i++) {
		rig_expect_nothing(rig, NET_RX);
		client_write(fd, bytes + i, 1);
	}
	net_expect(rig, NET_RX, &buffer, frame, LEN);
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
	int fd = start_listening(rig);

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
	unsigned char frame[LEN];
	int fd = start_listening(rig);

	for (uint32_t i = 0; i < 4; i++) {
		uint32_t prefix = htonl(lengths[i]);
		struct rig_buffer buffer;

		wire_hello(rig, fd);
		client_write(fd, &prefix, sizeof(prefix));
		net_give(rig, NET_RX, &buffer, BUFFER);
		client_expect_end(fd);
		close(fd);
		/* Nobody is there; the buffer is for who comes next. */
		net_frame(frame, LEN, i);
		net_send(rig, NULL, frame, LEN);
		assert_int_equal(net_stat(rig, "lost"), i + 1);
		fd = client_connect(rig->files[0]);
		wire_send(fd, frame, LEN);
		net_expect(rig, NET_RX, &buffer, frame, LEN);
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
	unsigned char frame[LEN];

	snprintf(backend, sizeof(backend), "socket:%s", path);
	net_start(rig, backend, NULL);
	for (int i = 0; i < 2; i++) {
		fd = client_accept(listener);
		wire_hello(rig, fd);
		net_frame(frame, LEN, 1);
		net_send(rig, NULL, frame, LEN);
		wire_expect(fd, frame, LEN);
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
	int fd = start_listening(rig);

	memcpy(frame, wanted, sizeof(wanted));
	wire_hello(rig, fd);
	rig_check(rig,
		  frontend_tell(&rig->peer->frontend, WIRE_SEND_RARP, mac, sizeof(mac), NULL, 0));
	wire_expect(fd, frame, sizeof(frame));
	rig_stop(rig);
	close(fd);
}

/* --- a tap, in a network namespace of this test's own --- */

static int wire_of_tap(const char *name)
{
	struct ifreq request = {.ifr_flags = IFF_UP};
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	assert_true(fd >= 0);
	strcpy(request.ifr_name, name);
	assert_return_code(ioctl(fd, SIOCSIFFLAGS, &request), errno);
	address.sll_ifindex = (int)if_nametoindex(name);
	assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	return fd;
}

/* The kernel says things of its own there. */
static void tap_expect(int fd, const void *frame, uint32_t len)
{
	unsigned char got[BUFFER];
	ssize_t n;

	do {
		n = client_read_some(fd, got, sizeof(got));
		assert_true(n > 0);
	} while (n != len || memcmp(got, frame, len));
}

static void start_tap(struct rig *rig, const char *const *more)
{
	net_need_tap();
	net_start(rig, "tap:vutap", more);
}

/* Among what the kernel says by itself. */
static void guest_expect(struct rig *rig, uint32_t queue, const void *frame, uint32_t len)
{
	struct rig_buffer *buffer;
	struct driver_seg seg;
	uint32_t got;

	for (;;) {
		buffer = rig_wait(rig, queue, &got);
		if (got == 12 + len && !memcmp(buffer->data + 12, frame, len))
			return;
		seg = rig_write_seg(buffer, buffer->len);
		rig_offer(rig, queue, &seg, 1, buffer);
	}
}

static void frames_go_both_ways_through_a_tap(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer buffers[32];
	unsigned char frame[1000];
	int fd;

	start_tap(rig, NULL);
	for (uint32_t i = 0; i < 32; i++)
		net_give(rig, NET_RX, &buffers[i], 300);
	fd = wire_of_tap("vutap");
	for (uint32_t i = 0; i < 5; i++) {
		net_frame(frame, sizeof(frame), i);
		net_send(rig, NULL, frame, sizeof(frame));
		tap_expect(fd, frame, sizeof(frame));
		net_frame(frame, LEN, 50 + i);
		client_write(fd, frame, LEN);
		guest_expect(rig, NET_RX, frame, LEN);
	}
	assert_int_equal(net_stat(rig, "refused"), 0);
	close(fd);
	rig_stop(rig);
}

/* The next frame with this many bytes, with the header that the kernel has for it. */
static void tap_expect_header(int fd, const struct virtio_net_hdr *wanted, uint32_t len)
{
	unsigned char got[BUFFER + sizeof(*wanted)];
	struct virtio_net_hdr h;

	while (client_read_some(fd, got, sizeof(got)) != (ssize_t)(sizeof(h) + len))
		;
	memcpy(&h, got, sizeof(h));
	assert_int_equal(h.flags, wanted->flags);
	assert_int_equal(h.gso_type, wanted->gso_type);
	assert_int_equal(h.gso_size, wanted->gso_size);
	assert_int_equal(h.csum_start, wanted->csum_start);
	assert_int_equal(h.csum_offset, wanted->csum_offset);
}

/* Checksums and segments are the kernel's, as the guest said; what cannot be never gets there. */
static void the_kernel_hears_what_it_is_to_do(void **state)
{
	enum { ETHERTYPE = 12, IP = 14, PROTOCOL = 23, SEGMENT = 500, BYTES = 2000, ON = 1 };
	struct virtio_net_hdr_v1 h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				      .csum_start = htole16(34),
				      .csum_offset = htole16(16)};
	struct virtio_net_hdr wanted = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16};
	struct rig *rig = *state;
	unsigned char frame[BYTES] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1};
	int fd, on = ON;

	start_tap(rig, NULL);
	fd = wire_of_tap("vutap");
	assert_return_code(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), errno);
	frame[ETHERTYPE] = 8;
	frame[IP] = 0x45;
	frame[PROTOCOL] = IPPROTO_TCP;
	frame[46] = 0x50;
	net_send(rig, &h, frame, BYTES / 2);
	tap_expect_header(fd, &wanted, BYTES / 2);
	h.gso_type = wanted.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	h.gso_size = htole16(SEGMENT);
	wanted.gso_size = SEGMENT;
	net_send(rig, &h, frame, BYTES);
	tap_expect_header(fd, &wanted, BYTES);
	h.csum_start = htole16(BYTES - 1);
	net_send(rig, &h, frame, BYTES);
	assert_int_equal(net_stat(rig, "refused"), 1);
	assert_int_equal(net_stat(rig, "lost"), 0);
	close(fd);
	rig_stop(rig);
}

static void what_a_tap_that_is_down_does_not_take_is_lost(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer buffer;
	unsigned char frame[LEN];

	start_tap(rig, NULL);
	net_give(rig, NET_RX, &buffer, BUFFER);
	net_frame(frame, LEN, 1);
	net_send(rig, NULL, frame, LEN); /* it is down: lost, and said once */
	net_send(rig, NULL, frame, LEN);
	assert_int_equal(net_stat(rig, "lost"), 2);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "packets are lost"), 1);
}

static void a_tap_has_as_many_queues_as_the_guest_uses(void **state)
{
	static const char *const more[] = {"--queues=2", NULL};
	struct rig *rig = *state;
	struct rig_buffer buffers[2][32];
	unsigned char frame[LEN];
	int fd;

	rig->config.n_queues = 4;
	start_tap(rig, more);
	for (uint32_t i = 0; i < 32; i++)
		net_give(rig, NET_RX, &buffers[0][i], BUFFER);
	/* The second one is not used: whatever comes is for the first. */
	rig_check(rig, frontend_set_vring_enable(&rig->peer->frontend, 2, false));
	fd = wire_of_tap("vutap");
	for (uint32_t i = 0; i < 20; i++) {
		net_frame(frame, LEN, i);
		net_send_on(rig, i % 2 ? 3 : 1, NULL, frame, LEN);
		tap_expect(fd, frame, LEN);
	}
	close(fd);
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_the_guest_sends_is_in_the_file),
		TEST(the_guest_receives_what_is_in_another_file),
		TEST(frames_go_both_ways_through_a_socket),
		TEST(a_frame_may_come_in_pieces),
		TEST(who_does_not_read_is_waited_for),
		TEST(who_sends_what_is_no_frame_is_hung_up_on),
		TEST(it_connects_and_connects_again),
		TEST(a_guest_that_moved_here_is_announced),
		TEST(frames_go_both_ways_through_a_tap),
		TEST(the_kernel_hears_what_it_is_to_do),
		TEST(what_a_tap_that_is_down_does_not_take_is_lost),
		TEST(a_tap_has_as_many_queues_as_the_guest_uses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
