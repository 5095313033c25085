/* SPDX-License-Identifier: MIT */
/*
 * vu-net's checks of what a guest says of a packet: an input is a header, a length and features.
 * What passes must be such that nobody behind it, a kernel or another guest, is told of bytes that
 * are not in the frame or of segments that cannot be (virtio 1.3 §5.1.6.2); and a list of pieces is
 * written and read as if it were one.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "net_outbox.h"

enum { PIECES = 6, BYTES = 256 };

static bool has(uint64_t features, int bit)
{
	return features & NET_BIT(bit);
}

static void passed(const struct virtio_net_hdr_v1 *h, uint64_t len, uint64_t features, uint32_t mtu)
{
	uint32_t start = le16toh(h->csum_start), type = h->gso_type & 0x7f;

	require(len >= NET_ETHERNET && len <= NET_MAX_FRAME);
	require(!h->num_buffers && !(h->flags & ~VIRTIO_NET_HDR_F_NEEDS_CSUM));
	require(h->flags || (!h->csum_start && !h->csum_offset));
	if (h->flags)
		require(has(features, VIRTIO_NET_F_CSUM) &&
			start + le16toh(h->csum_offset) + 2 <= len);
	if (!h->gso_type) {
		require(!h->gso_size && !h->hdr_len && (!mtu || len <= mtu + 18));
		return;
	}
	require(h->flags && h->gso_size && le16toh(h->hdr_len) <= len &&
		le16toh(h->hdr_len) > start);
	require(!(h->gso_type & VIRTIO_NET_HDR_GSO_ECN) || has(features, VIRTIO_NET_F_HOST_ECN));
	require((type == VIRTIO_NET_HDR_GSO_TCPV4 && has(features, VIRTIO_NET_F_HOST_TSO4)) ||
		(type == VIRTIO_NET_HDR_GSO_TCPV6 && has(features, VIRTIO_NET_F_HOST_TSO6)) ||
		(type == NET_GSO_UDP_L4 && has(features, NET_F_HOST_USO)));
}

static void check_header(struct fuzz_input *in)
{
	static const uint8_t bits[] = {VIRTIO_NET_F_CSUM, VIRTIO_NET_F_HOST_TSO4,
				       VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_HOST_ECN,
				       NET_F_HOST_USO};
	struct virtio_net_hdr_v1 h;
	uint8_t chosen = fuzz_u8(in);
	uint64_t features = 0, len = (uint64_t)fuzz_u8(in) << 9 | fuzz_u8(in);
	uint32_t mtu = fuzz_u8(in) * 8u;

	for (size_t i = 0; i < sizeof(bits); i++)
		if (chosen >> i & 1)
			features |= NET_BIT(bits[i]);
	for (size_t i = 0; i < sizeof(h); i++)
		((unsigned char *)&h)[i] = fuzz_u8(in);
	if (!net_header_check(&h, len, features, mtu))
		passed(&h, len, features, mtu);
}

static void check_prefix(struct fuzz_input *in)
{
	unsigned char prefix[NET_PREFIX], again[NET_PREFIX];
	uint32_t len;

	for (size_t i = 0; i < sizeof(prefix); i++)
		prefix[i] = fuzz_u8(in);
	if (net_prefix_read(prefix, &len))
		return;
	require(len >= NET_ETHERNET && len <= NET_MAX_FRAME);
	net_prefix_write(again, len);
	require(!memcmp(prefix, again, sizeof(prefix)));
}

static void check_pieces(struct fuzz_input *in)
{
	unsigned char data[BYTES], back[BYTES];
	size_t total = 0, offset, put;
	struct iovec iov[PIECES];

	for (int i = 0; i < PIECES; i++) {
		size_t len = fuzz_u8(in) % 50;

		/* Of exactly that size, so that a byte too much is seen. */
		iov[i] = (struct iovec){malloc(len ? len : 1), len};
		total += len;
	}
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 7);
	offset = fuzz_u8(in);
	put = net_scatter(iov, PIECES, offset, data, sizeof(data));
	require(put == (offset >= total ? 0 : total - offset < BYTES ? total - offset : BYTES));
	require(net_gather(iov, PIECES, offset, back, put) == put);
	require(!memcmp(data, back, put));
	for (int i = 0; i < PIECES; i++)
		free(iov[i].iov_base);
}

/* What is left of a batch of frames is what was put into it, each behind its length. */
static void check_outbox(struct fuzz_input *in)
{
	static struct net_outbox box;
	static unsigned char data[BYTES], wanted[OUTBOX_FRAMES * (BYTES + NET_PREFIX)];
	struct iovec iov[PIECES + 1] = {{data, sizeof(data)}}; /* a header, which is left out */
	size_t total = 0, done;
	int n;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 7);
	net_outbox_clear(&box);
	for (uint32_t frames = fuzz_u8(in) % (OUTBOX_FRAMES + 1); frames; frames--) {
		size_t len = 0;

		for (n = 1; n <= 1 + fuzz_u8(in) % PIECES; n++) {
			iov[n] = (struct iovec){data + len, fuzz_u8(in) % (BYTES / PIECES)};
			len += iov[n].iov_len;
		}
		if (!net_outbox_add(&box, iov, n))
			break;
		net_prefix_write(wanted + total, (uint32_t)len);
		memcpy(wanted + total + NET_PREFIX, data, len);
		total += NET_PREFIX + len;
	}
	require(box.bytes == total && net_outbox_bytes(&box, box.frames) == total);
	done = total * fuzz_u8(in) / 255;
	net_outbox_keep(&box, done);
	require(net_outbox_has_rest(&box) == (done < total));
	require(!memcmp(box.rest + box.rest_at, wanted + done, total - done));
	net_outbox_advance(&box, total - done);
	require(!net_outbox_has_rest(&box) && net_outbox_add(&box, iov, 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};

	while (in.at < in.end)
		switch (fuzz_u8(&in) % 4) {
		case 0:
			check_header(&in);
			break;
		case 1:
			check_prefix(&in);
			break;
		case 2:
			check_pieces(&in);
			break;
		default:
			check_outbox(&in);
		}
	return 0;
}
