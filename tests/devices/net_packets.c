/* SPDX-License-Identifier: MIT */
/* See net_packets.h.  Written from RFC 791, 8200, 9293 and 768, to know nothing of what it judges.
 */
#include "net_packets.h"

#include <endian.h>
#include <string.h>

#include "client.h"
#include "kit/test.h"

enum { ETHERNET = 14, TAG = 4, PROTO_TCP = 6, PROTO_UDP = 17, FLAGS = 0x99, FIRST_ID = 0xfffe };

static const uint32_t first_sequence = 0xfffffff0;

static void put16(unsigned char *at, uint32_t number)
{
	at[0] = (unsigned char)(number >> 8);
	at[1] = (unsigned char)number;
}

static void put32(unsigned char *at, uint32_t number)
{
	put16(at, number >> 16);
	put16(at + 2, number);
}

static uint32_t get16(const unsigned char *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t get32(const unsigned char *at)
{
	return get16(at) << 16 | get16(at + 2);
}

static uint32_t sum(uint32_t start, const unsigned char *data, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		start += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	while (start > 0xffff)
		start = (start & 0xffff) + (start >> 16);
	return start;
}

static bool has(const struct net_made *m, uint32_t kind)
{
	return m->kind & kind;
}

static uint32_t checksum_at(const struct net_made *m)
{
	return m->transport + (has(m, PACKET_UDP) ? 6 : 16);
}

/* Addresses, protocol and length of what TCP or UDP has. */
static uint32_t pseudo(const struct net_made *m, uint32_t len)
{
	uint32_t at = m->network + (has(m, PACKET_V6) ? 8 : 12);

	return sum(len + (has(m, PACKET_UDP) ? PROTO_UDP : PROTO_TCP), m->frame + at,
		   has(m, PACKET_V6) ? 32 : 8);
}

static void make_ip(struct net_made *m, unsigned char *ip)
{
	uint32_t protocol = has(m, PACKET_UDP) ? PROTO_UDP : PROTO_TCP;

	fill(ip, m->transport - m->network, 5);
	if (has(m, PACKET_V6)) {
		ip[0] = 0x60;
		put16(ip + 4, m->len - m->network - 40);
		ip[6] = has(m, PACKET_OPTIONS) ? 60 : (unsigned char)protocol;
		if (has(m, PACKET_OPTIONS)) { /* destination options, of nothing */
			static const unsigned char nothing[] = {0, 1, 4, 0, 0, 0, 0};

			ip[40] = (unsigned char)protocol;
			memcpy(ip + 41, nothing, sizeof(nothing));
		}
		return;
	}
	ip[0] = has(m, PACKET_OPTIONS) ? 0x46 : 0x45;
	put16(ip + 2, m->len - m->network);
	put16(ip + 4, FIRST_ID);
	put16(ip + 6, 0x4000);
	ip[9] = (unsigned char)protocol;
	put16(ip + 10, 0);
	put16(ip + 10, ~sum(0, ip, m->transport - m->network));
}

static void make_transport(struct net_made *m, unsigned char *own)
{
	fill(own, m->payload - m->transport, 6);
	if (has(m, PACKET_UDP)) {
		put16(own + 4, m->len - m->transport);
	} else {
		put32(own + 4, first_sequence);
		own[12] = (unsigned char)((m->payload - m->transport) << 2);
		own[13] = FLAGS;
	}
	put16(m->frame + checksum_at(m), pseudo(m, m->len - m->transport));
}

static uint8_t gso_type(uint32_t kind)
{
	if (kind & PACKET_UDP)
		return PACKET_USO;
	return kind & PACKET_V6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
}

void net_make(struct net_made *m, uint32_t kind, uint8_t to, uint8_t from, uint32_t payload,
	      uint32_t size)
{
	const unsigned char addresses[] = {2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from};
	uint32_t more = kind & PACKET_OPTIONS;

	m->kind = kind;
	m->size = size;
	m->network = ETHERNET + (has(m, PACKET_VLAN) ? TAG : 0);
	m->transport = m->network + (has(m, PACKET_V6) ? 40 + more : 20 + more / 2);
	m->payload = m->transport + (has(m, PACKET_UDP) ? 8 : 20 + more * 3 / 2);
	m->len = m->payload + payload;
	memcpy(m->frame, addresses, sizeof(addresses));
	if (has(m, PACKET_VLAN))
		put32(m->frame + sizeof(addresses), 0x81000007);
	put16(m->frame + m->network - 2, has(m, PACKET_V6) ? 0x86dd : 0x0800);
	make_ip(m, m->frame + m->network);
	fill(m->frame + m->payload, payload, to + payload);
	make_transport(m, m->frame + m->transport);
	m->header = (struct virtio_net_hdr_v1){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = gso_type(kind),
		.hdr_len = htole16((uint16_t)m->payload),
		.gso_size = htole16((uint16_t)size),
		.csum_start = htole16((uint16_t)m->transport),
		.csum_offset = htole16((uint16_t)(checksum_at(m) - m->transport)),
	};
}

void net_make_alone(struct net_made *m)
{
	m->header.gso_type = VIRTIO_NET_HDR_GSO_NONE;
	m->header.hdr_len = m->header.gso_size = 0;
}

uint32_t net_made_segments(const struct net_made *m)
{
	return (m->len - m->payload + m->size - 1) / m->size;
}

static void expect_ip(const struct net_made *m, uint32_t i, unsigned char *ip, uint32_t len)
{
	const unsigned char *was = m->frame + m->network;
	uint32_t bytes = m->transport - m->network;

	if (has(m, PACKET_V6)) {
		assert_int_equal(get16(ip + 4), len - 40);
		put16(ip + 4, get16(was + 4));
	} else {
		assert_int_equal(sum(0, ip, bytes), 0xffff);
		assert_int_equal(get16(ip + 2), len);
		assert_int_equal(get16(ip + 4), (FIRST_ID + i) & 0xffff);
		put32(ip + 2, get32(was + 2));
		put16(ip + 10, get16(was + 10));
	}
	assert_memory_equal(ip, was, bytes);
}

/* As they were but for what differs by segment, which is looked at and put back. */
static void expect_transport(const struct net_made *m, uint32_t i, unsigned char *own, uint32_t len)
{
	const unsigned char *was = m->frame + m->transport;
	uint32_t at = checksum_at(m) - m->transport;
	bool is_last = i + 1 == net_made_segments(m);

	assert_int_equal(sum(pseudo(m, len), own, len), 0xffff);
	put16(own + at, get16(was + at));
	if (has(m, PACKET_UDP)) {
		assert_int_not_equal(get16(own + at), 0);
		assert_int_equal(get16(own + 4), len);
		put16(own + 4, get16(was + 4));
	} else {
		assert_int_equal(get32(own + 4), first_sequence + i * m->size);
		put32(own + 4, get32(was + 4));
		assert_int_equal(own[13], FLAGS & ~((is_last ? 0 : 0x09) | (i ? 0x80 : 0)));
		own[13] = FLAGS;
	}
	assert_memory_equal(own, was, m->payload - m->transport);
}

void net_expect_segment(const struct net_made *m, uint32_t i, const unsigned char *frame,
			uint32_t len)
{
	static unsigned char copy[PACKET_LONGEST];
	uint32_t from = m->payload + i * m->size, part = m->len - from;

	if (part > m->size)
		part = m->size;
	assert_int_equal(len, m->payload + part);
	memcpy(copy, frame, len);
	assert_memory_equal(copy, m->frame, m->network);
	expect_ip(m, i, copy + m->network, len - m->network);
	assert_memory_equal(frame + m->payload, m->frame + from, part);
	expect_transport(m, i, copy + m->transport, len - m->transport);
}

void net_expect_complete(const struct net_made *m, const unsigned char *frame, uint32_t len)
{
	uint32_t at = checksum_at(m);

	assert_int_equal(len, m->len);
	assert_int_equal(
		sum(pseudo(m, len - m->transport), frame + m->transport, len - m->transport),
		0xffff);
	assert_memory_equal(frame, m->frame, at);
	assert_memory_equal(frame + at + 2, m->frame + at + 2, len - at - 2);
}
