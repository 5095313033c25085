/* SPDX-License-Identifier: MIT */
/* Lines, from whoever has something to say to whoever prints and counts.  Owns nothing. */
#include "report.h"

#include <stdarg.h>
#include <time.h>

#include "stats.h"

enum { EVENT_TEXT = 512 };

uint64_t trace_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void report_message(struct report *r, const struct message_line *line)
{
	stats_message(r->stats, line);
	if (!r->quiet)
		r->printer->message(r, line);
}

void report_request(struct report *r, const struct request_line *line)
{
	stats_request(r->stats, line);
	if (!r->quiet)
		r->printer->request(r, line);
}

__attribute__((format(printf, 5, 0))) static void report_event(struct report *r, const char *kind,
							       uint32_t session, const char *by,
							       const char *fmt, va_list ap)
{
	char text[EVENT_TEXT];

	vsnprintf(text, sizeof(text), fmt, ap);
	r->printer->event(r, kind, session, by, text);
}

void report_violation(struct report *r, uint32_t session, enum side by, const char *fmt, ...)
{
	va_list ap;

	r->violations++;
	va_start(ap, fmt);
	report_event(r, "violation", session, side_name(by), fmt, ap);
	va_end(ap);
}

void report_note(struct report *r, uint32_t session, const char *by, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report_event(r, "note", session, by, fmt, ap);
	va_end(ap);
}

void report_session(struct report *r, uint32_t session, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report_event(r, "session", session, NULL, fmt, ap);
	va_end(ap);
}

void report_summary(struct report *r)
{
	r->printer->summary(r);
}

void report_flush(struct report *r)
{
	if (fflush(r->out))
		clearerr(r->out);
}
