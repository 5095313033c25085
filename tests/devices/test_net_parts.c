/* SPDX-License-Identifier: MIT */
/* The parts of vu-net's switch that do no I/O: segments, what waits, addresses, rules. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "kit/test.h"
#include "net_backlog.h"
#include "net_packets.h"
#include "net_rules.h"
#include "net_segment.h"

/* --- segments --- */

static const char *look(struct net_cut *cut, const struct net_made *m)
{
	struct virtio_net_hdr_v1 header = m->header;

	assert_null(net_header_check(&header, m->len, net_offloads, 0));
	return net_cut_look(cut, &header, m->frame, m->len);
}

static void cut_all(const struct net_made *m)
{
	unsigned char *out = malloc(m->payload + m->size);
	struct net_cut cut;

	assert_null(look(&cut, m));
	assert_int_equal(cut.n, net_made_segments(m));
	for (uint32_t i = 0; i < cut.n; i++)
		net_expect_segment(m, i, out,
				   (uint32_t)net_cut_make(&cut, m->frame, m->len, i, out));
	free(out);
}

static void packets_of_all_kinds_are_cut(void **state)
{
	static const uint32_t sizes[] = {8, 9, 536, 1400, 1448, 1460, 9000};
	static struct net_made m;

	(void)state;
	for (uint32_t kind = 0; kind < PACKET_KINDS; kind++)
		for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			net_make(&m, kind, 1, 2, sizes[i] * 7 + i, sizes[i]);
			cut_all(&m);
			net_make(&m, kind, 1, 2, sizes[i], sizes[i]);
			cut_all(&m);
			net_make(&m, kind, 1, 2, 1, sizes[i]);
			cut_all(&m);
		}
	net_make(&m, PACKET_VLAN, 1, 2, 65000, 1448);
	cut_all(&m);
}

static void what_is_not_what_its_header_says_is_not_cut(void **state)
{
	static struct net_made m;
	struct net_cut cut;

	(void)state;
	net_make(&m, 0, 1, 2, 3000, 1000);
	assert_null(look(&cut, &m));
	m.header.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
	assert_non_null(look(&cut, &m));
	m.header.gso_type = PACKET_USO; /* the checksum is elsewhere */
	assert_non_null(look(&cut, &m));
	m.header.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	for (int change = -2; change <= 2; change++) {
		m.header.csum_start = htole16((uint16_t)((int)m.transport + change));
		assert_int_equal(!look(&cut, &m), !change);
	}
	m.header.csum_start = htole16((uint16_t)m.transport);
	m.frame[m.network + 6] = 0x20; /* a fragment */
	assert_non_null(look(&cut, &m));
	m.frame[m.network + 6] = 0x40;
	m.frame[m.network] = 0x55;
	assert_non_null(look(&cut, &m));
	m.frame[m.network] = 0x45;
	m.frame[m.network - 1] = 6; /* ARP */
	assert_non_null(look(&cut, &m));
	m.frame[m.network - 1] = 0;
	for (unsigned int words = 0; words < 16; words++) {
		m.frame[m.transport + 12] = (unsigned char)(words << 4);
		assert_int_equal(!look(&cut, &m), words >= 5);
	}
}

static void headers_that_reach_too_far_and_too_many_segments_are_refused(void **state)
{
	static struct net_made m;
	struct net_cut cut;

	(void)state;
	net_make(&m, 0, 1, 2, 256 * 8, 8);
	assert_null(look(&cut, &m));
	net_make(&m, 0, 1, 2, 256 * 8 + 1, 8);
	assert_non_null(look(&cut, &m));
	/* TCP's options end behind the frame. */
	net_make(&m, 0, 1, 2, 10, 8);
	m.frame[m.transport + 12] = 0xf0;
	assert_non_null(look(&cut, &m));
	/* Nothing but tags. */
	net_make(&m, 0, 1, 2, 3000, 1000);
	for (uint32_t i = 12; i < 300; i += 4)
		memcpy(m.frame + i, "\x81\x00\x00\x07", 4);
	assert_non_null(look(&cut, &m));
	/* IPv6 with more before TCP than is looked at. */
	net_make(&m, PACKET_V6, 1, 2, 3000, 1000);
	m.header.csum_start = htole16(NET_HEAD - 10);
	assert_non_null(look(&cut, &m));
}

static void checksums_are_completed(void **state)
{
	static struct net_made m, copy;

	(void)state;
	for (uint32_t kind = 0; kind < PACKET_KINDS; kind++)
		for (uint32_t len = 0; len < 40; len++) {
			net_make(&m, kind, 1, 2, len, 1000);
			net_make_alone(&m);
			copy = m;
			net_complete_checksum(&copy.header, copy.frame, copy.len);
			net_expect_complete(&m, copy.frame, copy.len);
		}
}

/* A row: what a driver took, and which headers it gets as they are. */
static void who_takes_what(void **state)
{
	const uint64_t csum = NET_BIT(VIRTIO_NET_F_GUEST_CSUM),
		       tso4 = NET_BIT(VIRTIO_NET_F_GUEST_TSO4),
		       tso6 = NET_BIT(VIRTIO_NET_F_GUEST_TSO6),
		       ecn = NET_BIT(VIRTIO_NET_F_GUEST_ECN),
		       uso = NET_BIT(NET_F_GUEST_USO4) | NET_BIT(NET_F_GUEST_USO6);
	const struct {
		uint64_t features;
		bool none, tcp4, tcp6, udp, with_ecn;
	} rows[] = {
		{.features = 0},
		{.features = tso4 | tso6 | ecn | uso},
		{.features = csum, .none = true},
		{.features = csum | tso4, .none = true, .tcp4 = true},
		{.features = csum | tso4 | ecn, .none = true, .tcp4 = true, .with_ecn = true},
		{.features = csum | tso6, .none = true, .tcp6 = true},
		{.features = csum | uso, .none = true, .udp = true},
		{.features = csum | NET_BIT(NET_F_GUEST_USO4), .none = true},
		{net_offloads, true, true, true, true, true},
	};
	struct virtio_net_hdr_v1 h = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		h.flags = h.gso_type = 0;
		assert_true(net_is_taken(&h, rows[i].features));
		h.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		assert_int_equal(net_is_taken(&h, rows[i].features), rows[i].none);
		h.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		assert_int_equal(net_is_taken(&h, rows[i].features), rows[i].tcp4);
		h.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
		assert_int_equal(net_is_taken(&h, rows[i].features), rows[i].with_ecn);
		h.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
		assert_int_equal(net_is_taken(&h, rows[i].features), rows[i].tcp6);
		h.gso_type = NET_GSO_UDP_L4;
		assert_int_equal(net_is_taken(&h, rows[i].features), rows[i].udp);
	}
}

/* --- what waits --- */

static bool put(struct net_backlog *b, uint32_t from, uint32_t len, uint32_t seed)
{
	static unsigned char frame[PACKET_LONGEST];
	const struct virtio_net_hdr_v1 header = {.gso_size = (uint16_t)seed};
	struct iovec pieces[] = {{frame, len / 3}, {frame + len / 3, len - len / 3}};

	fill(frame, len, seed);
	return net_backlog_add(b, from, &header, pieces, 2, len);
}

static void expect_first(struct net_backlog *b, uint32_t from, uint32_t len, uint32_t seed)
{
	static unsigned char wanted[PACKET_LONGEST], got[PACKET_LONGEST];
	struct net_backlog_record record;
	struct iovec frame[2];
	int n = net_backlog_first(b, &record, frame);

	assert_in_range(n, 1, 2);
	assert_int_equal(record.from, from);
	assert_int_equal(record.len, len);
	assert_int_equal(record.header.gso_size, (uint16_t)seed);
	assert_int_equal(net_gather(frame, n, 0, got, sizeof(got)), len);
	fill(wanted, len, seed);
	assert_memory_equal(got, wanted, len);
	net_backlog_pop(b);
}

/* Around the circle, at every place of its end. */
static void what_waits_comes_in_order_and_as_it_was(void **state)
{
	uint32_t in = 0, out = 0, len;
	struct net_backlog b;

	(void)state;
	assert_int_equal(net_backlog_init(&b), 0);
	while (out < 300) {
		len = 14 + in * 7919 % 40000;
		if (put(&b, in % NET_PLACES, len, in)) {
			in++;
			continue;
		}
		expect_first(&b, out % NET_PLACES, 14 + out * 7919 % 40000, out);
		out++;
	}
	for (; out < in; out++)
		expect_first(&b, out % NET_PLACES, 14 + out * 7919 % 40000, out);
	assert_int_equal(b.used, 0);
	for (uint32_t i = 0; i < NET_PLACES; i++)
		assert_int_equal(b.share[i], 0);
	net_backlog_free(&b);
}

static void who_sends_much_leaves_room_for_others(void **state)
{
	struct net_backlog b;
	uint32_t n = 0, others = 0;

	(void)state;
	assert_int_equal(net_backlog_init(&b), 0);
	while (put(&b, 7, 1000, 1))
		n++;
	assert_in_range(n * 1000, NET_BACKLOG / 3, NET_BACKLOG / 2);
	for (uint32_t from = 8; from < 12; from++)
		for (uint32_t i = 0; i < 10; i++)
			others += put(&b, from, 1000, 1);
	assert_int_equal(others, 40);
	assert_false(put(&b, 7, 60, 1));
	net_backlog_clear(&b);
	assert_true(put(&b, 7, 1000, 1));
	net_backlog_free(&b);
}

/* --- addresses --- */

static const unsigned char *address(uint32_t number)
{
	static unsigned char a[NET_ADDRESS];

	a[0] = 2;
	memcpy(a + 2, &number, sizeof(number));
	return a;
}

static void addresses_are_learned_move_and_are_forgotten(void **state)
{
	static struct net_table t;
	unsigned char got[NET_ADDRESS];

	(void)state;
	net_table_init(&t);
	assert_int_equal(net_table_find(&t, address(0)), NET_NOBODY);
	for (uint32_t i = 0; i < NET_MAX_PORTS * NET_PORT_ADDRESSES; i++)
		net_table_learn(&t, i % NET_MAX_PORTS, address(i));
	for (uint32_t i = 0; i < NET_UPLINK_ADDRESSES; i++)
		net_table_learn(&t, NET_UPLINK, address(100000 + i));
	for (uint32_t i = 0; i < NET_MAX_PORTS * NET_PORT_ADDRESSES; i++)
		assert_int_equal(net_table_find(&t, address(i)), i % NET_MAX_PORTS);
	for (uint32_t i = 0; i < NET_UPLINK_ADDRESSES; i++)
		assert_int_equal(net_table_find(&t, address(100000 + i)), NET_UPLINK);
	/* One more: the oldest one of that place is gone, and nobody else's. */
	net_table_learn(&t, 3, address(200000));
	assert_int_equal(net_table_find(&t, address(3)), NET_NOBODY);
	assert_int_equal(net_table_find(&t, address(3 + NET_MAX_PORTS)), 3);
	assert_int_equal(net_table_find(&t, address(4)), 4);
	net_table_learn(&t, NET_UPLINK, address(4));
	assert_int_equal(net_table_find(&t, address(4)), NET_UPLINK);
	assert_int_equal(net_table_find(&t, address(100000)), NET_NOBODY);
	net_table_forget(&t, 5);
	assert_int_equal(net_table_find(&t, address(5)), NET_NOBODY);
	assert_false(net_table_get(&t, 5, 0, got));
	assert_true(net_table_get(&t, 6, NET_PORT_ADDRESSES - 1, got));
	assert_false(net_table_get(&t, 6, NET_PORT_ADDRESSES, got));
	assert_int_equal(net_table_find(&t, got), 6);
}

/* --- rules --- */

static void rules_say_who_reaches_whom(void **state)
{
	static const char *const group[] = {"all+uplink", "0-2+0-2", "5+1-2"};
	static struct net_rules r;

	(void)state;
	assert_null(net_rules_parse(&r, NULL, 0));
	assert_true(r.reach[0][63] && r.reach[63][NET_UPLINK]);
	assert_false(r.uplink || r.ports);
	assert_null(net_rules_parse(&r, group, 1));
	assert_true(r.reach[0][NET_UPLINK] && r.reach[NET_UPLINK][63] && r.uplink);
	assert_false(r.reach[0][1] || r.reach[NET_UPLINK][NET_UPLINK] || r.ports);
	assert_null(net_rules_parse(&r, group, 3));
	assert_true(r.reach[0][2] && r.reach[2][1] && r.reach[5][1] && r.reach[2][5]);
	assert_false(r.reach[0][3] || r.reach[5][0] || r.reach[3][4]);
	assert_int_equal(r.ports, 6);
}

static void what_is_no_rule_is_named(void **state)
{
	static const char *const bad[] = {"",
					  "0",
					  "0+",
					  "+0",
					  "0+64",
					  "64+0",
					  "0+1+2",
					  "0-+1",
					  "3-2+1",
					  "-1+0",
					  "0+1x",
					  "x+1",
					  "0 +1",
					  "all",
					  "uplink",
					  "0-1-2+3",
					  "all+ALL",
					  "0,1+2",
					  "0000000000000000000000000000000000000000000+1"};
	struct net_rules r;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_ptr_equal(net_rules_parse(&r, &bad[i], 1), bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_of_all_kinds_are_cut),
		cmocka_unit_test(what_is_not_what_its_header_says_is_not_cut),
		cmocka_unit_test(headers_that_reach_too_far_and_too_many_segments_are_refused),
		cmocka_unit_test(checksums_are_completed),
		cmocka_unit_test(who_takes_what),
		cmocka_unit_test(what_waits_comes_in_order_and_as_it_was),
		cmocka_unit_test(who_sends_much_leaves_room_for_others),
		cmocka_unit_test(addresses_are_learned_move_and_are_forgotten),
		cmocka_unit_test(rules_say_who_reaches_whom),
		cmocka_unit_test(what_is_no_rule_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
