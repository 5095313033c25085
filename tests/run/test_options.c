/* SPDX-License-Identifier: MIT */
/* What a line of options is told, and what it sets: by the parser itself, without a program. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libvu/shorthand.h>
#include <libvu/vu.h>

#include "kit/test.h"
#include "run/option_value.h"
#include "run/options.h"

enum { MAX_ARGS = 4, MAX_TEXT = 1024 };

struct settings {
	uint64_t number;
	struct vu_option_list list;
};

/* Returns what its argument says. */
static int set_error(const char *value, void *opaque)
{
	(void)opaque;
	return -(int)strtol(value, NULL, 10);
}

static const struct vu_option options[] = {
	{VU_OPTION_NUMBER("number", "N", "from 3 on", struct settings, number, 3, 0),
	 .repeatable = 1},
	{VU_OPTION_LIST("list", "NAME", "at most two", struct settings, list, 2)},
	{.name = "error", .argument = "N", .help = "how it fails", .set = set_error},
	{.name = "must", .argument = "N", .help = "wanted", .set = set_error, .required = 1},
	{.name = NULL},
};

/* The exit status; what was written to standard error is in text. */
static int parse(const char *const *args, struct settings *settings, char text[MAX_TEXT])
{
	const struct option_table table = {"Options", options, settings};
	char program[] = "prog", *argv[MAX_ARGS + 2] = {program};
	struct option_line line = {program, 1, argv, &table, 1};
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO), status;
	size_t n;

	assert_non_null(file);
	for (; args[line.argc - 1]; line.argc++)
		argv[line.argc] = strdup(args[line.argc - 1]);
	fflush(stderr);
	dup2(fileno(file), STDERR_FILENO);
	status = options_parse(&line);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	n = fread(text, 1, MAX_TEXT - 1, file);
	text[n] = '\0';
	fclose(file);
	option_free_lists(options, settings);
	while (--line.argc)
		free(argv[line.argc]);
	return status;
}

/* Longer than any name of an option: not even a guess is made. */
#define LONG "--numbernumbernumbernumbernumbernumbernumbernumbernumbernumbernumbernumber"

static void each_mistake_gets_its_line_and_its_status(void **state)
{
	static const struct {
		const char *args[MAX_ARGS + 1];
		int status;
		const char *line;
	} rows[] = {
		{{"--must=0", "--number=2"},
		 PROGRAM_WRONG_USAGE,
		 "prog: --number=2: out of range (valid: a number from 3 on); try --help\n"},
		{{"--must=0", "--list=a", "--list=b", "--list=c"},
		 PROGRAM_WRONG_USAGE,
		 "prog: option 'list' is given too often; try --help\n"},
		{{"--must=17"}, PROGRAM_WRONG_USAGE, "prog: option 'must' is given twice"},
		{{"--must=12"}, PROGRAM_FAILED, "prog: --must=12: Cannot allocate memory\n"},
		{{"--must=22"}, PROGRAM_WRONG_USAGE, "prog: --must=22: not a valid value; try"},
		{{"--number=3"}, PROGRAM_WRONG_USAGE, "prog: option 'must' is required"},
		{{"--numbr=3"}, PROGRAM_WRONG_USAGE, "(did you mean --number?)"},
		{{LONG}, PROGRAM_WRONG_USAGE, "prog: unknown option '" LONG "'; try --help\n"},
	};
	struct settings settings = {0};
	char text[MAX_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(parse(rows[i].args, &settings, text), rows[i].status);
		if (!strstr(text, rows[i].line))
			fail_msg("\"%s\" instead of \"%s\"", text, rows[i].line);
	}
}

static void a_good_line_is_silent_and_sets_what_it_says(void **state)
{
	static const char *const args[] = {"--must", "0", "--number=3",
					   "--number=18446744073709551615", NULL};
	struct settings settings = {0};
	char text[MAX_TEXT];

	(void)state;
	assert_int_equal(parse(args, &settings, text), PROGRAM_OK);
	assert_string_equal(text, "");
	assert_true(settings.number == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_mistake_gets_its_line_and_its_status),
		cmocka_unit_test(a_good_line_is_silent_and_sets_what_it_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
