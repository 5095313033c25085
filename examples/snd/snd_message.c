/* SPDX-License-Identifier: MIT */
/*
 * Messages of the tx and rx queues (virtio 1.3 §5.14.6.8): a stream's number, sound, a status.
 *
 * The number is read once, and sound when its time has come, into memory of our own.  Until then a
 * message is in its stream's list.
 */
#include <endian.h>
#include <stdlib.h>

#include "snd_backend.h"

enum { HEAD = sizeof(struct virtio_snd_pcm_xfer), STATUS = sizeof(struct virtio_snd_pcm_status) };
enum { PIECE = 16384 }; /* holds a frame of 64 channels */

/* --- the end of a message --- */

static void msg_answer(struct vu_req *req, uint32_t status, uint32_t latency)
{
	const struct virtio_snd_pcm_status answer = {htole32(status), htole32(latency)};
	uint64_t at = req->writable_len < STATUS ? 0 : req->writable_len - STATUS;

	/* A recording is in front of it; of one that fails what is there stays as it is. */
	vu_req_complete(req, at + vu_req_write(req, at, &answer, STATUS));
}

void card_msg_complete(struct card_stream *s, struct card_msg *m, uint32_t latency)
{
	TAILQ_REMOVE(&s->msgs, m, link);
	s->messages++;
	msg_answer(m->req, m->status, latency);
}

void card_flush(struct card_stream *s)
{
	struct card_msg *m;

	while ((m = TAILQ_FIRST(&s->msgs)))
		card_msg_complete(s, m, 0);
}

/* --- sound --- */

static int play_piece(struct card_stream *s, const struct card_msg *m, void *bytes, uint32_t len)
{
	int ret;

	vu_req_read(m->req, HEAD + m->done, bytes, len);
	card_gain_apply(s, bytes, len);
	ret = s->backend->move(s, bytes, len);
	card_loopback_heard(s, bytes, len);
	return ret;
}

static int record_piece(struct card_stream *s, const struct card_msg *m, void *bytes, uint32_t len)
{
	int ret = s->backend->move(s, bytes, len);

	if (ret)
		card_silence(s->params.format, bytes, len);
	card_gain_apply(s, bytes, len);
	vu_req_write(m->req, m->done, bytes, len);
	return ret;
}

void card_move(struct card_stream *s, struct card_msg *m, uint64_t n)
{
	unsigned char bytes[PIECE];
	uint32_t most = PIECE / s->frame_bytes;

	while (n) {
		uint32_t frames = n < most ? (uint32_t)n : most, len = frames * s->frame_bytes;
		int ret = s->direction == VIRTIO_SND_D_OUTPUT ? play_piece(s, m, bytes, len)
							      : record_piece(s, m, bytes, len);

		if (ret) {
			s->n_errors++;
			m->status = VIRTIO_SND_S_IO_ERR;
		}
		m->done += len;
		n -= frames;
	}
}

/* --- from the ring and back --- */

/* The stream that a message is for, and how much sound there is; NULL and why it is refused. */
static struct card_stream *msg_check(struct card *card, uint8_t direction, const struct vu_req *req,
				     uint32_t *len, const char **why)
{
	struct virtio_snd_pcm_xfer head;
	uint64_t bytes, status = req->writable_len;
	struct card_stream *s;
	uint32_t id;

	*why = "a message of sound without room for a stream's number and a status";
	if (vu_req_read(req, 0, &head, HEAD) < HEAD || status < STATUS)
		return NULL;
	bytes = direction == VIRTIO_SND_D_OUTPUT ? req->readable_len - HEAD : status - STATUS;
	id = le32toh(head.stream_id);
	*why = "a message of sound for a stream that is not there, or goes the other way";
	if (id >= card->n_streams || card->streams[id].direction != direction)
		return NULL;
	s = &card->streams[id];
	*why = NULL; /* it may be late: the stream has just been released */
	if (s->state < SND_PREPARED)
		return NULL;
	*why = "a message of sound that is no whole number of frames, or longer than the buffer";
	if (!bytes || bytes % s->frame_bytes || bytes > s->params.buffer_bytes)
		return NULL;
	*len = (uint32_t)bytes;
	return s;
}

static void msg_take(struct card *card, uint8_t direction, struct vu_req *req, uint64_t now)
{
	struct card_msg *m = req->priv;
	const char *why;
	struct card_stream *s = msg_check(card, direction, req, &m->len, &why);

	if (!s) {
		if (why)
			card_complain(card, why);
		msg_answer(req, why ? VIRTIO_SND_S_BAD_MSG : VIRTIO_SND_S_IO_ERR, 0);
		return;
	}
	m->req = req;
	m->serial = card->serial++;
	m->done = 0;
	m->status = VIRTIO_SND_S_OK;
	card_stream_add(s, m, now);
}

bool card_take(struct card *card, struct vu_queue *queue, uint64_t now)
{
	uint8_t direction = queue == card->tx ? VIRTIO_SND_D_OUTPUT : VIRTIO_SND_D_INPUT;
	struct vu_req *req;
	int ret;

	while ((ret = vu_queue_next(queue, &req)) == 1)
		msg_take(card, direction, req, now);
	return !ret && vu_queue_available(queue) == 1;
}

/* The stream of this direction whose last message was taken last of all. */
static struct card_stream *newest(struct card *card, uint8_t direction)
{
	struct card_stream *found = NULL;
	uint64_t serial = 0;

	for (uint32_t i = 0; i < card->n_streams; i++) {
		struct card_stream *s = &card->streams[i];
		const struct card_msg *m = TAILQ_LAST(&s->msgs, card_msgs);

		if (s->direction == direction && m && (!found || m->serial > serial)) {
			found = s;
			serial = m->serial;
		}
	}
	return found;
}

/*
 * Those that cannot go back.  A driver has no more on its way than it said that its buffer has; of
 * one that has no more than that is played or recorded, as this is at once.
 */
static void finish_stuck(struct card_stream *s)
{
	uint32_t room = s->params.buffer_bytes;
	struct card_msg *m;

	while ((m = TAILQ_FIRST(&s->stuck))) {
		uint32_t left = m->len - m->done, n = left < room ? left : room;

		TAILQ_REMOVE(&s->stuck, m, link);
		if (s->state == SND_RUNNING) {
			card_move(s, m, n / s->frame_bytes);
			if (m->done < m->len)
				m->status = VIRTIO_SND_S_IO_ERR;
		}
		room -= n;
		msg_answer(m->req, m->status, 0);
	}
}

void card_put_back(struct card *card, struct vu_queue *queue)
{
	uint8_t direction = queue == card->tx ? VIRTIO_SND_D_OUTPUT : VIRTIO_SND_D_INPUT;
	struct card_stream *s;

	while ((s = newest(card, direction))) {
		struct card_msg *m = TAILQ_LAST(&s->msgs, card_msgs);

		TAILQ_REMOVE(&s->msgs, m, link);
		s->head_done = m->done;
		if (!vu_req_put_back(m->req))
			continue;
		/*
		 * One behind it in the ring, of another stream, was completed before it: it comes
		 * too early rather than never, and still behind what is before it.
		 */
		s->head_done = 0;
		TAILQ_INSERT_HEAD(&s->stuck, m, link);
	}
	for (uint32_t i = 0; i < card->n_streams; i++)
		if (card->streams[i].direction == direction)
			finish_stuck(&card->streams[i]);
}
