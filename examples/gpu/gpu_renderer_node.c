/* SPDX-License-Identifier: MIT */
/*
 * See gpu_renderer_part.h: a render node of the host's, which Mesa draws by.
 *
 * Mesa draws in software where it has no driver, without a word, so it is asked what it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "gpu_renderer_part.h"

#ifdef HAVE_EPOXY
#include <epoxy/egl.h>
#include <epoxy/gl.h>
#include <virglrenderer.h>

/* Linux's <drm/drm.h>, which is libdrm's in Debian. */
struct version {
	int major, minor, patch;
	size_t name_len;
	char *name;
	size_t date_len;
	char *date;
	size_t about_len;
	char *about;
};
#define GET_VERSION _IOWR('d', 0, struct version)

enum { DRM_MAJOR = 226, FIRST_RENDER_NODE = 128 };

/* Neither another device nor a card's other node, by which screens are set. */
static bool is_render_node(int fd, struct renderer *r)
{
	struct version version = {.name = r->driver, .name_len = sizeof(r->driver) - 1};
	struct stat st;

	return !fstat(fd, &st) && S_ISCHR(st.st_mode) && major(st.st_rdev) == DRM_MAJOR &&
	       minor(st.st_rdev) >= FIRST_RENDER_NODE && !ioctl(fd, GET_VERSION, &version);
}

bool renderer_takes_node(void)
{
	return true;
}

bool node_open(struct renderer *r, const char *path, struct wire_hello *hello)
{
	r->node = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (r->node >= 0 && is_render_node(r->node, r))
		return true;
	if (r->node < 0)
		snprintf(hello->error, sizeof(hello->error),
			 "%s (render nodes are /dev/dri/renderD128 and so on)", strerror(errno));
	else
		snprintf(hello->error, sizeof(hello->error),
			 "it is no render node of Linux's (these are /dev/dri/renderD128 and so "
			 "on)");
	return false;
}

static bool begins_with(const char *text, const char *with)
{
	return !strncasecmp(text, with, strlen(with));
}

bool node_draws(const struct renderer *r, struct wire_hello *hello)
{
	const char *by = (const char *)glGetString(GL_RENDERER);

	if (by && !begins_with(by, "llvmpipe") && !begins_with(by, "softpipe") &&
	    !begins_with(by, "swrast"))
		return true;
	snprintf(hello->error, sizeof(hello->error),
		 "Mesa has no driver for it (the kernel's is %s) and would draw in software",
		 r->driver);
	return false;
}

static int export_image(EGLDisplay display, EGLImageKHR image, struct wire_reply *answer)
{
	int fd = -1, planes = 0, fourcc = 0;
	EGLint stride = 0, offset = 0;
	EGLuint64KHR modifier = 0;

	/* Those of several planes have a descriptor each, for which the protocol has no room; nor
	 * has it an offset. */
	if (!eglExportDMABUFImageQueryMESA(display, image, &fourcc, &planes, &modifier) ||
	    planes != 1 || !eglExportDMABUFImageMESA(display, image, &fd, &stride, &offset))
		return -1;
	if (offset && fd >= 0) {
		close(fd);
		fd = -1;
	}
	answer->stride = (uint32_t)stride;
	answer->fourcc = (uint32_t)fourcc;
	answer->modifier = modifier;
	return fd;
}

int node_export(uint32_t resource, struct wire_reply *answer)
{
	struct virgl_renderer_resource_info info = {.handle = 0};
	EGLDisplay display;
	EGLImageKHR image;
	int fd;

	if (virgl_renderer_resource_get_info((int)resource, &info) || !info.tex_id)
		return -1;
	virgl_renderer_force_ctx_0();
	display = eglGetCurrentDisplay();
	if (!epoxy_has_egl_extension(display, "EGL_KHR_gl_texture_2D_image") ||
	    !epoxy_has_egl_extension(display, "EGL_MESA_image_dma_buf_export"))
		return -1;
	image = eglCreateImageKHR(display, eglGetCurrentContext(), EGL_GL_TEXTURE_2D_KHR,
				  (EGLClientBuffer)(uintptr_t)info.tex_id, NULL);
	if (!image)
		return -1;
	fd = export_image(display, image, answer);
	eglDestroyImageKHR(display, image);
	return fd;
}

#else

bool renderer_takes_node(void)
{
	return false;
}

int node_export(uint32_t resource, struct wire_reply *answer)
{
	(void)resource;
	(void)answer;
	return -1;
}

bool node_open(struct renderer *r, const char *path, struct wire_hello *hello)
{
	(void)r;
	(void)path;
	snprintf(hello->error, sizeof(hello->error),
		 "vu-gpu was built without libepoxy (Debian: libepoxy-dev)");
	return false;
}

bool node_draws(const struct renderer *r, struct wire_hello *hello)
{
	(void)r;
	(void)hello;
	return false;
}

#endif
