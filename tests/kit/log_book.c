/* SPDX-License-Identifier: MIT */
/* See log_book.h. */
#include "kit/log_book.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void log_book_open(struct log_book *book)
{
	memset(book, 0, sizeof(*book));
	pthread_mutex_init(&book->lock, NULL);
}

void log_book_write(void *opaque, enum vu_log_level level, const char *line)
{
	struct log_book *book = opaque;
	size_t room;

	if (getenv("LIBVU_TEST_VERBOSE"))
		fprintf(stderr, "%u: %s\n", level, line);
	pthread_mutex_lock(&book->lock);
	book->lines[level]++;
	snprintf(book->last, sizeof(book->last), "%s", line);
	if (level == VU_LOG_ERROR)
		snprintf(book->last_error, sizeof(book->last_error), "%s", line);
	room = sizeof(book->text) - book->used;
	if (room > strlen(line) + 1)
		book->used += (size_t)snprintf(book->text + book->used, room, "%s\n", line);
	pthread_mutex_unlock(&book->lock);
}

uint32_t log_book_count(struct log_book *book, const char *text)
{
	const char *at = book->text;
	uint32_t n = 0;

	pthread_mutex_lock(&book->lock);
	while ((at = strstr(at, text))) {
		n++;
		at = strchr(at, '\n');
	}
	pthread_mutex_unlock(&book->lock);
	return n;
}

uint32_t log_book_complaints(const struct log_book *book)
{
	return book->lines[VU_LOG_ERROR] + book->lines[VU_LOG_WARNING];
}
