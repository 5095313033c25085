/* SPDX-License-Identifier: MIT */
/*
 * vu-gpu's 3D: renderers that stand still, die, or are shut in; drivers that pause, begin anew, or
 * go while something is drawn.  A renderer that is stopped (SIGSTOP) has not done what it was
 * asked.
 */
#include "three.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { BEGIN_QUERY = 19, END_QUERY = 20, GET_QUERY_RESULT = 21, CREATE_OBJECT = 1, QUERY = 9 };
static const float red[4] = {1, 0, 0, 1};

/* --- what is not answered at once --- */

struct waiting {
	struct rig_buffer out, in;
};

static void offer(struct rig *rig, struct waiting *w, uint32_t queue, const void *command,
		  uint32_t len)
{
	struct driver_seg segs[2];

	rig_buffer(rig, &w->out, len);
	rig_buffer(rig, &w->in, 512);
	memcpy(w->out.data, command, len);
	segs[0] = rig_read_seg(&w->out, len);
	segs[1] = rig_write_seg(&w->in, 512);
	rig_offer(rig, queue, segs, 2, w);
}

static struct virtio_gpu_ctrl_hdr head(uint32_t type, uint32_t context, uint64_t fence)
{
	return (struct virtio_gpu_ctrl_hdr){.type = htole32(type),
					    .flags = htole32(fence ? VIRTIO_GPU_FLAG_FENCE : 0),
					    .fence_id = htole64(fence),
					    .ctx_id = htole32(context)};
}

static void offer_submit(struct rig *rig, struct waiting *w, uint64_t fence)
{
	struct {
		struct virtio_gpu_cmd_submit submit;
		uint32_t words[96];
	} c = {.submit.hdr = head(VIRTIO_GPU_CMD_SUBMIT_3D, 1, fence)};
	struct stream stream = {.n = 0};

	three_clear(&stream, 10 + (uint32_t)fence, 5, red);
	c.submit.size = htole32(4 * stream.n);
	memcpy(c.words, stream.words, sizeof(c.words));
	offer(rig, w, GPU_CONTROL, &c, (uint32_t)sizeof(c.submit) + 4 * stream.n);
}

static void offer_create(struct rig *rig, struct waiting *w, uint64_t fence)
{
	const struct virtio_gpu_resource_create_2d c = {
		.hdr = head(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, 0, fence),
		.resource_id = htole32(100 + (uint32_t)fence),
		.format = htole32(XRGB),
		.width = htole32(8),
		.height = htole32(8),
	};

	offer(rig, w, GPU_CONTROL, &c, sizeof(c));
}

static void get(struct rig *rig, struct waiting *w, uint32_t type, uint64_t fence)
{
	struct virtio_gpu_ctrl_hdr reply;

	assert_ptr_equal(rig_wait(rig, GPU_CONTROL, NULL), w);
	memcpy(&reply, w->in.data, sizeof(reply));
	assert_int_equal(le32toh(reply.type), type);
	assert_int_equal(le64toh(reply.fence_id), fence);
}

static void draw_red(struct rig *rig)
{
	struct stream stream = {.n = 0};

	three_clear(&stream, 1, 5, red);
	three_submit(1, &stream);
	gpu_ok(gpu_try_flush(5, gpu_rect(0, 0, PICTURE, PICTURE)));
	assert_int_equal(gpu_look(0)->pixels[PICTURE], 0xff0000);
	(void)rig;
}

/* As a front-end that comes anew. */
static void begin_again(struct rig *rig, struct rig_buffer *memory)
{
	rig_connect(rig);
	gpu_begin(rig);
	three_show_picture(memory);
	draw_red(rig);
}

/* --- tests --- */

static void fences_are_answered_in_order_when_all_is_drawn(void **state)
{
	struct virtio_gpu_ctrl_hdr info = head(VIRTIO_GPU_CMD_GET_DISPLAY_INFO, 0, 0);
	struct waiting a, b, c, d, unfenced;
	struct rig *rig = *state;
	struct rig_buffer memory;
	int pid;

	three_start_shown(rig, &memory);
	pid = three_renderer(rig, 0);
	assert_return_code(kill(pid, SIGSTOP), errno);
	offer_submit(rig, &a, 1);
	offer_create(rig, &b, 2);
	offer_submit(rig, &c, 3);
	offer_create(rig, &d, 4);
	/* Others are served meanwhile: of the card, the pointer, and the control socket. */
	offer(rig, &unfenced, GPU_CONTROL, &info, sizeof(info));
	get(rig, &unfenced, VIRTIO_GPU_RESP_OK_DISPLAY_INFO, 0);
	gpu_ok(gpu_try_cursor(VIRTIO_GPU_CMD_MOVE_CURSOR, 0, 0, 3, 4));
	gpu_expect_state(0, "resource 5");
	rig_expect_nothing(rig, GPU_CONTROL);
	assert_return_code(kill(pid, SIGCONT), errno);
	get(rig, &a, VIRTIO_GPU_RESP_OK_NODATA, 1);
	get(rig, &b, VIRTIO_GPU_RESP_OK_NODATA, 2);
	get(rig, &c, VIRTIO_GPU_RESP_OK_NODATA, 3);
	get(rig, &d, VIRTIO_GPU_RESP_OK_NODATA, 4);
	rig_stop(rig);
}

static void what_goes_while_its_pixels_are_on_their_way_is_let_go(void **state)
{
	const struct virtio_gpu_resource_flush f = {
		.hdr = head(VIRTIO_GPU_CMD_RESOURCE_FLUSH, 0, 0),
		.r = gpu_rect(0, 0, PICTURE, PICTURE),
		.resource_id = htole32(5)};
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct waiting flush, unref;
	struct virtio_gpu_resource_unref u = {.hdr = head(VIRTIO_GPU_CMD_RESOURCE_UNREF, 0, 0),
					      .resource_id = htole32(5)};
	int pid;

	three_start_shown(rig, &memory);
	pid = three_renderer(rig, 0);
	assert_return_code(kill(pid, SIGSTOP), errno);
	offer(rig, &flush, GPU_CONTROL, &f, sizeof(f));
	offer(rig, &unref, GPU_CONTROL, &u, sizeof(u));
	rig_expect_nothing(rig, GPU_CONTROL);
	gpu_expect_off(0);
	assert_return_code(kill(pid, SIGCONT), errno);
	get(rig, &flush, VIRTIO_GPU_RESP_OK_NODATA, 0);
	get(rig, &unref, VIRTIO_GPU_RESP_OK_NODATA, 0);
	rig_stop(rig);
}

static void a_renderer_that_dies_ends_one_session(void **state)
{
	static const int signals[] = {SIGABRT, SIGTRAP, SIGKILL};
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct waiting w;
	int pid = 0;

	three_start_shown(rig, &memory);
	draw_red(rig);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct driver_used used;

		pid = three_renderer(rig, pid);
		assert_return_code(kill(pid, SIGSTOP), errno);
		offer_submit(rig, &w, 50);
		assert_return_code(kill(pid, signals[i]), errno);
		assert_return_code(kill(pid, SIGCONT), signals[i] == SIGKILL ? 0 : errno);
		assert_int_equal(peer_wait_used(rig->peer, GPU_CONTROL, &used), -ECONNRESET);
		begin_again(rig, &memory);
	}
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "renderer: "), 3);
	assert_int_equal(rig_logged(rig, "renderer: it was ended by signal 6 ("), 1);
	assert_int_equal(rig_logged(rig, "renderer: it was ended by signal 5 ("), 1);
}

static void a_guest_may_go_while_a_renderer_stands_still(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;
	struct waiting w[3];
	int pid;

	three_start_shown(rig, &memory);
	draw_red(rig);
	pid = three_renderer(rig, 0);
	assert_return_code(kill(pid, SIGSTOP), errno);
	for (uint32_t i = 0; i < 3; i++)
		offer_submit(rig, &w[i], 60 + i);
	peer_disconnect(rig->peer);
	/* Nothing is left of it. */
	three_renderer(rig, pid);
	gpu_expect_off(0);
	begin_again(rig, &memory);
	rig_stop(rig);
	assert_int_equal(rig_logged(rig, "renderer: "), 0);
}

static void a_driver_that_paused_has_its_contexts_and_a_new_one_has_none(void **state)
{
	struct rig *rig = *state;
	struct rig_buffer memory;

	three_start_shown(rig, &memory);
	three_context(2);
	gpu_start_again(rig);
	draw_red(rig);
	/* So it is that driver. */
	assert_int_equal(three_try_context(VIRTIO_GPU_CMD_CTX_CREATE, 1),
			 VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
	gpu_start_again(rig);
	three_context(1);
	gpu_expect_off(0);
	assert_int_equal(three_try_context(VIRTIO_GPU_CMD_CTX_DESTROY, 2),
			 VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
	three_picture(1, 5, &memory);
	gpu_show(0, 5);
	draw_red(rig);
	rig_stop(rig);
}

static void results_of_queries_come_into_the_guests_memory(void **state)
{
	const struct virtio_gpu_resource_create_3d create = {
		.bind = BIND_CUSTOM, .format = FORMAT_R8, .width = 4096};
	struct stream stream = {.n = 0};
	struct virtio_gpu_mem_entry entry;
	struct rig_buffer memory, results;
	struct rig *rig = *state;
	uint32_t found[4];

	three_start_shown(rig, &memory);
	rig_buffer(rig, &results, 4096);
	memset(results.data, 0x55, 4096);
	entry = gpu_entry(results.gpa, 4096);
	gpu_ok(three_try_create(6, create));
	gpu_ok(gpu_try_attach(6, &entry, 1));
	gpu_ok(three_try_resource(VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 1, 6));
	three_clear(&stream, 1, 5, red);
	three_command(&stream, CREATE_OBJECT, QUERY, 4);
	three_word(&stream, 2);
	three_word(&stream, 0); /* samples passed */
	three_word(&stream, 0);
	three_word(&stream, 6);
	three_command(&stream, BEGIN_QUERY, 0, 1);
	three_word(&stream, 2);
	three_command(&stream, END_QUERY, 0, 1);
	three_word(&stream, 2);
	three_command(&stream, GET_QUERY_RESULT, 0, 2);
	three_word(&stream, 2);
	three_word(&stream, 1); /* wait */
	three_submit(1, &stream);
	memcpy(found, results.data, sizeof(found));
	assert_int_equal(le32toh(found[0]), 1); /* done */
	assert_int_equal(le32toh(found[1]), 4); /* bytes */
	assert_int_equal(le32toh(found[2]), 0);
	/* And nothing else was written. */
	assert_int_equal(results.data[16], 0x55);
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 6));
	gpu_ok(gpu_try_id(VIRTIO_GPU_CMD_RESOURCE_UNREF, 6));
	rig_stop(rig);
}

/* --- what a renderer can do --- */

static void expect_status(const char *path, const char *words)
{
	char text[4096];
	FILE *file = fopen(path, "r");
	size_t n;

	assert_non_null(file);
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	fclose(file);
	if (!strstr(text, words))
		fail_msg("%s does not have '%s':\n%s", path, words, text);
}

static void a_renderer_is_shut_in_with_all_its_threads(void **state)
{
	struct rig *rig = *state;
	char path[64], status[400];
	const struct dirent *entry;
	uint32_t n = 0;
	DIR *tasks;

	three_start(rig, NULL);
	snprintf(path, sizeof(path), "/proc/%d/task", three_renderer(rig, 0));
	tasks = opendir(path);
	assert_non_null(tasks);
	while (!rig_sandbox() && (entry = readdir(tasks))) {
		if (entry->d_name[0] == '.')
			continue;
		n++;
		snprintf(status, sizeof(status), "%s/%s/status", path, entry->d_name);
		expect_status(status, "\nSeccomp:\t2\n");
		expect_status(status, "\nNoNewPrivs:\t1\n");
		expect_status(status, "\nCapPrm:\t0000000000000000\n");
		expect_status(status, "\nCapEff:\t0000000000000000\n");
	}
	closedir(tasks);
	/* llvmpipe has some, the driver of a node need not. */
	assert_true(rig_sandbox() || n > (getenv("VU_GPU_NODE") ? 0 : 1));
	rig_stop(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GPU_TEST(fences_are_answered_in_order_when_all_is_drawn),
		GPU_TEST(what_goes_while_its_pixels_are_on_their_way_is_let_go),
		GPU_TEST(a_renderer_that_dies_ends_one_session),
		GPU_TEST(a_guest_may_go_while_a_renderer_stands_still),
		GPU_TEST(a_driver_that_paused_has_its_contexts_and_a_new_one_has_none),
		GPU_TEST(results_of_queries_come_into_the_guests_memory),
		GPU_TEST(a_renderer_is_shut_in_with_all_its_threads),
	};

	if (!three_can_be_tested())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
