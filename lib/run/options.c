/* SPDX-License-Identifier: MIT */
/*
 * Parsing and describing the options of tables.  Owns nothing, keeps nothing.
 * Thread: main, before others are started.
 */
#include "run/options.h"

#include <errno.h>
#include <string.h>

#include "run/option_value.h"

enum {
	NAME_MAX_LEN = 64, /* of an option, for guessing what was meant */
	ENOUGH = 2,	   /* typing errors */
};

/* One option as it was found on the command line. */
struct option_found {
	const struct vu_option *option;
	const char *value;
	void *opaque;
};

static int options_wrong(const struct option_line *line, const char *what, const char *name,
			 const char *why)
{
	fprintf(stderr, "%s: %s '%s'%s; try --help\n", line->program, what, name, why);
	return PROGRAM_WRONG_USAGE;
}

/*
 * How many characters must be inserted, left out or replaced to make name (len characters) from
 * the option's: the usual table, one row at a time.  More than ENOUGH is not told apart.
 */
static unsigned int options_distance(const char *option, const char *name, size_t len)
{
	unsigned int row[NAME_MAX_LEN + 1], diagonal, above;

	if (len > NAME_MAX_LEN)
		return ENOUGH + 1;
	for (size_t j = 0; j <= len; j++)
		row[j] = (unsigned int)j;
	for (size_t i = 1; option[i - 1]; i++) {
		diagonal = row[0];
		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= len; j++) {
			above = row[j];
			if (option[i - 1] != name[j - 1])
				diagonal++;
			row[j] = diagonal < above + 1 ? diagonal : above + 1;
			if (row[j - 1] + 1 < row[j])
				row[j] = row[j - 1] + 1;
			diagonal = above;
		}
	}
	return row[len];
}

/* The option that name was probably meant to be, or NULL. */
static const struct vu_option *options_guess(const struct option_line *line, const char *name,
					     size_t len)
{
	const struct vu_option *best = NULL;
	unsigned int least = ENOUGH + 1;

	for (unsigned int t = 0; t < line->n_tables; t++) {
		const struct vu_option *o = line->tables[t].options;

		for (; o && o->name; o++) {
			unsigned int distance = options_distance(o->name, name, len);

			/* Half the letters wrong is another word. */
			if (distance >= least || distance * 2 >= strlen(o->name))
				continue;
			least = distance;
			best = o;
		}
	}
	return best;
}

static int options_unknown(const struct option_line *line, const char *arg, size_t len)
{
	const struct vu_option *guess = options_guess(line, arg + 2, len - 2);
	char why[NAME_MAX_LEN + 32] = "";

	if (guess)
		snprintf(why, sizeof(why), " (did you mean --%s?)", guess->name);
	return options_wrong(line, "unknown option", arg, why);
}

static bool options_find(const struct option_line *line, const char *name, size_t len,
			 struct option_found *found)
{
	for (unsigned int t = 0; t < line->n_tables; t++) {
		const struct vu_option *o = line->tables[t].options;

		for (; o && o->name; o++) {
			if (strlen(o->name) != len || memcmp(o->name, name, len) != 0)
				continue;
			found->option = o;
			found->opaque = line->tables[t].opaque;
			return true;
		}
	}
	return false;
}

/* Read the option at argv[*i] and move *i behind it.  0, or the exit status after a message. */
static int options_read(const struct option_line *line, int *i, struct option_found *found)
{
	const char *arg = line->argv[(*i)++];
	const char *equals = strchr(arg, '=');
	size_t len;

	if (strncmp(arg, "--", 2) != 0 || !arg[2])
		return options_wrong(line, "unexpected argument", arg, "");
	len = equals ? (size_t)(equals - arg) : strlen(arg);
	if (!options_find(line, arg + 2, len - 2, found))
		return options_unknown(line, arg, len);

	found->value = equals ? equals + 1 : NULL;
	if (!found->option->argument)
		return equals ? options_wrong(line, "option", arg, " takes no argument") : 0;
	if (!equals && *i < line->argc)
		found->value = line->argv[(*i)++];
	return found->value ? 0 : options_wrong(line, "option", arg, " needs an argument");
}

static int options_set(const struct option_line *line, const struct option_found *found)
{
	const struct vu_option *o = found->option;
	int ret = o->set ? o->set(found->value, found->opaque)
			 : option_store(o, found->value, found->opaque);
	char text[OPTION_VALID_LEN];
	const char *valid;

	if (!ret)
		return 0;
	if (ret == -EEXIST)
		return options_wrong(line, "option", o->name, " is given twice");
	if (ret == -E2BIG)
		return options_wrong(line, "option", o->name, " is given too often");
	fprintf(stderr, "%s: --%s%s%s: ", line->program, o->name, found->value ? "=" : "",
		found->value ? found->value : "");
	if (ret != -EINVAL && ret != -ERANGE) {
		fprintf(stderr, "%s\n", strerror(-ret));
		return PROGRAM_FAILED;
	}
	valid = option_valid(o, text);
	fprintf(stderr, "%s%s%s%s; try --help\n",
		ret == -EINVAL ? "not a valid value" : "out of range", valid ? " (valid: " : "",
		valid ? valid : "", valid ? ")" : "");
	return PROGRAM_WRONG_USAGE;
}

/* Is it among the first end arguments?  They have been read without an error before. */
static bool options_given(const struct option_line *line, const struct vu_option *wanted, int end)
{
	struct option_found found;

	for (int i = 1; i < end;)
		if (!options_read(line, &i, &found) && found.option == wanted)
			return true;
	return false;
}

static int options_check_required(const struct option_line *line)
{
	for (unsigned int t = 0; t < line->n_tables; t++) {
		const struct vu_option *o = line->tables[t].options;

		for (; o && o->name; o++)
			if (o->required && !options_given(line, o, line->argc))
				return options_wrong(line, "option", o->name, " is required");
	}
	return 0;
}

int options_parse(const struct option_line *line)
{
	struct option_found found;
	int status;

	/* All of the command line is read before anything is set: a typing error has no effects. */
	for (int i = 1; i < line->argc;) {
		int at = i;

		status = options_read(line, &i, &found);
		if (status)
			return status;
		if (option_is_single(found.option) && options_given(line, found.option, at))
			return options_wrong(line, "option", line->argv[at], " is given twice");
	}
	status = options_check_required(line);
	for (int i = 1; i < line->argc && !status;) {
		status = options_read(line, &i, &found);
		if (!status)
			status = options_set(line, &found);
	}
	return status;
}

bool options_have(const struct option_line *line, const char *flag)
{
	for (int i = 1; i < line->argc; i++)
		if (!strcmp(line->argv[i], flag))
			return true;
	return false;
}

void options_help(FILE *out, const struct option_line *line)
{
	for (unsigned int t = 0; t < line->n_tables; t++) {
		const struct vu_option *o = line->tables[t].options;

		if (!o || !o->name)
			continue;
		fprintf(out, "\n%s:\n", line->tables[t].title);
		for (; o->name; o++) {
			int n = fprintf(out, "  --%s%s%s", o->name, o->argument ? "=" : "",
					o->argument ? o->argument : "");

			fprintf(out, "%*s%s%s\n", n < 25 ? 26 - n : 2, "", o->help,
				o->required ? " (required)" : "");
		}
	}
}
