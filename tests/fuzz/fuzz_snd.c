/* SPDX-License-Identifier: MIT */
/*
 * vu-snd's requests, messages and clock: an input is a row of steps.  A step is a control request
 * (of any bytes, or one that there may be), a message of sound, time that passes, a buffer for
 * events, a stop of the rings, a change from outside, or bytes in a pipe that is recorded. Messages
 * are done once, none before its time; a stream that is released has none.
 */
#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "snd_backend.h"

enum { MAX_SEGS = 4, MAX_OUT = 32, MAX_ROOM = 600, MAX_SOUND = 2048, STEPS = 400 };

/* A request that the driver made; the rings are arrays of these. */
struct chain {
	struct vu_req req; /* first: what is completed */
	struct iovec readable[MAX_SEGS], writable[MAX_SEGS];
	unsigned char *bytes; /* all of it, no more */
	unsigned char *priv;
};

struct line_of {
	struct chain *waiting[MAX_OUT];
	uint32_t n_waiting, n_taken;
};

/* What the wrapped functions find; one input at a time. */
static struct bench {
	struct card card;
	struct line_of tx, rx, events;
	uint64_t now;
} * bench;

int __wrap_vu_queue_next(struct vu_queue *queue, struct vu_req **req);
int __wrap_vu_queue_available(struct vu_queue *queue);
int __wrap_vu_req_complete(struct vu_req *req, uint64_t len);
int __wrap_vu_req_put_back(struct vu_req *req);

/* --- what stands for the library and the program --- */

static void chain_free(struct chain *c)
{
	free(c->bytes);
	free(c->priv);
	free(c);
}

static struct line_of *ring_of(struct vu_queue *queue)
{
	return (struct line_of *)(void *)queue;
}

int __wrap_vu_queue_next(struct vu_queue *queue, struct vu_req **req)
{
	struct line_of *ring = ring_of(queue);

	if (!ring->n_waiting)
		return 0;
	*req = &ring->waiting[0]->req;
	memmove(ring->waiting, ring->waiting + 1, --ring->n_waiting * sizeof(ring->waiting[0]));
	ring->n_taken++;
	return 1;
}

int __wrap_vu_queue_available(struct vu_queue *queue)
{
	return ring_of(queue)->n_waiting > 0;
}

/* Whose it is, is kept in the flags. */
static struct line_of *ring_of_req(const struct vu_req *req)
{
	return req->flags == 1 ? &bench->tx : req->flags == 2 ? &bench->rx : &bench->events;
}

int __wrap_vu_req_complete(struct vu_req *req, uint64_t len)
{
	struct chain *c = (struct chain *)(void *)req;

	require(len <= req->writable_len);
	require(ring_of_req(req)->n_taken-- > 0);
	chain_free(c);
	return 0;
}

/* Sometimes it cannot be. */
int __wrap_vu_req_put_back(struct vu_req *req)
{
	struct line_of *ring = ring_of_req(req);

	if (req->readable_len % 7 == 3 || ring->n_waiting == MAX_OUT)
		return -1;
	memmove(ring->waiting + 1, ring->waiting, ring->n_waiting++ * sizeof(ring->waiting[0]));
	ring->waiting[0] = (struct chain *)(void *)req;
	require(ring->n_taken-- > 0);
	return 0;
}

void card_complain(const struct card *card, const char *what)
{
	(void)card;
	require(what[0]);
}

void card_ctl_written(struct card *card, uint32_t id)
{
	require(id < card->n_ctls);
}

/* --- the card --- */

/* One for all inputs, empty before and after each: what is written to it is recorded. */
static const int *sound_pipe(void)
{
	static int ends[2] = {-1, -1};

	require(ends[0] >= 0 || !pipe2(ends, O_NONBLOCK | O_CLOEXEC));
	return ends;
}

static void drain_pipe(void)
{
	char bytes[4096];

	while (read(sound_pipe()[0], bytes, sizeof(bytes)) > 0)
		;
}

static void fill_pipe(uint8_t len)
{
	static const char bytes[UINT8_MAX];

	(void)!write(sound_pipe()[1], bytes, len);
}

static void make_stream(struct card *card, uint8_t direction, const struct card_backend *backend,
			const char *where)
{
	struct card_stream *s = &card->streams[card->n_streams];

	card_stream_init(s, card, card->n_streams);
	s->direction = direction;
	s->channels_min = 1;
	s->channels_max = 3;
	s->formats = (UINT64_C(1) << SND_FORMATS) - 1;
	s->rates = (UINT64_C(1) << SND_RATES) - 1;
	s->backend = backend;
	if (backend->open)
		require(!backend->open(s, where));
	card->n_streams++;
}

static void make_card(struct bench *b)
{
	static const struct card_ctl ctls[] = {
		{.name = "a", .kind = SND_VOLUME, .count = 2, .values = {100, 100}},
		{.name = "b", .kind = SND_SWITCH, .count = 1, .direction = 1, .values = {1}},
		{.name = "c", .kind = SND_CHOICE, .count = 1, .n_items = 2, .items = {"x", "y"}},
	};
	struct card *card = &b->card;
	char pipe_path[40];

	b->now = 1;
	card->tx = (struct vu_queue *)(void *)&b->tx;
	card->rx = (struct vu_queue *)(void *)&b->rx;
	card->events = (struct vu_queue *)(void *)&b->events;
	make_stream(card, VIRTIO_SND_D_OUTPUT, &card_null, NULL);
	make_stream(card, VIRTIO_SND_D_INPUT, &card_loopback, NULL);
	make_stream(card, VIRTIO_SND_D_OUTPUT, &card_null, NULL);
	make_stream(card, VIRTIO_SND_D_INPUT, &card_null, NULL);
	snprintf(pipe_path, sizeof(pipe_path), "/proc/self/fd/%d", sound_pipe()[0]);
	make_stream(card, VIRTIO_SND_D_INPUT, &card_file, pipe_path);
	card->jacks[0].connected = true;
	card->n_jacks = 2;
	card->chmaps[0].channels = 2;
	card->n_chmaps = 1;
	memcpy(card->ctls, ctls, sizeof(ctls));
	card->n_ctls = 3;
	card->has_ctls = true;
}

/* As the device does with each event. */
static void catch_up(struct bench *b)
{
	struct card *card = &b->card;

	card_take(card, card->tx, b->now);
	card_take(card, card->rx, b->now);
	for (uint8_t direction = 0; direction < 2; direction++)
		for (uint32_t i = 0; i < card->n_streams; i++)
			if (card->streams[i].direction == direction)
				card_stream_advance(&card->streams[i], b->now);
	card_send_events(card);
}

/* --- steps --- */

static void cut(struct iovec *iov, uint32_t *n, unsigned char *at, size_t len, uint8_t how)
{
	while (len && *n < MAX_SEGS) {
		size_t piece = *n + 1 == MAX_SEGS || !(how & 3) ? len : len * (how & 3) / 5;

		iov[(*n)++] = (struct iovec){at, piece};
		at += piece;
		len -= piece;
		how >>= 2;
	}
}

/* A chain of so many bytes to read (which are given) and to write. */
static void offer(struct line_of *ring, uint32_t whose, const void *head, size_t n_head,
		  size_t n_readable, size_t n_writable, uint8_t how)
{
	struct chain *c;

	if (ring->n_waiting + ring->n_taken >= MAX_OUT)
		return;
	c = calloc(1, sizeof(*c));
	c->bytes = malloc(n_readable + n_writable + 1);
	c->priv = calloc(1, sizeof(struct card_msg));
	memset(c->bytes, how, n_readable + n_writable);
	if (n_head)
		memcpy(c->bytes, head, n_head < n_readable ? n_head : n_readable);
	cut(c->readable, &c->req.n_readable, c->bytes, n_readable, how);
	cut(c->writable, &c->req.n_writable, c->bytes + n_readable, n_writable, how);
	c->req.readable = c->readable;
	c->req.writable = c->writable;
	c->req.readable_len = n_readable;
	c->req.writable_len = n_writable;
	c->req.priv = c->priv;
	c->req.flags = whose;
	ring->waiting[ring->n_waiting++] = c;
}

/* What a driver sends: whole frames of a prepared stream. */
static void message(struct bench *b, struct fuzz_input *in)
{
	uint8_t which = fuzz_u8(in), how = fuzz_u8(in);
	uint32_t id = which % 6, head = htole32(id), len = fuzz_u16(in) % MAX_SOUND;
	const struct card_stream *s = id < b->card.n_streams ? &b->card.streams[id] : NULL;
	bool out = which & 64 ? which & 32 : s && s->direction == VIRTIO_SND_D_OUTPUT;

	if (s && s->state > SND_SET && which < 192)
		len = len / s->frame_bytes * s->frame_bytes;
	if (out)
		offer(&b->tx, 1, &head, sizeof(head), which > 250 ? which & 3 : 4 + len,
		      which & 8 ? 8 : which & 7, how);
	else
		offer(&b->rx, 2, &head, sizeof(head), which > 250 ? which & 3 : 4,
		      which & 8 ? 8 + len : which & 7, how);
}

static void request(struct bench *b, const unsigned char *in, size_t len, size_t room)
{
	unsigned char *copy = malloc(len ? len : 1), *out = malloc(room ? room : 1);
	size_t done;

	memcpy(copy, in, len);
	catch_up(b);
	done = card_answer(&b->card, b->now, copy, len, out, room);
	require(done <= room && (done >= 4 || room < 4));
	if (len >= 8 && done == 4 && copy[1] == 1 && copy[0] == 3 && out[0] == 0) {
		uint32_t id;

		memcpy(&id, copy + 4, sizeof(id));
		require(TAILQ_EMPTY(&b->card.streams[le32toh(id)].msgs));
	}
	free(copy);
	free(out);
}

static void any_request(struct bench *b, struct fuzz_input *in)
{
	unsigned char bytes[64] = {0};
	uint8_t len = fuzz_u8(in) % (sizeof(bytes) + 1);
	size_t room = fuzz_u16(in) % MAX_ROOM;

	for (uint8_t i = 0; i < len; i++)
		bytes[i] = fuzz_u8(in);
	request(b, bytes, len, room);
}

/* A code that there is, and small numbers behind it. */
static void likely_request(struct bench *b, struct fuzz_input *in)
{
	static const uint16_t codes[] = {1,	2,     0x100, 0x101, 0x102, 0x103, 0x104, 0x105,
					 0x200, 0x300, 0x301, 0x302, 0x303, 0x304, 0x305, 0x306};
	unsigned char bytes[24] = {0};
	uint8_t which = fuzz_u8(in), id = fuzz_u8(in);
	uint32_t words[4] = {htole32(codes[which & 15]), htole32(id & 7u)};

	for (int i = 2; i < 4; i++)
		words[i] = htole32(fuzz_u8(in));
	if (words[0] == htole32(0x101)) { /* frames of any format, a buffer of periods */
		uint8_t channels = 1 + (id >> 3) % 3, format = (uint8_t)(words[2] % SND_FORMATS);
		uint32_t period = card_frame_bytes(format, channels) * (1 + le32toh(words[3]));

		words[2] = htole32(period * (1 + (id >> 6)));
		words[3] = htole32(period);
		bytes[16] = which & 16;
		bytes[20] = channels;
		bytes[21] = format;
		bytes[22] = which >> 5;
	}
	memcpy(bytes, words, sizeof(words));
	request(b, bytes, sizeof(bytes), which & 128 ? 4 + MAX_ROOM : 600);
}

static void stop_rings(struct bench *b, uint8_t what)
{
	struct card *card = &b->card;

	catch_up(b);
	for (uint32_t i = 0; i < card->n_streams; i++)
		card_stream_freeze(&card->streams[i]);
	card_put_back(card, card->tx);
	card_put_back(card, card->rx);
	require(!b->tx.n_taken && !b->rx.n_taken);
	b->now += what * UINT64_C(1000000);
	while (what & 1 && b->tx.n_waiting) /* a new driver has other messages */
		chain_free(b->tx.waiting[--b->tx.n_waiting]);
	for (uint32_t i = 0; i < card->n_streams; i++)
		card_stream_thaw(&card->streams[i], b->now);
}

static void change(struct card *card, uint8_t what)
{
	const uint32_t values[SND_CTL_CHANNELS] = {what, what >> 1};

	if (what & 1) {
		card->jacks[what >> 1 & 1].owed = true;
		return;
	}
	if (card_ctl_set(&card->ctls[(what >> 1) % 3], values) > 0)
		card->ctls[(what >> 1) % 3].owed = true;
}

/* What must hold whatever the driver did. */
static void check(const struct bench *b)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->card.n_streams; i++) {
		const struct card_stream *s = &b->card.streams[i];
		const struct card_msg *m;

		TAILQ_FOREACH(m, &s->msgs, link)
		{
			require(s->state > SND_SET && m->done < m->len);
			require(m->len <= s->params.buffer_bytes && m->len % s->frame_bytes == 0);
			n++;
		}
		/* What is due has been done. */
		require(!s->wake || s->wake > b->now || s->state != SND_RUNNING);
	}
	require(n == b->tx.n_taken + b->rx.n_taken && !b->events.n_taken);
}

static void step(struct bench *b, struct fuzz_input *in)
{
	uint8_t what = fuzz_u8(in);

	switch (what & 7) {
	case 0:
		any_request(b, in);
		break;
	case 1:
		b->now += UINT64_C(1) << (10 + (what >> 3) % 24);
		break;
	case 2:
		stop_rings(b, what >> 3);
		break;
	case 3:
		change(&b->card, fuzz_u8(in));
		break;
	case 4:
		offer(&b->events, 3, NULL, 0, 0, what >> 3 & 15, what);
		break;
	case 5:
		message(b, in);
		break;
	case 7:
		fill_pipe(what >> 3);
		break;
	default:
		likely_request(b, in);
		break;
	}
	catch_up(b);
	check(b);
}

static void end(struct bench *b)
{
	struct line_of *rings[] = {&b->tx, &b->rx, &b->events};

	for (uint32_t i = 0; i < b->card.n_streams; i++) {
		struct card_stream *s = &b->card.streams[i];

		card_stream_reset(s);
		if (s->backend->close)
			s->backend->close(s);
	}
	for (uint32_t i = 0; i < 3; i++) {
		require(!rings[i]->n_taken);
		while (rings[i]->n_waiting)
			chain_free(rings[i]->waiting[--rings[i]->n_waiting]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, data + size};

	bench = calloc(1, sizeof(*bench));
	make_card(bench);
	for (uint32_t i = 0; i < STEPS && in.at < in.end; i++)
		step(bench, &in);
	end(bench);
	drain_pipe();
	free(bench);
	return 0;
}
