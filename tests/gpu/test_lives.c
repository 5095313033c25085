/* SPDX-License-Identifier: MIT */
/* vu-gpu: drivers that pause, begin anew, or go; memory that comes and goes. */
#include "card.h"

/* As a front-end does it for a pause, and for a reboot. */
static void restart(struct rig *rig)
{
	rig_check(rig, peer_stop(rig->peer));
	for (uint32_t i = 0; i < GPU_QUEUES; i++) {
		rig_check(rig, peer_start_queue(rig->peer, i));
		rig_check(rig, frontend_set_vring_enable(&rig->peer->frontend, i, true));
	}
}

static void a_driver_that_paused_goes_on_with_its_pictures(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory, other;

	gpu_start(rig, NULL);
	gpu_picture(&memory, 1);
	gpu_picture(&other, 2);
	gpu_create(1, &memory);
	gpu_create(2, &other);
	gpu_show(0, 1);
	gpu_update(1);
	restart(rig);
	gpu_expect(0, &memory);
	memory.data[8] ^= 0xff;
	gpu_update(1);
	gpu_expect(0, &memory);
	/* So it is that driver: what it made is there, and cannot be made again. */
	assert_int_equal(gpu_try_create(2, XRGB, 1, 1), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	gpu_show(0, 2);
	gpu_update(2);
	gpu_expect(0, &other);
	rig_stop(rig);
	/* Of what went well there is not a line. */
	assert_int_equal(rig_logged(rig, "queue 0: "), 1);
}

static void a_driver_that_begins_anew_finds_nothing_of_before(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory, other;

	gpu_start(rig, NULL);
	gpu_picture(&memory, 1);
	gpu_picture(&other, 2);
	gpu_create(1, &memory);
	gpu_create(2, &memory);
	gpu_show(0, 1);
	gpu_update(1);
	restart(rig);
	/* The last picture stays until the new driver shows one. */
	gpu_expect(0, &memory);
	gpu_create(2, &other);
	gpu_expect_off(0);
	assert_int_equal(gpu_try_flush(1, gpu_rect(0, 0, 1, 1)),
			 VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	gpu_show(0, 2);
	gpu_update(2);
	gpu_expect(0, &other);
	rig_stop(rig);
}

static void what_is_left_of_an_earlier_driver_leaves_room_for_the_next(void **state)
{
	static const char *const options[] = {"--max-hostmem=2M", "--max-resources=3", NULL};
	struct rig *rig = *state;

	gpu_start(rig, options);
	gpu_ok(gpu_try_create(1, XRGB, 512, 768));
	restart(rig);
	gpu_ok(gpu_try_create(2, XRGB, 512, 768));
	assert_non_null(strstr(rig_say(rig, "state"), "resources 1 "));
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 2));
	for (uint32_t i = 1; i <= 3; i++)
		gpu_ok(gpu_try_create(i, XRGB, 1, 1));
	restart(rig);
	gpu_ok(gpu_try_create(4, XRGB, 1, 1));
	assert_non_null(strstr(rig_say(rig, "state"), "resources 1 "));
	rig_stop(rig);
}

static void another_guest_sees_nothing_of_the_one_before(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;

	gpu_start(rig, NULL);
	gpu_picture(&memory, 1);
	gpu_create(1, &memory);
	gpu_show(0, 1);
	gpu_update(1);
	gpu_expect(0, &memory);
	rig_connect(rig);
	gpu_begin(rig);
	gpu_expect_off(0);
	assert_int_equal(gpu_try_show(0, 1, gpu_rect(0, 0, PICTURE, PICTURE)),
			 VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	gpu_picture(&memory, 5);
	gpu_create(1, &memory);
	gpu_show(0, 1);
	gpu_update(1);
	gpu_expect(0, &memory);
	rig_stop(rig);
}

/* The second of two regions is taken away, and comes back. */
static void a_picture_whose_memory_goes_is_not_read(void **state)
{
	static const struct guest_region regions[] = {
		{.gpa = 0, .size = 8 << 20, .uva = UINT64_C(0x100000000)},
		{.gpa = 16 << 20, .size = 1 << 20, .uva = UINT64_C(0x200000000)}};
	const uint64_t gpa = 16 << 20;
	const struct virtio_gpu_mem_entry entry = gpu_entry(gpa, PICTURE_BYTES);
	struct rig *rig = *state;
	struct frontend *f;
	struct guest *guest;

	rig->config.n_regions = 2;
	rig->config.regions = regions;
	gpu_start(rig, NULL);
	f = &rig->peer->frontend;
	guest = rig->peer->guest;
	memset(guest_ptr(guest, gpa, PICTURE_BYTES), 0x66, PICTURE_BYTES);
	gpu_ok(gpu_try_create(1, XRGB, PICTURE, PICTURE));
	gpu_ok(gpu_try_attach(1, &entry, 1));
	gpu_ok(gpu_try_blob(2, PICTURE_BYTES, &entry, 1));
	gpu_ok(gpu_try_show_blob(0, 2, PICTURE, PICTURE, PICTURE * 4, 0));
	assert_int_equal(gpu_look(0)->pixels[9], 0x666666);
	rig_check(rig, frontend_rem_mem_reg(f, &guest->regions[1]));
	assert_int_equal(gpu_try_transfer(1, gpu_rect(0, 0, 1, 1), 0),
			 VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	assert_int_equal(gpu_try_flush(2, gpu_rect(0, 0, 1, 1)), VIRTIO_GPU_RESP_ERR_UNSPEC);
	assert_int_equal(gpu_look(0)->pixels[9], 0x666666);
	rig_check(rig, frontend_add_mem_reg(f, &guest->regions[1]));
	memset(guest_ptr(guest, gpa, PICTURE_BYTES), 0x77, PICTURE_BYTES);
	gpu_ok(gpu_try_transfer(1, gpu_rect(0, 0, 1, 1), 0));
	gpu_ok(gpu_try_flush(2, gpu_rect(0, 0, PICTURE, PICTURE)));
	assert_int_equal(gpu_look(0)->pixels[9], 0x777777);
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(a_driver_that_paused_goes_on_with_its_pictures),
		GPU_TEST(a_driver_that_begins_anew_finds_nothing_of_before),
		GPU_TEST(what_is_left_of_an_earlier_driver_leaves_room_for_the_next),
		GPU_TEST(another_guest_sees_nothing_of_the_one_before),
		GPU_TEST(a_picture_whose_memory_goes_is_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
