/* SPDX-License-Identifier: MIT */
/* vu-gpu with --dmabuf: blobs that cannot be dma-bufs, and memory that goes: pixels are told. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../devices/client.h"
#include "fake_udmabuf.h"
#include "kit/counts.h"
#include "shared.h"

static struct shown shown;

/* The picture of what is shown comes as pixels. */
static void expect_pixels(int fd, const struct rig_buffer *memory)
{
	struct told told = display_expect(fd, SCANOUT, &shown);

	assert_int_equal(told.words[1], PICTURE);
	display_expect(fd, UPDATE, &shown);
	display_is(&shown, memory);
}

static void show_and_expect_pixels(struct rig *rig, int fd, uint32_t id,
				   const struct rig_buffer *memory)
{
	shared_show(0, id);
	expect_pixels(fd, memory);
	shared_flush(id);
	display_expect_nothing(rig, fd);
	gpu_ok(gpu_try_show_blob(0, 0, 0, 0, 0, 0));
	display_expect(fd, SCANOUT, NULL);
}

static void what_the_kernel_refuses_is_copied_with_one_line(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	int fd, before;

	setenv(FAKE_UDMABUF_FAILS, "24", 1); /* EMFILE */
	shared_start(rig, true);
	unsetenv(FAKE_UDMABUF_FAILS);
	fd = shared_display(rig, 3);
	shared_pages(rig, &memory, 1);
	shared_blob(1, &memory);
	before = count_fds_of(rig->program.pid);
	for (int i = 0; i < 5; i++)
		show_and_expect_pixels(rig, fd, 1, &memory);
	assert_int_equal(count_fds_of(rig->program.pid), before);
	close(fd);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "resource 1: it is copied, and not shown as a dma-buf: "
					 "/dev/udmabuf: Too many open files"),
			 1);
}

static void memory_that_is_not_sealed_is_copied(void **state)
{
	static const char *const options[] = {"--dmabuf", "--max-fps=0", NULL};
	struct rig *rig = *state;
	struct rig_buffer memory;
	int fd;

	gpu_start(rig, options);
	fd = shared_display(rig, 3);
	shared_pages(rig, &memory, 1);
	shared_blob(1, &memory);
	shared_show(0, 1);
	shared_expect_drawn(fd, 0, &memory);
	close(fd);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "not shown as a dma-buf: guest memory is no memfd that "
					 "is sealed"),
			 1);
}

static void a_display_takes_no_dma_bufs_unless_that_is_said(void **state)
{
	static const char *const options[] = {"--max-fps=0", NULL};
	struct rig *rig = *state;
	struct rig_buffer memory;
	int fd;

	gpu_start(rig, options);
	fd = display_begin(rig, 3);
	shared_pages(rig, &memory, 1);
	shared_blob(1, &memory);
	show_and_expect_pixels(rig, fd, 1, &memory);
	close(fd);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "dma-buf"), 0);
}

/* --- pictures --- */

static void pictures_are_drawn_where_the_display_has_them(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct got got, update;
	int fd, before;

	shared_start(rig, true);
	gpu_picture(&memory, 1);
	gpu_create(1, &memory);
	gpu_show(0, 1);
	gpu_update(1);
	gpu_expect(0, &memory);
	before = count_fds_of(rig->program.pid);
	/* What was drawn before there was a display is there, too. */
	fd = shared_display(rig, 3);
	got = shared_expect(fd, DMABUF_SCANOUT2);
	shared_is_drawn(got.drawn, &memory);
	update = shared_expect(fd, DMABUF_UPDATE);
	assert_int_equal(update.words[4], PICTURE);
	shared_ack(fd);
	/* Only what differs is told, and nothing if nothing does. */
	memory.data[4 * (PICTURE * 7 + 3)] ^= 0xff;
	gpu_update(1);
	update = shared_expect(fd, DMABUF_UPDATE);
	assert_int_equal(update.words[2], 7);
	assert_int_equal(update.words[4], 1);
	shared_ack(fd);
	shared_is_drawn(got.drawn, &memory);
	gpu_update(1);
	display_expect_nothing(rig, fd);
	gpu_expect(0, &memory);
	/* Its dma-buf, and the display with two timers. */
	assert_int_equal(count_fds_of(rig->program.pid), before + 4);
	/* Another size. */
	gpu_ok(gpu_try_show(0, 1, gpu_rect(1, 1, 7, 5)));
	got = shared_expect(fd, DMABUF_SCANOUT2);
	assert_true(got.words[3] == 7 && got.words[4] == 5 && got.words[7] == 28);
	shared_expect(fd, DMABUF_UPDATE);
	assert_int_equal(got.drawn[0] & 0xffffff, gpu_pixel(&memory, PICTURE + 1));
	assert_int_equal(got.drawn[34] & 0xffffff, gpu_pixel(&memory, 5 * PICTURE + 7));
	gpu_ok(gpu_try_show(0, 0, gpu_rect(0, 0, 0, 0)));
	shared_expect_gone(fd, 0, 0, 0);
	assert_int_equal(count_fds_of(rig->program.pid), before + 3);
	close(fd);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "output 0: it is shown as a dma-buf"), 1);
}

/* What the kernel refuses, of pictures. */
static void pictures_are_sent_where_there_can_be_no_dma_buf(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	int fd;

	setenv(FAKE_UDMABUF_FAILS, "12", 1); /* ENOMEM */
	shared_start(rig, true);
	unsetenv(FAKE_UDMABUF_FAILS);
	gpu_picture(&memory, 1);
	gpu_create(1, &memory);
	gpu_ok(gpu_try_transfer(1, gpu_rect(0, 0, PICTURE, PICTURE), 0));
	fd = shared_display(rig, 3);
	for (int i = 0; i < 3; i++) {
		gpu_show(0, 1);
		expect_pixels(fd, &memory);
		gpu_ok(gpu_try_show(0, 0, gpu_rect(0, 0, 0, 0)));
		display_expect(fd, SCANOUT, NULL);
	}
	close(fd);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "output 0: it is copied, and not shown as a dma-buf: "
					 "/dev/udmabuf: Cannot allocate memory"),
			 1);
}

/* --- pieces --- */

static void try_pieces(int fd, uint32_t id, const struct virtio_gpu_mem_entry *list, uint32_t n)
{
	gpu_ok(gpu_try_blob(id, PAGE, list, n));
	shared_show(0, id);
	assert_non_null(shared_expect(fd, DMABUF_SCANOUT2).drawn);
	shared_expect(fd, DMABUF_UPDATE);
	shared_ack(fd);
	gpu_ok(gpu_try_show_blob(0, 0, 0, 0, 0, 0));
	shared_expect_gone(fd, 0, 0, 0);
}

static void pieces_that_are_no_pages_are_copied(void **state)
{
	enum { MANY = 1025 };
	static struct virtio_gpu_mem_entry many[MANY];
	struct rig *rig = *state;
	struct rig_buffer memory;
	int fd;

	shared_start(rig, true);
	fd = shared_display(rig, 3);
	rig_buffer(rig, &memory, 3 * PAGE);
	shared_pages(rig, &memory, 1);
	shared_pages(rig, &memory, 2);
	memory.gpa -= PAGE;
	try_pieces(fd, 1, (struct virtio_gpu_mem_entry[]){gpu_entry(memory.gpa + 16, PAGE)}, 1);
	try_pieces(fd, 2,
		   (struct virtio_gpu_mem_entry[]){gpu_entry(memory.gpa, PAGE - 16),
						   gpu_entry(memory.gpa, 16)},
		   2);
	try_pieces(fd, 3,
		   (struct virtio_gpu_mem_entry[]){gpu_entry(memory.gpa, PAGE / 2),
						   gpu_entry(memory.gpa + PAGE, PAGE / 2)},
		   2);
	for (uint32_t i = 0; i < MANY; i++)
		many[i] = gpu_entry(memory.gpa, PAGE);
	gpu_ok(gpu_try_blob(4, (uint64_t)MANY * PAGE, many, MANY));
	gpu_ok(gpu_try_show_blob(0, 4, PICTURE, MANY * PICTURE / 4, 16 * PICTURE, 0));
	assert_non_null(shared_expect(fd, DMABUF_SCANOUT2).drawn);
	close(fd);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "its first pixel is at no page's beginning"), 1);
	assert_int_equal(rig_logged(rig, "pieces of less than a page"), 2);
	assert_int_equal(rig_logged(rig, "more than 1024 pieces"), 1);
}

/* Pages in any order, and one twice: all that lie behind each other are one piece. */
static void pages_in_pieces_are_one_dma_buf(void **state)
{
	struct virtio_gpu_mem_entry list[4];
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct got got;
	uint64_t gpa;
	int fd;

	shared_start(rig, false);
	fd = shared_display(rig, 3);
	gpa = guest_alloc(rig->peer->guest, 3 * PAGE, PAGE);
	shared_pages(rig, &memory, 1);
	list[0] = gpu_entry(gpa, PAGE);
	list[1] = gpu_entry(gpa + PAGE, PAGE);
	list[2] = gpu_entry(gpa, PAGE);
	list[3] = gpu_entry(memory.gpa, PAGE / 2); /* of the last page less */
	gpu_ok(gpu_try_blob(1, 3 * PAGE + PAGE / 2, list, 4));
	gpu_ok(gpu_try_show_blob(0, 1, PICTURE, 112, 4 * PICTURE, 0));
	got = shared_expect(fd, DMABUF_SCANOUT2);
	assert_int_equal(got.n_pieces, 3);
	assert_true(got.pieces[0].offset == gpa && got.pieces[0].size == 2 * PAGE);
	assert_true(got.pieces[1].offset == gpa && got.pieces[1].size == PAGE);
	assert_true(got.pieces[2].offset == memory.gpa && got.pieces[2].size == PAGE);
	shared_expect(fd, DMABUF_UPDATE);
	/* From its second page on: what is before is not in it. */
	gpu_ok(gpu_try_show_blob(0, 1, PICTURE, 16, 4 * PICTURE, PAGE));
	got = shared_expect(fd, DMABUF_SCANOUT2);
	assert_int_equal(got.n_pieces, 1);
	assert_true(got.pieces[0].offset == gpa + PAGE && got.pieces[0].size == PAGE);
	/* Not at a page's beginning, and back. */
	gpu_ok(gpu_try_show_blob(0, 1, PICTURE, 16, 4 * PICTURE, PAGE + 4));
	shared_ack(fd);
	assert_non_null(shared_expect(fd, DMABUF_SCANOUT2).drawn);
	shared_expect(fd, DMABUF_UPDATE);
	close(fd);
	rig_stop(rig);
}

/* --- what a guest says of it --- */

static uint32_t try_layout(uint32_t format, uint32_t width, uint32_t height, uint32_t stride,
			   uint32_t offset)
{
	const struct virtio_gpu_set_scanout_blob c = {
		.hdr = gpu_head(VIRTIO_GPU_CMD_SET_SCANOUT_BLOB),
		.r = gpu_rect(0, 0, width, height),
		.resource_id = htole32(1),
		.width = htole32(width),
		.height = htole32(height),
		.format = htole32(format),
		.strides = {htole32(stride)},
		.offsets = {htole32(offset)},
	};

	return gpu_command(GPU_CONTROL, &c, sizeof(c), NULL, 0);
}

static void formats_have_their_names_and_nothing_shines_through(void **state)
{
	static const struct {
		uint32_t format;
		const char *name;
	} formats[] = {
		{VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, "XR24"},
		{VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM, "BX24"},
		{VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM, "XB24"},
		{VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM, "RX24"},
		{VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, "XR24"},
		{VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM, "BX24"},
		{VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM, "XB24"},
		{VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM, "RX24"},
	};
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct got got;
	int fd;

	shared_start(rig, false);
	fd = shared_display(rig, 3);
	shared_pages(rig, &memory, 1);
	shared_blob(1, &memory);
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		gpu_ok(try_layout(formats[i].format, PICTURE, PICTURE, 4 * PICTURE, 0));
		got = shared_expect(fd, DMABUF_SCANOUT2);
		assert_memory_equal(&got.words[9], formats[i].name, 4);
		shared_expect(fd, DMABUF_UPDATE);
		shared_ack(fd);
	}
	close(fd);
	rig_stop(rig);
}

static void strides_and_sizes_that_cannot_be_make_no_dma_buf(void **state)
{
	static const uint32_t bad[][4] = {
		/* width, height, stride, offset */
		{PICTURE, PICTURE, 4 * PICTURE - 1, 0},
		{PICTURE, PICTURE, 4 * PICTURE, 1},
		{PICTURE, PICTURE, 4 * PICTURE, UINT32_MAX},
		{PICTURE, 2, UINT32_MAX, 0},
		{PICTURE, PICTURE, UINT32_MAX, UINT32_MAX},
		{16384, 16384, UINT32_MAX, 0},
		{16385, 1, UINT32_MAX, 0},
		{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
		{0, 0, 0, 0},
		{0x40000001, 1, 4, 0},
	};
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct got got;
	int fd;

	shared_start(rig, false);
	fd = shared_display(rig, 3);
	shared_pages(rig, &memory, 1);
	shared_blob(1, &memory);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_not_equal(try_layout(XRGB, bad[i][0], bad[i][1], bad[i][2], bad[i][3]),
				     VIRTIO_GPU_RESP_OK_NODATA);
		display_expect_nothing(rig, fd);
	}
	/* A stride that is as it likes, of one line. */
	gpu_ok(try_layout(XRGB, PICTURE, 1, UINT32_MAX, 0));
	got = shared_expect(fd, DMABUF_SCANOUT2);
	assert_true(got.words[7] == UINT32_MAX && got.pieces[0].size == PAGE);
	close(fd);
	rig_stop(rig);
}

/* Two outputs show the same blob: the same way, and not. */
static void a_blob_is_shown_at_two_outputs(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct got one, two;
	int fd;

	shared_start(rig, true);
	fd = shared_display(rig, 3);
	shared_pages(rig, &memory, 1);
	shared_blob(1, &memory);
	shared_show(0, 1);
	one = shared_expect(fd, DMABUF_SCANOUT2);
	shared_expect(fd, DMABUF_UPDATE);
	shared_show(1, 1);
	two = shared_expect(fd, DMABUF_SCANOUT2);
	assert_true(two.words[0] == 1 && one.ino == two.ino);
	shared_ack(fd);
	assert_int_equal(shared_expect(fd, DMABUF_UPDATE).words[0], 1);
	shared_ack(fd);
	memory.data[0] ^= 0xff;
	shared_flush(1);
	assert_int_equal(shared_expect(fd, DMABUF_UPDATE).words[0], 0);
	shared_ack(fd);
	assert_int_equal(shared_expect(fd, DMABUF_UPDATE).words[0], 1);
	shared_ack(fd);
	gpu_ok(gpu_try_show_blob(1, 1, PICTURE, 1, 4 * PICTURE, 0));
	two = shared_expect(fd, DMABUF_SCANOUT2);
	assert_true(two.words[0] == 1 && two.drawn);
	shared_expect(fd, DMABUF_UPDATE);
	shared_ack(fd);
	memory.data[1] ^= 0xff;
	gpu_ok(gpu_try_flush(1, gpu_rect(0, 0, PICTURE, PICTURE)));
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(shared_expect(fd, DMABUF_UPDATE).words[0], i);
		shared_ack(fd);
	}
	assert_int_equal(two.drawn[0] & 0xffffff, gpu_pixel(&memory, 0));
	close(fd);
	rig_stop(rig);
}

/* --- memory and drivers that go --- */

static const struct guest_region plugged = {
	.gpa = UINT64_C(1) << 32, .size = 1 << 20, .uva = UINT64_C(0x7d0000000000)};

static void memory_that_goes_takes_its_dma_buf_along(void **state)
{
	struct virtio_gpu_mem_entry entry;
	struct rig *rig = *state;
	struct guest_region *region;
	struct got got;
	int fd, index, before;

	shared_start(rig, true);
	fd = shared_display(rig, 3);
	index = guest_add(rig->peer->guest, &plugged);
	assert_true(index > 0);
	region = &rig->peer->guest->regions[index];
	assert_int_equal(fcntl(region->fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	before = count_fds_of(rig->program.pid);
	rig_check(rig, frontend_add_mem_reg(&rig->peer->frontend, region));
	entry = gpu_entry(plugged.gpa, PAGE);
	gpu_ok(gpu_try_blob(1, PAGE, &entry, 1));
	shared_show(0, 1);
	got = shared_expect(fd, DMABUF_SCANOUT2);
	assert_int_equal(got.pieces[0].offset, 0);
	shared_expect(fd, DMABUF_UPDATE);
	shared_ack(fd);
	rig_check(rig, frontend_rem_mem_reg(&rig->peer->frontend, region));
	/* Nothing of it is ours any more, and the display knows. */
	assert_non_null(shared_expect(fd, DMABUF_SCANOUT2).drawn);
	assert_int_equal(count_fds_of(rig->program.pid), before + 1);
	shared_expect(fd, DMABUF_UPDATE);
	shared_ack(fd);
	assert_int_not_equal(gpu_try_flush(1, gpu_rect(0, 0, PICTURE, PICTURE)),
			     VIRTIO_GPU_RESP_OK_NODATA);
	/* It comes back: as other memory. */
	rig_check(rig, frontend_add_mem_reg(&rig->peer->frontend, region));
	got = shared_expect(fd, DMABUF_SCANOUT2);
	assert_true(got.ino && !got.drawn);
	close(fd);
	rig_stop(rig);
}

static void a_guest_that_goes_in_the_middle_leaves_nothing(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	int fd, before = 0;

	shared_start(rig, false);
	for (int i = 0; i < 4; i++) {
		fd = shared_display(rig, 3);
		shared_pages(rig, &memory, 1);
		shared_blob(1, &memory);
		shared_show(0, 1);
		shared_expect_shown(fd, 0, &memory);
		shared_flush(1);
		peer_disconnect(rig->peer);
		client_expect_end(fd);
		close(fd);
		peer_free(rig->peer);
		rig->peer = NULL;
		rig_connect(rig);
		assert_int_equal(fcntl(rig->peer->guest->regions[0].fd, F_ADD_SEALS, F_SEAL_SHRINK),
				 0);
		gpu_begin(rig);
		display_expect_nothing(rig, (fd = shared_display(rig, 3)));
		close(fd);
		rig_say(rig, "state");
		assert_true(!before || count_fds_of(rig->program.pid) == before);
		before = count_fds_of(rig->program.pid);
	}
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(what_the_kernel_refuses_is_copied_with_one_line),
		GPU_TEST(memory_that_is_not_sealed_is_copied),
		GPU_TEST(a_display_takes_no_dma_bufs_unless_that_is_said),
		GPU_TEST(pictures_are_drawn_where_the_display_has_them),
		GPU_TEST(pictures_are_sent_where_there_can_be_no_dma_buf),
		GPU_TEST(pieces_that_are_no_pages_are_copied),
		GPU_TEST(pages_in_pieces_are_one_dma_buf),
		GPU_TEST(formats_have_their_names_and_nothing_shines_through),
		GPU_TEST(strides_and_sizes_that_cannot_be_make_no_dma_buf),
		GPU_TEST(a_blob_is_shown_at_two_outputs),
		GPU_TEST(memory_that_goes_takes_its_dma_buf_along),
		GPU_TEST(a_guest_that_goes_in_the_middle_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
