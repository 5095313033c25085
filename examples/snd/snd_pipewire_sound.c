/* SPDX-License-Identifier: MIT */
/*
 * See snd_pipewire.h: a node in the graph for as long as a stream is prepared, and the ring.  Who
 * plays puts sound into it, and who records takes it out, on the device thread; PipeWire's thread
 * has the other end, on_process().
 */
#include "snd_pipewire.h"

#include <errno.h>
#include <spa/param/audio/format-utils.h>
#include <stdlib.h>
#include <string.h>

enum { SIZES_PER_SECOND = 2, CYCLES_PER_SECOND = 50, POD = 1024 };

enum spa_audio_format pipewire_format(uint32_t format)
{
	switch (format) {
	case VIRTIO_SND_PCM_FMT_MU_LAW:
		return SPA_AUDIO_FORMAT_ULAW;
	case VIRTIO_SND_PCM_FMT_A_LAW:
		return SPA_AUDIO_FORMAT_ALAW;
	case VIRTIO_SND_PCM_FMT_S8:
		return SPA_AUDIO_FORMAT_S8;
	case VIRTIO_SND_PCM_FMT_U8:
		return SPA_AUDIO_FORMAT_U8;
	case VIRTIO_SND_PCM_FMT_S16:
		return SPA_AUDIO_FORMAT_S16_LE;
	case VIRTIO_SND_PCM_FMT_S24_3:
		return SPA_AUDIO_FORMAT_S24_LE;
	case VIRTIO_SND_PCM_FMT_S24:
		return SPA_AUDIO_FORMAT_S24_32_LE;
	case VIRTIO_SND_PCM_FMT_S32:
		return SPA_AUDIO_FORMAT_S32_LE;
	case VIRTIO_SND_PCM_FMT_FLOAT:
		return SPA_AUDIO_FORMAT_F32_LE;
	case VIRTIO_SND_PCM_FMT_FLOAT64:
		return SPA_AUDIO_FORMAT_F64_LE;
	default:
		return SPA_AUDIO_FORMAT_UNKNOWN;
	}
}

/* --- the ring --- */

static uint32_t bytes_held(const struct pipewire *p)
{
	/* Both ends have one index each, which only they write. */
	return __atomic_load_n(&p->ring.writeindex, __ATOMIC_ACQUIRE) -
	       __atomic_load_n(&p->ring.readindex, __ATOMIC_ACQUIRE);
}

uint32_t pipewire_held(const struct pipewire *p)
{
	return bytes_held(p) / p->frame_bytes;
}

uint32_t pipewire_room(const struct pipewire *p)
{
	return (p->size - bytes_held(p)) / p->frame_bytes;
}

void pipewire_put(struct pipewire *p, const void *bytes, uint32_t len)
{
	uint32_t at = p->ring.writeindex;

	spa_ringbuffer_write_data(&p->ring, p->bytes, p->size, at & (p->size - 1), bytes, len);
	spa_ringbuffer_write_update(&p->ring, (int32_t)(at + len));
}

void pipewire_get(struct pipewire *p, void *bytes, uint32_t len)
{
	uint32_t at = p->ring.readindex;

	spa_ringbuffer_read_data(&p->ring, p->bytes, p->size, at & (p->size - 1), bytes, len);
	spa_ringbuffer_read_update(&p->ring, (int32_t)(at + len));
}

void pipewire_drop(struct pipewire *p)
{
	spa_ringbuffer_read_update(&p->ring, (int32_t)(p->ring.readindex + bytes_held(p)));
}

/* --- PipeWire's thread --- */

static void play(struct pipewire *p, const struct pw_buffer *b, struct spa_data *d)
{
	uint32_t frames = d->maxsize / p->frame_bytes, n = 0;
	int flows = PIPEWIRE_FLOWS;

	if (b->requested && b->requested < frames)
		frames = (uint32_t)b->requested;
	if (p->flow == PIPEWIRE_FLUSH) {
		pipewire_drop(p);
		p->flow = PIPEWIRE_IDLE;
	} else if (p->flow == PIPEWIRE_FLOWS) {
		n = pipewire_held(p);
		n = n < frames ? n : frames;
		pipewire_get(p, d->data, n * p->frame_bytes);
		if (n < frames)
			atomic_compare_exchange_strong(&p->flow, &flows, PIPEWIRE_IDLE);
	}
	card_silence(p->format, (unsigned char *)d->data + n * p->frame_bytes,
		     (size_t)(frames - n) * p->frame_bytes);
	d->chunk->offset = 0;
	d->chunk->stride = (int32_t)p->frame_bytes;
	d->chunk->size = frames * p->frame_bytes;
	p->chunk = frames;
}

static void record(struct pipewire *p, const struct spa_data *d)
{
	/* Another process may write to a chunk at any time: once. */
	uint32_t offset = __atomic_load_n(&d->chunk->offset, __ATOMIC_RELAXED);
	uint32_t len = __atomic_load_n(&d->chunk->size, __ATOMIC_RELAXED), frames;

	offset = offset < d->maxsize ? offset : d->maxsize;
	len = len < d->maxsize - offset ? len : d->maxsize - offset;
	frames = len / p->frame_bytes;

	p->chunk = frames;
	if (p->flow != PIPEWIRE_FLOWS)
		return;
	if (frames > pipewire_room(p))
		p->flow = PIPEWIRE_IDLE;
	else
		pipewire_put(p, (const unsigned char *)d->data + offset, frames * p->frame_bytes);
}

static void on_process(void *data)
{
	struct pipewire *p = data;
	struct pw_buffer *b = pw_stream_dequeue_buffer(p->sound);
	struct spa_data *d = b ? &b->buffer->datas[0] : NULL;

	if (!b)
		return;
	if (d->data && p->plays)
		play(p, b, d);
	else if (d->data)
		record(p, d);
	b->size = p->chunk;
	p->moment = card_now();
	pw_stream_queue_buffer(p->sound, b);
}

/* --- its life --- */

static void on_state(void *data, enum pw_stream_state old, enum pw_stream_state state,
		     const char *error)
{
	struct pipewire *p = data;

	(void)old;
	if (state == PW_STREAM_STATE_ERROR && !p->error)
		vu_device_log_peerf(p->stream->card->dev, VU_LOG_ERROR, "stream %u: pipewire: %s",
				    p->stream->id, error ? error : "an error that has no name");
}

static const struct pw_stream_events sound_events = {
	PW_VERSION_STREAM_EVENTS,
	.state_changed = on_state,
	.process = on_process,
};

static uint32_t position_of(uint8_t position)
{
	static const uint32_t positions[] = {
		[VIRTIO_SND_CHMAP_MONO] = SPA_AUDIO_CHANNEL_MONO,
		[VIRTIO_SND_CHMAP_FL] = SPA_AUDIO_CHANNEL_FL,
		[VIRTIO_SND_CHMAP_FR] = SPA_AUDIO_CHANNEL_FR,
		[VIRTIO_SND_CHMAP_RL] = SPA_AUDIO_CHANNEL_RL,
		[VIRTIO_SND_CHMAP_RR] = SPA_AUDIO_CHANNEL_RR,
		[VIRTIO_SND_CHMAP_FC] = SPA_AUDIO_CHANNEL_FC,
		[VIRTIO_SND_CHMAP_LFE] = SPA_AUDIO_CHANNEL_LFE,
		[VIRTIO_SND_CHMAP_SL] = SPA_AUDIO_CHANNEL_SL,
		[VIRTIO_SND_CHMAP_SR] = SPA_AUDIO_CHANNEL_SR,
		[VIRTIO_SND_CHMAP_RC] = SPA_AUDIO_CHANNEL_RC,
		[VIRTIO_SND_CHMAP_FLC] = SPA_AUDIO_CHANNEL_FLC,
		[VIRTIO_SND_CHMAP_FRC] = SPA_AUDIO_CHANNEL_FRC,
	};

	return position < sizeof(positions) / sizeof(positions[0]) ? positions[position] : 0;
}

/* As the card's channel map for so many says; else one or two as everywhere, more without places.
 */
static void set_positions(const struct card_stream *s, struct spa_audio_info_raw *info)
{
	static const uint8_t mono[] = {VIRTIO_SND_CHMAP_MONO},
			     stereo[] = {VIRTIO_SND_CHMAP_FL, VIRTIO_SND_CHMAP_FR};
	const uint8_t *from = info->channels == 1 ? mono : info->channels == 2 ? stereo : NULL;

	for (uint32_t i = 0; i < s->card->n_chmaps; i++) {
		const struct card_chmap *c = &s->card->chmaps[i];

		if (c->direction == s->direction && c->device == s->device &&
		    c->channels == info->channels)
			from = c->positions;
	}
	for (uint32_t i = 0; i < info->channels; i++) {
		info->position[i] = from ? position_of(from[i]) : 0;
		if (!info->position[i])
			info->position[i] = SPA_AUDIO_CHANNEL_AUX0 + i;
	}
}

static struct pw_properties *properties_of(const struct pipewire *p)
{
	struct pw_properties *properties =
		pw_properties_new(PW_KEY_MEDIA_TYPE, "Audio", PW_KEY_MEDIA_CATEGORY,
				  p->plays ? "Playback" : "Capture", NULL);
	uint32_t rate = p->stream->clock.rate;

	if (!properties)
		return NULL;
	pw_properties_setf(properties, PW_KEY_NODE_NAME, "vu-snd.%u.%u", p->stream->card->index,
			   p->stream->id);
	pw_properties_setf(properties, PW_KEY_NODE_LATENCY, "%u/%u", rate / CYCLES_PER_SECOND,
			   rate);
	if (p->target)
		pw_properties_set(properties, PW_KEY_TARGET_OBJECT, p->target);
	return properties;
}

static int connect_sound(struct pipewire *p)
{
	struct spa_audio_info_raw info = {
		.format = pipewire_format(p->format),
		.rate = p->stream->clock.rate,
		.channels = p->stream->params.channels,
	};
	unsigned char pod[POD];
	struct spa_pod_builder builder = SPA_POD_BUILDER_INIT(pod, sizeof(pod));
	const struct spa_pod *format;

	set_positions(p->stream, &info);
	format = spa_format_audio_raw_build(&builder, SPA_PARAM_EnumFormat, &info);
	pw_stream_add_listener(p->sound, &p->sound_hook, &sound_events, p);
	return pw_stream_connect(
		p->sound, p->plays ? PW_DIRECTION_OUTPUT : PW_DIRECTION_INPUT, PW_ID_ANY,
		PW_STREAM_FLAG_AUTOCONNECT | PW_STREAM_FLAG_MAP_BUFFERS | PW_STREAM_FLAG_RT_PROCESS,
		&format, 1);
}

int pipewire_sound_new(struct pipewire *p)
{
	const struct card_stream *s = p->stream;
	uint64_t least = (uint64_t)s->clock.rate / SIZES_PER_SECOND * s->frame_bytes;
	int ret;

	p->format = s->params.format;
	p->frame_bytes = s->frame_bytes;
	p->size = 1;
	while (p->size < least)
		p->size *= 2;
	p->bytes = malloc(p->size);
	spa_ringbuffer_init(&p->ring);
	p->flow = PIPEWIRE_IDLE;
	p->chunk = 0;
	p->moment = 0;
	p->sound = p->bytes ? pw_stream_new(p->core, "vu-snd", properties_of(p)) : NULL;
	ret = p->sound ? connect_sound(p) : -ENOMEM;
	if (ret < 0)
		pipewire_sound_free(p);
	return ret;
}

void pipewire_sound_free(struct pipewire *p)
{
	if (p->sound)
		pw_stream_destroy(p->sound); /* waits until its other thread has left it */
	free(p->bytes);
	p->sound = NULL;
	p->bytes = NULL;
}
