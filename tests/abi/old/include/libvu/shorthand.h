/* SPDX-License-Identifier: MIT */
/*
 * Shorthand for devices in C: rows of tables, and lines that are formatted as by printf(3).
 *
 * All of it is made of what the other headers have, and none of it is in the library.
 */
#ifndef LIBVU_SHORTHAND_H
#define LIBVU_SHORTHAND_H

#ifndef VU_PLAIN

#include <libvu/device.h>
#include <libvu/program.h>
#include <stdarg.h>
#include <stdio.h>

/*
 * Rows of a table of struct vu_option, for options that are to be stored in a member of a struct of
 * settings. Other members of a row may follow, as in VU_OPTION_STRING(...), .required = 1.  A
 * member of another type than the store's is an error, or a warning.
 */
#define VU_OPTION_OFFSET(type, member, stored)                                                     \
	(offsetof(type, member) + 0 * sizeof((stored *)0 == &((type *)0)->member))
#define VU_OPTION_FLAG(option, says, type, member)                                                 \
	.name = option, .help = says, .store = VU_STORE_FLAG,                                      \
	.offset = VU_OPTION_OFFSET(type, member, int)
#define VU_OPTION_STRING(option, takes, says, type, member)                                        \
	.name = option, .argument = takes, .help = says, .store = VU_STORE_STRING,                 \
	.offset = VU_OPTION_OFFSET(type, member, const char *)
#define VU_OPTION_NUMBER(option, takes, says, type, member, least, most)                           \
	.name = option, .argument = takes, .help = says, .store = VU_STORE_NUMBER,                 \
	.offset = VU_OPTION_OFFSET(type, member, uint64_t), .min = least, .max = most
#define VU_OPTION_CHOICE(option, takes, says, type, member, words)                                 \
	.name = option, .argument = takes, .help = says, .store = VU_STORE_CHOICE,                 \
	.offset = VU_OPTION_OFFSET(type, member, uint32_t), .choices = words
#define VU_OPTION_LIST(option, takes, says, type, member, most)                                    \
	.name = option, .argument = takes, .help = says, .store = VU_STORE_LIST,                   \
	.offset = VU_OPTION_OFFSET(type, member, struct vu_option_list), .max = most

/* Initializers of struct vu_program_info: members that belong together. */
#define VU_PROGRAM(called, kind, says)                                                             \
	.size = sizeof(struct vu_program_info), .name = called, .type = kind, .summary = says
#define VU_PROGRAM_OPTIONS(table, stored_in)                                                       \
	.options = table, .option_size = sizeof((table)[0]), .settings = stored_in
#define VU_PROGRAM_COMMANDS(table) .commands = table, .command_size = sizeof((table)[0])
#define VU_PROGRAM_STATE(type, begin, end)                                                         \
	.state_size = sizeof(type), .create = begin, .destroy = end

/* The text that the caller of a function with ... formats, in line: what does not fit is cut. */
#define VU_FORMAT(line, format)                                                                    \
	do {                                                                                       \
		va_list vu_arguments;                                                              \
		va_start(vu_arguments, format);                                                    \
		vsnprintf(line, sizeof(line), format, vu_arguments);                               \
		va_end(vu_arguments);                                                              \
	} while (0)
#define VU_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))

/* vu_device_log(), up to 255 bytes. */
VU_PRINTF(3, 4)
static inline void vu_device_logf(struct vu_device *dev, enum vu_log_level level,
				  const char *format, ...)
{
	char line[256];

	VU_FORMAT(line, format);
	vu_device_log(dev, level, line);
}

/* vu_device_log_peer(), up to 255 bytes. */
VU_PRINTF(3, 4)
static inline void vu_device_log_peerf(struct vu_device *dev, enum vu_log_level level,
				       const char *format, ...)
{
	char line[256];

	VU_FORMAT(line, format);
	vu_device_log_peer(dev, level, line);
}

#endif

#endif
