/* SPDX-License-Identifier: MIT */
/*
 * See gpu_edid.h.  Offsets and bits are those of E-EDID 1.4 §3 and DisplayID 1.3 §4.4.  No state.
 */
#include "gpu_edid.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
	REFRESH = 60,
	DTD_MAX_SIZE = 4095,   /* 12 bits */
	DTD_MAX_CLOCK = 65535, /* in 10 kHz */
	DOTS_PER_INCH = 96,
};

/* Blanking as in CVT with reduced blanking: little, and the same for every size. */
enum { H_BLANK = 160, H_FRONT = 48, H_SYNC = 32, V_BLANK = 35, V_FRONT = 3, V_SYNC = 6 };

/* Beside the one that is wanted: those that programs ask for, at 60 Hz. */
static const struct standard {
	uint16_t width;
	uint8_t aspect; /* 0: 16:10, 1: 4:3, 2: 5:4, 3: 16:9 */
} standards[] = {{1920, 3}, {1600, 1}, {1680, 0}, {1400, 1},
		 {1280, 2}, {1440, 0}, {1280, 3}, {1280, 0}};

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)value;
	at[1] = (uint8_t)(value >> 8);
}

static uint32_t millimetres(uint32_t pixels)
{
	return (pixels * 254 + DOTS_PER_INCH * 5) / (DOTS_PER_INCH * 10);
}

static uint64_t clock_hz(uint32_t width, uint32_t height)
{
	return (uint64_t)(width + H_BLANK) * (height + V_BLANK) * REFRESH;
}

static void set_checksum(uint8_t *block, uint32_t len)
{
	uint8_t sum = 0;

	for (uint32_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + block[i]);
	block[len] = (uint8_t)-sum;
}

/* --- the first block --- */

static void add_standards(uint8_t *edid)
{
	edid[35] = 1 << 5 | 1; /* 640x480, 800x600 */
	edid[36] = 1 << 3;     /* 1024x768 */
	for (uint32_t i = 0; i < sizeof(standards) / sizeof(standards[0]); i++) {
		edid[38 + 2 * i] = (uint8_t)(standards[i].width / 8 - 31);
		edid[39 + 2 * i] = (uint8_t)(standards[i].aspect << 6 | (REFRESH - 60));
	}
}

/* §3.10.2 */
static void add_detailed(uint8_t *d, uint32_t width, uint32_t height)
{
	uint32_t mm_w = millimetres(width), mm_h = millimetres(height);

	put16(d, (uint32_t)(clock_hz(width, height) / 10000));
	d[2] = (uint8_t)width;
	d[3] = (uint8_t)H_BLANK;
	d[4] = (uint8_t)((width >> 8) << 4 | H_BLANK >> 8);
	d[5] = (uint8_t)height;
	d[6] = V_BLANK;
	d[7] = (uint8_t)((height >> 8) << 4);
	d[8] = H_FRONT;
	d[9] = H_SYNC;
	d[10] = V_FRONT << 4 | V_SYNC;
	d[12] = (uint8_t)mm_w;
	d[13] = (uint8_t)mm_h;
	d[14] = (uint8_t)((mm_w >> 8) << 4 | mm_h >> 8);
	d[17] = 0x1e; /* digital, separate, both positive */
}

/* §3.10.3: a text of up to 13 bytes, ended by a line feed. */
static void add_text(uint8_t *d, uint8_t tag, const char *text)
{
	size_t len = strlen(text);

	d[3] = tag;
	memset(d + 5, ' ', 13);
	memcpy(d + 5, text, len < 13 ? len : 13);
	if (len < 13)
		d[5 + len] = '\n';
}

static void add_range(uint8_t *d)
{
	d[3] = 0xfd;
	d[4] = 1 << 3; /* 255 kHz more */
	d[5] = 50;     /* Hz */
	d[6] = 125;
	d[7] = 30;  /* kHz */
	d[8] = 255; /* and 255: see above */
	d[9] = 255; /* 10 MHz */
	d[10] = 1;  /* no more about timings */
	d[11] = '\n';
	memset(d + 12, ' ', 6);
}

/* --- the second one: DisplayID, whose fields are wide enough --- */

/* §4.4.1: a timing of type I. */
static void add_display_id(uint8_t *block, uint32_t width, uint32_t height)
{
	uint64_t clock = clock_hz(width, height) / 10000 - 1;
	uint8_t *section = block + 1, *t = section + 7;

	block[0] = 0x70;
	section[0] = 0x13; /* version 1.3 */
	section[1] = 3 + 20;
	section[2] = 3; /* a monitor */
	section[4] = 3; /* timings of type I: one of 20 bytes */
	section[6] = 20;
	put16(t, (uint32_t)clock);
	t[2] = (uint8_t)(clock >> 16);
	t[3] = 0x80 | 4; /* preferred, 16:9 or so */
	put16(t + 4, width - 1);
	put16(t + 6, H_BLANK - 1);
	put16(t + 8, (H_FRONT - 1) | 0x8000);
	put16(t + 10, H_SYNC - 1);
	put16(t + 12, height - 1);
	put16(t + 14, V_BLANK - 1);
	put16(t + 16, (V_FRONT - 1) | 0x8000);
	put16(t + 18, V_SYNC - 1);
	set_checksum(section, 5 + 3 + 20 - 1);
	set_checksum(block, EDID_BLOCK - 1);
}

uint32_t edid_make(uint8_t edid[EDID_MAX], uint32_t output, uint32_t width, uint32_t height)
{
	static const uint8_t magic[8] = {0, 255, 255, 255, 255, 255, 255, 0};
	/* sRGB's, as most monitors' */
	static const uint8_t colours[10] = {0xee, 0x91, 0xa3, 0x54, 0x4c,
					    0x99, 0x26, 0x0f, 0x50, 0x54};
	bool fits = width <= DTD_MAX_SIZE && height <= DTD_MAX_SIZE &&
		    clock_hz(width, height) / 10000 <= DTD_MAX_CLOCK;
	uint32_t cm_w = millimetres(width) / 10, cm_h = millimetres(height) / 10;
	char serial[14];

	memset(edid, 0, EDID_MAX);
	memcpy(edid, magic, sizeof(magic));
	edid[8] = 0x32; /* "LVU", five bits each */
	edid[9] = 0xd5;
	put16(edid + 10, 1);
	put16(edid + 12, output + 1);
	edid[17] = 2026 - 1990;
	edid[18] = 1; /* 1.4 */
	edid[19] = 4;
	edid[20] = 0xa0; /* digital, 8 bits a colour */
	edid[21] = (uint8_t)(cm_w < 255 ? cm_w : 255);
	edid[22] = (uint8_t)(cm_h < 255 ? cm_h : 255);
	edid[23] = 220 - 100; /* gamma */
	edid[24] = 0x06;      /* sRGB, the first timing is the native one */
	memcpy(edid + 25, colours, sizeof(colours));
	add_standards(edid);
	/* A first timing there must be; the one of the second block is preferred, too. */
	add_detailed(edid + 54, fits ? width : 1920, fits ? height : 1080);
	add_range(edid + 72);
	add_text(edid + 90, 0xfc, "libvu");
	snprintf(serial, sizeof(serial), "%u", output);
	add_text(edid + 108, 0xff, serial);
	edid[126] = !fits;
	set_checksum(edid, EDID_BLOCK - 1);
	if (!fits)
		add_display_id(edid + EDID_BLOCK, width, height);
	return fits ? EDID_BLOCK : EDID_MAX;
}
