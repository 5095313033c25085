/* SPDX-License-Identifier: MIT */
/*
 * A process that renders, with virglrenderer, for one guest.  It may crash, hang, or come into the
 * guest's hands: it has a socket, a limit of memory, and no way to open anything.
 *
 * gpu_renderer.c, or gpu_no_renderer.c where there is no virglrenderer.
 */
#ifndef GPU_RENDERER_H
#define GPU_RENDERER_H

#include "gpu_spawn.h"

/* Is there one in this program at all? */
bool renderer_is_there(void);
/* And does it take a render node of the host's? */
bool renderer_takes_node(void);
/* All of the process: see gpu_wire.h for what it says. */
_Noreturn void renderer_run(int socket, const struct spawn_limits *limits);

#endif
