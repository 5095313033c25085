/* SPDX-License-Identifier: MIT */
/*
 * vu-gpu with --dmabuf: blobs, pictures, displays and memory come and go at random.  A display that
 * reads is told of nothing that it was not told before, and in the end no descriptor is left.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "../devices/client.h"
#include "kit/counts.h"
#include "shared.h"

enum { STEPS = 1500, IDS = 4, OUTPUTS = 2 };

static struct rig *rig;
static struct rig_buffer memory[IDS + 1];
static uint64_t seed;

/* What the display knows. */
static struct {
	int fd;
	bool has[OUTPUTS];   /* a dma-buf */
	bool shows[OUTPUTS]; /* pixels */
	bool owed;
} display;

static uint32_t any(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(seed >> 33) % below;
}

static void hear(const struct got *got)
{
	const uint32_t output = got->words[0];

	switch (got->request) {
	case DMABUF_SCANOUT2:
		assert_true(output < OUTPUTS && (got->ino || got->drawn));
		display.has[output] = true;
		break;
	case DMABUF_SCANOUT:
		assert_true(output < OUTPUTS && display.has[output] && !got->ino);
		display.has[output] = false;
		break;
	case SCANOUT:
		assert_true(output < OUTPUTS && !display.has[output]);
		display.shows[output] = got->words[1];
		break;
	case DMABUF_UPDATE:
		assert_true(output < OUTPUTS && display.has[output] && !display.owed);
		display.owed = true;
		break;
	default:
		assert_int_equal(got->request, UPDATE);
		assert_true(output < OUTPUTS && !display.has[output] && display.shows[output]);
	}
}

static void read_all(void)
{
	struct pollfd poll_fd = {.fd = display.fd, .events = POLLIN};

	while (display.fd >= 0 && poll(&poll_fd, 1, 0) > 0) {
		const struct got got = shared_next(display.fd);

		hear(&got);
	}
}

static void switch_display(void)
{
	if (display.fd >= 0)
		close(display.fd);
	memset(&display, 0, sizeof(display));
	display.fd = any(4) ? shared_display(rig, 3) : -1;
}

static void restart(void)
{
	rig_check(rig, peer_stop(rig->peer));
	for (uint32_t q = 0; q < GPU_QUEUES; q++) {
		rig_check(rig, peer_start_queue(rig->peer, q));
		rig_check(rig, frontend_set_vring_enable(&rig->peer->frontend, q, true));
	}
}

static void step(void)
{
	const uint32_t id = 1 + any(IDS), output = any(OUTPUTS);
	const struct virtio_gpu_mem_entry entry = gpu_entry(memory[id].gpa, PAGE);

	switch (any(16)) {
	case 0:
	case 1:
		gpu_try_blob(id, PAGE, &entry, 1);
		break;
	case 2:
		if (gpu_try_create(id, XRGB, PICTURE, PICTURE) == VIRTIO_GPU_RESP_OK_NODATA)
			gpu_ok(gpu_try_attach(id, &entry, 1));
		break;
	case 3:
		gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, id);
		break;
	case 4:
		gpu_try_show(output, any(IDS + 1), gpu_rect(0, 0, PICTURE, 1 + any(PICTURE)));
		break;
	case 5:
		if (!any(8))
			switch_display();
		break;
	case 6:
		if (!any(16))
			restart();
		break;
	case 7:
		rig_check(rig, frontend_set_mem_table(&rig->peer->frontend, rig->peer->guest));
		break;
	case 8:
	case 9:
		read_all();
		if (display.owed)
			shared_ack(display.fd);
		display.owed = false;
		break;
	case 10:
	case 11:
		gpu_try_show_blob(output, any(IDS + 1), PICTURE, 1 + any(PICTURE), 4 * PICTURE,
				  any(4) ? 0 : 4 * PICTURE);
		break;
	case 12:
		gpu_try_transfer(id, gpu_rect(0, 0, PICTURE, PICTURE), 0);
		break;
	default:
		memory[id].data[any(PAGE)]++;
		gpu_try_flush(id, gpu_rect(any(8), any(8), 1 + any(16), 1 + any(16)));
	}
}

static void play(void **state, bool copies)
{
	int before;

	rig = *state;
	shared_start(rig, copies);
	for (uint32_t id = 0; id <= IDS; id++)
		shared_pages(rig, &memory[id], id);
	display.fd = -1;
	rig_expect_nothing(rig, GPU_CONTROL);
	before = count_fds_of(rig->program.pid);
	for (uint32_t i = 0; i < STEPS; i++)
		step();
	if (display.fd >= 0)
		close(display.fd);
	for (uint32_t id = 1; id <= IDS; id++)
		gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, id);
	/* The socket's end is seen with a display that takes its place, which goes, too. */
	display.fd = shared_display(rig, 3);
	peer_disconnect(rig->peer);
	client_expect_end(display.fd);
	close(display.fd);
	rig_connect(rig);
	gpu_begin(rig);
	rig_expect_nothing(rig, GPU_CONTROL);
	assert_int_equal(count_fds_of(rig->program.pid), before);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "what is no reply"), 0);
}

static void whatever_comes_and_goes_leaves_nothing(void **state)
{
	seed = 1;
	play(state, false);
}

static void whatever_comes_and_goes_leaves_nothing_with_copies(void **state)
{
	seed = 2;
	play(state, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(whatever_comes_and_goes_leaves_nothing),
		GPU_TEST(whatever_comes_and_goes_leaves_nothing_with_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
