/* SPDX-License-Identifier: MIT */
/* See net_header.h.  Thread: any. */
#include "net_header.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

/* What may be cut into segments (virtio 1.3 §5.1.6.2). */
static const struct kind {
	uint8_t type;
	uint8_t feature;
	uint8_t transport; /* bytes of the least header that each segment gets a copy of */
	uint8_t least;	   /* bytes of a segment */
} kinds[] = {
	{VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_F_HOST_TSO4, 20, NET_MIN_SEGMENT},
	{VIRTIO_NET_HDR_GSO_TCPV6, VIRTIO_NET_F_HOST_TSO6, 20, NET_MIN_SEGMENT},
	{NET_GSO_UDP_L4, NET_F_HOST_USO, 8, 1},
};

static const char *check_checksum(struct virtio_net_hdr_v1 *h, uint64_t len, uint64_t features)
{
	uint32_t start = le16toh(h->csum_start), offset = le16toh(h->csum_offset);

	/* Other bits are not the driver's, or not known: "MUST ignore". */
	h->flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	if (!h->flags) {
		h->csum_start = h->csum_offset = 0;
		return NULL;
	}
	if (!(features & NET_BIT(VIRTIO_NET_F_CSUM)))
		return "a checksum is to be completed, which was not negotiated";
	if (start < NET_ETHERNET || start + offset + sizeof(uint16_t) > len)
		return "a checksum outside of the frame";
	return NULL;
}

static const struct kind *find_kind(uint8_t type)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].type == type)
			return &kinds[i];
	return NULL;
}

static const char *check_segments(struct virtio_net_hdr_v1 *h, uint64_t len, uint64_t features)
{
	const struct kind *kind = find_kind(h->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN);
	uint32_t least, said = le16toh(h->hdr_len);

	if (!kind)
		return "segments of an unknown kind";
	if (!(features & NET_BIT(kind->feature)) ||
	    (h->gso_type & VIRTIO_NET_HDR_GSO_ECN && !(features & NET_BIT(VIRTIO_NET_F_HOST_ECN))))
		return "segments of a kind that was not negotiated";
	if (!h->flags)
		return "segments without a checksum";
	if (le16toh(h->gso_size) < kind->least)
		return "segments that are too short";
	least = (uint32_t)le16toh(h->csum_start) + kind->transport;
	if (least > len || least > UINT16_MAX)
		return "segments without room for their headers";
	/* A hint, "MUST NOT rely on" (§5.1.6.2.2). */
	if (said < least)
		said = least;
	if (said > len)
		said = (uint32_t)len;
	h->hdr_len = htole16((uint16_t)said);
	return NULL;
}

const char *net_header_check(struct virtio_net_hdr_v1 *h, uint64_t len, uint64_t features,
			     uint32_t mtu)
{
	const char *why;

	h->num_buffers = 0;
	if (len < NET_ETHERNET)
		return "a frame without an Ethernet header";
	if (len > NET_MAX_FRAME)
		return "a frame longer than any can be";
	why = check_checksum(h, len, features);
	if (why || h->gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return why ? why : check_segments(h, len, features);
	h->hdr_len = h->gso_size = 0;
	return mtu && len > mtu + (uint64_t)NET_AROUND ? "a frame longer than the MTU" : NULL;
}

int net_prefix_read(const unsigned char prefix[NET_PREFIX], uint32_t *len)
{
	uint32_t big;

	memcpy(&big, prefix, sizeof(big));
	*len = be32toh(big);
	return *len < NET_ETHERNET || *len > NET_MAX_FRAME ? -EPROTO : 0;
}

void net_prefix_write(unsigned char prefix[NET_PREFIX], uint32_t len)
{
	uint32_t big = htobe32(len);

	memcpy(prefix, &big, sizeof(big));
}

size_t net_scatter(const struct iovec *iov, int n, size_t offset, const void *data, size_t len)
{
	size_t done = 0;

	for (int i = 0; i < n && done < len; i++) {
		size_t part = iov[i].iov_len;

		if (offset >= part) {
			offset -= part;
			continue;
		}
		part -= offset;
		if (part > len - done)
			part = len - done;
		memcpy((char *)iov[i].iov_base + offset, (const char *)data + done, part);
		offset = 0;
		done += part;
	}
	return done;
}

size_t net_gather(const struct iovec *iov, int n, size_t offset, void *data, size_t room)
{
	size_t done = 0;

	for (int i = 0; i < n && done < room; i++) {
		size_t part = iov[i].iov_len;

		if (offset >= part) {
			offset -= part;
			continue;
		}
		part -= offset;
		if (part > room - done)
			part = room - done;
		memcpy((char *)data + done, (const char *)iov[i].iov_base + offset, part);
		offset = 0;
		done += part;
	}
	return done;
}
