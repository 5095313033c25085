/* SPDX-License-Identifier: MIT */
/* Sample formats and frame rates (virtio 1.3 §5.14.6.6.2), by the specification's numbers. */
#ifndef SND_FORMAT_H
#define SND_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SND_FORMATS = 25, SND_RATES = 14 };

enum card_kind {
	SND_SIGNED,
	SND_UNSIGNED,
	SND_FLOAT,
	SND_CODED, /* the bytes are no numbers that can be scaled */
};

struct card_format {
	const char *name;
	uint8_t bits;  /* of memory for a sample */
	uint8_t width; /* of them that mean something, the lowest ones */
	uint8_t kind;
	uint8_t silence; /* of SND_CODED: each byte */
};

extern const struct card_format card_formats[SND_FORMATS];
extern const uint32_t card_rates[SND_RATES];

/* The number of a name or of a rate in Hz; -1: there is none. */
int card_format_find(const char *name);
int card_rate_find(uint64_t hz);

/* All formats whose samples are numbers, as a mask. */
uint64_t card_format_linear(void);
/* Bytes of a frame; 0: it would end within a byte. */
uint32_t card_frame_bytes(uint8_t format, uint8_t channels);
/* Whole samples of silence. */
void card_silence(uint8_t format, void *bytes, size_t len);
/* A sample of a format that is linear, from -1 to 1; what lies beyond is cut. */
double card_sample_get(const struct card_format *format, const unsigned char *at);
void card_sample_put(const struct card_format *format, unsigned char *at, double value);

#endif
