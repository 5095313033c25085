/* SPDX-License-Identifier: MIT */
/* PCM control requests (virtio 1.3 §5.14.6.6): what streams are, and which may be told what when.
 */
#include "snd.h"

#include <endian.h>
#include <string.h>

#define IN(state) (1u << SND_##state)

enum { FEATURES = 1 << VIRTIO_SND_PCM_F_EVT_XRUNS };

static void pcm_fill(const struct card *card, uint32_t id, void *info, size_t size)
{
	const struct card_stream *s = &card->streams[id];
	const struct virtio_snd_pcm_info pcm = {
		.hdr.hda_fn_nid = htole32(s->device),
		.features = htole32(FEATURES),
		.formats = htole64(s->formats),
		.rates = htole64(s->rates),
		.direction = s->direction,
		.channels_min = s->channels_min,
		.channels_max = s->channels_max,
	};

	(void)size;
	memcpy(info, &pcm, sizeof(pcm));
}

/* A driver asks when it begins: what is left of one before it is over. */
uint32_t card_pcm_info(struct card_ask *ask)
{
	struct card *card = ask->card;

	for (uint32_t i = 0; i < card->n_streams; i++)
		if (card->streams[i].inherited)
			card_stream_reset(&card->streams[i]);
	return card_query(ask, card->n_streams, sizeof(struct virtio_snd_pcm_info), pcm_fill);
}

/* The stream that is meant, if it is in one of these states; a new driver does not know which. */
static struct card_stream *pcm_stream(const struct card_ask *ask, uint32_t states)
{
	struct virtio_snd_pcm_hdr head;
	struct card_stream *s;
	uint32_t id;

	memcpy(&head, ask->in, sizeof(head));
	id = le32toh(head.stream_id);
	if (id >= ask->card->n_streams)
		return NULL;
	s = &ask->card->streams[id];
	return states & 1u << s->state || (s->inherited && states & IN(SET)) ? s : NULL;
}

static bool pcm_offers(const struct card_stream *s, const struct card_params *p)
{
	return p->channels >= s->channels_min && p->channels <= s->channels_max &&
	       p->format < SND_FORMATS && s->formats & UINT64_C(1) << p->format &&
	       p->rate < SND_RATES && s->rates & UINT64_C(1) << p->rate &&
	       !(p->features & ~(uint32_t)FEATURES) && card_frame_bytes(p->format, p->channels);
}

uint32_t card_pcm_set_params(struct card_ask *ask)
{
	struct card_stream *s = pcm_stream(ask, IN(IDLE) | IN(SET) | IN(PREPARED));
	struct virtio_snd_pcm_set_params in;
	struct card_params p;
	uint32_t frame;

	if (!s)
		return VIRTIO_SND_S_BAD_MSG;
	memcpy(&in, ask->in, sizeof(in));
	p = (struct card_params){
		.buffer_bytes = le32toh(in.buffer_bytes),
		.period_bytes = le32toh(in.period_bytes),
		.features = le32toh(in.features),
		.channels = in.channels,
		.format = in.format,
		.rate = in.rate,
	};
	if (!pcm_offers(s, &p))
		return VIRTIO_SND_S_NOT_SUPP;
	frame = card_frame_bytes(p.format, p.channels);
	if (p.period_bytes < frame || p.buffer_bytes < p.period_bytes ||
	    p.buffer_bytes > SND_MAX_BUFFER || p.buffer_bytes % p.period_bytes)
		return VIRTIO_SND_S_BAD_MSG;
	card_stream_set(s, &p);
	return VIRTIO_SND_S_OK;
}

uint32_t card_pcm_prepare(struct card_ask *ask)
{
	struct card_stream *s = pcm_stream(ask, IN(SET) | IN(PREPARED));

	if (!s)
		return VIRTIO_SND_S_BAD_MSG;
	card_stream_prepare(s);
	return VIRTIO_SND_S_OK;
}

/* Also from a stream that runs: a driver that gives up means it. */
uint32_t card_pcm_release(struct card_ask *ask)
{
	struct card_stream *s = pcm_stream(ask, IN(SET) | IN(PREPARED) | IN(RUNNING) | IN(STOPPED));

	if (!s)
		return VIRTIO_SND_S_BAD_MSG;
	card_stream_release(s);
	return VIRTIO_SND_S_OK;
}

uint32_t card_pcm_start(struct card_ask *ask)
{
	struct card_stream *s = pcm_stream(ask, IN(PREPARED) | IN(STOPPED));

	if (!s)
		return VIRTIO_SND_S_BAD_MSG;
	card_stream_start(s, ask->now);
	return VIRTIO_SND_S_OK;
}

uint32_t card_pcm_stop(struct card_ask *ask)
{
	struct card_stream *s = pcm_stream(ask, IN(RUNNING));

	if (!s)
		return VIRTIO_SND_S_BAD_MSG;
	card_stream_stop(s);
	return VIRTIO_SND_S_OK;
}
