/* SPDX-License-Identifier: MIT */
/* Shorthand for scripts in C: lines that are formatted as by printf(3).  See shorthand.h. */
#ifndef LIBVU_SHORTHAND_SCRIPT_H
#define LIBVU_SHORTHAND_SCRIPT_H

#ifndef VU_PLAIN

#include <libvu/script.h>
#include <libvu/shorthand.h>

/* vu_script_answer(), up to 1023 bytes. */
VU_PRINTF(2, 3)
static inline void vu_script_answerf(struct vu_script *script, const char *format, ...)
{
	char line[1024];

	VU_FORMAT(line, format);
	vu_script_answer(script, line);
}

/* vu_script_say(), up to 1023 bytes. */
VU_PRINTF(2, 3)
static inline void vu_script_sayf(struct vu_script *script, const char *format, ...)
{
	char line[1024];

	if (!script)
		return;
	VU_FORMAT(line, format);
	vu_script_say(script, line);
}

/* vu_script_fail(), up to 255 bytes. */
VU_PRINTF(2, 3)
static inline int vu_script_failf(struct vu_script *script, const char *format, ...)
{
	char reason[256];

	VU_FORMAT(reason, format);
	return vu_script_fail(script, reason);
}

#endif

#endif
