/* SPDX-License-Identifier: MIT */
/* vu-gpu --virgl --dmabuf: what 3D drew in software is read back into a dma-buf that the display
 * has. */
#include <unistd.h>

#include "shared.h"
#include "three.h"

enum { RED = 0xff0000, TEAL = 0x00cccc };
static const float red[4] = {1, 0, 0, 1}, teal[4] = {0, 0.8F, 0.8F, 1};

static void draw(const float rgba[4])
{
	struct stream stream = {.n = 0};

	three_clear(&stream, 5, 5, rgba);
	three_submit(1, &stream);
	gpu_ok(gpu_try_flush(5, gpu_rect(0, 0, PICTURE, PICTURE)));
}

static void is_all(const uint32_t *drawn, uint32_t colour)
{
	for (uint32_t i = 0; i < PICTURE * PICTURE; i++)
		assert_int_equal(drawn[i] & 0xffffff, colour);
}

static void what_3d_draws_is_read_into_a_dma_buf(void **state)
{
	static const char *const options[] = {"--dmabuf", "--max-fps=0", NULL};
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct got got;
	int fd;

	three_start(rig, options);
	fd = shared_display(rig, 3);
	three_show_picture(&memory);
	got = shared_expect(fd, DMABUF_SCANOUT2);
	assert_non_null(got.drawn);
	assert_memory_equal(&got.words[9], "XR24", 4);
	for (int i = 0; i < 4; i++) {
		draw(i % 2 ? teal : red);
		/* One that was told before the flush, too, may have to be read first. */
		do {
			assert_int_equal(shared_expect(fd, DMABUF_UPDATE).words[0], 0);
			shared_ack(fd);
		} while ((got.drawn[0] & 0xffffff) != (i % 2 ? TEAL : RED));
		is_all(got.drawn, i % 2 ? TEAL : RED);
	}
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 5));
	while ((got = shared_next(fd)).request == DMABUF_UPDATE)
		shared_ack(fd);
	assert_int_equal(got.request, DMABUF_SCANOUT);
	assert_int_equal(shared_expect(fd, SCANOUT).words[1], 0);
	close(fd);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "output 0: it is shown as a dma-buf"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(what_3d_draws_is_read_into_a_dma_buf),
	};

	return three_can_be_tested() ? cmocka_run_group_tests(tests, NULL, NULL) : 77;
}
