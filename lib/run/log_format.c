/* SPDX-License-Identifier: MIT */
/* See log_format.h.  Keeps nothing; any thread. */
#include "run/log_format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/printable.h"

enum { LINE_BYTES = 640, OUT_BYTES = 2 * LINE_BYTES + 128 };

const char *const log_format_names[] = {"text", "json", "journal", NULL};

/* What a line becomes; the last byte is kept for the newline. */
struct out {
	char bytes[OUT_BYTES];
	size_t len;
};

static void out_text(struct out *out, const char *text, size_t len)
{
	size_t room = sizeof(out->bytes) - 1 - out->len;

	if (len > room)
		len = room;
	memcpy(out->bytes + out->len, text, len);
	out->len += len;
}

static void out_write(struct out *out)
{
	out->bytes[out->len++] = '\n';
	/* Nobody to tell if even this fails. */
	if (write(STDERR_FILENO, out->bytes, out->len) < 0)
		return;
}

/* Longer than any line of ours is none of ours; cut between two characters of UTF-8. */
static size_t line_len(const char *line)
{
	size_t len = strnlen(line, LINE_BYTES);

	while (len == LINE_BYTES && len && ((unsigned char)line[len] & 0xc0) == 0x80)
		len--;
	return len;
}

/* RFC 8259 §7.  A line is UTF-8 without control characters already; so two are left. */
static void out_json_string(struct out *out, const char *text, size_t len)
{
	out_text(out, "\"", 1);
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"' || text[i] == '\\')
			out_text(out, "\\", 1);
		out_text(out, text + i, 1);
	}
	out_text(out, "\"", 1);
}

static const char *level_name(enum vu_log_level level)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};

	return names[(unsigned int)level > VU_LOG_DEBUG ? VU_LOG_DEBUG : level];
}

static void log_json(void *opaque, enum vu_log_level level, const char *line)
{
	struct out out = {.len = 0};
	size_t len = line_len(line);
	/* "rng0: what happened", as vu_log_fn says. */
	const char *colon = strstr(line, ": ");
	size_t name = colon && (size_t)(colon - line) < len ? (size_t)(colon - line) : 0;
	size_t skip = name ? name + 2 : 0;
	struct timespec now;
	char head[80];

	(void)opaque;
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(head, sizeof(head),
		 "{\"time\":%lld.%06ld,\"level\":\"%s\",\"object\":", (long long)now.tv_sec,
		 now.tv_nsec / 1000, level_name(level));
	out_text(&out, head, strlen(head));
	out_json_string(&out, line, name);
	out_text(&out, ",\"message\":", 11);
	out_json_string(&out, line + skip, len > skip ? len - skip : 0);
	out_text(&out, "}", 1);
	out_write(&out);
}

static void log_journal(void *opaque, enum vu_log_level level, const char *line)
{
	/* syslog(3): err, warning, info, debug. */
	static const char *const prefixes[] = {"<3>", "<4>", "<6>", "<7>"};
	struct out out = {.len = 0};

	(void)opaque;
	out_text(&out, prefixes[(unsigned int)level > VU_LOG_DEBUG ? VU_LOG_DEBUG : level], 3);
	out_text(&out, line, line_len(line));
	out_write(&out);
}

vu_log_fn log_format_fn(enum log_format format)
{
	static const vu_log_fn fns[] = {vu_log_stderr, log_json, log_journal};

	return fns[format];
}

void log_format_any(enum log_format format, enum vu_log_level level, const char *text)
{
	char line[LINE_BYTES];

	printable(line, sizeof(line), text);
	log_format_fn(format)(NULL, level, line);
}
