/* SPDX-License-Identifier: MIT */
/*
 * Packets through vu-net's switch, with three guests and an uplink: an input says what each of the
 * guests took, which buffers it gives, and what it sends.  Queues are lists here.  What arrives is
 * a whole packet under a header that its guest took, comes from whom it says where addresses are
 * pinned, and gets only where rules let it.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "net_deliver.h"
#include "net_switch.h"

enum { PORTS = 3, MAX_BUFFERS = 32, BYTES = 400 };

struct buffer {
	struct vu_req req;
	struct iovec iov;
};

/* A guest's receive queue: buffers[taken] is the next one. */
static struct guest {
	struct net net;
	struct net_pair pair;
	struct buffer buffers[MAX_BUFFERS];
	uint32_t n, taken, done;
} guests[PORTS];

static struct net_switch *the_switch;
static struct net_settings settings = {.the_switch = &the_switch, .backend = "switch"};
static uint32_t sender; /* who speaks now: a place */
static struct {
	struct virtio_net_hdr_v1 header;
	const unsigned char *frame;
	size_t len;
} said; /* by it */

/* --- what the switch uses of others --- */

void net_count(_Atomic uint64_t *counter, uint64_t n)
{
	(void)counter;
	(void)n;
}

bool pair_is_down(const struct net_pair *pair)
{
	(void)pair;
	return false;
}

void pair_complain(struct net_pair *pair, const char *what, int error)
{
	(void)pair;
	require(what && error < 0);
}

void pair_go_on(struct net_pair *pair)
{
	require(pair);
}

struct vu_group *pair_group(const struct net_pair *pair)
{
	(void)pair;
	return NULL;
}

static struct guest *guest_of(const struct net_pair *pair)
{
	return &guests[pair->net->index];
}

bool pair_next_buffer(struct net_pair *pair, struct vu_req **req)
{
	struct guest *g = guest_of(pair);

	if (g->taken == g->n)
		return false;
	*req = &g->buffers[g->taken++].req;
	return true;
}

void pair_give_back(struct net_pair *pair, uint32_t n)
{
	struct guest *g = guest_of(pair);

	while (n--) {
		require(g->taken > g->done && pair->buffers[n] == &g->buffers[g->taken - 1].req);
		g->taken--;
	}
}

/* Of pinned addresses the last byte is the port. */
static void arrived(uint32_t to, uint64_t features, const struct virtio_net_hdr_v1 *h,
		    const unsigned char *frame, size_t len)
{
	require(len >= NET_ETHERNET && to != sender);
	require(net_is_taken(h, features) && (h->flags || !h->gso_type));
	require(the_switch->rules.reach[sender][to]);
	if (the_switch->pin && sender != NET_UPLINK)
		require(frame[NET_ADDRESS + 5] == sender);
	/* In one piece it is what was sent, but for a checksum that was completed. */
	if (h->gso_type || !said.header.gso_type)
		require(len == said.len);
	if (h->flags || !said.header.flags)
		require(!memcmp(frame, said.frame, len));
	if (h->flags)
		require(le16toh(h->csum_start) + le16toh(h->csum_offset) + 2u <= len);
}

int __wrap_vu_queue_complete_batch(struct vu_queue *queue, struct vu_req *const *reqs,
				   const uint64_t *written, uint32_t n);
int __wrap_vu_queue_complete_batch(struct vu_queue *queue, struct vu_req *const *reqs,
				   const uint64_t *written, uint32_t n)
{
	static unsigned char packet[NET_HEADER + NET_MAX_FRAME];
	struct guest *g = (struct guest *)(void *)queue;
	struct virtio_net_hdr_v1 h = {0};
	size_t len = 0;

	require(n && g->taken - g->done == n);
	for (uint32_t i = 0; i < n; i++) {
		require(reqs[i] == &g->buffers[g->done + i].req);
		require(written[i] <= reqs[i]->writable_len && written[i]);
		require(i + 1 == n || written[i] == reqs[i]->writable_len);
		memcpy(packet + len, reqs[i]->writable[0].iov_base, written[i]);
		len += written[i];
	}
	g->done = g->taken;
	memcpy(&h, packet, g->pair.header);
	require(g->pair.header < NET_HEADER || le16toh(h.num_buffers) == n);
	/* What waited may be of another sender. */
	if (sender != NET_NOBODY)
		arrived(g->net.index, g->pair.features, &h, packet + g->pair.header,
			len - g->pair.header);
	return (int)n;
}

void __wrap_vu_queue_signal(struct vu_queue *queue);
void __wrap_vu_queue_signal(struct vu_queue *queue)
{
	require(queue);
}

struct net_uplink {
	uint64_t features;
	net_uplink_frame frame;
	void *opaque;
} uplink;

int net_uplink_open(struct net_uplink **u, const char *spec)
{
	(void)spec;
	*u = &uplink;
	return 0;
}

void net_uplink_free(struct net_uplink *u)
{
	(void)u;
}

int net_uplink_begin(struct net_uplink *u, struct vu_group *group, net_uplink_frame frame,
		     net_uplink_done done, void *opaque)
{
	(void)group;
	(void)done;
	u->frame = frame;
	u->opaque = opaque;
	return 0;
}

uint64_t net_uplink_features(const struct net_uplink *u)
{
	return u->features;
}

int net_uplink_send(struct net_uplink *u, const struct virtio_net_hdr_v1 *header,
		    struct iovec *list, int n)
{
	static unsigned char frame[NET_MAX_FRAME];

	arrived(NET_UPLINK, u->features, header, frame,
		net_gather(list + 1, n - 1, 0, frame, sizeof(frame)));
	return 0;
}

/* --- an input's steps --- */

static void give(struct guest *g, uint32_t len)
{
	struct buffer *b = &g->buffers[g->n];

	if (g->n == MAX_BUFFERS || len <= g->pair.header)
		return;
	g->n++;
	b->iov = (struct iovec){malloc(len), len};
	b->req = (struct vu_req){.writable = &b->iov, .n_writable = 1, .writable_len = len};
	sender = NET_NOBODY;
	g->pair.end.ops->room(&g->pair.end);
}

/* The guest has had all that were used. */
static void collect(struct guest *g)
{
	for (uint32_t i = 0; i < g->done; i++)
		free(g->buffers[i].iov.iov_base);
	for (uint32_t i = g->done; i < g->n; i++) {
		g->buffers[i - g->done] = g->buffers[i];
		g->buffers[i - g->done].req.writable = &g->buffers[i - g->done].iov;
	}
	g->n -= g->done;
	g->taken = g->done = 0;
}

/* Another driver. */
static void configure(struct guest *g, uint8_t chosen)
{
	static const uint8_t bits[] = {VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_TSO4,
				       VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_ECN,
				       NET_F_GUEST_USO4,	NET_F_GUEST_USO6,
				       VIRTIO_NET_F_MRG_RXBUF};

	g->done = g->n;
	collect(g);
	g->pair.features = 0;
	for (size_t i = 0; i < sizeof(bits); i++)
		if (chosen >> i & 1)
			g->pair.features |= NET_BIT(bits[i]);
	g->pair.header = chosen & 0x80 || chosen & 0x40 ? NET_HEADER : NET_LEGACY_HEADER;
	g->pair.rests = false;
	g->pair.end.ops->configure(&g->pair.end, g->pair.features);
}

/* A header and a frame in which what matters is likely. */
static size_t make(struct fuzz_input *in, struct virtio_net_hdr_v1 *h, unsigned char *frame)
{
	static const unsigned char types[][2] = {{8, 0}, {0x86, 0xdd}, {0x81, 0}};
	size_t len = NET_ETHERNET + fuzz_u8(in) * 4u % (BYTES - NET_ETHERNET);
	uint8_t odd = fuzz_u8(in);

	*h = (struct virtio_net_hdr_v1){.flags = fuzz_u8(in), .gso_type = fuzz_u8(in)};
	h->csum_start = htole16(fuzz_u8(in));
	h->csum_offset = htole16(fuzz_u8(in));
	h->gso_size = htole16(fuzz_u8(in));
	memset(frame, 0x45, len);
	frame[0] = odd & 1 ? 0xff : 2;
	memset(frame + 1, 0, 11);
	frame[6] = odd & 2 ? 3 : 2;
	frame[5] = odd >> 2 & 7;
	frame[11] = odd >> 5 ? odd >> 5 : (uint8_t)sender;
	memcpy(frame + 12, types[fuzz_u8(in) % 3], 2);
	for (uint8_t n = fuzz_u8(in); n; n--) {
		size_t at = 14 + fuzz_u8(in);

		if (at < len)
			frame[at] = fuzz_u8(in);
	}
	return len;
}

static void send(struct fuzz_input *in, uint32_t place)
{
	struct virtio_net_hdr_v1 h;
	unsigned char bytes[BYTES], *frame;
	size_t len, cut;

	sender = place;
	len = make(in, &h, bytes);
	frame = malloc(len); /* of exactly its size */
	memcpy(frame, bytes, len);
	cut = len * fuzz_u8(in) / 256;
	if (!net_header_check(&h, len, net_offloads, 0)) {
		const struct iovec iov[] = {
			{&h, NET_HEADER}, {frame, cut}, {frame + cut, len - cut}};

		said.header = h;
		said.frame = frame;
		said.len = len;
		if (place == NET_UPLINK) {
			uplink.frame(uplink.opaque, &h, frame, len);
		} else {
			struct net_end *end = &guests[place].pair.end;

			end->ops->send(end, iov, 3);
			end->ops->sent(end);
		}
	}
	free(frame);
}

static void begin(uint8_t what)
{
	static const char *rules[] = {"0+1", "all+uplink", "2+1-2"};

	settings.pin = what & 1;
	settings.mac = "02:00:00:00:00:00";
	settings.uplink = "tap:none";
	settings.rules = (struct vu_option_list){what >> 1 & 3, rules};
	uplink.features = what & 8 ? net_offloads : 0;
	for (uint32_t i = 0; i < PORTS; i++) {
		struct guest *g = &guests[i];

		memset(g, 0, sizeof(*g));
		g->net = (struct net){.settings = &settings, .index = i, .pairs = &g->pair};
		memcpy(g->net.mac, (const uint8_t[]){2, 0, 0, 0, 0, (uint8_t)i}, NET_ADDRESS);
		g->pair.net = &g->net;
		g->pair.end.pair = &g->pair;
		g->pair.rx = (struct vu_queue *)(void *)g;
		require(!net_switch_open(&g->net, ""));
		require(!g->pair.end.ops->begin(&g->pair.end));
		configure(g, what);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};

	begin(fuzz_u8(&in));
	while (in.at < in.end) {
		uint8_t what = fuzz_u8(&in);
		struct guest *g = &guests[what % PORTS];

		switch (what >> 2 & 7) {
		case 0:
			configure(g, fuzz_u8(&in));
			break;
		case 1:
			collect(g);
			break;
		case 2:
		case 3:
			give(g, fuzz_u8(&in) * 4u);
			break;
		case 4:
			send(&in, NET_UPLINK);
			break;
		default:
			send(&in, what % PORTS);
		}
	}
	for (uint32_t i = 0; i < PORTS; i++) {
		configure(&guests[i], 0);
		guests[i].pair.end.ops->free(&guests[i].pair.end);
	}
	require(!the_switch);
	return 0;
}
