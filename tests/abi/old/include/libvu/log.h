/* SPDX-License-Identifier: MIT */
/* Where the library's log lines go. */
#ifndef LIBVU_LOG_H
#define LIBVU_LOG_H

#include <libvu/types.h>

VU_BEGIN_DECLS

/**
 * enum vu_log_level - how much a log line matters.
 *
 * @VU_LOG_ERROR: a session or queue ended, or a call failed, because of what the line says.
 * @VU_LOG_WARNING: the front-end or driver did something odd; service goes on.
 * @VU_LOG_INFO: connections come and go, queues start and stop.
 * @VU_LOG_DEBUG: every message with its values.
 *
 * Since: 0.1
 */
enum vu_log_level { VU_LOG_ERROR, VU_LOG_WARNING, VU_LOG_INFO, VU_LOG_DEBUG };

/**
 * typedef vu_log_fn - receives one finished line, without a newline.
 *
 * @opaque: log_opaque of the object the line is about.
 * @level: its level; lines above the configured level are not formatted at all.
 * @line: valid during the call; names the object first ("rng0: queue 0: ...").  It is UTF-8
 *	without control characters: those of files and peers are written as \x1b.
 *
 * Thread: any that uses the object, several at once.  Must not call back into the library.
 * Since: 0.1
 */
typedef void (*vu_log_fn)(void *opaque, enum vu_log_level level, const char *line);

/**
 * vu_log_stderr() - a vu_log_fn that writes "level: line" to standard error in one write.
 *
 * The default where a log_fn is NULL.  @opaque is ignored.
 * Thread: any.
 * Since: 0.1
 */
VU_API void vu_log_stderr(void *opaque, enum vu_log_level level, const char *line);

VU_END_DECLS

#endif
