/* SPDX-License-Identifier: MIT */
/*
 * See gpu_renderer_part.h: libraries that libepoxy, which virglrenderer calls OpenGL by, opens when
 * it first needs them, and without which it ends the process.
 */
#include <dlfcn.h>
#include <stdio.h>

#include "gpu_renderer_part.h"

/* It stays open, as libepoxy has it. */
static bool opens(const char *library)
{
	return dlopen(library, RTLD_LAZY | RTLD_LOCAL);
}

bool renderer_finds_opengl(struct wire_hello *hello)
{
	if (opens("libEGL.so.1") && (opens("libOpenGL.so.0") || opens("libGL.so.1")))
		return true;
	snprintf(hello->error, sizeof(hello->error),
		 "there is no OpenGL (Debian: libegl1 libgl1 libgl1-mesa-dri): %s", dlerror());
	return false;
}
