/* SPDX-License-Identifier: MIT */
/* Log lines of one object: formatted here, handed out finished. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <libvu/log.h>

struct log {
	vu_log_fn fn;
	void *opaque;
	uint32_t level;
	char name[48]; /* "rng0" */
};

void log_init(struct log *log, const char *name, uint32_t level, vu_log_fn fn, void *opaque);

/* "name: " and the formatted text.  Any thread. */
__attribute__((format(printf, 3, 4))) void log_at(const struct log *log, enum vu_log_level level,
						  const char *fmt, ...);

#define log_error(log, ...) log_at(log, VU_LOG_ERROR, __VA_ARGS__)
#define log_warn(log, ...)  log_at(log, VU_LOG_WARNING, __VA_ARGS__)
#define log_info(log, ...)  log_at(log, VU_LOG_INFO, __VA_ARGS__)
/* Debug lines are on busy paths: the arguments are not even evaluated when they are off. */
#define log_debug(log, ...)                                                                        \
	do {                                                                                       \
		if ((log)->level >= VU_LOG_DEBUG)                                                  \
			log_at(log, VU_LOG_DEBUG, __VA_ARGS__);                                    \
	} while (0)

#endif
