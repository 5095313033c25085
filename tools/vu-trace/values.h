/* SPDX-License-Identifier: MIT */
/* The values of payloads, in words and as JSON; names of feature bits.  No state. */
#ifndef TRACE_VALUES_H
#define TRACE_VALUES_H

#include <stddef.h>
#include <stdio.h>

#include "report.h"

enum { VALUES_TEXT = 16384 };

/* The names of what a message's u64 has set, "VERSION_1 EVENT_IDX 41"; empty where it has none. */
void values_bits(const struct message_line *line, char *out, size_t size);
/* "index 0 num 256", and the bytes of a configuration space; out has VALUES_TEXT. */
void values_text(const struct message_line *line, char *out, size_t size);
/* {"index":0,"num":256} of such a text: hexadecimal numbers are strings, as they may be too large.
 */
void values_json(FILE *out, const char *text);
/* A string with what JSON and terminals do not like escaped, and its quotes. */
void values_json_string(FILE *out, const char *text);

#endif
