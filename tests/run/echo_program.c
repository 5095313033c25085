/* SPDX-License-Identifier: MIT */
/*
 * A back-end program with two worker threads for each device, for tests.
 * --hold keeps every request; SIGHUP changes the configuration space.
 */
#include <stdio.h>

#include "echo.h"

static int create(struct vu_program *program, uint32_t index, struct vu_device **dev, void *opaque)
{
	const int *hold = opaque;
	struct echo *echo;
	char name[16];
	int ret;

	snprintf(name, sizeof(name), "echo%u", index);
	ret = echo_new(name, vu_program_log_level(program), NULL, &echo);
	if (ret)
		return ret;
	atomic_store(&echo->hold, *hold);
	for (int i = 0; i < ECHO_GROUPS && !ret; i++)
		ret = vu_program_add_worker(program, echo->groups[i]);
	if (ret)
		echo_free(echo);
	else
		*dev = echo->dev;
	return ret;
}

static void destroy(struct vu_device *dev, uint32_t index, void *opaque)
{
	echo_free(vu_device_opaque(dev));
}

static void reload(struct vu_device *dev, uint32_t index, void *opaque)
{
	echo_reload(vu_device_opaque(dev));
}

int main(int argc, char **argv)
{
	static const struct vu_option options[] = {
		{.name = "hold",
		 .help = "complete no request until the queue stops",
		 .store = VU_STORE_FLAG},
		{.name = NULL},
	};
	int hold = 0;
	const struct vu_program_info info = {
		.size = sizeof(info),
		.name = "echo-program",
		.type = "echo",
		.options = options,
		.option_size = sizeof(options[0]),
		.create = create,
		.destroy = destroy,
		.reload = reload,
		.opaque = &hold,
	};

	return vu_program_main(&info, argc, argv);
}
