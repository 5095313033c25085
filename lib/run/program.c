/* SPDX-License-Identifier: MIT */
/*
 * A back-end's main(): command line, sockets, devices, the runner, and the way back.
 *
 * The only place of the library that touches the environment and signals.  All state is on the
 * stack of vu_program_main().  Thread: main, before others are started.
 */
#include "run/program.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "run/capabilities.h"
#include "run/counters.h"
#include "run/inherited.h"
#include "run/notify.h"
#include "run/option_value.h"
#include "run/runner.h"
#include "run/signals.h"

void program_say(const struct vu_program *program, enum vu_log_level level, const char *format, ...)
{
	char text[640];
	size_t n;
	va_list ap;

	snprintf(text, sizeof(text), "%s: ", program->info.name);
	n = strlen(text);
	va_start(ap, format);
	vsnprintf(text + n, sizeof(text) - n, format, ap);
	va_end(ap);
	/* As command lines say it: the level is in the words. */
	if (program->log_format == LOG_TEXT)
		fprintf(stderr, "%s\n", text);
	else
		log_format_any(program->log_format, level, text);
}

static int program_fail(const struct vu_program *program, const char *what, int error)
{
	program_say(program, VU_LOG_ERROR, "%s: %s", what, strerror(-error));
	return PROGRAM_FAILED;
}

static int program_wrong(const struct vu_program *program, const char *text)
{
	program_say(program, VU_LOG_ERROR, "%s; try --help", text);
	return PROGRAM_WRONG_USAGE;
}

/* --- sockets --- */

static int program_inherit_sockets(struct vu_program *program)
{
	if (program->n_inherited < 0)
		return program_fail(program, "LISTEN_PID, LISTEN_FDS", program->n_inherited);
	for (int i = 0; i < program->n_inherited; i++) {
		struct program_socket socket = {.kind = SOCKET_FD, .fd = INHERITED_FIRST_FD + i};
		int ret = inherited_is_file(i) ? 0 : program_add_socket(program, &socket);

		if (ret)
			return program_fail(program, "inherited sockets", ret);
	}
	return PROGRAM_OK;
}

/* Twice the same path or fd: the second would find the first in its way. */
static int program_check_repeated(const struct vu_program *program)
{
	for (uint32_t i = 0; i < program->n_sockets; i++) {
		const struct program_socket *a = &program->sockets[i];

		for (uint32_t j = 0; j < i; j++) {
			const struct program_socket *b = &program->sockets[j];
			char text[160];

			if (a->path && b->path && !strcmp(a->path, b->path))
				snprintf(text, sizeof(text), "socket %s is given twice", a->path);
			else if (!a->path && !b->path && a->fd == b->fd)
				snprintf(text, sizeof(text), "--fd=%d is given twice", a->fd);
			else
				continue;
			return program_wrong(program, text);
		}
	}
	return PROGRAM_OK;
}

static int program_no_socket(const struct vu_program *program)
{
	static const char needed[] = "--socket-path=PATH or --fd=FDNUM is needed";
	char text[160];

	if (!program->listen_pid)
		return program_wrong(program, needed);
	snprintf(text, sizeof(text),
		 "%s (LISTEN_PID=%d: the inherited sockets are for that process, this is %d)",
		 needed, (int)program->listen_pid, (int)getpid());
	return program_wrong(program, text);
}

static int program_check_sockets(struct vu_program *program)
{
	uint32_t n_fds = 0;

	program->n_inherited = inherited_fds(&program->listen_pid, &program->inherited_names);
	if (!program->n_sockets) {
		int status = program_inherit_sockets(program);

		if (status)
			return status;
	}
	if (!program->n_sockets)
		return program_no_socket(program);
	for (uint32_t i = 0; i < program->n_sockets; i++)
		n_fds += program->sockets[i].kind == SOCKET_FD;
	if (n_fds && n_fds != program->n_sockets)
		return program_wrong(program, "--fd excludes --socket-path and --connect");
	return program_check_repeated(program);
}

/* For sockets that we listen on; connecting goes on trying. */
static const char *program_socket_hint(int error)
{
	switch (error) {
	case -EADDRINUSE:
		return " (another program is listening there)";
	case -EEXIST:
		return " (it is not a socket: remove it, or choose another path)";
	case -ENAMETOOLONG:
		return " (a socket's path has at most 107 bytes)";
	case -ENOENT:
		return " (its folder does not exist: make it first)";
	case -EACCES:
		return " (no right to make a file in its folder)";
	default:
		return "";
	}
}

static int program_open_socket(struct vu_program *program, const struct program_socket *socket)
{
	int ret = 0;

	switch (socket->kind) {
	case SOCKET_LISTEN:
		ret = vu_runner_listen(program->runner, socket->dev, socket->path, &program->file);
		break;
	case SOCKET_CONNECT:
		ret = vu_runner_connect(program->runner, socket->dev, socket->path);
		break;
	case SOCKET_FD:
		ret = vu_runner_adopt(program->runner, socket->dev, socket->fd);
		break;
	}
	if (!ret)
		return PROGRAM_OK;
	if (socket->path)
		program_say(program, VU_LOG_ERROR, "%s: %s%s", socket->path, strerror(-ret),
			    program_socket_hint(ret));
	else
		program_say(program, VU_LOG_ERROR, "file descriptor %d: %s%s", socket->fd,
			    strerror(-ret),
			    ret == -EINVAL ? " (it must be a Unix stream socket)" : "");
	return PROGRAM_FAILED;
}

/* --- devices --- */

static int program_create_devices(struct vu_program *program)
{
	for (uint32_t i = 0; i < program->n_sockets; i++) {
		int ret = program_create_device(program, i);

		if (ret < 0)
			return program_fail(program, "the device could not be made", ret);
	}
	return PROGRAM_OK;
}

static void program_destroy_devices(struct vu_program *program)
{
	for (uint32_t i = 0; i < program->n_sockets; i++)
		program_destroy_device(program, i);
}

/* SIGHUP, SIGUSR1. */
static void program_on_request(int signal_number, void *opaque)
{
	struct vu_program *program = opaque;
	struct endpoint *position = NULL;
	struct vu_device *dev;

	if (signal_number == SIGUSR1) {
		while ((dev = runner_next_device(program->runner, &position)))
			counters_print(dev, program->log_format);
		return;
	}
	for (uint32_t i = 0; i < program->n_sockets && program->info.reload; i++)
		program->info.reload(program->sockets[i].state);
}

/* An option that does nothing should not look as if it did. */
static void program_check_workers(const struct vu_program *program)
{
	if (!program->n_workers && (program->poll_us || program->n_cpus))
		program_say(program, VU_LOG_WARNING,
			    "--poll-us and --cpus are for worker threads: here are none, and they "
			    "have no effect");
}

/* The author's turn, between the sockets and the workers. */
static int program_tell_opened(struct vu_program *program)
{
	for (uint32_t i = 0; i < program->n_sockets && program->info.opened; i++) {
		int ret = program->info.opened(program, i, program->sockets[i].state);

		if (ret < 0)
			return program_fail(program, "the device cannot be served", ret);
	}
	return PROGRAM_OK;
}

static int program_run(struct vu_program *program)
{
	int status, ret;

	/* From a sandbox, which some enter in opened, nobody could be reached. */
	program->notify = notify_open(program->info.name);
	status = program_create_devices(program);
	/* All devices first: one that cannot be made must not show up as a socket at all. */
	for (uint32_t i = 0; i < program->n_sockets && !status; i++)
		status = program_open_socket(program, &program->sockets[i]);
	if (!status)
		status = program_tell_opened(program);
	notify_close(program->notify, !status);
	program->notify = -1;
	if (status)
		return status;
	program_check_workers(program);
	ret = vu_runner_run(program->runner);
	return ret < 0 ? program_fail(program, "serving", ret) : PROGRAM_OK;
}

/* Two hundred devices have some two thousand descriptors; the usual soft limit is for select(2). */
static void program_raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	/* It stays as it is where that is not allowed: then accepting fails, and is tried again. */
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int program_serve(struct vu_program *program)
{
	struct vu_runner_info info = {.size = sizeof(info),
				      .log_level = program->log_level,
				      .once = program->once,
				      .log_fn = log_format_fn(program->log_format)};
	struct signals signals;
	int status;
	int ret;

	program_raise_fd_limit();
	ret = vu_runner_new(&info, &program->runner);
	if (ret)
		return program_fail(program, "the runner could not be made", ret);
	program->runner->guards = true;
	ret = signals_enter(&signals, program->runner, program_on_request, program);
	status = ret ? program_fail(program, "signals", ret) : program_run(program);
	vu_runner_free(program->runner);
	program_destroy_devices(program);
	if (!ret)
		signals_leave(&signals);
	return status;
}

/* --- command line --- */

static void program_print_help(const struct vu_program *program, const struct option_line *line)
{
	printf("Usage: %s [OPTION]...\n", program->info.name);
	if (program->info.summary)
		printf("%s\n", program->info.summary);
	options_help(stdout, line);
	printf("\nWithout a socket option, the sockets passed by LISTEN_FDS are used.\n"
	       "Exit status: 0 after a clean end, 1 for a failure, 2 for wrong usage.\n");
}

/* The options that are answered whatever else is on the command line.  True: answered. */
static bool program_answer(const struct vu_program *program, const struct option_line *line,
			   int *status)
{
	int ret = 0;

	if (options_have(line, "--print-capabilities"))
		ret = capabilities_print(stdout, program->info.type, program->info.features);
	else if (options_have(line, "--help") || options_have(line, "-h"))
		program_print_help(program, line);
	else if (options_have(line, "--version"))
		printf("%s (libvu %s)\n", program->info.name, vu_version());
	else
		return false;
	if (fflush(stdout))
		ret = -errno;
	*status = ret ? program_fail(program, "standard output", ret) : PROGRAM_OK;
	return true;
}

int vu_program_main(const struct vu_program_info *info, int argc, char **argv)
{
	struct vu_program program = {
		.log_level = VU_LOG_INFO,
		.notify = -1,
		.file = {.size = sizeof(struct vu_socket_info)},
	};
	struct option_table tables[3];
	struct option_line line;
	int status = program_take_info(&program, info);

	if (status) {
		free(program.options);
		return status;
	}
	tables[0] = (struct option_table){"Options of this device", program.options,
					  program.info.settings};
	tables[1] = (struct option_table){"Commands for this device",
					  program.info.commands ? program_control_option() : NULL,
					  &program};
	tables[2] = (struct option_table){"Options of every libvu program", program_options(),
					  &program};
	line = (struct option_line){program.info.name, argc, argv, tables, 3};

	if (!program_answer(&program, &line, &status)) {
		status = options_parse(&line);
		if (!status)
			status = program_check_sockets(&program);
		if (!status)
			status = program_serve(&program);
	}
	option_free_lists(program.options, program.info.settings);
	free(program.inherited_names);
	free(program.sockets);
	free(program.options);
	free(program.cpus);
	return status;
}
