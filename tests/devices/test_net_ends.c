/* SPDX-License-Identifier: MIT */
/* Where vu-net's packets go and come from: files, a tap. */
#include "net.h"
#include "tap.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <stdio.h>
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

/* --- a tap, in a network namespace of this test's own --- */

static void start_tap(struct rig *rig, const char *const *more)
{
	net_need_tap();
	net_start(rig, "tap:vutap", more);
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
	fd = tap_open("vutap");
	for (uint32_t i = 0; i < 5; i++) {
		net_frame(frame, sizeof(frame), i);
		net_send(rig, NULL, frame, sizeof(frame));
		tap_expect(fd, frame, sizeof(frame));
		net_frame(frame, LEN, 50 + i);
		client_write(fd, frame, LEN);
		tap_guest_hears(rig, NET_RX, frame, LEN);
	}
	assert_int_equal(net_stat(rig, "refused"), 0);
	close(fd);
	rig_stop(rig);
}

/* It has no buffers meanwhile, which is no reason for it to come later. */
static void what_comes_by_a_tap_while_the_link_is_down_does_not_come_later(void **state)
{
	enum { N = 50, BUFFERS = 32 };
	struct rig *rig = *state;
	struct rig_buffer buffers[BUFFERS], *buffer;
	unsigned char old[LEN], frame[LEN];
	uint32_t len;
	int fd;

	start_tap(rig, NULL);
	fd = tap_open("vutap");
	net_frame(old, LEN, 1);
	net_frame(frame, LEN, 2);
	rig_say(rig, "link down");
	for (uint32_t i = 0; i < N; i++)
		client_write(fd, old, LEN);
	while (net_stat(rig, "missed") < N)
		continue;
	rig_say(rig, "link up");
	client_write(fd, frame, LEN);
	for (uint32_t i = 0; i < BUFFERS; i++)
		net_give(rig, NET_RX, &buffers[i], 300);
	do {
		buffer = rig_wait(rig, NET_RX, &len);
		assert_memory_not_equal(buffer->data + 12, old, LEN);
	} while (memcmp(buffer->data + 12, frame, LEN) != 0);
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
	fd = tap_open("vutap");
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
	fd = tap_open("vutap");
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
		TEST(frames_go_both_ways_through_a_tap),
		TEST(the_kernel_hears_what_it_is_to_do),
		TEST(what_comes_by_a_tap_while_the_link_is_down_does_not_come_later),
		TEST(what_a_tap_that_is_down_does_not_take_is_lost),
		TEST(a_tap_has_as_many_queues_as_the_guest_uses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
