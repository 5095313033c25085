/* SPDX-License-Identifier: MIT */
/*
 * vu-gpu's commands: an input is a row of them, of any type, with numbers that are mostly near what
 * makes sense, on a card with few resources and a little memory.  In between guest memory goes and
 * comes, and the driver begins anew.  What the card counts must be right after each.
 *
 * Commands also come in twos, as from a queue, where a transfer is told of the flush behind it.  A
 * second card is not told, and must come to show the same.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "gpu_command.h"

enum {
	MEMORY = 1 << 16,
	MAX_LIST = 24,
	MAX_COMMAND = 128 + MAX_LIST * 16,
	ANSWER = 1100,
	STEPS = 200
};
enum { HOSTMEM = 1 << 20, RESOURCES = 6, OUTPUTS = 3, WINDOW = 1 << 18, UNTOUCHED = 0xee };

struct bench {
	struct card card;
	unsigned char *memory;
	bool looks_ahead;
	uint64_t responses;	/* a hash of all */
	bool gone;		/* guest memory */
	struct three_rows rows; /* of what the renderer was asked for last */
};

/* Two regions, one behind the other, so that a range may touch both. */
static int map(void *opaque, uint64_t addr, uint64_t len, struct iovec *iov, uint32_t max)
{
	const struct bench *b = opaque;
	uint64_t first = addr < MEMORY / 2 ? MEMORY / 2 - addr : len;

	if (b->gone || addr > MEMORY || len > MEMORY - addr)
		return -EFAULT;
	if (!len)
		return 0;
	require(max >= 2);
	iov[0] = (struct iovec){b->memory + addr, first < len ? first : len};
	if (first >= len)
		return 1;
	iov[1] = (struct iovec){b->memory + addr + first, len - first};
	return 2;
}

/* --- what must be true --- */

static void check_region(const struct screen *s, pixman_region32_t *region)
{
	const pixman_box32_t *box = pixman_region32_extents(region);

	require(box->x1 >= 0 && box->y1 >= 0 && box->x2 <= (int)s->width &&
		box->y2 <= (int)s->height);
}

static void check_screen(const struct card *card, struct screen *s, uint64_t *charged)
{
	*charged += s->charged;
	require((s->resource != NULL) == (s->pixels != NULL));
	require(s->charged == (s->pixels ? (uint64_t)s->width * s->height * PIXEL : 0));
	check_region(s, &s->damage);
	check_region(s, &s->pending);
	for (uint32_t i = 0; s->resource && i < CARD_BUCKETS; i++)
		for (const struct resource *r = card->buckets[i]; r; r = r->next)
			if (r == s->resource)
				return;
	require(!s->resource);
}

/* It lies in the window, and in no other. */
static void check_mapped(const struct card *card, const struct resource *r)
{
	require(r->kind == RESOURCE_HOST && r->mappable && r->at <= WINDOW &&
		r->size <= WINDOW - r->at);
	for (uint32_t i = 0; i < CARD_BUCKETS; i++)
		for (const struct resource *o = card->buckets[i]; o; o = o->next)
			require(o == r || !o->mapping || o->at >= r->at + r->size ||
				r->at >= o->at + o->size);
}

static void check_card(struct card *card)
{
	uint64_t charged = 0;
	uint32_t n = 0, n_old = 0;

	for (uint32_t i = 0; i < CARD_BUCKETS; i++)
		for (const struct resource *r = card->buckets[i]; r; r = r->next) {
			n++;
			n_old += r->old;
			charged += r->charged;
			require(r->kind != RESOURCE_BLOB || r->backing.lost || !r->backing.n ||
				r->backing.len >= r->size);
			require(r->kind != RESOURCE_PICTURE || (r->format && r->pixels));
			if (r->mapping)
				check_mapped(card, r);
		}
	for (uint32_t i = 0; i < CARD_OUTPUTS; i++)
		check_screen(card, &card->screens[i], &charged);
	require(n == card->n_resources && n_old == card->n_old && n <= RESOURCES);
	require(charged == card->charged && charged <= 2 * HOSTMEM);
}

/* --- commands --- */

/* Mostly small, and the edges of what a number can be. */
static uint32_t number(uint8_t code)
{
	static const uint32_t edges[] = {16384,	     16385,	     65535,	 65536,
					 UINT32_MAX, UINT32_MAX - 3, 0x80000000, 0x40000000};

	return code < 0xf0 ? code : edges[code & 7];
}

static const uint32_t types[] = {
	VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
	VIRTIO_GPU_CMD_RESOURCE_UNREF,
	VIRTIO_GPU_CMD_SET_SCANOUT,
	VIRTIO_GPU_CMD_RESOURCE_FLUSH,
	VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D,
	VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
	VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING,
	VIRTIO_GPU_CMD_GET_DISPLAY_INFO,
	VIRTIO_GPU_CMD_GET_EDID,
	VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID,
	VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB,
	VIRTIO_GPU_CMD_SET_SCANOUT_BLOB,
	VIRTIO_GPU_CMD_GET_CAPSET_INFO,
	VIRTIO_GPU_CMD_UPDATE_CURSOR,
	VIRTIO_GPU_CMD_MOVE_CURSOR,
	VIRTIO_GPU_CMD_SUBMIT_3D,
	VIRTIO_GPU_CMD_GET_CAPSET,
	VIRTIO_GPU_CMD_CTX_CREATE,
	VIRTIO_GPU_CMD_CTX_DESTROY,
	VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE,
	VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE,
	VIRTIO_GPU_CMD_RESOURCE_CREATE_3D,
	VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D,
	VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D,
	VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB,
	VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB,
};

/* --- a renderer that answers what the input says --- */

static void ask(void *opaque, const struct wire_request *request, void *bytes,
		const struct three_rows *rows)
{
	struct bench *b = opaque;

	/* All of it can be written. */
	if (request->len)
		memset(bytes, 0, request->len);
	free(bytes);
	if (rows && rows->to != ROWS_NOWHERE)
		b->rows = *rows;
}

/* Only of what is mapped. */
static void unmap(void *opaque, const struct resource *r)
{
	(void)opaque;
	require(r->kind == RESOURCE_HOST && r->mapping);
}

static void renderer_says(struct bench *b, struct fuzz_input *in)
{
	uint64_t len = b->rows.len * b->rows.n * b->rows.n_layers;
	unsigned char *bytes = calloc(1, len + 1);

	if (fuzz_u8(in) & 1)
		require(three_arrived(&b->card, &b->rows, bytes, len));
	else
		require(!three_arrived(&b->card, &b->rows, bytes, len + 1));
	three_written(&b->card, fuzz_u8(in), fuzz_u8(in), bytes, len < 8 ? len : 8);
	three_not_mapped(&b->card, fuzz_u8(in), fuzz_u8(in));
	free(bytes);
}

/* A command in buffers of exactly its size. */
struct request {
	struct vu_req req;
	struct iovec readable, writable;
	uint32_t queue;
};

/* A type, a length, whether there is an answer; then a byte for each word of the command. */
static void make_request(struct request *r, struct fuzz_input *in)
{
	uint32_t type = types[fuzz_u8(in) % (sizeof(types) / sizeof(types[0]))];
	uint32_t words = fuzz_u8(in) % (MAX_COMMAND / 4), len = sizeof(struct virtio_gpu_ctrl_hdr);
	uint32_t room = fuzz_u8(in) & 1 ? ANSWER : fuzz_u8(in);
	const struct virtio_gpu_ctrl_hdr head = {.type = htole32(type),
						 .ctx_id = htole32(room / ANSWER)};
	unsigned char *out = malloc(len + 4 * words), *answer = malloc(room ? room : 1);

	memcpy(out, &head, sizeof(head));
	for (uint32_t i = 0; i < words; i++) {
		uint32_t word = htole32(number(fuzz_u8(in)));

		memcpy(out + len + 4 * i, &word, 4);
	}
	memset(answer, UNTOUCHED, room);
	r->queue = type >= VIRTIO_GPU_CMD_UPDATE_CURSOR ? CURSOR_QUEUE : CONTROL_QUEUE;
	r->readable = (struct iovec){out, len + 4 * words};
	r->writable = (struct iovec){answer, room};
	r->req = (struct vu_req){&r->readable,	      &r->writable, 1,	  room ? 1 : 0,
				 r->readable.iov_len, room,	    NULL, 0};
}

static void finish_request(struct bench *b, struct request *r, struct command *c)
{
	const unsigned char *answer = r->writable.iov_base;
	uint32_t response = command_run(c, &b->card);
	uint64_t written = command_answer(c, response);

	b->responses = b->responses * 31 + response;
	require(written <= r->writable.iov_len);
	for (uint64_t i = written; i < r->writable.iov_len; i++)
		require(answer[i] == UNTOUCHED);
	free(r->readable.iov_base);
	free(r->writable.iov_base);
}

static void run_command(struct bench *b, struct fuzz_input *in)
{
	struct request request;
	struct command command;

	make_request(&request, in);
	command_read(&command, &request.req, request.queue);
	finish_request(b, &request, &command);
}

/* As they are in a queue together: the second was read before the first is run. */
static void run_two(struct bench *b, struct fuzz_input *in)
{
	struct command commands[2];
	struct request requests[2];

	for (int i = 0; i < 2; i++) {
		make_request(&requests[i], in);
		command_read(&commands[i], &requests[i].req, requests[i].queue);
	}
	if (b->looks_ahead && command_looks_ahead(&commands[0]))
		command_is_behind(&commands[0], &commands[1]);
	for (int i = 0; i < 2; i++)
		finish_request(b, &requests[i], &commands[i]);
}

static void step(struct bench *b, struct fuzz_input *in)
{
	switch (fuzz_u8(in)) {
	case 0xff:
		b->gone = !b->gone;
		card_move(&b->card);
		break;
	case 0xfe:
		card_doubt(&b->card);
		break;
	case 0xfd:
		card_settle(&b->card);
		break;
	case 0xfc:
		card_clear(&b->card);
		break;
	case 0xfa:
		renderer_says(b, in);
		break;
	case 0xfb:
		memset(b->memory, fuzz_u8(in), MEMORY);
		break;
	case 0xf9:
		run_two(b, in);
		break;
	default:
		run_command(b, in);
	}
	check_card(&b->card);
}

/* --- two cards --- */

static struct bench *bench_new(bool looks_ahead)
{
	struct bench *b = calloc(1, sizeof(*b));

	b->looks_ahead = looks_ahead;
	b->memory = calloc(1, MEMORY);
	b->card.limits = (struct card_limits){HOSTMEM, RESOURCES};
	b->card.map = (struct backing_map){map, b};
	b->card.n_outputs = OUTPUTS;
	b->card.three.on = true;
	b->card.three.kinds = true;
	b->card.three.window = WINDOW;
	b->card.three.ask = ask;
	b->card.three.unmap = unmap;
	b->card.three.capsets[0].id = CAPSET_VIRGL;
	b->card.three.capsets[0].size = 308;
	memset(b->card.three.capsets[0].data, 0xff, 308);
	b->card.three.opaque = b;
	for (uint32_t i = 0; i < OUTPUTS; i++)
		b->card.outputs[i] = (struct output){true, 1280, 800};
	require(!card_init(&b->card));
	return b;
}

static void bench_free(struct bench *b)
{
	card_fini(&b->card);
	require(!b->card.charged && !b->card.n_resources);
	free(b->memory);
	free(b);
}

static void check_same_screens(const struct card *a, const struct card *b)
{
	for (uint32_t i = 0; i < CARD_OUTPUTS; i++) {
		const struct screen *s = &a->screens[i], *t = &b->screens[i];

		require(s->width == t->width && s->height == t->height && s->stale == t->stale);
		require(!s->pixels == !t->pixels &&
			(!s->pixels ||
			 !memcmp(s->pixels, t->pixels, (size_t)s->width * s->height * PIXEL)));
	}
}

/* Pictures are behind what is shown until somebody wants their pixels. */
static void check_same_pictures(struct card *a, struct card *b)
{
	for (uint32_t i = 0; i < CARD_BUCKETS; i++)
		for (struct resource *r = a->buckets[i]; r; r = r->next) {
			struct resource *other = card_look(b, r->id);

			require(other && other->kind == r->kind && !other->pixels == !r->pixels);
			card_catch_up(a, r);
			card_catch_up(b, other);
			require(!r->pixels || !memcmp(r->pixels, other->pixels,
						      (size_t)r->width * r->height * PIXEL));
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size}, again = in;
	struct bench *b = bench_new(true), *plain = bench_new(false);

	for (uint32_t i = 0; i < STEPS && in.at < in.end; i++) {
		step(b, &in);
		step(plain, &again);
		check_same_screens(&b->card, &plain->card);
	}
	require(b->responses == plain->responses);
	check_same_pictures(&b->card, &plain->card);
	bench_free(b);
	bench_free(plain);
	return 0;
}
