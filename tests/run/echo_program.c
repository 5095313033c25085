/* SPDX-License-Identifier: MIT */
/*
 * A back-end program with two worker threads for each device, for tests.
 * --hold keeps every request; SIGHUP changes the configuration space; --late has the workers made
 * when all sockets are open, and --refuse=N has device N fail then.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>

#include "echo.h"

struct settings {
	int hold;
	int late;
	uint64_t refuse; /* number of the device, from 1 */
};

static int add_workers(struct vu_program *program, const struct echo *echo)
{
	int ret = 0;

	for (int i = 0; i < ECHO_GROUPS && !ret; i++)
		ret = vu_program_add_worker(program, echo->groups[i]);
	return ret;
}

static int create(struct vu_program *program, uint32_t index, void *state)
{
	const struct settings *settings = vu_program_settings(program);
	struct echo *echo = state;
	int ret = vu_program_add_device(program, &echo_info, &echo_ops, echo, &echo->dev);

	(void)index;
	if (!ret)
		ret = echo_add_groups(echo);
	atomic_store(&echo->hold, settings->hold);
	return ret || settings->late ? ret : add_workers(program, echo);
}

static int count_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	int n = 0;

	while (tasks && readdir(tasks))
		n++;
	if (tasks)
		closedir(tasks);
	return n - 2; /* "." and ".." */
}

/* Tells what there is: a test reads it. */
static int opened(struct vu_program *program, uint32_t index, void *state)
{
	const struct settings *settings = vu_program_settings(program);

	fprintf(stderr, "opened device %u: threads: %d\n", index, count_threads());
	if (settings->refuse == index + 1)
		return -ENODEV;
	return settings->late ? add_workers(program, state) : 0;
}

static void destroy(void *state)
{
	echo_free_groups(state);
}

static void reload(void *state)
{
	echo_reload(state);
}

int main(int argc, char **argv)
{
	static const struct vu_option options[] = {
		{VU_OPTION_FLAG("hold", "complete no request until the queue stops",
				struct settings, hold)},
		{VU_OPTION_FLAG("late", "workers come after the sockets", struct settings, late)},
		{VU_OPTION_NUMBER("refuse", "N", "this device fails after the sockets",
				  struct settings, refuse, 1, 99)},
		{.name = NULL},
	};
	struct settings settings = {0};
	const struct vu_program_info info = {
		.size = sizeof(info),
		.name = "echo-program",
		.type = "echo",
		VU_PROGRAM_OPTIONS(options, &settings),
		VU_PROGRAM_STATE(struct echo, create, destroy),
		.reload = reload,
		.opened = opened,
	};

	return vu_program_main(&info, argc, argv);
}
