/* SPDX-License-Identifier: MIT */
/* Command line options, from tables: --name=VALUE, --name VALUE, --flag. */
#ifndef RUN_OPTIONS_H
#define RUN_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include <libvu/program.h>

enum program_status { PROGRAM_OK, PROGRAM_FAILED, PROGRAM_WRONG_USAGE };

struct option_table {
	const char *title;		 /* for the help text */
	const struct vu_option *options; /* may be NULL: empty */
	void *opaque;			 /* last argument of their setters */
};

struct option_line {
	const char *program;
	int argc;
	char **argv;
	const struct option_table *tables;
	unsigned int n_tables;
};

/* Run the setters in the order of the command line.  0, or the exit status after a message. */
int options_parse(const struct option_line *line);
/* Is this flag on the command line, whatever else is? */
bool options_have(const struct option_line *line, const char *flag);
void options_help(FILE *out, const struct option_line *line);

#endif
