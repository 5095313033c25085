/* SPDX-License-Identifier: MIT */
/*
 * What vu-net's switch does without I/O: what is cut into segments loses nothing, and no byte
 * beside a frame is touched; its table of addresses, what waits in it, and its rules stay within
 * bounds.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "net_backlog.h"
#include "net_rules.h"
#include "net_segment.h"

/* A frame of exactly its size, as IP as it wants to be. */
static void check_cut(struct fuzz_input *in)
{
	static unsigned char out[NET_MAX_FRAME];
	struct virtio_net_hdr_v1 h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM};
	size_t len = 14 + (fuzz_u8(in) | (size_t)(fuzz_u8(in) & 3) << 8), payload = 0;
	unsigned char *frame = calloc(1, len);
	struct net_cut cut;

	h.gso_type = fuzz_u8(in);
	h.csum_start = htole16(fuzz_u8(in));
	h.csum_offset = htole16(fuzz_u8(in));
	h.gso_size = htole16(fuzz_u8(in));
	fuzz_rest(in, frame, len);
	if (!net_header_check(&h, len, net_offloads, 0)) {
		if (h.gso_type && !net_cut_look(&cut, &h, frame, len)) {
			require(cut.n && cut.n <= NET_MAX_CUTS && cut.payload <= len);
			for (uint32_t i = 0; i < cut.n; i++) {
				size_t part = net_cut_make(&cut, frame, len, i, out);

				require(part >= cut.payload && part <= cut.payload + cut.size);
				require(!memcmp(out + cut.payload, frame + cut.payload + payload,
						part - cut.payload));
				payload += part - cut.payload;
			}
			require(cut.payload + payload == len);
		}
		net_complete_checksum(&h, frame, len);
	}
	free(frame);
}

static void check_table(struct fuzz_input *in)
{
	static struct net_table t;
	unsigned char address[NET_ADDRESS] = {2};
	uint32_t count = 0;

	net_table_init(&t);
	while (in->at < in->end) {
		uint32_t place = fuzz_u8(in) % (NET_PLACES + 1);

		address[4] = fuzz_u8(in);
		address[5] = fuzz_u8(in) & 3;
		if (place == NET_PLACES) {
			net_table_forget(&t, address[4] % NET_PLACES);
		} else {
			net_table_learn(&t, place, address);
			require(net_table_find(&t, address) == place);
		}
	}
	for (uint32_t place = 0; place < NET_PLACES; place++)
		for (uint32_t i = 0; net_table_get(&t, place, i, address); i++, count++)
			require(net_table_find(&t, address) == place);
	require(count <= NET_TABLE_ENTRIES);
}

static void check_backlog(struct fuzz_input *in)
{
	static unsigned char frame[NET_MAX_FRAME];
	static const struct virtio_net_hdr_v1 plain;
	struct net_backlog b;
	uint32_t lens[64], first = 0, n = 0;

	require(!net_backlog_init(&b));
	while (in->at < in->end) {
		uint8_t what = fuzz_u8(in);
		struct net_backlog_record record;
		struct iovec iov[2] = {{frame, 14 + fuzz_u8(in) * 256u}, {NULL, 0}};

		if (what & 1 && n < 64 &&
		    net_backlog_add(&b, what >> 1 & 63, &plain, iov, 1, iov[0].iov_len)) {
			lens[(first + n++) % 64] = (uint32_t)iov[0].iov_len;
		} else if (net_backlog_first(&b, &record, iov)) {
			require(n && record.len == lens[first % 64]);
			net_backlog_pop(&b);
			first++;
			n--;
		}
		require(b.used <= NET_BACKLOG && !n == !b.used);
	}
	net_backlog_free(&b);
}

static void check_rules(struct fuzz_input *in)
{
	static struct net_rules r;
	char text[40] = "";
	const char *texts[] = {text};

	fuzz_rest(in, text, sizeof(text) - 1);
	if (net_rules_parse(&r, texts, 1))
		return;
	require(r.ports <= NET_MAX_PORTS && strchr(text, '+'));
	for (uint32_t i = 0; i < NET_PLACES; i++)
		for (uint32_t k = 0; k < NET_PLACES; k++)
			require(r.reach[i][k] == r.reach[k][i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};

	switch (fuzz_u8(&in) % 4) {
	case 0:
		check_cut(&in);
		break;
	case 1:
		check_table(&in);
		break;
	case 2:
		check_backlog(&in);
		break;
	default:
		check_rules(&in);
	}
	return 0;
}
