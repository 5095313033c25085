/* SPDX-License-Identifier: MIT */
/* Log lines of one object.  Owns nothing; any thread. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 512 };

void log_init(struct log *log, const char *name, uint32_t level, vu_log_fn fn, void *opaque)
{
	log->fn = fn ? fn : vu_log_stderr;
	log->opaque = opaque;
	log->level = level;
	snprintf(log->name, sizeof(log->name), "%s", name);
}

void log_at(const struct log *log, enum vu_log_level level, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	va_list ap;
	int n;

	if (level > log->level)
		return;
	n = snprintf(line, sizeof(line), "%s: ", log->name);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	va_end(ap);
	log->fn(log->opaque, level, line);
}

void vu_log_stderr(void *opaque, enum vu_log_level level, const char *line)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	char out[LINE_MAX_BYTES + 16];
	int n;

	(void)opaque;
	if ((unsigned int)level >= sizeof(names) / sizeof(names[0]))
		level = VU_LOG_DEBUG;
	n = snprintf(out, sizeof(out), "%s: %s\n", names[level], line);
	if (n >= (int)sizeof(out)) {
		n = (int)sizeof(out) - 1;
		out[n - 1] = '\n';
	}
	/* Nobody to tell if even this fails. */
	if (write(STDERR_FILENO, out, (size_t)n) < 0)
		return;
}
