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
 * Call each for what is between the commas of a list: 1 to max items of less than SCMI_NAME
 * characters.  Returns how many, or -EINVAL, also if each does not return 0.
 */
int scmi_parse_list(const char *text, uint32_t max, int (*each)(void *to, uint32_t i, char *item),
		    void *to);
/* A list of numbers from min to max, ascending: how many, or -EINVAL. */
int scmi_parse_ascending(const char *text, int64_t min, int64_t max, int64_t *values,
			 uint32_t n_max);
int scmi_set_async(bool *async, uint32_t *delay_ms, const char *text);

/* scmi_describe_sensor.c: run of struct vu_command */
int scmi_describe_sensor(struct vu_script *script, uint32_t n, const char *const *words,
			 void *platform);

#endif
