/* SPDX-License-Identifier: MIT */
/*
 * vu-gpu --virgl --render-node=$VU_GPU_NODE: a display has the memory where 3D is drawn, as a
 * dma-buf, and imports it by OpenGL of its own on the same node.  Where it takes none, it is sent
 * the pixels.
 */
#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GLES2/gl2.h>
#include <GLES2/gl2ext.h>
#include <fcntl.h>
#include <gbm.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../devices/client.h"
#include "display.h"
#include "kit/counts.h"
#include "three.h"

enum { DMABUF_SCANOUT = 9, DMABUF_UPDATE = 10, DMABUF_SCANOUT2 = 12, BOTH = 3 };
enum { SCANOUT_OF, X, Y, WIDTH, HEIGHT, FD_WIDTH, FD_HEIGHT, STRIDE, FLAGS, FOURCC, MODIFIER };
enum { Y_0_TOP = 1, RED = 0xff0000, TEAL = 0x00cccc };
#define NO_MODIFIER UINT64_C(0x00ffffffffffffff)
static const float red[4] = {1, 0, 0, 1}, teal[4] = {0, 0.8F, 0.8F, 1};

/* --- the display's OpenGL --- */

static EGLDisplay egl;

static void begin_opengl(void)
{
	static const EGLint attributes[] = {EGL_CONTEXT_CLIENT_VERSION, 2, EGL_NONE};
	int fd = open(getenv("VU_GPU_NODE"), O_RDWR | O_CLOEXEC);
	EGLContext context;

	assert_true(fd >= 0);
	egl = eglGetPlatformDisplay(EGL_PLATFORM_GBM_KHR, gbm_create_device(fd), NULL);
	assert_true(eglInitialize(egl, NULL, NULL));
	eglBindAPI(EGL_OPENGL_ES_API);
	context = eglCreateContext(egl, EGL_NO_CONFIG_KHR, EGL_NO_CONTEXT, attributes);
	assert_true(context && eglMakeCurrent(egl, EGL_NO_SURFACE, EGL_NO_SURFACE, context));
	print_message("the display's OpenGL is %s\n", (const char *)glGetString(GL_RENDERER));
}

/* What a display was told, imported. */
struct shared {
	int fd;
	uint32_t words[12];
	EGLImageKHR image;
	GLuint texture, framebuffer;
};

static void import(struct shared *s)
{
	PFNEGLCREATEIMAGEKHRPROC create =
		(PFNEGLCREATEIMAGEKHRPROC)eglGetProcAddress("eglCreateImageKHR");
	PFNGLEGLIMAGETARGETTEXTURE2DOESPROC target =
		(PFNGLEGLIMAGETARGETTEXTURE2DOESPROC)eglGetProcAddress(
			"glEGLImageTargetTexture2DOES");
	EGLint attributes[20] = {EGL_WIDTH,
				 (EGLint)s->words[FD_WIDTH],
				 EGL_HEIGHT,
				 (EGLint)s->words[FD_HEIGHT],
				 EGL_LINUX_DRM_FOURCC_EXT,
				 (EGLint)s->words[FOURCC],
				 EGL_DMA_BUF_PLANE0_FD_EXT,
				 s->fd,
				 EGL_DMA_BUF_PLANE0_OFFSET_EXT,
				 0,
				 EGL_DMA_BUF_PLANE0_PITCH_EXT,
				 (EGLint)s->words[STRIDE],
				 EGL_NONE};
	uint64_t modifier;

	memcpy(&modifier, &s->words[MODIFIER], sizeof(modifier));
	if (modifier != NO_MODIFIER) {
		attributes[12] = EGL_DMA_BUF_PLANE0_MODIFIER_LO_EXT;
		attributes[13] = (EGLint)s->words[MODIFIER];
		attributes[14] = EGL_DMA_BUF_PLANE0_MODIFIER_HI_EXT;
		attributes[15] = (EGLint)s->words[MODIFIER + 1];
		attributes[16] = EGL_NONE;
	}
	s->image = create(egl, EGL_NO_CONTEXT, EGL_LINUX_DMA_BUF_EXT, NULL, attributes);
	assert_non_null(s->image);
	glGenTextures(1, &s->texture);
	glBindTexture(GL_TEXTURE_2D, s->texture);
	target(GL_TEXTURE_2D, s->image);
	glGenFramebuffers(1, &s->framebuffer);
	glBindFramebuffer(GL_FRAMEBUFFER, s->framebuffer);
	glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, s->texture, 0);
	assert_int_equal(glCheckFramebufferStatus(GL_FRAMEBUFFER), GL_FRAMEBUFFER_COMPLETE);
}

/* As the guest has it: from the top. */
static void look(const struct shared *s, uint32_t *pixels)
{
	unsigned char bytes[4 * PICTURE * PICTURE];

	glBindFramebuffer(GL_FRAMEBUFFER, s->framebuffer);
	glReadPixels(0, 0, PICTURE, PICTURE, GL_RGBA, GL_UNSIGNED_BYTE, bytes);
	assert_int_equal(glGetError(), GL_NO_ERROR);
	for (uint32_t i = 0; i < PICTURE * PICTURE; i++) {
		uint32_t y = i / PICTURE, from = s->words[FLAGS] & Y_0_TOP ? PICTURE - 1 - y : y;
		const unsigned char *p = bytes + 4 * (size_t)(from * PICTURE + i % PICTURE);

		pixels[i] = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
	}
}

static void is_all(const struct shared *s, uint32_t colour)
{
	uint32_t pixels[PICTURE * PICTURE];

	look(s, pixels);
	for (uint32_t i = 0; i < PICTURE * PICTURE; i++)
		assert_int_equal(pixels[i], colour);
}

static void is_picture(const struct shared *s, const struct rig_buffer *memory)
{
	uint32_t pixels[PICTURE * PICTURE];

	look(s, pixels);
	for (uint32_t i = 0; i < PICTURE * PICTURE; i++)
		assert_int_equal(pixels[i], gpu_pixel(memory, i));
}

static void drop(struct shared *s)
{
	PFNEGLDESTROYIMAGEKHRPROC destroy =
		(PFNEGLDESTROYIMAGEKHRPROC)eglGetProcAddress("eglDestroyImageKHR");

	glDeleteFramebuffers(1, &s->framebuffer);
	glDeleteTextures(1, &s->texture);
	destroy(egl, s->image);
	close(s->fd);
}

/* --- what it is told --- */

/* The next message's head, and what came with it: -1. */
static int receive(int socket, uint32_t head[3])
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {head, 3 * sizeof(head[0])};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf)};
	const struct cmsghdr *c;
	int fd = -1;

	assert_int_equal(recvmsg(socket, &mh, MSG_CMSG_CLOEXEC | MSG_WAITALL), 12);
	c = CMSG_FIRSTHDR(&mh);
	if (c)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

/* A dma-buf is the first that it is told of the picture: nothing was copied. */
static struct shared expect_shared(int socket)
{
	struct shared s = {.fd = -1};
	uint32_t head[3];

	s.fd = receive(socket, head);
	assert_int_equal(head[0], DMABUF_SCANOUT2);
	assert_int_equal(head[2], sizeof(s.words));
	client_read(socket, s.words, sizeof(s.words));
	assert_true(s.fd >= 0);
	assert_int_equal(s.words[FD_WIDTH], PICTURE);
	assert_int_equal(s.words[FD_HEIGHT], PICTURE);
	assert_true(s.words[STRIDE] >= 4 * PICTURE);
	assert_int_equal(s.words[FOURCC] & 0xff,
			 'X'); /* without alpha, as virglrenderer makes it */
	import(&s);
	return s;
}

static void expect_update(int socket)
{
	struct told told = display_expect(socket, DMABUF_UPDATE, NULL);

	assert_int_equal(told.words[0], 0);
	display_send(socket, DMABUF_UPDATE, REPLY, NULL, 0);
}

static void flush(uint32_t id)
{
	gpu_ok(gpu_try_flush(id, gpu_rect(0, 0, PICTURE, PICTURE)));
}

static void draw(uint32_t id, const float rgba[4])
{
	struct stream stream = {.n = 0};

	three_clear(&stream, id, id, rgba);
	three_submit(1, &stream);
	flush(id);
}

static int begin_display(struct rig *rig)
{
	const uint64_t features = BOTH;
	int fd = display_give(rig);
	struct told told;

	display_expect(fd, GET_PROTOCOL_FEATURES, NULL);
	display_send(fd, GET_PROTOCOL_FEATURES, REPLY, &features, sizeof(features));
	told = display_expect(fd, SET_PROTOCOL_FEATURES, NULL);
	assert_int_equal(told.words[0], BOTH);
	return fd;
}

/* With --dir vu-gpu has the pixels, too. */
static void start(struct rig *rig, bool copies)
{
	static const char *const with_dir[] = {"--dmabuf", "--max-fps=0", NULL};
	char node[128];
	const char *without[] = {"--control", rig->control,  "--virgl", node,
				 "--dmabuf",  "--max-fps=0", NULL};

	if (copies) {
		three_start(rig, with_dir);
		return;
	}
	snprintf(node, sizeof(node), "--render-node=%s", getenv("VU_GPU_NODE"));
	rig->config.n_queues = GPU_QUEUES;
	rig->has_sandbox = true;
	rig_spawn(rig, without);
	rig_connect(rig);
	gpu_begin(rig);
}

/* --- tests --- */

static void play_pictures(struct rig *rig, bool copies)
{
	struct rig_buffer memory;
	struct shared s;
	int fd;

	start(rig, copies);
	fd = begin_display(rig);
	three_show_picture(&memory);
	s = expect_shared(fd);
	assert_int_equal(s.words[WIDTH], PICTURE);
	assert_int_equal(s.words[HEIGHT], PICTURE);
	assert_int_equal(s.words[X] | s.words[Y] | s.words[FLAGS], 0);
	expect_update(fd);
	for (int i = 0; i < 4; i++) {
		draw(5, i % 2 ? teal : red);
		expect_update(fd);
		is_all(&s, i % 2 ? TEAL : RED);
		if (copies)
			assert_int_equal(gpu_look(0)->pixels[7], i % 2 ? TEAL : RED);
	}
	gpu_ok(three_try_transfer(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, 1, 5, three_all(), 0, 0));
	flush(5);
	expect_update(fd);
	is_picture(&s, &memory);
	if (copies)
		gpu_expect(0, &memory);
	drop(&s);
	close(fd);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "resource 5: it is shown as a dma-buf"), 1);
	assert_int_equal(rig_logged(rig, "queue 0: "), 0);
}

static void a_display_has_the_memory_that_is_drawn_to(void **state)
{
	play_pictures(*state, false);
}

static void with_screenshots_it_has_it_too(void **state)
{
	play_pictures(*state, true);
}

/* Mesa makes its pictures so, for which displays turn them. */
static void a_picture_that_begins_below_says_so(void **state)
{
	const struct virtio_gpu_resource_create_3d turned = {.target = TARGET_2D, .flags = Y_0_TOP};
	struct rig *rig = *state;
	struct virtio_gpu_mem_entry entry;
	struct rig_buffer memory;
	struct shared s;
	int fd;

	start(rig, true);
	fd = begin_display(rig);
	gpu_picture(&memory, 1);
	entry = gpu_entry(memory.gpa, memory.len);
	three_context(1);
	gpu_ok(three_try_create(6, turned));
	gpu_ok(gpu_try_attach(6, &entry, 1));
	gpu_ok(three_try_resource(VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 1, 6));
	gpu_show(0, 6);
	s = expect_shared(fd);
	assert_int_equal(s.words[FLAGS], Y_0_TOP);
	expect_update(fd);
	gpu_ok(three_try_transfer(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, 1, 6, three_all(), 0, 0));
	flush(6);
	expect_update(fd);
	is_picture(&s, &memory);
	gpu_expect(0, &memory);
	drop(&s);
	close(fd);
	rig_stop(rig);
}

static void parts_other_pictures_and_none_are_told(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct shared first, again, s;
	struct told told;
	int fd, before;

	start(rig, false);
	fd = begin_display(rig);
	before = count_fds_of(rig->program.pid);
	three_show_picture(&memory);
	first = expect_shared(fd);
	expect_update(fd);
	draw(5, red);
	expect_update(fd);
	gpu_ok(gpu_try_show(0, 5, gpu_rect(8, 4, PICTURE - 10, PICTURE - 5)));
	again = expect_shared(fd);
	assert_int_equal(again.words[X], 8);
	assert_int_equal(again.words[Y], 4);
	assert_int_equal(again.words[WIDTH], PICTURE - 10);
	assert_int_equal(again.words[HEIGHT], PICTURE - 5);
	expect_update(fd);
	drop(&again);
	/* Another picture, then the first again, of which there is one already. */
	three_picture(1, 7, &memory);
	gpu_show(0, 7);
	s = expect_shared(fd);
	expect_update(fd);
	draw(7, teal);
	expect_update(fd);
	is_all(&s, TEAL);
	is_all(&first, RED);
	drop(&s);
	assert_int_equal(count_fds_of(rig->program.pid), before + 2);
	gpu_show(0, 5);
	again = expect_shared(fd);
	expect_update(fd);
	is_all(&again, RED);
	drop(&again);
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 5));
	told = display_expect(fd, DMABUF_SCANOUT, NULL);
	assert_int_equal(told.words[WIDTH] | told.words[HEIGHT], 0);
	told = display_expect(fd, SCANOUT, NULL);
	assert_int_equal(told.words[1], 0);
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 7));
	assert_int_equal(count_fds_of(rig->program.pid), before);
	/* It stays with who has it. */
	is_all(&first, RED);
	drop(&first);
	close(fd);
	rig_stop(rig);
}

static void a_display_that_comes_later_has_it(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct shared s;
	int fd;

	start(rig, true);
	three_show_picture(&memory);
	draw(5, teal);
	for (int i = 0; i < 2; i++) {
		fd = begin_display(rig);
		s = expect_shared(fd);
		expect_update(fd);
		is_all(&s, TEAL);
		drop(&s);
		close(fd);
	}
	rig_stop(rig);
}

static void without_dma_bufs_it_is_sent_pixels(void **state)
{
	static struct shown shown;
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct told told = {0};
	int fd;

	three_start(rig, NULL);
	three_show_picture(&memory);
	gpu_ok(three_try_transfer(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, 1, 5, three_all(), 0, 0));
	flush(5);
	fd = display_begin(rig, BOTH);
	while (told.request != UPDATE)
		told = display_next(fd, &shown);
	display_is(&shown, &memory);
	close(fd);
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(without_dma_bufs_it_is_sent_pixels),
		GPU_TEST(a_display_has_the_memory_that_is_drawn_to),
		GPU_TEST(with_screenshots_it_has_it_too),
		GPU_TEST(a_picture_that_begins_below_says_so),
		GPU_TEST(parts_other_pictures_and_none_are_told),
		GPU_TEST(a_display_that_comes_later_has_it),
	};

	if (!getenv("VU_GPU_NODE")) {
		printf("skipped: VU_GPU_NODE names no render node (tests/guest/gpu_render_node.py "
		       "has one)\n");
		return 77;
	}
	if (!three_can_be_tested())
		return 77;
	begin_opengl();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
