/* SPDX-License-Identifier: MIT */
/* Lines of words, as they come in pieces from files and sockets. */
#ifndef RUN_WORDS_H
#define RUN_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LINE_LONGEST = 4095, WORDS_MOST = 64 };

/* A line that is being put together. */
struct line {
	char text[LINE_LONGEST + 1];
	size_t len;	 /* beyond LINE_LONGEST: too long, and not all of it is in text */
	bool has_zero;	 /* there is a zero byte in it: it is no text */
	bool complete;	 /* the next byte begins another */
	uint64_t number; /* from 1 */
};

/*
 * Take bytes up to the line's end, at most *n, and move *data and *n behind them.  True: the line
 * is complete, and line_split() may be called.
 */
bool line_take(struct line *line, const char **data, size_t *n);
/* There are no more bytes: true if there is a last line without a newline. */
bool line_end(struct line *line);
/*
 * What is behind this name and one blank in a complete line, as it is; NULL if the line begins
 * otherwise or is malformed.
 */
const char *line_rest(struct line *line, const char *name);
/*
 * Cut a complete line into words, in place: how many.  -EINVAL if it is malformed, and then *why
 * says how.
 */
int line_split(struct line *line, const char **words, const char **why);

#endif
