/* SPDX-License-Identifier: MIT */
/* vu-gpu: a transfer and the flush of it, which the device sees together, as Linux sends them. */
#include "display.h"

#include <unistd.h>

static struct virtio_gpu_rect all(void)
{
	return gpu_rect(0, 0, PICTURE, PICTURE);
}

/* All of the picture, which is another one now. */
static void update_at_once(struct rig_buffer *memory, uint32_t id, unsigned char byte)
{
	struct gpu_answers answers;

	memset(memory->data, byte, PICTURE_BYTES);
	answers = gpu_try_at_once(id, all(), 0, id, all());
	gpu_ok(answers.transfer);
	gpu_ok(answers.flush);
}

static void it_is_shown_and_what_is_written_later_is_not(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory, before;

	gpu_start_shown(rig, &memory, NULL);
	gpu_picture(&before, 1);
	update_at_once(&memory, 1, 0x21);
	gpu_expect(0, &memory);
	memset(before.data, 0x21, PICTURE_BYTES);
	memset(memory.data, 0x99, PICTURE_BYTES);
	gpu_ok(gpu_try_flush(1, all()));
	gpu_expect(0, &before);
	gpu_ok(gpu_try_transfer(1, gpu_rect(0, 0, 1, 1), 0));
	gpu_expect(0, &before);
	/* What the picture itself had last, if it did not learn of the other one. */
	gpu_picture(&before, 1);
	memcpy(memory.data, before.data, PICTURE_BYTES);
	gpu_update(1);
	gpu_expect(0, &before);
	rig_stop(rig);
}

/* Whoever else wants the picture has it, too. */
static void the_picture_has_it(void **state)
{
	static const char *const options[] = {"--max-outputs=2", NULL};
	struct rig *rig = *state;
	struct rig_buffer memory, other;

	gpu_start_shown(rig, &memory, options);
	gpu_picture(&other, 2);
	gpu_create(2, &other);
	gpu_update(2);
	/* Another output; */
	update_at_once(&memory, 1, 0x21);
	gpu_show(1, 1);
	gpu_expect(1, &memory);
	/* both of them; */
	update_at_once(&memory, 1, 0x32);
	gpu_expect(0, &memory);
	gpu_expect(1, &memory);
	gpu_ok(gpu_try_show(1, 0, gpu_rect(0, 0, 0, 0)));
	/* the same one again, after another picture, or after nothing; */
	update_at_once(&memory, 1, 0x43);
	gpu_show(0, 2);
	gpu_expect(0, &other);
	gpu_show(0, 1);
	gpu_expect(0, &memory);
	update_at_once(&memory, 1, 0x54);
	gpu_ok(gpu_try_show(0, 0, gpu_rect(0, 0, 0, 0)));
	gpu_show(0, 1);
	gpu_expect(0, &memory);
	/* another part of it, of another size. */
	update_at_once(&memory, 1, 0x65);
	gpu_ok(gpu_try_show(0, 1, gpu_rect(3, 3, 5, 5)));
	assert_int_equal(gpu_look(0)->pixels[24], 0x656565);
	rig_stop(rig);
}

static void a_pointer_of_it_has_it(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	int fd;

	gpu_start_shown(rig, &memory, NULL);
	fd = display_begin(rig, 3);
	update_at_once(&memory, 1, 0x21);
	gpu_ok(gpu_try_cursor(VIRTIO_GPU_CMD_UPDATE_CURSOR, 0, 1, 2, 2));
	/* Its first pixel, behind two places. */
	assert_int_equal(display_until(fd, CURSOR_UPDATE, NULL).words[5], 0xff212121);
	/* The picture is shown on, and goes with what is ahead of it. */
	update_at_once(&memory, 1, 0x32);
	gpu_expect(0, &memory);
	update_at_once(&memory, 1, 0x43);
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 1));
	gpu_expect_off(0);
	close(fd);
	rig_stop(rig);
}

/* Only a flush of all that was transferred, and one that can be done. */
static void what_is_not_flushed_is_not_shown(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory, before;
	struct gpu_answers answers;

	gpu_start_shown(rig, &memory, NULL);
	gpu_picture(&before, 1);
	gpu_create(2, &before);
	memset(memory.data, 0x21, PICTURE_BYTES);
	/* Of another one; */
	answers = gpu_try_at_once(1, all(), 0, 2, all());
	gpu_ok(answers.transfer);
	gpu_ok(answers.flush);
	gpu_expect(0, &before);
	/* one that is refused, where all that came before is shown; */
	update_at_once(&memory, 1, 0x21);
	update_at_once(&before, 2, 0x21);
	memset(memory.data, 0x32, PICTURE_BYTES);
	answers = gpu_try_at_once(1, all(), 0, 1, gpu_rect(0, 0, PICTURE + 1, PICTURE));
	gpu_ok(answers.transfer);
	assert_int_equal(answers.flush, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	answers = gpu_try_at_once(1, all(), 0, 1, gpu_rect(0, 0, UINT32_MAX, UINT32_MAX));
	gpu_ok(answers.transfer);
	assert_int_equal(answers.flush, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	gpu_expect(0, &before);
	/* and one of less. */
	update_at_once(&memory, 1, 0x21);
	memset(memory.data, 0x32, PICTURE_BYTES);
	answers = gpu_try_at_once(1, all(), 0, 1, gpu_rect(0, 0, PICTURE, 1));
	gpu_ok(answers.flush);
	memset(before.data, 0x32, PICTURE * 4);
	gpu_expect(0, &before);
	/* A transfer that cannot be done is none, and its flush shows what there was. */
	answers = gpu_try_at_once(1, gpu_rect(1, 0, PICTURE, PICTURE), 0, 1, all());
	assert_int_equal(answers.transfer, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	gpu_ok(answers.flush);
	gpu_expect(0, &memory);
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(it_is_shown_and_what_is_written_later_is_not),
		GPU_TEST(the_picture_has_it),
		GPU_TEST(a_pointer_of_it_has_it),
		GPU_TEST(what_is_not_flushed_is_not_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
