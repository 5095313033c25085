/* SPDX-License-Identifier: MIT */
/* What the files that read a platform's description share: keywords, numbers and lists. */
#ifndef SCMI_DESCRIBE_H
#define SCMI_DESCRIBE_H

#include <libvu/unstable.h>

#include "scmi.h"

/* A word of a line, and how many belong to it; a table ends with one without a name. */
struct scmi_keyword {
	const char *name;
	uint32_t n;
	int (*set)(void *item, const char *const *args);
	const char *wants; /* what may follow, for who got it wrong */
};

/*
 * The words ID NAME [KEYWORD [ARGUMENT]...]... of a new item: the one after count others of its
 * kind.  Returns 0, or what vu_script_fail() does.
 */
int scmi_run_keywords(struct vu_script *script, const struct scmi_keyword *keywords, uint32_t count,
		      char *name, void *item, uint32_t n, const char *const *words);
int scmi_parse_u32(const char *text, uint64_t max, uint32_t *value);
/*
 * Copy the first of a list with commas into text.  Returns the rest, which begins with a comma if
 * nothing is behind that; NULL if the first is empty or too long.
 */
const char *scmi_list_next(const char *at, char *text, size_t max);
int scmi_set_async(bool *async, uint32_t *delay_ms, const char *text);

/* scmi_describe_sensor.c: run of struct vu_command */
int scmi_describe_sensor(struct vu_script *script, uint32_t n, const char *const *words,
			 void *platform);

#endif
