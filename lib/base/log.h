/* SPDX-License-Identifier: MIT */
/*
 * Log lines of one object: formatted here, handed out finished.  Any thread.
 *
 * What a guest or a front-end can cause as often as it likes goes through log_peer(), which has a
 * limit for each level: errors are not lost in a flood of warnings.  How many lines were left out
 * is told with the next one of any kind, or by log_tell_left_out().
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <libvu/log.h>

#include "base/limit.h"

struct log {
	vu_log_fn fn;
	void *opaque;
	uint32_t level;
	char name[48];			   /* "rng0" */
	struct limit limits[VU_LOG_DEBUG]; /* of log_peer(), for each level but debug */
	struct limit telling;		   /* of log_tell_left_out() */
	_Atomic uint32_t left_out;	   /* lines, since the last that told of them */
};

void log_init(struct log *log, const char *name, uint32_t level, vu_log_fn fn, void *opaque);

/* "name: " and the formatted text. */
__attribute__((format(printf, 3, 4))) void log_at(struct log *log, enum vu_log_level level,
						  const char *fmt, ...);
/* The same for lines that a peer can cause: a burst, then one a second. */
__attribute__((format(printf, 3, 4))) void log_peer(struct log *log, enum vu_log_level level,
						    const char *fmt, ...);
/* Where a flood ends: a line about what was left out, if anything was. */
void log_tell_left_out(struct log *log);

#define log_error(log, ...)	 log_at(log, VU_LOG_ERROR, __VA_ARGS__)
#define log_warn(log, ...)	 log_at(log, VU_LOG_WARNING, __VA_ARGS__)
#define log_info(log, ...)	 log_at(log, VU_LOG_INFO, __VA_ARGS__)
#define log_peer_error(log, ...) log_peer(log, VU_LOG_ERROR, __VA_ARGS__)
#define log_peer_warn(log, ...)	 log_peer(log, VU_LOG_WARNING, __VA_ARGS__)
#define log_peer_info(log, ...)	 log_peer(log, VU_LOG_INFO, __VA_ARGS__)
/* Debug lines are on busy paths: the arguments are not even evaluated when they are off. */
#define log_debug(log, ...)                                                                        \
	do {                                                                                       \
		if ((log)->level >= VU_LOG_DEBUG)                                                  \
			log_at(log, VU_LOG_DEBUG, __VA_ARGS__);                                    \
	} while (0)

#endif
