/* SPDX-License-Identifier: MIT */
/*
 * Scripts: a table of commands, lines that name them, and files of such lines.
 *
 * Thread: one at a time; a served script's is its group's.
 */
#include "run/script.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/first_size.h"
#include "base/size_struct.h"
#include "run/counters.h"

enum {
	PIECE = 2048,
	HELP_COLUMN = 28,
};

/* --- the table --- */

static int script_refuse(struct vu_script *script, int error, const char *what)
{
	log_error(&script->log, "struct vu_script_info: %s", what);
	return error;
}

static int script_copy_commands(struct vu_script *script)
{
	const struct vu_script_info *info = &script->info;
	void *commands;
	int ret;

	if (!info->commands)
		return script_refuse(script, -EINVAL, "commands is NULL");
	ret = size_table_copy(&commands, sizeof(*script->commands), info->commands,
			      info->command_size, FIRST_COMMAND);
	if (ret == -EINVAL)
		return script_refuse(script, ret, "command_size is not sizeof(struct vu_command)");
	if (ret == -E2BIG)
		return script_refuse(script, ret,
				     "a command has something set that this library does not know: "
				     "the program was built for a newer one");
	if (ret)
		return ret;
	script->commands = commands;
	for (const struct vu_command *c = commands; c->name; c++)
		if (!c->run)
			return script_refuse(script, -EINVAL, "a command has no run");
	return 0;
}

/* A size that says that these members are not there leaves only the usual log. */
static void script_log_init(struct vu_script *script, const struct vu_script_info *info)
{
	static const struct vu_script_info usual = {.size = sizeof(usual)};

	if (info->size < FIRST_SCRIPT_INFO || info->size > SIZE_STRUCT_MAX)
		info = &usual;
	log_init(&script->log, info->name ? info->name : "script", info->log_level, info->log_fn,
		 info->log_opaque);
}

int script_init(struct vu_script *script, const struct vu_script_info *info)
{
	int ret;

	memset(script, 0, sizeof(*script));
	script_log_init(script, info);
	ret = size_struct_take(&script->log, &script->info, sizeof(script->info), info,
			       FIRST_SCRIPT_INFO, "struct vu_script_info");
	if (!ret)
		ret = script_copy_commands(script);
	if (ret)
		script_destroy(script);
	return ret;
}

void script_destroy(struct vu_script *script)
{
	free(script->commands);
	script->commands = NULL;
}

/* --- one line --- */

void vu_script_answer(struct vu_script *script, const char *text)
{
	if (script->answer)
		script->answer(text, script->answer_opaque);
}

__attribute__((format(printf, 3, 4))) static int script_fail(struct vu_script *script, int error,
							     const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(script->reason, sizeof(script->reason), format, ap);
	va_end(ap);
	return error;
}

int vu_script_fail(struct vu_script *script, const char *reason)
{
	return script_fail(script, -EINVAL, "%s", reason);
}

static void script_help_line(struct vu_script *script, const struct vu_command *c)
{
	char line[LINE_LONGEST];
	const char *arguments = c->arguments ? c->arguments : "";
	const char *help = c->help ? c->help : "";
	int width = HELP_COLUMN - (int)strlen(c->name) - 1;

	snprintf(line, sizeof(line), "%s %-*s%s%s", c->name, width > 0 ? width : 0, arguments,
		 (int)strlen(arguments) < width ? "" : "  ", help);
	vu_script_answer(script, line);
}

static const struct vu_command script_metrics = {
	.name = "metrics",
	.arguments = "[json]",
	.help = "what each queue did, as Prometheus reads it, or as an object of JSON for each",
};

static void script_help(struct vu_script *script)
{
	bool counted = script->counted;

	for (const struct vu_command *c = script->commands; c->name; c++) {
		script_help_line(script, c);
		counted &= strcmp(c->name, script_metrics.name) != 0;
	}
	if (counted)
		script_help_line(script, &script_metrics);
}

static int script_call(struct vu_script *script, const struct vu_command *command, uint32_t n,
		       const char *const *words)
{
	int ret;

	if (n < command->min_words || n > command->max_words)
		return script_fail(script, -EINVAL, "'%s' %s; it is used so: %s%s%s", command->name,
				   n < command->min_words ? "wants more words"
							  : "has too many words",
				   command->name, command->arguments ? " " : "",
				   command->arguments ? command->arguments : "");
	ret = command->run(script, n, words, script->info.opaque);
	if (ret < 0 && !script->reason[0])
		script_fail(script, ret, "%s", strerror(-ret));
	return ret < 0 ? ret : 0;
}

/* Whoever is connected can ask for help; who wrote a file cannot. */
static int script_unknown(struct vu_script *script, const char *name)
{
	char valid[160] = "";
	size_t len = 0;

	for (const struct vu_command *c = script->commands; c->name && len < sizeof(valid); c++)
		len += (size_t)snprintf(valid + len, sizeof(valid) - len, "%s%s",
					len ? ", " : " (valid: ", c->name);
	if (len >= sizeof(valid) - 1)
		memcpy(valid + sizeof(valid) - 4, "...", 4);
	return script_fail(script, -EINVAL, "there is no command '%.64s'%s%s", name,
			   script->server ? "; try help" : valid,
			   script->server || !len ? "" : ")");
}

static void script_answer_line(const char *text, void *opaque)
{
	vu_script_answer(opaque, text);
}

static int script_tell_metrics(struct vu_script *script, int n, const char *const *words)
{
	if (n == 1)
		counters_metrics(script->counted, script_answer_line, script);
	else if (n == 2 && !strcmp(words[1], "json"))
		counters_json(script->counted, script_answer_line, script);
	else
		return vu_script_fail(script, "'metrics' is used so: metrics [json]");
	return 0;
}

/* A device's command of the same name comes first. */
static int script_builtin(struct vu_script *script, int n, const char *const *words)
{
	if (script->counted && !strcmp(words[0], script_metrics.name))
		return script_tell_metrics(script, n, words);
	if (strcmp(words[0], "help"))
		return script_unknown(script, words[0]);
	script_help(script);
	return 0;
}

int script_run(struct vu_script *script, struct line *line)
{
	const char *words[WORDS_MOST];
	const char *why = NULL;
	int n;

	script->reason[0] = '\0';
	for (const struct vu_command *c = script->commands; c->name; c++) {
		if (c->max_words == VU_COMMAND_LINE && (words[0] = line_rest(line, c->name)))
			return script_call(script, c, 1, words);
	}
	n = line_split(line, words, &why);
	if (n < 0)
		return script_fail(script, n, "%s", why);
	if (!n)
		return 0;
	for (const struct vu_command *c = script->commands; c->name; c++)
		if (!strcmp(c->name, words[0]))
			return script_call(script, c, (uint32_t)n - 1, words + 1);
	return script_builtin(script, n, words);
}

/* --- files --- */

static int script_run_line_of_file(struct vu_script *script, struct line *line, const char *path)
{
	int ret = script_run(script, line);

	if (ret)
		log_error(&script->log, "%s:%" PRIu64 ": %s", path, line->number, script->reason);
	return ret;
}

static int script_run_fd(struct vu_script *script, int fd, const char *path)
{
	struct line line = {0};
	char piece[PIECE];
	ssize_t got;
	int ret = 0;

	while (!ret && (got = read(fd, piece, sizeof(piece))) != 0) {
		const char *data = piece;
		size_t n = (size_t)got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			ret = -errno;
			log_error(&script->log, "%s: %s", path, strerror(-ret));
			return ret;
		}
		while (!ret && n)
			if (line_take(&line, &data, &n))
				ret = script_run_line_of_file(script, &line, path);
	}
	if (!ret && line_end(&line))
		ret = script_run_line_of_file(script, &line, path);
	return ret;
}

int vu_script_run_file(const struct vu_script_info *info, const char *path)
{
	struct vu_script script;
	int ret = script_init(&script, info);
	int fd;

	if (ret)
		return ret;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		ret = -errno;
		log_error(&script.log, "%s: %s", path, strerror(-ret));
	} else {
		ret = script_run_fd(&script, fd, path);
		close(fd);
	}
	script_destroy(&script);
	return ret;
}
