/* SPDX-License-Identifier: MIT */
/* vu-net's switch: checksums and segments from guest to guest, also to one that took none of that.
 */
#include "net_lan.h"
#include "net_packets.h"

const char *const rig_program = "VU_NET";

enum { HEADER = sizeof(struct virtio_net_hdr_v1), SMALL = 2000, PAGE = 4096, N = 70 };

#define BIT(number) (UINT64_C(1) << (number))

static const uint64_t base = UINT64_C(1) << 32 | UINT64_C(1) << 30,
		      merges = BIT(VIRTIO_NET_F_MRG_RXBUF);

/* The second guest takes so much, and has n buffers of so many bytes. */
static void begin(struct rig *rig, struct lan *lan, uint64_t features, uint32_t n, uint32_t len)
{
	static struct rig_buffer buffers[N];

	guests_name(&lan->guests, rig, 2);
	net_start(rig, "switch", lan->guests.options);
	lan->guests.rigs[1]->config.features = features;
	guests_connect(&lan->guests);
	for (uint32_t i = 0; i < n; i++)
		net_give(lan->guests.rigs[1], NET_RX, &buffers[i], len);
}

/* What the second guest receives, of one buffer or several; its length, without the header. */
static uint32_t receive(struct lan *lan, struct virtio_net_hdr_v1 *h, unsigned char *frame)
{
	struct rig *rig = lan->guests.rigs[1];
	uint32_t len, n = 1, at = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct rig_buffer *buffer = rig_wait(rig, NET_RX, &len);
		uint32_t skip = i ? 0 : HEADER;

		if (!i) {
			memcpy(h, buffer->data, HEADER);
			n = le16toh(h->num_buffers);
		}
		memcpy(frame + at, buffer->data + skip, len - skip);
		at += len - skip;
	}
	return at;
}

static void expect_plain(const struct virtio_net_hdr_v1 *h)
{
	const struct virtio_net_hdr_v1 plain = {.num_buffers = htole16(1)};

	assert_memory_equal(h, &plain, sizeof(plain));
}

static void who_takes_segments_gets_them_in_one_piece(void **state)
{
	static const uint32_t kinds[] = {0, PACKET_V6, PACKET_UDP, PACKET_UDP | PACKET_V6,
					 PACKET_VLAN | PACKET_OPTIONS};
	static struct net_made m;
	static unsigned char got[PACKET_LONGEST];
	struct rig *rig = *state;
	struct virtio_net_hdr_v1 h;
	struct lan lan;

	begin(rig, &lan, 0, N, PAGE);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		net_make(&m, kinds[i], 1, 0, 50000, 1400);
		net_send(rig, &m.header, m.frame, m.len);
		assert_int_equal(receive(&lan, &h, got), m.len);
		assert_int_equal(le16toh(h.num_buffers), (HEADER + m.len + PAGE - 1) / PAGE);
		h.num_buffers = 0;
		assert_memory_equal(&h, &m.header, HEADER);
		assert_memory_equal(got, m.frame, m.len);
	}
	lan_end(&lan);
}

static void cut_for(struct rig *rig, uint64_t features, uint32_t kinds)
{
	static struct net_made m;
	static unsigned char got[PACKET_LONGEST];
	struct virtio_net_hdr_v1 h;
	struct lan lan;

	begin(rig, &lan, features, N, SMALL);
	for (uint32_t kind = 0; kind < kinds; kind++) {
		net_make(&m, kind, 1, 0, 4000, 1400);
		net_send(rig, &m.header, m.frame, m.len);
		for (uint32_t i = 0; i < 3; i++) {
			uint32_t len = receive(&lan, &h, got);

			expect_plain(&h);
			net_expect_segment(&m, i, got, len);
		}
	}
	rig_expect_nothing(lan.guests.rigs[1], NET_RX);
	lan_end(&lan);
}

static void who_takes_none_gets_packets(void **state)
{
	cut_for(*state, base | merges, PACKET_KINDS);
}

static void who_takes_checksums_alone_gets_packets_too(void **state)
{
	cut_for(*state, base | BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_ECN),
		PACKET_KINDS);
}

static void a_checksum_is_completed_for_who_takes_none(void **state)
{
	static struct net_made m;
	static unsigned char got[PACKET_LONGEST];
	struct rig *rig = *state;
	struct virtio_net_hdr_v1 h;
	struct lan lan;

	begin(rig, &lan, base, N, SMALL);
	for (uint32_t kind = 0; kind < PACKET_KINDS; kind++) {
		uint32_t len;

		net_make(&m, kind, 1, 0, 1001, 2000);
		net_make_alone(&m);
		net_send(rig, &m.header, m.frame, m.len);
		len = receive(&lan, &h, got);
		expect_plain(&h);
		net_expect_complete(&m, got, len);
	}
	lan_end(&lan);
}

/* To everybody, of whom each has what it took. */
static void a_group_gets_it_each_as_it_can(void **state)
{
	static struct net_made m;
	static unsigned char got[PACKET_LONGEST];
	struct rig *rig = *state;
	struct rig_buffer whole;
	struct virtio_net_hdr_v1 h;
	struct lan lan;
	uint32_t len;

	begin(rig, &lan, base, N, SMALL);
	net_give(lan.guests.rigs[2], NET_RX, &whole, 70000);
	net_make(&m, PACKET_UDP, 1, 0, 3000, 1000);
	m.frame[0] = 3;
	net_send(rig, &m.header, m.frame, m.len);
	for (uint32_t i = 0; i < 3; i++) {
		len = receive(&lan, &h, got);
		net_expect_segment(&m, i, got, len);
	}
	assert_ptr_equal(rig_wait(lan.guests.rigs[2], NET_RX, &len), &whole);
	assert_int_equal(len, HEADER + m.len);
	assert_memory_equal(whole.data, &m.header, offsetof(struct virtio_net_hdr_v1, num_buffers));
	assert_memory_equal(whole.data + HEADER, m.frame, m.len);
	lan_end(&lan);
}

/* Nobody is told of segments that its own driver would have to find out about. */
static void what_is_not_what_its_header_says_is_lost(void **state)
{
	static struct net_made m;
	struct rig *rig = *state;
	struct lan lan;

	begin(rig, &lan, 0, N, PAGE);
	net_make(&m, 0, 1, 0, 3000, 1000);
	m.header.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
	net_send(rig, &m.header, m.frame, m.len);
	net_make(&m, PACKET_V6, 1, 0, 3000, 1000);
	m.header.csum_offset = 0;
	net_send(rig, &m.header, m.frame, m.len);
	net_make(&m, PACKET_UDP, 1, 0, 60000, 1);
	net_send(rig, &m.header, m.frame, m.len);
	rig_expect_nothing(lan.guests.rigs[1], NET_RX);
	assert_int_equal(lan_count(rig, "port 0", "refused"), 3);
	assert_int_equal(net_stat(rig, "lost"), 3);
	/* A hundred bytes in front of IP are no reason to read what is not there. */
	net_make(&m, 0, 1, 0, 0, 8);
	for (uint32_t len = 14; len < m.len; len++)
		net_send(rig, &m.header, m.frame, len);
	rig_expect_nothing(lan.guests.rigs[1], NET_RX);
	lan_end(&lan);
}

/* Pieces of any size on both sides. */
static void pieces_do_not_matter(void **state)
{
	enum { PIECES = 200, EACH = 300 };
	static unsigned char got[PACKET_LONGEST];
	struct rig *rig = *state;
	struct driver_seg segs[PIECES];
	struct rig_buffer out;
	struct virtio_net_hdr_v1 h;
	struct lan lan;

	rig->config.max_indirect = PIECES;
	begin(rig, &lan, base | merges, N, 1000);
	rig_buffer(rig, &out, HEADER + PIECES * EACH);
	memset(out.data, 0, HEADER);
	net_frame(out.data + HEADER, out.len - HEADER, 1);
	for (uint32_t i = 0, at = 0; i < PIECES; i++) {
		uint32_t len = i < PIECES - 1 ? 1 + i * 13 % (2 * EACH - 50) : out.len - at;

		segs[i] = (struct driver_seg){.gpa = out.gpa + at, .len = len};
		at += len;
	}
	assert_int_equal(rig_do(rig, NET_TX, segs, PIECES), 0);
	assert_int_equal(receive(&lan, &h, got), out.len - HEADER);
	assert_int_equal(le16toh(h.num_buffers), (out.len + 999) / 1000);
	assert_memory_equal(got, out.data + HEADER, out.len - HEADER);
	lan_end(&lan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_takes_segments_gets_them_in_one_piece),
		TEST(who_takes_none_gets_packets),
		TEST(who_takes_checksums_alone_gets_packets_too),
		TEST(a_checksum_is_completed_for_who_takes_none),
		TEST(a_group_gets_it_each_as_it_can),
		TEST(what_is_not_what_its_header_says_is_lost),
		TEST(pieces_do_not_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
