/* SPDX-License-Identifier: MIT */
/* vu-gpu: pictures, and what of them is shown. */
#include "card.h"

static void a_picture_is_shown_once_it_is_transferred_and_flushed(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	const struct shot *shot;

	gpu_start(rig, NULL);
	gpu_picture(&memory, 1);
	gpu_create(1, &memory);
	gpu_show(0, 1);
	/* It is black: no memory of before shows. */
	shot = gpu_look(0);
	for (uint32_t i = 0; i < PICTURE * PICTURE; i++)
		assert_int_equal(shot->pixels[i], 0);
	gpu_ok(gpu_try_transfer(1, gpu_rect(0, 0, PICTURE, PICTURE), 0));
	shot = gpu_look(0);
	assert_int_equal(shot->pixels[5], 0);
	gpu_ok(gpu_try_flush(1, gpu_rect(0, 0, PICTURE, PICTURE)));
	gpu_expect(0, &memory);
	/* What is written to guest memory then is not shown. */
	memset(memory.data, 0, 64);
	gpu_ok(gpu_try_flush(1, gpu_rect(0, 0, PICTURE, PICTURE)));
	assert_true(gpu_look(0)->pixels[3] != 0);
	rig_stop(rig);
}

static void only_what_is_flushed_is_shown(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory, before;
	const struct shot *shot;

	gpu_start(rig, NULL);
	gpu_picture(&before, 1);
	gpu_picture(&memory, 1);
	gpu_create(1, &memory);
	gpu_show(0, 1);
	gpu_update(1);
	for (uint32_t i = 0; i < PICTURE_BYTES; i++)
		memory.data[i] ^= 0xff;
	gpu_ok(gpu_try_transfer(1, gpu_rect(0, 0, PICTURE, PICTURE), 0));
	gpu_ok(gpu_try_flush(1, gpu_rect(3, 5, 7, 20)));
	shot = gpu_look(0);
	for (uint32_t y = 0; y < PICTURE; y++)
		for (uint32_t x = 0; x < PICTURE; x++) {
			bool flushed = x >= 3 && x < 10 && y >= 5 && y < 25;

			assert_int_equal(shot->pixels[y * PICTURE + x],
					 gpu_pixel(flushed ? &memory : &before, y * PICTURE + x));
		}
	rig_stop(rig);
}

/* Bytes of a pixel in the order of memory, and the colour that they are. */
static void pixels_of_every_format_have_their_colours(void **state)
{
	static const struct {
		uint32_t format;
		unsigned char bytes[4];
	} formats[] = {
		{VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, {0x33, 0x22, 0x11, 0x44}},
		{VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, {0x33, 0x22, 0x11, 0x44}},
		{VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM, {0x44, 0x11, 0x22, 0x33}},
		{VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM, {0x44, 0x11, 0x22, 0x33}},
		{VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM, {0x11, 0x22, 0x33, 0x44}},
		{VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM, {0x44, 0x33, 0x22, 0x11}},
		{VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM, {0x44, 0x33, 0x22, 0x11}},
		{VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM, {0x11, 0x22, 0x33, 0x44}},
	};
	struct virtio_gpu_mem_entry entry;
	struct rig *rig = *state;
	struct rig_buffer memory;

	gpu_start(rig, NULL);
	rig_buffer(rig, &memory, PICTURE_BYTES);
	entry = gpu_entry(memory.gpa, memory.len);
	for (uint32_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		const struct shot *shot;

		gpu_ok(gpu_try_create(i + 1, formats[i].format, PICTURE, PICTURE));
		gpu_ok(gpu_try_attach(i + 1, &entry, 1));
		memset(memory.data, 0, PICTURE_BYTES);
		memcpy(memory.data + 4 * (PICTURE * 20 + 7), formats[i].bytes, 4);
		gpu_show(0, i + 1);
		gpu_update(i + 1);
		shot = gpu_look(0);
		for (uint32_t p = 0; p < PICTURE * PICTURE; p++)
			assert_int_equal(shot->pixels[p], p == PICTURE * 20 + 7 ? 0x112233 : 0);
	}
	rig_stop(rig);
}

/* In pieces of any length, in any order, some of them twice. */
static void memory_in_pieces_reads_as_one(void **state)
{
	struct virtio_gpu_mem_entry list[PICTURE_BYTES / 100 + 1];
	struct rig *rig = *state;
	struct rig_buffer memory, whole;
	uint32_t n = 0;

	gpu_start(rig, NULL);
	gpu_picture(&memory, 7);
	gpu_picture(&whole, 0);
	for (uint32_t at = 0; at < PICTURE_BYTES; n++) {
		uint32_t len = at + 100 < PICTURE_BYTES ? 100 : PICTURE_BYTES - at;
		uint32_t from = n % 3 == 2 ? 0 : PICTURE_BYTES - 100 - at % 2000;

		list[n] = gpu_entry(memory.gpa + from, len);
		memcpy(whole.data + at, memory.data + from, len);
		at += len;
	}
	gpu_ok(gpu_try_create(1, XRGB, PICTURE, PICTURE));
	gpu_ok(gpu_try_attach(1, list, n));
	gpu_show(0, 1);
	gpu_update(1);
	gpu_expect(0, &whole);
	rig_stop(rig);
}

static void a_part_is_transferred_from_where_it_says(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	const struct shot *shot;

	gpu_start(rig, NULL);
	gpu_picture(&memory, 1);
	gpu_create(1, &memory);
	gpu_show(0, 1);
	/* As Linux does: the offset is that of the part's first pixel. */
	gpu_ok(gpu_try_transfer(1, gpu_rect(4, 6, 8, 10), 4 * (PICTURE * 6 + 4)));
	/* And of another one. */
	gpu_ok(gpu_try_transfer(1, gpu_rect(20, 0, 2, 2), 16));
	gpu_ok(gpu_try_flush(1, gpu_rect(0, 0, PICTURE, PICTURE)));
	shot = gpu_look(0);
	for (uint32_t y = 0; y < PICTURE; y++)
		for (uint32_t x = 0; x < PICTURE; x++) {
			uint32_t want = 0;

			if (x >= 4 && x < 12 && y >= 6 && y < 16)
				want = gpu_pixel(&memory, y * PICTURE + x);
			if (x >= 20 && x < 22 && y < 2)
				want = gpu_pixel(&memory, y * PICTURE + x - 20 + 4);
			assert_int_equal(shot->pixels[y * PICTURE + x], want);
		}
	rig_stop(rig);
}

static void two_outputs_show_two_pictures_or_parts_of_one(void **state)
{
	static const char *const options[] = {"--max-outputs=3", NULL};
	struct rig *rig = *state;
	struct rig_buffer one, two;
	const struct shot *shot;

	gpu_start(rig, options);
	gpu_picture(&one, 1);
	gpu_picture(&two, 2);
	gpu_create(1, &one);
	gpu_create(2, &two);
	gpu_show(0, 1);
	gpu_show(2, 2);
	gpu_update(1);
	gpu_update(2);
	gpu_expect(0, &one);
	gpu_expect(2, &two);
	gpu_expect_off(1);
	/* The second one's lower right, on the other side. */
	gpu_ok(gpu_try_show(1, 2, gpu_rect(10, 12, 22, 20)));
	shot = gpu_look(1);
	assert_int_equal(shot->width, 22);
	assert_int_equal(shot->height, 20);
	for (uint32_t i = 0; i < 22 * 20; i++)
		assert_int_equal(shot->pixels[i],
				 gpu_pixel(&two, (12 + i / 22) * PICTURE + 10 + i % 22));
	/* Both are drawn when it is flushed, each as far as it shows it. */
	memset(two.data, 0x55, PICTURE_BYTES);
	gpu_ok(gpu_try_transfer(2, gpu_rect(0, 0, PICTURE, PICTURE), 0));
	gpu_ok(gpu_try_flush(2, gpu_rect(8, 8, 10, 10)));
	shot = gpu_look(1);
	assert_int_equal(shot->pixels[0], 0x555555);
	assert_int_equal(shot->pixels[7], 0x555555);
	assert_true(shot->pixels[8] != 0x555555);
	assert_int_equal(gpu_look(2)->pixels[8 * PICTURE + 8], 0x555555);
	gpu_expect(0, &one);
	rig_stop(rig);
}

static void what_is_switched_off_or_goes_is_not_shown(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;

	gpu_start(rig, NULL);
	gpu_picture(&memory, 1);
	gpu_create(1, &memory);
	gpu_show(0, 1);
	gpu_update(1);
	gpu_expect(0, &memory);
	gpu_ok(gpu_try_show(0, 0, gpu_rect(0, 0, 0, 0)));
	gpu_expect_off(0);
	gpu_update(1);
	gpu_show(0, 1);
	gpu_expect(0, &memory);
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 1));
	gpu_expect_off(0);
	assert_non_null(strstr(rig_say(rig, "state"), "resources 0 bytes 0 of"));
	rig_stop(rig);
}

static void a_picture_that_takes_anothers_place_is_shown_without_a_flush(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer one, two;

	gpu_start(rig, NULL);
	gpu_picture(&one, 1);
	gpu_picture(&two, 2);
	gpu_create(1, &one);
	gpu_create(2, &two);
	gpu_show(0, 1);
	gpu_update(1);
	gpu_update(2);
	gpu_expect(0, &one);
	memset(one.data, 0x31, PICTURE_BYTES);
	gpu_update(1);
	gpu_show(0, 2);
	gpu_expect(0, &two);
	/* And a flush of a part draws all. */
	gpu_show(0, 1);
	gpu_ok(gpu_try_flush(1, gpu_rect(0, 0, 1, 1)));
	gpu_expect(0, &one);
	rig_stop(rig);
}

/* Pixels in guest memory, in pieces, behind 40 bytes of something else and with room between lines.
 */
static void a_blob_is_shown_as_it_is_in_guest_memory(void **state)
{
	enum { STRIDE = PICTURE * 4 + 12, OFFSET = 40, SIZE = OFFSET + PICTURE * STRIDE };
	struct virtio_gpu_mem_entry list[3];
	struct rig_buffer memory, picture;
	struct rig *rig = *state;

	gpu_start(rig, NULL);
	rig_buffer(rig, &memory, SIZE);
	gpu_picture(&picture, 3);
	list[0] = gpu_entry(memory.gpa + 1000, 999);
	list[1] = gpu_entry(memory.gpa, 1000);
	list[2] = gpu_entry(memory.gpa + 1999, SIZE - 1999);
	for (uint32_t y = 0; y < PICTURE; y++)
		for (uint32_t i = 0; i < PICTURE * 4; i++) {
			uint32_t at = OFFSET + y * STRIDE + i;

			memory.data[at < 999	? at + 1000
				    : at < 1999 ? at - 999
						: at] = picture.data[y * PICTURE * 4 + i];
		}
	gpu_ok(gpu_try_blob(1, SIZE, list, 3));
	gpu_ok(gpu_try_show_blob(0, 1, PICTURE, PICTURE, STRIDE, OFFSET));
	gpu_expect(0, &picture);
	/* Without a transfer; one is no mistake, either. */
	memory.data[1000 + OFFSET] = picture.data[0] = 0x99;
	gpu_ok(gpu_try_flush(1, gpu_rect(0, 0, PICTURE, PICTURE)));
	gpu_expect(0, &picture);
	gpu_ok(gpu_try_transfer(1, gpu_rect(0, 0, PICTURE, PICTURE), 0));
	/* The last line's room need not be there. */
	gpu_ok(gpu_try_show_blob(0, 1, PICTURE, PICTURE, STRIDE, OFFSET + 12));
	assert_int_equal(gpu_try_show_blob(0, 1, PICTURE, PICTURE, STRIDE, OFFSET + 13),
			 VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	rig_stop(rig);
}

static void a_large_picture_is_shown_to_its_last_pixel(void **state)
{
	enum { W = 1366, H = 771, BYTES = W * H * 4 };
	struct virtio_gpu_mem_entry entry;
	struct rig *rig = *state;
	struct rig_buffer memory;
	const struct shot *shot;

	gpu_start(rig, NULL);
	rig_buffer(rig, &memory, BYTES);
	entry = gpu_entry(memory.gpa, BYTES);
	gpu_ok(gpu_try_create(1, XRGB, W, H));
	gpu_ok(gpu_try_attach(1, &entry, 1));
	gpu_ok(gpu_try_show(0, 1, gpu_rect(0, 0, W, H)));
	for (uint32_t i = 0; i < W * H; i++)
		memcpy(memory.data + 4 * i, &(uint32_t){htole32(i * 2654435761u)}, 4);
	for (uint32_t y = 0; y < H; y += 100)
		gpu_ok(gpu_try_transfer(1, gpu_rect(0, y, W, y + 100 < H ? 100 : H - y),
					(uint64_t)y * W * 4));
	gpu_ok(gpu_try_flush(1, gpu_rect(0, 0, W, H)));
	shot = gpu_look(0);
	assert_int_equal(shot->width, W);
	assert_int_equal(shot->height, H);
	for (uint32_t i = 0; i < W * H; i++)
		assert_int_equal(shot->pixels[i], gpu_pixel(&memory, i));
	rig_stop(rig);
}

static void fences_come_back_with_the_answer(void **state)
{
	struct rig *rig = *state;
	struct virtio_gpu_resource_unref c = {.hdr = gpu_head(VIRTIO_GPU_CMD_RESOURCE_UNREF)};
	struct virtio_gpu_ctrl_hdr reply;

	gpu_start(rig, NULL);
	c.hdr.flags = htole32(VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX | 1u << 31);
	c.hdr.fence_id = htole64(UINT64_C(0x123456789abcdef0));
	c.hdr.ctx_id = htole32(77);
	c.hdr.ring_idx = 9;
	/* Also of what fails. */
	assert_int_equal(gpu_command(GPU_CONTROL, &c, sizeof(c), &reply, sizeof(reply)),
			 VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	assert_int_equal(le32toh(reply.flags),
			 VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX);
	assert_true(reply.fence_id == c.hdr.fence_id);
	assert_int_equal(le32toh(reply.ctx_id), 77);
	assert_int_equal(reply.ring_idx, 9);
	c.hdr.flags = 0;
	gpu_command(GPU_CONTROL, &c, sizeof(c), &reply, sizeof(reply));
	assert_true(!reply.flags && !reply.fence_id && !reply.ctx_id && !reply.ring_idx);
	rig_stop(rig);
}

static void a_resource_keeps_its_uuid(void **state)
{
	struct rig *rig = *state;
	struct virtio_gpu_resource_assign_uuid c = {
		.hdr = gpu_head(VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID), .resource_id = htole32(1)};
	struct virtio_gpu_resp_resource_uuid one, again, two;

	gpu_start(rig, NULL);
	gpu_ok(gpu_try_create(1, XRGB, 1, 1));
	gpu_ok(gpu_try_create(2, XRGB, 1, 1));
	assert_int_equal(gpu_command(GPU_CONTROL, &c, sizeof(c), &one, sizeof(one)),
			 VIRTIO_GPU_RESP_OK_RESOURCE_UUID);
	assert_int_equal(one.uuid[6] >> 4, 4);
	assert_int_equal(one.uuid[8] >> 6, 2);
	gpu_command(GPU_CONTROL, &c, sizeof(c), &again, sizeof(again));
	assert_memory_equal(one.uuid, again.uuid, 16);
	c.resource_id = htole32(2);
	gpu_command(GPU_CONTROL, &c, sizeof(c), &two, sizeof(two));
	assert_memory_not_equal(one.uuid, two.uuid, 16);
	c.resource_id = htole32(3);
	assert_int_equal(gpu_command(GPU_CONTROL, &c, sizeof(c), &two, sizeof(two)),
			 VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(a_picture_is_shown_once_it_is_transferred_and_flushed),
		GPU_TEST(only_what_is_flushed_is_shown),
		GPU_TEST(pixels_of_every_format_have_their_colours),
		GPU_TEST(memory_in_pieces_reads_as_one),
		GPU_TEST(a_part_is_transferred_from_where_it_says),
		GPU_TEST(two_outputs_show_two_pictures_or_parts_of_one),
		GPU_TEST(what_is_switched_off_or_goes_is_not_shown),
		GPU_TEST(a_picture_that_takes_anothers_place_is_shown_without_a_flush),
		GPU_TEST(a_blob_is_shown_as_it_is_in_guest_memory),
		GPU_TEST(a_large_picture_is_shown_to_its_last_pixel),
		GPU_TEST(fences_come_back_with_the_answer),
		GPU_TEST(a_resource_keeps_its_uuid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
