/* SPDX-License-Identifier: MIT */
/* Log lines of one object.  Owns nothing; any thread. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/printable.h"

enum { LINE_MAX_BYTES = 512, LEFT_OUT_BYTES = 40 };

void log_init(struct log *log, const char *name, uint32_t level, vu_log_fn fn, void *opaque)
{
	memset(log, 0, sizeof(*log));
	log->fn = fn ? fn : vu_log_stderr;
	log->opaque = opaque;
	log->level = level;
	snprintf(log->name, sizeof(log->name), "%s", name);
}

__attribute__((format(printf, 3, 0))) static void
log_write(struct log *log, enum vu_log_level level, const char *fmt, va_list ap)
{
	uint32_t left_out = atomic_exchange_explicit(&log->left_out, 0, memory_order_relaxed);
	char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES + LEFT_OUT_BYTES];
	size_t n;

	snprintf(text, sizeof(text), "%s: ", log->name);
	n = strlen(text);
	vsnprintf(text + n, sizeof(text) - n, fmt, ap);
	n = printable(line, LINE_MAX_BYTES, text);
	if (left_out)
		snprintf(line + n, LEFT_OUT_BYTES, " (%u lines left out)", left_out);
	log->fn(log->opaque, level, line);
}

void log_at(struct log *log, enum vu_log_level level, const char *fmt, ...)
{
	va_list ap;

	if (level > log->level)
		return;
	va_start(ap, fmt);
	log_write(log, level, fmt, ap);
	va_end(ap);
}

static uint64_t log_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void log_peer(struct log *log, enum vu_log_level level, const char *fmt, ...)
{
	va_list ap;

	if (level > log->level)
		return;
	if (level < VU_LOG_DEBUG && !limit_allows(&log->limits[level], log_now())) {
		atomic_fetch_add_explicit(&log->left_out, 1, memory_order_relaxed);
		return;
	}
	va_start(ap, fmt);
	log_write(log, level, fmt, ap);
	va_end(ap);
}

void log_tell_left_out(struct log *log)
{
	/* Seen by whoever would have seen a line that was left out. */
	enum vu_log_level level = log->level < VU_LOG_WARNING ? VU_LOG_ERROR : VU_LOG_WARNING;

	/* A peer can cause this, too: by coming and going. */
	if (atomic_load_explicit(&log->left_out, memory_order_relaxed) &&
	    limit_allows(&log->telling, log_now()))
		log_at(log, level, "there was more to say than is logged");
}

void vu_log_stderr(void *opaque, enum vu_log_level level, const char *line)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	char out[LINE_MAX_BYTES + LEFT_OUT_BYTES + 16];
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
