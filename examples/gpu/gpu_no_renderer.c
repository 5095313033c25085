/* SPDX-License-Identifier: MIT */
/* See gpu_renderer.h: a program that was built without virglrenderer. */
#include <unistd.h>

#include "gpu_renderer.h"

bool renderer_is_there(void)
{
	return false;
}

bool renderer_takes_node(void)
{
	return false;
}

_Noreturn void renderer_run(int socket, const struct spawn_limits *limits)
{
	(void)socket;
	(void)limits;
	_exit(1);
}
