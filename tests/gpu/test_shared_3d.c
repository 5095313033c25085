/* SPDX-License-Identifier: MIT */
/*
 * vu-gpu --virgl --render-node --dmabuf: what a renderer exports is believed in nothing.  Here it
 * is bad_renderer.c's; tests/guest/gpu_render_node.py has a true one, on a true node.
 */
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "bad.h"
#include "kit/counts.h"
#include "shared.h"

/* Without --dir nothing is drawn here but what must be. */
static void start(struct rig *rig)
{
	const char *options[] = {"--control", rig->control,  "--virgl", "--render-node=/dev/null",
				 "--dmabuf",  "--max-fps=0", NULL};

	rig->config.n_queues = GPU_QUEUES;
	rig->has_sandbox = true;
	rig_spawn(rig, options);
	rig_connect(rig);
	gpu_begin(rig);
}

static void make_picture(uint32_t id)
{
	gpu_ok(three_try_create(id, (struct virtio_gpu_resource_create_3d){.target = TARGET_2D}));
}

static void offer_show(struct rig *rig, uint32_t id)
{
	const struct virtio_gpu_set_scanout show = {
		.hdr = {.type = htole32(VIRTIO_GPU_CMD_SET_SCANOUT),
			.flags = htole32(VIRTIO_GPU_FLAG_FENCE)},
		.r = {0, 0, htole32(PICTURE), htole32(PICTURE)},
		.resource_id = htole32(id)};

	bad_offer_command(rig, &show, sizeof(show));
}

/* Of the renderer's memory that vu-gpu has; how many others it has differs from session to session.
 */
static uint32_t count_pictures(const struct rig *rig)
{
	char path[64], link[64];
	const struct dirent *entry;
	uint32_t n = 0;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%d/fd", rig->program.pid);
	fds = opendir(path);
	assert_non_null(fds);
	while ((entry = readdir(fds))) {
		ssize_t len = readlinkat(dirfd(fds), entry->d_name, link, sizeof(link) - 1);

		link[len > 0 ? len : 0] = '\0';
		n += strncmp(link, "/memfd:" BAD_MEMFD, strlen("/memfd:" BAD_MEMFD)) == 0;
	}
	closedir(fds);
	return n;
}

static void is_own(const struct got *got)
{
	assert_int_equal(got->request, DMABUF_SCANOUT2);
	assert_memory_equal(&got->words[9], "XR24", 4);
	assert_non_null(got->drawn);
}

static void what_it_exports_is_what_a_display_has(void **state)
{
	const uint64_t modifier = BAD_MODIFIER;
	struct rig *rig = *state;
	struct got got;
	int fd, before;

	start(rig);
	fd = shared_display(rig, 3);
	make_picture(BAD_PICTURE);
	before = count_fds_of(rig->program.pid);
	gpu_show(0, BAD_PICTURE);
	got = shared_expect(fd, DMABUF_SCANOUT2);
	assert_int_equal(got.words[3], PICTURE);
	assert_int_equal(got.words[5], PICTURE);
	assert_int_equal(got.words[7], BAD_PICTURE_STRIDE);
	/* Nothing shines through. */
	assert_memory_equal(&got.words[9], "XB24", 4);
	assert_memory_equal(&got.words[10], &modifier, sizeof(modifier));
	shared_expect(fd, DMABUF_UPDATE);
	shared_ack(fd);
	assert_int_equal(count_pictures(rig), 1);
	gpu_ok(gpu_try_flush(BAD_PICTURE, gpu_rect(3, 4, 5, 6)));
	got = shared_expect(fd, DMABUF_UPDATE);
	assert_int_equal(got.words[1], 3);
	assert_int_equal(got.words[4], 6);
	shared_ack(fd);
	assert_int_equal(count_fds_of(rig->program.pid), before + 1);
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, BAD_PICTURE));
	shared_expect_gone(fd, 0, 0, 0);
	assert_int_equal(count_fds_of(rig->program.pid), before);
	close(fd);
	rig_stop(rig);
}

static void what_cannot_be_one_is_drawn_here(void **state)
{
	struct rig *rig = *state;
	struct got got;
	int fd;

	start(rig);
	fd = shared_display(rig, 3);
	for (uint32_t i = PICTURE_GOOD + 1; i < PICTURE_ENDED; i++) {
		make_picture(BAD_PICTURE + i);
		gpu_show(0, BAD_PICTURE + i);
		if (i > PICTURE_GOOD + 1) {
			/* The same size: the dma-buf is the one that there is. */
			gpu_ok(gpu_try_flush(BAD_PICTURE + i, gpu_rect(0, 0, PICTURE, PICTURE)));
			continue;
		}
		got = shared_next(fd);
		is_own(&got);
	}
	close(fd);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "shown as a dma-buf: the renderer's is not as large"), 4);
	assert_int_equal(rig_logged(rig, "shown as a dma-buf: the renderer has none"), 3);
	assert_int_equal(rig_logged(rig, "shown as a dma-buf: the renderer's is of a format"), 2);
}

static void a_renderer_that_sends_others_is_ended(void **state)
{
	struct rig *rig = *state;
	int fd;

	for (uint32_t i = PICTURE_ENDED; i < PICTURE_ALL; i++) {
		if (i == PICTURE_ENDED)
			start(rig);
		fd = shared_display(rig, 3);
		make_picture(BAD_PICTURE + i);
		offer_show(rig, BAD_PICTURE + i);
		bad_expect_ended(rig);
		close(fd);
		rig_connect(rig);
		gpu_begin(rig);
		assert_int_equal(count_pictures(rig), 0);
	}
	rig_stop(rig);
}

static void what_comes_when_its_picture_is_gone_is_let_go(void **state)
{
	const struct virtio_gpu_resource_unref unref = {
		.hdr = gpu_head(VIRTIO_GPU_CMD_RESOURCE_UNREF),
		.resource_id = htole32(BAD_PICTURE)};
	struct rig *rig = *state;
	struct driver_used used;
	int fd, before;

	start(rig);
	fd = shared_display(rig, 3);
	before = count_fds_of(rig->program.pid);
	for (int i = 0; i < 20; i++) {
		make_picture(BAD_PICTURE);
		offer_show(rig, BAD_PICTURE);
		bad_offer_command(rig, &unref, sizeof(unref));
		for (int j = 0; j < 2; j++)
			rig_check(rig, peer_wait_used(rig->peer, GPU_CONTROL, &used));
	}
	rig_say(rig, "state");
	assert_int_equal(count_fds_of(rig->program.pid), before);
	close(fd);
	rig_stop(rig);
}

static void offer_flush(struct rig *rig)
{
	const struct virtio_gpu_resource_flush flush = {
		.hdr = {.type = htole32(VIRTIO_GPU_CMD_RESOURCE_FLUSH),
			.flags = htole32(VIRTIO_GPU_FLAG_FENCE)},
		.r = gpu_rect(0, 0, PICTURE, PICTURE),
		.resource_id = htole32(BAD_PICTURE)};

	bad_offer_command(rig, &flush, sizeof(flush));
}

/* As of a blob: see test_shared_fence.c. */
static void a_flush_is_answered_when_the_display_has_read_it(void **state)
{
	struct rig *rig = *state;
	struct driver_used used;
	uint32_t open = 0;
	int fd;

	start(rig);
	fd = shared_display(rig, 3);
	make_picture(BAD_PICTURE);
	gpu_show(0, BAD_PICTURE);
	shared_expect(fd, DMABUF_SCANOUT2);
	shared_expect(fd, DMABUF_UPDATE);
	shared_ack(fd);
	for (int i = 0; i < 50; i++) {
		offer_flush(rig);
		shared_expect(fd, DMABUF_UPDATE);
		/* The renderer has been asked, and has answered: it is the display's turn. */
		three_renderer(rig, 0);
		three_renderer(rig, 0);
		open += !driver_has_used(rig->peer->queues[GPU_CONTROL]);
		shared_ack(fd);
		rig_check(rig, peer_wait_used(rig->peer, GPU_CONTROL, &used));
	}
	assert_int_not_equal(open, 0);
	/* One that does not read holds nobody up for long. */
	for (int i = 0; i < 500; i++) {
		offer_flush(rig);
		rig_check(rig, peer_wait_used(rig->peer, GPU_CONTROL, &used));
	}
	close(fd);
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(what_it_exports_is_what_a_display_has),
		GPU_TEST(what_cannot_be_one_is_drawn_here),
		GPU_TEST(a_renderer_that_sends_others_is_ended),
		GPU_TEST(what_comes_when_its_picture_is_gone_is_let_go),
		GPU_TEST(a_flush_is_answered_when_the_display_has_read_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
