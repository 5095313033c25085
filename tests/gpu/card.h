/* SPDX-License-Identifier: MIT */
/*
 * A driver for tests of vu-gpu: commands one by one, and what is shown, from a screenshot.
 *
 * Pictures are PICTURE pixels in both directions, and of B8G8R8X8 unless a test says otherwise; a
 * pixel is a number 0xRRGGBB.  Commands fail the test unless they are answered with success.
 */
#ifndef GPU_CARD_TESTS_H
#define GPU_CARD_TESTS_H

#include <linux/virtio_gpu.h>

#include "../devices/rig.h"

enum { GPU_CONTROL, GPU_CURSOR, GPU_QUEUES };
enum { PICTURE = 32, PICTURE_BYTES = PICTURE * PICTURE * 4 };
enum { XRGB = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM };

/* What is shown at an output. */
struct shot {
	uint32_t width, height;
	uint32_t *pixels;
};

/* Start vu-gpu with these options (NULL: none) beside --dir and --control. */
void gpu_spawn(struct rig *rig, const char *const *options);
/* The same, and connect a driver. */
void gpu_start(struct rig *rig, const char *const *options);
/* Stop and start the queues, as a front-end does it for a pause, and for a reboot. */
void gpu_start_again(struct rig *r);
/* Buffers for commands, after rig_connect(). */
void gpu_begin(struct rig *rig);

/* Any command: VIRTIO_GPU_RESP_*.  reply (may be NULL) receives the answer, header included. */
uint32_t gpu_command(uint32_t queue, const void *command, uint32_t len, void *reply,
		     uint32_t reply_len);
/* With a list of memory behind it. */
uint32_t gpu_command_list(const void *command, uint32_t len,
			  const struct virtio_gpu_mem_entry *list, uint32_t n);
struct virtio_gpu_ctrl_hdr gpu_head(uint32_t type);
struct virtio_gpu_rect gpu_rect(uint32_t x, uint32_t y, uint32_t width, uint32_t height);

/* Commands that may fail: the answer. */
uint32_t gpu_try_create(uint32_t id, uint32_t format, uint32_t width, uint32_t height);
uint32_t gpu_try_attach(uint32_t id, const struct virtio_gpu_mem_entry *list, uint32_t n);
uint32_t gpu_try_blob(uint32_t id, uint64_t size, const struct virtio_gpu_mem_entry *list,
		      uint32_t n);
uint32_t gpu_try_show(uint32_t output, uint32_t id, struct virtio_gpu_rect rect);
uint32_t gpu_try_show_blob(uint32_t output, uint32_t id, uint32_t width, uint32_t height,
			   uint32_t stride, uint32_t offset);
uint32_t gpu_try_transfer(uint32_t id, struct virtio_gpu_rect rect, uint64_t offset);
uint32_t gpu_try_flush(uint32_t id, struct virtio_gpu_rect rect);
/* Both are in the ring before the device sees one, as Linux does it: the answers. */
struct gpu_answers {
	uint32_t transfer, flush;
} gpu_try_at_once(uint32_t id, struct virtio_gpu_rect part, uint64_t offset, uint32_t flushed,
		  struct virtio_gpu_rect rect);
uint32_t gpu_try_id(uint32_t type, uint32_t id); /* RESOURCE_UNREF, RESOURCE_DETACH_BACKING */
uint32_t gpu_try_cursor(uint32_t type, uint32_t output, uint32_t id, uint32_t x, uint32_t y);

/* A resource of PICTURE with memory in one piece; and what is in that is transferred and flushed.
 */
void gpu_create(uint32_t id, const struct rig_buffer *memory);
void gpu_show(uint32_t output, uint32_t id);
void gpu_update(uint32_t id);
void gpu_ok(uint32_t response);
struct virtio_gpu_mem_entry gpu_entry(uint64_t gpa, uint32_t len);
/* Memory for a picture, with pixels that differ everywhere. */
void gpu_picture(struct rig_buffer *memory, uint32_t seed);
uint32_t gpu_pixel(const struct rig_buffer *memory, uint32_t index);

/* What is shown now; valid until the next one. */
const struct shot *gpu_look(uint32_t output);
/* It is that memory's picture. */
void gpu_expect(uint32_t output, const struct rig_buffer *memory);
/* Start with a picture of resource 1 that is shown; at the end it must still be so. */
void gpu_start_shown(struct rig *rig, struct rig_buffer *memory, const char *const *options);
void gpu_finish_shown(struct rig *rig, const struct rig_buffer *memory);
/* Nothing is shown there. */
void gpu_expect_off(uint32_t output);
/* What "state" says of an output has these words. */
void gpu_expect_state(uint32_t output, const char *words);

int gpu_setup(void **state);
int gpu_teardown(void **state);
#define GPU_TEST(name) cmocka_unit_test_setup_teardown(name, gpu_setup, gpu_teardown)

#endif
