/* SPDX-License-Identifier: MIT */
/* vu-gpu's 3D: what a driver draws by virgl's commands is read back, and shown. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "three.h"

#ifdef HAVE_EPOXY
enum { NODES = 1 };
#else
enum { NODES = 0 };
#endif

enum { RED = 0xff0000, TEAL = 0x00cccc };
static const float red[4] = {1, 0, 0, 1}, teal[4] = {0, 0.8F, 0.8F, 1};

static void expect_colour(uint32_t output, uint32_t colour)
{
	const struct shot *s = gpu_look(output);

	assert_int_equal(s->width, PICTURE);
	assert_int_equal(s->height, PICTURE);
	for (uint32_t i = 0; i < PICTURE * PICTURE; i++)
		assert_int_equal(s->pixels[i], colour);
}

static void draw(uint32_t context, uint32_t id, const float rgba[4])
{
	struct stream stream = {.n = 0};

	three_clear(&stream, id, id, rgba);
	three_submit(context, &stream);
}

static void flush(uint32_t id)
{
	gpu_ok(gpu_try_flush(id, gpu_rect(0, 0, PICTURE, PICTURE)));
}

/* Mesa would have the renderer copy from and to memory of the guest's, which it does not have; and
 * with one of these without the others Mesa 22.3 crashes as it reads a picture. */
static void expect_no_copies(const unsigned char *capset2)
{
	enum { BITS = 392, TRANSFER = 1 << 17, COPY = 1 << 26, BITS_V2 = 688, BOTH = 1 << 7 };
	uint32_t bits, bits_v2;

	memcpy(&bits, capset2 + BITS, sizeof(bits));
	memcpy(&bits_v2, capset2 + BITS_V2, sizeof(bits_v2));
	assert_int_equal(le32toh(bits) & (TRANSFER | COPY), 0);
	assert_int_equal(le32toh(bits_v2) & BOTH, 0);
}

static void capsets_are_told_as_the_renderer_has_them(void **state)
{
	struct {
		struct virtio_gpu_resp_capset_info info;
	} answer;
	unsigned char capset[1400];
	struct rig *rig = *state;
	uint32_t n;

	three_start(rig, NULL);
	rig_get_config(rig, 12, &n, sizeof(n));
	assert_int_equal(le32toh(n), 2);
	for (uint32_t i = 0; i < 2; i++) {
		const struct virtio_gpu_get_capset_info ask = {
			.hdr = gpu_head(VIRTIO_GPU_CMD_GET_CAPSET_INFO),
			.capset_index = htole32(i)};
		struct virtio_gpu_get_capset get = {.hdr = gpu_head(VIRTIO_GPU_CMD_GET_CAPSET)};
		struct virtio_gpu_resp_capset_info *info = &answer.info;

		assert_int_equal(gpu_command(GPU_CONTROL, &ask, sizeof(ask), info, sizeof(*info)),
				 VIRTIO_GPU_RESP_OK_CAPSET_INFO);
		assert_int_equal(le32toh(info->capset_id), i + 1);
		assert_true(le32toh(info->capset_max_size) >= 308);
		assert_true(24 + le32toh(info->capset_max_size) <= sizeof(capset));
		get.capset_id = info->capset_id;
		get.capset_version = info->capset_max_version;
		assert_int_equal(gpu_command(GPU_CONTROL, &get, sizeof(get), capset,
					     24 + le32toh(info->capset_max_size)),
				 VIRTIO_GPU_RESP_OK_CAPSET);
		/* It begins with a version. */
		memcpy(&n, capset + 24, sizeof(n));
		assert_true(le32toh(n) >= 1 && le32toh(n) <= le32toh(info->capset_max_version));
		if (i == 1 && le32toh(info->capset_max_size) > 1024)
			expect_no_copies(capset + 24);
	}
	rig_stop(rig);
}

static void what_is_drawn_is_read_back_and_shown(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;

	three_start_shown(rig, &memory);
	draw(1, 5, red);
	flush(5);
	expect_colour(0, RED);
	gpu_ok(three_try_transfer(VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D, 1, 5, three_all(), 0, 0));
	for (uint32_t i = 0; i < PICTURE * PICTURE; i++)
		assert_int_equal(gpu_pixel(&memory, i), RED);
	draw(1, 5, teal);
	flush(5);
	expect_colour(0, TEAL);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "queue 0: "), 0);
}

static void a_picture_of_the_guest_is_shown_upright(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;

	three_start_shown(rig, &memory);
	gpu_ok(three_try_transfer(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, 1, 5, three_all(), 0, 0));
	flush(5);
	gpu_expect(0, &memory);
	rig_stop(rig);
}

/* Right ones are tests/guest/gpu_render_node.py's. */
static void paths_that_are_no_render_node_are_told_at_the_start(void **state)
{
	struct rig *rig = *state;
	const char *file = rig_file(rig, "file", "");
	const char *const rows[][2] = {
		{"/dev/null", "it is no render node of Linux"},
		{file, "it is no render node of Linux"},
		{"/proc/nonexistent", "No such file or directory"},
		{"", "No such file or directory"},
		{rig->dir, "Is a directory"},
	};
	char node[200], line[300];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *argv[] = {getenv(rig_program), "--virgl",	node,
				      "--socket-path",	   rig->socket, NULL};

		snprintf(node, sizeof(node), "--render-node=%s", rows[i][0]);
		snprintf(line, sizeof(line), "vu-gpu: %s: %s", node,
			 NODES ? rows[i][1] : "vu-gpu was built without libepoxy");
		spawn_expect(argv, 1, "", line);
	}
}

/* A node only where there is one: libvirt wants one then, for 2D as well. */
static void features_are_told_as_they_are_there(void **state)
{
	const char *argv[] = {getenv(rig_program), "--print-capabilities", NULL};
	bool is_there = !access("/dev/dri/renderD128", F_OK);
	struct spawned told;

	(void)state;
	spawn_run(&told, argv);
	assert_non_null(strstr(told.out, "\"virgl\""));
	assert_int_equal(!!strstr(told.out, "\"render-node\""), NODES && is_there);
	spawn_free(&told);
}

/* As libvirt says it, which finds one itself. */
static void a_node_is_nothing_to_a_card_without_3d(void **state)
{
	static const char *const options[] = {"--render-node=/dev/dri/renderD128", "--headless",
					      NULL};
	struct rig *rig = *state;

	gpu_start(rig, options);
	rig_stop(rig);
}

/* libepoxy ends a program which it finds no OpenGL for. */
static void libraries_that_are_not_there_are_told_at_the_start(void **state)
{
	struct rig *rig = *state;
	const char *const argv[] = {getenv(rig_program), "--virgl",    "--socket-path",
				    rig->socket,	 "--headless", NULL};
	const char *others = getenv("LD_LIBRARY_PATH");
	char *before = strdup(others ? others : ""), folders[1000];

	snprintf(folders, sizeof(folders), "%s:%s", rig->dir, before);
	setenv("LD_LIBRARY_PATH", folders, 1);
	rig_file(rig, "libGL.so.1", "");
	rig_file(rig, "libOpenGL.so.0", "");
	spawn_expect(argv, 1, "", "vu-gpu: --virgl: there is no OpenGL (Debian: ");
	spawn_expect(argv, 1, "", "/libGL.so.1: ");
	rig_file(rig, "libEGL.so.1", "");
	spawn_expect(argv, 1, "", "/libEGL.so.1: ");
	setenv("LD_LIBRARY_PATH", before, 1);
	free(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(capsets_are_told_as_the_renderer_has_them),
		GPU_TEST(what_is_drawn_is_read_back_and_shown),
		GPU_TEST(a_picture_of_the_guest_is_shown_upright),
		GPU_TEST(paths_that_are_no_render_node_are_told_at_the_start),
		GPU_TEST(features_are_told_as_they_are_there),
		GPU_TEST(a_node_is_nothing_to_a_card_without_3d),
		GPU_TEST(libraries_that_are_not_there_are_told_at_the_start),
	};

	if (!three_can_be_tested())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
