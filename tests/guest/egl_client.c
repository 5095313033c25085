/* SPDX-License-Identifier: MIT */
/*
 * A program that draws by OpenGL ES and shows it by the kernel's own interface; runs in guests.
 *
 *	guest-egl
 *
 * It draws into a buffer of the graphics card's, a picture of the monitor's size: a sum of two
 *slopes by a shader, and in the middle a triangle over it.  It reads it back, says who drew it and
 *how far it is from what it should be ("drawn, off by N at most"); it clears a texture that is
 *nothing but that, reads that ("texture RRGGBBAA"), shows the picture, says "shown", and stays until
 *it is killed.
 */
#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GLES2/gl2.h>
#include <GLES2/gl2ext.h>
#include <drm.h>
#include <drm_mode.h>
#include <fcntl.h>
#include <gbm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { MODES = 128, ALL = 16 };

struct monitor {
	uint32_t connector, crtc;
	struct drm_mode_modeinfo mode;
};

static void fail(const char *what)
{
	printf("failed: %s\n", what);
	exit(1);
}

static void check(int ret, const char *what)
{
	if (ret < 0)
		fail(what);
}

/* --- the monitor --- */

static void find_monitor(int fd, struct monitor *m)
{
	static struct drm_mode_modeinfo modes[MODES];
	uint32_t connectors[ALL], crtcs[ALL];
	struct drm_mode_card_res res = {.connector_id_ptr = (uintptr_t)connectors,
					.crtc_id_ptr = (uintptr_t)crtcs,
					.count_connectors = ALL,
					.count_crtcs = ALL};
	struct drm_mode_get_connector c = {.count_modes = 0};

	check(ioctl(fd, DRM_IOCTL_MODE_GETRESOURCES, &res), "GETRESOURCES");
	m->connector = c.connector_id = connectors[0];
	m->crtc = crtcs[0];
	check(ioctl(fd, DRM_IOCTL_MODE_GETCONNECTOR, &c), "GETCONNECTOR");
	c.modes_ptr = (uintptr_t)modes;
	c.count_modes = c.count_modes < MODES ? c.count_modes : MODES;
	c.count_props = c.count_encoders = 0;
	check(ioctl(fd, DRM_IOCTL_MODE_GETCONNECTOR, &c), "GETCONNECTOR");
	if (!c.count_modes)
		fail("no modes");
	m->mode = modes[0];
}

static void show(int fd, struct monitor *m, struct gbm_bo *bo)
{
	struct drm_mode_fb_cmd fb = {.width = gbm_bo_get_width(bo),
				     .height = gbm_bo_get_height(bo),
				     .pitch = gbm_bo_get_stride(bo),
				     .bpp = 32,
				     .depth = 24,
				     .handle = gbm_bo_get_handle(bo).u32};
	struct drm_mode_crtc crtc = {.crtc_id = m->crtc,
				     .set_connectors_ptr = (uintptr_t)&m->connector,
				     .count_connectors = 1,
				     .mode = m->mode,
				     .mode_valid = 1};
	struct drm_mode_fb_dirty_cmd dirty = {.flags = 0};

	check(ioctl(fd, DRM_IOCTL_MODE_ADDFB, &fb), "ADDFB");
	crtc.fb_id = fb.fb_id;
	check(ioctl(fd, DRM_IOCTL_MODE_SETCRTC, &crtc), "SETCRTC");
	dirty.fb_id = fb.fb_id;
	check(ioctl(fd, DRM_IOCTL_MODE_DIRTYFB, &dirty), "DIRTYFB");
}

/* --- OpenGL --- */

static EGLDisplay begin(struct gbm_device *gbm)
{
	static const EGLint attributes[] = {EGL_CONTEXT_CLIENT_VERSION, 2, EGL_NONE};
	EGLDisplay display = eglGetPlatformDisplay(EGL_PLATFORM_GBM_KHR, gbm, NULL);
	EGLContext context;

	if (!eglInitialize(display, NULL, NULL))
		fail("eglInitialize");
	eglBindAPI(EGL_OPENGL_ES_API);
	context = eglCreateContext(display, EGL_NO_CONFIG_KHR, EGL_NO_CONTEXT, attributes);
	if (!context || !eglMakeCurrent(display, EGL_NO_SURFACE, EGL_NO_SURFACE, context))
		fail("eglCreateContext");
	printf("renderer %s\n", (const char *)glGetString(GL_RENDERER));
	return display;
}

static void draw_to(EGLDisplay display, struct gbm_bo *bo)
{
	PFNEGLCREATEIMAGEKHRPROC create =
		(PFNEGLCREATEIMAGEKHRPROC)eglGetProcAddress("eglCreateImageKHR");
	PFNGLEGLIMAGETARGETTEXTURE2DOESPROC target =
		(PFNGLEGLIMAGETARGETTEXTURE2DOESPROC)eglGetProcAddress(
			"glEGLImageTargetTexture2DOES");
	EGLImageKHR image = create(display, EGL_NO_CONTEXT, EGL_NATIVE_PIXMAP_KHR, bo, NULL);
	GLuint texture, framebuffer;

	if (!image)
		fail("eglCreateImageKHR");
	glGenTextures(1, &texture);
	glBindTexture(GL_TEXTURE_2D, texture);
	target(GL_TEXTURE_2D, image);
	glGenFramebuffers(1, &framebuffer);
	glBindFramebuffer(GL_FRAMEBUFFER, framebuffer);
	glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, texture, 0);
	if (glCheckFramebufferStatus(GL_FRAMEBUFFER) != GL_FRAMEBUFFER_COMPLETE)
		fail("framebuffer");
}

static GLuint shader(GLenum type, const char *text)
{
	GLuint made = glCreateShader(type);
	GLint ok;

	glShaderSource(made, 1, &text, NULL);
	glCompileShader(made);
	glGetShaderiv(made, GL_COMPILE_STATUS, &ok);
	if (!ok)
		fail("glCompileShader");
	return made;
}

static void draw(int width, int height)
{
	static const char vertex[] = "attribute vec2 at;\n"
				     "void main() { gl_Position = vec4(at, 0.0, 1.0); }\n";
	static const char fragment[] =
		"precision highp float;\n"
		"uniform vec2 size;\n"
		"uniform float blue;\n"
		"void main() { gl_FragColor = vec4(gl_FragCoord.xy / size, blue, 1.0); }\n";
	/* All of it, and a triangle from the middle to both upper corners. */
	static const GLfloat at[] = {-1, -1, 1, -1, -1, 1, 1, 1, 0, 0, -1, 1, 1, 1};
	GLuint program = glCreateProgram();

	glAttachShader(program, shader(GL_VERTEX_SHADER, vertex));
	glAttachShader(program, shader(GL_FRAGMENT_SHADER, fragment));
	glBindAttribLocation(program, 0, "at");
	glLinkProgram(program);
	glUseProgram(program);
	glViewport(0, 0, width, height);
	glVertexAttribPointer(0, 2, GL_FLOAT, GL_FALSE, 0, at);
	glEnableVertexAttribArray(0);
	glUniform2f(glGetUniformLocation(program, "size"), (GLfloat)width, (GLfloat)height);
	glDrawArrays(GL_TRIANGLE_STRIP, 0, 4);
	glUniform1f(glGetUniformLocation(program, "blue"), 1);
	glDrawArrays(GL_TRIANGLES, 4, 3);
	glFinish();
}

/* Of a pixel, from what tests/guest/gpu.py says that it is; but for blue near the edges of the
 * triangle. */
static int distance(const unsigned char *pixel, int x, int y, int width, int height)
{
	int red = abs(pixel[0] - (2 * x + 1) * 255 / (2 * width));
	int green = abs(pixel[1] - (2 * y + 1) * 255 / (2 * height));
	double above = (double)y / height - 0.5, aside = (double)x / width - 0.5;
	double inside = above - (aside < 0 ? -aside : aside);
	int blue = inside > -0.01 && inside < 0.01 ? 0 : abs(pixel[2] - (inside > 0 ? 255 : 0));
	int most = red > green ? red : green;

	return most > blue ? most : blue;
}

static void look(int width, int height)
{
	unsigned char *pixels = malloc((size_t)width * (size_t)height * 4);
	int most = 0;

	glReadPixels(0, 0, width, height, GL_RGBA, GL_UNSIGNED_BYTE, pixels);
	if (glGetError() != GL_NO_ERROR)
		fail("an error of OpenGL's");
	for (int i = 0; i < width * height; i++) {
		int off = distance(pixels + 4 * (size_t)i, i % width, i / width, width, height);

		most = off > most ? off : most;
	}
	printf("drawn, off by %d at most\n", most);
	free(pixels);
}

/* Unlike a picture that is shown it may be memory of the renderer's only. */
static void look_at_texture(void)
{
	enum { SIDE = 64 };
	static unsigned char pixels[SIDE * SIDE * 4];
	GLuint texture, framebuffer;

	glGenTextures(1, &texture);
	glBindTexture(GL_TEXTURE_2D, texture);
	glTexImage2D(GL_TEXTURE_2D, 0, GL_RGBA, SIDE, SIDE, 0, GL_RGBA, GL_UNSIGNED_BYTE, NULL);
	glGenFramebuffers(1, &framebuffer);
	glBindFramebuffer(GL_FRAMEBUFFER, framebuffer);
	glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, texture, 0);
	glClearColor(1, 0.4F, 0.2F, 1);
	glClear(GL_COLOR_BUFFER_BIT);
	glReadPixels(0, 0, SIDE, SIDE, GL_RGBA, GL_UNSIGNED_BYTE, pixels);
	if (glGetError() != GL_NO_ERROR)
		fail("an error of OpenGL's");
	printf("texture %02x%02x%02x%02x\n", pixels[0], pixels[1], pixels[2], pixels[3]);
}

int main(void)
{
	int fd = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
	struct gbm_device *gbm;
	struct gbm_bo *bo;
	struct monitor monitor;
	EGLDisplay display;

	setvbuf(stdout, NULL, _IOLBF, 0);
	check(fd, "/dev/dri/card0");
	find_monitor(fd, &monitor);
	gbm = gbm_create_device(fd);
	if (!gbm)
		fail("gbm_create_device");
	display = begin(gbm);
	bo = gbm_bo_create(gbm, monitor.mode.hdisplay, monitor.mode.vdisplay, GBM_FORMAT_XRGB8888,
			   GBM_BO_USE_SCANOUT | GBM_BO_USE_RENDERING);
	if (!bo)
		fail("gbm_bo_create");
	draw_to(display, bo);
	draw(monitor.mode.hdisplay, monitor.mode.vdisplay);
	look(monitor.mode.hdisplay, monitor.mode.vdisplay);
	look_at_texture();
	show(fd, &monitor, bo);
	printf("shown\n");
	pause();
	return 0;
}
