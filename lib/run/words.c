/* SPDX-License-Identifier: MIT */
/* Bytes to lines to words.  The memory is the caller's.  Any thread. */
#include "run/words.h"

#include <errno.h>
#include <string.h>

bool line_take(struct line *line, const char **data, size_t *n)
{
	const char *newline = memchr(*data, '\n', *n);
	size_t len = newline ? (size_t)(newline - *data) : *n;

	if (line->complete) {
		line->complete = false;
		line->has_zero = false;
		line->len = 0;
	}
	/* Of a line that is too long only its end is of interest. */
	if (line->len <= LINE_LONGEST) {
		size_t room = LINE_LONGEST - line->len;

		memcpy(line->text + line->len, *data, len < room ? len : room);
		line->has_zero |= memchr(*data, '\0', len) != NULL;
		line->len += len <= room ? len : room + 1;
	}
	len += newline != NULL;
	*data += len;
	*n -= len;
	line->complete = newline != NULL;
	line->number += line->complete;
	return line->complete;
}

bool line_end(struct line *line)
{
	if (line->complete || !line->len)
		return false;
	line->complete = true;
	line->number++;
	return true;
}

static bool words_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/*
 * One word from *at on, which moves behind it; its bytes without quotes go to *to, which is never
 * ahead of *at.  0 or -EINVAL.
 */
static int words_cut(const char **at, char **to, const char **why)
{
	bool quoted = false;

	for (; **at && (quoted || !words_is_blank(**at)); (*at)++) {
		if (**at == '"') {
			quoted = !quoted;
			continue;
		}
		if (quoted && **at == '\\') {
			(*at)++;
			if (**at != '"' && **at != '\\') {
				*why = "within quotes only \" or \\ may follow a \\";
				return -EINVAL;
			}
		}
		*(*to)++ = **at;
	}
	if (quoted) {
		*why = "a quote is not closed";
		return -EINVAL;
	}
	return 0;
}

const char *line_rest(struct line *line, const char *name)
{
	size_t start = 0, len = strlen(name);

	if (line->len > LINE_LONGEST || line->has_zero)
		return NULL;
	while (start < line->len && words_is_blank(line->text[start]))
		start++;
	if (len > line->len - start || memcmp(line->text + start, name, len) != 0)
		return NULL;
	start += len;
	if (start < line->len && !words_is_blank(line->text[start]))
		return NULL;
	/* Lines of other systems end with a carriage return, too. */
	if (line->len > start && line->text[line->len - 1] == '\r')
		line->len--;
	line->text[line->len] = '\0';
	return line->text + (start < line->len ? start + 1 : start);
}

int line_split(struct line *line, const char **words, const char **why)
{
	const char *at = line->text;
	char *to = line->text;
	int n = 0;

	if (line->len > LINE_LONGEST) {
		*why = "the line is too long";
		return -EINVAL;
	}
	if (line->has_zero) {
		*why = "there is a zero byte in the line";
		return -EINVAL;
	}
	line->text[line->len] = '\0';
	for (;;) {
		char *word = to;
		bool more;

		while (words_is_blank(*at))
			at++;
		if (!*at || *at == '#')
			return n;
		if (n == WORDS_MOST) {
			*why = "there are too many words";
			return -EINVAL;
		}
		if (words_cut(&at, &to, why))
			return -EINVAL;
		/* The zero may go where the blank was. */
		more = *at;
		*to++ = '\0';
		words[n++] = word;
		if (!more)
			return n;
		at++;
	}
}
