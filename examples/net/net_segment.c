/* SPDX-License-Identifier: MIT */
/*
 * See net_segment.h.  Sums of RFC 1071 do not depend on the order of bytes: they are of 16 bits as
 * they lie in memory.  Thread: any.
 */
#include "net_segment.h"

#include <endian.h>
#include <string.h>

enum {
	TYPE_AT = 12, /* in an Ethernet header */
	TAG = 4,      /* of a VLAN */
	MAX_TAGS = 2,
	IP4 = 20,
	IP4_LENGTH_AT = 2,
	IP4_ID_AT = 4,
	IP4_FRAGMENT_AT = 6,
	IP4_CHECKSUM_AT = 10,
	IP6 = 40,
	IP6_LENGTH_AT = 4,
	TCP = 20,
	TCP_SEQUENCE_AT = 4,
	TCP_OFFSET_AT = 12,
	TCP_FLAGS_AT = 13,
	TCP_CHECKSUM_AT = 16,
	TCP_FIN_PSH = 0x09, /* only of the last segment */
	TCP_CWR = 0x80,	    /* only of the first one (RFC 3168 §6.1.2) */
	UDP = 8,
	UDP_LENGTH_AT = 4,
	UDP_CHECKSUM_AT = 6,
};

const uint64_t net_offloads = NET_BIT(VIRTIO_NET_F_CSUM) | NET_BIT(VIRTIO_NET_F_GUEST_CSUM) |
			      NET_BIT(VIRTIO_NET_F_GUEST_TSO4) | NET_BIT(VIRTIO_NET_F_GUEST_TSO6) |
			      NET_BIT(VIRTIO_NET_F_GUEST_ECN) | NET_BIT(VIRTIO_NET_F_HOST_TSO4) |
			      NET_BIT(VIRTIO_NET_F_HOST_TSO6) | NET_BIT(VIRTIO_NET_F_HOST_ECN) |
			      NET_BIT(NET_F_GUEST_USO4) | NET_BIT(NET_F_GUEST_USO6) |
			      NET_BIT(NET_F_HOST_USO);

bool net_is_taken(const struct virtio_net_hdr_v1 *h, uint64_t features)
{
	const uint64_t uso = NET_BIT(NET_F_GUEST_USO4) | NET_BIT(NET_F_GUEST_USO6);

	if (!h->flags)
		return true;
	if (!(features & NET_BIT(VIRTIO_NET_F_GUEST_CSUM)))
		return false;
	if (h->gso_type & VIRTIO_NET_HDR_GSO_ECN && !(features & NET_BIT(VIRTIO_NET_F_GUEST_ECN)))
		return false;
	switch (h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		return true;
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return features & NET_BIT(VIRTIO_NET_F_GUEST_TSO4);
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return features & NET_BIT(VIRTIO_NET_F_GUEST_TSO6);
	case NET_GSO_UDP_L4: /* of either version of IP */
		return (features & uso) == uso;
	default:
		return false;
	}
}

/* --- numbers in frames --- */

static uint32_t get16(const unsigned char *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static void put16(unsigned char *at, uint32_t number)
{
	at[0] = (unsigned char)(number >> 8);
	at[1] = (unsigned char)number;
}

static void add32(unsigned char *at, uint32_t more)
{
	uint32_t number;

	memcpy(&number, at, sizeof(number));
	number = htobe32(be32toh(number) + more);
	memcpy(at, &number, sizeof(number));
}

static uint64_t sum_add(uint64_t sum, const unsigned char *data, size_t len)
{
	uint16_t last = 0;
	uint32_t word;

	for (; len >= sizeof(word); len -= sizeof(word), data += sizeof(word)) {
		memcpy(&word, data, sizeof(word));
		sum += word;
	}
	if (len >= sizeof(last)) {
		memcpy(&last, data, sizeof(last));
		sum += last;
		data += sizeof(last);
		len -= sizeof(last);
	}
	last = 0;
	memcpy(&last, data, len);
	return sum + last;
}

static uint16_t sum_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)sum;
}

/* The checksum at an offset of data is of all of that, and of what stands there.  None is 0, which
 * in UDP means that there is none (RFC 768); in one's complement the other one is the same. */
static void sum_complete(unsigned char *data, size_t len, size_t offset)
{
	uint16_t sum = (uint16_t)~sum_fold(sum_add(0, data, len));

	if (!sum)
		sum = UINT16_MAX;
	memcpy(data + offset, &sum, sizeof(sum));
}

void net_complete_checksum(const struct virtio_net_hdr_v1 *h, unsigned char *frame, size_t len)
{
	uint32_t start = le16toh(h->csum_start);

	if (h->flags)
		sum_complete(frame + start, len - start, le16toh(h->csum_offset));
}

/* --- segments --- */

/* Where IP begins; 0: it is something else. */
static uint32_t find_ip(const unsigned char *head, size_t had, bool *v6)
{
	enum { IPV4 = 0x0800, IPV6 = 0x86dd, VLAN = 0x8100, PROVIDER = 0x88a8 };
	uint32_t at = TYPE_AT, type = get16(head + at);

	for (int tags = 0; (type == VLAN || type == PROVIDER) && tags < MAX_TAGS; tags++) {
		at += TAG;
		if (at + sizeof(uint16_t) > had)
			return 0;
		type = get16(head + at);
	}
	*v6 = type == IPV6;
	return type == IPV4 || type == IPV6 ? at + (uint32_t)sizeof(uint16_t) : 0;
}

static const char *look_at_ip(struct net_cut *c, const unsigned char *head, size_t had)
{
	const unsigned char *ip = head + c->network;

	if (!c->network || c->transport < c->network + (c->v6 ? IP6 : IP4) || c->transport > had)
		return "segments of what is not IP";
	if (ip[0] >> 4 != (c->v6 ? 6 : 4))
		return "segments of another version of IP";
	if (!c->v6 && (c->network + (ip[0] & 15) * 4u != c->transport ||
		       get16(ip + IP4_FRAGMENT_AT) & 0x3fff))
		return "segments that are not where IP says, or of a fragment";
	return NULL;
}

static const char *look_at_transport(struct net_cut *c, const struct virtio_net_hdr_v1 *h,
				     const unsigned char *head, size_t had)
{
	const unsigned char *own = head + c->transport;
	uint32_t least = c->tcp ? TCP : UDP, bytes = least;

	if (c->transport + least > had)
		return "segments without their headers";
	if (c->tcp)
		bytes = (own[TCP_OFFSET_AT] >> 4) * 4u;
	c->payload = c->transport + bytes;
	if (bytes < least || c->payload > had)
		return "segments without their headers";
	if (le16toh(h->csum_offset) != (c->tcp ? TCP_CHECKSUM_AT : UDP_CHECKSUM_AT))
		return "segments with a checksum elsewhere";
	return NULL;
}

const char *net_cut_look(struct net_cut *c, const struct virtio_net_hdr_v1 *h,
			 const unsigned char *head, size_t len)
{
	uint8_t type = h->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
	size_t had = len < NET_HEAD ? len : NET_HEAD;
	const char *why;

	*c = (struct net_cut){
		.transport = le16toh(h->csum_start),
		.size = le16toh(h->gso_size),
		.tcp = type != NET_GSO_UDP_L4,
	};
	c->network = find_ip(head, had, &c->v6);
	why = look_at_ip(c, head, had);
	if (!why && c->tcp && c->v6 != (type == VIRTIO_NET_HDR_GSO_TCPV6))
		why = "segments of another version of IP";
	if (!why)
		why = look_at_transport(c, h, head, had);
	if (why)
		return why;
	c->n = ((uint32_t)len - c->payload + c->size - 1) / c->size;
	if (!c->n)
		c->n = 1;
	return c->n > NET_MAX_CUTS ? "more segments than are made of one packet" : NULL;
}

static void cut_ip(const struct net_cut *c, unsigned char *out, uint32_t len, uint32_t i)
{
	unsigned char *ip = out + c->network;

	if (c->v6) {
		put16(ip + IP6_LENGTH_AT, len - c->network - IP6);
		return;
	}
	put16(ip + IP4_LENGTH_AT, len - c->network);
	put16(ip + IP4_ID_AT, get16(ip + IP4_ID_AT) + i);
	put16(ip + IP4_CHECKSUM_AT, 0);
	sum_complete(ip, c->transport - c->network, IP4_CHECKSUM_AT);
}

/* What stands for the checksum is the sum of addresses, protocol and length of the whole. */
static void cut_sum(const struct net_cut *c, unsigned char *own, uint32_t was, uint32_t is)
{
	uint32_t at = c->tcp ? TCP_CHECKSUM_AT : UDP_CHECKSUM_AT;
	uint64_t sum = get16(own + at);

	/* Subtracting is adding the complement; the length has 32 bits there, all in the sum. */
	sum += (uint16_t)~sum_fold(was) + (uint64_t)is;
	put16(own + at, sum_fold(sum));
	sum_complete(own, is, at);
}

size_t net_cut_make(const struct net_cut *c, const unsigned char *frame, size_t len, uint32_t i,
		    unsigned char *out)
{
	size_t from = c->payload + (size_t)i * c->size, part = len - from;
	unsigned char *own = out + c->transport;
	uint32_t all, is;

	if (part > c->size)
		part = c->size;
	all = c->payload + (uint32_t)part;
	is = all - c->transport;
	memcpy(out, frame, c->payload);
	memcpy(out + c->payload, frame + from, part);
	cut_ip(c, out, all, i);
	if (c->tcp) {
		add32(own + TCP_SEQUENCE_AT, i * c->size);
		if (i + 1 < c->n)
			own[TCP_FLAGS_AT] &= (unsigned char)~TCP_FIN_PSH;
		if (i)
			own[TCP_FLAGS_AT] &= (unsigned char)~TCP_CWR;
	} else {
		put16(own + UDP_LENGTH_AT, is);
	}
	cut_sum(c, own, (uint32_t)len - c->transport, is);
	return all;
}
