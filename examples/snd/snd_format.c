/* SPDX-License-Identifier: MIT */
/* See snd_format.h.  No state.  Any thread. */
#include "snd_format.h"

#include <string.h>

#include <linux/virtio_snd.h>

#define NUMBERS(symbol, called, memory, valid, what)                                               \
	[VIRTIO_SND_PCM_FMT_##symbol] = {called, memory, valid, what, 0}
#define CODED(symbol, called, memory, quiet)                                                       \
	[VIRTIO_SND_PCM_FMT_##symbol] = {called, memory, memory, SND_CODED, quiet}

const struct card_format card_formats[SND_FORMATS] = {
	CODED(IMA_ADPCM, "IMA_ADPCM", 4, 0),
	CODED(MU_LAW, "MU_LAW", 8, 0x7f),
	CODED(A_LAW, "A_LAW", 8, 0x55),
	NUMBERS(S8, "S8", 8, 8, SND_SIGNED),
	NUMBERS(U8, "U8", 8, 8, SND_UNSIGNED),
	NUMBERS(S16, "S16", 16, 16, SND_SIGNED),
	NUMBERS(U16, "U16", 16, 16, SND_UNSIGNED),
	NUMBERS(S18_3, "S18_3", 24, 18, SND_SIGNED),
	NUMBERS(U18_3, "U18_3", 24, 18, SND_UNSIGNED),
	NUMBERS(S20_3, "S20_3", 24, 20, SND_SIGNED),
	NUMBERS(U20_3, "U20_3", 24, 20, SND_UNSIGNED),
	NUMBERS(S24_3, "S24_3", 24, 24, SND_SIGNED),
	NUMBERS(U24_3, "U24_3", 24, 24, SND_UNSIGNED),
	NUMBERS(S20, "S20", 32, 20, SND_SIGNED),
	NUMBERS(U20, "U20", 32, 20, SND_UNSIGNED),
	NUMBERS(S24, "S24", 32, 24, SND_SIGNED),
	NUMBERS(U24, "U24", 32, 24, SND_UNSIGNED),
	NUMBERS(S32, "S32", 32, 32, SND_SIGNED),
	NUMBERS(U32, "U32", 32, 32, SND_UNSIGNED),
	NUMBERS(FLOAT, "FLOAT", 32, 32, SND_FLOAT),
	NUMBERS(FLOAT64, "FLOAT64", 64, 64, SND_FLOAT),
	CODED(DSD_U8, "DSD_U8", 8, 0x69),
	CODED(DSD_U16, "DSD_U16", 16, 0x69),
	CODED(DSD_U32, "DSD_U32", 32, 0x69),
	CODED(IEC958_SUBFRAME, "IEC958_SUBFRAME", 32, 0),
};

const uint32_t card_rates[SND_RATES] = {
	[VIRTIO_SND_PCM_RATE_5512] = 5512,     [VIRTIO_SND_PCM_RATE_8000] = 8000,
	[VIRTIO_SND_PCM_RATE_11025] = 11025,   [VIRTIO_SND_PCM_RATE_16000] = 16000,
	[VIRTIO_SND_PCM_RATE_22050] = 22050,   [VIRTIO_SND_PCM_RATE_32000] = 32000,
	[VIRTIO_SND_PCM_RATE_44100] = 44100,   [VIRTIO_SND_PCM_RATE_48000] = 48000,
	[VIRTIO_SND_PCM_RATE_64000] = 64000,   [VIRTIO_SND_PCM_RATE_88200] = 88200,
	[VIRTIO_SND_PCM_RATE_96000] = 96000,   [VIRTIO_SND_PCM_RATE_176400] = 176400,
	[VIRTIO_SND_PCM_RATE_192000] = 192000, [VIRTIO_SND_PCM_RATE_384000] = 384000,
};

int card_format_find(const char *name)
{
	for (int i = 0; i < SND_FORMATS; i++)
		if (!strcmp(card_formats[i].name, name))
			return i;
	return -1;
}

int card_rate_find(uint64_t hz)
{
	for (int i = 0; i < SND_RATES; i++)
		if (card_rates[i] == hz)
			return i;
	return -1;
}

uint64_t card_format_linear(void)
{
	uint64_t mask = 0;

	for (int i = 0; i < SND_FORMATS; i++)
		if (card_formats[i].kind != SND_CODED)
			mask |= UINT64_C(1) << i;
	return mask;
}

uint32_t card_frame_bytes(uint8_t format, uint8_t channels)
{
	uint32_t bits = (uint32_t)card_formats[format].bits * channels;

	return bits % 8 ? 0 : bits / 8;
}

/* Little-endian, as all samples are. */
static void put_number(const struct card_format *format, unsigned char *at, uint64_t value)
{
	for (uint32_t i = 0; i < format->bits; i += 8)
		at[i / 8] = (unsigned char)(value >> i);
}

static uint64_t get_number(const struct card_format *format, const unsigned char *at)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < format->bits; i += 8)
		value |= (uint64_t)at[i / 8] << i;
	return value;
}

void card_silence(uint8_t number, void *bytes, size_t len)
{
	const struct card_format *format = &card_formats[number];
	unsigned char *at = bytes;

	memset(at, format->silence, len);
	if (format->kind != SND_UNSIGNED)
		return;
	for (size_t i = 0; i + format->bits / 8 <= len; i += format->bits / 8)
		put_number(format, at + i, UINT64_C(1) << (format->width - 1));
}

double card_sample_get(const struct card_format *format, const unsigned char *at)
{
	uint64_t number = get_number(format, at), top = UINT64_C(1) << (format->width - 1);
	double value;
	float single;

	if (format->kind != SND_FLOAT) {
		number &= (top << 1) - 1;
		if (format->kind == SND_SIGNED)
			number ^= top; /* both are counted from the lowest one now */
		return ((double)number - (double)top) / (double)top;
	}
	if (format->bits == 32) {
		uint32_t half = (uint32_t)number;

		memcpy(&single, &half, sizeof(single));
		return single;
	}
	memcpy(&value, &number, sizeof(value));
	return value;
}

static uint64_t float_number(const struct card_format *format, double value)
{
	float single = (float)value;
	uint64_t number;
	uint32_t half;

	memcpy(&number, &value, sizeof(number));
	memcpy(&half, &single, sizeof(half));
	return format->bits == 32 ? half : number;
}

void card_sample_put(const struct card_format *format, unsigned char *at, double value)
{
	int64_t top, number;

	if (format->kind == SND_FLOAT) {
		put_number(format, at, float_number(format, value));
		return;
	}
	top = INT64_C(1) << (format->width - 1);
	if (!(value > -1)) /* nor a number at all */
		value = -1;
	number = value < 1 ? (int64_t)(value * (double)top) : top - 1;
	if (number >= top)
		number = top - 1;
	/* Signed numbers fill their memory, unsigned ones leave the rest of it 0. */
	put_number(format, at, (uint64_t)(format->kind == SND_SIGNED ? number : number + top));
}
