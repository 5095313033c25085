/* SPDX-License-Identifier: MIT */
/*
 * The sandbox of a device that opens what it needs at the start: from then on no other file
 * (Landlock), no capability, no system call but those it names.  `--sandbox=none` does without.
 *
 * A program has one struct shut_in in its settings, and enters in vu_program_info.opened: the
 * first device for all.
 */
#ifndef COMMON_SHUT_IN_H
#define COMMON_SHUT_IN_H

#include <libvu/vu.h>

#include "sandbox.h"
#include "sandbox_files.h"

enum shut_in_kind { SHUT_IN_AUTO, SHUT_IN_NONE };

struct shut_in {
	uint32_t kind; /* of --sandbox: enum shut_in_kind */
	bool done;
	bool commands; /* --control: what these may open is among the places */
	struct sandbox_needs needs;
	struct sandbox_place place; /* beside what libvu reads; path NULL: none */
};

extern const char *const shut_in_choices[];

#define SHUT_IN_OPTION(type, member)                                                               \
	VU_OPTION_CHOICE("sandbox", "KIND", "auto (default), or none: give up no rights", type,    \
			 member.kind, shut_in_choices)

/* What such a program gives main(), beside VU_PROGRAM(): its tables, and what makes a device. */
#define SHUT_IN_PROGRAM(options, settings, commands, state, create, destroy, opens)                \
	VU_PROGRAM_OPTIONS(options, settings), VU_PROGRAM_COMMANDS(commands),                      \
		VU_PROGRAM_STATE(state, create, destroy), .opened = opens

/* vu_program_main() that looks at --connect, --control and --postcopy before. */
int shut_in_main(struct shut_in *s, const struct vu_program_info *info, int argc, char **argv);

/* 0, or -errno after a line. */
int shut_in_enter(struct shut_in *s, struct vu_device *dev);

#endif
