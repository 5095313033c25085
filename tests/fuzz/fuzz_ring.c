/* SPDX-License-Identifier: MIT */
/* What the ring targets share; see fuzz.h. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem/mappings.h"
#include "mem/table.h"
#include "ring/hot.h"

enum { REGIONS = 3, PAGE_ROOM = 0x10000 };

static const struct region_info infos[REGIONS] = {
	{0, FUZZ_RING_BYTES, 0, 0},
	{FUZZ_DATA, FUZZ_DATA_BYTES, FUZZ_DATA, 0x4000},
	{FUZZ_APART, FUZZ_APART_BYTES, FUZZ_APART, 0x5000},
};

/* Made once: a run resets their contents. */
static struct {
	struct mappings *mappings;
	struct region *regions[REGIONS];
	struct table *table, *smaller; /* the second without the data */
} memory;

uint8_t fuzz_u8(struct fuzz_input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

uint16_t fuzz_u16(struct fuzz_input *in)
{
	uint8_t low = fuzz_u8(in);

	return (uint16_t)(low | fuzz_u8(in) << 8);
}

size_t fuzz_rest(struct fuzz_input *in, void *out, size_t max)
{
	size_t n = (size_t)(in->end - in->at);

	if (n > max)
		n = max;
	if (n)
		memcpy(out, in->at, n);
	in->at += n;
	return n;
}

uint32_t fuzz_cut(struct iovec *segs, uint32_t max, unsigned char *data, uint64_t len,
		  uint32_t piece)
{
	uint32_t n = 0;

	while (len) {
		uint64_t part = n == max - 1 || !piece || piece > len ? len : piece;

		segs[n++] = (struct iovec){data, part};
		data += part;
		len -= part;
	}
	return n;
}

void fuzz_request_make(struct fuzz_request *request, struct fuzz_input *in, uint32_t out_len,
		       uint32_t in_len)
{
	uint8_t piece = fuzz_u8(in);

	memset(request, 0, sizeof(*request));
	request->out = malloc(out_len ? out_len : 1);
	request->in = malloc(in_len ? in_len : 1);
	require(request->out && request->in);
	memset(request->in, FUZZ_UNTOUCHED, in_len ? in_len : 1);
	for (uint32_t i = 0; i < out_len; i++)
		request->out[i] = fuzz_u8(in);
	request->req.readable = request->readable;
	request->req.writable = request->writable;
	request->req.readable_len = out_len;
	request->req.writable_len = in_len;
	request->req.n_readable =
		fuzz_cut(request->readable, FUZZ_SEGS, request->out, out_len, piece & 15);
	request->req.n_writable =
		fuzz_cut(request->writable, FUZZ_SEGS, request->in, in_len, piece >> 4);
}

void fuzz_request_end(struct fuzz_request *request)
{
	free(request->out);
	free(request->in);
}

/* Move a mapping to where its neighbours are out of bounds. */
static void memory_guard(struct region *r)
{
	unsigned char *room = mmap(NULL, r->map_len + 2 * PAGE_ROOM, PROT_NONE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (room == MAP_FAILED ||
	    mremap(r->map, r->map_len, r->map_len, MREMAP_MAYMOVE | MREMAP_FIXED,
		   room + PAGE_ROOM) != room + PAGE_ROOM)
		abort();
	mappings_remove(r->slot);
	r->map = r->host = room + PAGE_ROOM;
	r->slot = mappings_add(r->mappings, r->map, r->map_len);
}

static void memory_make(void)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	const char *why;

	memory.mappings = mappings_new();
	if (fd < 0 || ftruncate(fd, 0x6000) || !memory.mappings)
		abort();
	for (int i = 0; i < REGIONS; i++) {
		if (region_map(memory.mappings, &infos[i], fd, &memory.regions[i], &why))
			abort();
		memory_guard(memory.regions[i]);
	}
	close(fd);
	if (table_new(memory.regions, REGIONS, &memory.table) ||
	    table_new((struct region *[]){memory.regions[0], memory.regions[2]}, REGIONS - 1,
		      &memory.smaller))
		abort();
}

void fuzz_memory_reset(void)
{
	if (!memory.table)
		memory_make();
	for (int i = 0; i < REGIONS; i++)
		memset(memory.regions[i]->host, 0, infos[i].size);
}

unsigned char *fuzz_memory(uint32_t offset)
{
	return memory.regions[0]->host + offset;
}

uint64_t fuzz_address(uint8_t code)
{
	static const uint64_t bases[] = {FUZZ_DATA,
					 FUZZ_TABLES,
					 FUZZ_APART,
					 FUZZ_DATA - 8,
					 FUZZ_DATA + FUZZ_DATA_BYTES - 8,
					 FUZZ_APART - 1,
					 UINT64_MAX - 8,
					 0};

	return bases[code >> 5] + (code & 31) * 16;
}

unsigned char *fuzz_desc(const struct ring_config *config)
{
	return memory.regions[2]->host + FUZZ_APART_BYTES - config->size * 16;
}

struct ring_config fuzz_config(struct fuzz_input *in, bool packed)
{
	uint8_t size = fuzz_u8(in), features = fuzz_u8(in);

	return (struct ring_config){
		.size = packed ? 1u + size % FUZZ_MAX_SIZE : 1u << size % 7,
		.packed = packed,
		.event_idx = features & 1,
		.indirect = !(features & 2),
		.in_order = features & 4,
		.mappings = memory.mappings,
		.space = TABLE_GUEST,
		.driver = FUZZ_DRIVER,
		.device = FUZZ_DEVICE,
		.max_segs = 1 + (features >> 4) * 9,
		.priv_size = features & 8 ? 24 : 0,
		.base = packed ? 0x80008000 : 0,
	};
}

bool fuzz_start(struct fuzz_ring *f, const struct ring_config *config)
{
	struct ring_config c = *config;
	const char *why = NULL;

	*f = (struct fuzz_ring){0};
	c.desc = FUZZ_APART + FUZZ_APART_BYTES - c.size * 16;
	if (!ring_new(&c, memory.table, &f->ring, &why))
		return true;
	if (!why)
		abort();
	f->ring = NULL;
	return false;
}

/* Every segment lies in guest memory and can be written; their sum is as it says. */
static void check_segs(const struct iovec *iov, uint32_t n, uint64_t len)
{
	for (uint32_t i = 0; i < n; i++) {
		volatile unsigned char *bytes = iov[i].iov_base;
		bool inside = false;

		for (int r = 0; r < REGIONS; r++) {
			uint64_t at = (uint64_t)(bytes - memory.regions[r]->host);

			inside |= at < infos[r].size && iov[i].iov_len <= infos[r].size - at;
		}
		if (!inside || !iov[i].iov_len || iov[i].iov_len > len)
			abort();
		len -= iov[i].iov_len;
		bytes[iov[i].iov_len - 1] = bytes[0];
	}
	if (len)
		abort();
}

static void check_request(const struct ring *r, const struct vu_req *req)
{
	if ((uint64_t)req->n_readable + req->n_writable > r->max_segs ||
	    (!(req->n_readable + req->n_writable) && !(req->flags & VU_REQ_TOO_LONG)))
		abort();
	check_segs(req->readable, req->n_readable, req->readable_len);
	check_segs(req->writable, req->n_writable, req->writable_len);
	for (uint32_t i = 0; i < r->config.priv_size; i++)
		if (((const unsigned char *)req->priv)[i])
			abort();
	if (r->config.priv_size)
		memset(req->priv, 0xff, r->config.priv_size);
}

void fuzz_take(struct fuzz_ring *f, uint32_t n)
{
	int got;

	/* There cannot be one more than the ring has, but it is asked for. */
	if (n > f->ring->size + 1 - f->n_out)
		n = f->ring->size + 1 - f->n_out;
	got = ring_take(f->ring, f->out + f->n_out, n);
	if (got > (int)n || (got < 0 && (got != -EIO || (!f->ring->why && !f->ring->dead))))
		abort();
	for (int i = 0; i < got; i++)
		check_request(f->ring, f->out[f->n_out++]);
	if (f->n_out > f->ring->size)
		abort();
}

static struct req *fuzz_remove(struct fuzz_ring *f, uint32_t i)
{
	struct req *req = (struct req *)f->out[i];

	memmove(f->out + i, f->out + i + 1, (--f->n_out - i) * sizeof(f->out[0]));
	return req;
}

void fuzz_complete(struct fuzz_ring *f, uint8_t which, uint32_t written)
{
	struct req *req;

	if (!f->n_out)
		return;
	req = (struct req *)f->out[which % f->n_out];
	if (written > req->pub.writable_len) {
		if (ring_complete(f->ring, req, written) != -ERANGE)
			abort();
		written = (uint32_t)req->pub.writable_len;
	}
	if (ring_complete(f->ring, fuzz_remove(f, which % f->n_out), written))
		abort();
}

void fuzz_publish(struct fuzz_ring *f)
{
	ring_publish(f->ring);
}

static void fuzz_put_back(struct fuzz_ring *f, uint8_t which)
{
	if (f->n_out && !ring_put_back(f->ring, (struct req *)f->out[which % f->n_out]))
		fuzz_remove(f, which % f->n_out);
}

static void fuzz_switch_table(struct fuzz_ring *f, bool smaller)
{
	if (ring_set_table(f->ring, smaller ? memory.smaller : memory.table))
		abort();
}

void fuzz_step(struct fuzz_ring *f, struct fuzz_input *in)
{
	uint8_t code = fuzz_u8(in), with = code >> 4;

	switch (code & 15) {
	case 0:
	case 1:
	case 2:
		fuzz_take(f, 1 + with);
		break;
	case 3:
	case 4:
		fuzz_complete(f, fuzz_u8(in), with);
		fuzz_publish(f);
		break;
	case 5:
		for (int i = 0; i <= with; i++)
			fuzz_complete(f, with, 0);
		fuzz_publish(f);
		break;
	case 6:
		fuzz_put_back(f, with ? with : (uint8_t)(f->n_out - 1));
		break;
	case 7:
		(void)ring_look(f->ring);
		break;
	case 8:
		(void)ring_arm(f->ring);
		break;
	case 9:
		ring_disarm(f->ring);
		break;
	case 10:
		(void)ring_wants_signal(f->ring);
		break;
	case 11:
		fuzz_switch_table(f, with & 1);
		break;
	case 12:
		(void)ring_is_available(f->ring);
		break;
	case 13:
		if (with == 15)
			ring_kill(f->ring);
		break;
	default:
		fuzz_take(f, 1);
		break;
	}
	if (ring_outstanding(f->ring) < f->n_out || ring_outstanding(f->ring) > f->ring->size)
		abort();
}

void fuzz_end(struct fuzz_ring *f)
{
	while (f->n_out)
		fuzz_complete(f, 0, 0);
	fuzz_publish(f);
	if (ring_outstanding(f->ring))
		abort();
	(void)ring_base(f->ring);
	ring_free(f->ring);
}
