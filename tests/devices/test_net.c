/* SPDX-License-Identifier: MIT */
/* vu-net through real rings: packets, buffers of all sizes, pairs, the link, and what is malformed.
 */
#include "net.h"

#include <signal.h>

const char *const rig_program = "VU_NET";

enum { LEN = 1514, SMALL = 200, NO_MRG = 1 << VIRTIO_NET_F_MRG_RXBUF };

/* What the end "echo" makes of a frame. */
static void turn(unsigned char *frame)
{
	unsigned char to[6];

	memcpy(to, frame, 6);
	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, to, 6);
}

static void echo_one(struct rig *rig, uint32_t queue, uint32_t len, uint32_t seed)
{
	static unsigned char frame[NET_LONGEST];
	struct rig_buffer buffer;

	net_frame(frame, len, seed);
	net_give(rig, queue, &buffer, len + 100);
	net_send_on(rig, queue + 1, NULL, frame, len);
	turn(frame);
	net_expect(rig, queue, &buffer, frame, len);
}

static void echo_all_sizes(struct rig *rig)
{
	net_start(rig, "echo", NULL);
	for (uint32_t len = 14; len < 2000; len += len < 70 ? 1 : 131)
		echo_one(rig, NET_RX, len, len);
	echo_one(rig, NET_RX, NET_LONGEST, 3);
	assert_int_equal(net_stat(rig, "sent"), net_stat(rig, "received"));
	assert_int_equal(net_stat(rig, "missed"), 0);
	rig_stop(rig);
}

static void packets_of_all_sizes_come_back(void **state)
{
	echo_all_sizes(*state);
}

static void they_do_on_packed_rings(void **state)
{
	struct rig *rig = *state;

	rig->config.packed = true;
	echo_all_sizes(rig);
}

static void they_do_under_the_short_header_of_a_legacy_driver(void **state)
{
	struct rig *rig = *state;

	rig->config.features = UINT32_MAX & ~(uint64_t)NO_MRG;
	echo_all_sizes(rig);
}

/* What the guest gave, in small buffers, is filled in order; the first one says how many. */
static void a_long_packet_takes_several_buffers(void **state)
{
	enum { N = 9 };
	struct rig *rig = *state;
	unsigned char frame[LEN], got[LEN + 12];
	struct rig_buffer buffers[N + 1];
	uint32_t len, at = 0, n = 0;
	uint16_t said;

	net_start(rig, "echo", NULL);
	for (uint32_t i = 0; i <= N; i++)
		net_give(rig, NET_RX, &buffers[i], SMALL);
	net_frame(frame, LEN, 1);
	net_send(rig, NULL, frame, LEN);
	while (at < sizeof(got)) {
		assert_ptr_equal(rig_wait(rig, NET_RX, &len), &buffers[n]);
		assert_true(len <= SMALL && at + len <= sizeof(got));
		memcpy(got + at, buffers[n++].data, len);
		at += len;
	}
	rig_expect_nothing(rig, NET_RX);
	memcpy(&said, got + 10, sizeof(said));
	assert_int_equal(le16toh(said), n);
	turn(frame);
	assert_memory_equal(got + 12, frame, LEN);
	rig_stop(rig);
}

/* One turn of the transmit queue uses up more than one of the receive queue's. */
static void many_that_take_several_buffers_each_all_come_back(void **state)
{
	enum { N = 200, EACH = 8, BUFFERS = N * EACH };
	static const char *const more[] = {"--queue-size=2048", NULL};
	struct rig *rig = *state;
	static struct rig_buffer buffers[BUFFERS], out;
	struct driver_seg seg;

	rig->config.queue_size = 2048;
	net_start(rig, "echo", more);
	assert_return_code(kill(rig->program.pid, SIGSTOP), errno);
	for (uint32_t i = 0; i < BUFFERS; i++)
		net_give(rig, NET_RX, &buffers[i], SMALL);
	rig_buffer(rig, &out, 12 + LEN);
	memset(out.data, 0, out.len);
	seg = rig_read_seg(&out, out.len);
	for (uint32_t i = 0; i < N; i++)
		rig_offer(rig, NET_TX, &seg, 1, &out);
	assert_return_code(kill(rig->program.pid, SIGCONT), errno);
	for (uint32_t i = 0; i < N; i++)
		assert_ptr_equal(rig_wait(rig, NET_TX, NULL), &out);
	assert_int_equal(net_stat(rig, "missed"), 0);
	assert_int_equal(net_stat(rig, "received"), N);
	for (uint32_t i = 0; i < BUFFERS; i++)
		assert_ptr_equal(rig_wait(rig, NET_RX, NULL), &buffers[i]);
	rig_stop(rig);
}

/* The buffers are still there for one that fits. */
static void what_has_no_room_is_missed_and_the_next_is_not(void **state)
{
	struct rig *rig = *state;
	unsigned char frame[LEN];
	struct rig_buffer buffers[2];

	net_start(rig, "echo", NULL);
	net_frame(frame, LEN, 1);
	net_send(rig, NULL, frame, LEN);
	for (int i = 0; i < 2; i++)
		net_give(rig, NET_RX, &buffers[i], SMALL);
	net_send(rig, NULL, frame, LEN);
	rig_expect_nothing(rig, NET_RX);
	assert_int_equal(net_stat(rig, "missed"), 2);
	memset(buffers[0].data, RIG_UNTOUCHED, SMALL); /* it was tried */
	net_send(rig, NULL, frame, 100);
	turn(frame);
	net_expect(rig, NET_RX, &buffers[0], frame, 100);
	rig_stop(rig);
}

static void without_mergeable_buffers_one_has_to_do(void **state)
{
	struct rig *rig = *state;
	unsigned char frame[LEN];
	struct rig_buffer buffers[9];

	rig->config.features =
		~((uint64_t)NO_MRG | 1ULL << 26 | 1ULL << 33 | 1ULL << 34 | 1ULL << 63);
	net_start(rig, "echo", NULL);
	for (int i = 0; i < 9; i++)
		net_give(rig, NET_RX, &buffers[i], SMALL);
	net_frame(frame, LEN, 1);
	net_send(rig, NULL, frame, LEN);
	rig_expect_nothing(rig, NET_RX);
	assert_int_equal(net_stat(rig, "missed"), 1);
	memset(buffers[0].data, RIG_UNTOUCHED, SMALL);
	net_send(rig, NULL, frame, 100);
	turn(frame);
	net_expect(rig, NET_RX, &buffers[0], frame, 100);
	rig_stop(rig);
}

static void a_header_may_lie_in_single_bytes(void **state)
{
	enum { N = 40 };
	struct rig *rig = *state;
	struct rig_buffer out, in;
	struct driver_seg segs[N], pieces[4];
	uint32_t len;

	net_start(rig, "echo", NULL);
	rig_buffer(rig, &in, 400);
	for (uint32_t i = 0; i < 4; i++)
		pieces[i] = (struct driver_seg){
			.gpa = in.gpa + 5 * i, .len = i < 3 ? 5 : 385, .write = true};
	rig_offer(rig, NET_RX, pieces, 4, &in);
	rig_buffer(rig, &out, N);
	memset(out.data, 0, N);
	net_frame(out.data + 12, N - 12, 2);
	for (uint32_t i = 0; i < N; i++)
		segs[i] = (struct driver_seg){.gpa = out.gpa + i, .len = 1};
	assert_int_equal(rig_do(rig, NET_TX, segs, N), 0);
	assert_ptr_equal(rig_wait(rig, NET_RX, &len), &in);
	assert_int_equal(len, N);
	turn(out.data + 12);
	out.data[10] = 1;
	assert_memory_equal(in.data, out.data, N);
	rig_stop(rig);
}

/* --- what no guest should send --- */

#define CSUM	  VIRTIO_NET_HDR_F_NEEDS_CSUM
#define HEAD(...) ((struct virtio_net_hdr_v1){__VA_ARGS__})

/* Each is completed, counted and dropped; of the many lines there are few. */
static void what_is_malformed_is_dropped(void **state)
{
	/* The end "echo" has no offloads: all of these are more than was negotiated. */
	const struct virtio_net_hdr_v1 bad[] = {
		HEAD(.flags = CSUM),
		HEAD(.flags = CSUM, .csum_start = htole16(34), .csum_offset = htole16(16)),
		HEAD(.gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = htole16(1000)),
		HEAD(.flags = CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV6),
		HEAD(.gso_type = 0x80),
		HEAD(.gso_type = 77),
	};
	enum { N = sizeof(bad) / sizeof(bad[0]), SHORT = 14 };
	static unsigned char frame[NET_LONGEST + 1];
	struct rig *rig = *state;
	struct rig_buffer buffer;
	struct driver_seg seg;

	net_start(rig, "echo", NULL);
	net_give(rig, NET_RX, &buffer, LEN);
	net_frame(frame, sizeof(frame), 1);
	for (uint32_t i = 0; i < N; i++)
		net_send(rig, &bad[i], frame, 100);
	for (uint32_t len = 0; len < SHORT; len++)
		net_send(rig, NULL, frame, len);
	net_send(rig, NULL, frame, NET_LONGEST + 1);
	for (uint32_t len = 1; len < 12; len++) {
		struct rig_buffer out;

		rig_buffer(rig, &out, len);
		seg = rig_read_seg(&out, len);
		assert_int_equal(rig_do(rig, NET_TX, &seg, 1), 0);
	}
	/* In the wrong direction. */
	rig_buffer(rig, &buffer, 100);
	seg = rig_write_seg(&buffer, 100);
	assert_int_equal(rig_do(rig, NET_TX, &seg, 1), 0);
	rig_expect_nothing(rig, NET_RX);
	assert_int_equal(net_stat(rig, "refused"), N + SHORT + 1 + 11 + 1);
	assert_int_equal(net_stat(rig, "sent"), 0);
	rig_stop(rig);
	assert_in_range(rig_logged(rig, "a packet is dropped"), 1, rig_log_limit(rig));
}

static void what_the_driver_must_not_set_is_ignored(void **state)
{
	struct rig *rig = *state;
	unsigned char frame[100];
	struct rig_buffer buffer;
	struct virtio_net_hdr_v1 h = {.flags = 0xfe,
				      .hdr_len = 0xffff,
				      .gso_size = 0xffff,
				      .csum_start = 0xffff,
				      .csum_offset = 0xffff,
				      .num_buffers = 0xffff};

	net_start(rig, "echo", NULL);
	net_give(rig, NET_RX, &buffer, LEN);
	net_frame(frame, sizeof(frame), 1);
	net_send(rig, &h, frame, sizeof(frame));
	turn(frame);
	net_expect(rig, NET_RX, &buffer, frame, sizeof(frame));
	rig_stop(rig);
}

static void a_packet_in_too_many_pieces_is_dropped(void **state)
{
	enum { N = 300 };
	struct rig *rig = *state;
	struct driver_seg segs[N];
	struct rig_buffer out;

	rig->config.max_indirect = N;
	rig->config.queue_size = 512;
	net_start(rig, "echo", NULL);
	rig_buffer(rig, &out, N);
	memset(out.data, 0, N);
	for (uint32_t i = 0; i < N; i++)
		segs[i] = (struct driver_seg){.gpa = out.gpa + i, .len = 1};
	assert_int_equal(rig_do(rig, NET_TX, segs, N), 0);
	assert_int_equal(net_stat(rig, "refused"), 1);
	echo_one(rig, NET_RX, 60, 1);
	rig_stop(rig);
}

static void a_receive_buffer_without_room_for_a_header_comes_back(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer tiny, buffer;
	unsigned char frame[60];
	uint32_t len;

	net_start(rig, "echo", NULL);
	net_give(rig, NET_RX, &tiny, 12);
	net_give(rig, NET_RX, &buffer, LEN);
	net_frame(frame, sizeof(frame), 1);
	net_send(rig, NULL, frame, sizeof(frame));
	assert_ptr_equal(rig_wait(rig, NET_RX, &len), &tiny);
	assert_int_equal(len, 0);
	turn(frame);
	net_expect(rig, NET_RX, &buffer, frame, sizeof(frame));
	rig_stop(rig);
}

/* --- the device --- */

static struct virtio_net_config config_of(struct rig *rig)
{
	struct virtio_net_config config;

	memset(&config, 0, sizeof(config));
	rig_get_config(rig, 0, &config, offsetof(struct virtio_net_config, speed));
	return config;
}

static void expect_change(struct rig *rig)
{
	struct frontend_msg msg;

	rig_check(rig, frontend_expect_backend(&rig->peer->frontend, WIRE_BACKEND_CONFIG_CHANGE_MSG,
					       &msg));
	frontend_msg_close_fds(&msg);
}

static void the_link_goes_down_and_up(void **state)
{
	struct rig *rig = *state;
	unsigned char frame[60];

	net_start(rig, "echo", NULL);
	assert_string_equal(rig_say(rig, "link"), "up");
	assert_int_equal(le16toh(config_of(rig).status), VIRTIO_NET_S_LINK_UP);
	rig_say(rig, "link down");
	expect_change(rig);
	assert_int_equal(config_of(rig).status, 0);
	net_frame(frame, sizeof(frame), 1);
	net_send(rig, NULL, frame, sizeof(frame));
	assert_int_equal(net_stat(rig, "lost"), 1);
	assert_int_equal(net_stat(rig, "sent"), 0);
	rig_say(rig, "link up");
	expect_change(rig);
	assert_string_equal(rig_say(rig, "link"), "up");
	echo_one(rig, NET_RX, 60, 1);
	assert_string_equal(rig_say_refused(rig, "link sideways"), "up or down, please");
	rig_stop(rig);
}

/* vhost-user "Ring states": without side effects, and nothing stays in the ring. */
static void what_a_disabled_queue_sends_is_dropped(void **state)
{
	struct rig *rig = *state;
	unsigned char frame[60];
	struct rig_buffer buffer;

	net_start(rig, "echo", NULL);
	net_give(rig, NET_RX, &buffer, LEN);
	rig_check(rig, frontend_set_vring_enable(&rig->peer->frontend, NET_TX, false));
	net_frame(frame, sizeof(frame), 1);
	net_send(rig, NULL, frame, sizeof(frame));
	rig_expect_nothing(rig, NET_RX);
	rig_check(rig, frontend_set_vring_enable(&rig->peer->frontend, NET_TX, true));
	net_send(rig, NULL, frame, sizeof(frame));
	turn(frame);
	net_expect(rig, NET_RX, &buffer, frame, sizeof(frame));
	assert_int_equal(net_stat(rig, "sent"), 1);
	rig_stop(rig);
}

static void pairs_do_not_disturb_each_other(void **state)
{
	static const char *const more[] = {"--queues=4", NULL};
	struct rig *rig = *state;

	rig->config.n_queues = 8;
	net_start(rig, "echo", more);
	assert_int_equal(le16toh(config_of(rig).max_virtqueue_pairs), 4);
	for (uint32_t i = 0; i < 400; i++)
		echo_one(rig, 2 * (i % 4), 60 + i, i);
	assert_non_null(strstr(rig_say(rig, "stats"), "pair 3 sent 100 "));
	rig_stop(rig);
}

static void the_mtu_and_the_address_are_told_and_obeyed(void **state)
{
	static const char *const more[] = {"--mtu=1000", "--mac=52:54:00:12:34:56", NULL};
	static const unsigned char mac[] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
	struct rig *rig = *state;
	unsigned char frame[2000];
	uint64_t mtu = 1400;

	net_start(rig, "echo", more);
	assert_memory_equal(config_of(rig).mac, mac, sizeof(mac));
	assert_int_equal(le16toh(config_of(rig).mtu), 1000);
	echo_one(rig, NET_RX, 1018, 1);
	net_frame(frame, sizeof(frame), 1);
	net_send(rig, NULL, frame, 1019);
	assert_int_equal(net_stat(rig, "refused"), 1);
	rig_check(rig, frontend_tell(&rig->peer->frontend, WIRE_NET_SET_MTU, &mtu, sizeof(mtu),
				     NULL, 0));
	echo_one(rig, NET_RX, 1418, 1);
	net_send(rig, NULL, frame, 1419);
	assert_int_equal(net_stat(rig, "refused"), 2);
	mtu = 67;
	assert_true(frontend_tell(&rig->peer->frontend, WIRE_NET_SET_MTU, &mtu, sizeof(mtu), NULL,
				  0) < 0);
	rig_stop(rig);
}

static void a_driver_that_comes_again_goes_on(void **state)
{
	struct rig *rig = *state;

	net_start(rig, "echo", NULL);
	echo_one(rig, NET_RX, 60, 1);
	rig_check(rig, peer_stop(rig->peer));
	rig_connect(rig);
	echo_one(rig, NET_RX, 60, 2);
	rig_connect(rig);
	echo_one(rig, NET_RX, 60, 3);
	rig_stop(rig);
}

/* A thread that sleeps only after a second without packets hears of all that sleepers do. */
static void a_polling_thread_hears_of_links_stops_and_the_end(void **state)
{
	static const char *const more[] = {"--poll-us=1000000", NULL};
	struct rig *rig = *state;
	unsigned char frame[60];

	net_start(rig, "echo", more);
	for (uint32_t i = 0; i < 20; i++)
		echo_one(rig, NET_RX, 60, i);
	net_frame(frame, sizeof(frame), 1);
	rig_say(rig, "link down");
	expect_change(rig);
	net_send(rig, NULL, frame, sizeof(frame));
	assert_int_equal(net_stat(rig, "lost"), 1);
	rig_say(rig, "link up");
	expect_change(rig);
	rig_check(rig, frontend_set_vring_enable(&rig->peer->frontend, NET_TX, false));
	net_send(rig, NULL, frame, sizeof(frame));
	assert_int_equal(net_stat(rig, "sent"), 20);
	rig_check(rig, frontend_set_vring_enable(&rig->peer->frontend, NET_TX, true));
	echo_one(rig, NET_RX, 60, 2);
	rig_check(rig, peer_stop(rig->peer));
	rig_connect(rig);
	echo_one(rig, NET_RX, 60, 3);
	rig_connect(rig); /* and the one before is just gone */
	echo_one(rig, NET_RX, 60, 4);
	rig_stop(rig);
}

static void null_takes_all_and_gives_nothing(void **state)
{
	struct rig *rig = *state;
	unsigned char frame[60];
	struct rig_buffer buffer;

	net_start(rig, "null", NULL);
	net_give(rig, NET_RX, &buffer, LEN);
	net_frame(frame, sizeof(frame), 1);
	for (int i = 0; i < 10; i++)
		net_send(rig, NULL, frame, sizeof(frame));
	rig_expect_nothing(rig, NET_RX);
	assert_int_equal(net_stat(rig, "sent"), 10);
	assert_int_equal(net_stat(rig, "bytes"), 600);
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(packets_of_all_sizes_come_back),
		TEST(they_do_on_packed_rings),
		TEST(they_do_under_the_short_header_of_a_legacy_driver),
		TEST(a_long_packet_takes_several_buffers),
		TEST(many_that_take_several_buffers_each_all_come_back),
		TEST(what_has_no_room_is_missed_and_the_next_is_not),
		TEST(without_mergeable_buffers_one_has_to_do),
		TEST(a_header_may_lie_in_single_bytes),
		TEST(what_is_malformed_is_dropped),
		TEST(what_the_driver_must_not_set_is_ignored),
		TEST(a_packet_in_too_many_pieces_is_dropped),
		TEST(a_receive_buffer_without_room_for_a_header_comes_back),
		TEST(the_link_goes_down_and_up),
		TEST(what_a_disabled_queue_sends_is_dropped),
		TEST(pairs_do_not_disturb_each_other),
		TEST(the_mtu_and_the_address_are_told_and_obeyed),
		TEST(a_driver_that_comes_again_goes_on),
		TEST(a_polling_thread_hears_of_links_stops_and_the_end),
		TEST(null_takes_all_and_gives_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
