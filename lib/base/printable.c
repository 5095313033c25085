/* SPDX-License-Identifier: MIT */
/* Makes text harmless for terminals.  No state; any thread. */
#include "base/printable.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* How many bytes begin with this one (RFC 3629); 0: none may. */
static size_t utf8_len(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first >> 5 == 0x06)
		return 2;
	if (first >> 4 == 0x0e)
		return 3;
	return first >> 3 == 0x1e ? 4 : 0;
}

/* The length of the printable character at s; 0: there is none. */
static size_t printable_len(const unsigned char *s)
{
	/* From these on, so many bytes are needed; up to U+009F there are control characters. */
	static const uint32_t least[] = {0, 0x20, 0xa0, 0x800, 0x10000};
	size_t len = utf8_len(*s);
	uint32_t c = len > 1 ? *s & (0x7fU >> len) : *s;

	for (size_t i = 1; i < len; i++) {
		if (s[i] >> 6 != 0x02) /* the end, too */
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[len] || c == 0x7f || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	return len;
}

size_t printable(char *to, size_t size, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t done = 0;

	while (*s) {
		size_t len = printable_len(s), out = len ? len : PRINTABLE_LONGEST;
		char escaped[PRINTABLE_LONGEST + 1];

		if (out >= size - done)
			break;
		if (!len)
			snprintf(escaped, sizeof(escaped), "\\x%02x", *s);
		memcpy(to + done, len ? (const char *)s : escaped, out);
		done += out;
		s += len ? len : 1;
	}
	to[done] = '\0';
	return done;
}
