/* SPDX-License-Identifier: MIT */
/*
 * What the library logged, for tests to look at: every recorder of log lines is one of these.
 *
 * LIBVU_TEST_VERBOSE in the environment shows the lines as they come.
 */
#ifndef KIT_LOG_BOOK_H
#define KIT_LOG_BOOK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libvu/log.h>

enum { LOG_BOOK_LINE = 600, LOG_BOOK_TEXT = 1 << 17 };

struct log_book {
	pthread_mutex_t lock;
	uint32_t lines[VU_LOG_DEBUG + 1]; /* how many of each level */
	char last[LOG_BOOK_LINE];
	char last_error[LOG_BOOK_LINE];
	size_t used;
	char text[LOG_BOOK_TEXT]; /* all lines, each with a newline, as long as there is room */
};

#define LOG_BOOK_EMPTY                                                                             \
	{                                                                                          \
		.lock = PTHREAD_MUTEX_INITIALIZER                                                  \
	}

/* As new; nobody may write meanwhile.  There is nothing to be freed. */
void log_book_open(struct log_book *book);
/* A vu_log_fn, whose opaque is the book; any thread. */
void log_book_write(void *book, enum vu_log_level level, const char *line);

/* How many lines have this text; of those that there was room for. */
uint32_t log_book_count(struct log_book *book, const char *text);
/* Warnings and errors. */
uint32_t log_book_complaints(const struct log_book *book);

#endif
