/* SPDX-License-Identifier: MIT */
/* vu-gpu: monitors and pointers; what the host is told and sees of them. */
#include "card.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct config {
	uint32_t events_read, events_clear, num_scanouts, num_capsets, blob_alignment;
};

static struct virtio_gpu_resp_display_info display_info(void)
{
	const struct virtio_gpu_ctrl_hdr c = gpu_head(VIRTIO_GPU_CMD_GET_DISPLAY_INFO);
	struct virtio_gpu_resp_display_info info;

	assert_int_equal(gpu_command(GPU_CONTROL, &c, sizeof(c), &info, sizeof(info)),
			 VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
	return info;
}

static void expect_mode(const struct virtio_gpu_resp_display_info *info, uint32_t output,
			uint32_t enabled, uint32_t width, uint32_t height)
{
	assert_int_equal(le32toh(info->pmodes[output].enabled), enabled);
	assert_int_equal(le32toh(info->pmodes[output].r.width), width);
	assert_int_equal(le32toh(info->pmodes[output].r.height), height);
}

static void drivers_are_told_of_the_monitors(void **state)
{
	static const char *const options[] = {"--output=1024x768", "--output=640x480",
					      "--max-outputs=4", NULL};
	struct rig *rig = *state;
	struct virtio_gpu_resp_display_info info;

	gpu_start(rig, options);
	info = display_info();
	expect_mode(&info, 0, 1, 1024, 768);
	expect_mode(&info, 1, 1, 640, 480);
	assert_int_equal(le32toh(info.pmodes[1].r.x), 1024);
	for (uint32_t i = 2; i < VIRTIO_GPU_MAX_SCANOUTS; i++)
		expect_mode(&info, i, 0, 0, 0);
	rig_stop(rig);
}

/* QEMU 10 asks for 16 bytes, QEMU 11 for 20. */
static void the_configuration_space_can_be_read_in_any_length(void **state)
{
	static const char *const options[] = {"--max-outputs=5", NULL};
	unsigned char bytes[256];
	struct rig *rig = *state;
	uint32_t five;

	gpu_start(rig, options);
	for (uint32_t len = 1; len <= sizeof(bytes); len++) {
		memset(bytes, 0xff, sizeof(bytes));
		rig_get_config(rig, 0, bytes, len);
		memcpy(&five, bytes + 8, 4);
		if (len >= 12)
			assert_int_equal(le32toh(five), 5);
		for (uint32_t i = 12; i < len; i++)
			assert_int_equal(bytes[i], 0);
	}
	rig_stop(rig);
}

static void a_monitor_says_which_size_it_has(void **state)
{
	static const char *const options[] = {"--output=1024x768", "--output=7680x4320", NULL};
	struct virtio_gpu_cmd_get_edid c = {.hdr = gpu_head(VIRTIO_GPU_CMD_GET_EDID)};
	struct virtio_gpu_resp_edid edid;
	struct rig *rig = *state;
	const uint8_t *e = edid.edid;
	uint8_t sum = 0;

	gpu_start(rig, options);
	assert_int_equal(gpu_command(GPU_CONTROL, &c, sizeof(c), &edid, sizeof(edid)),
			 VIRTIO_GPU_RESP_OK_EDID);
	assert_int_equal(le32toh(edid.size), 128);
	for (uint32_t i = 0; i < 128; i++)
		sum = (uint8_t)(sum + e[i]);
	assert_int_equal(sum, 0);
	/* The first detailed timing. */
	assert_int_equal(e[56] | (e[58] >> 4) << 8, 1024);
	assert_int_equal(e[59] | (e[61] >> 4) << 8, 768);
	/* One that is too large for that has another block, with a checksum of its own. */
	c.scanout = htole32(1);
	gpu_command(GPU_CONTROL, &c, sizeof(c), &edid, sizeof(edid));
	assert_int_equal(le32toh(edid.size), 256);
	assert_int_equal(e[126], 1);
	for (uint32_t i = 128; i < 256; i++)
		sum = (uint8_t)(sum + e[i]);
	assert_int_equal(sum, 0);
	assert_int_equal(e[128], 0x70);
	assert_int_equal(e[140] | e[141] << 8, 7679);
	assert_int_equal(e[148] | e[149] << 8, 4319);
	c.scanout = htole32(2);
	assert_int_equal(gpu_command(GPU_CONTROL, &c, sizeof(c), &edid, sizeof(edid)),
			 VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID);
	rig_stop(rig);
}

static uint32_t events(struct rig *rig)
{
	struct config config;

	rig_get_config(rig, 0, &config, sizeof(config));
	return le32toh(config.events_read);
}

static void a_driver_hears_of_monitors_that_come_and_go(void **state)
{
	static const char *const options[] = {"--max-outputs=2", NULL};
	const uint32_t clear = htole32(VIRTIO_GPU_EVENT_DISPLAY);
	struct virtio_gpu_resp_display_info info;
	struct rig *rig = *state;
	struct frontend_msg msg;

	gpu_start(rig, options);
	assert_int_equal(events(rig), 0);
	rig_say(rig, "plug 1 800x600");
	rig_check(rig, frontend_expect_backend(&rig->peer->frontend, WIRE_BACKEND_CONFIG_CHANGE_MSG,
					       &msg));
	assert_int_equal(events(rig), VIRTIO_GPU_EVENT_DISPLAY);
	info = display_info();
	expect_mode(&info, 0, 1, 1280, 800);
	expect_mode(&info, 1, 1, 800, 600);
	rig_set_config(rig, 4, &clear, sizeof(clear));
	assert_int_equal(events(rig), 0);
	rig_say(rig, "resize 0 1920x1080");
	assert_int_equal(events(rig), VIRTIO_GPU_EVENT_DISPLAY);
	info = display_info();
	expect_mode(&info, 0, 1, 1920, 1080);
	rig_set_config(rig, 4, &clear, sizeof(clear));
	rig_say(rig, "unplug 1");
	assert_int_equal(events(rig), VIRTIO_GPU_EVENT_DISPLAY);
	info = display_info();
	expect_mode(&info, 1, 0, 0, 0);
	/* It comes back with the size that it had. */
	rig_say(rig, "plug 1");
	info = display_info();
	expect_mode(&info, 1, 1, 800, 600);
	rig_stop(rig);
}

static void commands_that_make_no_sense_change_nothing(void **state)
{
	static const char *const lines[] = {"plug 1",
					    "plug 0 800",
					    "plug 0 x",
					    "resize 0 399x600",
					    "resize 0 800x16385",
					    "resize 0 800x600x5",
					    "resize 0 -1x600",
					    "unplug one",
					    "resize 18446744073709551616 800x600",
					    "resize 0 0000000000000000000800x600"};
	struct virtio_gpu_resp_display_info info;
	struct rig *rig = *state;

	gpu_start(rig, NULL);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		rig_say_refused(rig, lines[i]);
	info = display_info();
	expect_mode(&info, 0, 1, 1280, 800);
	assert_int_equal(events(rig), 0);
	rig_stop(rig);
}

static void options_that_make_no_sense_are_told_at_the_start(void **state)
{
	struct rig *rig = *state;
	const char *file = rig_file(rig, "file", "");
	const char *const rows[][3] = {
		{"--dir", file, "Not a directory"},
		{"--dir", "/proc/nonexistent", "No such file"},
		{"--dir", "", "No such file"},
		{"--dump", "a", "and --dir, please"},
		{"--dump", "", "and --dir, please"},
		{"--max-outputs", "1", "of --output there are 2"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *argv[] = {
			getenv(rig_program), "--socket-path", rig->socket, "--output=640x480",
			"--output=640x480",  rows[i][0],      rows[i][1],  NULL};

		spawn_expect(argv, 1, "", rows[i][2]);
	}
}

static void options_that_would_do_nothing_are_told_at_the_start(void **state)
{
	struct rig *rig = *state;
	const char *const rows[][3] = {
		{"--dmabuf", "--headless", "there is no display that could have them"},
		{"--dump-count=3", "--headless", "nothing is written without --dump"},
		{"--dump-count=100", "--headless", "nothing is written without --dump"},
		{"--render-node=/dev/null", "--venus", "is drawn in software"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *argv[] = {getenv(rig_program), "--socket-path", rig->socket,
				      rows[i][0],	   rows[i][1],	    NULL};

		spawn_expect(argv, 1, "", rows[i][2]);
	}
}

static void screenshots_are_written_to_the_folder_and_nowhere_else(void **state)
{
	static const char *const names[] = {
		"../shot.png", "/tmp/shot.png", "a/b.png", ".", "..", "/"};
	struct rig *rig = *state;
	struct rig_buffer memory;
	char line[200];

	gpu_start(rig, NULL);
	gpu_picture(&memory, 1);
	gpu_create(1, &memory);
	gpu_show(0, 1);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(line, sizeof(line), "screenshot %s", names[i]);
		assert_string_equal(rig_say_refused(rig, line),
				    "the name of a file in --dir, please");
	}
	/* By its whole path, too; and over a link that somebody made, not through it. */
	rig_file(rig, "kept", "kept");
	assert_int_equal(symlink("kept", rig_file(rig, "link.png", NULL)), 0);
	snprintf(line, sizeof(line), "screenshot %s/link.png", rig->dir);
	rig_say(rig, line);
	assert_int_equal(access(rig->files[2], F_OK), 0);
	snprintf(line, sizeof(line), "%s/kept", rig->dir);
	{
		FILE *file = fopen(line, "r");
		char text[8] = "";

		assert_int_equal(fread(text, 1, sizeof(text) - 1, file), 4);
		assert_string_equal(text, "kept");
		fclose(file);
	}
	rig_stop(rig);
}

static void every_picture_is_dumped_and_only_the_last_are_kept(void **state)
{
	static const char *const options[] = {"--dump=pic", "--dump-count=3", NULL};
	struct rig *rig = *state;
	struct rig_buffer memory;

	gpu_start(rig, options);
	gpu_picture(&memory, 1);
	gpu_create(1, &memory);
	gpu_show(0, 1);
	for (uint32_t i = 0; i < 10; i++) {
		memory.data[100] = (unsigned char)(200 + i);
		gpu_update(1);
		gpu_update(1); /* nothing new */
	}
	gpu_expect_state(0, " frames 10 ");
	rig_stop(rig);
	for (int i = 0; i < 3; i++) {
		char name[24];

		snprintf(name, sizeof(name), "pic-0-%06d.png", i);
		assert_int_equal(access(rig_file(rig, name, NULL), F_OK), 0);
	}
}

static void pointers_are_drawn_moved_and_hidden(void **state)
{
	static const char *const options[] = {"--max-outputs=2", NULL};
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct virtio_gpu_mem_entry entry;

	gpu_start(rig, options);
	gpu_expect_state(1, "cursor hidden 0,0");
	rig_buffer(rig, &memory, 64 * 64 * 4);
	entry = gpu_entry(memory.gpa, memory.len);
	gpu_ok(gpu_try_create(1, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 64, 64));
	gpu_ok(gpu_try_cursor(VIRTIO_GPU_CMD_UPDATE_CURSOR, 1, 1, 100, 200));
	gpu_expect_state(1, "cursor visible 100,200 hot 3,5");
	gpu_expect_state(0, "cursor hidden 0,0");
	gpu_ok(gpu_try_cursor(VIRTIO_GPU_CMD_MOVE_CURSOR, 1, 1, 0xfffffffe, 7));
	gpu_expect_state(1, "cursor visible -2,7 hot 3,5");
	gpu_ok(gpu_try_cursor(VIRTIO_GPU_CMD_UPDATE_CURSOR, 1, 0, 5, 5));
	gpu_expect_state(1, "cursor hidden 5,5");
	/* Of a blob; and of pictures of other sizes, down to one pixel. */
	gpu_ok(gpu_try_blob(2, memory.len, &entry, 1));
	gpu_ok(gpu_try_cursor(VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 2, 1, 1));
	gpu_ok(gpu_try_create(3, XRGB, 1, 1));
	gpu_ok(gpu_try_create(4, XRGB, 200, 65));
	gpu_ok(gpu_try_cursor(VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 3, 1, 1));
	gpu_ok(gpu_try_cursor(VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 4, 1, 1));
	/* The picture may go: a pointer is a copy. */
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 4));
	gpu_expect_state(0, "cursor visible 1,1");
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(drivers_are_told_of_the_monitors),
		GPU_TEST(the_configuration_space_can_be_read_in_any_length),
		GPU_TEST(a_monitor_says_which_size_it_has),
		GPU_TEST(a_driver_hears_of_monitors_that_come_and_go),
		GPU_TEST(commands_that_make_no_sense_change_nothing),
		GPU_TEST(options_that_make_no_sense_are_told_at_the_start),
		GPU_TEST(options_that_would_do_nothing_are_told_at_the_start),
		GPU_TEST(screenshots_are_written_to_the_folder_and_nowhere_else),
		GPU_TEST(every_picture_is_dumped_and_only_the_last_are_kept),
		GPU_TEST(pointers_are_drawn_moved_and_hidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
