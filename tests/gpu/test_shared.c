/* SPDX-License-Identifier: MIT */
/* vu-gpu with --dmabuf: what a display is told, in which order, and what is let go. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../devices/client.h"
#include "fake_udmabuf.h"
#include "kit/counts.h"
#include "shared.h"

static void a_blob_is_shown_as_a_dma_buf_of_its_pages(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct got got;
	int fd;

	shared_start(rig, false);
	shared_pages(rig, &memory, 1);
	shared_blob(1, &memory);
	fd = shared_display(rig, 3);
	shared_show(0, 1);
	got = shared_expect(fd, DMABUF_SCANOUT2);
	assert_int_equal(got.size, 48);
	assert_int_equal(got.words[0], 0);
	assert_true(!got.words[1] && !got.words[2]);
	assert_int_equal(got.words[3], PICTURE);
	assert_int_equal(got.words[4], PICTURE);
	assert_int_equal(got.words[5], PICTURE);
	assert_int_equal(got.words[6], PICTURE);
	assert_int_equal(got.words[7], 4 * PICTURE);
	assert_int_equal(got.words[8], 0);
	assert_memory_equal(&got.words[9], "XR24", 4);
	assert_true(!got.words[10] && !got.words[11]);
	assert_int_equal(got.n_pieces, 1);
	assert_true(got.pieces[0].offset == memory.gpa && got.pieces[0].size == PAGE);
	got = shared_expect(fd, DMABUF_UPDATE);
	assert_int_equal(got.words[4], PICTURE);
	/* Until it has read that it is told of nothing else. */
	gpu_ok(gpu_try_flush(1, gpu_rect(1, 2, 3, 4)));
	gpu_ok(gpu_try_flush(1, gpu_rect(10, 12, 3, 4)));
	display_expect_nothing(rig, fd);
	shared_ack(fd);
	got = shared_expect(fd, DMABUF_UPDATE);
	assert_int_equal(got.words[1], 1);
	assert_int_equal(got.words[2], 2);
	assert_int_equal(got.words[3], 12);
	assert_int_equal(got.words[4], 14);
	shared_ack(fd);
	display_expect_nothing(rig, fd);
	gpu_ok(gpu_try_show_blob(0, 0, 0, 0, 0, 0));
	shared_expect_gone(fd, 0, 0, 0);
	display_expect_nothing(rig, fd);
	close(fd);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "resource 1: it is shown as a dma-buf"), 1);
}

static void a_display_without_modifiers_is_told_none(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct got got;
	int fd;

	shared_start(rig, false);
	shared_pages(rig, &memory, 1);
	shared_blob(1, &memory);
	shared_show(0, 1);
	fd = shared_display(rig, 1);
	got = shared_expect(fd, DMABUF_SCANOUT);
	assert_int_equal(got.size, 40);
	assert_memory_equal(&got.words[9], "XR24", 4);
	assert_true(got.ino);
	shared_expect(fd, DMABUF_UPDATE);
	close(fd);
	rig_stop(rig);
}

static void pictures_and_blobs_take_turns(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory, picture;
	int fd;

	shared_start(rig, true);
	shared_pages(rig, &memory, 1);
	gpu_picture(&picture, 2);
	shared_blob(1, &memory);
	gpu_create(2, &picture);
	gpu_update(2);
	fd = shared_display(rig, 3);
	for (int i = 0; i < 3; i++) {
		memory.data[i] ^= 0xff;
		shared_show(0, 1);
		shared_flush(1);
		shared_expect_shown(fd, 0, &memory);
		shared_ack(fd);
		display_expect_nothing(rig, fd);
		gpu_expect(0, &memory);
		gpu_show(0, 2);
		shared_expect_drawn(fd, 0, &picture);
		shared_ack(fd);
		gpu_expect(0, &picture);
	}
	close(fd);
	rig_stop(rig);
}

/* Flips: each is told, and made once. */
static void blobs_that_take_turns_have_a_dma_buf_each(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory[2];
	struct got got;
	uint64_t inos[2];
	int fd, before;

	shared_start(rig, false);
	fd = shared_display(rig, 3);
	for (uint32_t i = 0; i < 2; i++) {
		shared_pages(rig, &memory[i], i);
		shared_blob(i + 1, &memory[i]);
	}
	before = count_fds_of(rig->program.pid);
	for (uint32_t i = 0; i < 6; i++) {
		shared_show(0, i % 2 + 1);
		got = shared_expect(fd, DMABUF_SCANOUT2);
		assert_true(got.pieces[0].offset == memory[i % 2].gpa);
		assert_true(i < 2 || got.ino == inos[i % 2]);
		inos[i % 2] = got.ino;
		shared_expect(fd, DMABUF_UPDATE);
		shared_ack(fd);
	}
	assert_true(inos[0] != inos[1]);
	assert_int_equal(count_fds_of(rig->program.pid), before + 2);
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 1));
	display_expect_nothing(rig, fd);
	assert_int_equal(count_fds_of(rig->program.pid), before + 1);
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 2));
	shared_expect_gone(fd, 0, 0, 0);
	assert_int_equal(count_fds_of(rig->program.pid), before);
	close(fd);
	rig_stop(rig);
}

/* A guest that shows one after the other does not use up our descriptors. */
static void thousands_of_blobs_need_few_descriptors(void **state)
{
	enum { N = 300 };
	struct rig *rig = *state;
	struct rig_buffer memory;
	int fd, before;

	shared_start(rig, false);
	fd = shared_display(rig, 3);
	shared_pages(rig, &memory, 1);
	before = count_fds_of(rig->program.pid);
	for (uint32_t i = 1; i <= N; i++) {
		shared_blob(i, &memory);
		shared_show(0, i);
		shared_expect(fd, DMABUF_SCANOUT2);
		shared_expect(fd, DMABUF_UPDATE);
		shared_ack(fd);
	}
	display_expect_nothing(rig, fd);
	assert_in_range(count_fds_of(rig->program.pid), before + 1, before + 64);
	close(fd);
	rig_stop(rig);
}

static void a_blob_that_goes_while_it_is_read_leaves_nothing(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	int fd, before;

	shared_start(rig, false);
	fd = shared_display(rig, 3);
	shared_pages(rig, &memory, 1);
	before = count_fds_of(rig->program.pid);
	for (int i = 0; i < 3; i++) {
		shared_blob(1, &memory);
		shared_show(0, 1);
		shared_expect_shown(fd, 0, &memory);
		gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 1));
		shared_expect_gone(fd, 0, 0, 0);
		shared_ack(fd);
	}
	display_expect_nothing(rig, fd);
	assert_int_equal(count_fds_of(rig->program.pid), before);
	close(fd);
	rig_stop(rig);
}

/* Its pages are the guest's from then on, to give them to somebody else. */
static void a_blob_whose_memory_is_detached_is_no_dma_buf_any_more(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	int fd, before;

	shared_start(rig, false);
	fd = shared_display(rig, 3);
	shared_pages(rig, &memory, 1);
	before = count_fds_of(rig->program.pid);
	shared_blob(1, &memory);
	shared_show(0, 1);
	shared_expect_shown(fd, 0, &memory);
	shared_ack(fd);
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 1));
	assert_non_null(shared_expect(fd, DMABUF_SCANOUT2).drawn);
	assert_int_equal(count_fds_of(rig->program.pid), before + 1);
	shared_expect(fd, DMABUF_UPDATE);
	shared_ack(fd);
	assert_int_not_equal(gpu_try_flush(1, gpu_rect(0, 0, PICTURE, PICTURE)),
			     VIRTIO_GPU_RESP_OK_NODATA);
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 1));
	shared_expect_gone(fd, 0, 0, 0);
	display_expect_nothing(rig, fd);
	assert_int_equal(count_fds_of(rig->program.pid), before);
	close(fd);
	rig_stop(rig);
}

static void a_display_that_never_reads_its_dma_buf_keeps_nobody_waiting(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory, other;
	int fd;

	shared_start(rig, false);
	fd = shared_display(rig, 3);
	shared_pages(rig, &memory, 1);
	shared_pages(rig, &other, 2);
	shared_blob(1, &memory);
	shared_blob(2, &other);
	shared_show(0, 1);
	shared_expect_shown(fd, 0, &memory);
	for (int i = 0; i < 100; i++)
		shared_flush(1);
	display_expect_nothing(rig, fd);
	/* What is shown, and where, it is told. */
	shared_show(1, 2);
	shared_expect(fd, DMABUF_SCANOUT2);
	gpu_ok(gpu_try_cursor(VIRTIO_GPU_CMD_MOVE_CURSOR, 0, 0, 1, 1));
	shared_expect(fd, 5);
	shared_show(0, 2);
	shared_expect(fd, DMABUF_SCANOUT2);
	display_expect_nothing(rig, fd);
	shared_ack(fd);
	shared_expect(fd, DMABUF_UPDATE);
	shared_ack(fd);
	shared_expect(fd, DMABUF_UPDATE);
	shared_ack(fd);
	display_expect_nothing(rig, fd);
	close(fd);
	rig_stop(rig);
}

static void a_display_that_reads_twice_is_let_go(void **state)
{
	static const uint32_t more = 0;
	struct rig *rig = *state;
	struct rig_buffer memory;
	int fd, before;

	shared_start(rig, true);
	shared_pages(rig, &memory, 1);
	shared_blob(1, &memory);
	shared_show(0, 1);
	before = count_fds_of(rig->program.pid);
	for (int i = 0; i < 3; i++) {
		fd = shared_display(rig, 3);
		shared_expect_shown(fd, 0, &memory);
		if (i == 2) /* with something in it that is to be empty */
			display_send(fd, DMABUF_UPDATE, REPLY, &more, sizeof(more));
		else
			shared_ack(fd);
		if (i < 2)
			shared_ack(fd);
		client_expect_end(fd);
		close(fd);
		shared_flush(1);
		gpu_expect(0, &memory);
		assert_in_range(count_fds_of(rig->program.pid), before, before + 1);
	}
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "what is no reply to a question"), 3);
}

static void a_display_that_goes_takes_nothing_along_and_another_is_told_all(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	int fd, before;

	shared_start(rig, true);
	shared_pages(rig, &memory, 1);
	shared_blob(1, &memory);
	shared_show(0, 1);
	shared_flush(1);
	gpu_expect(0, &memory);
	before = count_fds_of(rig->program.pid);
	for (int i = 0; i < 5; i++) {
		fd = shared_display(rig, 3);
		shared_expect_shown(fd, 0, &memory);
		close(fd);
		memory.data[i] ^= 0xff;
		shared_flush(1);
		gpu_expect(0, &memory);
	}
	assert_in_range(count_fds_of(rig->program.pid), before, before + 1);
	rig_stop(rig);
}

static void a_display_that_reads_nothing_has_the_last_dma_buf_at_the_end(void **state)
{
	enum { FLIPS = 2000 };
	struct rig *rig = *state;
	struct rig_buffer memory[2];
	struct got got = {0}, last;
	uint32_t n = 0;
	int fd, before;

	shared_start(rig, false);
	fd = shared_display(rig, 3);
	for (uint32_t i = 0; i < 2; i++) {
		shared_pages(rig, &memory[i], i);
		shared_blob(i + 1, &memory[i]);
	}
	before = count_fds_of(rig->program.pid);
	for (uint32_t i = 0; i < FLIPS; i++)
		shared_show(0, i % 2 + 1);
	/* One waits for room, with its descriptor. */
	assert_in_range(count_fds_of(rig->program.pid), before + 2, before + 3);
	shared_expect(fd, DMABUF_SCANOUT2);
	shared_expect(fd, DMABUF_UPDATE);
	shared_ack(fd);
	do {
		last = got;
		got = shared_next(fd);
		n++;
	} while (got.request == DMABUF_SCANOUT2);
	assert_int_equal(got.request, DMABUF_UPDATE);
	assert_true(last.pieces[0].offset == memory[1].gpa);
	assert_in_range(n, 2, FLIPS / 2);
	close(fd);
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(a_blob_is_shown_as_a_dma_buf_of_its_pages),
		GPU_TEST(a_display_without_modifiers_is_told_none),
		GPU_TEST(pictures_and_blobs_take_turns),
		GPU_TEST(blobs_that_take_turns_have_a_dma_buf_each),
		GPU_TEST(thousands_of_blobs_need_few_descriptors),
		GPU_TEST(a_blob_that_goes_while_it_is_read_leaves_nothing),
		GPU_TEST(a_blob_whose_memory_is_detached_is_no_dma_buf_any_more),
		GPU_TEST(a_display_that_never_reads_its_dma_buf_keeps_nobody_waiting),
		GPU_TEST(a_display_that_reads_twice_is_let_go),
		GPU_TEST(a_display_that_goes_takes_nothing_along_and_another_is_told_all),
		GPU_TEST(a_display_that_reads_nothing_has_the_last_dma_buf_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
