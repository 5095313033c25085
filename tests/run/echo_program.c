/* SPDX-License-Identifier: MIT */
/*
 * A back-end program with two worker threads for each device, for tests.
 * --hold keeps every request; SIGHUP changes the configuration space.
 */
#include <stdio.h>

#include "echo.h"

struct settings {
	int hold;
};

static int create(struct vu_program *program, uint32_t index, void *state)
{
	const struct settings *settings = vu_program_settings(program);
	struct echo *echo = state;
	int ret = vu_program_add_device(program, &echo_info, &echo_ops, echo, &echo->dev);

	if (!ret)
		ret = echo_add_groups(echo);
	atomic_store(&echo->hold, settings->hold);
	for (int i = 0; i < ECHO_GROUPS && !ret; i++)
		ret = vu_program_add_worker(program, echo->groups[i]);
	return ret;
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
	};

	return vu_program_main(&info, argc, argv);
}
