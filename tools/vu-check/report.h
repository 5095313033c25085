/* SPDX-License-Identifier: MIT */
/* What came of the checks, as text, TAP or JSON, on standard output as they end. */
#ifndef VU_CHECK_REPORT_H
#define VU_CHECK_REPORT_H

#include "check.h"

enum report_format { REPORT_TEXT, REPORT_TAP, REPORT_JSON };

struct report {
	enum report_format format;
	const char *path, *type;
	bool verbose; /* text: also what passed is explained */
	uint32_t n, done, counts[CHECK_VERDICTS];
};

/* n checks are to come. */
void report_begin(struct report *report, uint32_t n);
void report_add(struct report *report, const struct check *check, enum verdict verdict,
		const char *saw);
void report_end(struct report *report);
/* Name, section, and what has to be, a line each. */
void report_list(const struct check *const *list, uint32_t n, enum report_format format);

#endif
