/* SPDX-License-Identifier: MIT */
/*
 * vu-snd and PipeWire: every format that it is said to have goes into the graph and comes back as
 * it was.  See test_snd_pipewire.c for what a sound server drops, and what is done about it.
 *
 * The graph computes in floats of 24 bits, so samples here have no more.  PipeWire (0.3.65) names
 * unsigned formats of 16 bits and more, and its converter takes none of them.
 */
#include "pipewire.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	CHANNELS = 2,
	PERIOD_FRAMES = 2400,
	PERIODS = 12,
	IN_FLIGHT = 8,
	ATTEMPTS = 30,
	QUIET_FRAMES = 24000,
	FRAMES = PERIODS * PERIOD_FRAMES,
	MOST_BYTES = 8 * CHANNELS,
};

enum kind { SIGNED, UNSIGNED, FLOATING, CODED };

/* bits: that a sample has; of a code, that do not say silence (which one of two it is, is lost). */
struct format {
	const char *name;
	uint32_t number, bytes, bits;
	enum kind kind;
};

static const struct format formats[] = {
	{"MU_LAW", VIRTIO_SND_PCM_FMT_MU_LAW, 1, 0x7f, CODED},
	{"A_LAW", VIRTIO_SND_PCM_FMT_A_LAW, 1, 0x55, CODED},
	{"S8", VIRTIO_SND_PCM_FMT_S8, 1, 8, SIGNED},
	{"U8", VIRTIO_SND_PCM_FMT_U8, 1, 8, UNSIGNED},
	{"S16", VIRTIO_SND_PCM_FMT_S16, 2, 16, SIGNED},
	{"S24_3", VIRTIO_SND_PCM_FMT_S24_3, 3, 24, SIGNED},
	{"S24", VIRTIO_SND_PCM_FMT_S24, 4, 24, SIGNED},
	{"S32", VIRTIO_SND_PCM_FMT_S32, 4, 32, SIGNED},
	{"FLOAT", VIRTIO_SND_PCM_FMT_FLOAT, 4, 24, FLOATING},
	{"FLOAT64", VIRTIO_SND_PCM_FMT_FLOAT64, 8, 24, FLOATING},
};
enum { FORMATS = sizeof(formats) / sizeof(formats[0]) };

static uint32_t frame_of(const struct format *f)
{
	return f->bytes * CHANNELS;
}

static struct params params_of(const struct format *f)
{
	return (struct params){
		.buffer = IN_FLIGHT * PERIOD_FRAMES * frame_of(f),
		.period = PERIOD_FRAMES * frame_of(f),
		.channels = CHANNELS,
		.format = (uint8_t)f->number,
		.rate = HZ_48000,
	};
}

/* --- samples --- */

static uint32_t random_word(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed;
}

/* From -2^23 to 2^23 - 1, never 0, in whole steps of what the format can say. */
static int32_t sample_of(const struct format *f, uint32_t *seed)
{
	uint32_t bits = f->bits < 24 ? f->bits : 24;
	int32_t value = (int32_t)(random_word(seed) >> 8) - (1 << 23);

	value = value / (1 << (24 - bits)) * (1 << (24 - bits));
	return value ? value : 1 << (24 - bits);
}

/* Any byte but what is silent. */
static void put_coded(const struct format *f, unsigned char *at, uint32_t *seed)
{
	do
		*at = (unsigned char)(random_word(seed) >> 24);
	while ((*at | 0x80) == (f->bits | 0x80));
}

static void put_sample(const struct format *f, unsigned char *at, uint32_t *seed)
{
	int32_t value = sample_of(f, seed);
	uint32_t up = f->bits > 24 ? f->bits - 24 : 0, down = f->bits < 24 ? 24 - f->bits : 0;
	uint32_t number = (uint32_t)(value >> down) << up;
	double exact = (double)value / (1 << 23);
	float single = (float)exact;

	if (f->kind == UNSIGNED)
		number += UINT32_C(1) << (f->bits - 1);
	number = htole32(number);
	if (f->kind == FLOATING)
		memcpy(at, f->bytes == 8 ? (void *)&exact : (void *)&single, f->bytes);
	else
		memcpy(at, &number, f->bytes);
}

static bool is_silent(const struct format *f, const unsigned char *at)
{
	unsigned char quiet[8] = {0};

	if (f->kind == CODED)
		return (*at | 0x80) == (f->bits | 0x80);
	if (f->kind == UNSIGNED)
		quiet[(f->bits - 1) / 8] = 0x80;
	return !memcmp(at, quiet, f->bytes);
}

/* --- a guest that records all the time, and plays --- */

struct recorder {
	const struct format *format;
	struct message messages[IN_FLIGHT];
	unsigned char sound[2 * FRAMES * MOST_BYTES]; /* without silence */
	uint32_t len, quiet;			      /* quiet: frames of silence at the end */
};

static void record_start(struct rig *rig, struct recorder *r, const struct format *f)
{
	const struct params params = params_of(f);

	r->format = f;
	r->len = r->quiet = 0;
	snd_prepare(rig, CAPTURE, &params);
	for (int i = 0; i < IN_FLIGHT; i++)
		snd_offer(rig, &r->messages[i], CAPTURE, NULL, params.period);
	snd_do(rig, START, CAPTURE);
}

static void record_end(struct rig *rig)
{
	snd_do(rig, STOP, CAPTURE);
	snd_do(rig, RELEASE, CAPTURE);
	for (int i = 0; i < IN_FLIGHT; i++)
		snd_wait(rig, SND_RX);
}

static void keep(struct recorder *r, const unsigned char *frame)
{
	const struct format *f = r->format;

	if (is_silent(f, frame) && is_silent(f, frame + f->bytes)) {
		r->quiet++;
		return;
	}
	r->quiet = 0;
	assert_true(r->len + frame_of(f) <= sizeof(r->sound));
	memcpy(r->sound + r->len, frame, frame_of(f));
	r->len += frame_of(f);
}

/* The next message. */
static void record_some(struct rig *rig, struct recorder *r)
{
	struct message *m = snd_wait(rig, SND_RX);
	struct driver_seg segs[3] = {rig_read_seg(&m->head, m->head.len),
				     rig_write_seg(&m->sound, m->sound.len),
				     rig_write_seg(&m->status, m->status.len)};

	for (uint32_t i = 0; i < PERIOD_FRAMES; i++)
		keep(r, m->sound.data + i * frame_of(r->format));
	rig_offer(rig, SND_RX, segs, 3, m);
}

static void play(struct rig *rig, struct recorder *r, const unsigned char *bytes)
{
	const struct params params = params_of(r->format);
	static struct message m[PERIODS];
	uint32_t offered;

	snd_prepare(rig, PLAYBACK, &params);
	for (offered = 0; offered < IN_FLIGHT; offered++)
		snd_offer(rig, &m[offered], PLAYBACK, bytes + offered * params.period,
			  params.period);
	snd_do(rig, START, PLAYBACK);
	for (uint32_t done = 0; done < PERIODS; done++) {
		assert_ptr_equal(snd_wait(rig, SND_TX), &m[done]);
		if (offered < PERIODS) {
			snd_offer(rig, &m[offered], PLAYBACK, bytes + offered * params.period,
				  params.period);
			offered++;
		}
		record_some(rig, r); /* both go at the same pace */
	}
	snd_do(rig, STOP, PLAYBACK);
	snd_do(rig, RELEASE, PLAYBACK);
}

static bool comes_back(struct rig *rig, struct recorder *r, uint32_t seed)
{
	static unsigned char bytes[FRAMES * MOST_BYTES];
	const struct format *f = r->format;
	uint32_t len = FRAMES * frame_of(f), first = 0;

	for (uint32_t i = 0; i < FRAMES * CHANNELS; i++)
		(f->kind == CODED ? put_coded : put_sample)(f, bytes + i * f->bytes, &seed);
	r->len = r->quiet = 0;
	play(rig, r, bytes);
	while (r->quiet < (r->len ? QUIET_FRAMES : 5 * QUIET_FRAMES))
		record_some(rig, r);
	while (first < len && first < r->len && r->sound[first] == bytes[first])
		first++;
	if (first == len && r->len == len)
		return true;
	print_message("%s: %u of %u bytes came back, the first %u right\n", f->name, r->len, len,
		      first);
	return false;
}

static uint64_t offered(struct rig *rig, uint32_t stream)
{
	struct virtio_snd_pcm_info info;

	assert_int_equal(
		snd_query(rig, VIRTIO_SND_R_PCM_INFO, stream, 1, sizeof(info), &info, sizeof(info)),
		OK);
	return le64toh(info.formats);
}

static void every_format_comes_back_as_it_was(void **state)
{
	static struct recorder recorder;
	struct snd_option option;
	char path[RIG_PATH + 16];
	struct server server = {.dir = ""};
	struct rig *rig = *state;
	uint64_t mask = 0;
	FILE *file;

	if (server_is_missing(rig))
		return;
	server_start(&server);
	snprintf(path, sizeof(path), "%s/card.txt", rig->dir);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("playback pipewire=vu-sink formats=all\ncapture pipewire=vu-source formats=all\n",
	      file);
	assert_int_equal(fclose(file), 0);
	snd_start(rig, (const char *[]){snd_option(&option, "--describe=", path), NULL});
	unlink(path);
	for (int i = 0; i < FORMATS; i++)
		mask |= UINT64_C(1) << formats[i].number;
	assert_true(offered(rig, PLAYBACK) == mask);
	assert_true(offered(rig, CAPTURE) == mask);
	for (int i = 0; i < FORMATS; i++) {
		bool same = false;

		record_start(rig, &recorder, &formats[i]);
		for (uint32_t attempt = 0; attempt < ATTEMPTS && !same; attempt++)
			same = comes_back(rig, &recorder, attempt);
		if (!same)
			fail_msg("%s did not come back as it was", formats[i].name);
		record_end(rig);
	}
	rig_stop(rig);
	server_stop(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SND_TEST(every_format_comes_back_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
