/* SPDX-License-Identifier: MIT */
/* Log lines of a program on standard error, as --log-format says. */
#ifndef RUN_LOG_FORMAT_H
#define RUN_LOG_FORMAT_H

#include <libvu/log.h>

/*
 * LOG_TEXT: "warning: rng0: what happened", as vu_log_stderr().
 * LOG_JSON: one object a line: {"time":SECONDS,"level":"warning","object":"rng0","message":"..."}.
 * LOG_JOURNAL: the text with the level as sd-daemon(3) wants it in front: "<4>rng0: ...".
 */
enum log_format { LOG_TEXT, LOG_JSON, LOG_JOURNAL };

/* For the option; in the order of the enum. */
extern const char *const log_format_names[];

/* One write(2) for each line, which is as vu_log_fn says.  opaque is not used.  Any thread. */
vu_log_fn log_format_fn(enum log_format format);

/* The same for text of any kind: what is not printable is escaped. */
void log_format_any(enum log_format format, enum vu_log_level level, const char *text);

#endif
